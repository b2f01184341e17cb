///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows how money vanishes without SERIALIZABLE and its retries
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES ../BankBasic.java
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java

import java.nio.file.Path;
import java.sql.SQLException;
import java.util.*;
import java.util.concurrent.*;
import java.util.logging.LogManager;
import org.jdbi.v3.core.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Eight workers move money between ten accounts, and each transfer reads two balances, decides in
 * Java, and writes both: under READ COMMITTED, SERIALIZABLE, and that with a retry loop.
 */
@Command(
    name = "LostUpdate",
    version = "LostUpdate 2.0",
    mixinStandardHelpOptions = true,
    description = "Loses money on purpose, in a table of its own, and then keeps it.")
public final class LostUpdate implements Callable<Integer> {

  static final int ACCOUNTS = 10;
  static final int TOTAL = 100_000;
  static final int TRANSFERS = 400;
  private static final int WORKERS = 8;

  @Option(names = "--url", description = "Default: an embedded PostgreSQL.")
  private String url;

  /** The isolation that the server gave, transfers made, retries, and the total after them. */
  record Outcome(String isolation, int made, int retries, long total) {}

  @Override
  public Integer call() throws Exception {
    if (url == null) {
      try (var database = BankBasic.EmbeddedDatabase.start()) {
        return teach(BankInsecure.connect(BankInsecure.settings(database.url())));
      }
    }
    Properties settings = BankSecure.settings(url);
    return teach(
        settings.getProperty("sslmode", "").equals("disable")
            ? BankInsecure.connect(settings)
            : BankSecure.connect(settings, Path.of("certs")));
  }

  private static int teach(Jdbi database) throws Exception {
    try {
      Outcome weak = play(database, "read committed", false);
      Outcome strict = play(database, "serializable", false);
      Outcome right = play(database, "serializable", true);
      System.out.printf("%d workers, %d transfers, a total of %,d.%n%n", WORKERS, TRANSFERS, TOTAL);
      System.out.println("                           made   not made   retries   total after");
      show("READ COMMITTED", weak);
      show("SERIALIZABLE", strict);
      show("SERIALIZABLE, a loop", right);
      System.out.printf("%nREAD COMMITTED %s.%n", verdict(weak));
      int failed = TRANSFERS - strict.made;
      System.out.printf("SERIALIZABLE kept the money, but rolled back %d transfers.%n", failed);
      System.out.printf("With a loop all were made, after %d retries.%n", right.retries);
      return 0;
    } finally {
      drop(database);
    }
  }

  private static void show(String way, Outcome of) {
    int failed = TRANSFERS - of.made;
    System.out.printf("%-22s %,8d %,10d %,9d %,13d%n", way, of.made, failed, of.retries, of.total);
  }

  static String verdict(Outcome weak) {
    if (!weak.isolation.equals("read committed")) {
      return "was not to be had here: the server made it " + weak.isolation;
    }
    String lost = weak.total < TOTAL ? "lost %,d" : "made %,d from nothing";
    return lost.formatted(Math.abs(TOTAL - weak.total)) + ": transfers overwrote each other";
  }

  /** Makes the table anew, and then all transfers, at this isolation, with the loop or without. */
  static Outcome play(Jdbi database, String isolation, boolean again) throws Exception {
    drop(database);
    String fill = "INSERT INTO lesson_accounts SELECT id, ? FROM generate_series(0, ?) AS s (id)";
    ExecutorService pool = Executors.newFixedThreadPool(WORKERS);
    try (Handle handle = database.open()) {
      handle.execute("CREATE TABLE lesson_accounts (id INT8 PRIMARY KEY, balance INT8)");
      handle.execute(fill, TOTAL / ACCOUNTS, ACCOUNTS - 1);
      Callable<Outcome> worker = () -> work(database, isolation, again);
      String given = isolation;
      int made = 0;
      int retries = 0;
      for (Future<Outcome> share : pool.invokeAll(Collections.nCopies(WORKERS, worker))) {
        given = share.get().isolation;
        made += share.get().made;
        retries += share.get().retries;
      }
      String sum = "SELECT sum(balance) FROM lesson_accounts";
      return new Outcome(given, made, retries, handle.select(sum).mapTo(Long.class).one());
    } finally {
      pool.shutdownNow();
    }
  }

  /** Makes a worker's share of the transfers, on a connection of its own. */
  private static Outcome work(Jdbi database, String isolation, boolean again) throws Exception {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    int made = 0;
    int retries = 0;
    try (Handle handle = database.open()) {
      handle.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL " + isolation);
      String given = handle.select("SHOW transaction_isolation").mapTo(String.class).one();
      for (int i = 0; i < TRANSFERS / WORKERS; i++) {
        long source = random.nextLong(ACCOUNTS);
        long target = (source + random.nextLong(1, ACCOUNTS)) % ACCOUNTS;
        boolean isMade = attempt(handle, source, target);
        for (int attempt = 1; again && !isMade; attempt++) {
          // Random and growing, so that those who collided do not meet again.
          Thread.sleep(random.nextLong(10L * attempt));
          isMade = attempt(handle, source, target);
          retries++;
        }
        made += isMade ? 1 : 0;
      }
      return new Outcome(given, made, retries, 0);
    }
  }

  /** Makes a transfer in a transaction. False: the database rolled it back, nothing happened. */
  private static boolean attempt(Handle handle, long source, long target) {
    try {
      handle.useTransaction(transaction -> transfer(transaction, source, target));
      return true;
    } catch (JdbiException e) {
      if (e.getCause() instanceof SQLException s && s.getSQLState().matches("40001|40P01")) {
        return false;
      }
      throw e;
    }
  }

  /** Moves half of what the source holds. What it has read may be old when it writes. */
  private static void transfer(Handle transaction, long source, long target) {
    long sourceBalance = balance(transaction, source);
    long targetBalance = balance(transaction, target);
    long half = sourceBalance / 2;
    var balances = Map.of(source, sourceBalance - half, target, targetBalance + half);
    String update = "UPDATE lesson_accounts SET balance = ? WHERE id = ?";
    // In ID order, or two transfers could wait for each other.
    new TreeMap<>(balances).forEach((id, balance) -> transaction.execute(update, balance, id));
  }

  private static long balance(Handle transaction, long id) {
    String select = "SELECT balance FROM lesson_accounts WHERE id = ?";
    return transaction.select(select, id).mapTo(Long.class).one();
  }

  static void drop(Jdbi database) {
    database.useHandle(handle -> handle.execute("DROP TABLE IF EXISTS lesson_accounts"));
  }

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    CommandLine lesson = new CommandLine(new LostUpdate());
    lesson.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(lesson.execute(arguments));
  }

  private static int report(Exception e) {
    System.err.println("error: " + (e.getCause() == null ? e : e.getCause()).getMessage());
    if (e instanceof BankBasic.EmbeddedDatabase.StartException startException) {
      System.err.println(startException.advice);
      return 5;
    }
    return e instanceof IllegalArgumentException ? 2 : e instanceof ConnectionException ? 5 : 1;
  }
}
