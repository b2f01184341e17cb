import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** Each transfer and each account is created exactly once, whatever happens to the connection. */
@Timeout(120)
class FaultTest extends EachServer {

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
    assertEquals(200, transfer(200));
    assertEquals(200, cuts.injected());
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
        rare(1).answerError("40001", "restart transaction"),
        rare(2).answerError("40P01", "deadlock detected"),
        rare(3).answerError("40003", "result is ambiguous"),
        rare(4).answerErrorAfterServer("40003", "result is ambiguous"),
        rare(5).answerErrorAfterServer("57014", "query execution canceled"),
        rare(6).answerError("58C00", "range unavailable"),
        rare(9).answerErrorAfterServer("XXUUU", "rpc error: code = Unavailable"),
        rare(7).answerErrorAfterServer("58C01", "replica unavailable"),
        rare(8).answerErrorAfterServer("57P01", "shutting down"));
  }

  private FaultProxy.Rule rare(int seed) {
    return proxy.when(TRANSFER).withProbability(0.08, seed);
  }

  private void assertEachIsRetried(FaultProxy.Fault... faults) {
    int retries = transfer(200);
    Stream.of(faults).forEach(fault -> assertTrue(fault.injected() >= 5));
    assertEquals(Stream.of(faults).mapToInt(FaultProxy.Fault::injected).sum(), retries);
  }

  /** Makes transfers through the proxy, exactly, and returns how many retries that took. */
  private int transfer(int transfers) {
    try (TransferClient client = TransferClient.of(bank, proxy.port())) {
      client.transfer(transfers);
      assertEquals(transfers, bank.ledger().size());
      TransferClient.assertExact(bank, atFirst, client);
      return client.retries().size();
    }
  }

  @Test
  void connectionsAreCutAtRandomBytes() throws Exception {
    List<TransferClient> clients = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      clients.add(TransferClient.of(bank, proxy.port()));
    }
    FaultProxy.Fault cuts = proxy.cutAtBytes(2_000, 1);
    proxy.cutAll();
    TransferClient.start(clients, 50).await();
    assertTrue(cuts.injected() >= 25, () -> cuts.injected() + " cuts");
    assertEquals(200, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients.toArray(TransferClient[]::new));
    clients.forEach(TransferClient::close);
  }

  /** The server may go on with a statement whose client has gone, while its repeat arrives. */
  @Test
  void aStatementOutlivesItsConnection() throws Exception {
    try (Handle blocker = server.asSuperuser(bank.database()).open();
        TransferClient client = TransferClient.of(bank, proxy.port())) {
      blocker.begin();
      blocker.select("SELECT id FROM accounts FOR UPDATE").mapTo(Long.class).list();
      proxy.mark();
      TransferClient.Work work = TransferClient.start(List.of(client), 5);
      awaitSent(1);
      proxy.cutAll();
      awaitSent(2);
      blocker.commit();
      work.await();
      assertEquals(5, bank.ledger().size());
      TransferClient.assertExact(bank, atFirst, client);
    }
  }

  /** Waits until so many transfers were sent, and gives the last one the time to be blocked. */
  private void awaitSent(int transfers) throws InterruptedException {
    Watch.await(
        () ->
            proxy.statements().stream().filter(sent -> sent.contains(TRANSFER)).count()
                >= transfers);
    Thread.sleep(200);
  }

  /** A whole run, which prints each retry in a line of its own. */
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
            rare(3).answerError("40001", "restart transaction"),
            rare(4).answerErrorAfterServer("40003", "result is ambiguous"),
            proxy.when("SELECT version").first(1).cutAfterServer(),
            proxy.when("CREATE TABLE IF NOT EXISTS transfers").first(1).cutAfterServer(),
            proxy.when("SELECT coalesce").first(2).cutBeforeServer());
    ScriptOutput output =
        new ScriptOutput(
            bank.scriptThrough(proxy.port(), "--accounts=10000", "--transfers=100").run());
    output.assertDone().assertLedgerOf(bank).assertTotalOf(bank);
    faults.forEach(fault -> assertTrue(fault.injected() >= 1));
    assertEquals(
        faults.stream().mapToInt(FaultProxy.Fault::injected).sum(),
        output.failedAttempts().count());
    assertEquals(10_000, output.accounts());
    assertEquals(100, output.transfers());
    assertEquals(10_100, bank.balances().size());
    assertTrue(bank.balances().keySet().containsAll(atFirst.keySet()));
  }

  /** The run prints one error line, the query that finds the transfer, and exit status 3. */
  @Test
  void runWithAnUnknownOutcome() throws Exception {
    FaultProxy.Fault cut = proxy.when(TRANSFER).first(1).cutAfterServer();
    proxy
        .when(exchange -> exchange.contains(TRANSFER) && cut.injected() > 0)
        .answerError("23514", "no");
    Script.Result result = bank.scriptThrough(proxy.port(), "--accounts=0").run();
    assertEquals(3, result.status(), result::toString);
    List<String> lines = result.err().lines().toList();
    assertEquals(3, lines.size(), result::toString);
    assertTrue(lines.get(1).startsWith("error: the outcome of a transaction is unknown: "));
    String query = lines.get(2).replaceFirst("It was committed if this finds a row: ", "");
    int rows = bank.ask(root -> root.createQuery(query).mapToMap().list().size());
    assertEquals(1, rows, query);
    bank.assertExact(atFirst);
  }

  /** A transfer is atomic and can be repeated, so an interrupt is safe at any time. */
  @Test
  void ctrlCAmidTransfers() throws Exception {
    Script script = bank.script("--accounts=0", "--transfers=1000000");
    try (Script.Running running = script.start()) {
      Watch.of(bank).awaitTransfers(100);
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status(), result::toString);
      assertEquals("", result.err());
      long committed = bank.ledger().size();
      long printed = new ScriptOutput(result).transfers();
      assertTrue(printed == committed || printed == committed - 1, printed + " " + committed);
      bank.assertExact(atFirst);
    }
  }

  @TestFactory
  Stream<DynamicTest> oneOfTwoHosts() {
    return Scenario.together(
        new Scenario("is closed", () -> transferThroughTwoHosts(FaultProxy::close)),
        new Scenario(
            "freezes",
            () ->
                transferThroughTwoHosts(
                    host -> {
                      host.when(exchange -> true).freezeBeforeServer();
                      host.freezeConnections();
                    })));
  }

  /** A session that has lost its host continues on the other one. */
  private void transferThroughTwoHosts(Consumer<FaultProxy> trouble) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy one = FaultProxy.to(server.port());
        FaultProxy other = FaultProxy.to(server.port())) {
      one.mark();
      other.mark();
      List<TransferClient> clients = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        clients.add(TransferClient.of(bank, through(bank, one, other)));
      }
      assertNotEquals(0, one.connectionsOpened());
      assertNotEquals(0, other.connectionsOpened());
      // Enough to be still under way when the host is lost.
      int each = kind.isCockroach() ? 100 : 1_000;
      TransferClient.Work work = TransferClient.start(clients, each);
      Watch.of(bank).awaitTransfers(50);
      trouble.accept(one);
      assertTrue(work.isUnderWay(), "too late");
      work.await();
      assertEquals(12 * each, bank.ledger().size());
      TransferClient.assertExact(bank, atFirst, clients.toArray(TransferClient[]::new));
      clients.forEach(TransferClient::close);
    }
  }

  private static Jdbi through(Bank bank, FaultProxy one, FaultProxy other) {
    String port = ":" + one.port();
    String both = port + ",localhost:" + other.port();
    String url = bank.urlThrough(one.port()).replace(port, both) + "&socketTimeout=3";
    return BankInsecure.connect(BankInsecure.settings(url));
  }
}
