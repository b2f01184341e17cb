import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** BankLoad's report, opened in a browser. */
final class ReportPage implements AutoCloseable {

  /** The pixels of a canvas that something is drawn on. */
  private static final String INKED =
      """
      const canvas = arguments[0];
      const copy = Object.assign(document.createElement('canvas'),
          { width: canvas.width, height: canvas.height }).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
      let inked = 0;
      for (let alpha = 3; alpha < pixels.length; alpha += 4) {
        inked += pixels[alpha] > 0 ? 1 : 0;
      }
      return inked;
      """;

  private final Browser browser = new Browser();

  ReportPage(Path file) throws IOException, InterruptedException {
    browser.open(file.toUri().toString());
  }

  /** What it wrote to the console. */
  List<String> console() {
    return browser.console();
  }

  /** The addresses that it asked for, its own first. */
  List<String> requests() {
    return browser.requests();
  }

  /** The text of the figure with this name. */
  String figure(String name) {
    return browser.find("[data-name=" + name + "]").get(0).getText();
  }

  /** The text of the element with this ID. */
  String text(String id) {
    return browser.find("#" + id).get(0).getText();
  }

  /** How many pixels of a chart are drawn on. */
  long inked(String chart) {
    return (Long) browser.run(INKED, browser.find("#" + chart + " canvas").get(0));
  }

  /** How far it is wider than the window, in pixels. */
  long overflow() {
    return (Long)
        browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth");
  }

  /** The colour behind all, as the browser has it. */
  String background() {
    return browser.find("body").get(0).getCssValue("background-color");
  }

  /** Shows it on a screen of so many pixels, in the dark or not. */
  void showOn(int width, int height, boolean dark) {
    browser.showOn(width, height, dark);
  }

  /** The result in the page. */
  JsonObject result() {
    String text = (String) browser.run("return document.getElementById('result').textContent");
    return JsonParser.parseString(text).getAsJsonObject();
  }

  @Override
  public void close() {
    browser.close();
  }
}
