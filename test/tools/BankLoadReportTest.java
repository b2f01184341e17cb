import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The report in a browser: it shows what the JSON says, stands alone, and fits each screen. */
@Timeout(120)
class BankLoadReportTest extends OneServer {

  private static final List<String> CHARTS =
      List.of("throughput", "latency", "total", "retries", "histogram", "percentiles");

  @TempDir private Path directory;

  @BeforeEach
  void requireBrowser() {
    assumeTrue(Browser.isThere(), "no chromium and chromium-driver");
  }

  @Test
  void showsWhatTheJsonSaysAndStandsAlone() throws Exception {
    Path file = directory.resolve("report.html");
    Path earlier = directory.resolve("earlier.json");
    Bank bank = Watch.bankWithAccounts(server, 10);
    Files.writeString(earlier, LoadRun.of(bank, "--json", "--transfers=50").assertDone().out());
    JsonObject result;
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      CompletableFuture<LoadRun> load =
          LoadRun.beginThrough(
              proxy.port(),
              bank,
              "--json",
              "--duration=5s",
              "--force-retries=1",
              "--warm-up=0s",
              "--fail-if=rate<1",
              "--compare=" + earlier,
              "--report=" + file);
      Watch.of(bank).awaitTransfers(200);
      proxy.when("INSERT INTO transfers").first(8).delay(Duration.ofSeconds(1), Duration.ZERO);
      result = LoadRun.end(load).assertDone().json();
    }
    try (ReportPage page = new ReportPage(file)) {
      assertEquals(result, page.result());
      for (String name :
          List.of("transfersCommitted", "transfersPerSecond", "retries", "accountsAfter")) {
        assertFigure(result, page, name);
      }
      for (String name : List.of("p50", "p95", "p99", "p999", "maximum")) {
        assertFigure(result, page, name + "Milliseconds");
      }
      assertFigure(result, page, "smallestBalance");
      assertEquals("0", page.figure("transfersUnknown"));
      assertEquals(result.get("command").getAsString(), page.figure("command"));
      assertTrue(page.text("verdict").startsWith(result.get("summary").getAsString()));
      for (JsonElement sentence : result.getAsJsonArray("verdict")) {
        assertTrue(page.text("verdict").contains(sentence.getAsString()), page.text("verdict"));
      }
      assertTrue(page.text("verdict").contains("nothing was committed"), page.text("verdict"));
      assertTrue(page.text("thresholds").contains("passed"), page.text("thresholds"));
      assertTrue(page.text("comparison").contains("Earlier run"), page.text("comparison"));
      for (boolean dark : List.of(false, true)) {
        for (int width : List.of(1_200, 390)) {
          page.showOn(width, 1_600, dark);
          for (String chart : CHARTS) {
            assertTrue(page.inked(chart) > 1_000, chart + " at " + width + " is empty");
            assertFalse(page.name(chart).isEmpty(), chart + " has no accessible name");
          }
          assertEquals(0, page.overflow(), "wider than " + width);
          assertEquals(List.of(), page.paleTexts(), "in the dark: " + dark);
        }
      }
      String black = page.background();
      page.showOn(1_200, 1_600, false);
      assertNotEquals(black, page.background());
      assertEquals(result, JsonParser.parseString(page.savedJson()));
      assertTrue(page.printedPages() >= 2);
      assertEquals(List.of(), page.console());
      assertEquals(List.of(file.toUri().toString()), page.requests());
    }
  }

  private static void assertFigure(JsonObject result, ReportPage page, String name) {
    String shown = page.figure(name).replaceAll("[,a-z ]", "");
    double value = result.get(name).getAsDouble();
    // It shows three digits, and from a hundred on whole numbers.
    assertEquals(
        value, Double.parseDouble(shown), Math.abs(value) < 100 ? 0.005 * value : 0.5, name);
  }

  @Test
  void showsAFailedAuditAndARunWithoutTransfers() throws Exception {
    Path file = directory.resolve("report.html");
    Bank bank = Watch.bankWithAccounts(server, 10);
    CompletableFuture<LoadRun> load =
        LoadRun.begin(bank, "--duration=5m", "--concurrency=1", "--report=" + file);
    Watch.of(bank).awaitTransfers(100);
    bank.ask(
        root -> {
          root.execute("SET default_transaction_isolation = 'read committed'");
          return root.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 1000");
        });
    assertEquals(4, LoadRun.end(load).status());
    try (ReportPage page = new ReportPage(file)) {
      assertTrue(
          page.text("verdict").contains("the total balance must be 10,000,000 and is 10,000,001"));
      assertEquals(List.of(), page.console());
    }
    LoadRun.of(bank, "--transfers=0", "--report=" + file).assertDone();
    try (ReportPage page = new ReportPage(file)) {
      assertEquals("–", page.figure("p99Milliseconds").replace(" ms", "").replace("ms", ""));
      assertEquals(List.of(), page.console());
    }
  }
}
