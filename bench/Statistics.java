import java.util.stream.DoubleStream;

/** The middle of some values and how far they spread; not a number where there are none. */
record Statistics(double median, double minimum, double maximum) {

  static Statistics of(DoubleStream values) {
    double[] sorted = values.sorted().toArray();
    int count = sorted.length;
    return count == 0
        ? new Statistics(Double.NaN, Double.NaN, Double.NaN)
        : new Statistics(
            (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1]);
  }

  /** As a ratio with its spread, or a dash. */
  String asRatio() {
    return Double.isNaN(median)
        ? Table.NOTHING
        : "%.2f (%.2f–%.2f)".formatted(median, minimum, maximum);
  }

  /** The median in this format, or a dash. */
  String as(String format) {
    return Double.isNaN(median) ? Table.NOTHING : format.formatted(median);
  }
}
