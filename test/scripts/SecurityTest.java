import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.HostnameVerifier;
import javax.net.ssl.SSLSession;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
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
  private static final byte[] WRONG_PASSWORD = error("28P01", "wrong password");

  /** On the class path of pgjdbc, which could load it. */
  public static final class LaxVerifier implements HostnameVerifier {
    @Override
    public boolean verify(String host, SSLSession session) {
      return true;
    }
  }

  @TempDir static Path onlyAuthority;

  private ManInTheMiddle foreign;
  private ManInTheMiddle ofAnotherHost;
  private ManInTheMiddle withoutTls;

  @BeforeAll
  static void writeAuthority() throws IOException {
    DRIVER_LOG.setLevel(Level.OFF);
    AUTHORITY.writeAuthority(onlyAuthority);
  }

  @BeforeEach
  void openAttackers() throws IOException {
    foreign = ManInTheMiddle.showing(FOREIGN.node("localhost"), SECURE);
    ofAnotherHost = ManInTheMiddle.showing(AUTHORITY.node("db.example.com"), SECURE);
    withoutTls = ManInTheMiddle.withoutTls(SECURE);
  }

  @AfterEach
  void attackersHaveHeardNothing() {
    List<ManInTheMiddle> attackers = List.of(foreign, ofAnotherHost, withoutTls);
    attackers.forEach(ManInTheMiddle::close);
    attackers.forEach(SecurityTest::assertHeardNothing);
  }

  private static void assertHeardNothing(ManInTheMiddle attacker) {
    assertEquals("", attacker.heard());
    assertEquals(0, attacker.passedOn());
  }

  /** Or else the silence in the other tests would say nothing. */
  @Test
  void aClientThatDoesNotVerifyIsHeard() throws IOException {
    try (var attacker = ManInTheMiddle.showing(FOREIGN.node("localhost"), SECURE)) {
      String url = "jdbc:postgresql://localhost:" + attacker.port() + "/bank?sslmode=require";
      Jdbi.create(url, "client", ErrorForm.PASSWORD).open().close();
      assertTrue(attacker.heard().contains(ErrorForm.PASSWORD), attacker::heard);
      assertTrue(attacker.passedOn() > 0);
    }
  }

  @Test
  void certificatesOfAnAttacker() throws IOException {
    for (Certificates.Leaf certificate :
        List.of(
            FOREIGN.node("localhost"),
            AUTHORITY.node("localhost").selfSigned(),
            AUTHORITY.node("localhost").expired(),
            AUTHORITY.node("db.example.com"),
            AUTHORITY.node("127.0.0.2"),
            AUTHORITY.client("localhost"))) {
      try (var attacker = ManInTheMiddle.showing(certificate, SECURE)) {
        for (Path certs : List.of(SECURE.certs(), onlyAuthority)) {
          assertInstanceOf(ConnectionException.class, failure(url(attacker, "/bank"), certs));
        }
        assertTrue(attacker.visitors() > 0);
        assertHeardNothing(attacker);
      }
    }
  }

  /** Hosts are tried in a random order. pgjdbc avoids one that refused another test just now. */
  @Test
  void anAttackerAmongTheHosts() {
    String hosts =
        "localhost:%d,localhost:%d,localhost:%d"
            .formatted(foreign.port(), withoutTls.port(), SECURE.port());
    for (int run = 1; run <= 5; run++) {
      assertNull(failure(url(hosts, "/bank?hostRecheckSeconds=0"), onlyAuthority));
    }
  }

  /** Refused before anything is sent. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "/bank?sslmode=disable",
        "/bank?sslmode=verify-ca",
        "/bank?sslmode=verify-full,disable",
        "/bank?sslmode=verify-full&sslmode=disable",
        "/bank?x=1#&sslmode=disable",
        JDBC + "&sslmode=disable"
      })
  void downgradesThatAreRefused(String url) {
    RuntimeException failure = failure(url(withoutTls, url), onlyAuthority);
    assertInstanceOf(IllegalArgumentException.class, failure);
    assertEquals(0, withoutTls.visitors());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        JDBC,
        JDBC + "&ssl=false",
        "/bank?sslmode=",
        "/bank?sslmode=disable&sslmode=verify-full",
        "/bank?SSLMODE=disable",
        "/bank?gssEncMode=prefer",
        "/bank?PGHOST=127.0.0.1&PGPORT=1",
        "/bank%3Fsslmode%3Ddisable",
        "?user=maxroach%26sslmode%3Ddisable",
        "/bank?sslfactory=" + LAX_FACTORY,
        "/bank?sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory",
        "/bank?sslhostnameverifier=SecurityTest$LaxVerifier",
        "/bank?socketFactory=" + LAX_FACTORY
      })
  void downgradesWithoutEffect(String url) {
    for (ManInTheMiddle attacker : List.of(withoutTls, foreign, ofAnotherHost)) {
      assertNotNull(failure(url(attacker, url), onlyAuthority));
    }
  }

  @Test
  void tlsFromTheFirstByte() {
    assertNotNull(failure(url(foreign, "/bank?sslNegotiation=direct"), onlyAuthority));
  }

  /** A URL that asks for encryption in any way gets no connection without it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "sslmode=require",
        "ssl=true",
        "ssl",
        "sslNegotiation=direct",
        "gssEncMode=require"
      })
  void encryptionThatInsecureDoesNotHave(String query) throws IOException {
    try (FakeDatabase attacker = FakeDatabase.answering(CLEAR_PASSWORD, WRONG_PASSWORD)) {
      String url = url("localhost:" + attacker.port(), "/bank?" + query);
      RuntimeException failure =
          assertThrows(
              RuntimeException.class,
              () -> BankInsecure.connect(BankInsecure.settings(url)).open().close());
      assertTrue(
          failure instanceof ConnectionException || failure instanceof IllegalArgumentException,
          failure::toString);
      assertEquals("", attacker.heard());
    }
  }

  /** A password that was typed for somebody without a certificate would be lost. */
  @Test
  void aPasswordIsAskedForOnlyAfterTls() throws Exception {
    try (FakeDatabase attacker = FakeDatabase.answering(CLEAR_PASSWORD, WRONG_PASSWORD)) {
      for (RecordingServer each : List.of(foreign, attacker)) {
        Script.Result result = onTerminal(each.port());
        assertFalse(result.out().contains("Password of"), result::toString);
        assertTrue(result.out().contains("error: cannot connect to "), result::toString);
        assertEquals(5, result.status(), result::toString);
      }
      assertEquals("", attacker.heard());
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

  @ParameterizedTest
  @ValueSource(
      strings = {
        "maxroach:geheim",
        "jdbc:postgresql:geheim",
        "postgresql:///geheim",
        "postgresql://maxroach:geheim@local host/bank",
        "postgresql://maxroach:geheim@localhost:port/bank",
        "postgresql://maxroach:geheim@localhost:65536/bank",
        "postgresql://maxroach:geheim/x@localhost/bank",
        "postgresql://maxroach:geheim?x@localhost/bank",
        "postgresql://maxroach:geheim#x@localhost/bank",
        "postgresql://maxroach:1/geheim@localhost/bank",
        "postgresql://maxroach:1?geheim@localhost/bank",
        "postgresql://localhost/bank&password=geheim",
        "postgresql://localhost/bank;password=geheim",
        "postgresql://localhost/bank?password=%zzgeheim"
      })
  void passwordInABadUrl(String url) {
    Stream.<Runnable>of(() -> BankInsecure.settings(url), () -> BankBasic.Database.connect(url))
        .map(connect -> assertThrows(IllegalArgumentException.class, connect::run, url))
        .forEach(e -> assertFalse(e.toString().contains("geheim"), e::toString));
  }

  @Test
  void hostileTextOfTheServer() throws Exception {
    Bank bank = Watch.bankWithAccounts(INSECURE, 2);
    try (FaultProxy proxy = FaultProxy.to(INSECURE.port())) {
      proxy.when("INSERT INTO transfers").everyNth(2).answerError("40001", HOSTILE);
      proxy.when("UPDATE basic_accounts").first(1).answerError("40001", HOSTILE);
      assertPrints("gone", bank.scriptThrough(proxy.port(), "--accounts=0", "--transfers=3"));
      assertPrints("gone", Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port())));
    }
    bank.execute(
        "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE plpgsql AS $$ BEGIN"
            + " RAISE NOTICE '%1$s'; RAISE WARNING '%1$s'; RETURN '%1$s'; END $$"
                .formatted(HOSTILE),
        "ALTER DATABASE " + bank.database() + " SET search_path = public, pg_catalog");
    assertPrints("gone", bank.script("--echo"));
  }

  @Test
  void hostileTextInTheUrl() throws Exception {
    String words = "%1B%5B31m%0Aerror%3A%20forged%C2%9B31m%E2%80%AE";
    String url = "postgresql://" + words + "@localhost:" + INSECURE.port() + "/" + words;
    assertPrints("CREATE USER", Script.of("BankInsecure", "--url=" + url));
    String file = "postgresql://localhost:" + SECURE.port() + "/bank?sslrootcert=" + words;
    assertPrints("forged", Script.of("BankSecure", "--url=" + file));
  }

  /** Prints this text, and none of the control characters beside it. */
  private static void assertPrints(String text, Script script) throws Exception {
    Script.Result result = script.run();
    String printed = result.out() + result.err();
    assertTrue(printed.contains(text), printed);
    String visible = UNPRINTABLE.matcher(printed).replaceAll("<control>");
    assertEquals(printed, visible);
    for (String line : printed.lines().toList()) {
      assertFalse(line.startsWith("error: forged"), printed);
      assertFalse(line.startsWith("Connected to forged"), printed);
    }
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
