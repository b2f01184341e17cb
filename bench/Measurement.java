/** What a contender says of its run, in the names of the JSON that it prints. */
record Measurement(
    long committed,
    long retries,
    double seconds,
    double p50Milliseconds,
    double p99Milliseconds,
    double longestMilliseconds,
    double cpuSeconds) {

  double transfersPerSecond() {
    return seconds == 0 ? 0 : committed / seconds;
  }

  double cpuMillisecondsPerTransfer() {
    return committed == 0 ? Double.NaN : 1e3 * cpuSeconds / committed;
  }
}
