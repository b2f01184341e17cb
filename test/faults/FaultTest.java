import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
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
  void aTransferIsRetriedAfterEachKindOfFault() {
    TransferClient[] clients = clients(1, bank.connect(proxy.port()));
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(TRANSFER).everyNth(5).cutBeforeServer(),
            proxy.when(TRANSFER).everyNth(6).cutAfterServer(),
            proxy.when(TRANSFER).everyNth(7).answerError("40001", "restart transaction"),
            proxy.when(TRANSFER).everyNth(8).answerError("40P01", "deadlock detected"),
            proxy.when(TRANSFER).everyNth(9).answerError("58C00", "range unavailable"),
            proxy.when(TRANSFER).everyNth(10).answerErrorAfterServer("40003", "ambiguous"),
            proxy.when(TRANSFER).everyNth(11).answerErrorAfterServer("57014", "canceled"),
            proxy.when(TRANSFER).everyNth(12).answerErrorAfterServer("58C01", "unavailable"),
            proxy.when(TRANSFER).everyNth(13).answerErrorAfterServer("XXUUU", "unavailable"),
            proxy.when(TRANSFER).everyNth(14).answerErrorAfterServer("57P01", "shutdown"));
    clients[0].transfer(150);
    faults.forEach(fault -> assertTrue(fault.injected() >= 5, fault.injected() + " times"));
    int injected = faults.stream().mapToInt(FaultProxy.Fault::injected).sum();
    assertEquals(injected, clients[0].retries().size());
    assertExact(150, clients);
  }

  @Test
  void connectionsAreCutAtRandomTimes() throws Exception {
    TransferClient[] clients = clients(4, bank.connect(proxy.port()));
    TransferClient.Work work = TransferClient.start(List.of(clients), Integer.MAX_VALUE);
    Random random = new Random(1);
    for (int cuts = 0; cuts < 40; cuts++) {
      Thread.sleep(random.nextInt(50));
      proxy.cutAll();
    }
    Stream.of(clients).forEach(TransferClient::stop);
    work.await();
    assertTrue(Stream.of(clients).mapToInt(client -> client.retries().size()).sum() >= 40);
    assertExact(bank.ledger().size(), clients);
  }

  /** The server may go on with a statement whose client has gone, while its repeat arrives. */
  @Test
  void aStatementOutlivesItsConnection() throws Exception {
    try (Handle blocker = server.asSuperuser(bank.database()).open()) {
      TransferClient[] clients = clients(1, bank.connect(proxy.port()));
      blocker.begin();
      blocker.select("SELECT id FROM accounts FOR UPDATE").mapTo(Long.class).list();
      proxy.mark();
      TransferClient.Work work = TransferClient.start(List.of(clients), 1);
      awaitSent(1);
      proxy.cutAll();
      awaitSent(2);
      blocker.commit();
      work.await();
      assertExact(1, clients);
    }
  }

  /** Waits until so many transfers were sent, and gives the last one the time to be blocked. */
  private void awaitSent(int transfers) throws InterruptedException {
    Watch.await(
        () -> proxy.statements().stream().filter(s -> s.contains(TRANSFER)).count() >= transfers);
    Thread.sleep(200);
  }

  /** A whole run, which prints each retry in a line of its own. */
  @Test
  void aRunThroughFaults() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when("SELECT version").first(1).cutAfterServer(),
            proxy.when("CREATE TABLE IF NOT EXISTS transfers").first(1).cutAfterServer(),
            proxy.when("INSERT INTO accounts").everyNth(2).cutAfterServer(),
            proxy.when("SELECT coalesce").first(2).cutBeforeServer(),
            proxy.when(TRANSFER).everyNth(3).cutAfterServer(),
            proxy.when(TRANSFER).everyNth(4).answerError("40001", "restart transaction"));
    ScriptOutput output =
        new ScriptOutput(
            bank.scriptThrough(proxy.port(), "--accounts=4000", "--transfers=20").run());
    output.assertDone().assertLedgerOf(bank).assertTotalOf(bank);
    faults.forEach(fault -> assertTrue(fault.injected() >= 1));
    assertEquals(
        faults.stream().mapToInt(FaultProxy.Fault::injected).sum(),
        output.failedAttempts().count());
    assertEquals(4_000, output.accounts());
    assertEquals(20, output.transfers());
    assertEquals(4_100, bank.balances().size());
    assertTrue(bank.balances().keySet().containsAll(atFirst.keySet()));
  }

  /** The run prints one error line, the query that finds the transfer, and exit status 3. */
  @Test
  void aRunWithAnUnknownOutcome() throws Exception {
    proxy.when(TRANSFER).first(1).cutAfterServer();
    proxy.when(TRANSFER).answerError("23514", "no");
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
      Watch.of(bank).awaitTransfers(20);
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

  /** A session that has lost its host continues on another one. */
  @Test
  void oneOfThreeHostsIsClosedAndOneFreezes() throws Exception {
    try (FaultProxy freezing = FaultProxy.to(server.port());
        FaultProxy closing = FaultProxy.to(server.port())) {
      String ports = ":%d,localhost:%d,localhost:%d";
      String hosts = ports.formatted(proxy.port(), freezing.port(), closing.port());
      String url = bank.urlThrough(proxy.port()).replace(":" + proxy.port(), hosts);
      TransferClient[] clients =
          clients(12, BankInsecure.connect(BankInsecure.settings(url + "&socketTimeout=1")));
      assertNotEquals(0, freezing.openConnections());
      assertNotEquals(0, closing.openConnections());
      freezing.when("").freezeAfterServer();
      freezing.freezeConnections();
      closing.close();
      TransferClient.start(List.of(clients), 5).await();
      assertExact(60, clients);
    }
  }

  private TransferClient[] clients(int count, Jdbi jdbi) {
    return Stream.generate(() -> TransferClient.of(bank, jdbi))
        .limit(count)
        .toArray(TransferClient[]::new);
  }

  private void assertExact(int transfers, TransferClient... clients) {
    assertEquals(transfers, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients);
    Stream.of(clients).forEach(TransferClient::close);
  }
}
