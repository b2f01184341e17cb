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
}
