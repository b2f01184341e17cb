import com.google.gson.GsonBuilder;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/** All that was measured, and the tables made of it. */
final class Results {

  private final Machine machine;
  private final Map<Entrant, Double> roundTrips = new EnumMap<>(Entrant.class);
  private final Map<Entrant, String> absent = new EnumMap<>(Entrant.class);
  private final List<Run> runs = new ArrayList<>();
  private final List<Comparison> comparisons = new ArrayList<>();
  private final List<Table> tables = new ArrayList<>();

  Results(Machine machine) {
    this.machine = machine;
  }

  Machine machine() {
    return machine;
  }

  /** Whether every contender that takes part did its job, and no money was lost or made. */
  boolean areWithoutFault() {
    return runs.stream().allMatch(run -> run.fault().isEmpty());
  }

  /** Notes who takes part, with the round trips of a transfer, and who cannot, with the reason. */
  void begin(Map<Entrant, Double> present, Map<Entrant, String> missing) {
    roundTrips.putAll(present);
    absent.putAll(missing);
  }

  /** Adds another comparison and makes a table of it. */
  Table add(Comparison comparison, String format) {
    comparisons.add(comparison);
    Table table = comparison.table(format);
    tables.add(table);
    return table;
  }

  /** Adds what was measured under one setting and makes a table of it. */
  Table add(Setting setting, List<Run> measured) {
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
    absent.forEach((entrant, reason) -> table.note(entrant.title() + " did not run: " + reason));
    tables.add(table);
    return table;
  }

  private void addRow(Table table, Setting setting, Entrant entrant) {
    Map<String, Long> faults =
        of(setting, entrant)
            .map(Run::fault)
            .filter(fault -> !fault.isEmpty())
            .collect(Collectors.groupingBy(fault -> fault, TreeMap::new, Collectors.counting()));
    table.row(
        entrant.title() + (faults.isEmpty() ? "" : " (!)"),
        statistics(setting, entrant, Measurement::transfersPerSecond).as("%,.0f"),
        ratio(setting, entrant, Entrant.PGBENCH).asRatio(),
        ratio(setting, entrant, Entrant.PLAIN_JDBC).asRatio(),
        statistics(setting, entrant, Measurement::p50Milliseconds).as("%.2f"),
        statistics(setting, entrant, Measurement::p99Milliseconds).as("%.2f"),
        statistics(setting, entrant, Measurement::longestMilliseconds).as("%.0f"),
        statistics(setting, entrant, Measurement::retries).as("%,.0f"),
        Statistics.of(DoubleStream.of(roundTrips.get(entrant))).as("%.2f"),
        statistics(setting, entrant, Measurement::cpuMillisecondsPerTransfer).as("%.3f"));
    faults.forEach((fault, runs) -> table.note(fault(entrant, fault, runs)));
  }

  private static String fault(Entrant entrant, String fault, long runs) {
    return "**%s: %s** (runs: %d)".formatted(entrant.title(), fault, runs);
  }

  /** The spread of a value over the rounds that count. */
  Statistics statistics(Setting setting, Entrant entrant, ToDoubleFunction<Measurement> value) {
    return Statistics.of(counted(setting, entrant).map(Run::measurement).mapToDouble(value));
  }

  /** The rate of one against that of another in the same round. */
  private Statistics ratio(Setting setting, Entrant entrant, Entrant base) {
    Map<Integer, Double> rates =
        counted(setting, base)
            .collect(Collectors.toMap(Run::round, run -> run.measurement().transfersPerSecond()));
    return Statistics.of(
        counted(setting, entrant)
            .filter(run -> rates.getOrDefault(run.round(), 0.0) > 0)
            .mapToDouble(run -> run.measurement().transfersPerSecond() / rates.get(run.round())));
  }

  private Stream<Run> counted(Setting setting, Entrant entrant) {
    return of(setting, entrant).filter(Run::counts);
  }

  private Stream<Run> of(Setting setting, Entrant entrant) {
    return runs.stream().filter(run -> run.setting().equals(setting) && run.entrant() == entrant);
  }

  /** Writes results.md, results.json and results.svg. */
  void write(Path directory) throws IOException {
    Files.writeString(directory.resolve("results.md"), markdown());
    Files.writeString(directory.resolve("results.json"), json() + "\n");
    Chart.write(this, List.copyOf(roundTrips.keySet()), directory.resolve("results.svg"));
  }

  private String markdown() {
    String text =
        """
        # Results of the benchmark

        %s
        All contenders do the same: move half of one random account's balance to another. The first
        three also write the transfer to a ledger, in the same statement; the others write none, as
        their models do. They run one after the other, round by round, each after a warm-up, and the
        tables show medians of the rounds. Ratios are taken within each round: the median, with the
        smallest and the largest. Latencies are from a transfer's first attempt to its end. Round
        trips and CPU are the client's, per transfer.

        %s\
        """
            .formatted(
                machine, tables.stream().map(Table::toString).collect(Collectors.joining("\n")));
    return text.stripTrailing() + "\n";
  }

  private String json() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("machine", machine);
    all.put("roundTripsPerTransfer", roundTrips);
    all.put("didNotRun", absent);
    all.put("runs", runs);
    all.put("comparisons", comparisons);
    JsonSerializer<LocalDate> date = (value, type, context) -> new JsonPrimitive(value.toString());
    JsonSerializer<Double> number =
        (value, type, context) -> value.isNaN() ? JsonNull.INSTANCE : new JsonPrimitive(value);
    return new GsonBuilder()
        .registerTypeAdapter(LocalDate.class, date)
        .registerTypeAdapter(Double.class, number)
        .registerTypeAdapter(double.class, number)
        .serializeNulls()
        .setPrettyPrinting()
        .create()
        .toJson(all);
  }
}
