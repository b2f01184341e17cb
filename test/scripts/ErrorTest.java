import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a user reads after a mistake: one error line, an exit status and, if we know what to do, a
 * second line. BankDoctor finds out why a connection fails in all other ways.
 */
@Timeout(120)
class ErrorTest extends EachServer {

  private static final String CERTIFICATE = "client.maxroach.crt";
  private static final String KEY = "client.maxroach.key";

  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8)";

  /** A field, because Java forgets the level of a logger that nobody refers to. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  @TempDir Path directory;

  private final List<FakeServer> fakeServers = new ArrayList<>();
  private Server secure;

  @BeforeAll
  static void silenceTheDriver() {
    DRIVER_LOG.setLevel(Level.OFF);
  }

  @BeforeEach
  void findSecureServer() {
    secure = secureServer();
  }

  @AfterEach
  void closeDoors() {
    fakeServers.forEach(FakeServer::close);
  }

  @TestFactory
  Stream<DynamicTest> servers() throws IOException {
    Assumptions.assumeFalse(kind.isCockroach(), "it makes no difference");
    int closed = Server.freePort();
    int silent =
        fakeServer(client -> client.getInputStream().transferTo(OutputStream.nullOutputStream()));
    int rude = fakeServer(Socket::close);
    int web = fakeServer(ErrorTest::answerAsWebServer);
    String start = "Start the cluster";
    return Case.tests(
        List.of(
            error("nothing listens", insecure(closed), 5, "Connection refused", start),
            error("nothing listens", secure(closed), 5, "Connection refused", start),
            error("never answers", insecure(silent), 5, "timed out", start),
            error("never answers", secure(silent), 5, "timed out", start),
            error("closes the connection", insecure(rude), 5, "closed the connection", start),
            error("speaks HTTP", insecure(web), 5, "cannot connect to "),
            error("speaks HTTP", secure(web), 5, "cannot connect to "),
            basic("nothing listens", closed, "Connection refused"),
            basic("never answers", silent, "timed out")));
  }

  @TestFactory
  Stream<DynamicTest> securityThatDoesNotMatch() {
    return Case.tests(
        List.of(
            error("a secure cluster", insecure(secure.port()), 5, "use BankSecure.java"),
            error("an insecure cluster", secure(server.port()), 5, "SSL", "use BankInsecure.java"),
            basic("a secure cluster", secure.port(), "")));
  }

  @TestFactory
  Stream<DynamicTest> certificatesAndPasswords() throws IOException {
    Path other = folder("other");
    Files.copy(
        secure.certs().resolve("client.root.crt"),
        other.resolve(CERTIFICATE),
        StandardCopyOption.REPLACE_EXISTING);
    Files.copy(
        secure.certs().resolve("client.root.key"),
        other.resolve(KEY),
        StandardCopyOption.COPY_ATTRIBUTES,
        StandardCopyOption.REPLACE_EXISTING);
    Path foreign = folder("foreign");
    new Certificates().writeAuthority(foreign);
    Path foreignClient = folder("foreign-client");
    // Of the same name, or Java would not send its certificate.
    new Certificates().client("maxroach").write(foreignClient);
    Path noKey = folder("no-key");
    Files.delete(noKey.resolve(KEY));
    Path none = Files.createDirectory(directory.resolve("none"));
    Files.copy(secure.certs().resolve("ca.crt"), none.resolve("ca.crt"));
    String files = "Put this cluster's ca.crt and your certificate and key into --certs-dir";
    List<Case> cases = new ArrayList<>();
    cases.add(error("a wrong password", secure("clerk:geheim", none), 5, "password"));
    cases.add(error("another user's", secure("maxroach", other), 5, "certificate"));
    cases.add(error("of another CA", secure("maxroach", foreignClient), 5, files));
    cases.add(error("the CA of another cluster", secure("maxroach", foreign), 5, files));
    cases.add(error("no key to it", secure("maxroach", noKey), 5, "cannot connect to "));
    cases.add(error("a key that others can read", secure("maxroach", readable()), 5, KEY, files));
    for (String file : List.of("ca.crt", CERTIFICATE, KEY)) {
      cases.add(error("garbage for " + file, secure("maxroach", garbage(file)), 5, files));
    }
    cases.add(
        error("no certificate and no password", secure("clerk", none), 5, "PGPASSWORD", "clerk"));
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> databases() {
    String insecure = "--url=postgresql://maxroach@localhost:" + server.port() + "/no-where";
    String secureUrl = "--url=postgresql://maxroach@localhost:" + secure.port() + "/no-where";
    String create = "CREATE DATABASE IF NOT EXISTS \"no-where\"; ALTER DATABASE \"no-where\" OWNER";
    String insecureCommand =
        "cockroach sql --insecure --host=localhost:" + server.port() + " --execute='CREATE USER";
    String secureCommand =
        "cockroach sql --certs-dir='%s' --host=localhost:%d --execute='CREATE USER"
            .formatted(secure.certs(), secure.port());
    Bank empty = bank();
    return Case.tests(
        List.of(
            error(
                "no such database",
                Script.of("BankInsecure", insecure),
                5,
                "database",
                create,
                insecureCommand),
            error(
                "no such database",
                Script.of("BankSecure", secureUrl, "--certs-dir=" + secure.certs()),
                5,
                "database",
                create,
                secureCommand),
            new Case(
                "too few accounts, before anything is written",
                empty.script("--accounts=1", "--transfers=2147483647"),
                result -> {
                  new ErrorForm(2, "a transfer needs two accounts", "--accounts=2").check(result);
                  assertEquals(Map.of(), empty.balances());
                }),
            error("no right on a table", bank(ACCOUNTS, "REVOKE ALL ON accounts FROM maxroach")),
            error(
                "a table of another shape",
                bank(
                    "CREATE TABLE accounts (id INT8 PRIMARY KEY)",
                    "GRANT ALL ON accounts TO maxroach")),
            error(
                "a database for reading only",
                bank("ALTER DATABASE {database} SET default_transaction_read_only = on"))));
  }

  @TestFactory
  Stream<DynamicTest> outputThatCannotBeWritten() {
    Path full = Path.of("/dev/full");
    Assumptions.assumeTrue(Files.exists(full), "no /dev/full on this machine");
    Bank bank = bank();
    ErrorForm form = new ErrorForm(1, "the output could not be written");
    return Case.tests(
        List.of(
            new Case("a twin", bank.script("--accounts=10").output(full), form),
            new Case("BankBasic", Script.of("BankBasic", "--url=" + bank.url()).output(full), form),
            new Case("help", Script.of("BankSecure", "--help").output(full), form)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nonsense",
        "localhost:26257",
        "maxroach:geheim",
        "//maxroach:geheim@localhost:26257/bank",
        "http://maxroach:geheim@localhost:26257/bank",
        "jdbc:mysql://maxroach:geheim@localhost/bank",
        "jdbc:postgresql:bank",
        "postgresql:/localhost/bank",
        "postgresql:///bank",
        "'postgresql://maxroach:geheim@localhost/bank'",
        "postgresql://maxroach:geheim@local host/bank",
        "postgresql://maxroach:geheim@localhost:port/bank",
        "postgresql://maxroach:geheim@localhost:0/bank",
        "postgresql://maxroach:geheim@localhost:65536/bank",
        "postgresql://maxroach:geheim@localhost/bank/more",
        "postgresql://maxroach:geheim%@localhost/bank",
        "postgresql://maxroach:geheim@localhost/%zz",
        "postgresql://maxroach:geheim/x@localhost/bank",
        "postgresql://maxroach:geheim?x@localhost/bank",
        "postgresql://maxroach:geheim#x@localhost/bank",
        "postgresql://maxroach:1/geheim@localhost/bank",
        "postgresql://maxroach:1?geheim@localhost/bank",
        "postgresql:geheim",
        "postgresql://localhost/bank&password=geheim"
      })
  void badUrl(String url) {
    var failure =
        assertThrows(IllegalArgumentException.class, () -> BankInsecure.settings(url), url);
    assertFalse(failure.toString().contains("geheim"), failure::toString);
    assertEquals(
        failure.getMessage(),
        assertThrows(IllegalArgumentException.class, () -> BankSecure.settings(url)).getMessage());
    failure =
        assertThrows(IllegalArgumentException.class, () -> BankBasic.Database.connect(url), url);
    assertFalse(failure.toString().contains("geheim"), failure::toString);
  }

  @TestFactory
  Stream<DynamicTest> commandLines() {
    Assumptions.assumeFalse(kind.isCockroach(), "it makes no difference");
    List<Case> cases = new ArrayList<>();
    for (String argument :
        List.of(
            "--transfer=5",
            "--certs-dir=certs",
            "--accounts",
            "--accounts=-1",
            "--accounts=1000001",
            "--accounts=2147483648",
            "--transfers=-1",
            "stray",
            "--url=nonsense",
            "--url=postgresql://localhost/bank?sslmode=require")) {
      cases.add(error(argument, Script.of("BankInsecure", argument), 2));
    }
    cases.add(
        error("twice", Script.of("BankInsecure", "--accounts=1", "--accounts=2"), 2, "--accounts"));
    cases.add(
        error(
            "sslmode=require",
            Script.of("BankSecure", "--url=postgresql://localhost/bank?sslmode=require"),
            2,
            "verify-full"));
    cases.add(basic(2, "a twin's option", Script.of("BankBasic", "--accounts=1"), "option"));
    cases.add(basic(2, "no URL", Script.of("BankBasic", "--url=geheim"), "URL"));
    return Case.tests(cases);
  }

  private static Case error(String name, Script script, int status, String... words) {
    return new Case(name, script, new ErrorForm(status, words));
  }

  /** The server refuses a statement: exit status 1, and nothing is written. */
  private static Case error(String name, Bank bank) {
    return error(name, bank.script(), 1);
  }

  private static Case basic(String name, int port, String words) {
    String url = "--url=postgresql://maxroach@localhost:" + port + "/bank?sslmode=disable";
    return basic(5, name, Script.of("BankBasic", url + "&socketTimeout=3"), words);
  }

  /** BankBasic prints what went wrong in an error line, and no stack trace. */
  private static Case basic(int status, String name, Script script, String words) {
    return new Case(
        "BankBasic: " + name,
        script,
        result -> {
          assertEquals(status, result.status(), result::toString);
          assertEquals("", result.out());
          List<String> lines = result.err().lines().toList();
          assertTrue(lines.size() <= 2, result::toString);
          assertTrue(lines.get(0).startsWith("error: "), result::toString);
          assertTrue(lines.get(0).contains(words), result::toString);
          ErrorForm.assertNoPassword(result);
        });
  }

  private static Script insecure(int port) {
    String url = "postgresql://maxroach@localhost:" + port + "/bank?socketTimeout=3";
    return Script.of("BankInsecure", "--url=" + url);
  }

  private Script secure(int port) {
    return Script.of(
        "BankSecure",
        "--url=postgresql://maxroach@localhost:" + port + "/bank",
        "--certs-dir=" + secure.certs());
  }

  private Script secure(String user, Path certs) {
    return Script.of(
        "BankSecure",
        "--url=postgresql://" + user + "@localhost:" + secure.port() + "/bank",
        "--certs-dir=" + certs);
  }

  private Bank bank(String... statements) {
    Bank bank = Bank.create(server);
    for (String statement : statements) {
      bank.execute(statement.replace("{database}", bank.database()));
    }
    return bank;
  }

  private Path folder(String name) throws IOException {
    Path folder = Files.createDirectory(directory.resolve(name));
    TemporaryDirectory.copy(secure.certs(), folder);
    return folder;
  }

  private Path garbage(String file) throws IOException {
    Path folder = folder("garbage-" + file);
    Files.writeString(folder.resolve(file), "garbage\n");
    return folder;
  }

  private Path readable() throws IOException {
    Path folder = folder("readable");
    Files.setPosixFilePermissions(
        folder.resolve(KEY), PosixFilePermissions.fromString("rw-r--r--"));
    return folder;
  }

  private int fakeServer(FakeServer.Behavior behavior) throws IOException {
    FakeServer fakeServer = FakeServer.open(behavior);
    fakeServers.add(fakeServer);
    return fakeServer.port();
  }

  private static void answerAsWebServer(Socket client) throws IOException {
    client.getInputStream().read(new byte[8]);
    byte[] answer = "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    client.getOutputStream().write(answer);
    client.shutdownOutput();
    client.getInputStream().transferTo(OutputStream.nullOutputStream());
  }
}
