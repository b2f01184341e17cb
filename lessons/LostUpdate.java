///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows how transfers lose money without SERIALIZABLE and a retry loop
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES shared/Lesson.java

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import picocli.CommandLine.Command;

/**
 * Shows what SERIALIZABLE is for, and why it needs a retry loop.
 *
 * <ol>
 *   <li>Creates ten accounts, which hold 10,000 each.
 *   <li>Runs 400 transfers between them, in eight threads. Each transfer is a transaction that
 *       reads two balances, computes the new ones in Java, and writes them.
 *   <li>Prints how many transfers were committed, and the total balance, which should still be
 *       100,000.
 *   <li>Does this under READ COMMITTED, under SERIALIZABLE, and under SERIALIZABLE with a loop that
 *       runs a transaction again if the database rolled it back.
 *   <li>Drops the accounts.
 * </ol>
 */
@Command(
    name = "LostUpdate",
    version = "LostUpdate 3.0",
    description = "Loses money under READ COMMITTED, and keeps it under SERIALIZABLE.")
public final class LostUpdate extends Lesson {

  static final int ACCOUNTS = 10;
  static final int TOTAL = 100_000;
  static final int TRANSFERS = 400;
  private static final int THREADS = 8;

  /** The isolation level that the server used, and what happened to the transfers and the total. */
  record Outcome(TransactionIsolationLevel isolation, int committed, int retries, long total) {}

  public static void main(String... args) {
    System.exit(run(new LostUpdate(), args));
  }

  @Override
  void teach(Jdbi jdbi, Properties settings) throws Exception {
    try {
      Outcome weak = play(jdbi, TransactionIsolationLevel.READ_COMMITTED, 1);
      System.out.printf(
          "%d threads, %d transfers, total balance %,d.%n", THREADS, TRANSFERS, TOTAL);
      System.out.println("\n                       committed   failed   retries   total after");
      print("READ COMMITTED", weak);
      Outcome strict = play(jdbi, TransactionIsolationLevel.SERIALIZABLE, 1);
      print("SERIALIZABLE", strict);
      Outcome retried = play(jdbi, TransactionIsolationLevel.SERIALIZABLE, 100);
      print("SERIALIZABLE, a loop", retried);

      System.out.println("\nREAD COMMITTED " + verdict(weak));
      System.out.printf(
          "SERIALIZABLE kept the total, and rolled back %d transfers.%n",
          TRANSFERS - strict.committed());
      System.out.printf(
          "With a retry loop, %d transfers were committed, after %d retries.%n",
          retried.committed(), retried.retries());
    } finally {
      dropAccounts(jdbi);
    }
  }

  private static void print(String way, Outcome outcome) {
    System.out.printf(
        "%-22s %9d %8d %9d %,13d%n",
        way,
        outcome.committed(),
        TRANSFERS - outcome.committed(),
        outcome.retries(),
        outcome.total());
  }

  static String verdict(Outcome weak) {
    if (weak.isolation() != TransactionIsolationLevel.READ_COMMITTED) {
      return "is not allowed here: the server used " + weak.isolation() + " instead.";
    }
    if (weak.total() == TOTAL) {
      return "kept the total this time, by chance: run the lesson again.";
    }
    String change = weak.total() < TOTAL ? "lost %,d" : "created %,d out of nothing";
    return change.formatted(Math.abs(TOTAL - weak.total())) + ": transfers overwrote each other.";
  }

  /** Runs all transfers at this isolation level, each in up to so many attempts. */
  static Outcome play(Jdbi jdbi, TransactionIsolationLevel isolation, int maxAttempts)
      throws Exception {
    createAccounts(jdbi);
    Callable<Outcome> thread = () -> makeTransfers(jdbi, isolation, maxAttempts);
    List<Outcome> shares = new ArrayList<>();
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      for (Future<Outcome> share : threads.invokeAll(Collections.nCopies(THREADS, thread))) {
        shares.add(share.get());
      }
    } finally {
      threads.shutdownNow();
    }
    return new Outcome(
        shares.get(0).isolation(),
        shares.stream().mapToInt(Outcome::committed).sum(),
        shares.stream().mapToInt(Outcome::retries).sum(),
        totalBalance(jdbi));
  }

  /** One thread's share of the transfers, on a connection of its own. */
  private static Outcome makeTransfers(
      Jdbi jdbi, TransactionIsolationLevel isolation, int maxAttempts) throws InterruptedException {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    int committed = 0;
    int retries = 0;
    try (Handle handle = jdbi.open()) {
      handle.setTransactionIsolationLevel(isolation);
      // A CockroachDB that does not allow READ COMMITTED uses SERIALIZABLE, without an error.
      TransactionIsolationLevel used = handle.getTransactionIsolationLevel();
      for (int i = 0; i < TRANSFERS / THREADS; i++) {
        // Two different accounts: the second is 1 to 9 places after the first.
        long source = random.nextLong(ACCOUNTS);
        long target = (source + random.nextLong(1, ACCOUNTS)) % ACCOUNTS;
        boolean isCommitted = attempt(handle, source, target);
        for (int attempt = 1; !isCommitted && attempt < maxAttempts; attempt++) {
          // Random, so that transactions that collided do not collide again.
          Thread.sleep(random.nextLong(10L * attempt));
          isCommitted = attempt(handle, source, target);
          retries++;
        }
        if (isCommitted) {
          committed++;
        }
      }
      return new Outcome(used, committed, retries, 0);
    }
  }

  /** Runs a transfer in a transaction. Returns false if the database rolled it back. */
  private static boolean attempt(Handle handle, long source, long target) {
    try {
      handle.useTransaction(transaction -> transfer(transaction, source, target));
      return true;
    } catch (JdbiException e) {
      // SQLSTATE 40001, because of a conflict with another transaction.
      if (BankSecure.Failure.of(e) == BankSecure.Failure.ROLLED_BACK) {
        return false;
      }
      throw e;
    }
  }

  /** Transfers half of the source's balance, and loses what others write in the meantime. */
  private static void transfer(Handle transaction, long source, long target) {
    // Another transaction may change the balances after this one has read them ...
    long sourceBalance = balance(transaction, source);
    long targetBalance = balance(transaction, target);
    long amount = sourceBalance / 2;
    // ... and this one then overwrites the change. In the order of IDs, so that no two transactions
    // wait for each other.
    Map<Long, Long> balances = new TreeMap<>();
    balances.put(source, sourceBalance - amount);
    balances.put(target, targetBalance + amount);
    balances.forEach(
        (id, balance) ->
            transaction.execute(
                "UPDATE lesson_accounts SET balance = ? WHERE id = ?", balance, id));
  }

  private static long balance(Handle transaction, long id) {
    return transaction
        .select("SELECT balance FROM lesson_accounts WHERE id = ?", id)
        .mapTo(Long.class)
        .one();
  }

  // ---- Accounts ----

  private static void createAccounts(Jdbi jdbi) {
    dropAccounts(jdbi);
    jdbi.useHandle(
        handle -> {
          handle.execute("CREATE TABLE lesson_accounts (id INT8 PRIMARY KEY, balance INT8)");
          handle.execute(
              "INSERT INTO lesson_accounts SELECT id, ? FROM generate_series(0, ?) AS s (id)",
              TOTAL / ACCOUNTS,
              ACCOUNTS - 1);
        });
  }

  private static long totalBalance(Jdbi jdbi) {
    return jdbi.withHandle(
        handle ->
            handle.select("SELECT sum(balance) FROM lesson_accounts").mapTo(Long.class).one());
  }

  static void dropAccounts(Jdbi jdbi) {
    jdbi.useHandle(handle -> handle.execute("DROP TABLE IF EXISTS lesson_accounts"));
  }
}
