///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES LoadGenerator.java
//SOURCES LoadOptions.java
//SOURCES Measurement.java

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine.Mixin;

/** PostgreSQL's own load generator with the samples' statement, in whole seconds. */
final class Pgbench implements Callable<Integer> {

  @Mixin private LoadOptions options;

  private TemporaryDirectory directory;

  public static void main(String... arguments) {
    System.exit(LoadGenerator.execute(new Pgbench(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    try (TemporaryDirectory created = TemporaryDirectory.create("pgbench-")) {
      directory = created;
      Files.writeString(directory.path().resolve("transfer.sql"), script());
      while (in.readLine() != null) {
        measure(options.warmUpSeconds);
        System.out.println("ready");
        in.readLine();
        System.out.println(measure(options.seconds).line());
      }
    }
    return 0;
  }

  private String script() throws IOException {
    String statement = statement(Files.readString(Path.of("BankInsecure.java")));
    return """
    \\set one random(0, %1$d - 1)
    \\set other (:one + random(1, %1$d - 1)) %% %1$d
    \\set source (:one + 1) * 1000000007
    \\set target (:other + 1) * 1000000007
    %2$s;
    """
        .formatted(options.accounts, statement.replace(":id", "gen_random_uuid()"));
  }

  /** The text block in the method transfer. */
  private static String statement(String source) {
    Pattern pattern =
        Pattern.compile("static long transfer\\(.*?\"\"\"\\R(.*?)\"\"\"", Pattern.DOTALL);
    Matcher matcher = pattern.matcher(source);
    if (!matcher.find()) {
      throw new IllegalStateException("no transfer in BankInsecure.java");
    }
    return matcher.group(1).stripIndent().strip();
  }

  private Measurement measure(double seconds) throws IOException, InterruptedException {
    Path log = Files.createTempDirectory(directory.path(), "log");
    String pgbench =
        String.join(
            " ",
            "pgbench --no-vacuum --protocol=prepared --max-tries=0 --client=" + options.workers,
            "--jobs=" + Math.min(options.workers, Runtime.getRuntime().availableProcessors()),
            "--time=" + Math.max(1, Math.round(seconds)),
            "--log --log-prefix=" + log.resolve("log"),
            "--file=" + directory.path().resolve("transfer.sql"),
            "\"host=localhost port="
                + options.ports.get(0)
                + " dbname=bank user=maxroach sslmode=disable",
            "options='-c default_transaction_isolation=serializable'\"");
    Path out = log.resolve("out");
    // The shell can count the CPU time of a program that has ended; Java cannot. The directory
    // comes first because Debian's pgbench on the PATH is a script.
    String command =
        "export LC_ALL=C; PATH=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1):$PATH; "
            + pgbench
            + " && times";
    Process process =
        new ProcessBuilder("bash", "-c", command)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(out.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    if (process.waitFor() != 0) {
      throw new IOException("pgbench ended with status " + process.exitValue());
    }
    String printed = Files.readString(out, StandardCharsets.UTF_8);
    double committed = number("transactions actually processed: ", printed);
    return Measurement.of(
        latencies(log),
        (long) number("total number of retries: ", printed),
        committed / number("tps = ", printed),
        cpuSeconds(printed));
  }

  private static double number(String text, String printed) {
    Matcher matcher = Pattern.compile(Pattern.quote(text) + "([\\d.]+)").matcher(printed);
    if (!matcher.find()) {
      throw new IllegalStateException("no " + text + " in:\n" + printed);
    }
    return Double.parseDouble(matcher.group(1));
  }

  /** The last line of {@code times} is of the shell's children, in user and in system mode. */
  private static double cpuSeconds(String printed) {
    String times = printed.lines().reduce("", (before, line) -> line);
    return Pattern.compile("(\\d+)m([\\d.]+)s")
        .matcher(times)
        .results()
        .mapToDouble(Pgbench::seconds)
        .sum();
  }

  private static double seconds(MatchResult time) {
    return 60 * Double.parseDouble(time.group(1)) + Double.parseDouble(time.group(2));
  }

  /** Reads the logs, one for each thread: the third field is microseconds, retries included. */
  private static long[] latencies(Path log) throws IOException {
    try (Stream<Path> files = Files.list(log)) {
      List<Path> logs = files.filter(file -> !file.endsWith("out")).toList();
      Stream.Builder<String> lines = Stream.builder();
      for (Path file : logs) {
        Files.readAllLines(file).forEach(lines);
      }
      // The time may be over before a transaction was tried again: "failed" in place of a number.
      return lines
          .build()
          .map(line -> line.split(" ")[2])
          .filter(micros -> micros.matches("\\d+"))
          .mapToLong(micros -> 1_000 * Long.parseLong(micros))
          .toArray();
    }
  }
}
