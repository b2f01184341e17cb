import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The audit finds what is wrong while a load runs, and nothing where nothing is. */
@Timeout(90)
class BankLoadAuditTest extends OneServer {

  @TestFactory
  Stream<DynamicTest> whatIsDoneBehindItsBack() {
    return Scenario.together(
        new Scenario("a changed balance", BankLoadAuditTest::findsAChangedBalance),
        new Scenario("a balance below 0", BankLoadAuditTest::findsABalanceBelowZero),
        new Scenario("a deleted account", BankLoadAuditTest::findsADeletedAccount),
        new Scenario("a deleted transfer", BankLoadAuditTest::findsADeletedTransfer),
        new Scenario("a new account", BankLoadAuditTest::doesNotCryWolf));
  }

  private static void findsAChangedBalance() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    LoadRun run = disturbed(bank, "UPDATE accounts SET balance = balance + 7 WHERE id = 1000");
    run.assertFailed(4, "the total balance must be 50,000,000 and is 50,000,007");
    assertTrue(run.out().contains("Audit failed"), run::out);
    assertEquals(50_000_007, bank.total());
  }

  private static void findsABalanceBelowZero() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    bank.execute("INSERT INTO accounts VALUES (1, 0)", "UPDATE accounts SET balance = 0");
    // Slowly, or transfers would have moved the 3 to where they are missing before a check looks.
    CompletableFuture<LoadRun> load = LoadRun.begin(bank, "--duration=5m", "--rate=50");
    disturb(
        bank,
        "ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check",
        "UPDATE accounts SET balance = CASE id WHEN 1 THEN 3 WHEN 1000 THEN -3 ELSE 0 END");
    LoadRun run = LoadRun.end(load);
    assertEquals(4, run.status(), run::toString);
    assertTrue(run.err().contains("error: no balance may be below 0, and one is -"), run::err);
  }

  /** Also where a transfer misses the account before a check does. */
  private static void findsADeletedAccount() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    disturbed(bank, "DELETE FROM accounts WHERE id = 1000")
        .assertFailed(4, "there must be 50 accounts and there are 49");
  }

  /** The ledger is looked through at the end only. */
  private static void findsADeletedTransfer() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    CompletableFuture<LoadRun> load =
        LoadRun.begin(bank, "--json", "--duration=3s", "--concurrency=2");
    disturb(bank, "DELETE FROM transfers WHERE id = (SELECT id FROM transfers ORDER BY 1 LIMIT 1)");
    LoadRun run = LoadRun.end(load);
    long committed = run.json().get("transfersCommitted").getAsLong();
    run.assertFailed(
        4,
        "the ledger must have %,d transfers of this run and has %,d"
            .formatted(committed, committed - 1));
    assertEquals("failed", run.json().get("audit").getAsString());
  }

  private static void doesNotCryWolf() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    CompletableFuture<LoadRun> load = LoadRun.begin(bank, "--duration=3s", "--concurrency=2");
    disturb(bank, "INSERT INTO accounts VALUES (1, 12345)");
    LoadRun run = LoadRun.end(load).assertDone();
    assertTrue(run.out().contains("Audit incomparable"), run::out);
  }

  /** A run that would go on for long, which what is done to the database must end. */
  private static LoadRun disturbed(Bank bank, String... changes) throws Exception {
    CompletableFuture<LoadRun> run = LoadRun.begin(bank, "--duration=5m", "--concurrency=2");
    disturb(bank, changes);
    return LoadRun.end(run);
  }

  private static void disturb(Bank bank, String... changes) throws Exception {
    Watch.of(bank).awaitTransfers(100);
    bank.ask(
        root -> {
          root.execute("SET default_transaction_isolation = 'read committed'");
          Stream.of(changes).forEach(root::execute);
          return null;
        });
  }

  @Test
  void aLoadThroughAKilledServerKeepsAllChecksExactAndShowsTheGap() throws Exception {
    try (Postgres mortal = Postgres.insecure()) {
      Bank bank = Watch.bankWithAccounts(mortal, 1_000);
      Map<Long, Long> atFirst = bank.balances();
      CompletableFuture<LoadRun> load =
          LoadRun.begin(bank, "--json", "--duration=10s", "--concurrency=4");
      Watch.of(bank).awaitTransfers(1_000);
      mortal.killHard();
      Thread.sleep(1_000);
      mortal.startAgain();
      JsonObject result = LoadRun.end(load).assertDone().json();
      assertEquals("passed", result.get("audit").getAsString());
      assertTrue(result.getAsJsonArray("gaps").size() >= 1, result::toString);
      double gapEnd = result.getAsJsonArray("gaps").get(0).getAsJsonArray().get(1).getAsDouble();
      double lastCheck = 0;
      for (JsonElement each : result.getAsJsonArray("checks")) {
        JsonObject check = each.getAsJsonObject();
        assertEquals(1_000_000_000, check.get("total").getAsLong());
        lastCheck = check.get("atSecond").getAsDouble();
      }
      assertTrue(lastCheck > gapEnd, result::toString);
      Set<String> reasons = result.getAsJsonObject("retriesByReason").keySet();
      assertTrue(reasons.contains("connection lost"), reasons::toString);
      assertEquals(bank.ledger().size(), result.get("transfersCommitted").getAsLong());
      bank.assertExact(atFirst);
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
          LoadRun.beginThrough(proxy.port(), bank, "--duration=5m", "--retry-timeout=4", "--json");
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
      assertEquals("", result.err());
      JsonObject told = JsonParser.parseString(result.out()).getAsJsonObject();
      assertEquals("passed", told.get("audit").getAsString());
      assertEquals(bank.ledger().size(), told.get("transfersCommitted").getAsLong());
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
      assertEquals("", result.err());
      assertEquals(bank.balances().size(), new Told(result).accounts());
      assertEquals(0, new Told(result).transfers());
      assertTrue(result.out().contains("Audit passed"), result::out);
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
                    "--url=" + bank.urlThrough(proxy.port()))
                .start()) {
      Watch.of(bank).awaitTransfers(100);
      FaultProxy.Fault freeze = proxy.when("INSERT INTO transfers").freezeAfterServer();
      proxy.freezeConnections();
      Watch.await(freeze, 2);
      long start = System.nanoTime();
      running.signal("INT");
      Script.Result result = running.await();
      assertTrue(System.nanoTime() - start < Duration.ofSeconds(25).toNanos());
      assertEquals(130, result.status(), result::toString);
      Set<UUID> unknown = LoadRun.unknown(result.err());
      assertEquals(2, unknown.size(), result::toString);
      LoadRun.assertLedgerOf(bank, new Told(result).transfers(), unknown);
      bank.assertExact(atFirst);
    }
  }
}
