///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows how a lost answer pays twice without the transfer's ID
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES ../BankBasic.java
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java

import java.io.*;
import java.net.*;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.*;
import java.util.logging.LogManager;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.transaction.TransactionException;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Account 1 pays 100, through a proxy that hangs up when the database answers COMMIT. The client
 * stops there, or sends the transfer again, or does so with an ID that the ledger remembers.
 */
@Command(
    name = "LostAnswer",
    version = "LostAnswer 2.0",
    mixinStandardHelpOptions = true,
    description = "Pays twice on purpose, in tables of its own, and then once.")
public final class LostAnswer implements Callable<Integer> {

  @Option(names = "--url", description = "Default: an embedded PostgreSQL.")
  private String url;

  /** What the client knows at the end, and what the two accounts hold. */
  record Outcome(String known, List<Long> held) {}

  /** Whether the proxy hangs up in place of the next answer. */
  private static volatile boolean losesAnswer;

  @Override
  public Integer call() throws IOException {
    if (url == null) {
      try (var database = BankBasic.EmbeddedDatabase.start()) {
        return teach(database.url());
      }
    }
    return teach(url);
  }

  private static int teach(String url) throws IOException {
    try {
      Outcome stopped = play(url, 1, false);
      Outcome retried = play(url, 2, false);
      Outcome withId = play(url, 2, true);
      System.out.println("Account 1 pays 100 of its 1,000. The answer to COMMIT is lost.\n");
      System.out.println("                     the client knew   the database held");
      show("no retry", stopped);
      show("a retry", retried);
      show("a retry with an ID", withId);
      System.out.println("\nWithout a retry nobody knows whether it was paid.");
      System.out.println("A retry pays again what was paid, and is told that all is well.");
      System.out.println("With an ID the retry finds it in the ledger, and pays nothing.");
      return 0;
    } finally {
      drop(connect(BankSecure.settings(url)));
    }
  }

  private static void show(String way, Outcome outcome) {
    long paid = 1_000 - outcome.held.get(0);
    System.out.printf("%-20s %-17s %s, paid %d%n", way, outcome.known, outcome.held, paid);
  }

  /** Makes the tables anew, and pays, in so many attempts, with an ID or without. */
  static Outcome play(String url, int attempts, boolean hasId) throws IOException {
    Properties direct = BankSecure.settings(url);
    Properties byProxy = BankSecure.settings(url);
    create(connect(direct));
    try (ServerSocket door = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      new Thread(() -> serve(door, direct)).start();
      byProxy.setProperty("PGHOST", "localhost");
      byProxy.setProperty("PGPORT", Integer.toString(door.getLocalPort()));
      return new Outcome(pay(connect(byProxy), attempts, hasId), balances(connect(direct)));
    }
  }

  /** Pays as a client does, and returns what it knows. */
  private static String pay(Jdbi database, int attempts, boolean hasId) {
    UUID id = UUID.randomUUID();
    for (int attempt = 1; attempt <= attempts; attempt++) {
      boolean isFirst = attempt == 1;
      try (Handle handle = database.open()) {
        handle.useTransaction(
            transaction -> {
              if (!hasId || isNew(transaction, id)) {
                move(transaction);
              }
              losesAnswer = isFirst;
            });
        return "done, attempt " + attempt;
      } catch (TransactionException e) {
        // COMMIT was sent, and all the client knows is that the connection is gone.
      }
    }
    return "unknown";
  }

  /** Writes the ID into the ledger. False: it is there, so an earlier attempt was committed. */
  private static boolean isNew(Handle transaction, UUID id) {
    String insert = "INSERT INTO lesson_transfers VALUES (?) ON CONFLICT (id) DO NOTHING";
    return transaction.execute(insert, id) == 1;
  }

  private static void move(Handle transaction) {
    String update = "UPDATE lesson_accounts SET balance = balance + ? WHERE id = ?";
    transaction.execute(update, -100, 1);
    transaction.execute(update, 100, 2);
  }

  private static List<Long> balances(Jdbi database) {
    String select = "SELECT balance FROM lesson_accounts ORDER BY id";
    return database.withHandle(handle -> handle.select(select).mapTo(Long.class).list());
  }

  private static void create(Jdbi database) {
    drop(database);
    database.useHandle(
        handle -> {
          handle.execute("CREATE TABLE lesson_accounts (id INT8 PRIMARY KEY, balance INT8)");
          handle.execute("CREATE TABLE lesson_transfers (id UUID PRIMARY KEY)");
          handle.execute("INSERT INTO lesson_accounts VALUES (1, 1000), (2, 250)");
        });
  }

  static void drop(Jdbi database) {
    database.useHandle(
        handle -> handle.execute("DROP TABLE IF EXISTS lesson_accounts, lesson_transfers"));
  }

  private static Jdbi connect(Properties settings) {
    return settings.getProperty("sslmode", "").equals("disable")
        ? BankInsecure.connect(settings)
        : BankSecure.connect(settings, Path.of("certs"));
  }

  /** The proxy: hands on what client and database say, but for the answer that is lost. */
  private static void serve(ServerSocket door, Properties settings) {
    int port = Integer.parseInt(settings.getProperty("PGPORT"));
    ExecutorService requests = Executors.newCachedThreadPool();
    while (!door.isClosed()) {
      try (Socket client = door.accept();
          Socket database = new Socket(settings.getProperty("PGHOST"), port)) {
        requests.submit(() -> client.getInputStream().transferTo(database.getOutputStream()));
        losesAnswer = false;
        byte[] answer = new byte[8_192];
        for (int size = 0; size >= 0 && !losesAnswer; ) {
          client.getOutputStream().write(answer, 0, size);
          size = database.getInputStream().read(answer);
        }
      } catch (IOException e) {
        // One of the two hung up, or the lesson is over.
      }
    }
    requests.shutdown();
  }

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    CommandLine lesson = new CommandLine(new LostAnswer());
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
