import com.google.gson.Gson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** All that was measured, and the tables made of it. */
final class Results {

  private final String machine;
  private final Map<Run.Entrant, Double> roundTrips = new EnumMap<>(Run.Entrant.class);
  private final Map<Run.Entrant, String> absent = new EnumMap<>(Run.Entrant.class);
  private final List<Run> runs = new ArrayList<>();
  private final List<Table> tables = new ArrayList<>();

  Results(String machine) {
    this.machine = machine;
  }

  /** Whether every contender that takes part did its job, and no money was lost or made. */
  boolean areWithoutFault() {
    return runs.stream().allMatch(run -> run.fault().isEmpty());
  }

  /** Notes who takes part, with the round trips of a transfer, and who cannot, with the reason. */
  void begin(Map<Run.Entrant, Double> present, Map<Run.Entrant, String> missing) {
    roundTrips.putAll(present);
    absent.putAll(missing);
  }

  /** Adds values of several candidates, one a round, and makes a table of it. */
  Table add(String title, String unit, String format, Map<String, List<Double>> values) {
    Table table = new Table(title, "", unit, "ratio to the first");
    List<Double> base = values.values().iterator().next();
    values.forEach(
        (candidate, all) -> {
          IntStream rounds = IntStream.range(0, all.size());
          DoubleStream ratios = rounds.mapToDouble(round -> all.get(round) / base.get(round));
          Statistics statistics = Statistics.of(all.stream().mapToDouble(value -> value));
          table.row(candidate, statistics.as(format), Statistics.of(ratios).asRatio());
        });
    tables.add(table);
    return table;
  }

  /** Adds what was measured under one setting and makes a table of it. */
  Table add(Run.Setting setting, List<Run> measured) {
    runs.addAll(measured);
    Table table =
        new Table(
            setting.toString(),
            "contender",
            "transfers/s",
            "ratio to pgbench",
            "ratio to plain pgjdbc",
            "p50 ms",
            "p99 ms",
            "longest ms",
            "retries",
            "round trips",
            "CPU ms");
    roundTrips.keySet().forEach(entrant -> addRow(table, setting, entrant));
    absent.forEach((entrant, reason) -> table.note(entrant.title + " did not run: " + reason));
    tables.add(table);
    return table;
  }

  private void addRow(Table table, Run.Setting setting, Run.Entrant entrant) {
    Map<String, Long> faults =
        of(setting, entrant)
            .map(Run::fault)
            .filter(fault -> !fault.isEmpty())
            .collect(Collectors.groupingBy(fault -> fault, TreeMap::new, Collectors.counting()));
    table.row(
        entrant.title + (faults.isEmpty() ? "" : " (!)"),
        statistics(setting, entrant, Run.Measurement::transfersPerSecond).as("%,.0f"),
        ratio(setting, entrant, Run.Entrant.PGBENCH).asRatio(),
        ratio(setting, entrant, Run.Entrant.PLAIN_JDBC).asRatio(),
        statistics(setting, entrant, Run.Measurement::p50Milliseconds).as("%.2f"),
        statistics(setting, entrant, Run.Measurement::p99Milliseconds).as("%.2f"),
        statistics(setting, entrant, Run.Measurement::longestMilliseconds).as("%.0f"),
        statistics(setting, entrant, Run.Measurement::retries).as("%,.0f"),
        Statistics.of(DoubleStream.of(roundTrips.get(entrant))).as("%.2f"),
        statistics(setting, entrant, Run.Measurement::cpuMillisecondsPerTransfer).as("%.3f"));
    faults.forEach(
        (fault, count) ->
            table.note("**%s: %s** (runs: %d)".formatted(entrant.title, fault, count)));
  }

  /** The middle of some values and how far they spread; not a number where there are none. */
  record Statistics(double median, double minimum, double maximum) {

    static Statistics of(DoubleStream values) {
      double[] sorted = values.sorted().toArray();
      int count = sorted.length;
      return count == 0
          ? new Statistics(Double.NaN, Double.NaN, Double.NaN)
          : new Statistics(
              (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1]);
    }

    /** As a ratio with its spread, or a dash. */
    String asRatio() {
      return Double.isNaN(median)
          ? Table.NOTHING
          : "%.2f (%.2f–%.2f)".formatted(median, minimum, maximum);
    }

    /** The median in this format, or a dash. */
    String as(String format) {
      return Double.isNaN(median) ? Table.NOTHING : format.formatted(median);
    }
  }

  /** The spread of a value over the rounds that count. */
  Statistics statistics(
      Run.Setting setting, Run.Entrant entrant, ToDoubleFunction<Run.Measurement> value) {
    return Statistics.of(counted(setting, entrant).map(Run::measurement).mapToDouble(value));
  }

  /** The rate of one against that of another in the same round. */
  private Statistics ratio(Run.Setting setting, Run.Entrant entrant, Run.Entrant base) {
    Map<Integer, Double> rates =
        counted(setting, base)
            .collect(Collectors.toMap(Run::round, run -> run.measurement().transfersPerSecond()));
    return Statistics.of(
        counted(setting, entrant)
            .filter(run -> rates.getOrDefault(run.round(), 0.0) > 0)
            .mapToDouble(run -> run.measurement().transfersPerSecond() / rates.get(run.round())));
  }

  private Stream<Run> counted(Run.Setting setting, Run.Entrant entrant) {
    return of(setting, entrant).filter(Run::counts);
  }

  private Stream<Run> of(Run.Setting setting, Run.Entrant entrant) {
    return runs.stream().filter(run -> run.setting().equals(setting) && run.entrant() == entrant);
  }

  /** Writes results.md, results.json and results.svg. */
  void write(Path directory) throws IOException {
    Files.writeString(directory.resolve("results.md"), markdown());
    Files.writeString(directory.resolve("results.json"), json());
    Chart.write(this, directory.resolve("results.svg"));
  }

  private String markdown() {
    String text =
        """
        # Results of the benchmark

        %s.

        All contenders do the same: move half of one random account's balance to another. The first
        three also write the transfer to a ledger, in the same statement; the others write none, as
        their models do. They run one after the other, round by round, each after a warm-up, and the
        tables show medians of the rounds. Ratios are taken within each round: the median, with the
        smallest and the largest. Latencies are from a transfer's first attempt to its end. Round
        trips and CPU are the client's, per transfer. Each round's own rates are in results.json.

        %s\
        """
            .formatted(
                machine, tables.stream().map(Table::toString).collect(Collectors.joining("\n")));
    return text.stripTrailing() + "\n";
  }

  /** The transfers a second of each round, for whoever does not trust a median. */
  private String json() {
    Map<String, Map<String, double[]>> rates = new LinkedHashMap<>();
    runs.stream()
        .filter(Run::counts)
        .forEach(
            run ->
                rates
                    .computeIfAbsent(run.setting().toString(), any -> new LinkedHashMap<>())
                    .computeIfAbsent(run.entrant().title, any -> rates(run)));
    String rows =
        rates.entrySet().stream()
            .map(
                each ->
                    new Gson().toJson(each.getKey()) + ": " + new Gson().toJson(each.getValue()))
            .collect(Collectors.joining(",\n"));
    return "{\"measured\": %s,\n\"transfersPerSecond\": {\n%s\n}}\n"
        .formatted(new Gson().toJson(machine), rows);
  }

  private double[] rates(Run of) {
    return counted(of.setting(), of.entrant())
        .mapToDouble(run -> Math.round(run.measurement().transfersPerSecond()))
        .toArray();
  }
}
