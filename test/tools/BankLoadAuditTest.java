import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What BankLoad reports of a run that others or a fault disturb. */
@Timeout(90)
class BankLoadAuditTest extends OneServer {

  /** What the client saw may end this much earlier or later than what the database did. */
  private static final double TOLERANCE = 0.15;

  private record Pause(double from, double to) {
    double length() {
      return to - from;
    }

    boolean isNear(Pause other) {
      return Math.abs(from - other.from) <= TOLERANCE && Math.abs(to - other.to) <= TOLERANCE;
    }
  }

  /** Its gaps are the times in which the database committed nothing, and belong to its death. */
  @Test
  void aKilledServerLosesNoMoneyAndLeavesAGap(@TempDir Path directory) throws Exception {
    Path events = directory.resolve("events");
    try (Postgres mortal = Postgres.insecure("track_commit_timestamp=on")) {
      Bank bank = Watch.bankWithAccounts(mortal, 1_000);
      Map<Long, Long> atFirst = bank.balances();
      String[] arguments = {"--json", "--duration=5s", "--concurrency=4", "--events=" + events};
      CompletableFuture<LoadRun> load = LoadRun.begin(bank.url(), arguments);
      Watch.of(bank).awaitTransfers(50);
      Files.writeString(events, Instant.now() + "\t1\tkilled\n");
      Watch.of(bank).awaitTransfers(150);
      Files.writeString(events, Instant.now() + "\t2\tkilled\n", StandardOpenOption.APPEND);
      mortal.killHard();
      Thread.sleep(1_000);
      mortal.startAgain();
      JsonObject result = LoadRun.end(load).assertDone().json();
      assertEquals("passed", result.get("audit").getAsString());
      assertEquals(bank.ledger().size(), result.get("transfersInLedger").getAsLong());
      bank.assertExact(atFirst);
      Set<String> reasons = result.getAsJsonObject("retriesByReason").keySet();
      assertTrue(reasons.contains("connection lost"), reasons::toString);
      List<Pause> gaps = gaps(result);
      assertSame(pauses(bank, result), gaps);
      JsonArray told = result.getAsJsonArray("events");
      assertEquals(0, gapAfter(told.get(0)));
      assertEquals(gaps.get(0).length(), gapAfter(told.get(1)), TOLERANCE);
      double unchecked = result.get("longestSecondsWithoutCheck").getAsDouble();
      assertTrue(unchecked <= gaps.get(0).length() + 5, result::toString);
    }
  }

  private static double gapAfter(JsonElement event) {
    return event.getAsJsonObject().get("gapSeconds").getAsDouble();
  }

  private static List<Pause> gaps(JsonObject json) {
    return json.getAsJsonArray("gaps").asList().stream()
        .map(JsonElement::getAsJsonArray)
        .map(gap -> new Pause(gap.get(0).getAsDouble(), gap.get(1).getAsDouble()))
        .toList();
  }

  /** The times between two commits, in seconds since the measured part of the load began. */
  private static List<Pause> pauses(Bank bank, JsonObject json) {
    Instant start = Instant.parse(json.get("measuredFrom").getAsString());
    String times = "SELECT pg_xact_commit_timestamp(xmin) FROM transfers ORDER BY 1";
    List<Double> seconds =
        bank.ask(root -> root.createQuery(times).mapTo(Instant.class).list()).stream()
            .map(time -> (time.toEpochMilli() - start.toEpochMilli()) / 1e3)
            .toList();
    return IntStream.range(1, seconds.size())
        .mapToObj(i -> new Pause(seconds.get(i - 1), seconds.get(i)))
        .toList();
  }

  private static void assertSame(List<Pause> pauses, List<Pause> gaps) {
    String both =
        "gaps " + gaps + ", pauses " + pauses.stream().filter(p -> p.length() > 0.3).toList();
    for (Pause gap : gaps) {
      assertTrue(pauses.stream().anyMatch(gap::isNear), both);
    }
    for (Pause pause : pauses) {
      boolean isLong = pause.length() >= 0.5 + TOLERANCE;
      assertTrue(!isLong || gaps.stream().anyMatch(pause::isNear), both);
    }
    assertTrue(gaps.stream().anyMatch(gap -> gap.length() >= 1 - TOLERANCE), both);
  }

  /** Behind a pooler, what one program sets on a connection another program gets. */
  @Test
  void behindAPoolerNoOtherProgramBecomesReadOnly() throws Exception {
    assumeTrue(Pooler.isInstalled(), "no pgbouncer");
    Bank bank = Watch.bankWithAccounts(server, 100);
    try (Pooler pooler = Pooler.to(bank)) {
      String url = pooler.url() + "&prepareThreshold=0";
      LoadRun.at(url, "--duration=2s", "--concurrency=2", "--force-retries=1").assertDone();
      assertEquals(
          List.of("off", "off", "off"), pooler.askOnEach("SHOW default_transaction_read_only"));
    }
  }

  @Test
  void whatIsUnknownOfTheWarmUpIsToldToo() {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").freezeAfterServer();
      LoadRun run =
          LoadRun.at(
              bank.urlThrough(proxy.port()) + "&socketTimeout=2",
              "--json",
              "--concurrency=2",
              "--retry-timeout=1",
              "--warm-up=9s",
              "--no-audit");
      run.assertStatus(3);
      Set<UUID> unknown = new TreeSet<>();
      for (JsonElement id : run.json().getAsJsonArray("transfersUnknown")) {
        unknown.add(UUID.fromString(id.getAsString()));
      }
      assertEquals(2, unknown.size());
      assertEquals(LoadRun.unknown(run.err()), unknown);
      assertEquals("not made", run.json().get("audit").getAsString());
    }
  }

  /** At the latest some seconds after its --retry-timeout. */
  @Test
  void aServerThatIsGoneEndsTheRun() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      CompletableFuture<LoadRun> load =
          LoadRun.begin(
              bank.urlThrough(proxy.port()), "--duration=5m", "--retry-timeout=2", "--json");
      Watch.of(bank).awaitTransfers(200);
      proxy.refuseConnections();
      proxy.cutAll();
      LoadRun run = LoadRun.end(load).assertStatus(3);
      Set<UUID> unknown = LoadRun.unknown(run.err());
      assertFalse(unknown.isEmpty());
      LoadRun.assertLedgerOf(bank, run.json().get("transfersCommitted").getAsLong(), unknown);
      bank.assertExact(atFirst);
    }
  }

  @Test
  void onASignalNothingNewIsBegunAndAllIsToldAndChecked(@TempDir Path directory) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    Path report = directory.resolve("report.html");
    String[] arguments = {"--duration=5m", "--json", "--report=" + report, "--url=" + bank.url()};
    try (Script.Running running = Script.of("BankLoad", arguments).start()) {
      Watch.of(bank).awaitTransfers(300);
      Script.Result result = signal(running, "INT", 130);
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
      Watch.of(bank).awaitAccounts(10_000);
      Script.Result result = signal(running, "TERM", 143);
      assertFalse(result.err().contains("error"), result::err);
      assertEquals(bank.balances().size(), new ScriptOutput(result).accounts());
      assertTrue(result.out().contains("No transfers, no money lost."), result::out);
    }
  }

  @Test
  void onASignalWhatIsFrozenIsToldAsUnknown() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      String url = "--url=" + bank.urlThrough(proxy.port()) + "&socketTimeout=6";
      String[] arguments = {"--duration=5m", "--concurrency=2", "--warm-up=0s", url};
      try (Script.Running running = Script.of("BankLoad", arguments).start()) {
        Watch.of(bank).awaitTransfers(100);
        FaultProxy.Fault freeze = proxy.when("INSERT INTO transfers").freezeAfterServer();
        proxy.freezeConnections();
        Watch.await(freeze, 2);
        Script.Result result = signal(running, "INT", 130);
        Set<UUID> unknown = LoadRun.unknown(result.err());
        assertEquals(2, unknown.size(), result::toString);
        LoadRun.assertLedgerOf(bank, new ScriptOutput(result).transfers(), unknown);
        bank.assertExact(atFirst);
      }
    }
  }

  private static Script.Result signal(Script.Running running, String signal, int status)
      throws Exception {
    running.signal(signal);
    Script.Result result = running.await();
    assertEquals(status, result.status(), result::toString);
    return result;
  }
}
