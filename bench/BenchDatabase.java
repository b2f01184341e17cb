import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** A database that the contenders run on, in memory or with fsync off, on this machine. */
final class BenchDatabase implements AutoCloseable {

  /** What can be measured. */
  enum Kind {
    COCKROACH("CockroachDB, one node", 1),
    COCKROACH3("CockroachDB, three nodes", 3),
    POSTGRES("PostgreSQL", 1);

    final String title;
    private final int nodes;

    Kind(String title, int nodes) {
      this.title = title;
      this.nodes = nodes;
    }

    /** Whether this machine has it. */
    boolean isHere() {
      return this == POSTGRES || CockroachCluster.binary().isPresent();
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final BigDecimal BALANCE = BigDecimal.valueOf(1_000_000);
  private static final Pattern PROCESS = Pattern.compile("process (\\d+)");

  private final Kind kind;
  private final List<Integer> ports;
  private final Cluster cluster;
  private final List<FaultProxy> proxies = new ArrayList<>();

  private BenchDatabase(Kind kind, List<Integer> ports, Cluster cluster) {
    this.kind = kind;
    this.ports = ports;
    this.cluster = cluster;
  }

  static BenchDatabase start(Kind kind) throws IOException {
    List<Integer> ports = new ArrayList<>();
    while (ports.size() < kind.nodes) {
      ports.add(Cluster.freePort());
    }
    Cluster cluster =
        kind == Kind.POSTGRES
            ? PostgresStandIn.insecure(ports.get(0))
            : new CockroachCluster(CockroachCluster.binary().orElseThrow(), ports, null, false);
    BenchDatabase database = new BenchDatabase(kind, ports, cluster);
    try {
      cluster.start();
      if (cluster instanceof CockroachCluster nodes) {
        // Copying data to other nodes would slow the first contenders down.
        nodes.awaitReplication(Duration.ofMinutes(2));
      }
      return database;
    } catch (IOException | RuntimeException e) {
      database.close();
      throw e;
    }
  }

  Kind kind() {
    return kind;
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

  /** The nodes; or PostgreSQL's processes, of which the parent of the others is the last. */
  private List<ProcessHandle> processes() {
    return cluster.nodes().stream()
        .map(PROCESS::matcher)
        .filter(Matcher::find)
        .flatMap(matcher -> ProcessHandle.of(Long.parseLong(matcher.group(1))).stream())
        .flatMap(process -> Stream.concat(process.children(), Stream.of(process)))
        .toList();
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
    cluster.close();
  }
}
