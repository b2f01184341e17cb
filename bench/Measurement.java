import org.HdrHistogram.Histogram;

/** What a contender says of its run, in the names of the JSON that it prints. */
record Measurement(
    long committed,
    long retries,
    double seconds,
    double p50Milliseconds,
    double p99Milliseconds,
    double longestMilliseconds,
    double cpuSeconds) {

  /** That of transfers whose latencies were counted in nanoseconds. */
  static Measurement of(Histogram latencies, long retries, double seconds, double cpuSeconds) {
    return new Measurement(
        latencies.getTotalCount(),
        retries,
        seconds,
        latencies.getValueAtPercentile(50) / 1e6,
        latencies.getValueAtPercentile(99) / 1e6,
        latencies.getMaxValue() / 1e6,
        cpuSeconds);
  }

  double transfersPerSecond() {
    return seconds == 0 ? 0 : committed / seconds;
  }

  double cpuMillisecondsPerTransfer() {
    return committed == 0 ? Double.NaN : 1e3 * cpuSeconds / committed;
  }
}
