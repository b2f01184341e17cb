import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A contender's process, which keeps its connections, and runs when it is its turn. */
final class ContenderProcess implements AutoCloseable {

  private static final String SQLALCHEMY = "bench/sqlalchemy_bank.py";

  private static final int SECONDS_TO_RUN = 120;

  private final BankBench.Entry entry;
  private final BenchDatabase database;
  private final Setting setting;
  private final double seconds;
  private final Path errors;
  private Process process;
  private BufferedReader out;
  private BufferedWriter in;

  ContenderProcess(BankBench.Entry entry, BenchDatabase database, Setting setting, double seconds)
      throws IOException {
    this.entry = entry;
    this.database = database;
    this.setting = setting;
    this.seconds = seconds;
    this.errors = Files.createTempFile("bench-", ".err");
  }

  /** Lets it warm up and measure, on new tables. */
  Run run(int round) throws IOException {
    database.createTables(setting.accounts());
    if (process == null || !process.isAlive()) {
      start();
    }
    Process running = process;
    CompletableFuture<Void> limit =
        CompletableFuture.runAsync(
            running::destroyForcibly,
            CompletableFuture.delayedExecutor(SECONDS_TO_RUN, TimeUnit.SECONDS));
    try {
      // It warms up, and says that it is ready.
      send();
      if (out.readLine() == null) {
        return failed(round);
      }
      double cpuSeconds = database.cpuSeconds();
      long roundTrips = database.roundTrips();
      send();
      String line = out.readLine();
      if (line == null) {
        return failed(round);
      }
      return run(
          round,
          Measurement.parse(line),
          database.cpuSeconds() - cpuSeconds,
          database.roundTrips() - roundTrips,
          database.fault(setting.accounts()));
    } catch (IOException e) {
      // It has ended, and reads no more.
      return failed(round);
    } finally {
      limit.cancel(false);
    }
  }

  private void send() throws IOException {
    in.newLine();
    in.flush();
  }

  private Run failed(int round) throws IOException {
    process.destroyForcibly().onExit().join();
    return run(round, null, Double.NaN, 0, lastError());
  }

  private Run run(
      int round, Measurement measurement, double cpuSeconds, long roundTrips, String fault) {
    return new Run(
        database.kind(), setting, entry.title(), round, measurement, cpuSeconds, roundTrips, fault);
  }

  private void start() throws IOException {
    List<String> command = program();
    command.add(
        "--ports="
            + database.ports(setting.milliseconds()).stream()
                .map(String::valueOf)
                .collect(Collectors.joining(",")));
    command.add("--accounts=" + setting.accounts());
    command.add("--workers=" + setting.workers());
    command.add("--warm-up=" + Math.min(1, seconds));
    command.add("--seconds=" + seconds);
    process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    out = process.inputReader();
    in = process.outputWriter();
  }

  private String lastError() throws IOException {
    return Files.readString(errors)
        .lines()
        .filter(line -> !line.isBlank())
        .reduce("it ended without a result", (before, line) -> line);
  }

  /** Whether Python and the modules that its contender needs are installed. */
  static boolean hasSqlAlchemy() {
    try {
      return new ProcessBuilder("python3", SQLALCHEMY, "--help")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start()
              .onExit()
              .join()
              .exitValue()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** The command that starts a contender; those in Java have the options of BankInsecure.java. */
  private List<String> program() throws IOException {
    if (entry.contender() == Contender.SQLALCHEMY) {
      return new ArrayList<>(List.of("python3", SQLALCHEMY));
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

  @Override
  public void close() {
    try {
      if (process != null) {
        process.destroyForcibly().onExit().join();
      }
      Files.deleteIfExists(errors);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
