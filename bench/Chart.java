import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Draws transfers a second of each contender, by workers and network. */
final class Chart {

  /** Told apart by those, too, who see few colours; BankLoad stands out. */
  private static final Color[] COLORS = {
    new Color(0x999999),
    new Color(0x56B4E9),
    new Color(0x0072B2),
    new Color(0x009E73),
    new Color(0xF0E442),
    new Color(0xE69F00),
    new Color(0xCC79A7)
  };

  private Chart() {}

  @SuppressWarnings("deprecation") // XChart offers nothing else for SVG yet.
  static void write(Results results, List<Entrant> entrants, Path file) throws IOException {
    List<Setting> settings =
        Setting.all().stream().filter(setting -> setting.accounts() == 1_000).toList();
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(1_000)
            .height(520)
            .title("Transfers a second on loopback, and with 5 ms of latency added (logarithmic)")
            .build();
    chart
        .getStyler()
        .setAvailableSpaceFill(0.85)
        .setYAxisLogarithmic(true)
        .setYAxisMin(1.0)
        .setYAxisDecimalPattern("#,###")
        .setPlotGridVerticalLinesVisible(false)
        .setPlotGridLinesStroke(new BasicStroke(1)) // a dashed one makes a file of half a megabyte
        .setChartBackgroundColor(Color.WHITE)
        .setLegendPosition(LegendPosition.OutsideS)
        .setLegendLayout(LegendLayout.Horizontal);
    List<String> places = settings.stream().map(Chart::label).toList();
    for (Entrant entrant : entrants) {
      chart
          .addSeries(
              entrant.title(),
              places,
              settings.stream()
                  .map(
                      s -> results.statistics(s, entrant, Measurement::transfersPerSecond).median())
                  .map(rate -> Double.isNaN(rate) ? null : rate)
                  .toList())
          .setFillColor(COLORS[entrant.ordinal()]);
    }
    try (OutputStream output = Files.newOutputStream(file)) {
      VectorGraphicsEncoder.saveVectorGraphic(chart, output, VectorGraphicsFormat.SVG);
    }
  }

  private static String label(Setting setting) {
    return setting.milliseconds() == 0
        ? setting.workersInWords()
        : setting.workersInWords() + ", " + setting.milliseconds() + " ms";
  }
}
