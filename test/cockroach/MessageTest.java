import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a secure CockroachDB says, which the scripts and the pages go by. */
@Timeout(300)
class MessageTest {

  private static Cockroach server;

  @BeforeAll
  static void startServer() throws IOException {
    if (Cockroach.isInstalled()) {
      server = Cockroach.start(true);
    }
  }

  @AfterAll
  static void stopServer() {
    if (server != null) {
      server.close();
      server = null;
    }
  }

  @BeforeEach
  void skipWithoutCockroach() {
    Assumptions.assumeTrue(server != null, "no cockroach on the PATH");
  }

  @Test
  void itsVersionBeginsWithItsName() {
    String version = Bank.of(server).ask(root -> version(root));
    assertTrue(version.matches("CockroachDB (CCL|OSS) v.*"), version);
    String shortened = Bank.of(server).ask(BankSecure::version);
    assertTrue(shortened.matches("CockroachDB (CCL|OSS) v[\\w.-]+"), shortened);
  }

  @Test
  void anUnknownUserAndAWrongPasswordAreOneError(@TempDir Path folder) throws Exception {
    Files.copy(server.certs().resolve("ca.crt"), folder.resolve("ca.crt"));
    asRoot("CREATE USER IF NOT EXISTS passworded WITH PASSWORD 'right'");
    for (String user : new String[] {"nobody", "passworded"}) {
      ServerError error = ServerError.of(secure(user + ":wrong", "", folder));
      assertTrue(error.sqlState().matches("28P01|28000"), error::toString);
      assertTrue(error.message().contains("password authentication failed"), error::toString);
    }
  }

  /** Release 22.1 stores passwords with more SCRAM iterations than pgjdbc allows by default. */
  @Test
  void aPasswordLogsIn(@TempDir Path folder) throws Exception {
    Files.copy(server.certs().resolve("ca.crt"), folder.resolve("ca.crt"));
    asRoot("CREATE USER IF NOT EXISTS scram WITH PASSWORD 'right'");
    asRoot("SET CLUSTER SETTING server.user_login.password_encryption = 'scram-sha-256'");
    asRoot("ALTER USER scram WITH PASSWORD 'right'");
    secure("scram:right", "", folder).get().useHandle(BankSecure::version);
    String verified = "?sslmode=verify-full&sslrootcert=" + folder.resolve("ca.crt");
    String url = "postgresql://scram:right@localhost:" + server.port() + "/bank" + verified;
    BankBasic.Database.connect(url).useHandle(BankSecure::version);
  }

  @Test
  void withoutTlsASecureNodeAnswersInTheClear() {
    String url = "postgresql://maxroach@localhost:" + server.port() + "/bank";
    ServerError error = ServerError.of(() -> BankInsecure.connect(BankInsecure.settings(url)));
    assertEquals("08P01", error.sqlState(), error::toString);
    assertTrue(error.message().contains("node is running secure mode, SSL connection required"));
  }

  @Test
  void aCertificateIsGoodForItsUserAlone() {
    asRoot("CREATE USER IF NOT EXISTS other");
    Path certificate = server.certs().resolve("client.maxroach.crt");
    Path key = server.certs().resolve("client.maxroach.key");
    String parameters = "?sslcert=" + certificate + "&sslkey=" + key;
    ServerError error = ServerError.of(secure("other", parameters, server.certs()));
    assertEquals("28000", error.sqlState(), error::toString);
    assertTrue(error.message().contains("certificate"), error::toString);
  }

  @Test
  void aCertificateMayBeDemanded(@TempDir Path folder) throws Exception {
    Files.copy(server.certs().resolve("ca.crt"), folder.resolve("ca.crt"));
    String setting = "server.host_based_authentication.configuration";
    asRoot("SET CLUSTER SETTING " + setting + " = 'host all all all cert'");
    try {
      String expected = "no TLS peer certificates, but required for auth";
      ServerError.await(secure("maxroach:none", "", folder), expected);
    } finally {
      asRoot("RESET CLUSTER SETTING " + setting);
    }
  }

  @Test
  void tooManyConnectionsAreRefused() throws Exception {
    String setting = "server.max_connections_per_gateway";
    assumeKnown(setting);
    Supplier<Jdbi> database = secure("maxroach", "", server.certs());
    try (Handle first = database.get().open()) {
      asRoot("SET CLUSTER SETTING " + setting + " = 1");
      ServerError error = ServerError.await(database, "sorry, too many clients already");
      assertEquals("53300", error.sqlState());
      BankSecure.version(first);
    } finally {
      asRoot("RESET CLUSTER SETTING " + setting);
    }
  }

  /** What BankLoad's --force-retries goes by; a statement alone the server repeats by itself. */
  @Test
  void injectedErrorsComeInTransactionsUntilSwitchedOff() {
    try (Handle handle = secure("maxroach", "", server.certs()).get().open()) {
      handle.execute("SET inject_retry_errors_enabled = true");
      version(handle);
      for (int attempt = 1; attempt <= 5; attempt++) {
        JdbiException e =
            assertThrows(JdbiException.class, () -> handle.useTransaction(h -> version(h)));
        ServerError error = ServerError.below(e);
        assertEquals("40001", error.sqlState(), error::toString);
        assertTrue(error.message().contains("inject_retry_errors_enabled"), error::toString);
      }
      handle.execute("SET inject_retry_errors_enabled = false");
      handle.useTransaction(h -> version(h));
    }
  }

  /** LocalCluster creates them itself, so that it can do so for PostgreSQL too. */
  @Test
  void certificatesAreThoseOfCockroachCert(@TempDir Path folder) throws Exception {
    String certs = "--certs-dir=" + folder;
    String key = "--ca-key=" + Files.createDirectory(folder.resolve("safe")).resolve("ca.key");
    server.command("cert", "create-ca", certs, key);
    server.command("cert", "create-node", "localhost", "127.0.0.1", "::1", certs, key);
    server.command("cert", "create-client", "root", certs, key);
    server.command("cert", "create-client", "maxroach", certs, key);
    assertEquals(describe(folder), describe(server.certs()));
  }

  /** Each file with its mode, and with its subject or the first line of its key. */
  private static Map<String, String> describe(Path folder) throws Exception {
    Map<String, String> files = new TreeMap<>();
    try (var all = Files.newDirectoryStream(folder, "*.{crt,key}")) {
      for (Path file : all) {
        String what = Files.readAllLines(file).get(0);
        if (file.toString().endsWith(".crt")) {
          try (InputStream content = Files.newInputStream(file)) {
            var certificate =
                (X509Certificate)
                    CertificateFactory.getInstance("X.509").generateCertificate(content);
            what += certificate.getSubjectX500Principal() + " " + certificate.getKeyUsage().length;
          }
        } else {
          what += PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        }
        files.put(file.getFileName().toString(), what);
      }
    }
    return files;
  }

  /** Which is why the pages ask for 1GiB, and for no part of the machine's memory. */
  @Test
  void aStoreInMemoryNeeds640MiB() {
    IOException error =
        assertThrows(
            IOException.class,
            () ->
                server.command(
                    "start-single-node",
                    "--insecure",
                    "--store=type=mem,size=1%",
                    "--listen-addr=localhost:0",
                    "--http-addr=localhost:0"));
    assertTrue(error.getMessage().contains("minimum requirement of 640 MiB"), error::getMessage);
  }

  private static String version(Handle handle) {
    return handle.select("SELECT version()").mapTo(String.class).one();
  }

  /** Skips the test on a release that does not know this cluster setting. */
  private static void assumeKnown(String setting) {
    String names = "SELECT variable FROM [SHOW ALL CLUSTER SETTINGS]";
    List<String> known =
        server
            .asSuperuser("defaultdb")
            .withHandle(root -> root.select(names).mapTo(String.class).list());
    Assumptions.assumeTrue(known.contains(setting), "this release does not know " + setting);
  }

  private static void asRoot(String statement) {
    server.asSuperuser("defaultdb").useHandle(root -> root.execute(statement));
  }

  private static Supplier<Jdbi> secure(String user, String parameters, Path folder) {
    String url = "postgresql://" + user + "@localhost:" + server.port() + "/bank" + parameters;
    return () -> BankSecure.connect(BankSecure.settings(url), folder);
  }
}
