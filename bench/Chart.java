import java.util.List;

/**
 * The rates on CockroachDB as an SVG: bars, sorted, with their spread, for light and dark pages.
 */
final class Chart {

  private static final BenchDatabase.Kind KIND = BenchDatabase.Kind.COCKROACH;
  private static final int WIDTH = 720;
  private static final int TOP = 76;
  private static final int ROW = 36;
  private static final int BAR = 22;
  private static final int LEFT = 190;
  private static final int LONGEST = 440;

  private Chart() {}

  static String of(Results results) {
    List<String> contenders = results.contenders(KIND, Setting.TYPICAL);
    double largest =
        contenders.stream()
            .mapToDouble(each -> results.rate(KIND, Setting.TYPICAL, each).maximum())
            .max()
            .orElse(1);
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < contenders.size(); i++) {
      Statistics rate = results.rate(KIND, Setting.TYPICAL, contenders.get(i));
      rows.append(row(contenders.get(i), rate, LONGEST / largest, TOP + i * ROW));
    }
    int height = TOP + contenders.size() * ROW + 34;
    return """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %1$d %2$d" width="%1$d" height="%2$d" role="img">
      <title>Transfers a second on %3$s, %6$s</title>
      <style>
        text { font: 14px system-ui, sans-serif; fill: #30343c }
        .page { fill: #ffffff }
        .bar { fill: #c3c8d1 }
        .ours { fill: #6933ff }
        .spread { stroke: #30343c; stroke-width: 1.5 }
        @media (prefers-color-scheme: dark) {
          text { fill: #e6e8ec }
          .page { fill: #16181d }
          .bar { fill: #5a6070 }
          .ours { fill: #9d7bff }
          .spread { stroke: #e6e8ec }
        }
      </style>
      <rect class="page" width="%1$d" height="%2$d"/>
      <text x="16" y="30" style="font-size: 16px; font-weight: bold">Transfers a second on %3$s</text>
      <text x="16" y="52">%6$s</text>
    %4$s  <text x="16" y="%5$d" style="font-size: 12px">Median of the rounds; the line is from the slowest round to the fastest. * without a ledger</text>
    </svg>
    """
        .formatted(WIDTH, height, KIND.title, rows, height - 14, Setting.TYPICAL);
  }

  private static String row(String contender, Statistics rate, double scale, int y) {
    double middle = y + BAR / 2.0;
    return """
      <text x="%d" y="%.0f" text-anchor="end">%s</text>
      <rect class="bar%s" x="%d" y="%d" width="%.1f" height="%d"/>
      <line class="spread" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>
      <text x="%.1f" y="%.0f">%,.0f</text>
    """
        .formatted(
            LEFT - 12,
            middle + 5,
            contender,
            contender.equals(Contender.SAMPLES.title()) ? " ours" : "",
            LEFT,
            y,
            rate.median() * scale,
            BAR,
            LEFT + rate.minimum() * scale,
            middle,
            LEFT + rate.maximum() * scale,
            middle,
            LEFT + rate.maximum() * scale + 8,
            middle + 5,
            rate.median());
  }
}
