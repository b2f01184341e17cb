import de.erichseifert.vectorgraphics2d.Processors;
import de.erichseifert.vectorgraphics2d.VectorGraphics2D;
import de.erichseifert.vectorgraphics2d.util.PageSize;
import java.awt.Color;
import java.awt.Font;
import java.awt.Paint;
import java.awt.geom.Rectangle2D;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.DecimalFormat;
import org.jfree.chart.ChartFactory;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.labels.ItemLabelAnchor;
import org.jfree.chart.labels.ItemLabelPosition;
import org.jfree.chart.labels.StandardCategoryItemLabelGenerator;
import org.jfree.chart.plot.CategoryPlot;
import org.jfree.chart.plot.PlotOrientation;
import org.jfree.chart.renderer.category.BarRenderer;
import org.jfree.chart.renderer.category.StandardBarPainter;
import org.jfree.chart.ui.RectangleInsets;
import org.jfree.chart.ui.TextAnchor;
import org.jfree.data.category.DefaultCategoryDataset;

/** Draws a bar for each contender's transfers a second, ours in colour and the peers in grey. */
final class Chart {

  private static final Color OURS = new Color(0x6933FF);
  private static final Color PEERS = new Color(0xC8CCD4);
  private static final Color TEXT = new Color(0x30343C);
  private static final int WIDTH = 720;
  private static final int HEIGHT = 320;

  private Chart() {}

  static void write(Results results, Path file) throws IOException {
    DefaultCategoryDataset rates = new DefaultCategoryDataset();
    for (Run.Entrant entrant : Run.Entrant.values()) {
      double rate =
          results
              .statistics(Run.Setting.TYPICAL, entrant, Run.Measurement::transfersPerSecond)
              .median();
      if (!Double.isNaN(rate)) {
        rates.addValue(rate, "transfers a second", entrant.title);
      }
    }
    JFreeChart chart =
        ChartFactory.createBarChart(
            "Transfers a second, made by %d workers at %d ms from the database"
                .formatted(Run.Setting.TYPICAL.workers(), Run.Setting.TYPICAL.milliseconds()),
            null,
            null,
            rates,
            PlotOrientation.HORIZONTAL,
            false,
            false,
            false);
    style(chart);
    VectorGraphics2D graphics = new VectorGraphics2D();
    chart.draw(graphics, new Rectangle2D.Double(0, 0, WIDTH, HEIGHT));
    ByteArrayOutputStream svg = new ByteArrayOutputStream();
    Processors.get("svg")
        .getDocument(graphics.getCommands(), new PageSize(WIDTH, HEIGHT))
        .writeTo(svg);
    // It names the one font that it was measured in; others have others of that width.
    String fonts = "font-family:$1,Verdana,sans-serif;";
    String text = svg.toString(StandardCharsets.UTF_8);
    Files.writeString(file, text.replaceAll("font-family:(&quot;.*?&quot;);", fonts));
  }

  private static void style(JFreeChart chart) {
    chart.setBackgroundPaint(Color.WHITE);
    chart.setPadding(new RectangleInsets(12, 12, 12, 12));
    chart.getTitle().setFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
    chart.getTitle().setPaint(TEXT);
    CategoryPlot plot = chart.getCategoryPlot();
    plot.setRenderer(new Bars());
    plot.setBackgroundPaint(Color.WHITE);
    plot.setOutlineVisible(false);
    plot.setRangeGridlinesVisible(false);
    // The numbers are at the bars.
    plot.getRangeAxis().setVisible(false);
    plot.getRangeAxis().setUpperMargin(0.1);
    plot.getDomainAxis().setAxisLineVisible(false);
    plot.getDomainAxis().setTickMarksVisible(false);
    plot.getDomainAxis().setTickLabelFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    plot.getDomainAxis().setTickLabelPaint(TEXT);
    plot.setAxisOffset(new RectangleInsets(0, 12, 0, 0));
    plot.getDomainAxis().setMaximumCategoryLabelWidthRatio(0.5f);
    plot.getDomainAxis().setCategoryMargin(0.3);
  }

  private static final class Bars extends BarRenderer {
    private static final long serialVersionUID = 1;

    Bars() {
      setBarPainter(new StandardBarPainter());
      setShadowVisible(false);
      setDefaultItemLabelsVisible(true);
      setDefaultPositiveItemLabelPosition(
          new ItemLabelPosition(ItemLabelAnchor.OUTSIDE3, TextAnchor.CENTER_LEFT));
      setDefaultItemLabelFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
      setDefaultItemLabelPaint(TEXT);
      setDefaultItemLabelGenerator(
          new StandardCategoryItemLabelGenerator("{2}", new DecimalFormat("#,###")));
    }

    @Override
    public Paint getItemPaint(int row, int column) {
      Comparable<?> contender = getPlot().getDataset().getColumnKey(column);
      return contender.equals(Run.Entrant.BANK_LOAD.title) ? OURS : PEERS;
    }
  }
}
