import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.TypeConversionException;

/** How many workers transfer between how many accounts, so many milliseconds from the database. */
record Setting(int workers, int accounts, int milliseconds) {

  /** What the chart shows: eight workers in the same region as the database. */
  static final Setting TYPICAL = new Setting(8, 1_000, 5);

  /** What is measured on every database. */
  static final List<Setting> MAIN =
      List.of(TYPICAL, new Setting(8, 1_000, 0), new Setting(32, 10, 0));

  /** What is measured on CockroachDB with one node. */
  static final List<Setting> ALL =
      Stream.concat(MAIN.stream(), Stream.of(new Setting(32, 10, 5))).toList();

  /** Reads what the command line says: workers/accounts/milliseconds. */
  static Setting parse(String text) {
    if (!text.matches("[1-9]\\d{0,2}/[1-9]\\d{1,5}/\\d{1,4}")) {
      throw new TypeConversionException("not workers/accounts/milliseconds, such as 8/1000/5");
    }
    int[] parts = Stream.of(text.split("/")).mapToInt(Integer::parseInt).toArray();
    return new Setting(parts[0], parts[1], parts[2]);
  }

  @Override
  public String toString() {
    String network = milliseconds == 0 ? "no latency" : milliseconds + " ms of latency";
    String worker = workers == 1 ? "worker" : "workers";
    return "%d %s, %,d accounts, %s".formatted(workers, worker, accounts, network);
  }
}
