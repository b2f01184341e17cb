import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Each transfer and each account is made exactly once, whatever happens between two ends. */
@Timeout(120)
class FaultTest extends OneServer {

  private static final String TRANSFER = "INSERT INTO transfers";
  private static final String CHUNK = "INSERT INTO accounts";

  private Bank bank;
  private Map<Long, Long> atFirst;
  private FaultProxy proxy;

  @BeforeEach
  void openProxy() {
    bank = Watch.bankWithAccounts(server, 1_000);
    atFirst = bank.balances();
    proxy = FaultProxy.to(server.port());
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void everyTransferIsCutOnceAfterTheServerCommitted() throws Exception {
    FaultProxy.Fault cuts = proxy.when(TRANSFER).oncePerTransfer().cutAfterServer();
    Told told = transfer(1_000);
    assertEquals(1_000, cuts.injected());
    assertEquals(1_000, told.retries());
    assertEquals(1_000, told.failedAttempts().count());
  }

  @Test
  void connectionsAreCutAtRandomBytes() throws Exception {
    try (Script.Running running = load("--transfers=1000", "--concurrency=4")) {
      running.awaitText("Accounts: ");
      FaultProxy.Fault cuts = proxy.cutAtBytes(2_000, 1);
      proxy.cutAll();
      Told told = new Told(running.await());
      assertTrue(cuts.injected() >= 100, () -> cuts.injected() + " cuts");
      assertExact(told, 1_000);
    }
  }

  @Test
  void requestsAndAnswersAreCutAtRandom() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(TRANSFER).withProbability(0.1, 1).cutBeforeServer(),
            proxy.when(TRANSFER).withProbability(0.1, 2).cutInsideRequest(2),
            proxy.when(TRANSFER).withProbability(0.1, 3).cutInsideAnswer(3),
            proxy.when(TRANSFER).withProbability(0.1, 4).cutAfterServer());
    Told told = transfer(1_000);
    faults.forEach(fault -> assertTrue(fault.injected() >= 50));
    assertEquals(faults.stream().mapToInt(FaultProxy.Fault::injected).sum(), told.retries());
  }

  @Test
  void errorsAreAnsweredAtRandom() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(TRANSFER).withProbability(0.1, 1).answerError("40001", "restart it"),
            proxy.when(TRANSFER).withProbability(0.1, 2).answerError("40003", "not known"),
            proxy.when(TRANSFER).withProbability(0.1, 3).answerErrorAfterServer("40003", "lost"));
    Told told = transfer(1_000);
    faults.forEach(fault -> assertTrue(fault.injected() >= 50));
    int injected = faults.stream().mapToInt(FaultProxy.Fault::injected).sum();
    assertEquals(injected, told.retries());
    assertEquals(injected, told.failedAttempts().count());
  }

  @Test
  void aHundredThousandAccountsThroughCuts() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(CHUNK).everyNth(5).cutAfterServer(),
            proxy.when(CHUNK).everyNth(4).cutInsideRequest(1),
            proxy.when(CHUNK).everyNth(3).cutInsideAnswer(2));
    Told told = run("--accounts=100000", "--transfers=0").assertDone();
    faults.forEach(fault -> assertTrue(fault.injected() >= 10));
    assertEquals(faults.stream().mapToInt(FaultProxy.Fault::injected).sum(), told.retries());
    assertEquals(100_000, told.accounts());
    Map<Long, Long> now = bank.balances();
    assertEquals(101_000, now.size());
    assertTrue(now.entrySet().containsAll(atFirst.entrySet()));
  }

  /** The server goes on with a statement whose client has given up waiting. */
  @Test
  void aStatementOutlivesItsConnection() throws Exception {
    bank.runQuietly("--accounts=0", "--transfers=0");
    try (Handle blocker = server.asSuperuser(bank.database()).open();
        Script.Running running = load("--transfers=10")) {
      blocker.execute("BEGIN; LOCK TABLE transfers IN SHARE MODE");
      running.awaitText("attempt 1 failed");
      Watch.of(bank).awaitBlocked(2);
      blocker.execute("COMMIT");
      assertExact(new Told(running.await()), 10);
    }
  }

  @Test
  void oneOfTwoFrontDoorsIsClosed() throws Exception {
    try (FaultProxy other = FaultProxy.to(server.port());
        Script.Running running =
            loadThroughBoth(other, "--transfers=5000", "--concurrency=20").start()) {
      Watch.of(bank).awaitTransfers(1_000);
      assertNotEquals(0, proxy.connectionsOpened());
      assertNotEquals(0, other.connectionsOpened());
      assertEquals(20, proxy.connectionsOpened() + other.connectionsOpened());
      proxy.close();
      assertTrue(Watch.of(bank).transfers() < 4_000, "closed too late");
      assertExact(new Told(running.await()), 5_000);
    }
  }

  @Test
  void oneOfTwoFrontDoorsFreezes() throws Exception {
    try (FaultProxy other = FaultProxy.to(server.port());
        Script.Running running =
            loadThroughBoth(other, "--transfers=3000", "--concurrency=20", "--retry-timeout=15")
                .start()) {
      Watch.of(bank).awaitTransfers(500);
      proxy.when(exchange -> true).freezeBeforeServer();
      proxy.freezeConnections();
      assertTrue(Watch.of(bank).transfers() < 2_500, "frozen too late");
      assertExact(new Told(running.await()), 3_000);
    }
  }

  @Test
  void basicDoesNotKnowWhetherACutCommitSucceeded() throws Exception {
    proxy.when(commitOfTransfer()).first(1).cutAfterServer();
    Script.Result result = basic().run();
    assertEquals(3, result.status(), result::toString);
    assertEquals("1 1000\n2 250\n", result.out());
    List<String> lines = result.err().lines().toList();
    assertEquals(2, lines.size(), result::toString);
    assertTrue(lines.get(0).startsWith("error: "), result::toString);
    assertTrue(lines.get(1).contains("COMMIT was sent and its answer lost"), result::toString);
    assertEquals(Map.of(1L, 900L, 2L, 350L), basicBalances());
  }

  @Test
  void basicRepeatsWhatWasCutBeforeCommit() throws Exception {
    FaultProxy.Fault before = proxy.when("UPDATE accounts").first(1).cutBeforeServer();
    FaultProxy.Fault after = proxy.when("UPDATE accounts").first(1).cutAfterServer();
    assertBasicRepeats(2);
    assertEquals(2, before.injected() + after.injected());
  }

  @Test
  void basicRepeatsWhatCommitRolledBack() throws Exception {
    FaultProxy.Fault fault =
        proxy.when(commitOfTransfer()).first(1).answerError("40001", "restart it");
    assertBasicRepeats(1);
    assertEquals(1, fault.injected());
  }

  /** The first COMMIT after a movement. */
  private static Predicate<FaultProxy.Exchange> commitOfTransfer() {
    AtomicBoolean moved = new AtomicBoolean();
    return exchange -> {
      moved.compareAndSet(false, exchange.contains("UPDATE accounts"));
      return moved.get() && exchange.executes("COMMIT");
    };
  }

  private void assertBasicRepeats(int times) throws Exception {
    Script.Result result = basic().run();
    assertEquals("1 1000\n2 250\n1 900\n2 350\n", result.out(), result::toString);
    new Told(result).assertDone();
    assertEquals(times, result.err().lines().count(), result::toString);
    assertEquals(Map.of(1L, 900L, 2L, 350L), basicBalances());
  }

  private Script basic() {
    return Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port()));
  }

  private Map<Long, Long> basicBalances() {
    Map<Long, Long> balances = bank.balances();
    balances.keySet().removeAll(atFirst.keySet());
    return balances;
  }

  private Told transfer(int transfers) throws Exception {
    return assertExact(run("--accounts=0", "--transfers=" + transfers), transfers);
  }

  private Told run(String... arguments) throws Exception {
    return new Told(bank.scriptThrough(proxy.port(), arguments).run());
  }

  private Script.Running load(String... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.add("--accounts=0");
    return bank.scriptThrough(proxy.port(), all.toArray(String[]::new)).start();
  }

  private Script loadThroughBoth(FaultProxy other, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.add("--accounts=0");
    String port = ":" + proxy.port();
    all.add(
        "--url="
            + bank.urlThrough(proxy.port()).replace(port, port + ",localhost:" + other.port()));
    return Script.of("BankInsecure", all.toArray(String[]::new));
  }

  private Told assertExact(Told told, int transfers) {
    told.assertDone().assertLedgerOf(bank);
    assertEquals(transfers, told.transfers());
    assertEquals(transfers, bank.ledger().size());
    bank.assertExact(atFirst);
    return told;
  }
}
