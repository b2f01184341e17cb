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
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a user is told who made a mistake: one line of error, an exit status and, where it is about
 * connecting, one line of advice. Why a connection fails in all other ways, BankDoctor finds out.
 */
@Timeout(120)
class ErrorTest {

  private static final Postgres INSECURE = SharedServers.insecure();
  private static final Postgres SECURE = SharedServers.secure();

  private static final String DOCTOR = "jbang bank-doctor";
  private static final String CERTIFICATE = "client.maxroach.crt";
  private static final String KEY = "client.maxroach.key";

  private static final String OTHER_TABLE = "CREATE TABLE accounts (id INT8 PRIMARY KEY)";
  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8)";

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  @TempDir static Path directory;

  private static final List<Door> DOORS = new ArrayList<>();

  @BeforeAll
  static void silenceTheDriver() {
    DRIVER_LOG.setLevel(Level.OFF);
  }

  @AfterAll
  static void closeDoors() {
    DOORS.forEach(Door::close);
  }

  @TestFactory
  Stream<DynamicTest> servers() throws IOException {
    int closed = Server.freePort();
    int silent =
        door(client -> client.getInputStream().transferTo(OutputStream.nullOutputStream()));
    int rude = door(Socket::close);
    int web = door(ErrorTest::answerAsWebServer);
    String start = "Start the cluster";
    return Case.tests(
        List.of(
            error("nothing listens", insecure(closed), 5, "Connection refused", start),
            error("nothing listens", secure(closed), 5, "Connection refused", start),
            error("a secure cluster", insecure(SECURE.port()), 5, "no encryption", "BankSecure"),
            error("an insecure cluster", secure(INSECURE.port()), 5, "SSL", "BankInsecure.java"),
            error("never answers", insecure(silent), 5, "timed out", start),
            error("never answers", secure(silent), 5, "timed out", start),
            error("hangs up", insecure(rude), 5, "the server hung up", start),
            error("speaks HTTP", insecure(web), 5, "cannot connect to ", DOCTOR),
            error("speaks HTTP", secure(web), 5, "cannot connect to ", DOCTOR),
            basic("nothing listens", closed, "Connection refused"),
            basic("a secure cluster", SECURE.port(), "encryption"),
            basic("never answers", silent, "timed out")));
  }

  @TestFactory
  Stream<DynamicTest> certificatesAndPasswords() throws IOException {
    Certificates authority = SharedServers.authority();
    Path other = folder("other");
    authority.client("root").write(other);
    Files.move(
        other.resolve("client.root.crt"),
        other.resolve(CERTIFICATE),
        StandardCopyOption.REPLACE_EXISTING);
    Files.move(
        other.resolve("client.root.key"), other.resolve(KEY), StandardCopyOption.REPLACE_EXISTING);
    Path foreign = folder("foreign");
    new Certificates().writeAuthority(foreign);
    Path foreignClient = folder("foreign-client");
    new Certificates("CN=Other CA").client("maxroach").write(foreignClient);
    Path expired = folder("expired");
    authority.client("maxroach").expired().write(expired);
    Path noKey = folder("no-key");
    Files.delete(noKey.resolve(KEY));
    Path none = Files.createDirectory(directory.resolve("none"));
    authority.writeAuthority(none);
    String certificates = "Check certificate or password";
    return Case.tests(
        List.of(
            error(
                "no certificate and no password",
                secure("maxroach", none),
                5,
                "certificate",
                "PGPASSWORD"),
            error("nobody's password", secure("clerk", none), 5, "certificate", "PGPASSWORD"),
            error("a wrong password", secure("clerk:geheim", none), 5, "authentication failed"),
            error("another user's", secure("maxroach", other), 5, "certificate", certificates),
            error("of another CA", secure("maxroach", foreignClient), 5, "certificate"),
            error("expired", secure("maxroach", expired), 5, "cannot connect to "),
            error("the CA of another cluster", secure("maxroach", foreign), 5, DOCTOR),
            error("no key to it", secure("maxroach", noKey), 5, certificates),
            error("garbage for a CA", secure("maxroach", garbage("ca.crt")), 5, DOCTOR),
            error("garbage for a certificate", secure("maxroach", garbage(CERTIFICATE)), 5, DOCTOR),
            error("garbage for a key", secure("maxroach", garbage(KEY)), 5, DOCTOR),
            error("a key that others can read", secure("maxroach", readable()), 5, KEY, DOCTOR)));
  }

  @TestFactory
  Stream<DynamicTest> databases() {
    String make = "make user and database as this script's top says";
    String insecure = "--url=postgresql://%s@localhost:" + INSECURE.port() + "/%s";
    String secure = "--url=postgresql://maxroach@localhost:" + SECURE.port() + "/nowhere";
    Bank empty = bank();
    return Case.tests(
        List.of(
            error(
                "no such database",
                Script.of("BankInsecure", insecure.formatted("maxroach", "nowhere")),
                5,
                "database \"nowhere\" does not exist",
                make),
            error(
                "no such user",
                Script.of("BankInsecure", insecure.formatted("nobody", "bank")),
                5,
                "role \"nobody\" does not exist",
                make),
            error(
                "no such database",
                Script.of("BankSecure", secure, "--certs-dir=" + SECURE.certs()),
                5,
                "database \"nowhere\" does not exist",
                make),
            new Case(
                "too few accounts, before anything is written",
                empty.script("--accounts=1", "--transfers=2147483647"),
                result -> {
                  new ErrorForm(2, "a transfer needs two accounts", "--accounts=2").check(result);
                  assertEquals(Map.of(), empty.balances());
                }),
            error("no right to create", bank("REVOKE CREATE ON SCHEMA public FROM PUBLIC")),
            error("no right on a table", bank(ACCOUNTS)),
            error(
                "a table of another shape", bank(OTHER_TABLE, "GRANT ALL ON accounts TO maxroach")),
            error(
                "to be read only",
                bank("ALTER DATABASE {database} SET default_transaction_read_only = on"))));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nonsense",
        "localhost:26257",
        "maxroach:geheim",
        "http://maxroach:geheim@localhost:26257/bank",
        "jdbc:mysql://maxroach:geheim@localhost/bank",
        "postgresql:/localhost/bank",
        "'postgresql://maxroach:geheim@localhost/bank'",
        "postgresql://maxroach:geheim@local host/bank",
        "postgresql://maxroach:geheim@localhost:port/bank",
        "postgresql://maxroach:geheim@localhost:0/bank",
        "postgresql://maxroach:geheim@localhost:65536/bank",
        "postgresql://maxroach:geheim@localhost/bank/more",
        "postgresql://maxroach:geheim%@localhost/bank",
        "postgresql://maxroach:geheim@localhost/%zz",
        "postgresql://maxroach:geh@geheim@localhost/bank",
        "postgresql://maxroach:geheim/x@localhost/bank",
        "postgresql://maxroach:geheim?x@localhost/bank",
        "postgresql://localhost/bank?sslmode=disable;password=geheim",
        "postgresql://localhost/bank&password=geheim"
      })
  void badUrl(String url) {
    BankInsecure.Failure failure =
        assertThrows(BankInsecure.Failure.class, () -> BankInsecure.settings(url));
    assertEquals(2, failure.status);
    assertFalse(failure.toString().contains("geheim"), failure::toString);
    assertEquals(
        failure.getMessage(),
        assertThrows(BankSecure.Failure.class, () -> BankSecure.settings(url)).getMessage());
  }

  @TestFactory
  Stream<DynamicTest> commandLines() {
    List<Case> cases = new ArrayList<>();
    for (String argument :
        List.of(
            "--transfer=5",
            "--init",
            "--certs-dir=certs",
            "--accounts=",
            "--accounts=-1",
            "--accounts=1000001",
            "--accounts=1e6",
            "--accounts=2147483648",
            "--transfers=-1",
            "stray",
            "--url=nonsense",
            "--url=postgresql://localhost/bank?sslmode=require")) {
      cases.add(error(argument, Script.of("BankInsecure", argument), 2));
    }
    cases.add(error("no value", Script.of("BankInsecure", "--accounts"), 2));
    cases.add(
        error("twice", Script.of("BankInsecure", "--accounts=1", "--accounts=2"), 2, "--accounts"));
    cases.add(
        error(
            "sslmode=require",
            Script.of("BankSecure", "--url=postgresql://localhost/bank?sslmode=require"),
            2,
            "verify-full"));
    cases.add(basic(2, "a twin's option", Script.of("BankBasic", "--accounts=1"), "--accounts"));
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
    return basic(5, name, Script.of("BankBasic", url), words);
  }

  /** BankBasic names what went wrong, in a line of error and no stack trace. */
  private static Case basic(int status, String name, Script script, String words) {
    return new Case(
        name,
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
    return Script.of("BankInsecure", "--url=postgresql://maxroach@localhost:" + port + "/bank");
  }

  private static Script secure(int port) {
    return Script.of(
        "BankSecure",
        "--url=postgresql://maxroach@localhost:" + port + "/bank",
        "--certs-dir=" + SECURE.certs());
  }

  private static Script secure(String user, Path certs) {
    return Script.of(
        "BankSecure",
        "--url=postgresql://" + user + "@localhost:" + SECURE.port() + "/bank",
        "--certs-dir=" + certs);
  }

  private static Bank bank(String... statements) {
    Bank bank = Bank.create(INSECURE);
    for (String statement : statements) {
      bank.execute(statement.replace("{database}", bank.database()));
    }
    return bank;
  }

  private static Path folder(String name) throws IOException {
    Path folder = Files.createDirectory(directory.resolve(name));
    TemporaryDirectory.copy(SECURE.certs(), folder);
    return folder;
  }

  private static Path garbage(String file) throws IOException {
    Path folder = folder("garbage-" + file);
    Files.writeString(folder.resolve(file), "garbage\n");
    return folder;
  }

  private static Path readable() throws IOException {
    Path folder = folder("readable");
    Files.setPosixFilePermissions(
        folder.resolve(KEY), PosixFilePermissions.fromString("rw-r--r--"));
    return folder;
  }

  private static int door(Door.Manners manners) throws IOException {
    Door door = Door.open(manners);
    DOORS.add(door);
    return door.port();
  }

  private static void answerAsWebServer(Socket client) throws IOException {
    client.getInputStream().read(new byte[8]);
    byte[] answer = "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    client.getOutputStream().write(answer);
    client.shutdownOutput();
    client.getInputStream().transferTo(OutputStream.nullOutputStream());
  }
}
