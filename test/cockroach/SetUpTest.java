import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The commands that create the user and the database, and the first runs on a new database. */
@Timeout(120)
class SetUpTest {

  private static final String PRIVILEGE = "sql.auth.public_schema_create_privilege.enabled";
  private static final String CONNECTIONS = "server.max_connections_per_gateway";

  /** The one at the top of the sample, and the one that an error prints, each more than once. */
  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void theCommandsAreEnough(boolean isSecure) throws Exception {
    try (Cockroach server = Cockroach.startNew(isSecure)) {
      if (knows(server, PRIVILEGE)) {
        // The owner of a database may create tables in it, even if other users may not.
        set(server, PRIVILEGE, "false");
      }
      String command = command(isSecure);
      server.shell(command);
      server.shell(command);
      assertRuns(Bank.of(server));
      server.shell(command);
      assertEquals(10, Bank.of(server).balances().size());

      Bank nowhere = new Bank(server, "no-where");
      Script.Result result = nowhere.script().run();
      new ErrorForm(5, "If the user or the database is missing: ").check(result);
      server.shell(result.err().lines().toList().get(1).replaceFirst(".*missing: ", ""));
      assertRuns(nowhere);
      if (!isSecure) {
        assertDrains(server);
      }
    }
  }

  private static void assertRuns(Bank bank) throws Exception {
    bank.runQuietly("--accounts=10", "--transfers=5");
    assertEquals(10, bank.balances().size());
    assertEquals(5, bank.ledger().size());
  }

  /** The command in the comment at the top of the sample, in one line. */
  private static String command(boolean isSecure) throws Exception {
    String sample = Project.read(isSecure ? "BankSecure.java" : "BankInsecure.java");
    Matcher found =
        Pattern.compile("^ \\* (cockroach sql .*(?:\\n \\*   .*)*)", Pattern.MULTILINE)
            .matcher(sample);
    assertTrue(found.find(), "no command at the top");
    return found.group(1).replaceAll("\\n \\*  ", "");
  }

  /** While a transaction is open on it, a node that drains waits, and refuses new clients. */
  private static void assertDrains(Cockroach server) throws Exception {
    String url = "jdbc:postgresql://localhost:" + server.port() + "/bank?user=root&sslmode=disable";
    try (Connection open = DriverManager.getConnection(url)) {
      open.setAutoCommit(false);
      open.createStatement().execute("SELECT 1");
      String refusal = "57P01 server is not accepting clients, try another node";
      var refused = CompletableFuture.runAsync(() -> awaitRefusal(Jdbi.create(url), refusal));
      server.drain(0);
      refused.get(60, TimeUnit.SECONDS);
    }
  }

  @Test
  void tooManyConnectionsAreRefused() throws Exception {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    boolean known = knows(ServerKind.COCKROACHDB_INSECURE.shared(), CONNECTIONS);
    Assumptions.assumeTrue(known, "this release does not know " + CONNECTIONS);
    try (Cockroach server = Cockroach.start(false)) {
      Jdbi database = Bank.of(server).connect(server.port());
      try (Handle first = database.open()) {
        set(server, CONNECTIONS, "1");
        awaitRefusal(database, "53300 sorry, too many clients already");
        BankSecure.version(first);
      }
    }
  }

  /** Connects until the server refuses it in these words, because a change takes a moment. */
  private static void awaitRefusal(Jdbi database, String words) {
    String seen = "nothing";
    for (int attempt = 1; attempt <= 1_000 && !seen.equals(words); attempt++) {
      try {
        database.useHandle(BankSecure::version);
        LockSupport.parkNanos(10_000_000);
      } catch (JdbiException e) {
        SQLException error = (SQLException) e.getCause();
        seen = error.getSQLState() + " " + error.getMessage().replaceFirst("^[A-Z]+: ", "");
      }
    }
    assertEquals(words, seen);
  }

  private static boolean knows(Server server, String setting) {
    String names = "SELECT variable FROM [SHOW ALL CLUSTER SETTINGS]";
    return server
        .asSuperuser("defaultdb")
        .withHandle(root -> root.select(names).mapTo(String.class).list().contains(setting));
  }

  private static void set(Server server, String setting, String value) {
    server
        .asSuperuser("defaultdb")
        .useHandle(root -> root.execute("SET CLUSTER SETTING " + setting + " = " + value));
  }

  /** Both find no table, and create it. */
  @Test
  void twoFirstRunsAtOnce() throws Exception {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    Server server = ServerKind.COCKROACHDB_INSECURE.shared();
    for (int attempt = 1; attempt <= 8; attempt++) {
      Bank bank = Bank.create(server);
      CyclicBarrier start = new CyclicBarrier(2);
      CompletableFuture<Void> other = CompletableFuture.runAsync(() -> createTables(bank, start));
      createTables(bank, start);
      other.get(60, TimeUnit.SECONDS);
      assertEquals(Map.of(), bank.balances());
      assertEquals(List.of(), bank.ledger());
    }
  }

  private static void createTables(Bank bank, CyclicBarrier start) {
    try (BankSecure.Session session = TransferClient.sessionOf(bank)) {
      start.await();
      BankSecure.createTables(session);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
