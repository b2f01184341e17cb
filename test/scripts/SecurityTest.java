import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.HostnameVerifier;
import javax.net.ssl.SSLSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Attacks. Whoever makes one hears no secret, moves no money and has no say on the terminal. */
@Timeout(180)
class SecurityTest {

  private static final Certificates AUTHORITY = new Certificates();

  private static final Certificates FOREIGN = new Certificates();

  private static final String LAX_FACTORY = "org.postgresql.ssl.NonValidatingFactory";

  /** What must not reach a terminal: colours, titles, forged lines, text that runs backwards. */
  private static final String HOSTILE =
      "gone\033[2J\033]0;title\007\b\r\nerror: forged\nConnected to forged\u009b31m\u0085\u202e"
          + "\u2066\u200b\u2028error: forged\u2029\ufeff\udb40\udc41\177\f\013";

  private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}&&[^\n\t]]");

  private static final byte[] CLEAR_PASSWORD = Impostor.message('R', new byte[] {0, 0, 0, 3});
  private static final byte[] MD5_PASSWORD =
      Impostor.message('R', new byte[] {0, 0, 0, 5, 1, 2, 3, 4});
  private static final byte[] NOTHING = {};

  /** The answer to a query up to its first row: one column, of type text. */
  private static final byte[] COLUMN =
      Impostor.all(
          Impostor.message('1', ""),
          Impostor.message('2', ""),
          Impostor.message(
              'T',
              new byte[] {
                0, 1, 'v', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, -1, -1, -1, -1, -1, -1, 0, 0
              }));

  private static final byte[] WRONG_PASSWORD = error("28P01", "wrong password");

  /** Found by the scripts, which run with this class path. */
  public static final class DeafVerifier implements HostnameVerifier {
    @Override
    public boolean verify(String host, SSLSession session) {
      return true;
    }
  }

  @TempDir static Path shared;
  @TempDir static Path onlyAuthority;

  /** Takes maxroach's password in the clear, so that one who can listen in hears it. */
  private static LocalCluster secure;

  private static LocalCluster insecure;

  private final List<AutoCloseable> attackers = new ArrayList<>();

  @BeforeAll
  static void startServers() throws IOException {
    AUTHORITY.writeAll(shared);
    AUTHORITY.writeAuthority(onlyAuthority);
    secure =
        LocalCluster.builder()
            .certs(shared)
            .access("hostssl all maxroach all password")
            .password(ErrorForm.PASSWORD)
            .start();
    insecure = LocalCluster.insecure();
  }

  @AfterAll
  static void stopServers() {
    secure.close();
    insecure.close();
  }

  @AfterEach
  void nobodyTouchedTheBank() {
    assertEquals(Map.of(), UserErrorStage.contents(Bank.of(secure)));
  }

  /** So that the men in the middle are known to be able to listen in, where they are let. */
  @TestFactory
  Stream<DynamicTest> whoDoesNotVerifyIsHeard() throws IOException {
    ManInTheMiddle foreign = foreign();
    ManInTheMiddle withoutTls = withoutTls();
    String bank = Bank.create(secure).database();
    return tests(
        heard(foreign, basic(url(foreign, "/" + bank + "?sslmode=require"))),
        heard(withoutTls, basic(url(withoutTls, "/" + bank + "?sslmode=prefer"))));
  }

  private static Case heard(ManInTheMiddle attacker, Script script) {
    return new Case(
        "port " + attacker.port(),
        script,
        result -> {
          assertEquals("1 1000\n2 250\n1 900\n2 350\n", result.out(), result::err);
          assertTrue(attacker.heard().contains("maxroach"), attacker::heard);
          assertTrue(attacker.heard().contains(ErrorForm.PASSWORD), attacker::heard);
          assertTrue(attacker.heard().contains("UPDATE accounts"), attacker::heard);
          assertTrue(attacker.passedOn() > 0);
        });
  }

  @TestFactory
  Stream<DynamicTest> certificatesOfAnAttacker() throws IOException {
    Map<String, Certificates.Leaf> certificates = new TreeMap<>();
    certificates.put("another CA's", new Certificates("CN=Other CA").node("localhost"));
    certificates.put("another CA's of the same name", new Certificates().node("localhost"));
    certificates.put(
        "another CA's of a hostile name",
        new Certificates("O=\033[31m\nerror: forged, CN=\u009b31m").node("localhost"));
    certificates.put("self-signed", AUTHORITY.node("localhost").selfSigned());
    certificates.put("expired", AUTHORITY.node("localhost").expired());
    certificates.put("not yet valid", AUTHORITY.node("localhost").notYetValid());
    certificates.put("another host's", AUTHORITY.node("db.example.com"));
    certificates.put("another address's", AUTHORITY.node("127.0.0.2"));
    certificates.put("a host's of a hostile name", AUTHORITY.node("\033[31m\nerror forged"));
    certificates.put("a user's, who is called like the host", AUTHORITY.client("localhost"));
    List<Case> cases = new ArrayList<>();
    for (var each : certificates.entrySet()) {
      ManInTheMiddle attacker = keep(ManInTheMiddle.showing(each.getValue(), secure));
      Script script = secure(url(attacker, "/bank"), shared, "--verbose");
      cases.add(learnsNothing(each.getKey(), attacker, script, 5));
    }
    return tests(cases);
  }

  /** What is said before TLS begins is nobody's word: it is dropped, or ends the connection. */
  @TestFactory
  Stream<DynamicTest> wordsBeforeTls() throws IOException {
    String bank = Bank.create(secure).database();
    List<Case> cases = new ArrayList<>();
    for (byte[] words : List.of(error("28000", "forged"), Impostor.WELCOME)) {
      ManInTheMiddle attacker =
          keep(ManInTheMiddle.interrupting(words, AUTHORITY.node("localhost"), secure));
      cases.add(
          new Case(
              words.length + " bytes",
              secure(url(attacker, "/" + bank), onlyAuthority),
              result -> {
                assertTrue(List.of(0, 5).contains(result.status()), result::toString);
                assertFalse(result.toString().contains("forged"), result::toString);
              }));
    }
    return tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> anAttackerAmongTheHosts() throws IOException {
    ManInTheMiddle foreign = foreign();
    ManInTheMiddle withoutTls = withoutTls();
    String bank = Bank.create(secure).database();
    String hosts =
        "localhost:%d,localhost:%d,localhost:%d"
            .formatted(foreign.port(), withoutTls.port(), secure.port());
    List<Case> cases = new ArrayList<>();
    // Hosts are tried in a random order.
    for (int run = 1; run <= 3; run++) {
      cases.add(
          new Case(
              "run " + run,
              secure(url(hosts, "/" + bank), onlyAuthority),
              result -> {
                assertEquals(0, result.status(), result::toString);
                assertHeardNothing(foreign);
                assertHeardNothing(withoutTls);
              }));
    }
    return tests(cases);
  }

  /** Status 2: it is refused. Status 5: it is without effect, and the attacker without success. */
  @TestFactory
  Stream<DynamicTest> downgradesByUrl() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (String query :
        List.of(
            "sslmode=disable",
            "sslmode=require",
            "sslmode=verify-ca",
            "sslmode=",
            "sslmode=DISABLE",
            "sslmode=verify-full,disable",
            "sslmode=verify-full;sslmode=disable",
            "sslmode=verify-full%00",
            "sslmode=verify-full%26sslmode=disable",
            "ssl%6Dode=%64isable",
            "sslmode=verify-full&sslmode=disable",
            "sslmode=verify-full&%73slmode=prefer",
            "x=1#&sslmode=disable")) {
      cases.add(downgrade("/bank?" + query, withoutTls(), 2));
    }
    for (String path :
        List.of(
            "/bank?sslmode=disable&sslmode=verify-full",
            "/bank?SSLMODE=disable",
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
            "?user=maxroach%26sslmode%3Ddisable")) {
      cases.add(downgrade(path, withoutTls(), 5));
    }
    for (String query :
        List.of(
            "sslfactory=" + LAX_FACTORY,
            "sslfactory=org.postgresql.ssl.LibPQFactory&sslmode=verify-full",
            "sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory",
            "sslNegotiation=direct",
            "sslrootcert=system",
            "sslpasswordcallback=" + LAX_FACTORY,
            "authenticationPluginClassName=" + LAX_FACTORY)) {
      cases.add(downgrade("/bank?" + query, foreign(), 5));
    }
    String deaf = "sslhostnameverifier=" + DeafVerifier.class.getName();
    cases.add(
        downgrade(
            "/bank?" + deaf,
            keep(ManInTheMiddle.showing(AUTHORITY.node("db.example.com"), secure)),
            5));
    return tests(cases);
  }

  private static Case downgrade(String path, ManInTheMiddle attacker, int status) {
    Script script = secure(url(attacker, path), onlyAuthority, "--echo");
    return learnsNothing(path, attacker, script, status);
  }

  /** A class that stands in for the network itself is of the wrong kind, or of no use. */
  @TestFactory
  Stream<DynamicTest> classesInTheUrl() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (String parameter : List.of("socketFactory", "connectExecutor")) {
      ManInTheMiddle attacker = foreign();
      cases.add(
          new Case(
              parameter,
              secure(url(attacker, "/bank?" + parameter + "=" + LAX_FACTORY), onlyAuthority),
              result -> {
                new ErrorForm(5).check(result);
                assertHeardNothing(attacker);
              }));
    }
    return tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> downgradesByUrlOfJdbc() throws IOException {
    List<Case> cases = new ArrayList<>();
    Map<String, Integer> queries =
        Map.of("", 5, "&ssl=false", 5, "&sslmode=disable", 2, "&sslmode=verify-ca", 2);
    for (var query : queries.entrySet()) {
      ManInTheMiddle attacker = withoutTls();
      String url =
          "jdbc:postgresql://localhost:%d/bank?user=maxroach&password=%s%s"
              .formatted(attacker.port(), ErrorForm.ENCODED_PASSWORD, query.getKey());
      Script script = secure(url, onlyAuthority);
      cases.add(learnsNothing("JDBC" + query.getKey(), attacker, script, query.getValue()));
    }
    return tests(cases);
  }

  @Test
  void keyThatOthersCanRead() throws Exception {
    try (TemporaryDirectory certs = TemporaryDirectory.create("readable-")) {
      TemporaryDirectory.copy(shared, certs.path());
      Files.setPosixFilePermissions(
          certs.path().resolve("client.maxroach.key"),
          PosixFilePermissions.fromString("rw-r--r--"));
      ManInTheMiddle attacker = keep(ManInTheMiddle.showing(AUTHORITY.node("localhost"), secure));
      Script.Result result = secure(url(attacker, "/bank"), certs.path()).run();
      new ErrorForm(5, "may be read by others", "chmod 600").check(result);
      assertEquals(0, attacker.visitors());
    }
  }

  /** Who asks for encryption in whatever way is not left without. */
  @TestFactory
  Stream<DynamicTest> encryptionThatInsecureHasNot() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (String query :
        List.of(
            "sslmode=require",
            "sslmode=VERIFY-FULL",
            "sslmode=disable&sslmode=require",
            "ssl=true",
            "ssl",
            "sslNegotiation=direct",
            "gssEncMode=require",
            "channelBinding=require")) {
      Impostor impostor = keep(Impostor.answering(CLEAR_PASSWORD, WRONG_PASSWORD));
      cases.add(
          new Case(
              query,
              insecure(url("localhost:" + impostor.port(), "/bank?" + query)),
              result -> {
                assertTrue(List.of(2, 5).contains(result.status()), result::toString);
                assertEquals("", impostor.heard());
                assertPlain(result);
              }));
    }
    return tests(cases);
  }

  /** That is its mode, with the password that it was given and no other. */
  @TestFactory
  Stream<DynamicTest> insecureThatIsAskedForAPassword() throws IOException {
    Impostor clear = keep(Impostor.answering(CLEAR_PASSWORD, WRONG_PASSWORD));
    Impostor md5 = keep(Impostor.answering(MD5_PASSWORD, WRONG_PASSWORD));
    return tests(
        new Case(
            "in the clear",
            insecure(url("localhost:" + clear.port(), "/bank"), "--verbose", "--echo"),
            result -> {
              assertEquals(5, result.status(), result::toString);
              assertTrue(clear.heard().contains(ErrorForm.PASSWORD), clear::heard);
              assertPlain(result);
            }),
        new Case(
            "as MD5",
            insecure(url("localhost:" + md5.port(), "/bank"), "--verbose", "--echo"),
            result -> {
              assertEquals(5, result.status(), result::toString);
              assertTrue(md5.heard().contains("md5"), md5::heard);
              assertFalse(md5.heard().contains("geheim"), md5::heard);
              assertPlain(result);
            }));
  }

  /** Java's URI has no name for some hosts, and no name means this machine. */
  @TestFactory
  Stream<DynamicTest> insecureWarnsOfEveryOtherMachine() {
    List<Case> cases = new ArrayList<>();
    for (String host :
        List.of(
            "no-such-host.invalid",
            "no_such_host.invalid",
            "no-such-host.invalid.1a",
            "localhost.invalid",
            "127.0.0.1.invalid",
            "localhost,no_such_host.invalid")) {
      cases.add(
          new Case(
              host,
              insecure("postgresql://maxroach:geheim@" + host + "/bank"),
              result -> {
                assertTrue(result.err().startsWith("warning: "), result::err);
                assertTrue(result.err().contains("in the clear"), result::err);
                ErrorForm.assertNoPassword(result);
              }));
    }
    return tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> passwordsThatMustNotBePrinted() {
    String url = "postgresql://maxroach:geheim@localhost:" + insecure.port() + "/bank";
    List<Case> cases = new ArrayList<>();
    for (List<String> given :
        List.of(
            List.of("--url=" + url),
            List.of("--url=" + url + "?password=geheim&sslpassword=geheim"),
            List.of("--url=" + url + "&password=geheim"),
            List.of("--url=" + url + ";password=geheim"),
            List.of("--url=" + url + "?sslmode=disable?password=geheim"),
            List.of("--url=" + url + "?sslmode=disable;password=geheim"),
            List.of("--url=" + url + "?password=%zzgeheim"),
            List.of(url),
            List.of("maxroach:geheim@localhost:1/bank"),
            List.of("--url", url, url),
            List.of("--accounts", url),
            List.of("--duration=" + url),
            List.of("--password=geheim"),
            List.of("--password", "geheim"),
            List.of("--password:geheim"),
            List.of("-p", "geheim"))) {
      List<String> verbose = new ArrayList<>(given);
      verbose.add(0, "--verbose");
      cases.add(silent("BankBasic", given));
      cases.add(silent("BankInsecure", verbose));
    }
    return tests(cases);
  }

  private static Case silent(String name, List<String> arguments) {
    return new Case(
        name + " " + String.join(" ", arguments),
        Script.of(name, arguments.toArray(String[]::new)),
        result -> {
          assertTrue(List.of(0, 2, 5).contains(result.status()), result::toString);
          ErrorForm.assertNoPassword(result);
        });
  }

  /** Not on the terminal, and not where others who use the database can look. */
  @TestFactory
  Stream<DynamicTest> passwordThatTheDatabaseMustNotShow() throws Exception {
    return Scenario.together(
        new Scenario("text", () -> passwordIsNowhereIn("--echo", "--verbose")),
        new Scenario("JSON", () -> passwordIsNowhereIn("--echo", "--verbose", "--json")));
  }

  private static void passwordIsNowhereIn(String... options) throws Exception {
    Bank bank = Watch.bankWithAccounts(secure, 2);
    String url = url("localhost:" + secure.port(), "/" + bank.database());
    String sessions = "SELECT CAST(s AS TEXT) FROM pg_stat_activity s WHERE datname = '%s'";
    try (var locker = secure.asSuperuser(bank.database()).open()) {
      locker.begin();
      locker.execute("LOCK TABLE accounts");
      try (Script.Running running = secure(url, onlyAuthority, options).start()) {
        Watch.of(bank).awaitBlocked(1);
        List<String> seen =
            locker.createQuery(sessions.formatted(bank.database())).mapTo(String.class).list();
        assertTrue(seen.toString().contains("BankSecure"), seen::toString);
        assertFalse(seen.toString().contains("geheim"), seen::toString);
        locker.commit();
        Script.Result result = running.await();
        assertEquals(0, result.status(), result::toString);
        ErrorForm.assertNoPassword(result);
      }
    }
  }

  @TestFactory
  Stream<DynamicTest> hostileWordsOfAServer() throws IOException {
    List<Case> cases = new ArrayList<>();
    Impostor refusing = keep(Impostor.answering(error("28000", HOSTILE), NOTHING));
    Impostor breaking = keep(Impostor.answering(Impostor.WELCOME, error("XX000", HOSTILE)));
    Impostor talkative =
        keep(Impostor.answering(Impostor.WELCOME, error("XX000", "x".repeat(1 << 20))));
    for (Impostor impostor : List.of(refusing, breaking, talkative)) {
      String words = impostor == talkative ? "xxx" : "gone";
      String url = "postgresql://maxroach@localhost:" + impostor.port() + "/bank?sslmode=disable";
      cases.add(plain("BankBasic", words, Script.of("BankBasic", "--url=" + url)));
      cases.add(plain("BankInsecure", words, insecure(url)));
      cases.add(plain("BankInsecure --verbose", words, insecure(url, "--verbose", "--echo")));
    }
    return tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> hostileWordsAmidTheWork() throws Exception {
    FaultProxy proxy = FaultProxy.to(insecure.port());
    Bank bank = Watch.bankWithAccounts(insecure, 2);
    attackers.add(proxy);
    proxy.when("INSERT INTO transfers").everyNth(2).answerError("40001", HOSTILE);
    proxy.when("RETURNING id, balance").first(1).answerError("40001", HOSTILE);
    return tests(
        plain("retries", "gone", bank.scriptThrough(proxy.port(), "--accounts=0", "--transfers=5")),
        plain(
            "retries of BankBasic",
            "gone",
            Script.of("BankBasic", "--url=" + Bank.create(insecure).urlThrough(proxy.port()))));
  }

  @TestFactory
  Stream<DynamicTest> hostileWordsInTheDatabase() {
    Bank version = Bank.create(insecure);
    version.execute(
        "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE plpgsql AS $$ BEGIN"
            + " RAISE NOTICE '%1$s'; RAISE WARNING '%1$s'; RETURN '%1$s'; END $$"
                .formatted(HOSTILE),
        "ALTER DATABASE " + version.database() + " SET search_path = public, pg_catalog");
    Bank longVersion = Bank.create(insecure);
    longVersion.execute(
        "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE sql"
            + " AS $$ SELECT repeat('x', 1000000) $$",
        "ALTER DATABASE " + longVersion.database() + " SET search_path = public, pg_catalog");
    Bank accounts = Bank.create(insecure);
    accounts.execute(
        "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INT8)",
        "INSERT INTO accounts VALUES ('a" + HOSTILE + "', 1), ('" + HOSTILE + "', 2)",
        "GRANT ALL ON accounts TO maxroach");
    Bank trigger = Watch.bankWithAccounts(insecure, 2);
    trigger.execute(
        "CREATE FUNCTION complain() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN"
            + " RAISE EXCEPTION USING MESSAGE = '%1$s', DETAIL = '%1$s', HINT = '%1$s'; END $$"
                .formatted(HOSTILE),
        "CREATE TRIGGER complaint BEFORE UPDATE ON accounts EXECUTE FUNCTION complain()");
    List<Case> cases = new ArrayList<>();
    for (Bank bank : List.of(version, longVersion, accounts, trigger)) {
      for (String option : List.of("--verbose", "--json")) {
        cases.add(
            plain(
                bank.database() + " " + option,
                bank.equals(longVersion) ? "xxx" : "gone",
                bank.script(option, "--echo")));
      }
    }
    return tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> hostileWordsInTheUrl() throws IOException {
    String words = "%1B%5B31m%0Aerror%3A%20forged%C2%9B31m%E2%80%AE";
    String local = "localhost:" + insecure.port();
    insecure
        .asSuperuser("defaultdb")
        .useHandle(root -> root.execute("CREATE DATABASE \"\033[31m\u009b31m\nerror: forged\""));
    return tests(
        plain("a database", "forged", insecure("postgresql://" + local + "/" + words)),
        plain(
            "a database that there is",
            "forged",
            insecure("postgresql://" + local + "/%1B%5B31m%C2%9B31m%0Aerror%3A%20forged")),
        plain(
            "a user",
            "forged",
            insecure("postgresql://" + words + "@" + local + "/bank", "--verbose")),
        plain(
            "a user to create",
            "forged",
            insecure("postgresql://" + words + "@" + local, "--init", "--echo")),
        plain(
            "a user without a certificate",
            "forged",
            secure("postgresql://" + words + "@" + local + "/bank", onlyAuthority)),
        plain(
            "a file",
            "forged",
            secure("postgresql://" + local + "/bank?sslrootcert=" + words, onlyAuthority)),
        plain(
            "a mode",
            "forged",
            secure("postgresql://" + local + "/?sslmode=" + words, onlyAuthority)));
  }

  /** A length is a promise of the server's, and no reason to make room for it. */
  @TestFactory
  Stream<DynamicTest> messagesThatClaimToBeHuge() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (int length : List.of(Integer.MAX_VALUE, -1)) {
      byte[] column = ByteBuffer.allocate(6).putShort((short) 1).putInt(length).array();
      cases.add(survived("an error", Impostor.claiming('E', length, new byte[9]), NOTHING));
      cases.add(survived("a notice", Impostor.claiming('N', length, new byte[9]), NOTHING));
      cases.add(survived("a setting", Impostor.claiming('S', length, new byte[9]), NOTHING));
      for (char type : List.of('E', 'N', 'S', 'T')) {
        byte[] huge = Impostor.claiming(type, length, new byte[9]);
        cases.add(survived(type + ", later", Impostor.WELCOME, huge));
      }
      // A value that claims to be 2 GB long is another matter: for it pgjdbc itself waits for ever.
      if (length < 0) {
        byte[] row = Impostor.claiming('D', length, column);
        cases.add(survived("a row", Impostor.WELCOME, Impostor.all(COLUMN, row)));
        byte[] value = Impostor.message('D', column);
        cases.add(survived("a value", Impostor.WELCOME, Impostor.all(COLUMN, value)));
      }
    }
    return tests(cases);
  }

  private Case survived(String name, byte[] welcome, byte[] answer) throws IOException {
    Impostor impostor = keep(Impostor.answering(welcome, answer));
    String url = "postgresql://maxroach@localhost:" + impostor.port() + "/bank";
    return new Case(
        name,
        insecure(url, "--retry-timeout=1").javaOption("-Xmx128m"),
        result -> {
          String err = result.err().replaceAll("(?m)^attempt .*\\R", "");
          assertTrue(List.of(1, 5).contains(result.status()), result::toString);
          new ErrorForm(result.status())
              .check(new Script.Result(result.status(), result.out(), err));
        });
  }

  /** The script fails with this status, and what it leaves with the attacker is of no use. */
  private static Case learnsNothing(
      String name, ManInTheMiddle attacker, Script script, int status) {
    return new Case(
        name,
        script,
        result -> {
          assertEquals(status, result.status(), result::toString);
          assertTrue(result.out().isEmpty(), result::toString);
          assertEquals(status == 2, attacker.visitors() == 0, result::toString);
          assertHeardNothing(attacker);
          assertPlain(result);
        });
  }

  private static void assertHeardNothing(ManInTheMiddle attacker) {
    assertEquals("", attacker.heard());
    assertEquals(0, attacker.passedOn());
  }

  /** Prints these words, and nothing of what stands beside them that a terminal would obey. */
  private static Case plain(String name, String words, Script script) {
    return new Case(
        name,
        script,
        result -> {
          assertTrue((result.out() + result.err()).contains(words), result::toString);
          assertPlain(result);
        });
  }

  private static void assertPlain(Script.Result result) {
    String printed = result.out() + result.err();
    assertFalse(UNPRINTABLE.matcher(printed).find(), () -> visible(printed));
    for (String line : printed.lines().toList()) {
      assertFalse(line.startsWith("error: forged"), printed);
      assertFalse(line.startsWith("Connected to forged"), printed);
      assertTrue(line.length() < 4_000, () -> "a line of " + line.length());
    }
    ErrorForm.assertNoPassword(result);
  }

  private static String visible(String text) {
    return UNPRINTABLE
        .matcher(text)
        .replaceAll(match -> "<%X>".formatted(match.group().codePointAt(0)));
  }

  private Stream<DynamicTest> tests(Case... cases) {
    return tests(List.of(cases));
  }

  private Stream<DynamicTest> tests(List<Case> cases) {
    return Case.tests(cases).onClose(() -> attackers.forEach(SecurityTest::close));
  }

  private static void close(AutoCloseable attacker) {
    try {
      attacker.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private <A extends AutoCloseable> A keep(A attacker) {
    attackers.add(attacker);
    return attacker;
  }

  private ManInTheMiddle foreign() throws IOException {
    return keep(ManInTheMiddle.showing(FOREIGN.node("localhost"), secure));
  }

  private ManInTheMiddle withoutTls() throws IOException {
    return keep(ManInTheMiddle.withoutTls(secure));
  }

  private static Script secure(String url, Path certs, String... more) {
    List<String> arguments = new ArrayList<>(List.of("--url=" + url, "--certs-dir=" + certs));
    arguments.addAll(List.of(more));
    return Script.of("BankSecure", arguments.toArray(String[]::new));
  }

  private static Script insecure(String url, String... more) {
    List<String> arguments = new ArrayList<>(List.of("--url=" + url));
    arguments.addAll(List.of(more));
    return Script.of("BankInsecure", arguments.toArray(String[]::new));
  }

  private static Script basic(String url) {
    return Script.of("BankBasic", "--url=" + url);
  }

  private static String url(ManInTheMiddle attacker, String path) {
    return url("localhost:" + attacker.port(), path);
  }

  /** A URL with maxroach's password. */
  private static String url(String hosts, String path) {
    return "postgresql://maxroach:" + ErrorForm.ENCODED_PASSWORD + "@" + hosts + path;
  }

  private static byte[] error(String sqlState, String text) {
    return Impostor.all(Impostor.complaint('E', sqlState, text), Impostor.message('Z', "I"));
  }
}
