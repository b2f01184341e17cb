import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.WebElement;

/** The report in a browser: it shows what the JSON says, stands alone, and fits each screen. */
@Timeout(120)
class BankLoadReportTest extends OneServer {

  private static final List<String> CHARTS =
      List.of("throughput", "latency", "total", "retries", "histogram", "percentiles");

  private static final String FIGURES =
      "transfersCommitted transfersPerSecond retries accountsAfter smallestBalance p50Milliseconds"
          + " p95Milliseconds p99Milliseconds p999Milliseconds maximumMilliseconds";

  /** The pixels of a canvas that something is drawn on. */
  private static final String INKED =
      """
      const canvas = arguments[0];
      const copy = Object.assign(document.createElement('canvas'),
          { width: canvas.width, height: canvas.height }).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
      return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
      """;

  private static final String SAVE =
      """
      URL.createObjectURL = blob => { blob.text().then(text => window.saved = text); return '#'; };
      document.getElementById('save').click();
      """;

  @TempDir private Path directory;

  private Browser browser;

  @BeforeEach
  void openBrowser() throws Exception {
    assumeTrue(Browser.isThere(), "no chromium and chromium-driver");
    browser = new Browser();
  }

  @AfterEach
  void closeBrowser() {
    if (browser != null) {
      assertEquals(List.of(), browser.console());
      browser.close();
    }
  }

  @Test
  void showsWhatTheJsonSaysAndStandsAlone() throws Exception {
    Path file = directory.resolve("report.html");
    Path earlier = directory.resolve("earlier.json");
    Bank bank = Watch.bankWithAccounts(server, 10);
    Files.writeString(earlier, LoadRun.of(bank, "--json", "--transfers=50").assertDone().out());
    JsonObject result = runWithAGap(bank, "--compare=" + earlier, "--report=" + file);
    browser.open(file.toUri().toString());
    assertEquals(
        result, JsonParser.parseString(browser.find("#result").get(0).getAttribute("textContent")));
    for (String name : FIGURES.split(" ")) {
      assertFigure(result, name);
    }
    assertEquals("0", figure("transfersUnknown"));
    assertEquals(result.get("command").getAsString(), figure("command"));
    String verdict = text("verdict");
    assertTrue(verdict.startsWith(result.get("summary").getAsString()), verdict);
    for (JsonElement sentence : result.getAsJsonArray("verdict")) {
      assertTrue(verdict.contains(sentence.getAsString()), verdict);
    }
    assertTrue(verdict.contains("nothing was committed"), verdict);
    assertTrue(text("thresholds").contains("passed"), text("thresholds"));
    assertTrue(text("comparison").contains("Earlier run"), text("comparison"));
    assertCharts(1_200, false);
    assertCharts(390, true);
    browser.run(SAVE);
    browser.await("return typeof window.saved === 'string'");
    String saved = (String) browser.run("return window.saved");
    assertEquals(result, JsonParser.parseString(saved));
    assertEquals(List.of(file.toUri().toString()), browser.requests());
  }

  private static JsonObject runWithAGap(Bank bank, String... options) throws Exception {
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      List<String> arguments = new ArrayList<>(List.of(options));
      arguments.addAll(List.of("--json", "--duration=3s", "--force-retries=1", "--fail-if=rate<1"));
      CompletableFuture<LoadRun> load =
          LoadRun.begin(bank.urlThrough(proxy.port()), arguments.toArray(String[]::new));
      Watch.of(bank).awaitTransfers(100);
      proxy.when("INSERT INTO transfers").first(8).delay(Duration.ofSeconds(1));
      return LoadRun.end(load).assertDone().json();
    }
  }

  private void assertFigure(JsonObject result, String name) {
    double value = result.get(name).getAsDouble();
    double shown = Double.parseDouble(figure(name).replaceAll("[,a-z ]", ""));
    // It shows three digits, and from a hundred on whole numbers.
    assertEquals(value, shown, Math.abs(value) < 100 ? 0.005 * value : 0.5, name);
  }

  private void assertCharts(int width, boolean dark) {
    browser.showOn(width, 1_600, dark);
    for (String chart : CHARTS) {
      WebElement canvas = browser.find("#" + chart + " canvas").get(0);
      assertTrue((Long) browser.run(INKED, canvas) > 1_000, chart + " at " + width + " is empty");
    }
    String root = "document.documentElement";
    Object overflow = browser.run("return %1$s.scrollWidth - %1$s.clientWidth".formatted(root));
    assertEquals(0L, overflow, "wider than " + width);
  }

  @Test
  void showsARunThatFailedAndWasWithoutTransfers() throws Exception {
    Path file = directory.resolve("report.html");
    Bank bank = Watch.bankWithAccounts(server, 10);
    String[] arguments = {"--transfers=0", "--fail-if=p99>1s", "--report=" + file};
    LoadRun.of(bank, arguments).assertStatus(1);
    browser.open(file.toUri().toString());
    assertEquals("failed", browser.find("#verdict").get(0).getAttribute("class"));
    assertTrue(text("thresholds").contains("failed"), text("thresholds"));
    assertTrue(figure("p99Milliseconds").startsWith("–"), figure("p99Milliseconds"));
  }

  /** The text of the figure with this name. */
  private String figure(String name) {
    return browser.find("[data-name=" + name + "]").get(0).getText();
  }

  /** The text of the element with this ID. */
  private String text(String id) {
    return browser.find("#" + id).get(0).getText();
  }
}
