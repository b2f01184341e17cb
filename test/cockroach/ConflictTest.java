import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Transfers between accounts of their own do not get into each other's way. */
@Timeout(300)
class ConflictTest extends OnCockroach {

  private Bank bank;
  private List<Long> accounts;

  @BeforeEach
  void createBank() {
    bank = Watch.bankWithAccounts(server, 100);
    accounts = List.copyOf(bank.balances().keySet());
    try (BankSecure.Session session = TransferClient.sessionOf(bank)) {
      BankSecure.createTables(session);
    }
  }

  @Test
  void workersOnDisjointAccountsNeverRetry() {
    List<BankSecure.Retry> retries = new CopyOnWriteArrayList<>();
    CompletableFuture<Void> other = CompletableFuture.runAsync(() -> work(2, retries));
    work(0, retries);
    other.join();
    assertEquals(List.of(), retries);
    assertEquals(1_000, bank.ledger().size());
  }

  /** Moves money to and fro between this account and the next one. */
  private void work(int account, List<BankSecure.Retry> retries) {
    try (BankSecure.Session session =
        new BankSecure.Session(bank.connect(server.port()), Duration.ofMinutes(1), retries::add)) {
      for (int i = 0; i < 500; i++) {
        UUID id = UUID.randomUUID();
        long source = accounts.get(account + i % 2);
        long target = accounts.get(account + (i + 1) % 2);
        session.commit("transfer " + id, h -> BankSecure.transfer(h, id, source, target));
      }
    }
  }

  /**
   * CockroachDB hides most retries, but not once a client has seen a result; and what reads all
   * accounts would wait for the other transaction's writes, or make it start anew.
   */
  @Test
  void openTransactionsOnDisjointAccountsBothCommit() {
    try (Handle first = bank.connect(server.port()).open();
        Handle second = bank.connect(server.port()).open()) {
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
    BankSecure.version(handle);
    BankSecure.transfer(handle, UUID.randomUUID(), source, target);
  }
}
