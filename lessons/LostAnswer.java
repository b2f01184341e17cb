///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows how a retry after a lost answer pays twice, unless the transfer has an ID
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES shared/Lesson.java

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import javax.net.SocketFactory;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import picocli.CommandLine.Command;

/**
 * Shows what the ID of a transfer is for.
 *
 * <ol>
 *   <li>Creates two accounts, which hold 1,000 and 250, and a ledger of transfers.
 *   <li>Transfers 100 from account 1 to account 2. The database commits the transfer, but the
 *       connection breaks before the answer to COMMIT arrives.
 *   <li>Prints what the client knows, and what the accounts hold.
 *   <li>Does this for a client that gives up, for one that tries again, and for one that tries
 *       again with the same transfer ID, which the ledger contains.
 *   <li>Drops the tables.
 * </ol>
 */
@Command(
    name = "LostAnswer",
    version = "LostAnswer 3.0",
    description = "Pays twice because an answer is lost, and then once.")
public final class LostAnswer extends Lesson {

  /** What the client knows at the end, and the balances of the two accounts. */
  record Outcome(String known, List<Long> balances) {}

  public static void main(String... args) {
    System.exit(run(new LostAnswer(), args));
  }

  @Override
  void teach(Jdbi jdbi, Properties settings) {
    makeBreakable(settings);
    try {
      Outcome givenUp = play(jdbi, 1, false);
      System.out.println("Account 1 pays 100 of its 1,000. The answer to COMMIT is lost.\n");
      System.out.println("                     the client knows   the database holds");
      print("no retry", givenUp);
      print("a retry", play(jdbi, 2, false));
      print("a retry with an ID", play(jdbi, 2, true));

      System.out.println("\nWithout a retry, the client does not know whether it has paid.");
      System.out.println("With a retry, it pays twice, and reports success.");
      System.out.println(
          "With an ID, the retry finds the transfer in the ledger, and pays nothing.");
    } finally {
      dropTables(jdbi);
    }
  }

  private static void print(String way, Outcome outcome) {
    long paid = 1_000 - outcome.balances().get(0);
    System.out.printf("%-20s %-18s %s, paid %d%n", way, outcome.known(), outcome.balances(), paid);
  }

  /** Pays 100 once, in up to so many attempts, with an ID or without. */
  static Outcome play(Jdbi jdbi, int maxAttempts, boolean hasId) {
    createTables(jdbi);
    return new Outcome(pay(jdbi, maxAttempts, hasId), balances(jdbi));
  }

  /** Pays, and returns what the client knows after that. */
  private static String pay(Jdbi jdbi, int maxAttempts, boolean hasId) {
    // Chosen before the first attempt, so that every attempt is the same transfer.
    UUID id = UUID.randomUUID();
    for (int attempt = 1; attempt <= maxAttempts; attempt++) {
      boolean commitSent = false;
      try (Handle handle = jdbi.open()) {
        handle.begin();
        if (!hasId || isNew(handle, id)) {
          move(handle);
        }
        losesNextAnswer = attempt == 1;
        commitSent = true;
        handle.commit();
        return "done, attempt " + attempt;
      } catch (JdbiException e) {
        // All that the client knows is that COMMIT was sent and the connection broke.
        boolean isUnknown = commitSent && BankSecure.Failure.of(e) == BankSecure.Failure.UNKNOWN;
        if (!isUnknown) {
          throw e;
        }
      }
    }
    return "unknown";
  }

  /** Records the ID. Returns false if an earlier attempt, which was committed, has recorded it. */
  private static boolean isNew(Handle transaction, UUID id) {
    return transaction.execute(
            "INSERT INTO lesson_transfers (id) VALUES (?) ON CONFLICT (id) DO NOTHING", id)
        == 1;
  }

  private static void move(Handle transaction) {
    String update = "UPDATE lesson_accounts SET balance = balance + ? WHERE id = ?";
    transaction.execute(update, -100, 1);
    transaction.execute(update, 100, 2);
  }

  private static List<Long> balances(Jdbi jdbi) {
    return jdbi.withHandle(
        handle ->
            handle
                .select("SELECT balance FROM lesson_accounts ORDER BY id")
                .mapTo(Long.class)
                .list());
  }

  // ---- Tables ----

  private static void createTables(Jdbi jdbi) {
    dropTables(jdbi);
    jdbi.useHandle(
        handle -> {
          handle.execute("CREATE TABLE lesson_accounts (id INT8 PRIMARY KEY, balance INT8)");
          handle.execute("CREATE TABLE lesson_transfers (id UUID PRIMARY KEY)");
          handle.execute("INSERT INTO lesson_accounts (id, balance) VALUES (1, 1000), (2, 250)");
        });
  }

  static void dropTables(Jdbi jdbi) {
    jdbi.useHandle(
        handle -> handle.execute("DROP TABLE IF EXISTS lesson_accounts, lesson_transfers"));
  }

  // ---- The connection that breaks ----

  /** Whether a connection breaks as soon as the next answer of the database arrives. */
  private static volatile boolean losesNextAnswer;

  /** Makes pgjdbc open each connection with a socket that can break. */
  static void makeBreakable(Properties settings) {
    settings.setProperty("socketFactory", BreakableSocketFactory.class.getName());
  }

  /** A socket that reads an answer, which the database has sent, and does not pass it on. */
  private static final class BreakableSocket extends Socket {
    @Override
    public InputStream getInputStream() throws IOException {
      return new FilterInputStream(super.getInputStream()) {
        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
          int size = super.read(buffer, offset, length);
          if (losesNextAnswer) {
            losesNextAnswer = false;
            close();
            throw new SocketException("the connection broke");
          }
          return size;
        }
      };
    }
  }

  /** Public, because pgjdbc creates it by its name. It calls the first method only. */
  public static final class BreakableSocketFactory extends SocketFactory {
    @Override
    public Socket createSocket() {
      return new BreakableSocket();
    }

    @Override
    public Socket createSocket(String host, int port) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress localHost, int localPort) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
      throw new UnsupportedOperationException();
    }
  }
}
