import java.io.File;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;

/** A database that the contenders run on, in memory or with fsync off, on this machine. */
final class BenchDatabase implements AutoCloseable {

  /** What can be measured. */
  enum Kind {
    COCKROACH("CockroachDB, one node"),
    COCKROACH3("CockroachDB, three nodes"),
    POSTGRES("PostgreSQL");

    final String title;

    Kind(String title) {
      this.title = title;
    }

    /** Whether this machine has it. */
    boolean isHere() {
      return this == POSTGRES || cockroach().findAny().isPresent();
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final BigDecimal BALANCE = BigDecimal.valueOf(1_000_000);

  private final List<Integer> ports = new ArrayList<>();
  private final List<Process> nodes = new ArrayList<>();
  private final List<FaultProxy> proxies = new ArrayList<>();
  private final TemporaryDirectory directory = TemporaryDirectory.create("bench-");
  private LocalCluster postgres;
  private ProcessHandle postmaster;

  private BenchDatabase() throws IOException {}

  static BenchDatabase start(Kind kind) throws IOException, InterruptedException {
    BenchDatabase database = new BenchDatabase();
    try {
      switch (kind) {
        case COCKROACH -> database.startCockroach(1);
        case COCKROACH3 -> database.startCockroach(3);
        case POSTGRES -> database.startPostgres();
      }
      return database;
    } catch (IOException | RuntimeException e) {
      database.close();
      throw e;
    }
  }

  private void startPostgres() throws IOException {
    postgres = LocalCluster.insecure();
    ports.add(postgres.port());
    try (BankInsecure.Session session = session()) {
      long backend = session.run(h -> h.select("SELECT pg_backend_pid()").mapTo(long.class).one());
      postmaster = ProcessHandle.of(backend).orElseThrow().parent().orElseThrow();
    }
  }

  private void startCockroach(int count) throws IOException, InterruptedException {
    for (int node = 0; node < count; node++) {
      ports.add(Server.freePort());
    }
    String addresses = String.join(",", ports.stream().map(port -> "localhost:" + port).toList());
    for (int port : ports) {
      List<String> command = new ArrayList<>(List.of(cockroach().findAny().orElseThrow()));
      command.addAll(
          count == 1 ? List.of("start-single-node") : List.of("start", "--join=" + addresses));
      command.add("--insecure");
      command.add("--store=type=mem,size=1GiB");
      command.add("--listen-addr=localhost:" + port);
      command.add("--http-addr=localhost:0");
      nodes.add(process(command));
    }
    while (count > 1 && process(initialize()).waitFor() != 0) {
      Thread.sleep(200);
    }
    createBank(System.nanoTime() + Duration.ofMinutes(1).toNanos());
  }

  private List<String> initialize() {
    String cockroach = cockroach().findAny().orElseThrow();
    return List.of(cockroach, "init", "--insecure", "--host=localhost:" + ports.get(0));
  }

  private Process process(List<String> command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.path().toFile());
    builder.environment().put("COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING", "true");
    builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
    return builder.start();
  }

  private void createBank(long deadline) throws InterruptedException {
    Jdbi jdbi =
        Jdbi.create(
            "jdbc:postgresql://localhost:" + ports.get(0) + "/defaultdb?user=root&sslmode=disable");
    while (true) {
      try (Handle root = jdbi.open()) {
        root.execute("CREATE USER IF NOT EXISTS maxroach");
        root.execute("CREATE DATABASE IF NOT EXISTS bank");
        root.execute("ALTER DATABASE bank OWNER TO maxroach");
        return;
      } catch (JdbiException e) {
        if (System.nanoTime() > deadline) {
          throw e;
        }
        Thread.sleep(200);
      }
    }
  }

  private static Stream<String> cockroach() {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .map(folder -> new File(folder, "cockroach"))
        .filter(File::canExecute)
        .map(File::getPath);
  }

  /** Where clients connect: to the database, or to a proxy that adds latency. */
  List<Integer> ports(int milliseconds) {
    if (milliseconds == 0) {
      return ports;
    }
    if (proxies.isEmpty()) {
      ports.forEach(port -> proxies.add(FaultProxy.to(port)));
    }
    proxies.forEach(proxy -> proxy.latency(Duration.ofMillis(milliseconds)));
    return proxies.stream().map(FaultProxy::port).toList();
  }

  /** How often clients of the proxies have waited for an answer so far. */
  long roundTrips() {
    return proxies.stream().mapToLong(FaultProxy::roundTrips).sum();
  }

  /** Drops the tables, and creates them with so many accounts of the same balance. */
  void createTables(int accounts) {
    long[] ids = LongStream.range(0, accounts).map(i -> LoadGenerator.accountId((int) i)).toArray();
    long[] balances = LongStream.of(ids).map(id -> BALANCE.longValue()).toArray();
    try (BankInsecure.Session session = session()) {
      session.run(h -> h.execute("DROP TABLE IF EXISTS accounts, transfers, basic_accounts"));
      BankInsecure.createTables(session);
      session.commit("accounts", h -> BankInsecure.insertAccounts(h, ids, balances));
      session.run(
          handle -> {
            BankBasic.createTable(handle);
            return handle.execute("INSERT INTO basic_accounts SELECT id, balance FROM accounts");
          });
      // The database's own statistics would come in the middle of one contender's run.
      session.run(h -> h.execute("ANALYZE accounts"));
      session.run(h -> h.execute("ANALYZE basic_accounts"));
    }
  }

  /** Says what is wrong with the balances after a run, or nothing. */
  String fault(int accounts) {
    BigDecimal expected = BALANCE.multiply(BigDecimal.valueOf(2L * accounts));
    try (BankInsecure.Session session = session()) {
      BigDecimal total =
          session.run(
              h ->
                  h.select(
                          "SELECT (SELECT sum(balance) FROM accounts)"
                              + " + (SELECT sum(balance) FROM basic_accounts)")
                      .mapTo(BigDecimal.class)
                      .one());
      BigDecimal change = total.subtract(expected);
      return change.signum() == 0 ? "" : "changed the total balance by %,.0f".formatted(change);
    }
  }

  String version() {
    try (BankInsecure.Session session = session()) {
      return session.run(BankInsecure::version);
    }
  }

  private BankInsecure.Session session() {
    String url = "postgresql://maxroach@localhost:" + ports.get(0) + "/bank";
    return new BankInsecure.Session(
        BankInsecure.connect(BankInsecure.settings(url)), Duration.ofMinutes(1), retry -> {});
  }

  /** The CPU time of the database's processes so far, or not a number where /proc is missing. */
  double cpuSeconds() throws IOException {
    if (!Files.isDirectory(Path.of("/proc/self"))) {
      return Double.NaN;
    }
    double ticks = 0;
    for (ProcessHandle process : processes()) {
      ticks += ticks(process);
    }
    return ticks / 100;
  }

  /** The nodes, or PostgreSQL's processes, of which the parent of the others is the last. */
  private List<ProcessHandle> processes() {
    return postmaster == null
        ? nodes.stream().map(Process::toHandle).toList()
        : Stream.concat(postmaster.children(), Stream.of(postmaster)).toList();
  }

  /** A process's own time, and that of its children that have ended; none if it has ended. */
  private static long ticks(ProcessHandle process) throws IOException {
    Path file = Path.of("/proc", String.valueOf(process.pid()), "stat");
    String stat;
    try {
      stat = Files.readString(file);
    } catch (NoSuchFileException e) {
      return 0;
    }
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    return Stream.of(fields).skip(11).limit(4).mapToLong(Long::parseLong).sum();
  }

  @Override
  public void close() {
    proxies.forEach(FaultProxy::close);
    // Their data is in memory: nothing is worth draining.
    nodes.forEach(Process::destroyForcibly);
    nodes.forEach(node -> node.onExit().join());
    if (postgres != null) {
      postgres.close();
    }
    directory.close();
  }
}
