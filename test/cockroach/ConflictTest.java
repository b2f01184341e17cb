import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Transfers between accounts of their own do not get into each other's way. */
@Timeout(300)
class ConflictTest extends OnCockroach {

  @Test
  void workersOnDisjointAccountsNeverRetry() throws Exception {
    Bank bank = Workers.bank(server);
    try (Workers workers = Workers.start(bank, bank.url(), bank.url())) {
      workers.awaitMore(500);
      workers.assertExact();
      assertEquals(List.of(), workers.retries());
    }
  }

  /**
   * CockroachDB hides most retries, but not once a client has seen a result; and what reads all
   * accounts would wait for the other transaction's writes, or make it start anew.
   */
  @Test
  void openTransactionsOnDisjointAccountsBothCommit() throws Exception {
    Bank bank = Workers.bank(server);
    List<Long> accounts = List.copyOf(bank.balances().keySet());
    Jdbi database = BankInsecure.connect(BankInsecure.settings(bank.url()));
    try (Handle first = database.open();
        Handle second = database.open()) {
      transferInTransaction(first, accounts.get(0), accounts.get(1));
      transferInTransaction(second, accounts.get(2), accounts.get(3));
      second.commit();
      first.commit();
    }
    assertEquals(2, bank.ledger().size());
  }

  private static void transferInTransaction(Handle handle, long source, long target) {
    handle.begin();
    handle.execute("SET LOCAL statement_timeout = '20s'");
    BankInsecure.version(handle);
    BankInsecure.transfer(handle, UUID.randomUUID(), source, target);
  }
}
