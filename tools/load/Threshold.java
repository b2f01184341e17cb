import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A condition, such as p99>50ms, on which a load has failed although no money was lost. */
record Threshold(String condition, String metric, String operator, double limit) {

  /** How a condition looks, for a message about one that does not. */
  static final String FORM = "a condition such as 'p99>50ms', 'gap>2s' or 'rate<100'";

  private static final Pattern CONDITION =
      Pattern.compile(
          "(?:(p50|p95|p99|p99\\.9|max|gap) *([<>]=?) *(\\d+(?:\\.\\d+)?) *(ms|s)"
              + "|(rate|retries|unknown|late) *([<>]=?) *(\\d+(?:\\.\\d+)?))");

  /** Reads a condition; an IllegalArgumentException if it has another form. */
  static Threshold parse(String condition) {
    Matcher parts = CONDITION.matcher(condition.strip());
    if (!parts.matches()) {
      throw new IllegalArgumentException("not " + FORM);
    }
    boolean isTime = parts.group(1) != null;
    int first = isTime ? 1 : 5;
    double number = Double.parseDouble(parts.group(first + 2));
    return new Threshold(
        parts.group(),
        parts.group(first),
        parts.group(first + 1),
        isTime && parts.group(4).equals("s") ? 1_000 * number : number);
  }

  /** What it makes of a result: the condition, the value that was measured, and the verdict. */
  Map<String, Object> judge(Map<String, Object> result) {
    Double value = value(result);
    Map<String, Object> judged = new LinkedHashMap<>();
    judged.put("condition", condition);
    judged.put("value", value);
    judged.put("unit", metric.matches("rate|retries|unknown|late") ? "" : "ms");
    // What was not measured has not passed.
    judged.put("failed", value == null || isMet(value));
    return judged;
  }

  private boolean isMet(double value) {
    return switch (operator) {
      case ">" -> value > limit;
      case ">=" -> value >= limit;
      case "<" -> value < limit;
      default -> value <= limit;
    };
  }

  private Double value(Map<String, Object> result) {
    Object value =
        switch (metric) {
          case "rate" -> result.get("transfersPerSecond");
          case "retries" -> result.get("retries");
          case "unknown" -> ((Collection<?>) result.get("transfersUnknown")).size();
          case "late" -> result.get("transfersNotBegun");
          case "gap" -> longestGap((List<?>) result.get("gaps"));
          case "max" -> result.get("maximumMilliseconds");
          default -> result.get(metric.replace(".", "") + "Milliseconds");
        };
    return value == null ? null : ((Number) value).doubleValue();
  }

  private static double longestGap(List<?> gaps) {
    return gaps.stream()
        .map(gap -> (double[]) gap)
        .mapToDouble(gap -> LoadStatistics.rounded(1_000 * (gap[1] - gap[0])))
        .max()
        .orElse(0);
  }
}
