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
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
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

/** Every way to connect, and what wins if there are several. */
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
    try (FakeServer fakeServer = FakeServer.to(INSECURE.port(), InetAddress.getByName("::1"))) {
      String url = "postgresql://maxroach@[::1]:" + fakeServer.port() + "/bank";
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

  @Test
  void basicIsSerializableWhateverTheUrlSays() throws Exception {
    Bank bank = Bank.create(INSECURE);
    String url = bank.url() + "&options=-c%20search_path%3Dother";
    BankBasic.inTransaction(
        BankBasic.Database.connect(url),
        handle -> {
          assertEquals("other", show(handle, "search_path"));
          assertEquals("serializable", show(handle, "transaction_isolation"));
          return null;
        });
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
                "the folder certs, if both are empty",
                idle("BankSecure", "--url=" + url)
                    .environment("COCKROACH_CERTS_DIR", "")
                    .workingDirectory(parent)),
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
                "the CAs that Java trusts, without a folder and ~/.postgresql/root.crt",
                idle("BankSecure", "--url=" + withPassword)
                    .javaOption("-Djavax.net.ssl.trustStore=" + trustStore())
                    .javaOption("-Djavax.net.ssl.trustStorePassword=changeit"))));
  }

  @Test
  void passwordOfBasic() throws Exception {
    Bank bank = Bank.create(SECURE);
    String verified = "?sslmode=verify-full&sslrootcert=" + SECURE.certs().resolve("ca.crt");
    for (String user : List.of("clerk" + PASSWORD, "clerk")) {
      String url = bank.url().replace("maxroach", user) + verified;
      Script script = Script.of("BankBasic", "--url=" + url);
      if (user.equals("clerk")) {
        script.environment("PGPASSWORD", ErrorForm.PASSWORD);
      }
      Script.Result result = script.run();
      assertEquals(BasicTest.OUTPUT, result.out(), result::err);
    }
  }

  /** CockroachDB 22.1 stored passwords so; pgjdbc's own limit is 100,000 iterations. */
  @Test
  void passwordOfVeryManyIterations() throws IOException {
    try (Postgres server =
        Postgres.builder()
            .certs(SECURE.certs())
            .access("host all maxroach all scram-sha-256")
            .start()) {
      try (Handle root = server.asSuperuser().open()) {
        root.execute("SET scram_iterations = 119680");
        root.execute("ALTER ROLE maxroach PASSWORD 'geheim'");
      }
      String url = url(server, "maxroach:geheim");
      assertConnects("bank as maxroach", BankInsecure.connect(BankInsecure.settings(url)));
      assertConnects("bank as maxroach", BankBasic.Database.connect(url));
      assertConnects(
          "bank as maxroach", BankSecure.connect(BankSecure.settings(url), onlyAuthority()));
    }
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
    Path noClient = onlyAuthority();
    String pkcs12 = "?sslpassword=changeit&sslkey=" + pkcs12();
    Path address = Files.createDirectory(directory.resolve("jane@corp.example"));
    Files.copy(SECURE.certs().resolve("ca.crt"), address.resolve("ca.crt"));
    String addressParameter = "?sslrootcert=" + address.resolve("ca.crt");
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
        secure(
            "elliptic curve, PKCS#8 key, whose algorithm the URL names",
            "?pemKeyAlgorithm=EC",
            pemCurve),
        secure("PKCS#12 key, which has its certificate", pkcs12, noClient),
        secure("a path with an @ in it", addressParameter, withoutAuthority()),
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

  /** As for libpq, a group may read a key of root, and nobody else another user's key. */
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

  /** Only the user can read the copy of a key that pgjdbc reads, and the run deletes it. */
  @Test
  void noCopyOfTheKeyIsLeftOrOpenToOthers() throws Exception {
    try (FakeServer silent =
            FakeServer.open(
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
    for (String host : List.of("127.0.0.1.invalid", "localhost:1,no_such_host.invalid")) {
      cases.add(
          new Case(
              host,
              idle("BankInsecure", "--url=postgresql://maxroach:geheim@" + host + "/bank"),
              result -> {
                List<String> lines = result.err().lines().toList();
                assertEquals(3, lines.size(), result::err);
                assertTrue(lines.get(0).matches("warning: .*not this machine.*"), result::err);
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

  private Path onlyAuthority() throws IOException {
    Path folder = Files.createTempDirectory(directory, "only-authority");
    Files.copy(SECURE.certs().resolve("ca.crt"), folder.resolve("ca.crt"));
    return folder;
  }

  private Path withoutAuthority() throws IOException {
    Path folder = copyOfCerts("without-authority");
    Files.delete(folder.resolve("ca.crt"));
    return folder;
  }

  /** A file with maxroach's key and certificate, and the password changeit. */
  private Path pkcs12() throws IOException {
    Path folder = Files.createTempDirectory(directory, "pkcs12");
    SharedServers.authority().client("maxroach").write(folder, Certificates.KeyFormat.PKCS8_DER);
    byte[] key = Files.readAllBytes(folder.resolve("client.maxroach.key.pk8"));
    Path file = folder.resolve("client.p12");
    try (var certificate = Files.newInputStream(folder.resolve("client.maxroach.crt"));
        var out = Files.newOutputStream(file)) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      store.setKeyEntry(
          "user",
          KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(key)),
          "changeit".toCharArray(),
          new Certificate[] {
            CertificateFactory.getInstance("X.509").generateCertificate(certificate)
          });
      store.store(out, "changeit".toCharArray());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    return file;
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
