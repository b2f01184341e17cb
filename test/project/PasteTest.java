import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * A sample pasted into a file of its own, in an empty folder: it works, and where it cannot connect
 * its last line says what to do, which takes no other file of this project.
 */
@Timeout(300)
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
class PasteTest {

  private static Shell shell;
  private static Postgres insecure;
  private static Postgres secure;

  @BeforeAll
  static void startClusters() throws IOException {
    shell = new Shell();
    insecure = Postgres.insecure();
    secure = Postgres.secure();
  }

  @AfterAll
  static void stopClusters() {
    insecure.close();
    secure.close();
    shell.close();
  }

  @Test
  void bankBasic() throws Exception {
    Path folder = paste("BankBasic");
    String command = "jbang BankBasic.java";
    String balances =
        """
        before: account 1 holds 1,000
        before: account 2 holds 250
        Transferred 100 from account 1 to account 2.
        after: account 1 holds 900
        after: account 2 holds 350
        """;
    assertEquals(balances, shell.runQuietly(command, folder));
    String bank = Bank.create(insecure).url();
    assertEquals(balances, shell.runQuietly(command + url(bank), folder));
    assertSaysWhatToDo(command + url(nothing()), folder);
    assertSaysWhatToDo(command + url(without(insecure, "bank")), folder);
    String verified = secure.url() + "?sslmode=verify-full&sslrootcert=" + foreign();
    assertSaysWhatToDo(command + url(verified), folder);
  }

  @Test
  void bankInsecure() throws Exception {
    Path folder = paste("BankInsecure");
    String command = "jbang BankInsecure.java";
    shell.runQuietly(command + url(insecure.url()), folder);
    assertOneTransferAmongHundredAccounts(insecure);
    assertSaysWhatToDo(command + url(nothing()), folder);
    assertSaysWhatToDo(command + url(without(insecure, "bank")), folder);
    assertSaysWhatToDo(command + url(without(insecure, "maxroach")), folder);
    assertSaysWhatToDo(command + url(secure.url()), folder);
  }

  @Test
  void bankSecure() throws Exception {
    Path folder = paste("BankSecure");
    TemporaryDirectory.copy(secure.certs(), Files.createDirectory(folder.resolve("certs")));
    String command = "jbang BankSecure.java";
    shell.runQuietly(command + url(secure.url()), folder);
    assertOneTransferAmongHundredAccounts(secure);
    assertSaysWhatToDo(command + url(nothing()), folder);
    assertSaysWhatToDo(command + url(without(secure, "bank")), folder);
    assertSaysWhatToDo(command + url(insecure.url().replaceFirst("\\?.*", "")), folder);
    Path none = shell.directory("none");
    assertSaysWhatToDo(command + url(secure.url()) + " --certs-dir=" + none, folder);
    new Certificates().writeAll(none);
    assertSaysWhatToDo(command + url(secure.url()) + " --certs-dir=" + none, folder);
  }

  private static Path paste(String sample) throws IOException {
    Path folder = shell.directory(sample);
    Files.writeString(folder.resolve(sample + ".java"), Project.read(sample + ".java"));
    return folder;
  }

  private static String url(String url) {
    return " --url='" + url + "'";
  }

  private static String nothing() throws IOException {
    return "postgresql://maxroach@localhost:" + Server.freePort() + "/bank";
  }

  /** The URL of a database or a user that is not there. */
  private static String without(Server server, String name) {
    return server.url().replace(name, "nobody");
  }

  /** The certificate of another cluster's authority. */
  private static Path foreign() throws IOException {
    Path folder = shell.directory("foreign-" + System.nanoTime());
    new Certificates().writeAuthority(folder);
    return folder.resolve("ca.crt");
  }

  private static void assertOneTransferAmongHundredAccounts(Server server) {
    Bank bank = new Bank(server, "bank");
    assertEquals(100, bank.balances().size());
    assertEquals(1, bank.ledger().size());
  }

  private static void assertSaysWhatToDo(String command, Path folder) throws Exception {
    Script.Result result = shell.run(command, folder);
    assertEquals(5, result.status(), result::toString);
    assertEquals("", result.out(), result::toString);
    List<String> lines = result.err().lines().toList();
    assertEquals(2, lines.size(), result::toString);
    assertTrue(lines.get(0).startsWith("error: "), result::toString);
    assertTrue(lines.get(1).matches("[A-Z].*(\\.|cockroach sql .*)"), result::toString);
    assertFalse(
        lines.get(1).matches(".*(README|jbangw|tools/|test/|lessons/).*"), result::toString);
  }
}
