import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The command that makes the user and the database, and what is told where they are missing. */
@Timeout(300)
class SetUpTest {

  private static final String NO_CREATE_IN_PUBLIC =
      "SET CLUSTER SETTING sql.auth.public_schema_create_privilege.enabled = false";

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

  /** The owner of a database may create tables in it, whatever others may. */
  @Test
  void theCommandIsEnoughWhereNotEveryoneMayCreateTables() throws Exception {
    try (Cockroach server = Cockroach.startNew(false)) {
      server.asSuperuser("defaultdb").useHandle(root -> root.execute(NO_CREATE_IN_PUBLIC));
      server.shell(command(false));
      Bank.of(server).runQuietly("--accounts=10", "--transfers=5");
      assertEquals(5, Bank.of(server).ledger().size());
    }
  }

  @Test
  void anUnknownDatabaseIsTold() throws Exception {
    try (Cockroach server = Cockroach.start(false)) {
      Bank nowhere = new Bank(server, "nowhere");
      ServerError told =
          ServerError.of(
              () -> BankInsecure.connect(BankInsecure.settings(nowhere.url())),
              handle -> handle.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)"));
      // Newer releases may tell at once what older ones tell with the first use.
      assertTrue(told.sqlState().matches("3D000|3F000"), told::toString);
      assertTrue(told.message().contains("does not exist"), told::toString);

      Script.Result result = nowhere.script().run();
      assertEquals(5, result.status(), result::toString);
      String[] lines = result.err().split("\n");
      assertEquals(2, lines.length, result::toString);
      assertTrue(lines[0].startsWith("error: cannot connect to localhost:"), lines[0]);
      assertTrue(lines[1].contains("make user and database"), lines[1]);
    }
  }

  /** What the comment at the script's top says to run, in one line. */
  private static String command(boolean isSecure) throws Exception {
    String script = Project.read(isSecure ? "BankSecure.java" : "BankInsecure.java");
    Matcher found =
        Pattern.compile("\\{@code (cockroach sql [^}]*)}").matcher(script.replace("\n *", ""));
    assertTrue(found.find(), "no command at the top");
    return found.group(1);
  }
}
