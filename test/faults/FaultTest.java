import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** Each transfer and each account is made exactly once, whatever happens between two ends. */
@Timeout(120)
class FaultTest extends OneServer {

  private static final String TRANSFER = "INSERT INTO transfers";

  private Bank bank;
  private Map<Long, Long> atFirst;
  private FaultProxy proxy;

  @BeforeEach
  void openProxy() {
    bank = Watch.bankWithAccounts(server, 100);
    atFirst = bank.balances();
    proxy = FaultProxy.to(server.port());
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void everyTransferIsCutOnceAfterTheServerCommitted() {
    FaultProxy.Fault cuts = proxy.when(TRANSFER).oncePerTransfer().cutAfterServer();
    assertEquals(300, transfer(300));
    assertEquals(300, cuts.injected());
  }

  @Test
  void requestsAndAnswersAreCutAtRandom() {
    assertEachIsRetried(
        rare(1).cutBeforeServer(),
        rare(2).cutInsideRequest(2),
        rare(3).cutInsideAnswer(3),
        rare(4).cutAfterServer());
  }

  @Test
  void errorsAreAnsweredAtRandom() {
    assertEachIsRetried(
        rare(1).answerError("40001", "restart it"),
        rare(2).answerError("40P01", "deadlock"),
        rare(3).answerError("40003", "not known"),
        rare(4).answerErrorAfterServer("40003", "not known"),
        rare(5).answerError("58C00", "range unavailable"),
        rare(6).answerErrorAfterServer("58C01", "replica unavailable"),
        rare(7).answerErrorAfterServer("57P01", "shutting down"));
  }

  private FaultProxy.Rule rare(int seed) {
    return proxy.when(TRANSFER).withProbability(0.08, seed);
  }

  private void assertEachIsRetried(FaultProxy.Fault... faults) {
    int retries = transfer(300);
    Stream.of(faults).forEach(fault -> assertTrue(fault.injected() >= 10));
    assertEquals(Stream.of(faults).mapToInt(FaultProxy.Fault::injected).sum(), retries);
  }

  /** Makes transfers through the proxy, exactly, and returns how many retries that took. */
  private int transfer(int transfers) {
    try (Teller teller = Teller.of(bank, proxy.port())) {
      teller.transfer(transfers);
      assertEquals(transfers, bank.ledger().size());
      Teller.assertExact(bank, atFirst, teller);
      return teller.retries().size();
    }
  }

  @Test
  void connectionsAreCutAtRandomBytes() throws Exception {
    List<Teller> tellers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      tellers.add(Teller.of(bank, proxy.port()));
    }
    FaultProxy.Fault cuts = proxy.cutAtBytes(2_000, 1);
    proxy.cutAll();
    Teller.start(tellers, 100).await();
    assertTrue(cuts.injected() >= 50, () -> cuts.injected() + " cuts");
    assertEquals(400, bank.ledger().size());
    Teller.assertExact(bank, atFirst, tellers.toArray(Teller[]::new));
    tellers.forEach(Teller::close);
  }

  /** The server goes on with a statement whose client has given up on it, and meets its repeat. */
  @Test
  void aStatementOutlivesItsConnection() throws Exception {
    try (Handle blocker = server.asSuperuser(bank.database()).open();
        Teller teller = Teller.of(bank, proxy.port())) {
      blocker.execute("BEGIN; LOCK TABLE transfers IN SHARE MODE");
      Teller.Work work = Teller.start(List.of(teller), 5);
      Watch.of(bank).awaitBlocked(1);
      proxy.cutAll();
      Watch.of(bank).awaitBlocked(2);
      blocker.execute("COMMIT");
      work.await();
      assertEquals(5, bank.ledger().size());
      Teller.assertExact(bank, atFirst, teller);
    }
  }

  /** A whole run, which tells each retry in a line of its own, and nothing wrong. */
  @Test
  void runThroughFaultsOfAllKinds() throws Exception {
    String chunk = "INSERT INTO accounts";
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(chunk).everyNth(5).cutAfterServer(),
            proxy.when(chunk).everyNth(4).cutInsideRequest(1),
            proxy.when(chunk).everyNth(3).cutInsideAnswer(2),
            rare(1).cutBeforeServer(),
            rare(2).cutAfterServer(),
            rare(3).answerError("40001", "restart it"),
            rare(4).answerErrorAfterServer("40003", "lost"),
            proxy.when("SELECT version").first(1).cutAfterServer(),
            proxy.when("CREATE TABLE IF NOT EXISTS transfers").first(1).cutAfterServer(),
            proxy.when("SELECT coalesce").first(2).cutBeforeServer());
    Told told =
        new Told(bank.scriptThrough(proxy.port(), "--accounts=20000", "--transfers=200").run());
    told.assertDone().assertLedgerOf(bank).assertTotalOf(bank);
    faults.forEach(fault -> assertTrue(fault.injected() >= 1));
    assertEquals(
        faults.stream().mapToInt(FaultProxy.Fault::injected).sum(), told.failedAttempts().count());
    assertEquals(20_000, told.accounts());
    assertEquals(200, told.transfers());
    assertEquals(20_100, bank.balances().size());
    assertTrue(bank.balances().keySet().containsAll(atFirst.keySet()));
  }

  @TestFactory
  Stream<DynamicTest> oneOfTwoFrontDoors() {
    return Scenario.together(
        new Scenario("is closed", () -> throughTwoDoors(FaultProxy::close)),
        new Scenario(
            "freezes",
            () ->
                throughTwoDoors(
                    door -> {
                      door.when(exchange -> true).freezeBeforeServer();
                      door.freezeConnections();
                    })));
  }

  /** Who has lost its node goes on through the other one. */
  private static void throughTwoDoors(Consumer<FaultProxy> trouble) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy one = FaultProxy.to(server.port());
        FaultProxy other = FaultProxy.to(server.port())) {
      one.mark();
      other.mark();
      List<Teller> tellers = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        tellers.add(Teller.of(bank, through(bank, one, other)));
      }
      assertNotEquals(0, one.connectionsOpened());
      assertNotEquals(0, other.connectionsOpened());
      Teller.Work work = Teller.start(tellers, 200);
      Watch.of(bank).awaitTransfers(100);
      trouble.accept(one);
      assertTrue(work.isUnderWay(), "too late");
      work.await();
      assertEquals(2_400, bank.ledger().size());
      Teller.assertExact(bank, atFirst, tellers.toArray(Teller[]::new));
      tellers.forEach(Teller::close);
    }
  }

  private static Jdbi through(Bank bank, FaultProxy one, FaultProxy other) {
    String port = ":" + one.port();
    String both = port + ",localhost:" + other.port();
    return BankInsecure.connect(
        BankInsecure.settings(bank.urlThrough(one.port()).replace(port, both)));
  }

  @Test
  void basicDoesNotKnowWhetherACutCommitSucceeded() throws Exception {
    proxy.when(commitOfTransfer()).first(1).cutAfterServer();
    Script.Result result = basic().run();
    assertEquals(3, result.status(), result::toString);
    assertEquals("1 1000\n2 250\n", result.out());
    assertTrue(result.err().startsWith("error: "), result::toString);
    assertFalse(result.err().contains("attempt"), result::toString);
    assertEquals(Map.of(1L, 900L, 2L, 350L), basicBalances());
  }

  @Test
  void basicRepeatsWhatDidNotHappen() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when("UPDATE accounts").first(1).cutBeforeServer(),
            proxy.when("UPDATE accounts").first(1).cutAfterServer(),
            proxy.when("UPDATE accounts").first(1).answerError("58C00", "unavailable"),
            proxy.when(commitOfTransfer()).first(1).answerError("40001", "restart it"));
    Script.Result result = basic().run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::toString);
    new Told(result).assertDone();
    assertEquals(4, result.err().lines().count(), result::toString);
    faults.forEach(fault -> assertEquals(1, fault.injected()));
    assertEquals(Map.of(1L, 900L, 2L, 350L), basicBalances());
  }

  /** The first COMMIT after a movement. */
  private static Predicate<FaultProxy.Exchange> commitOfTransfer() {
    AtomicBoolean moved = new AtomicBoolean();
    return exchange -> {
      moved.compareAndSet(false, exchange.contains("UPDATE accounts"));
      return moved.get() && exchange.executes("COMMIT");
    };
  }

  private Script basic() {
    return Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port()));
  }

  private Map<Long, Long> basicBalances() {
    Map<Long, Long> balances = bank.balances();
    balances.keySet().removeAll(atFirst.keySet());
    return balances;
  }
}
