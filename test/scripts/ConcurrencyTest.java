import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Several runs at the same time on one database: none fails, and no money is lost or made. */
@Timeout(120)
class ConcurrencyTest extends OneServer {

  private static final String TRANSFERS =
      "transfers (id UUID PRIMARY KEY, source INT8, target INT8, amount INT8,"
          + " created_at TIMESTAMPTZ)";

  @Test
  void twoRunsOnANewDatabase() throws Exception {
    Bank bank = Bank.create(server);
    try (Script.Running one = bank.script("--accounts=20", "--transfers=40").start();
        Script.Running other = bank.script("--accounts=30", "--transfers=40").start()) {
      assertEquals(20, new Told(one.await()).assertDone().accounts());
      assertEquals(30, new Told(other.await()).assertDone().accounts());
    }
    assertEquals(50, bank.balances().size());
    assertEquals(80, bank.ledger().size());
  }

  @Test
  void twoRunsOnFiveAccounts() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 5);
    Map<Long, Long> atFirst = bank.balances();
    Script script = bank.script("--accounts=0", "--transfers=300");
    try (Script.Running one = script.start();
        Script.Running other = script.start()) {
      new Told(one.await()).assertDone().assertTotalOf(bank);
      new Told(other.await()).assertDone().assertTotalOf(bank);
    }
    assertEquals(600, bank.ledger().size());
    bank.assertExact(atFirst);
  }

  @Test
  void eightConnectionsOnFiveAccounts() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 5);
    Map<Long, Long> atFirst = bank.balances();
    Teller[] tellers =
        IntStream.range(0, 8)
            .mapToObj(worker -> Teller.of(bank, server.port()))
            .toArray(Teller[]::new);
    Teller.start(List.of(tellers), 150).await();
    assertEquals(1_200, bank.ledger().size());
    Teller.assertExact(bank, atFirst, tellers);
    List<String> states =
        Stream.of(tellers)
            .flatMap(teller -> teller.retries().stream())
            .map(BankSecure.Retry::sqlState)
            .toList();
    assertTrue(states.contains("40001"), "no conflict: not the load that was meant");
    Stream.of(tellers).forEach(Teller::close);
  }

  /** Both find no table, and the slower one is told that there is one. */
  @Test
  void tablesThatTwoMakeAtOnce() throws Exception {
    for (int attempt = 1; attempt <= 20; attempt++) {
      Bank bank = Bank.create(server);
      CyclicBarrier start = new CyclicBarrier(2);
      CompletableFuture<Void> other = CompletableFuture.runAsync(() -> makeTables(bank, start));
      makeTables(bank, start);
      other.get(60, TimeUnit.SECONDS);
      assertEquals(Map.of(), bank.balances());
      assertEquals(List.of(), bank.ledger());
    }
  }

  private static void makeTables(Bank bank, CyclicBarrier start) {
    try (BankSecure.Session session = Teller.sessionOf(bank)) {
      start.await();
      BankSecure.createTables(session);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** The other has made the table, and not yet committed it, when this one tries to. */
  @ParameterizedTest
  @ValueSource(strings = {"accounts (id INT8 PRIMARY KEY, balance INT8)", TRANSFERS})
  void tableThatAnotherRunIsMaking(String table) throws Exception {
    Bank bank = Bank.create(server);
    try (Handle other = server.asSuperuser(bank.database()).open();
        BankSecure.Session session = Teller.sessionOf(bank)) {
      other.begin();
      other.execute("CREATE TABLE " + table);
      CompletableFuture<Void> creation =
          CompletableFuture.runAsync(() -> BankSecure.createTables(session));
      Watch.of(bank).awaitBlocked(1);
      other.commit();
      creation.get(60, TimeUnit.SECONDS);
    }
    assertEquals(Map.of(), bank.balances());
    assertEquals(List.of(), bank.ledger());
  }
}
