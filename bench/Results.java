import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** All runs, and the tables that they make. */
final class Results {

  private static final String OURS = Contender.SAMPLES.title();

  private final Map<BenchDatabase.Kind, String> versions = new EnumMap<>(BenchDatabase.Kind.class);
  private final List<Run> runs = new ArrayList<>();
  private final String commit;

  /** Begins without runs; what is measured is the commit of this moment. */
  Results() throws IOException {
    Process git = new ProcessBuilder("git", "describe", "--always", "--dirty").start();
    commit = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
  }

  void addVersion(BenchDatabase.Kind kind, String version) {
    versions.put(kind, version);
  }

  void add(Run run) {
    runs.add(run);
  }

  /** A run on one line, to show that there is progress. */
  static String line(Run run) {
    String result =
        run.succeeded() ? "%,.0f a second".formatted(run.transfersPerSecond()) : run.fault();
    return "%s, %s: %s: %s".formatted(run.database().title, run.setting(), run.contender(), result);
  }

  /** What went wrong, each thing once. */
  Set<String> faults() {
    return runs.stream()
        .filter(run -> !run.succeeded())
        .map(Results::line)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** When, where and of which commit it was measured. */
  String machine() throws IOException {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return "%s: commit %s, %d cores, %d GiB of memory, %s, %s, Java %s, %s"
        .formatted(
            LocalDate.now(),
            commit,
            system.getAvailableProcessors(),
            Math.round(system.getTotalMemorySize() / (double) (1L << 30)),
            operatingSystem(),
            System.getProperty("os.arch"),
            System.getProperty("java.version"),
            String.join(", ", new LinkedHashSet<>(versions.values())));
  }

  private static String operatingSystem() throws IOException {
    Path release = Path.of("/etc/os-release");
    if (!Files.exists(release)) {
      return System.getProperty("os.name") + " " + System.getProperty("os.version");
    }
    return Files.readAllLines(release).stream()
        .filter(line -> line.startsWith("PRETTY_NAME="))
        .map(line -> line.replaceAll(".*=|\"", ""))
        .collect(Collectors.joining());
  }

  /** The contenders of a setting, the fastest first. */
  List<String> contenders(BenchDatabase.Kind kind, Setting setting) {
    Comparator<String> byRate =
        Comparator.comparingDouble(contender -> rate(kind, setting, contender).median());
    return of(kind, setting).map(Run::contender).distinct().sorted(byRate.reversed()).toList();
  }

  Statistics rate(BenchDatabase.Kind kind, Setting setting, String contender) {
    return statistics(kind, setting, contender, Run::transfersPerSecond);
  }

  /** A table of one setting in Markdown, whose columns are aligned for whoever reads the source. */
  String table(BenchDatabase.Kind kind, Setting setting) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(
        List.of(
            "contender",
            "transfers/s",
            "BankInsecure's ratio",
            "p99 ms",
            "server CPU ms",
            "client CPU ms",
            "round trips",
            "failed attempts"));
    for (String contender : contenders(kind, setting)) {
      rows.add(
          List.of(
              contender,
              rate(kind, setting, contender).spread("%,.0f"),
              ratio(kind, setting, contender).spread("%.2f"),
              statistics(kind, setting, contender, Run::p99Milliseconds).median("%.1f"),
              statistics(kind, setting, contender, Run::serverCpuMilliseconds).median("%.2f"),
              statistics(kind, setting, contender, Run::clientCpuMilliseconds).median("%.2f"),
              statistics(kind, setting, contender, Run::roundTripsPerTransfer).median("%.1f"),
              statistics(kind, setting, contender, Run::failedAttemptsPerTransfer).median("%.2f")));
    }
    return "### " + kind.title + ", " + setting + "\n\n" + markdown(rows);
  }

  private static String markdown(List<List<String>> rows) {
    int columns = rows.get(0).size();
    StringBuilder table = new StringBuilder();
    for (int i = 0; i < rows.size(); i++) {
      for (int column = 0; column < columns; column++) {
        int at = column;
        int width = rows.stream().mapToInt(row -> row.get(at).length()).max().orElseThrow();
        String format = "| %" + (column == 0 ? "-" : "") + width + "s ";
        table.append(format.formatted(rows.get(i).get(column)));
      }
      table.append("|\n");
      if (i == 0) {
        table.append("|---").append("|--:".repeat(columns - 1)).append("|\n");
      }
    }
    return table.toString();
  }

  private Statistics statistics(
      BenchDatabase.Kind kind, Setting setting, String contender, ToDoubleFunction<Run> value) {
    return Statistics.of(of(kind, setting, contender).mapToDouble(value));
  }

  /** How many times as many transfers BankInsecure made in the same round. */
  Statistics ratio(BenchDatabase.Kind kind, Setting setting, String contender) {
    Map<Integer, Double> ours =
        of(kind, setting, OURS).collect(Collectors.toMap(Run::round, Run::transfersPerSecond));
    return Statistics.of(
        of(kind, setting, contender)
            .filter(run -> ours.containsKey(run.round()))
            .mapToDouble(run -> ours.get(run.round()) / run.transfersPerSecond()));
  }

  private Stream<Run> of(BenchDatabase.Kind kind, Setting setting, String contender) {
    return of(kind, setting).filter(run -> run.succeeded() && run.contender().equals(contender));
  }

  private Stream<Run> of(BenchDatabase.Kind kind, Setting setting) {
    return runs.stream().filter(run -> run.database() == kind && run.setting().equals(setting));
  }

  /** Writes results.md and results.svg. */
  void write(Path directory) throws IOException {
    Files.writeString(directory.resolve("results.md"), markdown());
    Files.writeString(directory.resolve("results.svg"), Chart.of(this));
  }

  private String markdown() throws IOException {
    BenchDatabase.Kind kind = BenchDatabase.Kind.COCKROACH;
    Setting setting = Setting.TYPICAL;
    String tables =
        runs.stream()
            .map(run -> table(run.database(), run.setting()))
            .distinct()
            .collect(Collectors.joining("\n"));
    String definitions =
        Stream.of(Contender.values())
            .map(contender -> "- **%s**: %s%n".formatted(contender.title(), contender.definition))
            .collect(Collectors.joining());
    return """
    # Benchmark

    - Who: the samples' transfer, **BankInsecure**, and other ways to make a transfer, [defined below](#contenders).
    - What: transfers a second on CockroachDB, one node, %s. More settings follow.
    - Result: BankInsecure makes %s a second. That is %s times the classic transaction, and %s times SQLAlchemy.
    - Cost: a transfer of BankInsecure takes %s ms of the server's CPU, the classic transaction's %s, SQLAlchemy's %s.
    - Where: %s.

    ![Transfers a second by contender](results.svg)

    ## Contenders

    Each contender transfers money between two random accounts. Each worker keeps one connection.
    A star marks those that write no ledger: after a lost answer they cannot know what happened.

    %s
    ## Results

    The contenders run one after the other, round by round, in random order, each in a process that
    stays. One round comes first and does not count, because Java compiles while it runs. Each run has
    new tables, and begins with a second that does not count. A figure is the median of the rounds,
    with the smallest and the largest in parentheses. "BankInsecure's ratio" is BankInsecure's rate
    divided by this contender's in the same round. Times and counts are for each
    transfer. The server's CPU time includes what it does by itself. A failed attempt was rolled
    back because of a conflict, and made again. CockroachDB keeps its data in memory, and PostgreSQL
    runs with fsync off. Clients, proxy and servers share the machine. The latency is between clients
    and database, not between nodes.

    %s%s\
    """
        .formatted(
            setting,
            rate(kind, setting, OURS).spread("%,.0f"),
            ratio(kind, setting, Contender.CLASSIC.title()).spread("%.1f"),
            ratio(kind, setting, Contender.SQLALCHEMY.title()).spread("%.1f"),
            serverCpu(kind, setting, Contender.SAMPLES),
            serverCpu(kind, setting, Contender.CLASSIC),
            serverCpu(kind, setting, Contender.SQLALCHEMY),
            machine(),
            definitions,
            tables,
            faults().stream().map("\n- **%s**\n"::formatted).collect(Collectors.joining()));
  }

  private String serverCpu(BenchDatabase.Kind kind, Setting setting, Contender contender) {
    return statistics(kind, setting, contender.title(), Run::serverCpuMilliseconds).median("%.1f");
  }
}
