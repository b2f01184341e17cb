import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The main job on both databases: what the samples print, the database confirms. */
@Timeout(120)
class FlowTest extends EachServer {

  private static final String TRANSFER = "INSERT INTO transfers";

  @Test
  void aRunCreatesAHundredAccountsAndATransfer() throws Exception {
    for (Server each : List.of(server, secureServer())) {
      Bank bank = Bank.create(each);
      assertDefaultRun(bank, bank.runQuietly());
    }
  }

  /** A proxy counts: a statement is one round trip, and nothing comes between the transfers. */
  @Test
  void eachTransferIsALineAndAStatement() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.mark();
      Script.Result result =
          bank.scriptThrough(proxy.port(), "--accounts=2500", "--transfers=9", "--echo").run();
      ScriptOutput output =
          new ScriptOutput(result).assertStatus(0).assertTotalOf(bank).assertLedgerOf(bank);
      assertEquals(9, output.transfers());
      assertEquals(12, result.out().lines().count(), result::out);
      assertTrue(result.out().contains("\nAccounts: 10 found, 2,500 created.\n"), result::out);
      assertEquals(2_510, bank.balances().size());
      assertTrue(result.err().startsWith("SELECT version()"), result::err);
      assertEquals(9, result.err().split(TRANSFER, -1).length - 1, result::err);

      List<String> statements = proxy.statements();
      assertEquals(1, proxy.connectionsOpened());
      assertEquals(1 + statements.size(), proxy.roundTrips(), statements::toString);
      long inserts = statements.stream().filter(s -> s.contains("INSERT INTO accounts")).count();
      assertEquals(3, inserts, "1,000 accounts in a statement");
      // The last statement asks for the total.
      int end = statements.size() - 1;
      Set<String> last = Set.copyOf(statements.subList(end - 9, end));
      assertEquals(1, last.size(), "something in between");
      assertTrue(last.iterator().next().contains(TRANSFER), last::toString);
    }
  }

  @Test
  void eightConnectionsOnFiveAccounts() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 5);
    Map<Long, Long> atFirst = bank.balances();
    TransferClient[] clients =
        IntStream.range(0, 8)
            .mapToObj(worker -> TransferClient.of(bank, server.port()))
            .toArray(TransferClient[]::new);
    TransferClient.start(List.of(clients), 50).await();
    assertEquals(400, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients);
    boolean collided =
        Stream.of(clients)
            .flatMap(client -> client.retries().stream())
            .anyMatch(retry -> retry.sqlState().equals("40001"));
    // CockroachDB repeats a statement by itself, unless its answer has begun to arrive.
    assertTrue(collided || kind.isCockroach(), "no conflict");
    Stream.of(clients).forEach(TransferClient::close);
  }

  @Test
  void aTransferMovesHalfAndOnlyOnce() {
    Bank bank = bankWithTables("(1, 1001), (2, 50), (3, 0)");
    try (Handle handle = bank.connect(server.port()).open()) {
      UUID id = UUID.randomUUID();
      for (int attempt = 1; attempt <= 3; attempt++) {
        assertEquals(500, BankSecure.transfer(handle, id, 1, 2));
        assertEquals(Map.of(1L, 501L, 2L, 550L, 3L, 0L), bank.balances());
      }
      assertEquals(List.of(new Bank.Entry(id, 1, 2, 500)), bank.ledger());

      assertEquals(0, BankSecure.transfer(handle, UUID.randomUUID(), 3, 1));
      assertEquals(2, bank.ledger().size());
      assertNoTransfer(handle, id, 2, 1);
      assertNoTransfer(handle, UUID.randomUUID(), 1, 1);
      assertNoTransfer(handle, UUID.randomUUID(), 1, 4);
      assertNoTransfer(handle, UUID.randomUUID(), 4, 1);
      assertEquals(Map.of(1L, 501L, 2L, 550L, 3L, 0L), bank.balances());
      assertEquals(2, bank.ledger().size());
    }
  }

  private static void assertNoTransfer(Handle handle, UUID id, long source, long target) {
    assertThrows(
        IllegalStateException.class, () -> BankSecure.transfer(handle, id, source, target));
  }

  /** Existing accounts stay as they are, and the total may exceed a long. */
  @Test
  void accountsAndTheirTotal() {
    long most = Long.MAX_VALUE;
    Bank bank = bankWithTables("(1, %d), (2, 9)".formatted(most));
    try (Handle handle = bank.connect(server.port()).open()) {
      long[] ids = {2, 5};
      assertEquals(1, BankSecure.insertAccounts(handle, ids, new long[] {7, most}));
      assertEquals(0, BankSecure.insertAccounts(handle, ids, new long[] {7, 8}));
      assertEquals(Map.of(1L, most, 2L, 9L, 5L, most), bank.balances());
      BigDecimal total = BigDecimal.valueOf(most).multiply(BigDecimal.valueOf(2));
      assertEquals(total.add(BigDecimal.valueOf(9)), BankSecure.totalBalance(handle));
      bank.execute("DELETE FROM accounts");
      assertEquals(BigDecimal.ZERO, BankSecure.totalBalance(handle));
    }
  }

  /** It has a table of its own, which each run sets back, and leaves the bank as it is. */
  @Test
  void basicPrintsTheFourBalances() throws Exception {
    Bank bank = bankWithTables("(1, 7), (3, 50)");
    assertBasic(bank, Script.of("BankBasic", "--url=" + bank.url()));
    assertBasic(bank, Script.of("BankBasic").environment("DATABASE_URL", bank.url()));
    assertEquals(Map.of(1L, 7L, 3L, 50L), bank.balances());

    Bank secure = Bank.create(secureServer());
    String parameters = "?sslmode=verify-full&sslrootcert=" + secure.server().certs() + "/ca.crt";
    String url = secure.url().replace("maxroach", "clerk") + parameters;
    Script byPassword = Script.of("BankBasic", "--url=" + url);
    assertBasic(secure, byPassword.environment("PGPASSWORD", ErrorForm.PASSWORD));
  }

  private static void assertBasic(Bank bank, Script script) throws Exception {
    Script.Result result = script.run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::err);
    assertEquals("", result.err());
    assertEquals(0, result.status());
    String balances = "SELECT balance FROM basic_accounts ORDER BY id";
    assertEquals(
        List.of(900, 350),
        bank.ask(root -> root.createQuery(balances).mapTo(Integer.class).list()));
  }

  /** A bank with the samples' own tables and these rows, of an ID and a balance each. */
  private Bank bankWithTables(String rows) {
    Bank bank = Bank.create(server);
    try (var session = TransferClient.sessionOf(bank)) {
      BankSecure.createTables(session);
    }
    bank.execute("INSERT INTO accounts VALUES " + rows);
    return bank;
  }

  /** The four lines of a run that created 100 accounts and a transfer, and the database after. */
  private static void assertDefaultRun(Bank bank, List<String> lines) {
    assertEquals(4, lines.size(), lines::toString);
    String connected =
        "Connected to (PostgreSQL|CockroachDB \\w+) v?\\d+\\.\\d\\S* at localhost:%d, database %s, user maxroach; %s\\."
            .formatted(
                bank.server().port(),
                bank.database(),
                bank.server().isSecure() ? "server verified" : "not encrypted");
    assertTrue(lines.get(0).matches(connected), lines::toString);
    assertEquals("Accounts: 0 found, 100 created.", lines.get(1));
    assertEquals("Total balance: %1$,d before, %1$,d after.".formatted(bank.total()), lines.get(3));

    Map<Long, Long> balances = bank.balances();
    assertEquals(100, balances.size());
    assertEquals(1, bank.ledger().size());
    Bank.Entry entry = bank.ledger().get(0);
    String transferred = "Transferred %,d from %d to %d.";
    assertEquals(
        transferred.formatted(entry.amount(), entry.source(), entry.target()), lines.get(2));
    assertNotEquals(entry.source(), entry.target());
    long left = balances.get(entry.source());
    assertTrue(left == entry.amount() || left == entry.amount() + 1, "not half: " + left + entry);
  }
}
