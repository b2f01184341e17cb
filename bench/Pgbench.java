///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES Contender.java

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/**
 * The floor: PostgreSQL's own load generator, in C, with the statement of {@code BankInsecure}. Its
 * CPU time is that of the whole process, and it runs whole seconds.
 */
final class Pgbench extends Contender {

  /**
   * One value wherever the statement names it, and no call of a volatile function, for which
   * PostgreSQL would read the whole ledger.
   */
  private static final String UUID =
      "lpad(to_hex(CAST(:high AS INT8)), 16, '0') || lpad(to_hex(CAST(:low AS INT8)), 16, '0')";

  private static final Path DEBIAN = Path.of("/usr/lib/postgresql");

  public static void main(String... arguments) {
    run(new Pgbench(), arguments);
  }

  @Override
  Run.Measurement measure() throws Exception {
    Path pgbench = find();
    try (TemporaryDirectory directory = TemporaryDirectory.create("pgbench-")) {
      Path script = directory.path().resolve("transfer.sql");
      Files.writeString(script, script(accountIds()));
      Path log = directory.path().resolve("log");
      Execution execution = Execution.successful(command(pgbench, script, log));
      String out = execution.out();
      double committed = number("number of transactions actually processed:", out);
      return measurement(
          latencies(directory.path()),
          (long) number("total number of retries:", out),
          committed / number("tps =", out),
          execution.cpuSeconds());
    }
  }

  /** The number that it printed behind this text. */
  private static double number(String text, String out) {
    Matcher number = Pattern.compile(Pattern.quote(text) + "\\s*([\\d.]+)").matcher(out);
    if (!number.find()) {
      throw new IllegalStateException("no " + text + " in:\n" + out);
    }
    return Double.parseDouble(number.group(1));
  }

  private List<String> command(Path pgbench, Path script, Path log) {
    int threads = Math.min(workers, Runtime.getRuntime().availableProcessors());
    return List.of(
        pgbench.toString(),
        "--no-vacuum",
        "--protocol=prepared",
        "--max-tries=0",
        "--client=" + workers,
        "--jobs=" + threads,
        "--time=" + Math.max(1, (int) Math.ceil(seconds)),
        "--log",
        "--log-prefix=" + log,
        "--file=" + script,
        String.join(
            " ",
            "host=localhost",
            "port=" + port,
            "dbname=" + database,
            "user=maxroach",
            "sslmode=disable",
            "application_name=pgbench",
            "options='-c default_transaction_isolation=serializable'"));
  }

  /** Debian's own program rather than its wrapper on PATH, which is in Perl. */
  private static Path find() throws IOException, Unavailable {
    List<Path> folders = new ArrayList<>();
    if (Files.isDirectory(DEBIAN)) {
      try (Stream<Path> versions = Files.list(DEBIAN)) {
        versions
            .sorted(Comparator.comparing(Pgbench::version).reversed())
            .forEach(version -> folders.add(version.resolve("bin")));
      }
    }
    for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
      folders.add(Path.of(folder));
    }
    return folders.stream()
        .map(folder -> folder.resolve("pgbench"))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(
            () -> new Unavailable("there is no pgbench, neither on PATH nor in " + DEBIAN));
  }

  private static int version(Path folder) {
    String name = folder.getFileName().toString();
    return name.matches("\\d+") ? Integer.parseInt(name) : 0;
  }

  private static String script(long[] ids) throws IOException {
    String last = String.valueOf(ids.length - 1);
    String statement = transfer(name -> name.equals("id") ? UUID : ":" + name);
    return String.join(
        "\n",
        "\\set high random(0, 9223372036854775806)",
        "\\set low random(0, 9223372036854775806)",
        "\\set one random(0, " + last + ")",
        "\\set other (:one + random(1, " + last + ")) % " + ids.length,
        "\\set source " + choice("one", ids, 0, ids.length),
        "\\set target " + choice("other", ids, 0, ids.length),
        statement.strip() + ";",
        "");
  }

  /** The ID with this index, found by halves, for pgbench has no arrays. */
  private static String choice(String index, long[] ids, int from, int to) {
    if (to - from == 1) {
      return String.valueOf(ids[from]);
    }
    int middle = (from + to) / 2;
    return "case when :%s < %d then %s else %s end"
        .formatted(index, middle, choice(index, ids, from, middle), choice(index, ids, middle, to));
  }

  /** Reads the logs, one a thread; the third field is the microseconds, retries and all. */
  private static Histogram latencies(Path directory) throws IOException {
    Histogram latencies = histogram();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.filter(f -> f.getFileName().toString().startsWith("log.")).toList()) {
        for (String line : Files.readAllLines(file)) {
          String micros = line.split(" ")[2];
          if (micros.matches("\\d+")) {
            latencies.recordValue(TimeUnit.MICROSECONDS.toNanos(Long.parseLong(micros)));
          }
        }
      }
    }
    return latencies;
  }
}
