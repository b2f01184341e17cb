//DEPS org.seleniumhq.selenium:selenium-chrome-driver:4.52.0

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.StreamSupport;
import org.openqa.selenium.By;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/** BankLoad's report, opened in a Chromium without a window. */
final class ReportPage implements AutoCloseable {

  private static final Path CHROMIUM = Path.of("/usr/bin/chromium");
  private static final Path DRIVER = Path.of("/usr/bin/chromedriver");

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger LOG = Logger.getLogger("org.openqa.selenium");

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

  private final TemporaryDirectory profile = TemporaryDirectory.create("chromium-");
  private final ChromeDriver driver;

  /** Whether there is a Chromium with its driver, as Debian packages them. */
  static boolean canBeOpened() {
    return Files.isExecutable(CHROMIUM) && Files.isExecutable(DRIVER);
  }

  ReportPage(Path file) throws IOException {
    // It would tell that it does not know the newest Chromium.
    LOG.setLevel(Level.OFF);
    ChromeOptions options = new ChromeOptions();
    options.setBinary(CHROMIUM.toString());
    options.addArguments(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--user-data-dir=" + profile.path());
    LoggingPreferences logs = new LoggingPreferences();
    logs.enable(LogType.BROWSER, Level.ALL);
    logs.enable(LogType.PERFORMANCE, Level.ALL);
    options.setCapability("goog:loggingPrefs", logs);
    ChromeDriverService service =
        new ChromeDriverService.Builder().usingDriverExecutable(DRIVER.toFile()).build();
    driver = new ChromeDriver(service, options);
    driver.get(file.toUri().toString());
  }

  /** What it wrote to the console. */
  List<String> console() {
    return driver.manage().logs().get(LogType.BROWSER).getAll().stream()
        .map(LogEntry::toString)
        .toList();
  }

  /** The addresses that it asked for, its own first. */
  List<String> requests() {
    return StreamSupport.stream(
            driver.manage().logs().get(LogType.PERFORMANCE).spliterator(), false)
        .map(entry -> JsonParser.parseString(entry.getMessage()).getAsJsonObject())
        .map(entry -> entry.getAsJsonObject("message"))
        .filter(event -> event.get("method").getAsString().equals("Network.requestWillBeSent"))
        .map(event -> event.getAsJsonObject("params"))
        // The browser's own pages ask for much.
        .filter(event -> event.get("documentURL").getAsString().startsWith("file:"))
        .map(event -> event.getAsJsonObject("request").get("url").getAsString())
        .filter(url -> !url.startsWith("data:"))
        .toList();
  }

  /** The text of the figure with this name. */
  String figure(String name) {
    return driver.findElement(By.cssSelector("[data-name=" + name + "]")).getText();
  }

  /** The text of the element with this ID. */
  String text(String id) {
    return driver.findElement(By.id(id)).getText();
  }

  /** How many pixels of a chart are drawn on. */
  long inked(String chart) {
    return (Long)
        driver.executeScript(INKED, driver.findElement(By.cssSelector("#" + chart + " canvas")));
  }

  /** How far it is wider than the window, in pixels. */
  long overflow() {
    return (Long)
        driver.executeScript("return document.documentElement.scrollWidth - window.innerWidth");
  }

  /** The colour behind all, as the browser has it. */
  String background() {
    return driver.findElement(By.tagName("body")).getCssValue("background-color");
  }

  /** Shows it on a screen of so many pixels, in the dark or not. */
  void showOn(int width, int height, boolean dark) {
    driver.executeCdpCommand(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", false));
    driver.executeCdpCommand(
        "Emulation.setEmulatedMedia",
        Map.of(
            "features",
            List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    driver.executeAsyncScript("setTimeout(arguments[0], 200)");
  }

  /** Writes what can be seen as a PNG. */
  void shoot(Path file) throws IOException {
    Files.write(file, driver.getScreenshotAs(OutputType.BYTES));
  }

  /** The result in the page. */
  JsonObject result() {
    String text =
        (String) driver.executeScript("return document.getElementById('result').textContent");
    return JsonParser.parseString(text).getAsJsonObject();
  }

  @Override
  public void close() {
    driver.quit();
    profile.close();
  }
}
