import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The command that creates the user and the database, and the first runs on a new database. */
@Timeout(300)
class SetUpTest {

  private static final String PRIVILEGE = "sql.auth.public_schema_create_privilege.enabled";

  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void theCommandCanBeRunTwice(boolean isSecure) throws Exception {
    try (Cockroach server = Cockroach.startNew(isSecure)) {
      String command = command(isSecure);
      server.shell(command);
      server.shell(command);
      Bank.of(server).runQuietly("--accounts=10", "--transfers=5");
      assertEquals(10, Bank.of(server).balances().size());
      server.shell(command);
      assertEquals(10, Bank.of(server).balances().size());
    }
  }

  /** The owner of a database may create tables in it, even if other users may not. */
  @Test
  void theCommandIsEnoughIfOnlyTheOwnerMayCreateTables() throws Exception {
    try (Cockroach server = Cockroach.startNew(false)) {
      boolean known =
          server
              .asSuperuser("defaultdb")
              .withHandle(
                  root ->
                      root.select("SELECT variable FROM [SHOW ALL CLUSTER SETTINGS]")
                          .mapTo(String.class)
                          .list()
                          .contains(PRIVILEGE));
      Assumptions.assumeTrue(known, "this release does not know " + PRIVILEGE);
      server.shell(
          "cockroach sql --insecure --execute='SET CLUSTER SETTING " + PRIVILEGE + " = f'");
      server.shell(command(false));
      Bank.of(server).runQuietly("--accounts=10", "--transfers=5");
      assertEquals(5, Bank.of(server).ledger().size());
    }
  }

  /** A user who has neither copies the command from the second line, and the next run works. */
  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void theCommandThatAnErrorPrints(boolean isSecure) throws Exception {
    try (Cockroach server = Cockroach.start(isSecure)) {
      Bank nowhere = new Bank(server, "no-where");
      Script.Result result = nowhere.script().run();
      new ErrorForm(5, "If the user or the database is missing: ").check(result);
      server.shell(result.err().lines().toList().get(1).replaceFirst(".*missing: ", ""));
      nowhere.runQuietly("--accounts=10", "--transfers=5");
    }
  }

  /** Both find no table, and create it. */
  @Test
  void twoFirstRunsAtOnce() throws Exception {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    Server server = ServerKind.COCKROACHDB_INSECURE.shared();
    for (int attempt = 1; attempt <= 20; attempt++) {
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

  /** The command in the comment at the top of the sample, in one line. */
  private static String command(boolean isSecure) throws Exception {
    String sample = Project.read(isSecure ? "BankSecure.java" : "BankInsecure.java");
    Matcher found =
        Pattern.compile("^ \\* (cockroach sql .*(?:\\n \\*   .*)*)", Pattern.MULTILINE)
            .matcher(sample);
    assertTrue(found.find(), "no command at the top");
    return found.group(1).replaceAll("\\n \\*  ", "");
  }
}
