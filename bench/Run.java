import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.TypeConversionException;

/**
 * What one contender did in one round, under one setting.
 *
 * @param measurement what it measured, or null where it failed
 * @param fault what went wrong, or empty
 */
record Run(Setting setting, int round, Entrant entrant, Measurement measurement, String fault) {

  static final int WARM_UP = 0;

  boolean counts() {
    return round != WARM_UP && measurement != null;
  }

  /** Who takes part: each is a program that makes transfers for a while and prints what it did. */
  enum Entrant {
    PGBENCH("Pgbench", "pgbench, in C"),
    PLAIN_JDBC("PlainJdbc", "plain pgjdbc"),
    BANK_LOAD("ShippedBankLoad", "BankLoad, ours"),
    CLASSIC_TRANSACTION("ClassicTransaction", "BankBasic's transaction"),
    SERIALIZABLE_RUNNER("SerializableRunner", "JDBI's runner"),
    EXPLICIT_COMMIT("ExplicitCommit", "explicit COMMIT"),
    SQLALCHEMY("sqlalchemy_bank.py", "SQLAlchemy, as the tutorial");

    /** Its main class, or its Python file. */
    final String program;

    /** What tables and the chart call it. */
    final String title;

    Entrant(String program, String title) {
      this.program = program;
      this.title = title;
    }

    boolean isPython() {
      return program.endsWith(".py");
    }
  }

  /** How many workers move money among how many accounts, so many milliseconds away. */
  record Setting(int workers, int accounts, int milliseconds) {

    /** One worker, so that nothing is tried twice while round trips are counted. */
    static final Setting ALONE = new Setting(1, 1_000, 0);

    /** What the chart shows: the distance of a database in the same region. */
    static final Setting TYPICAL = new Setting(8, 1_000, 5);

    /** What the full benchmark measures; one worker alone has nobody to collide with. */
    static List<Setting> all() {
      return Stream.of(0, 5)
          .flatMap(
              milliseconds ->
                  Stream.of(
                      new Setting(1, 1_000, milliseconds),
                      new Setting(8, 1_000, milliseconds),
                      new Setting(32, 1_000, milliseconds),
                      new Setting(8, 10, milliseconds),
                      new Setting(32, 10, milliseconds)))
          .toList();
    }

    /** Reads what the command line says: workers/accounts/milliseconds. */
    static Setting parse(String text) {
      if (!text.matches("[1-9]\\d{0,2}/(1000|10)/\\d{1,4}")) {
        throw new TypeConversionException("workers/accounts/milliseconds; 1000 or 10 accounts");
      }
      int[] parts = Stream.of(text.split("/")).mapToInt(Integer::parseInt).toArray();
      return new Setting(parts[0], parts[1], parts[2]);
    }

    String database() {
      return accounts == 10 ? "hot" : "bank";
    }

    Duration latency() {
      return Duration.ofMillis(milliseconds);
    }

    @Override
    public String toString() {
      String network = milliseconds == 0 ? "loopback" : milliseconds + " ms of latency added";
      String worker = workers == 1 ? "worker" : "workers";
      return "%d %s, %,d accounts, %s".formatted(workers, worker, accounts, network);
    }
  }

  /** What a contender says of its run, in the names of the JSON that it prints. */
  record Measurement(
      long committed,
      long retries,
      double seconds,
      double p50Milliseconds,
      double p99Milliseconds,
      double longestMilliseconds,
      double cpuSeconds) {

    double transfersPerSecond() {
      return seconds == 0 ? 0 : committed / seconds;
    }

    double cpuMillisecondsPerTransfer() {
      return committed == 0 ? Double.NaN : 1e3 * cpuSeconds / committed;
    }
  }
}
