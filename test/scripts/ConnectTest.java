import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Test;
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

  private static final String CLERK = SECURE.url("clerk");
  private static final String CLERK_WITH_PASSWORD =
      SECURE.url("clerk:" + ErrorForm.ENCODED_PASSWORD);

  private static final Set<PosixFilePermission> PRIVATE =
      PosixFilePermissions.fromString("rw-------");

  @TempDir Path directory;

  /** {@code %1$d} stands for the server's port, {@code %2$d} for one that nothing listens on. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "|localhost 26257 bank maxroach",
        "' '|localhost 26257 bank maxroach",
        "postgresql://host|host 26257 bank maxroach",
        "jdbc:postgresql://one:54321,other/bank|one,other 54321,26257 bank maxroach",
        "postgresql://[::1]/bank|[::1] 26257 bank maxroach",
        "postgresql://max%20roach+1%25@host/b%C3%A4nk%2F1|host 26257 bänk/1 max roach+1%",
        "jdbc:postgresql://host/b%c3%a4nk%2f1?user=max%20roach+1%25|host 26257 bänk/1 max roach+1%"
      })
  void whatTheUrlNames(String url, String expected) {
    Properties settings = BankSecure.settings(url);
    List<String> names = List.of("PGHOST", "PGPORT", "PGDBNAME", "user");
    assertEquals(
        expected, names.stream().map(settings::getProperty).collect(Collectors.joining(" ")));
  }

  /** The URL's own options count too, as pgjdbc's pages and as CockroachDB Cloud write them. */
  @ParameterizedTest
  @ValueSource(strings = {"-c%20search_path%3Dother", "--search_path%3Dother"})
  void itIsSerializableWhereTheServerIsNot(String options) throws Exception {
    Bank bank = Bank.create(INSECURE);
    bank.execute(
        "ALTER DATABASE %s SET default_transaction_isolation = 'read committed'"
            .formatted(bank.database()));
    String url = bank.url() + "&options=" + options;
    try (Handle handle = BankInsecure.connect(BankInsecure.settings(url)).open()) {
      assertEquals("BankInsecure", show(handle, "application_name"));
      assertSerializable(handle);
    }
    BankBasic.inTransaction(BankBasic.Database.connect(url), ConnectTest::assertSerializable);
  }

  private static Void assertSerializable(Handle handle) {
    assertEquals("other", show(handle, "search_path"));
    assertEquals("serializable", show(handle, "transaction_isolation"));
    return null;
  }

  private static String show(Handle handle, String setting) {
    return handle.createQuery("SHOW " + setting).mapTo(String.class).one();
  }

  @Test
  void optionsWinOverVariablesAndThoseOverTheFolderCerts() throws Exception {
    Path parent = Files.createDirectory(directory.resolve("parent"));
    TemporaryDirectory.copy(SECURE.certs(), Files.createDirectory(parent.resolve("certs")));
    assertConnects(
        idle("BankSecure")
            .environment("DATABASE_URL", SECURE.url())
            .environment("COCKROACH_CERTS_DIR", SECURE.certs().toString()));
    assertConnects(
        idle("BankSecure", "--url=" + SECURE.url(), "--certs-dir=" + SECURE.certs())
            .environment("DATABASE_URL", "postgresql://maxroach@localhost:1/bank")
            .environment("COCKROACH_CERTS_DIR", "nowhere"));
    assertConnects(
        idle("BankSecure", "--url=" + SECURE.url())
            .environment("COCKROACH_CERTS_DIR", "")
            .workingDirectory(parent));
  }

  /** Without a folder, ~/.postgresql/root.crt is the CA, or else Java's own CAs are. */
  @Test
  void theUrlWinsOverPgpasswordAndThatOverPgpass() throws Exception {
    Path home = Files.createDirectory(directory.resolve("home"));
    Path root = Files.createDirectory(home.resolve(".postgresql")).resolve("root.crt");
    Files.copy(SECURE.certs().resolve("ca.crt"), root);
    Path file = Files.writeString(home.resolve(".pgpass"), "*:*:*:*:" + ErrorForm.PASSWORD);
    Files.setPosixFilePermissions(file, PRIVATE);
    Script clerk = idle("BankSecure", "--url=" + CLERK).home(home);
    assertConnects(clerk);
    Files.writeString(file, "*:*:*:*:geheim-not");
    assertConnects(clerk.environment("PGPASSWORD", ErrorForm.PASSWORD));
    assertConnects(
        idle("BankSecure", "--url=" + CLERK_WITH_PASSWORD)
            .environment("PGPASSWORD", "geheim-not")
            .javaOption("-Djavax.net.ssl.trustStore=" + trustStore())
            .javaOption("-Djavax.net.ssl.trustStorePassword=changeit"));
  }

  /** CockroachDB 22.1 stored passwords so; pgjdbc's own limit is 100,000 iterations. */
  @Test
  void passwordOfVeryManyIterations() throws IOException {
    try (Handle root = SECURE.asSuperuser().open()) {
      root.execute("SET scram_iterations = 119680");
      root.execute("ALTER ROLE clerk PASSWORD '" + ErrorForm.PASSWORD + "'");
    }
    Properties settings = BankSecure.settings(CLERK_WITH_PASSWORD);
    assertConnects("bank as clerk", BankSecure.connect(settings, SECURE.certs()));
    String verified = "?sslmode=verify-full&sslrootcert=" + SECURE.certs().resolve("ca.crt");
    assertConnects("bank as clerk", BankBasic.Database.connect(CLERK_WITH_PASSWORD + verified));
  }

  @Test
  void keysAndAuthorities() throws IOException {
    assertConnects("", SECURE.certs()); // PKCS#1, as cockroach cert writes it
    Path pem = copyOfCerts("pem");
    SharedServers.authority().client("maxroach").write(pem, Certificates.KeyFormat.PKCS8_PEM);
    assertConnects("?sslmode=verify-full", pem);
    Path der = copyOfCerts("der@corp.example"); // as --also-generate-pkcs8-key writes it
    Files.writeString(der.resolve("client.maxroach.key"), "the other one is used");
    SharedServers.authority().client("maxroach").write(der, Certificates.KeyFormat.PKCS8_DER);
    assertConnects("", der);

    Path foreign = copyOfCerts("foreign-authority");
    new Certificates().writeAuthority(foreign);
    String authority = "?sslrootcert=" + der.resolve("ca.crt");
    assertConnects(authority, foreign);
    String clientFiles = "&sslcert=%1$s/client.maxroach.crt&sslkey=%1$s/client.maxroach.key";
    assertConnects(authority + clientFiles.formatted(SECURE.certs()), directory.resolve("none"));
  }

  private static void assertConnects(String parameters, Path certs) {
    Properties settings = BankSecure.settings(SECURE.url() + parameters);
    assertConnects("bank as maxroach", BankSecure.connect(settings, certs));
  }

  /** Only the user can read the copy of a key that pgjdbc reads, and the run deletes it. */
  @Test
  void noCopyOfTheKeyIsLeftOrOpenToOthers() throws Exception {
    FakeServer.Behavior mute =
        client -> client.getInputStream().transferTo(OutputStream.nullOutputStream());
    try (FakeServer silent = FakeServer.open(mute);
        Script.Running running =
            idle("BankSecure", "--url=postgresql://localhost:" + silent.port())
                .workingDirectory(copyOfCerts("certs").getParent())
                .javaOption("-Djava.io.tmpdir=" + Files.createDirectory(directory.resolve("tmp")))
                .start()) {
      Watch.await(() -> !keys().isEmpty());
      for (File key : keys()) {
        assertEquals(PRIVATE, Files.getPosixFilePermissions(key.toPath()));
      }
      running.signal("INT");
      running.await();
      assertEquals(List.of(), keys());
    }
  }

  private List<File> keys() {
    return List.of(
        directory.resolve("tmp").toFile().listFiles((tmp, name) -> name.contains("key")));
  }

  @Test
  void insecureWarnsOfAnotherMachine() throws Exception {
    String url = "postgresql://maxroach:geheim@localhost:1,127.0.0.1.invalid/bank";
    Script.Result result = idle("BankInsecure", "--url=" + url).run();
    List<String> lines = result.err().lines().toList();
    assertEquals(3, lines.size(), result::err);
    assertTrue(lines.get(0).matches("warning: .*not this machine.*"), result::err);
    assertTrue(lines.get(0).contains("127.0.0.1.invalid"), result::err);
    String hosts = "localhost:1, 127.0.0.1.invalid:26257, ";
    assertTrue(lines.get(1).startsWith("error: cannot connect to " + hosts), result::err);
    assertEquals(5, result.status());
    ErrorForm.assertNoPassword(result);
  }

  private static void assertConnects(Script script) throws Exception {
    Script.Result result = script.run();
    assertEquals(0, result.status(), result::toString);
    assertTrue(result.out().startsWith("Connected to "), result::toString);
    assertEquals("", result.err());
    ErrorForm.assertNoPassword(result);
  }

  private static void assertConnects(String where, Jdbi database) {
    try (Handle handle = database.open()) {
      String question = "SELECT current_database() || ' as ' || current_user";
      assertEquals(where, handle.createQuery(question).mapTo(String.class).one());
    }
  }

  /** With nothing to do but to connect. */
  private static Script idle(String name, String... arguments) {
    List<String> all = new ArrayList<>(List.of("--accounts=0", "--transfers=0"));
    all.addAll(List.of(arguments));
    return Script.of(name, all.toArray(String[]::new));
  }

  private Path copyOfCerts(String name) throws IOException {
    Path copy = Files.createDirectory(directory.resolve(name));
    TemporaryDirectory.copy(SECURE.certs(), copy);
    return copy;
  }

  private Path trustStore() throws IOException, GeneralSecurityException {
    Path file = directory.resolve("trusted");
    try (var authority = Files.newInputStream(SECURE.certs().resolve("ca.crt"));
        var out = Files.newOutputStream(file)) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      var certificate = CertificateFactory.getInstance("X.509").generateCertificate(authority);
      store.setCertificateEntry("ca", certificate);
      store.store(out, "changeit".toCharArray());
    }
    return file;
  }
}
