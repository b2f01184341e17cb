import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Values of several candidates, one a round, compared with the first candidate's. */
final class Comparison {

  private final String title;
  private final String unit;
  private final Map<String, List<Double>> values = new LinkedHashMap<>();

  Comparison(String title, String unit) {
    this.title = title;
    this.unit = unit;
  }

  /** Adds a candidate's value of the next round. */
  void add(String candidate, double value) {
    values.computeIfAbsent(candidate, name -> new ArrayList<>()).add(value);
  }

  /** Makes a table of medians and of ratios within the rounds. */
  Table table(String format) {
    Table table = new Table(title, "", unit, "ratio to the first");
    values.forEach(
        (candidate, all) ->
            table.row(
                candidate, Statistics.of(all.stream().mapToDouble(v -> v)).as(format), ratio(all)));
    return table;
  }

  private String ratio(List<Double> all) {
    List<Double> base = values.values().iterator().next();
    return Statistics.of(IntStream.range(0, all.size()).mapToDouble(i -> all.get(i) / base.get(i)))
        .asRatio();
  }
}
