//DEPS com.google.code.gson:gson:2.15.0

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many workers, the line that shows them live, the summary, the audit and the JSON. */
@Timeout(60)
class BankLoadTest extends OneServer {

  @Test
  void durationEndsTheLoadAndNotTheCount() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    long start = System.nanoTime();
    JsonObject result = json(bank, "--accounts=0", "--duration=2s", "--concurrency=2");
    assertTrue(System.nanoTime() - start < Duration.ofSeconds(20).toNanos());
    assertTrue(result.get("seconds").getAsDouble() >= 2);
    assertTrue(result.get("transfersCommitted").getAsLong() > 1);
    assertEquals(bank.ledger().size(), result.get("transfersCommitted").getAsLong());
    bank.assertExact(atFirst);
  }

  @Test
  void workersShareTheCreationOfAccounts() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault slow =
          proxy.when("INSERT INTO accounts").delay(Duration.ofMillis(100), Duration.ZERO);
      Script.Result result =
          bank.scriptThrough(
                  proxy.port(), "--accounts=8500", "--transfers=0", "--concurrency=4", "--seed=1")
              .run();
      assertEquals(0, result.status(), result::err);
      assertEquals(9, slow.injected());
      assertEquals(4, proxy.connectionsOpened());
    }
    assertEquals(8_500, bank.balances().size());
    Bank alone = Bank.create(server);
    alone.runQuietly("--accounts=8500", "--transfers=0", "--seed=1");
    assertEquals(alone.balances(), bank.balances());
  }

  @Test
  void summaryTellsThePercentilesOfTheWholeTransfer() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(20), Duration.ZERO);
      Script.Result result =
          bank.scriptThrough(proxy.port(), "--accounts=0", "--transfers=50").run();
      Matcher latency =
          Pattern.compile(
                  "Latency: p50 (\\S+) ms, p95 (\\S+) ms, p99 (\\S+) ms, maximum (\\S+) ms\\.")
              .matcher(result.out());
      assertTrue(latency.find(), result::toString);
      double last = 20;
      for (int group = 1; group <= 4; group++) {
        assertTrue(Double.parseDouble(latency.group(group)) >= last, result::out);
        last = Double.parseDouble(latency.group(group));
      }
      Matcher rate = Pattern.compile("unknown, (\\S+) a second for").matcher(result.out());
      assertTrue(rate.find(), result::toString);
      assertTrue(Double.parseDouble(rate.group(1)) <= 50, result::out);
    }
  }

  @Test
  void latencyHoldsTheFailedAttemptsToo() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.latency(Duration.ofMillis(20));
      Script.Result result =
          bank.scriptThrough(
                  proxy.port(), "--accounts=0", "--transfers=2", "--force-retries=2", "--json")
              .run();
      JsonObject told = JsonParser.parseString(result.out()).getAsJsonObject();
      assertTrue(told.get("p50Milliseconds").getAsDouble() >= 60, result::out);
      assertEquals(4, told.get("retries").getAsLong());
    }
  }

  @Test
  void jsonHoldsTheWholeResultAndNothingElseIsPrinted() throws Exception {
    Bank bank = Bank.create(server);
    JsonObject result = json(bank, "--accounts=7", "--transfers=5");
    assertEquals(
        List.of(
            "product",
            "hosts",
            "database",
            "user",
            "encrypted",
            "accountsBefore",
            "accountsCreated",
            "accountsAfter",
            "totalBefore",
            "totalAfter",
            "smallestBalance",
            "transfersCommitted",
            "transfersUnknown",
            "retries",
            "seconds",
            "transfersPerSecond",
            "p50Milliseconds",
            "p95Milliseconds",
            "p99Milliseconds",
            "maximumMilliseconds",
            "audit"),
        List.copyOf(result.keySet()));
    assertEquals("PostgreSQL 17.6", result.get("product").getAsString());
    assertEquals("localhost:" + server.port(), result.get("hosts").getAsString());
    assertEquals(bank.database(), result.get("database").getAsString());
    assertEquals("maxroach", result.get("user").getAsString());
    assertFalse(result.get("encrypted").getAsBoolean());
    assertEquals(0, result.get("accountsBefore").getAsLong());
    assertEquals(7, result.get("accountsCreated").getAsLong());
    assertEquals(7, result.get("accountsAfter").getAsLong());
    assertEquals(bank.total(), result.get("totalBefore").getAsLong());
    assertEquals(bank.total(), result.get("totalAfter").getAsLong());
    assertEquals(
        Collections.min(bank.balances().values()), result.get("smallestBalance").getAsLong());
    assertEquals(5, result.get("transfersCommitted").getAsLong());
    assertEquals(new JsonArray(), result.get("transfersUnknown"));
    assertEquals(0, result.get("retries").getAsLong());
    assertTrue(result.get("seconds").getAsDouble() > 0);
    assertTrue(result.get("transfersPerSecond").getAsDouble() > 0);
    assertTrue(result.get("maximumMilliseconds").getAsDouble() > 0);
    assertEquals("passed", result.get("audit").getAsString());
  }

  @Test
  void jsonHasNoLatencyWithoutTransfers() throws Exception {
    JsonObject result = json(Bank.create(server), "--transfers=0");
    assertEquals(JsonNull.INSTANCE, result.get("p50Milliseconds"));
    assertEquals(JsonNull.INSTANCE, result.get("maximumMilliseconds"));
    assertEquals(0, result.get("transfersPerSecond").getAsDouble());
  }

  @Test
  void jsonNamesWhatIsUnknown() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").freezeAfterServer();
      proxy.when("SELECT amount FROM transfers").freezeAfterServer();
      Script.Result result =
          bank.scriptThrough(
                  proxy.port(), "--accounts=0", "--transfers=9", "--retry-timeout=1", "--json")
              .run();
      assertEquals(3, result.status(), result::toString);
      JsonObject told = JsonParser.parseString(result.out()).getAsJsonObject();
      Set<String> unknown = new TreeSet<>();
      told.getAsJsonArray("transfersUnknown").forEach(id -> unknown.add(id.getAsString()));
      Set<String> named = new TreeSet<>();
      new Told(result).unknown().forEach(id -> named.add(id.toString()));
      assertEquals(1, unknown.size());
      assertEquals(named, unknown);
      assertEquals("not made", told.get("audit").getAsString());
    }
  }

  @Test
  void auditFindsAChangedBalance() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    Script.Result result =
        disturbed(bank, "UPDATE accounts SET balance = balance + 7 WHERE id = 1000");
    assertEquals(4, result.status(), result::toString);
    assertErrorLine(result, "the total balance must be 50,000,000 and is 50,000,007");
    assertTrue(result.out().contains("Audit failed"), result::out);
    assertEquals(50_000_007, bank.total());
  }

  @Test
  void auditFindsADeletedRowOfTheLedger() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    Script.Result result =
        disturbed(
            bank, "DELETE FROM transfers WHERE id = (SELECT id FROM transfers ORDER BY 1 LIMIT 1)");
    assertEquals(4, result.status(), result::toString);
    long committed = new Told(result).transfers();
    assertErrorLine(
        result,
        "the ledger must have %,d transfers of this run and has %,d"
            .formatted(committed, committed - 1));
  }

  @Test
  void auditFindsABalanceBelowZero() throws Exception {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 100), (2, -3), (3, 0)",
        "ALTER TABLE accounts OWNER TO maxroach");
    Script.Result result = bank.script("--accounts=0", "--transfers=0").run();
    assertEquals(4, result.status(), result::toString);
    assertErrorLine(result, "no balance may be below 0, and one is -3");
  }

  @Test
  void auditDoesNotCryWolf() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    Script.Result result = disturbed(bank, "INSERT INTO accounts VALUES (1, 12345)");
    assertEquals(0, result.status(), result::toString);
    assertTrue(result.out().contains("Audit incomparable"), result::out);
  }

  @Test
  void onATerminalALineShowsTheLoadLive() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/script")), "no script of util-linux");
    Bank bank = Watch.bankWithAccounts(server, 100);
    Script.Result result = bank.script("--accounts=0", "--duration=3s").terminal().run();
    assertEquals(0, result.status(), result::out);
    List<String> shown =
        Pattern.compile("\r\\x1b\\[K(\\d[^\\r\\n]*)")
            .matcher(result.out())
            .results()
            .map(m -> m.group(1))
            .toList();
    assertTrue(shown.size() >= 2, result::out);
    for (String line : shown) {
      assertTrue(
          line.matches(
              "[\\d,]+ transfers, [0-2] s left, [\\d,]+ a second, p99 [\\d.]+ ms, \\d+ retries"),
          line);
    }
    String left = result.out().replaceAll("[^\\n]*\\r\\x1b\\[K", "");
    assertFalse(left.contains("s left"), left);
  }

  @Test
  void aShortRunShowsNothingLive() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/script")), "no script of util-linux");
    Bank bank = Bank.create(server);
    Script.Result result = bank.script("--accounts=5").terminal().run();
    assertEquals(0, result.status(), result::out);
    assertFalse(result.out().contains("\u001b"), result::out);
    assertFalse(result.out().contains("a second"), result::out);
  }

  @Test
  void noColourWhereTheUserWantsNone() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/script")), "no script of util-linux");
    Script help = Script.of("BankInsecure", "--help").terminal();
    assertTrue(help.run().out().contains("\u001b["), "picocli colours a terminal's help");
    assertFalse(help.environment("NO_COLOR", "1").run().out().contains("\u001b["));
  }

  /** A run that makes transfers while something else changes the database behind its back. */
  private static Script.Result disturbed(Bank bank, String change) throws Exception {
    try (Script.Running running =
        bank.script("--accounts=0", "--duration=3s", "--concurrency=2").start()) {
      Watch.of(bank).awaitTransfers(100);
      bank.ask(
          root -> {
            root.execute("SET default_transaction_isolation = 'read committed'");
            return root.execute(change);
          });
      return running.await();
    }
  }

  private static JsonObject json(Bank bank, String... arguments) throws Exception {
    Script script =
        bank.script(
            Stream.concat(Stream.of("--json"), Stream.of(arguments)).toArray(String[]::new));
    Script.Result result = script.run();
    assertEquals(0, result.status(), result::toString);
    assertFalse(result.err().contains("\u001b"), "a live line, though this is no terminal");
    return JsonParser.parseString(result.out()).getAsJsonObject();
  }

  private static void assertErrorLine(Script.Result result, String message) {
    assertTrue(result.err().lines().anyMatch(("error: " + message)::equals), result::toString);
  }
}
