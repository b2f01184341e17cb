import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A program that was run to its end: what it printed, and the time and CPU time that it took. */
record Execution(int status, String out, String err, double seconds, double cpuSeconds) {

  private static final long SECONDS_TO_RUN = 120;

  /** Java cannot count the CPU time of its children's children; the shell's {@code times} can. */
  private static final String METERED =
      "export LC_ALL=C; times=$1; shift; \"$@\"; status=$?; times >\"$times\"; exit $status";

  private static final Pattern MINUTES_SECONDS = Pattern.compile("(\\d+)m([\\d.]+)s");

  /** Runs it; one that does not end is killed and has the status -1. */
  static Execution of(List<String> command) throws IOException, InterruptedException {
    try (TemporaryDirectory directory = TemporaryDirectory.create("bench-")) {
      Path out = directory.path().resolve("out");
      Path err = directory.path().resolve("err");
      Path times = directory.path().resolve("times");
      List<String> metered = new ArrayList<>(List.of("/usr/bin/env", "bash", "-c", METERED));
      metered.addAll(List.of("bash", times.toString()));
      metered.addAll(command);
      ProcessBuilder builder = new ProcessBuilder(metered);
      builder.redirectInput(new File("/dev/null"));
      builder.redirectOutput(out.toFile()).redirectError(err.toFile());
      long start = System.nanoTime();
      Process process = builder.start();
      int status = process.waitFor(SECONDS_TO_RUN, TimeUnit.SECONDS) ? process.exitValue() : -1;
      double seconds = (System.nanoTime() - start) / 1e9;
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly().waitFor();
      double cpuSeconds = status == -1 ? Double.NaN : cpuSeconds(Files.readAllLines(times));
      return new Execution(
          status, Files.readString(out), Files.readString(err), seconds, cpuSeconds);
    }
  }

  /** The second line is of the shell's children, in user and in system mode. */
  private static double cpuSeconds(List<String> times) {
    return MINUTES_SECONDS.matcher(times.get(1)).results().mapToDouble(Execution::seconds).sum();
  }

  private static double seconds(MatchResult time) {
    return 60 * Double.parseDouble(time.group(1)) + Double.parseDouble(time.group(2));
  }

  /** Runs it, and takes any end but a good one for a failure of the benchmark. */
  static Execution successful(List<String> command) throws IOException, InterruptedException {
    Execution execution = of(command);
    if (execution.status != 0) {
      throw new IOException(String.join(" ", command) + " failed: " + execution.reason());
    }
    return execution;
  }

  /** Why it failed: the first line that speaks of an error, else the last that it wrote. */
  String reason() {
    return status == -1
        ? "it did not end within " + SECONDS_TO_RUN + " s"
        : err.lines()
            .filter(line -> line.matches(".*([Ee]rror|Exception).*"))
            .findFirst()
            .orElseGet(() -> err.strip().lines().reduce("", (before, line) -> line));
  }

  /** The command line that runs a class of this program as JBang runs BankInsecure. */
  static List<String> java(String mainClass, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(javaOptions());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), mainClass));
    command.addAll(arguments);
    return command;
  }

  /** What BankInsecure's header asks of Java. */
  static List<String> javaOptions() throws IOException {
    String directive = "//JAVA_OPTIONS ";
    return resource("BankInsecure.java")
        .lines()
        .filter(line -> line.startsWith(directive))
        .flatMap(line -> Stream.of(line.substring(directive.length()).split(" ")))
        .toList();
  }

  /** Reads a file that this program brings along. */
  static String resource(String name) throws IOException {
    try (var stream = Execution.class.getResourceAsStream("/" + name)) {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
