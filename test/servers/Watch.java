import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Prepares a bank, and looks into it while a script works on it, to act at the right moment. */
record Watch(Bank bank) {

  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  /** A new database with accounts of 1,000,000 each, and without a ledger. */
  static Bank bankWithAccounts(Server server, int accounts) {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0))",
        "INSERT INTO accounts SELECT 1000 * i, 1000000 FROM generate_series(1, %d) AS i"
            .formatted(accounts),
        "ALTER TABLE accounts OWNER TO maxroach");
    return bank;
  }

  /** Watches this bank. */
  static Watch of(Bank bank) {
    return new Watch(bank);
  }

  /** Waits until a fault has acted so many times. */
  static void await(FaultProxy.Fault fault, int times) throws InterruptedException {
    await(() -> fault.injected() >= times);
  }

  /** Waits until so many transfers are in the ledger. */
  void awaitTransfers(int count) throws InterruptedException {
    awaitRows("transfers", count);
  }

  /** Waits until there are so many accounts. */
  void awaitAccounts(int count) throws InterruptedException {
    awaitRows("accounts", count);
  }

  private void awaitRows(String table, int count) throws InterruptedException {
    await(() -> count("SELECT count(*) FROM pg_tables WHERE tablename = '" + table + "'") > 0);
    await(() -> count("SELECT count(*) FROM " + table) >= count);
  }

  /** A SERIALIZABLE look would get into the way of the transfers. */
  private int count(String question) {
    return bank.ask(
        root -> {
          root.execute("SET default_transaction_isolation = 'read committed'");
          return root.createQuery(question).mapTo(int.class).one();
        });
  }

  /** Waits until this is so. */
  static void await(BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + TIMEOUT.toNanos();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "waited in vain");
      Thread.sleep(10);
    }
  }
}
