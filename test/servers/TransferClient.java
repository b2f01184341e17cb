import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Jdbi;

/**
 * Makes transfers within the tests' JVM, by the scripts' own connection, statement and loop, and
 * keeps what the loop reported. TwinTest holds that both scripts have the same.
 */
final class TransferClient implements AutoCloseable {

  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private final List<BankSecure.Retry> retries = new CopyOnWriteArrayList<>();
  private final Map<UUID, Long> made = new TreeMap<>();
  private final List<Long> accounts;
  private final BankSecure.Session session;
  private volatile boolean stopped;

  private TransferClient(Jdbi database, List<Long> accounts) {
    this.accounts = accounts;
    this.session = new BankSecure.Session(database, TIMEOUT, retries::add);
  }

  /** A session that need not be patient and tells nobody. */
  static BankSecure.Session sessionOf(Bank bank) {
    return new BankSecure.Session(bank.connect(bank.server().port()), TIMEOUT, retry -> {});
  }

  /** Connects by way of this port. */
  static TransferClient of(Bank bank, int port) {
    return of(bank, bank.connect(port));
  }

  /** Connects by way of this, and finds the tables of the scripts or makes them. */
  static TransferClient of(Bank bank, Jdbi database) {
    TransferClient client = new TransferClient(database, List.copyOf(bank.balances().keySet()));
    BankSecure.createTables(client.session);
    return client;
  }

  /** Makes so many, each between two random accounts, unless it is stopped. */
  void transfer(int transfers) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    for (int i = 0; i < transfers && !stopped; i++) {
      UUID id = UUID.randomUUID();
      int index = random.nextInt(accounts.size());
      long source = accounts.get(index);
      long target = accounts.get((index + random.nextInt(1, accounts.size())) % accounts.size());
      long amount =
          session.commit("transfer " + id, h -> BankSecure.transfer(h, id, source, target));
      made.put(id, amount);
    }
  }

  /** What the loop reported, in its order. */
  List<BankSecure.Retry> retries() {
    return retries;
  }

  /** Waits until the loop has reported an SQLSTATE that matches. */
  void awaitRetryAfter(String sqlStates) throws InterruptedException {
    Watch.await(() -> retries.stream().anyMatch(retry -> retry.sqlState().matches(sqlStates)));
  }

  /** Lets the transfer that is under way be the last. */
  void stop() {
    stopped = true;
  }

  @Override
  public void close() {
    session.close();
  }

  /** Lets each make so many transfers, all at the same time. */
  static Work start(List<TransferClient> clients, int transfers) {
    ExecutorService workers = Executors.newFixedThreadPool(clients.size());
    List<Future<?>> ends = new ArrayList<>();
    for (TransferClient client : clients) {
      ends.add(workers.submit(() -> client.transfer(transfers)));
    }
    workers.shutdown();
    return new Work(ends);
  }

  /** Transfers under way. */
  record Work(List<Future<?>> ends) {

    /** Waits for all, and fails as the first of them did. */
    void await() throws Exception {
      for (Future<?> end : ends) {
        end.get(90, TimeUnit.SECONDS);
      }
    }
  }

  /**
   * All that was reported as moved is in the ledger, nothing else is, and each account shows it.
   */
  static void assertExact(Bank bank, Map<Long, Long> atFirst, TransferClient... clients) {
    Map<UUID, Long> reported = new TreeMap<>();
    for (TransferClient client : clients) {
      reported.putAll(client.made);
    }
    Map<UUID, Long> ledger =
        bank.ledger().stream().collect(Collectors.toMap(Bank.Entry::id, Bank.Entry::amount));
    assertEquals(new TreeMap<>(ledger), reported);
    bank.assertExact(atFirst);
  }
}
