import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;
import java.util.TreeMap;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The stand-in for CockroachDB is what a user and the tests take it for. */
@Timeout(120)
class LocalClusterTest {

  @Test
  void insecureLetsMaxroachIntoHisBank() throws Exception {
    try (LocalCluster cluster = LocalCluster.insecure();
        Handle maxroach = connectInsecure(cluster.url())) {
      assertEquals("serializable", ask(maxroach, "SHOW transaction_isolation"));
      assertEquals("maxroach", ask(maxroach, owner()));
      assertEquals("off", ask(maxroach, "SELECT current_setting('is_superuser')"));
      maxroach.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      assertRefused("28000", cluster.url("nobody"));
    }
  }

  @Test
  void secureDemandsTlsAndTheUsersCertificate() throws Exception {
    try (LocalCluster cluster = LocalCluster.secure()) {
      try (Handle maxroach = connectSecure(cluster.url(), cluster.certs())) {
        assertEquals("maxroach", ask(maxroach, owner()));
        assertEquals(
            "/O=Cockroach/CN=maxroach",
            ask(maxroach, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
      }
      assertRefused("28000", cluster.url() + "?sslmode=disable");
      assertRefused("28000", cluster.url() + "?sslmode=require");
    }
  }

  /** As "cockroach cert" in CockroachDB's documentation lists them. */
  @Test
  void certificatesLieAsCockroachLeavesThem() throws Exception {
    try (LocalCluster cluster = LocalCluster.secure();
        var files = Files.list(cluster.certs())) {
      TreeMap<String, String> modes = new TreeMap<>();
      for (Path file : (Iterable<Path>) files::iterator) {
        String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        modes.put(file.getFileName().toString(), mode);
      }
      assertEquals(
          List.of(
              "ca.crt",
              "client.maxroach.crt",
              "client.maxroach.key",
              "client.root.crt",
              "client.root.key",
              "node.crt",
              "node.key"),
          List.copyOf(modes.keySet()));
      modes.forEach(
          (name, mode) -> assertTrue(mode.equals("rw-------") || name.endsWith(".crt"), name));
      String key = Files.readString(cluster.certs().resolve("client.maxroach.key"));
      assertTrue(key.startsWith("-----BEGIN RSA PRIVATE KEY-----"));
    }
  }

  @Test
  void whatIsCommittedOutlivesItsDeathAndNothingOutlivesItsClosing() throws Exception {
    LocalCluster cluster = LocalCluster.insecure();
    cluster.asSuperuser().useHandle(root -> root.execute("CREATE TABLE rows AS SELECT 7 AS id"));
    Path data = data(cluster);
    cluster.killHard();
    assertRefused("08001", cluster.url());
    cluster.startAgain();
    cluster.stop();
    cluster.startAgain();
    assertEquals("7", cluster.asSuperuser().withHandle(root -> ask(root, "SELECT id FROM rows")));
    ProcessHandle postmaster = postmaster(data);
    cluster.close();
    assertFalse(LocalCluster.runs(postmaster));
    assertFalse(Files.exists(data));
  }

  @Test
  void theCommandRunsAClusterUntilCtrlC() throws Exception {
    int port = Server.freePort();
    try (Script.Running running = command("--port=" + port).start()) {
      running.awaitText("Ctrl-C stops it");
      String url = "postgresql://maxroach@localhost:" + port + "/bank?sslmode=disable";
      assertTrue(running.out().contains("  URL   " + url + "\n"), running::out);
      assertTrue(
          running.out().contains("  next  jbang BankInsecure.java --url='" + url + "'\n"),
          running::out);
      Path data;
      try (Handle maxroach = connectInsecure(url);
          Handle root = connectInsecure(url.replace("maxroach", "root"))) {
        assertEquals("maxroach", ask(maxroach, owner()));
        data = Path.of(ask(root, "SHOW data_directory"));
      }
      ProcessHandle postmaster = postmaster(data);
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status());
      assertEquals("", result.err());
      assertFalse(LocalCluster.runs(postmaster));
      assertFalse(Files.exists(data.getParent()));
    }
  }

  @Test
  void theCommandTakesTheCertificatesThatAreThere(@TempDir Path directory) throws Exception {
    Path certs = directory.resolve("my certs");
    new Certificates().writeAll(certs);
    byte[] authority = Files.readAllBytes(certs.resolve("ca.crt"));
    int port = Server.freePort();
    Script secure = command("--secure", "--port=" + port, "--certs-dir=my certs");
    try (Script.Running running = secure.workingDirectory(directory).start()) {
      running.awaitText("Ctrl-C stops it");
      String url = "postgresql://maxroach@localhost:" + port + "/bank";
      String next = "  next  jbang BankSecure.java --url='" + url + "' --certs-dir='my certs'\n";
      assertTrue(running.out().contains(next), running::out);
      connectSecure(url, certs).close();
      assertEquals(new String(authority), Files.readString(certs.resolve("ca.crt")));
    }
  }

  @Test
  void theCommandSaysThatItsPortIsTaken() throws Exception {
    try (LocalCluster cluster = LocalCluster.insecure()) {
      Script.Result result = command("--port=" + cluster.port()).run();
      assertEquals(1, result.status());
      assertEquals("", result.out());
      assertTrue(
          result.err().matches("error: cannot listen on port " + cluster.port() + " .*\n"),
          result::err);
    }
  }

  /** Runs main with this user's own home, where the unpacked PostgreSQL lies. */
  private static Script command(String... arguments) {
    return Script.of("LocalCluster", arguments).home(Path.of(System.getProperty("user.home")));
  }

  private static Handle connectInsecure(String url) {
    return BankInsecure.connect(BankInsecure.settings(url)).open();
  }

  private static Handle connectSecure(String url, Path certs) {
    return BankSecure.connect(BankSecure.settings(url), certs).open();
  }

  private static void assertRefused(String state, String url) {
    String jdbcUrl = "jdbc:" + url.replaceFirst("//(.*?)@(.*)", "//$2");
    String user = url.replaceFirst(".*//(.*?)@.*", "$1");
    SQLException refusal =
        assertThrows(
            SQLException.class, () -> DriverManager.getConnection(jdbcUrl, user, "").close());
    assertEquals(state, refusal.getSQLState(), refusal::getMessage);
  }

  private static String ask(Handle handle, String question) {
    return handle.createQuery(question).mapTo(String.class).one();
  }

  private static String owner() {
    return "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
  }

  private static Path data(LocalCluster cluster) {
    String data = cluster.asSuperuser().withHandle(root -> ask(root, "SHOW data_directory"));
    return Path.of(data);
  }

  private static ProcessHandle postmaster(Path data) throws IOException {
    String pid = Files.readAllLines(data.resolve("postmaster.pid")).get(0).trim();
    return ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
  }
}
