import java.util.stream.DoubleStream;

/** The middle of some values, and how far they spread; not a number if there are none. */
record Statistics(double median, double minimum, double maximum) {

  static Statistics of(DoubleStream values) {
    double[] sorted = values.sorted().toArray();
    int count = sorted.length;
    return count == 0
        ? new Statistics(Double.NaN, Double.NaN, Double.NaN)
        : new Statistics(
            (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1]);
  }

  /** The median in this format, or a dash. */
  String median(String format) {
    return Double.isNaN(median) ? "–" : format.formatted(median);
  }

  /** The median with the spread in this format, or a dash. */
  String spread(String format) {
    return Double.isNaN(median)
        ? "–"
        : "%s (%s–%s)"
            .formatted(
                format.formatted(median), format.formatted(minimum), format.formatted(maximum));
  }
}
