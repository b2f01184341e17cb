import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What one contender did in one round.
 *
 * @param contender its title
 * @param measurement what it measured, or null if it failed
 * @param serverCpuSeconds the CPU time of the database while it measured
 * @param fault what went wrong, or empty
 */
record Run(
    BenchDatabase.Kind database,
    Setting setting,
    String contender,
    int round,
    Measurement measurement,
    double serverCpuSeconds,
    long roundTrips,
    String fault) {

  private Run(BenchDatabase.Kind database, Setting setting, String contender, int round) {
    this(database, setting, contender, round, null, Double.NaN, 0, "");
  }

  private Run with(Measurement measurement, double serverCpuSeconds, long roundTrips) {
    return new Run(
        database, setting, contender, round, measurement, serverCpuSeconds, roundTrips, fault);
  }

  private Run with(String fault) {
    return new Run(
        database, setting, contender, round, measurement, serverCpuSeconds, roundTrips, fault);
  }

  private static final int SECONDS_TO_RUN = 120;

  boolean succeeded() {
    return fault.isEmpty();
  }

  double transfersPerSecond() {
    return measurement.transfersPerSecond();
  }

  double p99Milliseconds() {
    return measurement.p99Milliseconds();
  }

  double clientCpuMilliseconds() {
    return measurement.cpuMilliseconds();
  }

  double serverCpuMilliseconds() {
    return 1e3 * serverCpuSeconds / measurement.committed();
  }

  double roundTripsPerTransfer() {
    return setting.milliseconds() == 0 ? Double.NaN : roundTrips / (double) measurement.committed();
  }

  double failedAttemptsPerTransfer() {
    return measurement.failedAttempts() / (double) measurement.committed();
  }

  /** Lets a contender run on new tables, in a process of its own. */
  static Run of(
      BenchDatabase.Kind kind,
      BenchDatabase database,
      Setting setting,
      BankBench.Entry entry,
      int round,
      double seconds)
      throws IOException {
    database.createTables(setting.accounts());
    List<String> command = command(entry);
    command.add("--ports=" + join(database.ports(setting.milliseconds())));
    command.add("--accounts=" + setting.accounts());
    command.add("--workers=" + setting.workers());
    command.add("--warm-up=" + Math.min(1, seconds));
    command.add("--seconds=" + seconds);
    Path errors = Files.createTempFile("bench-", ".err");
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    CompletableFuture.delayedExecutor(SECONDS_TO_RUN, TimeUnit.SECONDS)
        .execute(process::destroyForcibly);
    try {
      Run run = measure(process, database, new Run(kind, setting, entry.title(), round));
      String fault =
          run.measurement == null ? lastLine(errors) : database.fault(setting.accounts());
      return run.with(fault);
    } finally {
      process.destroyForcibly().onExit().join();
      Files.delete(errors);
    }
  }

  private static Run measure(Process process, BenchDatabase database, Run run) throws IOException {
    var out = process.inputReader();
    if (out.readLine() == null) {
      return run;
    }
    double cpuSeconds = database.cpuSeconds();
    long roundTrips = database.roundTrips();
    process.outputWriter().append('\n').flush();
    String line = out.readLine();
    return line == null
        ? run
        : run.with(
            Measurement.parse(line),
            database.cpuSeconds() - cpuSeconds,
            database.roundTrips() - roundTrips);
  }

  private static String lastLine(Path file) throws IOException {
    return Files.readString(file)
        .lines()
        .filter(line -> !line.isBlank())
        .reduce("it ended without a result", (before, line) -> line);
  }

  /** The command that starts a contender; those in Java have the options of BankInsecure.java. */
  private static List<String> command(BankBench.Entry entry) throws IOException {
    if (entry.contender() == Contender.SQLALCHEMY) {
      return new ArrayList<>(List.of("python3", "bench/sqlalchemy_bank.py"));
    }
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String header = "//JAVA_OPTIONS ";
    Files.readAllLines(Path.of("BankInsecure.java")).stream()
        .filter(line -> line.startsWith(header))
        .flatMap(line -> Stream.of(line.substring(header.length()).split(" ")))
        .forEach(command::add);
    command.add("-cp");
    command.add(
        Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
            .map(path -> Path.of(path).toAbsolutePath().toString())
            .collect(Collectors.joining(File.pathSeparator)));
    if (entry.contender() == Contender.PGBENCH) {
      command.add("Pgbench");
      return command;
    }
    command.add("LoadGenerator");
    command.add("--contender=" + entry.contender());
    if (entry.statement() != null) {
      command.add("--statement=" + entry.statement());
    }
    return command;
  }

  private static String join(List<Integer> ports) {
    return ports.stream().map(String::valueOf).collect(Collectors.joining(","));
  }
}
