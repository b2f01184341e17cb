import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every way in, and what wins where there are several. */
@Timeout(120)
class ConnectTest {

  private static final Postgres INSECURE = SharedServers.insecure();
  private static final Postgres SECURE = SharedServers.secure();
  private static final String PASSWORD = ":" + ErrorForm.ENCODED_PASSWORD;

  @TempDir Path directory;

  @BeforeAll
  static void createWhatNeedsEncoding() {
    INSECURE
        .asSuperuser()
        .useHandle(
            root -> {
              root.execute("CREATE ROLE \"max roach+1%\" LOGIN");
              root.execute("CREATE DATABASE \"the bänk/1\"");
            });
  }

  /** {@code %1$d} stands for the server's port, {@code %2$d} for one that nothing listens on. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "postgresql://maxroach@localhost:%1$d/bank",
        "postgresql://maxroach@localhost:%1$d/bank?sslmode=disable",
        "postgres://maxroach@localhost:%1$d/bank",
        "cockroachdb://maxroach@localhost:%1$d/bank",
        "postgresql://maxroach@localhost:%1$d",
        "postgresql://maxroach@localhost:%1$d/",
        "postgresql://localhost:%1$d/bank",
        "postgresql://localhost:%1$d?sslmode=disable",
        "postgresql://maxroach:geheim%%2F%%25+%%C3%%BC%%40%%3F@localhost:%1$d",
        "postgresql://maxroach:@localhost:%1$d",
        " postgresql://maxroach@localhost:%1$d/bank\n",
        "jdbc:postgresql://localhost:%1$d/bank?user=maxroach",
        "jdbc:postgresql://localhost:%1$d/bank?user=maxroach&sslmode=disable",
        "jdbc:postgresql://localhost:%1$d/",
        "postgresql://maxroach@127.0.0.1:%1$d/bank",
        "postgresql://maxroach@localhost:%2$d,localhost:%1$d/bank",
        "postgresql://maxroach@localhost:%1$d,localhost:%2$d/bank"
      })
  void formsOfUrl(String form) throws IOException {
    String url = form.formatted(INSECURE.port(), Server.freePort());
    assertConnects("bank as maxroach", BankInsecure.connect(BankInsecure.settings(url)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "postgresql://max%%20roach%%2B1%%25@localhost:%1$d/the%%20b%%C3%%A4nk%%2F1",
        "postgresql://max%%20roach+1%%25@localhost:%1$d/the%%20b%%c3%%a4nk%%2f1",
        "jdbc:postgresql://localhost:%1$d/the%%20b%%c3%%a4nk%%2f1?user=max%%20roach+1%%25"
      })
  void encodedNames(String form) {
    String url = form.formatted(INSECURE.port());
    assertConnects("the bänk/1 as max roach+1%", BankInsecure.connect(BankInsecure.settings(url)));
  }

  @Test
  void addressOfIpVersion6() throws IOException {
    Assumptions.assumeTrue(hasLoopbackOfVersion6(), "no IPv6 on this machine");
    try (Door door = Door.to(INSECURE.port(), InetAddress.getByName("::1"))) {
      String url = "postgresql://maxroach@[::1]:" + door.port() + "/bank";
      assertConnects("bank as maxroach", BankInsecure.connect(BankInsecure.settings(url)));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ' ',
      value = {
        "postgresql://host/bank 26257",
        "jdbc:postgresql://host/bank 26257",
        "postgresql://host 26257",
        "postgresql://host:5432/bank 5432",
        "postgresql://one:7,other/bank 7,26257",
        "postgresql://one:54321,other/bank 54321,26257",
        "postgresql://[::1]/bank 26257"
      })
  void withoutPortItIs26257(String url, String ports) {
    for (Properties settings : List.of(BankInsecure.settings(url), BankSecure.settings(url))) {
      assertEquals(ports, settings.getProperty("PGPORT"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " "})
  void anEmptyUrlIsTheLocalCluster(String url) {
    Properties settings = BankInsecure.settings(url);
    assertEquals(settings, BankInsecure.settings(null));
    assertEquals("localhost", settings.getProperty("PGHOST"));
    assertEquals("26257", settings.getProperty("PGPORT"));
    assertEquals("bank", settings.getProperty("PGDBNAME"));
    assertEquals("maxroach", settings.getProperty("user"));
  }

  /** Options as pgjdbc's pages and as CockroachDB Cloud write them, beside those of the script. */
  @ParameterizedTest
  @ValueSource(strings = {"-c%20search_path%3Dother", "--search_path%3Dother"})
  void optionsOfTheUrl(String options) {
    String url = "postgresql://localhost:" + INSECURE.port() + "/bank?options=" + options;
    try (Handle handle = BankInsecure.connect(BankInsecure.settings(url)).open()) {
      assertEquals("other", show(handle, "search_path"));
      assertEquals("serializable", show(handle, "transaction_isolation"));
    }
  }

  @Test
  void itIsSerializableWhereTheServerIsNot() {
    Bank bank = Bank.create(INSECURE);
    bank.execute(
        "ALTER DATABASE %s SET default_transaction_isolation = 'read committed'"
            .formatted(bank.database()));
    try (Handle handle = bank.connect(INSECURE.port()).open()) {
      assertEquals("serializable", show(handle, "transaction_isolation"));
      assertEquals("BankInsecure", show(handle, "application_name"));
    }
  }

  @TestFactory
  Stream<DynamicTest> whatWins() throws IOException {
    String insecure = "postgresql://maxroach@localhost:" + INSECURE.port() + "/bank";
    String url = url(SECURE, "maxroach");
    String nowhere = "postgresql://maxroach@localhost:1/bank";
    String byPassword = url(SECURE, "clerk");
    String withPassword = url(SECURE, "clerk" + PASSWORD);
    Path parent = Files.createDirectory(directory.resolve("parent"));
    TemporaryDirectory.copy(SECURE.certs(), Files.createDirectory(parent.resolve("certs")));
    Path home = home("home", ErrorForm.PASSWORD);
    Path wrongHome = home("wrong-home", "geheim-not");
    return Case.tests(
        List.of(
            connects(
                "DATABASE_URL and COCKROACH_CERTS_DIR, without options",
                idle("BankSecure")
                    .environment("DATABASE_URL", url)
                    .environment("COCKROACH_CERTS_DIR", SECURE.certs().toString())),
            connects(
                "options over DATABASE_URL and COCKROACH_CERTS_DIR",
                idle("BankSecure", "--url=" + url, "--certs-dir=" + SECURE.certs())
                    .environment("DATABASE_URL", nowhere)
                    .environment("COCKROACH_CERTS_DIR", "nowhere")),
            connects(
                "the folder certs, without either",
                idle("BankSecure", "--url=" + url).workingDirectory(parent)),
            connects(
                "DATABASE_URL of BankInsecure",
                idle("BankInsecure").environment("DATABASE_URL", insecure)),
            connects(
                "~/.pgpass and ~/.postgresql/root.crt, without a folder",
                idle("BankSecure", "--url=" + byPassword).home(home)),
            connects(
                "PGPASSWORD over ~/.pgpass",
                idle("BankSecure", "--url=" + byPassword)
                    .home(wrongHome)
                    .environment("PGPASSWORD", ErrorForm.PASSWORD)),
            connects(
                "the URL over PGPASSWORD",
                idle("BankSecure", "--url=" + withPassword)
                    .home(wrongHome)
                    .environment("PGPASSWORD", "geheim-not")),
            connects(
                "whom Java trusts, without a folder and ~/.postgresql/root.crt",
                idle("BankSecure", "--url=" + withPassword)
                    .javaOption("-Djavax.net.ssl.trustStore=" + trustStore())
                    .javaOption("-Djavax.net.ssl.trustStorePassword=changeit"))));
  }

  @Test
  void passwordOfBasic() throws Exception {
    Bank bank = Bank.create(SECURE);
    String url =
        bank.url().replace("maxroach", "clerk" + PASSWORD)
            + "?sslmode=verify-full&sslrootcert="
            + SECURE.certs().resolve("ca.crt");
    Script.Result result = Script.of("BankBasic", "--url=" + url).run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::err);
  }

  @TestFactory
  Stream<DynamicTest> keysAndAuthorities() throws IOException {
    Certificates authority = SharedServers.authority();
    Path foreign = copyOfCerts("foreign-authority");
    new Certificates().writeAuthority(foreign);
    Path several = copyOfCerts("several-authorities");
    Files.writeString(
        several.resolve("ca.crt"),
        Files.readString(foreign.resolve("ca.crt"))
            + Files.readString(SECURE.certs().resolve("ca.crt")));
    Path pkcs8 = copyOfCerts("pkcs8");
    authority.client("maxroach").write(pkcs8, Certificates.KeyFormat.PKCS8_PEM);
    Path der = copyOfCerts("der");
    Files.delete(der.resolve("client.maxroach.key"));
    authority.client("maxroach").write(der, Certificates.KeyFormat.PKCS8_DER);
    Path curve = copyOfCerts("curve");
    authority.client("maxroach").ellipticCurve().write(curve, Certificates.KeyFormat.PKCS8_DER);
    Path pemCurve = copyOfCerts("pem-curve");
    authority.client("maxroach").ellipticCurve().write(pemCurve, Certificates.KeyFormat.PKCS8_PEM);
    Path nowhere = directory.resolve("nowhere");
    String files =
        "?sslrootcert=%1$s/ca.crt&sslcert=%1$s/client.maxroach.crt&sslkey=%1$s/client.maxroach.key"
            .formatted(SECURE.certs());
    String onlyKey = "?sslkey=" + der.resolve("client.maxroach.key.pk8");
    String onlyAuthority = "?sslrootcert=" + SECURE.certs().resolve("ca.crt");
    return Stream.of(
        secure("PKCS#1 key, as cockroach cert writes it", "", SECURE.certs()),
        secure("PKCS#8 key", "", pkcs8),
        secure("DER key, as --also-generate-pkcs8-key writes it", "", der),
        secure("DER key, named by the URL", onlyKey, SECURE.certs()),
        secure("elliptic curve, DER key", "", curve),
        secure("elliptic curve, PKCS#8 key, told to pgjdbc", "?pemKeyAlgorithm=EC", pemCurve),
        secure("the files that the URL names", files, nowhere),
        secure("the URL's sslrootcert over the folder's ca.crt", onlyAuthority, foreign),
        secure("several authorities in one file", "", several),
        secure("verify-full in the URL", "?sslmode=verify-full", SECURE.certs()));
  }

  private static DynamicTest secure(String name, String parameters, Path certs) {
    String url = url(SECURE, "maxroach") + parameters;
    return DynamicTest.dynamicTest(
        name,
        () ->
            assertConnects(
                "bank as maxroach", BankSecure.connect(BankSecure.settings(url), certs)));
  }

  /** As libpq has it: root's key may be read by a group, any other's by its owner alone. */
  @Test
  void permissionsOfTheKey() throws IOException {
    Path certs = copyOfCerts("permissions");
    Path key = certs.resolve("client.maxroach.key");
    String url = url(SECURE, "maxroach");
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r--r--"));
    ConnectionException failure =
        assertThrows(
            ConnectionException.class, () -> BankSecure.connect(BankSecure.settings(url), certs));
    assertTrue(failure.getMessage().contains(key.toString()), failure::getMessage);
    Assumptions.assumeTrue(Files.getOwner(key).getName().equals("root"), "not root's file");
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
    assertConnects("bank as maxroach", BankSecure.connect(BankSecure.settings(url), certs));
  }

  /** The copy of a key in the form that pgjdbc reads is nobody else's, and goes with the run. */
  @Test
  void noCopyOfTheKeyIsLeftOrOpenToOthers() throws Exception {
    try (Door silent =
            Door.open(
                client -> client.getInputStream().transferTo(OutputStream.nullOutputStream()));
        Script.Running running =
            idle("BankSecure", "--url=postgresql://localhost:" + silent.port())
                .workingDirectory(copyOfCerts("certs").getParent())
                .javaOption("-Djava.io.tmpdir=" + Files.createDirectory(directory.resolve("tmp")))
                .start()) {
      while (keys().isEmpty()) {
        assertTrue(running.isAlive(), running::err);
        Thread.sleep(20);
      }
      for (Path key : keys()) {
        assertEquals(
            "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(key)));
      }
      running.await();
      assertEquals(List.of(), keys());
    }
  }

  private List<Path> keys() throws IOException {
    try (Stream<Path> files = Files.list(directory.resolve("tmp"))) {
      return files.filter(file -> file.toString().contains("key")).toList();
    }
  }

  @TestFactory
  Stream<DynamicTest> insecureWarnsOfEveryOtherMachine() {
    List<Case> cases = new ArrayList<>();
    for (String host :
        List.of("no-such-host.invalid", "127.0.0.1.invalid", "localhost:1,no_such_host.invalid")) {
      cases.add(
          new Case(
              host,
              idle("BankInsecure", "--url=postgresql://maxroach:geheim@" + host + "/bank"),
              result -> {
                List<String> lines = result.err().lines().toList();
                assertEquals(3, lines.size(), result::err);
                assertTrue(lines.get(0).matches("warning: .*in the clear"), result::err);
                assertTrue(lines.get(0).contains(host.replace(":1", "")), result::err);
                assertTrue(lines.get(1).startsWith("error: cannot connect to "), result::err);
                assertEquals(5, result.status());
                ErrorForm.assertNoPassword(result);
              }));
    }
    return Case.tests(cases);
  }

  private static Case connects(String name, Script script) {
    return new Case(
        name,
        script,
        result -> {
          assertEquals(0, result.status(), result::toString);
          assertTrue(result.out().startsWith("Connected to "), result::toString);
          assertEquals("", result.err());
          ErrorForm.assertNoPassword(result);
        });
  }

  private static void assertConnects(String where, Jdbi database) {
    try (Handle handle = database.open()) {
      String question = "SELECT current_database() || ' as ' || current_user";
      assertEquals(where, handle.createQuery(question).mapTo(String.class).one());
      assertFalse(BankSecure.version(handle).isBlank());
    }
  }

  private static String show(Handle handle, String setting) {
    return handle.createQuery("SHOW " + setting).mapTo(String.class).one();
  }

  /** With nothing to do but to connect. */
  private static Script idle(String name, String... arguments) {
    List<String> all = new ArrayList<>(List.of("--accounts=0", "--transfers=0"));
    all.addAll(List.of(arguments));
    return Script.of(name, all.toArray(String[]::new));
  }

  private static String url(Server server, String user) {
    return "postgresql://" + user + "@localhost:" + server.port() + "/bank";
  }

  private Path copyOfCerts(String name) throws IOException {
    Path copy = Files.createDirectory(directory.resolve(name));
    TemporaryDirectory.copy(SECURE.certs(), copy);
    return copy;
  }

  /** A home with the CA in it, and this as the password of every user. */
  private Path home(String name, String password) throws IOException {
    Path home = Files.createDirectory(directory.resolve(name));
    Path root = Files.createDirectory(home.resolve(".postgresql")).resolve("root.crt");
    Files.copy(SECURE.certs().resolve("ca.crt"), root);
    Path file = home.resolve(".pgpass");
    Files.writeString(file, "localhost:" + SECURE.port() + ":*:*:" + password + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    return home;
  }

  private Path trustStore() throws IOException {
    Path file = directory.resolve("trusted");
    try (var authority = Files.newInputStream(SECURE.certs().resolve("ca.crt"));
        var out = Files.newOutputStream(file)) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      var certificate = CertificateFactory.getInstance("X.509").generateCertificate(authority);
      store.setCertificateEntry("ca", certificate);
      store.store(out, "changeit".toCharArray());
      return file;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static boolean hasLoopbackOfVersion6() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("::1"))) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
