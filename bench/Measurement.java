import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * What a contender reports of the time that counts.
 *
 * @param failedAttempts attempts that the database rolled back, and that were made again
 * @param cpuSeconds the CPU time of the contender itself, not of the database
 */
record Measurement(
    long committed,
    long failedAttempts,
    double seconds,
    double p99Milliseconds,
    double cpuSeconds) {

  static Measurement of(long[] latencies, long failedAttempts, double seconds, double cpuSeconds) {
    long[] sorted = latencies.clone();
    Arrays.sort(sorted);
    double p99 = sorted.length == 0 ? Double.NaN : sorted[(int) (0.99 * sorted.length)] / 1e6;
    return new Measurement(sorted.length, failedAttempts, seconds, p99, cpuSeconds);
  }

  /** The line that a contender prints: the numbers, in this order. */
  String line() {
    return String.format(
        Locale.ROOT,
        "%d %d %.6f %.3f %.3f",
        committed,
        failedAttempts,
        seconds,
        p99Milliseconds,
        cpuSeconds);
  }

  static Measurement parse(String line) {
    double[] numbers = Stream.of(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    return new Measurement(
        (long) numbers[0], (long) numbers[1], numbers[2], numbers[3], numbers[4]);
  }

  double transfersPerSecond() {
    return committed / seconds;
  }

  double cpuMilliseconds() {
    return 1e3 * cpuSeconds / committed;
  }
}
