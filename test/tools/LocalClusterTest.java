import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** LocalCluster: CockroachDB on this machine, and the PostgreSQL that takes its place. */
@Timeout(600)
class LocalClusterTest {

  @Test
  void insecureLetsMaxroachIntoHisBank() throws Exception {
    try (Postgres cluster = Postgres.insecure();
        Handle maxroach = connectInsecure(cluster.url())) {
      assertEquals("serializable", ask(maxroach, "SHOW transaction_isolation"));
      assertEquals("maxroach", ask(maxroach, owner()));
      assertEquals("off", ask(maxroach, "SELECT current_setting('is_superuser')"));
      maxroach.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      assertRefused("28000", cluster.url("nobody"));
    }
  }

  /** Through COPY TO PROGRAM a superuser runs any program as the user who started the server. */
  @Test
  void nobodyIsSuperuser() throws Exception {
    try (Postgres insecure = Postgres.insecure();
        Postgres secure = Postgres.secure()) {
      assertRefused("08004", insecure.url("postgres"));
      assertRefused("28P01", insecure.url("postgres"), "postgres");
      assertRefused("08004", secure.url("postgres") + "?sslmode=disable");
      try (Handle root = connectInsecure(insecure.url("root"))) {
        root.execute("CREATE USER clerk");
        root.execute("CREATE DATABASE branch");
        root.execute("ALTER DATABASE branch OWNER TO clerk");
        root.execute("CREATE TABLE branch (id INT8 PRIMARY KEY)");
        JdbiException refusal =
            assertThrows(
                JdbiException.class,
                () -> root.execute("COPY branch TO PROGRAM 'cat > /dev/null'"));
        assertTrue(refusal.getMessage().contains("permission denied"), refusal::getMessage);
      }
    }
  }

  @Test
  void secureDemandsTlsAndTheUsersCertificate() throws Exception {
    try (Postgres cluster = Postgres.secure()) {
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
    try (Postgres cluster = Postgres.secure();
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
    Postgres cluster = Postgres.insecure();
    cluster.asSuperuser().useHandle(root -> root.execute("CREATE TABLE rows AS SELECT 7 AS id"));
    Path data = cluster.data();
    cluster.killHard();
    assertRefused("08001", cluster.url());
    cluster.startAgain();
    cluster.stop();
    cluster.startAgain();
    assertEquals("7", cluster.asSuperuser().withHandle(root -> ask(root, "SELECT id FROM rows")));
    ProcessHandle postmaster = postmaster(data);
    cluster.close();
    assertFalse(Postgres.runs(postmaster));
    assertFalse(Files.exists(data));
  }

  @ParameterizedTest
  @ValueSource(strings = {"INT", "TERM"})
  void postgresRunsUntilASignal(String signal) throws Exception {
    int port = Server.freePort();
    try (Script.Running running = command("--postgres", "--port=" + port).start()) {
      running.awaitText("Ctrl-C stops it");
      String url = "postgresql://maxroach@localhost:" + port + "/bank?sslmode=disable";
      assertPrinted(running, "  URL      " + url);
      assertPrinted(running, "  next     jbang BankInsecure.java --url='" + url + "'");
      Path data;
      try (Handle maxroach = connectInsecure(url)) {
        assertEquals("maxroach", ask(maxroach, owner()));
        data = dataOnCommandLine(running);
      }
      ProcessHandle postmaster = postmaster(data);
      running.signal(signal);
      Script.Result result = running.await();
      assertEquals(signal.equals("INT") ? 130 : 143, result.status());
      assertEquals("Starting PostgreSQL in place of CockroachDB ...\n", result.err());
      assertFalse(Postgres.runs(postmaster));
      assertFalse(Files.exists(data.getParent()));
    }
  }

  @Test
  void itTakesTheCertificatesThatAreThere(@TempDir Path directory) throws Exception {
    Path certs = directory.resolve("my certs");
    new Certificates().writeAll(certs);
    byte[] authority = Files.readAllBytes(certs.resolve("ca.crt"));
    int port = Server.freePort();
    Script secure = command("--postgres", "--secure", "--port=" + port, "--certs-dir=my certs");
    try (Script.Running running = secure.workingDirectory(directory).start()) {
      running.awaitText("Ctrl-C stops it");
      String url = "postgresql://maxroach@localhost:" + port + "/bank";
      assertPrinted(
          running, "  next     jbang BankSecure.java --url='" + url + "' --certs-dir='my certs'");
      connectSecure(url, certs).close();
      assertArrayEquals(authority, Files.readAllBytes(certs.resolve("ca.crt")));
    }
  }

  @Test
  void itOverwritesNoCertificate(@TempDir Path directory) throws Exception {
    Certificates other = new Certificates();
    other.client("maxroach").write(directory.resolve("certs"));
    Script secure = command("--postgres", "--secure", "--port=" + Server.freePort());
    Script.Result result = secure.workingDirectory(directory).run();
    assertEquals(1, result.status());
    assertTrue(result.err().contains("error: certs has certificates, but no ca.crt\n"));
    try (Stream<Path> files = Files.list(directory.resolve("certs"))) {
      assertEquals(2, files.count());
    }
  }

  @Test
  void itSaysThatItsPortIsTaken() throws Exception {
    try (Postgres cluster = Postgres.insecure()) {
      Script.Result result = command("--port=" + cluster.port()).run();
      assertEquals(1, result.status());
      assertEquals("", result.out());
      assertTrue(result.err().contains("error: port " + cluster.port() + " is taken\n"));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--nodes=2, 2, '--nodes is 1, 3 or 5'",
    "--postgres --nodes=3, 2, '--postgres has one node only'",
    "--port=70000, 2, '--port is between 1 and 65535'",
    "--nodes=3, 1, '--nodes=3 needs cockroach on the PATH'",
    "--nodes=3 --kill-every=10s, 1, '--nodes=3 needs cockroach on the PATH'",
    "--kill-every=10s, 2, '--kill-every needs --nodes=3 or --nodes=5'",
    "--drain-every=10s, 2, '--drain-every needs --nodes=3 or --nodes=5'",
    "--nodes=3 --kill-every=9s --drain-every=9s, 2, '--kill-every excludes --drain-every'",
    "--events=here, 2, '--events needs --kill-every or --drain-every'",
    "--nodes=3 --kill-every=9s --events=/, 2, '--events names no file that can be written'"
  })
  void itRefuses(String options, int status, String reason) throws Exception {
    Script.Result result = command(options.split(" ")).environment("PATH", "/nowhere").run();
    assertEquals(status, result.status());
    assertTrue(result.err().startsWith("error: " + reason + "\n"), result::err);
  }

  @ParameterizedTest
  @ValueSource(strings = {"--postgres", "--nodes=1", "--nodes=3"})
  void theNextRunEndsTheServersOfAKilledRun(String option) throws Exception {
    assumeCockroachFor(option);
    int port = Server.freePort();
    List<ProcessHandle> left;
    try (Script.Running killed = command(option, "--port=" + port).start()) {
      killed.awaitText("Ctrl-C stops it");
      left = servers(killed);
      killed.signal("KILL");
      killed.await();
    }
    assertTrue(left.stream().anyMatch(Postgres::runs), left::toString);
    try (Script.Running running = command(option, "--port=" + port).start()) {
      running.awaitText("Ctrl-C stops it");
      assertTrue(left.stream().noneMatch(Postgres::runs), left::toString);
      running.signal("INT");
      assertEquals(130, running.await().status());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "--secure", "--nodes=3", "--nodes=3 --secure --disk"})
  void cockroachRunsUntilCtrlC(String options, @TempDir Path directory) throws Exception {
    assumeCockroachFor(options);
    Script command = command((options + " --port=" + Server.freePort()).trim().split(" "));
    try (Script.Running running = command.workingDirectory(directory).start()) {
      running.awaitText("Ctrl-C stops it");
      String url = running.out().replaceFirst("(?s).*  URL      (.*?)\n.*", "$1");
      assertEquals(options.contains("--nodes=3") ? 3 : 1, url.split("localhost").length - 1);
      Path certs = directory.resolve("certs");
      boolean secure = options.contains("--secure");
      try (Handle maxroach = secure ? connectSecure(url, certs) : connectInsecure(url)) {
        assertTrue(ask(maxroach, "SELECT version()").startsWith("CockroachDB"));
        maxroach.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      }
      assertConsole(running.out().replaceFirst("(?s).*  console  (.*?)\n.*", "$1"), secure);
      List<ProcessHandle> servers = servers(running);
      assertEquals(options.contains("--nodes=3") ? 3 : 1, servers.size());
      Path folder = folderOnCommandLine(servers.get(0));
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status());
      assertFalse(result.err().contains("error"), result::err);
      assertTrue(servers.stream().noneMatch(Postgres::runs));
      assertFalse(Files.exists(folder));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {300, 1_000, 3_000})
  void ctrlCWhileItStartsLeavesNothing(int milliseconds) throws Exception {
    String[] options = {"--port=" + Server.freePort()};
    try (Script.Running running = command(options).start()) {
      Thread.sleep(milliseconds);
      List<ProcessHandle> children = servers(running);
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status());
      assertFalse(result.err().contains("error"), result::err);
      assertTrue(children.stream().noneMatch(Postgres::runs));
      assertTrue(Cluster.isFree(Integer.parseInt(options[0].replaceFirst(".*=", ""))));
    }
  }

  private static void assumeCockroachFor(String options) {
    Assumptions.assumeTrue(
        options.contains("--postgres") || Cockroach.isInstalled(), "no cockroach on the PATH");
  }

  private static void assertPrinted(Script.Running running, String line) {
    assertTrue(running.out().lines().anyMatch(line::equals), running::out);
  }

  private static void assertConsole(String url, boolean secure) throws Exception {
    assertTrue(url.startsWith(secure ? "https:" : "http:"), url);
    try (Socket socket = new Socket("localhost", URI.create(url).getPort())) {
      assertTrue(socket.isConnected());
    }
  }

  /** The servers that a cluster has started: its children, and what PostgreSQL detaches. */
  private static List<ProcessHandle> servers(Script.Running running) {
    return running
        .out()
        .lines()
        .filter(line -> line.matches("  (node \\d|server) .* process \\d+"))
        .map(line -> Long.valueOf(line.replaceFirst(".* ", "")))
        .flatMap(id -> ProcessHandle.of(id).stream())
        .toList();
  }

  private static Path dataOnCommandLine(Script.Running running) {
    String command = servers(running).get(0).info().commandLine().orElseThrow();
    return Path.of(command.replaceFirst(".* -D (\\S+).*", "$1"));
  }

  private static Path folderOnCommandLine(ProcessHandle node) {
    String command = node.info().commandLine().orElseThrow();
    return Path.of(command.replaceFirst(".*--pid-file=(\\S+)/.*", "$1"));
  }

  /** Runs main with this user's own home, where the unpacked PostgreSQL lies. */
  private static Script command(String... arguments) {
    return Script.of("LocalCluster", arguments).timeLimit(Duration.ofMinutes(4)).home(Project.HOME);
  }

  private static Handle connectInsecure(String url) {
    return BankInsecure.connect(BankInsecure.settings(url)).open();
  }

  private static Handle connectSecure(String url, Path certs) {
    return BankSecure.connect(BankSecure.settings(url), certs).open();
  }

  private static void assertRefused(String state, String url) {
    assertRefused(state, url, "");
  }

  private static void assertRefused(String state, String url, String password) {
    String jdbcUrl = "jdbc:" + url.replaceFirst("//(.*?)@(.*)", "//$2");
    String user = url.replaceFirst(".*//(.*?)@.*", "$1");
    SQLException refusal =
        assertThrows(
            SQLException.class, () -> DriverManager.getConnection(jdbcUrl, user, password).close());
    assertEquals(state, refusal.getSQLState(), refusal::getMessage);
  }

  private static String ask(Handle handle, String question) {
    return handle.createQuery(question).mapTo(String.class).one();
  }

  private static String owner() {
    return "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
  }

  private static ProcessHandle postmaster(Path data) throws IOException {
    String pid = Files.readAllLines(data.resolve("postmaster.pid")).get(0).trim();
    return ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
  }
}
