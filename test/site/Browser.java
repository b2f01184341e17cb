//DEPS org.seleniumhq.selenium:selenium-chrome-driver:4.52.0

import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.openqa.selenium.By;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;
import org.openqa.selenium.print.PrintOptions;

/** A Chromium without a window, which remembers nothing and asks the network for nothing. */
final class Browser implements AutoCloseable {

  private static final Path CHROMIUM = Path.of("/usr/bin/chromium");
  private static final Path DRIVER = Path.of("/usr/bin/chromedriver");

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger SELENIUM = Logger.getLogger("org.openqa.selenium");

  private final TemporaryDirectory profile = TemporaryDirectory.create("chromium-");
  private final ChromeDriver driver;

  Browser() throws IOException {
    // It warns that it knows no Chromium so new, of which nothing is used that changes.
    SELENIUM.setLevel(Level.OFF);
    ChromeOptions options = new ChromeOptions();
    options.setBinary(CHROMIUM.toFile());
    options.addArguments(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--user-data-dir=" + profile.path());
    LoggingPreferences logs = new LoggingPreferences();
    logs.enable(LogType.BROWSER, Level.ALL);
    logs.enable(LogType.PERFORMANCE, Level.ALL);
    options.setCapability("goog:loggingPrefs", logs);
    driver =
        new ChromeDriver(
            new ChromeDriverService.Builder().usingDriverExecutable(DRIVER.toFile()).build(),
            options);
  }

  /** Whether Debian's Chromium and its driver are installed. */
  static boolean isThere() {
    return Files.isExecutable(CHROMIUM) && Files.isExecutable(DRIVER);
  }

  /** Opens a page and returns when its scripts have run. */
  void open(String url) throws InterruptedException {
    driver.get(url);
    await("return document.readyState === 'complete'");
  }

  /** Waits until a script answers true, for ten seconds at most. */
  void await(String script) throws InterruptedException {
    for (int i = 0; i < 200 && !run(script).equals(true); i++) {
      Thread.sleep(50);
    }
    if (!run(script).equals(true)) {
      throw new AssertionError("after ten seconds not so: " + script);
    }
  }

  /** Runs a script in the page and returns what it returns. */
  Object run(String script, Object... arguments) {
    return driver.executeScript(script, arguments);
  }

  /** Runs a script that returns a list of texts. */
  List<String> list(String script) {
    return ((List<?>) run(script)).stream().map(String.class::cast).toList();
  }

  /** The elements that a CSS selector finds. */
  List<WebElement> find(String selector) {
    return driver.findElements(By.cssSelector(selector));
  }

  /** Shows the page on a screen of so many CSS pixels, in the dark or not. */
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

  /** How many pages the page takes on paper. */
  int printedPages() {
    String pdf = driver.print(new PrintOptions()).getContent();
    String text = new String(Base64.getMimeDecoder().decode(pdf), StandardCharsets.ISO_8859_1);
    return text.split("/Type /Page[^s]", -1).length - 1;
  }

  /** What the pages since the last call wrote to the console, but for Chromium's own. */
  List<String> console() {
    return driver.manage().logs().get(LogType.BROWSER).getAll().stream()
        .map(LogEntry::getMessage)
        .filter(message -> !message.startsWith("chrome://"))
        .toList();
  }

  /** The URLs that the pages since the last call have asked for, but for Chromium's own. */
  List<String> requests() {
    return driver.manage().logs().get(LogType.PERFORMANCE).getAll().stream()
        .map(entry -> JsonParser.parseString(entry.getMessage()).getAsJsonObject())
        .map(entry -> entry.getAsJsonObject("message"))
        .filter(event -> event.get("method").getAsString().equals("Network.requestWillBeSent"))
        .map(event -> event.getAsJsonObject("params"))
        .filter(event -> event.get("documentURL").getAsString().matches("(https?|file):.*"))
        .map(event -> event.getAsJsonObject("request").get("url").getAsString())
        .filter(url -> !url.startsWith("data:"))
        .toList();
  }

  @Override
  public void close() {
    driver.quit();
    profile.close();
  }
}
