import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** LocalCluster: CockroachDB on this machine, and the PostgreSQL that takes its place. */
@Timeout(300)
class LocalClusterTest {

  private static final String RUNS = "Ctrl-C stops it";

  private static final String OWNER =
      "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";

  /** A cluster that was killed ends when the next one starts, and that one ends by a signal. */
  @Test
  void anInsecureStandInLetsMaxroachIntoHisBank() throws Exception {
    int port = Server.freePort();
    Script command = command("--postgres", "--port=" + port);
    List<ProcessHandle> left;
    try (Script.Running killed = command.start()) {
      killed.awaitText(RUNS);
      String url = "postgresql://maxroach@localhost:" + port + "/bank?sslmode=disable";
      assertEquals(url, printed(killed, "URL"));
      assertEquals("jbang BankInsecure.java --url='" + url + "'", printed(killed, "next"));
      assertInsecureAccess(url);
      Script.Result other = command.run();
      assertEquals(1, other.status());
      assertTrue(other.err().contains("error: port " + port + " is taken\n"), other::err);
      left = servers(killed);
      killed.signal("KILL");
      killed.await();
    }
    assertTrue(left.stream().anyMatch(Postgres::runs), left::toString);
    try (Script.Running running = command.start()) {
      running.awaitText(RUNS);
      assertTrue(left.stream().noneMatch(Postgres::runs), left::toString);
      assertEndsOn("INT", 130, running);
      assertEquals("Starting PostgreSQL in place of CockroachDB ...\n", running.err());
    }
  }

  /** Through COPY TO PROGRAM a superuser runs any program as the user who started the server. */
  private static void assertInsecureAccess(String url) {
    try (Handle maxroach = BankInsecure.connect(BankInsecure.settings(url)).open()) {
      assertEquals("serializable", ask(maxroach, "SHOW transaction_isolation"));
      assertEquals("maxroach", ask(maxroach, OWNER));
      assertEquals("off", ask(maxroach, "SELECT current_setting('is_superuser')"));
      maxroach.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)");
    }
    assertRefused("28000", url.replace("maxroach", "nobody"), "");
    assertRefused("08004", url.replace("maxroach", "postgres"), "");
    assertRefused("28P01", url.replace("maxroach", "postgres"), "postgres");
    String ofRoot = url.replace("maxroach", "root");
    try (Handle root = BankInsecure.connect(BankInsecure.settings(ofRoot)).open()) {
      root.execute("CREATE USER clerk");
      root.execute("CREATE DATABASE branch");
      root.execute("ALTER DATABASE branch OWNER TO clerk");
      String copy = "COPY accounts TO PROGRAM 'cat > /dev/null'";
      JdbiException refusal = assertThrows(JdbiException.class, () -> root.execute(copy));
      assertTrue(refusal.getMessage().contains("permission denied"), refusal::getMessage);
    }
  }

  /** It creates certificates, or takes those that are there, and overwrites none. */
  @Test
  void aSecureStandInDemandsTlsAndTheUsersCertificate(@TempDir Path directory) throws Exception {
    int port = Server.freePort();
    Script command =
        command("--postgres", "--secure", "--port=" + port, "--certs-dir=my certs")
            .workingDirectory(directory);
    Path certs = directory.resolve("my certs");
    String url = "postgresql://maxroach@localhost:" + port + "/bank";
    try (Script.Running running = command.start()) {
      running.awaitText(RUNS);
      String next = "jbang BankSecure.java --url='" + url + "' --certs-dir='my certs'";
      assertEquals(next, printed(running, "next"));
      assertCertificates(certs);
      assertSecureAccess(url, certs);
      assertEndsOn("TERM", 143, running);
    }
    byte[] authority = Files.readAllBytes(certs.resolve("ca.crt"));
    try (Script.Running running = command.start()) {
      running.awaitText(RUNS);
      BankSecure.connect(BankSecure.settings(url), certs).useHandle(BankSecure::version);
      assertArrayEquals(authority, Files.readAllBytes(certs.resolve("ca.crt")));
    }
    Files.delete(certs.resolve("ca.crt"));
    Script.Result result = command.run();
    assertEquals(1, result.status());
    assertTrue(result.err().contains("error: my certs has certificates, but no ca.crt\n"));
    assertFalse(Files.exists(certs.resolve("ca.crt")));
  }

  private static void assertSecureAccess(String url, Path certs) {
    try (Handle maxroach = BankSecure.connect(BankSecure.settings(url), certs).open()) {
      assertEquals("maxroach", ask(maxroach, OWNER));
      assertEquals(
          "/O=Cockroach/CN=maxroach",
          ask(maxroach, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
    }
    assertRefused("28000", url + "?sslmode=disable", "");
    assertRefused("28000", url + "?sslmode=require", "");
    assertRefused("08004", url.replace("maxroach", "postgres") + "?sslmode=disable", "");
  }

  /** As "cockroach cert" in CockroachDB's documentation lists them. */
  private static void assertCertificates(Path certs) throws IOException {
    Map<String, String> modes = new TreeMap<>();
    try (Stream<Path> files = Files.list(certs)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
        modes.put(file.getFileName().toString(), mode);
      }
    }
    String names =
        "ca.crt client.maxroach.crt client.maxroach.key client.root.crt client.root.key"
            + " node.crt node.key";
    assertEquals(List.of(names.split(" ")), List.copyOf(modes.keySet()));
    modes.forEach(
        (name, mode) -> assertTrue(mode.equals("rw-------") || name.endsWith(".crt"), name));
    String key = Files.readString(certs.resolve("client.maxroach.key"));
    assertTrue(key.startsWith("-----BEGIN RSA PRIVATE KEY-----"));
  }

  @ParameterizedTest
  @CsvSource({"--nodes=2, 2, '--nodes is 1, 3 or 5'", "--nodes=3, 1, '--nodes=3 needs cockroach'"})
  void whatItRefusesIsAnErrorLineAndAStatus(String option, int status, String reason)
      throws Exception {
    Script.Result result = command(option).environment("PATH", "/nowhere").run();
    assertEquals(status, result.status());
    assertTrue(result.err().startsWith("error: " + reason), result::err);
  }

  @ParameterizedTest
  @CsvSource({
    "--postgres --nodes=3, --postgres has one node only",
    "--port=70000, --port is between 1 and 65535",
    "--nodes=3 --kill-every=0s, Invalid value for option '--kill-every': not a time such as 10s",
    "--kill-every=10s, --kill-every needs --nodes=3 or --nodes=5",
    "--drain-every=10s, --drain-every needs --nodes=3 or --nodes=5",
    "--nodes=3 --kill-every=9s --drain-every=9s, --kill-every excludes --drain-every",
    "--events=here, --events needs --kill-every or --drain-every",
    "--nodes=3 --kill-every=9s --events=/, --events names no file that can be written"
  })
  void itRefusesOptionsThatDoNotGoTogether(String options, String reason) {
    StringWriter err = new StringWriter();
    CommandLine commandLine =
        new CommandLine(new LocalCluster())
            .registerConverter(Duration.class, NodeOutages::duration)
            .setErr(new PrintWriter(err, true));
    assertEquals(2, commandLine.execute(options.split(" ")));
    assertTrue(err.toString().startsWith(reason), err::toString);
  }

  @Test
  void cockroachEndsWithTheNextRunIfItsOwnWasKilled(@TempDir Path directory) throws Exception {
    assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    String port = "--port=" + Server.freePort();
    List<ProcessHandle> left;
    Script secure = command(port, "--secure", "--disk").workingDirectory(directory);
    try (Script.Running killed = secure.start()) {
      killed.awaitText(RUNS);
      String url = printed(killed, "URL");
      BankSecure.connect(BankSecure.settings(url), directory.resolve("certs"))
          .useHandle(LocalClusterTest::assertCockroach);
      assertConsole("https:", printed(killed, "console"));
      left = servers(killed);
      killed.signal("KILL");
      killed.await();
    }
    assertTrue(left.stream().anyMatch(Postgres::runs), left::toString);
    try (Script.Running running = command(port).start()) {
      running.awaitText(RUNS);
      assertTrue(left.stream().noneMatch(Postgres::runs), left::toString);
      BankInsecure.connect(BankInsecure.settings(printed(running, "URL")))
          .useHandle(LocalClusterTest::assertCockroach);
      assertConsole("http:", printed(running, "console"));
      assertEndsOn("INT", 130, running);
    }
  }

  private static void assertCockroach(Handle maxroach) {
    assertTrue(ask(maxroach, "SELECT version()").startsWith("CockroachDB"));
    maxroach.execute("CREATE TABLE accounts (id INT8 PRIMARY KEY)");
  }

  private static void assertConsole(String scheme, String url) throws IOException {
    assertTrue(url.startsWith(scheme), url);
    new Socket("localhost", URI.create(url).getPort()).close();
  }

  @Test
  void ctrlCWhileItStartsLeavesNothing() throws Exception {
    int port = Server.freePort();
    try (Script.Running running = command("--port=" + port).start()) {
      running.awaitText("Starting ");
      Thread.sleep(500);
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status());
      assertFalse(result.err().contains("error"), result::err);
      assertTrue(Cluster.isFree(port));
    }
  }

  /** It ends with this status, and its servers and their data are gone. */
  private static void assertEndsOn(String signal, int status, Script.Running running)
      throws Exception {
    List<ProcessHandle> servers = servers(running);
    assertEquals(1, servers.size());
    String command = servers.get(0).info().commandLine().orElseThrow();
    Path folder = Path.of(command.replaceFirst(".*(--pid-file=|-D )(\\S+)/.*", "$2"));
    assertTrue(Files.exists(folder), folder::toString);
    running.signal(signal);
    Script.Result result = running.await();
    assertEquals(status, result.status());
    assertFalse(result.err().contains("error"), result::err);
    assertFalse(Postgres.runs(servers.get(0)));
    assertFalse(Files.exists(folder));
  }

  /** What it printed behind this word. */
  private static String printed(Script.Running running, String word) {
    return running.out().replaceFirst("(?s).*\n  " + word + " +(.*?)\n.*", "$1");
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

  /** Runs main with this user's own home, where the unpacked PostgreSQL lies. */
  private static Script command(String... arguments) {
    return Script.of("LocalCluster", arguments).timeLimit(Duration.ofMinutes(4)).home(Project.HOME);
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
}
