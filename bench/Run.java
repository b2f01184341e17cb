/**
 * One run of a contender in one round.
 *
 * @param measurement what it measured, or null where it failed
 * @param fault what went wrong, or empty
 */
record Run(Setting setting, int round, Entrant entrant, Measurement measurement, String fault) {

  static final int WARM_UP = 0;

  boolean counts() {
    return round != WARM_UP && measurement != null;
  }

  /** The same run, found to have changed the total of the balances. */
  Run withFault(String found) {
    return new Run(setting, round, entrant, measurement, found);
  }
}
