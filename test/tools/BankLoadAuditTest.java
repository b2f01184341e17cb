import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What BankLoad reports of a run that others or a fault disturb. */
@Timeout(90)
class BankLoadAuditTest extends OneServer {

  @Test
  void aLoadThroughAKilledServerKeepsAllChecksExactAndShowsTheGap() throws Exception {
    try (Postgres mortal = Postgres.insecure()) {
      Bank bank = Watch.bankWithAccounts(mortal, 1_000);
      Map<Long, Long> atFirst = bank.balances();
      CompletableFuture<LoadRun> load =
          LoadRun.begin(bank, "--json", "--duration=10s", "--concurrency=4", "--warm-up=0s");
      Watch.of(bank).awaitTransfers(1_000);
      mortal.killHard();
      Thread.sleep(1_000);
      mortal.startAgain();
      JsonObject result = LoadRun.end(load).assertDone().json();
      assertEquals("passed", result.get("audit").getAsString());
      assertTrue(result.getAsJsonArray("gaps").size() >= 1, result::toString);
      double gapEnd = result.getAsJsonArray("gaps").get(0).getAsJsonArray().get(1).getAsDouble();
      double lastCheck = gapEnd;
      for (JsonElement each : result.getAsJsonArray("checks")) {
        JsonObject check = each.getAsJsonObject();
        assertEquals(1_000_000_000, check.get("total").getAsLong());
        double ended = check.get("endedAtSecond").getAsDouble();
        if (ended > gapEnd) {
          assertTrue(ended - lastCheck <= 5, result::toString);
          lastCheck = ended;
        }
      }
      assertTrue(lastCheck > gapEnd, result::toString);
      Set<String> reasons = result.getAsJsonObject("retriesByReason").keySet();
      assertTrue(reasons.contains("connection lost"), reasons::toString);
      assertEquals(bank.ledger().size(), result.get("transfersInLedger").getAsLong());
      bank.assertExact(atFirst);
    }
  }

  /** Behind a pooler, what one program sets on a connection another program gets. */
  @Test
  void behindAPoolerNoOtherProgramBecomesReadOnly() throws Exception {
    assumeTrue(Pooler.isInstalled(), "no pgbouncer");
    Bank bank = Watch.bankWithAccounts(server, 100);
    try (Pooler pooler = Pooler.to(bank)) {
      for (String retries : List.of("--force-retries=0", "--force-retries=1")) {
        String url = pooler.url() + "&prepareThreshold=0";
        LoadRun.at(url, "--duration=3s", "--concurrency=2", retries).assertDone();
        assertEquals(
            List.of("off", "off", "off"), pooler.askOnEach("SHOW default_transaction_read_only"));
      }
    }
  }

  @Test
  void theJsonNamesWhatIsUnknown() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").freezeAfterServer();
      LoadRun run =
          LoadRun.through(
              proxy.port(),
              bank,
              "--json",
              "--transfers=9",
              "--concurrency=2",
              "--retry-timeout=1",
              "--warm-up=0s",
              "--no-audit");
      assertEquals(3, run.status(), run::toString);
      Set<UUID> unknown = new TreeSet<>();
      for (JsonElement id : run.json().getAsJsonArray("transfersUnknown")) {
        unknown.add(UUID.fromString(id.getAsString()));
      }
      assertEquals(2, unknown.size());
      assertEquals(LoadRun.unknown(run.err()), unknown);
      assertEquals("not made", run.json().get("audit").getAsString());
    }
  }

  @Test
  void whatIsUnknownOfTheWarmUpIsToldToo() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").freezeAfterServer();
      String[] arguments = {"--json", "--warm-up=9s", "--retry-timeout=1", "--concurrency=1"};
      LoadRun run = LoadRun.through(proxy.port(), bank, arguments);
      assertEquals(3, run.status(), run::toString);
      assertEquals(1, run.json().getAsJsonArray("transfersUnknown").size());
      assertEquals(1, LoadRun.unknown(run.err()).size());
    }
  }

  /** At the latest some seconds after its --retry-timeout. */
  @Test
  void aServerThatIsGoneEndsTheRun() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      CompletableFuture<LoadRun> load =
          LoadRun.beginThrough(
              proxy.port(), bank, "--duration=5m", "--retry-timeout=4", "--json", "--warm-up=0s");
      Watch.of(bank).awaitTransfers(200);
      proxy.refuseConnections();
      proxy.cutAll();
      LoadRun run = LoadRun.end(load);
      assertEquals(3, run.status(), run::toString);
      Set<UUID> unknown = LoadRun.unknown(run.err());
      assertFalse(unknown.isEmpty());
      LoadRun.assertLedgerOf(bank, run.json().get("transfersCommitted").getAsLong(), unknown);
      bank.assertExact(atFirst);
    }
  }

  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void onASignalNothingNewIsBegunAndAllIsToldAndChecked(
      String signal, int status, @TempDir Path directory) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    Path report = directory.resolve("report.html");
    Script load =
        Script.of(
            "BankLoad", "--duration=5m", "--json", "--report=" + report, "--url=" + bank.url());
    try (Script.Running running = load.start()) {
      Watch.of(bank).awaitTransfers(300);
      running.signal(signal);
      Script.Result result = running.await();
      assertEquals(status, result.status(), result::toString);
      assertFalse(result.err().contains("error"), result::err);
      JsonObject output = JsonParser.parseString(result.out()).getAsJsonObject();
      assertEquals("passed", output.get("audit").getAsString());
      assertEquals(bank.ledger().size(), output.get("transfersInLedger").getAsLong());
      assertTrue(Files.size(report) > 50_000);
      bank.assertExact(atFirst);
    }
  }

  @Test
  void onASignalAmidTheCreationOfAccountsAllAreCounted() throws Exception {
    Bank bank = Bank.create(server);
    Script load = Script.of("BankLoad", "--accounts=5000000", "--url=" + bank.url());
    try (Script.Running running = load.start()) {
      Watch.of(bank).awaitAccounts(20_000);
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status(), result::toString);
      assertFalse(result.err().contains("error"), result::err);
      assertEquals(bank.balances().size(), new ScriptOutput(result).accounts());
      assertEquals(0, new ScriptOutput(result).transfers());
      assertTrue(result.out().contains("No transfers, no money lost."), result::out);
    }
  }

  @Test
  void onASignalWhatIsFrozenIsToldAsUnknown() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running =
            Script.of(
                    "BankLoad",
                    "--duration=5m",
                    "--concurrency=2",
                    "--warm-up=0s",
                    "--url=" + bank.urlThrough(proxy.port()))
                .timeLimit(Duration.ofSeconds(85))
                .start()) {
      Watch.of(bank).awaitTransfers(100);
      FaultProxy.Fault freeze = proxy.when("INSERT INTO transfers").freezeAfterServer();
      proxy.freezeConnections();
      Watch.await(freeze, 2);
      long start = System.nanoTime();
      running.signal("INT");
      Script.Result result = running.await();
      assertTrue(System.nanoTime() - start < Duration.ofSeconds(35).toNanos());
      assertEquals(130, result.status(), result::toString);
      Set<UUID> unknown = LoadRun.unknown(result.err());
      assertEquals(2, unknown.size(), result::toString);
      LoadRun.assertLedgerOf(bank, new ScriptOutput(result).transfers(), unknown);
      bank.assertExact(atFirst);
    }
  }
}
