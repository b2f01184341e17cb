import com.google.gson.Gson;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** The server and the databases on which the contenders run, and the ways to them. */
final class Course implements AutoCloseable {

  private static final int NOT_HERE = 3;
  private static final int NO_SUCH_PROGRAM = 127;
  private static final double SHORT_SECONDS = 0.1;
  private static final double LONG_SECONDS = 1.1;

  private final Postgres server;
  private final FaultProxy counter;
  private final FaultProxy slowdown;
  private final TemporaryDirectory directory;
  private final Map<Run.Entrant, String> absent = new EnumMap<>(Run.Entrant.class);

  Course() throws IOException, InterruptedException {
    directory = TemporaryDirectory.create("bench-");
    // Between any two runs the tables are cleaned: not by a chance of time in one contender's run.
    server = Postgres.builder().setting("autovacuum", "off").start();
    counter = FaultProxy.to(server.port());
    slowdown = FaultProxy.to(server.port());
    fill("bank", 1_000);
    fill("hot", 10);
  }

  /** Makes a database, if need be, and has BankLoad make its tables with so many accounts. */
  void fill(String database, int accounts) throws IOException, InterruptedException {
    server
        .asSuperuser()
        .useHandle(
            root -> {
              String made = "SELECT count(*) FROM pg_database WHERE datname = ?";
              if (root.select(made, database).mapTo(int.class).one() == 0) {
                root.execute("CREATE DATABASE " + database + " OWNER maxroach");
              }
            });
    Execution.successful(
        Execution.java(
            "BankLoad",
            List.of(
                "--url=" + url(database), "--accounts=" + accounts, "--transfers=0", "--seed=1")));
  }

  Postgres server() {
    return server;
  }

  String url(String database) {
    return "postgresql://maxroach@localhost:%d/%s?sslmode=disable"
        .formatted(server.port(), database);
  }

  /** Those that cannot run on this machine, and why. */
  Map<Run.Entrant, String> absent() {
    return absent;
  }

  /**
   * Lets one contender make transfers, after half as long that does not count, and compares the
   * balances' total with the one before.
   */
  Run run(Run.Setting setting, int round, Run.Entrant entrant, double seconds)
      throws IOException, InterruptedException {
    clean(setting.database());
    BigDecimal before = total(setting.database());
    Run run = run(setting, round, entrant, seconds / 2, seconds, port(setting));
    BigDecimal change = total(setting.database()).subtract(before);
    if (change.signum() == 0) {
      return run;
    }
    String fault = "%s %,.0f".formatted(change.signum() < 0 ? "lost" : "made", change.abs());
    return new Run(setting, round, entrant, run.measurement(), fault);
  }

  private Run run(
      Run.Setting setting, int round, Run.Entrant entrant, double warmUp, double seconds, int port)
      throws IOException, InterruptedException {
    Execution execution = execute(setting, entrant, warmUp, seconds, port);
    if (execution.status() == NOT_HERE || execution.status() == NO_SUCH_PROGRAM) {
      absent.put(entrant, execution.reason());
    }
    if (execution.status() != 0) {
      return new Run(setting, round, entrant, null, execution.reason());
    }
    Run.Measurement measurement = new Gson().fromJson(execution.out(), Run.Measurement.class);
    return new Run(setting, round, entrant, measurement, "");
  }

  private Execution execute(
      Run.Setting setting, Run.Entrant entrant, double warmUp, double seconds, int port)
      throws IOException, InterruptedException {
    List<String> arguments =
        List.of(
            "--port=" + port,
            "--database=" + setting.database(),
            "--workers=" + setting.workers(),
            "--warm-up=" + warmUp,
            "--seconds=" + seconds);
    if (!entrant.isPython()) {
      return Execution.of(Execution.java(entrant.program, arguments));
    }
    Path program = directory.path().resolve(entrant.program);
    Files.writeString(program, Execution.resource(entrant.program));
    List<String> command = new ArrayList<>(List.of("python3", program.toString()));
    command.addAll(arguments);
    return Execution.of(command);
  }

  /**
   * How often a transfer waits for the network, without connecting and disconnecting: what a longer
   * run waits more often than a shorter one, by the transfers that it makes more.
   */
  double roundTrips(Run.Entrant entrant) throws IOException, InterruptedException {
    Count few = count(entrant, SHORT_SECONDS);
    Count many = count(entrant, LONG_SECONDS);
    return (double) (many.roundTrips - few.roundTrips) / (many.transfers - few.transfers);
  }

  private record Count(long roundTrips, long transfers) {}

  private Count count(Run.Entrant entrant, double seconds)
      throws IOException, InterruptedException {
    counter.mark();
    Run run = run(Run.Setting.ALONE, Run.WARM_UP, entrant, 0, seconds, counter.port());
    boolean failed = run.measurement() == null;
    return new Count(counter.roundTrips(), failed ? 0 : run.measurement().committed());
  }

  private int port(Run.Setting setting) {
    return setting.milliseconds() == 0 ? server.port() : slowdown.latency(setting.latency()).port();
  }

  void dropDatabase(String database) {
    server.asSuperuser().useHandle(handle -> handle.execute("DROP DATABASE IF EXISTS " + database));
  }

  private void clean(String database) {
    server
        .asSuperuser(database)
        .useHandle(
            handle -> {
              handle.execute("TRUNCATE transfers");
              handle.execute("VACUUM ANALYZE accounts");
            });
  }

  private BigDecimal total(String database) {
    return server
        .asSuperuser(database)
        .withHandle(
            handle ->
                handle.select("SELECT sum(balance) FROM accounts").mapTo(BigDecimal.class).one());
  }

  @Override
  public void close() {
    slowdown.close();
    counter.close();
    server.close();
    directory.close();
  }
}
