import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.HostnameVerifier;
import javax.net.ssl.SSLSession;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attacks. An attacker hears no secret, moves no money and does not control the terminal. */
@Timeout(120)
class SecurityTest {

  private static final Postgres SECURE = SharedServers.secure();
  private static final Postgres INSECURE = SharedServers.insecure();
  private static final Certificates AUTHORITY = SharedServers.authority();
  private static final Certificates FOREIGN = new Certificates();

  private static final String LAX_FACTORY = "org.postgresql.ssl.NonValidatingFactory";

  /** A whole URL; the others begin after the host. */
  private static final String JDBC =
      "jdbc:postgresql://{host}/bank?user=client&password=" + ErrorForm.ENCODED_PASSWORD;

  /** What must not reach a terminal: colors, titles, forged lines, text that runs backwards. */
  private static final String HOSTILE =
      "gone\033[2J\033]0;title\007\b\r\nerror: forged\nConnected to forged\u009b31m\u0085\u202e"
          + "\u2066\u200b\u2028error: forged\u2029\ufeff\udb40\udc41\177\f\013";

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}&&[^\n\t]]");

  private static final byte[] CLEAR_PASSWORD = FakeDatabase.message('R', new byte[] {0, 0, 0, 3});
  private static final byte[] NOTHING = {};
  private static final byte[] WRONG_PASSWORD = error("28P01", "wrong password");

  /** On the class path of pgjdbc, which could load it. */
  public static final class LaxVerifier implements HostnameVerifier {
    @Override
    public boolean verify(String host, SSLSession session) {
      return true;
    }
  }

  @TempDir static Path onlyAuthority;

  private final List<AutoCloseable> attackers = new ArrayList<>();

  @BeforeAll
  static void writeAuthority() throws IOException {
    AUTHORITY.writeAuthority(onlyAuthority);
    DRIVER_LOG.setLevel(Level.OFF);
  }

  @AfterEach
  void closeAttackers() throws Exception {
    for (AutoCloseable attacker : attackers) {
      attacker.close();
    }
  }

  /** Shows that the attackers of the other tests hear a client that does not verify. */
  @Test
  void aClientThatDoesNotVerifyIsHeard() throws IOException {
    for (ManInTheMiddle attacker : List.of(foreign(), withoutTls())) {
      String mode = attacker == attackers.get(0) ? "require" : "prefer";
      String url = "jdbc:postgresql://localhost:" + attacker.port() + "/bank?sslmode=" + mode;
      try (Handle handle = Jdbi.create(url, "client", ErrorForm.PASSWORD).open()) {
        handle.execute("SELECT 'a secret'");
      }
      assertTrue(attacker.heard().contains(ErrorForm.PASSWORD), attacker::heard);
      assertTrue(attacker.heard().contains("a secret"), attacker::heard);
      assertTrue(attacker.passedOn() > 0);
    }
  }

  @TestFactory
  Stream<DynamicTest> certificatesOfAnAttacker() {
    Map<String, Certificates.Leaf> certificates = new TreeMap<>();
    certificates.put("another CA's", new Certificates("CN=Other CA").node("localhost"));
    certificates.put("another CA's of the same name", FOREIGN.node("localhost"));
    certificates.put("self-signed", AUTHORITY.node("localhost").selfSigned());
    certificates.put("expired", AUTHORITY.node("localhost").expired());
    certificates.put("not yet valid", AUTHORITY.node("localhost").notYetValid());
    certificates.put("another host's", AUTHORITY.node("db.example.com"));
    certificates.put("another address's", AUTHORITY.node("127.0.0.2"));
    certificates.put("a user's, who is called like the host", AUTHORITY.client("localhost"));
    return certificates.entrySet().stream()
        .map(
            each ->
                DynamicTest.dynamicTest(
                    each.getKey(),
                    () -> {
                      ManInTheMiddle attacker =
                          keep(ManInTheMiddle.showing(each.getValue(), SECURE));
                      for (Path certs : List.of(SECURE.certs(), onlyAuthority)) {
                        assertInstanceOf(
                            ConnectionException.class, failure(url(attacker, "/bank"), certs));
                        assertHeardNothing(attacker);
                      }
                      assertTrue(attacker.visitors() > 0);
                    }));
  }

  /** What arrives before TLS begins is dropped, or ends the connection. */
  @Test
  void messagesBeforeTls() throws IOException {
    for (byte[] words : List.of(error("28000", "forged"), FakeDatabase.WELCOME)) {
      ManInTheMiddle attacker =
          keep(ManInTheMiddle.interrupting(words, AUTHORITY.node("localhost"), SECURE));
      RuntimeException failure = failure(url(attacker, "/bank"), onlyAuthority);
      assertFalse(String.valueOf(failure).contains("forged"), () -> failure + "");
      assertTrue(failure == null || failure instanceof ConnectionException, () -> failure + "");
    }
  }

  /** Hosts are tried in a random order. */
  @Test
  void anAttackerAmongTheHosts() throws IOException {
    ManInTheMiddle foreign = foreign();
    ManInTheMiddle withoutTls = withoutTls();
    String hosts =
        "localhost:%d,localhost:%d,localhost:%d"
            .formatted(foreign.port(), withoutTls.port(), SECURE.port());
    for (int run = 1; run <= 5; run++) {
      assertNull(failure(url(hosts, "/bank"), onlyAuthority));
      assertHeardNothing(foreign);
      assertHeardNothing(withoutTls);
    }
  }

  /** Refused before anything is sent. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "/bank?sslmode=disable",
        "/bank?sslmode=require",
        "/bank?sslmode=verify-ca",
        "/bank?sslmode=DISABLE",
        "/bank?sslmode=verify-full,disable",
        "/bank?sslmode=verify-full;sslmode=disable",
        "/bank?sslmode=verify-full%00",
        "/bank?sslmode=verify-full%26sslmode=disable",
        "/bank?sslmode=verify-full&sslmode=disable",
        "/bank?x=1#&sslmode=disable",
        JDBC + "&sslmode=disable",
        JDBC + "&sslmode=verify-ca"
      })
  void downgradesThatAreRefused(String url) throws IOException {
    ManInTheMiddle attacker = withoutTls();
    RuntimeException failure = failure(url(attacker, url), onlyAuthority);
    assertInstanceOf(IllegalArgumentException.class, failure);
    assertEquals(0, attacker.visitors());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        JDBC,
        JDBC + "&ssl=false",
        "/bank?sslmode=",
        "/bank?sslmode=disable&sslmode=verify-full",
        "/bank?SSLMODE=disable",
        "/bank?ssl%6Dode=%64isable",
        "/bank?sslmode=verify-full&%73slmode=prefer",
        "/bank?ssl=false",
        "/bank?gssEncMode=prefer",
        "/bank?gssEncMode=require",
        "/bank?channelBinding=disable",
        "/bank?requireAuth=password",
        "/bank?options=-c%20sslmode%3Ddisable",
        "/bank?loggerLevel=TRACE&loggerFile=driver.log",
        "/bank?PGHOST=127.0.0.1&PGPORT=1",
        "/bank?service=downgraded",
        "/bank%3Fsslmode%3Ddisable",
        "/bank%26sslmode%3Ddisable",
        "/%3Fsslmode%3Ddisable%23",
        "/bank%00%3Fsslmode%3Ddisable",
        "?user=maxroach%26sslmode%3Ddisable",
        "/bank?sslfactory=" + LAX_FACTORY,
        "/bank?sslfactory=org.postgresql.ssl.LibPQFactory&sslmode=verify-full",
        "/bank?sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory",
        "/bank?sslrootcert=system",
        "/bank?sslpasswordcallback=" + LAX_FACTORY,
        "/bank?authenticationPluginClassName=" + LAX_FACTORY,
        "/bank?sslhostnameverifier=SecurityTest$LaxVerifier",
        "/bank?socketFactory=" + LAX_FACTORY,
        "/bank?connectExecutor=" + LAX_FACTORY
      })
  void downgradesWithoutEffect(String url) throws IOException {
    ManInTheMiddle ofAnotherHost =
        keep(ManInTheMiddle.showing(AUTHORITY.node("db.example.com"), SECURE));
    for (ManInTheMiddle attacker : List.of(withoutTls(), foreign(), ofAnotherHost)) {
      assertNotNull(failure(url(attacker, url), onlyAuthority));
      assertHeardNothing(attacker);
    }
  }

  @Test
  void tlsFromTheFirstByte() throws IOException {
    ManInTheMiddle attacker = foreign();
    assertNotNull(failure(url(attacker, "/bank?sslNegotiation=direct"), onlyAuthority));
    assertHeardNothing(attacker);
  }

  /** A URL that asks for encryption in any way gets no connection without it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "sslmode=require",
        "sslmode=VERIFY-FULL",
        "sslmode=disable&sslmode=require",
        "ssl=true",
        "ssl",
        "sslNegotiation=direct",
        "gssEncMode=require",
        "channelBinding=require"
      })
  void encryptionThatInsecureDoesNotHave(String query) throws IOException {
    FakeDatabase fakeDatabase = keep(FakeDatabase.answering(CLEAR_PASSWORD, WRONG_PASSWORD));
    RuntimeException failure = insecureFailure(fakeDatabase, query);
    assertTrue(
        failure instanceof ConnectionException || failure instanceof IllegalArgumentException,
        () -> failure + "");
    assertEquals("", fakeDatabase.heard());
  }

  /** A password that was typed for somebody without a certificate would be lost. */
  @Test
  void aPasswordIsAskedForOnlyAfterTls() throws Exception {
    ManInTheMiddle ofAnotherHost =
        keep(ManInTheMiddle.showing(AUTHORITY.node("db.example.com"), SECURE));
    FakeDatabase fakeDatabase = keep(FakeDatabase.answering(CLEAR_PASSWORD, WRONG_PASSWORD));
    for (RecordingServer attacker : List.of(withoutTls(), foreign(), ofAnotherHost, fakeDatabase)) {
      Script.Result result = onTerminal(attacker.port());
      assertFalse(result.out().contains("Password of"), result::toString);
      assertTrue(result.out().contains("error: cannot connect to "), result::toString);
      assertEquals(5, result.status(), result::toString);
      assertFalse(attacker.heard().contains("geheim"), attacker::heard);
    }
    Script.Result result = onTerminal(SECURE.port());
    assertTrue(result.out().contains("Password of clerk: "), result::toString);
    assertTrue(result.out().contains("server verified"), result::toString);
    assertEquals(0, result.status(), result::toString);
  }

  /** Types the password, whether or not it is asked for. */
  private static Script.Result onTerminal(int port) throws Exception {
    Script script =
        Script.of(
            "BankSecure",
            "--url=postgresql://clerk@localhost:%d/%s?sslResponseTimeout=1000"
                .formatted(port, Bank.create(SECURE).database()),
            "--certs-dir=" + onlyAuthority,
            "--accounts=0",
            "--transfers=0");
    return script.terminal().input(ErrorForm.PASSWORD + "\n").run();
  }

  private static RuntimeException insecureFailure(FakeDatabase fakeDatabase, String query) {
    String url = url("localhost:" + fakeDatabase.port(), "/bank?" + query);
    try {
      BankInsecure.connect(BankInsecure.settings(url)).open().close();
      return null;
    } catch (RuntimeException e) {
      return e;
    }
  }

  @TestFactory
  Stream<DynamicTest> passwordsThatMustNotBePrinted() {
    String url = "postgresql://maxroach:geheim@localhost:1/bank";
    List<Case> cases = new ArrayList<>();
    for (List<String> given :
        List.of(
            List.of("--url=" + url, "--echo"),
            List.of("--url=" + url + ";password=geheim"),
            List.of("--url=" + url + "?password=%zzgeheim"),
            List.of("--urll=" + url),
            List.of(url),
            List.of("maxroach:geheim@localhost:1/bank"),
            List.of("--url", url, url),
            List.of("--accounts", url),
            List.of("--password:geheim"),
            List.of("-p", "geheim"))) {
      cases.add(silent("BankInsecure", given));
    }
    cases.add(silent("BankBasic", List.of("--url=" + url)));
    cases.add(silent("BankBasic", List.of("--url=" + url + "?password=%zzgeheim")));
    cases.add(silent("BankBasic", List.of("--urll=" + url)));
    for (String password : List.of("geheim/x", "geheim#x", "geheim?x", "1/geheim", "1#geheim")) {
      for (String sample : List.of("BankBasic", "BankInsecure")) {
        cases.add(silent(sample, List.of("--url=postgresql://x:" + password + "@localhost/bank")));
      }
    }
    cases.add(silent("BankInsecure", List.of("--url=postgresql://localhost:1/x&password=geheim")));
    cases.add(silent("BankBasic", List.of("--url=postgresql://localhost:1/x&password=geheim")));
    return Case.tests(cases);
  }

  private static Case silent(String name, List<String> arguments) {
    return new Case(
        name + " " + String.join(" ", arguments),
        Script.of(name, arguments.toArray(String[]::new)),
        result -> {
          assertTrue(List.of(2, 5).contains(result.status()), result::toString);
          ErrorForm.assertNoPassword(result);
        });
  }

  /** Other users of the database may read its list of sessions. */
  @Test
  void passwordThatTheDatabaseMustNotShow() {
    String url = url("localhost:" + SECURE.port(), "/bank");
    try (Handle handle = BankSecure.connect(BankSecure.settings(url), onlyAuthority).open()) {
      BankSecure.version(handle);
      String sessions = "SELECT CAST(s AS TEXT) FROM pg_stat_activity s WHERE usename = 'client'";
      String seen =
          SECURE.asSuperuser().withHandle(h -> h.select(sessions).mapTo(String.class).list() + "");
      assertTrue(seen.contains("BankSecure"), seen);
      assertFalse(seen.contains("geheim"), seen);
    }
  }

  @TestFactory
  Stream<DynamicTest> hostileTextOfAServer() throws IOException {
    FakeDatabase refusing = FakeDatabase.answering(error("28000", HOSTILE), NOTHING);
    String url = "postgresql://maxroach@localhost:%d/bank?sslmode=disable";
    return Case.tests(
            List.of(
                plain("BankBasic", "gone", basic(url.formatted(refusing.port()))),
                plain("BankInsecure", "gone", insecure(url.formatted(refusing.port())))))
        .onClose(refusing::close);
  }

  @TestFactory
  Stream<DynamicTest> hostileTextDuringTheWork() throws IOException {
    FaultProxy proxy = FaultProxy.to(INSECURE.port());
    Bank bank = Watch.bankWithAccounts(INSECURE, 2);
    Bank ofBasic = Bank.create(INSECURE);
    Bank version = Bank.create(INSECURE);
    version.execute(
        "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE plpgsql AS $$ BEGIN"
            + " RAISE NOTICE '%1$s'; RAISE WARNING '%1$s'; RETURN '%1$s'; END $$"
                .formatted(HOSTILE),
        "ALTER DATABASE " + version.database() + " SET search_path = public, pg_catalog");
    proxy.when("INSERT INTO transfers").everyNth(2).answerError("40001", HOSTILE);
    proxy.when("UPDATE basic_accounts").first(1).answerError("40001", HOSTILE);
    return Case.tests(
            List.of(
                plain(
                    "retries",
                    "gone",
                    bank.scriptThrough(proxy.port(), "--accounts=0", "--transfers=5")),
                plain("retries of BankBasic", "gone", basic(ofBasic.urlThrough(proxy.port()))),
                plain("version", "gone", version.script("--echo"))))
        .onClose(proxy::close);
  }

  @TestFactory
  Stream<DynamicTest> hostileTextInTheUrl() {
    String words = "%1B%5B31m%0Aerror%3A%20forged%C2%9B31m%E2%80%AE";
    String local = "localhost:" + INSECURE.port();
    String secure = "--url=postgresql://localhost:" + SECURE.port() + "/bank?";
    return Case.tests(
        List.of(
            plain("a database", "forged", insecure("postgresql://" + local + "/" + words)),
            plain("a user", "forged", insecure("postgresql://" + words + "@" + local + "/bank")),
            plain(
                "a file",
                "forged",
                Script.of("BankSecure", secure + "sslrootcert=" + words)
                    .environment("PGPASSWORD", "geheim")),
            plain(
                "an option",
                "--accounts",
                Script.of("BankInsecure", "--accounts=1\nerror: forged")),
            plain("a mode", "sslmode", Script.of("BankSecure", secure + "sslmode=" + words))));
  }

  /** Prints this text, and none of the control characters beside it. */
  private static Case plain(String name, String text, Script script) {
    return new Case(
        name,
        script,
        result -> {
          String printed = result.out() + result.err();
          assertTrue(printed.contains(text), printed);
          assertFalse(UNPRINTABLE.matcher(printed).find(), () -> visible(printed));
          for (String line : printed.lines().toList()) {
            assertFalse(line.startsWith("error: forged"), printed);
            assertFalse(line.startsWith("Connected to forged"), printed);
          }
        });
  }

  private static String visible(String text) {
    return UNPRINTABLE
        .matcher(text)
        .replaceAll(match -> "<%X>".formatted(match.group().codePointAt(0)));
  }

  /** The exception when BankSecure connects and reads the version, or null for success. */
  private static RuntimeException failure(String url, Path certs) {
    try {
      Jdbi database = BankSecure.connect(BankSecure.settings(url), certs);
      try (var session = new BankSecure.Session(database, Duration.ofSeconds(5), retry -> {})) {
        session.run(BankSecure::version);
        return null;
      }
    } catch (RuntimeException e) {
      return e;
    }
  }

  private static void assertHeardNothing(ManInTheMiddle attacker) {
    assertEquals("", attacker.heard());
    assertEquals(0, attacker.passedOn());
  }

  private <A extends AutoCloseable> A keep(A attacker) {
    attackers.add(attacker);
    return attacker;
  }

  private ManInTheMiddle foreign() throws IOException {
    return keep(ManInTheMiddle.showing(FOREIGN.node("localhost"), SECURE));
  }

  private ManInTheMiddle withoutTls() throws IOException {
    return keep(ManInTheMiddle.withoutTls(SECURE));
  }

  private static Script insecure(String url) {
    return Script.of("BankInsecure", "--url=" + url);
  }

  private static Script basic(String url) {
    return Script.of("BankBasic", "--url=" + url);
  }

  private static String url(ManInTheMiddle attacker, String path) {
    return url("localhost:" + attacker.port(), path);
  }

  /** A URL with the password of client, which the server accepts unencrypted. */
  private static String url(String hosts, String path) {
    return path.startsWith("jdbc:")
        ? path.replace("{host}", hosts)
        : "postgresql://client:" + ErrorForm.ENCODED_PASSWORD + "@" + hosts + path;
  }

  private static byte[] error(String sqlState, String text) {
    return FakeDatabase.all(
        FakeDatabase.complaint('E', sqlState, text), FakeDatabase.message('Z', "I"));
  }
}
