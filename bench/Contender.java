//DEPS com.google.code.gson:gson:2.15.0
//DEPS org.postgresql:postgresql:42.7.14
//DEPS info.picocli:picocli:4.7.7
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//FILES BankInsecure.java=../BankInsecure.java
//SOURCES ../test/servers/TemporaryDirectory.java
//SOURCES Execution.java
//SOURCES Run.java

import com.google.gson.Gson;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import org.HdrHistogram.Histogram;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/**
 * A program that moves money in its own way for some seconds, and prints what came of it as one
 * line of JSON.
 */
abstract class Contender implements Callable<Integer> {

  private static final Pattern TRANSFER =
      Pattern.compile("static long transfer\\(.*?\"\"\"\\R(.*?)\"\"\"", Pattern.DOTALL);

  private static final Pattern PARAMETER = Pattern.compile(":(id|source|target)\\b");

  @Option(names = "--port", required = true)
  int port;

  @Option(names = "--database", required = true)
  String database;

  @Option(names = "--workers", required = true)
  int workers;

  @Option(names = "--warm-up", description = "Seconds that do not count, before those that do.")
  double warmUp;

  @Option(names = "--seconds", required = true)
  double seconds;

  /** Runs the contender as a program: prints its line and ends. */
  static void run(Contender contender, String... arguments) {
    CommandLine commandLine =
        new CommandLine(contender).setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(commandLine.execute(arguments));
  }

  @Override
  public final Integer call() throws Exception {
    System.out.println(new Gson().toJson(measure()));
    return 0;
  }

  private static int report(Exception e) {
    System.err.println(e instanceof Unavailable ? e.getMessage() : e);
    return e instanceof Unavailable ? 3 : 1;
  }

  /** The program cannot run on this machine. */
  static final class Unavailable extends Exception {
    private static final long serialVersionUID = 1;

    Unavailable(String message) {
      super(message);
    }
  }

  /** Makes transfers for the time that was asked for. */
  abstract Run.Measurement measure() throws Exception;

  /** The CPU time of this process so far. */
  static long cpuNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  /** Counts nanoseconds, to three digits. */
  static Histogram histogram() {
    return new Histogram(TimeUnit.HOURS.toNanos(1), 3);
  }

  /** What is told of transfers whose latencies were counted in nanoseconds. */
  static Run.Measurement measurement(
      Histogram latencies, long retries, double seconds, double cpuSeconds) {
    return new Run.Measurement(
        latencies.getTotalCount(),
        retries,
        seconds,
        latencies.getValueAtPercentile(50) / 1e6,
        latencies.getValueAtPercentile(99) / 1e6,
        latencies.getMaxValue() / 1e6,
        cpuSeconds);
  }

  /** BankInsecure's transfer, with something else in the place of each parameter. */
  static String transfer(UnaryOperator<String> places) throws IOException {
    return PARAMETER
        .matcher(transfer())
        .replaceAll(place -> Matcher.quoteReplacement(places.apply(place.group(1))));
  }

  /** The names of its parameters, in the order of their places. */
  static List<String> transferParameters() throws IOException {
    return PARAMETER.matcher(transfer()).results().map(place -> place.group(1)).toList();
  }

  private static String transfer() throws IOException {
    Matcher source = TRANSFER.matcher(Execution.resource("BankInsecure.java"));
    if (!source.find()) {
      throw new IllegalStateException("no transfer in BankInsecure.java");
    }
    return source.group(1).stripIndent();
  }

  /** The accounts that there are, in ID order. */
  final long[] accountIds() throws SQLException {
    LongStream.Builder ids = LongStream.builder();
    try (Connection connection = open();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT id FROM accounts ORDER BY id")) {
      while (rows.next()) {
        ids.add(rows.getLong(1));
      }
    }
    return ids.build().toArray();
  }

  final Connection open() throws SQLException {
    return DriverManager.getConnection(url(), properties());
  }

  final String url() {
    return "jdbc:postgresql://localhost:" + port + "/" + database;
  }

  /** Connects as {@code BankInsecure} does. */
  final Properties properties() {
    Properties properties = new Properties();
    properties.setProperty("user", "maxroach");
    properties.setProperty("sslmode", "disable");
    properties.setProperty("assumeMinServerVersion", "9.0");
    properties.setProperty("ApplicationName", getClass().getSimpleName());
    properties.setProperty("options", "-c default_transaction_isolation=serializable");
    return properties;
  }
}
