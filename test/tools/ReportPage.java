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

  private static final String PALE_TEXTS =
      """
      const channel = value => value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
      const luminance = colour => {
        const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number);
        return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
      };
      const background = element => {
        const own = getComputedStyle(element).backgroundColor;
        return own !== 'rgba(0, 0, 0, 0)' ? own : background(element.parentElement);
      };
      const contrast = element => {
        const two = [getComputedStyle(element).color, background(element)].map(luminance);
        return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
      };
      return [...document.querySelectorAll('body *')]
        .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .filter(each => each.offsetParent !== null && contrast(each) < 4.5)
        .map(each => each.textContent);
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

  /** The name of a chart for those who do not see it. */
  String name(String chart) {
    return browser.find("#" + chart).get(0).getAccessibleName();
  }

  /** The texts that stand out from their background less than WCAG's AA asks for. */
  List<String> paleTexts() {
    return browser.list(PALE_TEXTS);
  }

  /** What the button to save the result would write to a file. */
  String savedJson() throws InterruptedException {
    browser.run(
        """
        URL.createObjectURL = blob => { blob.text().then(text => window.saved = text); return '#'; };
        document.getElementById('save').click();
        """);
    browser.await("return typeof window.saved === 'string'");
    return (String) browser.run("return window.saved");
  }

  /** How many pages it takes on paper. */
  int printedPages() {
    return browser.printedPages();
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
