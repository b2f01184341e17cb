import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jdbi.v3.core.Jdbi;

/**
 * Threads that make transfers with BankInsecure's own statement and loop until they are stopped,
 * each between two accounts that no other one touches.
 */
final class Workers implements AutoCloseable {

  private final Bank bank;
  private final Map<Long, Long> atFirst;
  private final ConcurrentLinkedQueue<BankInsecure.Retry> retries = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<UUID> committed = new ConcurrentLinkedQueue<>();
  private final AtomicInteger asked = new AtomicInteger();
  private final List<CompletableFuture<Void>> ends = new ArrayList<>();
  private volatile boolean stopped;

  private Workers(Bank bank) {
    this.bank = bank;
    this.atFirst = bank.balances();
  }

  /** A new bank with 100 accounts of 1,000,000 each. */
  static Bank bank(Server server) {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Jdbi database = BankInsecure.connect(BankInsecure.settings(bank.url()));
    try (BankInsecure.Session session =
        new BankInsecure.Session(database, Duration.ofMinutes(1), retry -> {})) {
      BankInsecure.createTables(session);
    }
    return bank;
  }

  /** Starts one for each URL. */
  static Workers start(Bank bank, String... urls) {
    Workers workers = new Workers(bank);
    List<Long> accounts = List.copyOf(workers.atFirst.keySet());
    for (int i = 0; i < urls.length; i++) {
      Jdbi database = BankInsecure.connect(BankInsecure.settings(urls[i]));
      long one = accounts.get(2 * i);
      long other = accounts.get(2 * i + 1);
      workers.ends.add(CompletableFuture.runAsync(() -> workers.work(database, one, other)));
    }
    return workers;
  }

  private void work(Jdbi database, long one, long other) {
    try (BankInsecure.Session session =
        new BankInsecure.Session(database, Duration.ofMinutes(2), retries::add)) {
      for (int i = 0; !stopped; i++) {
        UUID id = UUID.randomUUID();
        long source = i % 2 == 0 ? one : other;
        asked.incrementAndGet();
        session.commit(
            "transfer " + id,
            handle -> BankInsecure.transfer(handle, id, source, one + other - source));
        committed.add(id);
      }
    }
  }

  /** Waits until they have made so many more. */
  void awaitMore(int transfers) throws InterruptedException {
    int enough = committed.size() + transfers;
    long deadline = System.nanoTime() + Duration.ofMinutes(2).toNanos();
    while (committed.size() < enough) {
      assertTrue(ends.stream().noneMatch(CompletableFuture::isDone), "a worker gave up");
      assertTrue(System.nanoTime() < deadline, () -> "waited in vain: " + retries);
      Thread.sleep(10);
    }
  }

  /** The attempts that failed so far. */
  List<BankInsecure.Retry> retries() {
    return List.copyOf(retries);
  }

  /** Ends them; each transfer that was asked for must be committed, once. */
  void assertExact() {
    close();
    ends.forEach(CompletableFuture::join);
    assertEquals(asked.get(), committed.size());
    Set<UUID> ledger = new TreeSet<>();
    bank.ledger().forEach(entry -> ledger.add(entry.id()));
    assertEquals(new TreeSet<>(committed), ledger);
    bank.assertExact(atFirst);
  }

  @Override
  public void close() {
    stopped = true;
    ends.forEach(end -> end.exceptionally(failure -> null).join());
  }
}
