import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.TypeConversionException;

/** Under what the contenders are compared: workers, accounts, and milliseconds of added latency. */
record Setting(int workers, int accounts, int milliseconds) {

  static final List<Setting> QUICK = List.of(new Setting(8, 1_000, 5));

  /** One worker, so that nothing is tried twice while round trips are counted. */
  static final Setting ALONE = new Setting(1, 1_000, 0);

  /** Every combination that the full benchmark measures. */
  static List<Setting> all() {
    return Stream.of(0, 5)
        .flatMap(
            milliseconds ->
                Stream.of(1_000, 10)
                    .flatMap(
                        accounts ->
                            Stream.of(1, 8, 32)
                                .map(workers -> new Setting(workers, accounts, milliseconds))))
        .toList();
  }

  /** Reads what the command line says: workers/accounts/milliseconds. */
  static Setting parse(String text) {
    String[] parts = text.split("/");
    if (parts.length != 3) {
      throw new TypeConversionException("workers/accounts/milliseconds, such as 8/1000/5");
    }
    Setting setting =
        new Setting(
            Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2]));
    if (setting.accounts != 1_000 && setting.accounts != 10) {
      throw new TypeConversionException("there is a database with 1000 and one with 10 accounts");
    }
    return setting;
  }

  String database() {
    return accounts == 10 ? "hot" : "bank";
  }

  Duration latency() {
    return Duration.ofMillis(milliseconds);
  }

  String network() {
    return milliseconds == 0 ? "loopback" : "%d ms added".formatted(milliseconds);
  }

  String workersInWords() {
    return workers == 1 ? "1 worker" : workers + " workers";
  }

  @Override
  public String toString() {
    return "%s, %,d accounts, %s".formatted(workersInWords(), accounts, network());
  }
}
