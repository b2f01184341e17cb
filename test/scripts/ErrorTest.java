import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.OutputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a user reads after a mistake: one error line, an exit status and, if we know what to do, a
 * second line. BankDoctor finds out why a connection fails in all other ways.
 */
@Timeout(120)
class ErrorTest extends EachServer {

  private static final String FILES =
      "Put this cluster's ca.crt and your certificate and key into --certs-dir";

  @TempDir Path directory;

  private Server secure;

  @BeforeEach
  void findSecureServer() {
    secure = secureServer();
  }

  @Test
  void noDatabaseServer() throws Exception {
    assumeFirstServer();
    String start = "Start the cluster";
    int closed = Server.freePort();
    assertError(secure("postgresql://localhost:" + closed), 5, "Connection refused", start);
    assertError(basic(closed), 5, "Connection refused", "Start the database");
    FakeServer.Behavior mute =
        client -> client.getInputStream().transferTo(OutputStream.nullOutputStream());
    try (FakeServer silent = FakeServer.open(mute);
        FakeServer rude = FakeServer.open(Socket::close)) {
      assertError(insecure(silent.port()), 5, "timed out", start);
      assertError(insecure(rude.port()), 5, "closed the connection", start);
    }
  }

  @Test
  void securityThatDoesNotMatch() throws Exception {
    assertError(insecure(secure.port()), 5, "use BankSecure.java");
    assertError(
        secure("postgresql://localhost:" + server.port()), 5, "SSL", "use BankInsecure.java");
  }

  @Test
  void usersThatTheServerRefuses() throws Exception {
    assertError(secure("clerk:geheim", ""), 5, "password");
    assertError(secure("clerk", ""), 5, "PGPASSWORD", "clerk");
    assertError(secure("maxroach", certificate(secure.certs(), "root")), 5, "certificate");
    // Of another authority, with the same name, or Java would not send the certificate.
    new Certificates().client("maxroach").write(directory);
    assertError(secure("maxroach", certificate(directory, "maxroach")), 5, FILES);
  }

  @Test
  void filesThatCannotBeUsed() throws Exception {
    assumeFirstServer();
    new Certificates().writeAuthority(directory);
    assertError(secure("maxroach", "?sslrootcert=" + directory.resolve("ca.crt")), 5, FILES);
    Path key = Files.writeString(directory.resolve("client.key"), "garbage\n");
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
    assertError(secure("maxroach", "?sslkey=" + key), 5, FILES);
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r--r--"));
    assertError(secure("maxroach", "?sslkey=" + key), 5, "client.key", FILES);
  }

  private static String certificate(Path folder, String user) {
    return "?sslcert=%1$s/client.%2$s.crt&sslkey=%1$s/client.%2$s.key".formatted(folder, user);
  }

  /** On CockroachDB, SetUpTest runs the command that is printed. */
  @Test
  void noSuchDatabase() throws Exception {
    assumeFirstServer();
    Bank nowhere = new Bank(server, "no-where");
    String command = "cockroach sql --insecure --host=localhost:%d --execute='CREATE USER";
    assertError(nowhere.script(), 5, "database", command.formatted(server.port()));
    String secureCommand = "cockroach sql --certs-dir='%s' --host=localhost:%d --execute=";
    assertError(
        new Bank(secure, "no-where").script(),
        5,
        secureCommand.formatted(secure.certs(), secure.port()),
        "CREATE DATABASE IF NOT EXISTS \"no-where\"; ALTER DATABASE \"no-where\" OWNER");
  }

  @Test
  void whatCannotBeDone() throws Exception {
    Bank bank = Bank.create(server);
    Script tooFew = bank.script("--accounts=1", "--transfers=2147483647");
    assertError(tooFew, 2, "a transfer needs two accounts", "--accounts=2");
    assertEquals(Map.of(), bank.balances());
    Bank foreign = Bank.create(server);
    foreign.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8)",
        "REVOKE ALL ON accounts FROM maxroach");
    assertError(foreign.script(), 1, "accounts");
  }

  @Test
  void outputThatCannotBeWritten() throws Exception {
    assumeFirstServer();
    Path full = Path.of("/dev/full");
    Assumptions.assumeTrue(Files.exists(full), "no /dev/full on this machine");
    Bank bank = Bank.create(server);
    String error = "the output could not be written";
    assertError(bank.script("--accounts=10").output(full), 1, error);
    assertError(Script.of("BankBasic", "--url=" + bank.url()).output(full), 1, error);
  }

  private void assumeFirstServer() {
    Assumptions.assumeFalse(kind.isCockroach(), "it makes no difference");
  }

  private static void assertError(Script script, int status, String... words) throws Exception {
    new ErrorForm(status, words).check(script.run());
  }

  private static Script basic(int port) {
    return Script.of("BankBasic", "--url=postgresql://localhost:" + port);
  }

  private static Script insecure(int port) {
    String url = "postgresql://maxroach@localhost:" + port + "/bank?socketTimeout=1";
    return Script.of("BankInsecure", "--url=" + url);
  }

  private Script secure(String user, String parameters) {
    return secure(secure.url(user) + parameters);
  }

  private Script secure(String url) {
    return Script.of("BankSecure", "--url=" + url, "--certs-dir=" + secure.certs());
  }
}
