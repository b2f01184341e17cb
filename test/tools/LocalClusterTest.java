import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** The stand-in for CockroachDB is what the tests of the scripts take it for, seen by pgjdbc. */
@Timeout(120)
class LocalClusterTest {

  @Test
  void insecureLetsMaxroachInAndCreateTables() throws Exception {
    try (LocalCluster server = LocalCluster.insecure();
        Connection connection = insecure(server, "maxroach", "bank")) {
      execute(connection, "CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      assertEquals("serializable", query(connection, "SHOW transaction_isolation"));
      assertEquals("on", query(connection, "SHOW synchronous_commit"));
      assertEquals("off", query(connection, "SELECT current_setting('is_superuser')"));
      assertEquals("0", query(connection, "SELECT count(*) FROM accounts"));
    }
  }

  @Test
  void settingsWin() throws Exception {
    try (LocalCluster server =
            LocalCluster.builder()
                .setting("default_transaction_isolation", "read committed")
                .start();
        Connection connection = insecure(server, "maxroach", "bank")) {
      assertEquals("read committed", query(connection, "SHOW transaction_isolation"));
    }
  }

  @Test
  void newServerHasOnlyRoot() throws Exception {
    try (LocalCluster server = LocalCluster.builder().withoutBank().start()) {
      assertRefused("28000", () -> insecure(server, "maxroach", "defaultdb"));
      assertRefused("3D000", () -> insecure(server, "root", "bank"));
      try (Connection root = insecure(server, "root", "defaultdb")) {
        assertEquals("on", query(root, "SELECT current_setting('is_superuser')"));
        execute(root, "CREATE USER maxroach");
        execute(root, "CREATE DATABASE bank");
        execute(root, "GRANT ALL ON DATABASE bank TO maxroach");
      }
      try (Connection maxroach = insecure(server, "maxroach", "bank")) {
        execute(maxroach, "CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      }
    }
  }

  @Test
  void secureDemandsTlsAndTheUsersCertificate() throws Exception {
    try (LocalCluster server = LocalCluster.secure()) {
      assertRefused("28000", () -> insecure(server, "maxroach", "bank"));
      assertRefused("28000", () -> secure(server, "maxroach", null));
      Path key = clientKey(server, "maxroach");
      assertRefused("28000", () -> secure(server, "root", key));
      try (Connection connection = secure(server, "maxroach", key)) {
        assertEquals(
            "t", query(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
        assertEquals(
            "/O=Cockroach/CN=maxroach",
            query(connection, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
      }
      try (Connection root = secure(server, "root", clientKey(server, "root"))) {
        assertEquals("on", query(root, "SELECT current_setting('is_superuser')"));
      }
    }
  }

  @Test
  void certificatesLieAsCockroachLeavesThem() throws Exception {
    try (LocalCluster server = LocalCluster.secure();
        Stream<Path> files = Files.list(server.certs())) {
      assertEquals(
          List.of(
              "ca.crt",
              "client.maxroach.crt",
              "client.maxroach.key",
              "client.root.crt",
              "client.root.key",
              "node.crt",
              "node.key"),
          files.map(file -> file.getFileName().toString()).sorted().toList());
      Path key = server.certs().resolve("client.maxroach.key");
      assertTrue(Files.readString(key).startsWith("-----BEGIN RSA PRIVATE KEY-----"));
      assertEquals("rw-------", permissions(key));
    }
  }

  @Test
  void passwordServesMaxroachAndNotRoot() throws Exception {
    try (LocalCluster server = LocalCluster.builder().password("sesame's").start()) {
      try (Connection connection = secure(server, "maxroach", null, "sesame's")) {
        assertEquals("maxroach", query(connection, "SELECT current_user"));
      }
      assertRefused("28P01", () -> secure(server, "maxroach", null, "wrong"));
      assertRefused("28000", () -> secure(server, "root", null, "sesame's"));
    }
  }

  @Test
  void withoutClientCertificatesTlsIsEnough() throws Exception {
    try (LocalCluster server = LocalCluster.builder().withoutClientCertificates().start();
        Connection connection = secure(server, "maxroach", null)) {
      assertEquals("maxroach", query(connection, "SELECT current_user"));
      assertRefused("28000", () -> insecure(server, "maxroach", "bank"));
    }
  }

  @Test
  void nodeCertificateOfAnotherHostIsShown() throws Exception {
    try (LocalCluster server =
        LocalCluster.builder().node(new Certificates().node("db.example.com")).start()) {
      SQLException foreign =
          assertThrows(
              SQLException.class,
              () -> secure(server, "maxroach", clientKey(server, "maxroach")).close());
      assertTrue(foreign.getMessage().contains("PKIX path"), foreign::getMessage);
    }
  }

  @Test
  void clientCertificateMustBeValid(@TempDir Path directory) throws Exception {
    Certificates authority = new Certificates();
    authority.writeAll(directory);
    try (LocalCluster server = LocalCluster.builder().certs(directory).start()) {
      secure(server, "maxroach", clientKey(server, "maxroach")).close();
      List<Certificates.Leaf> spoilt =
          List.of(
              authority.client("maxroach").expired(),
              authority.client("maxroach").notYetValid(),
              authority.client("maxroach").selfSigned(),
              authority.client("maxroach").withAnotherKey(),
              authority.client("root"),
              new Certificates().client("maxroach"),
              new Certificates("O=Other, CN=Other CA").client("maxroach"));
      for (Certificates.Leaf leaf : spoilt) {
        leaf.write(directory, Certificates.KeyFormat.PKCS8_DER);
        Path key = directory.resolve("client.maxroach.key.pk8");
        assertThrows(SQLException.class, () -> secure(server, "maxroach", key).close());
      }
    }
  }

  @Test
  void keysLieInEveryFormat(@TempDir Path directory) throws Exception {
    Certificates authority = new Certificates();
    Certificates.Leaf rsa = authority.client("maxroach");
    Path key = directory.resolve("client.maxroach.key");
    rsa.write(directory, Certificates.KeyFormat.PKCS8_PEM);
    assertTrue(Files.readString(key).startsWith("-----BEGIN PRIVATE KEY-----"));
    authority.client("maxroach").ellipticCurve().write(directory);
    assertTrue(Files.readString(key).startsWith("-----BEGIN EC PRIVATE KEY-----"));
  }

  @Test
  void committedDataOutlivesSigkill() throws Exception {
    try (LocalCluster server = LocalCluster.insecure()) {
      Connection connection = insecure(server, "maxroach", "bank");
      execute(connection, "CREATE TABLE accounts (id INT8 PRIMARY KEY)");
      for (int round = 1; round <= 3; round++) {
        execute(connection, "INSERT INTO accounts VALUES (" + round + ")");
        long pid = Long.parseLong(query(connection, "SELECT pg_backend_pid()"));
        ProcessHandle backend = ProcessHandle.of(pid).orElseThrow();
        server.killHard();
        assertFalse(LocalCluster.runs(backend));
        assertRefused("08001", () -> insecure(server, "maxroach", "bank"));
        server.startAgain();
        connection = insecure(server, "maxroach", "bank");
        assertEquals(Integer.toString(round), query(connection, "SELECT count(*) FROM accounts"));
      }
      connection.close();
    }
  }

  @Test
  void stopEndsConnectionsAndKeepsData() throws Exception {
    try (LocalCluster server = LocalCluster.secure()) {
      Path key = clientKey(server, "maxroach");
      Connection connection = secure(server, "maxroach", key);
      execute(connection, "CREATE TABLE accounts AS SELECT 7 AS id");
      server.stop();
      assertRefused("57P01", () -> query(connection, "SELECT 1"));
      server.startAgain();
      try (Connection again = secure(server, "maxroach", key)) {
        assertEquals("7", query(again, "SELECT id FROM accounts"));
      }
    }
  }

  @Test
  void superuserSeesBankOnEveryServer() throws Exception {
    try (LocalCluster server = LocalCluster.secure()) {
      assertEquals(
          "bank",
          server
              .asSuperuser()
              .withHandle(
                  h -> h.createQuery("SELECT current_database()").mapTo(String.class).one()));
    }
  }

  @Test
  void closeLeavesNothingBehind() throws Exception {
    LocalCluster server = LocalCluster.insecure();
    Path data;
    try (Connection root = insecure(server, "root", "bank")) {
      data = Path.of(query(root, "SHOW data_directory"));
    }
    ProcessHandle postmaster = postmaster(data);
    assertTrue(LocalCluster.runs(postmaster));
    server.close();
    assertFalse(LocalCluster.runs(postmaster));
    assertFalse(Files.exists(data.getParent()));
  }

  @Test
  void mainRunsAnInsecureServerUntilCtrlC() throws Exception {
    int port = Server.freePort();
    try (Script.Running main = standIn("--port=" + port).start()) {
      main.awaitText("Ctrl-C");
      String url = "postgresql://maxroach@localhost:" + port + "/bank?sslmode=disable";
      assertTrue(main.out().contains("./jbangw BankInsecure.java --init --url='" + url + "'"));
      Path data;
      try (Connection root = connect(port, "root", "defaultdb", "sslmode", "disable")) {
        data = Path.of(query(root, "SHOW data_directory"));
      }
      ProcessHandle postmaster = postmaster(data);
      main.signal("INT");
      Script.Result result = main.await();
      assertEquals(130, result.status());
      assertEquals("", result.err());
      assertFalse(LocalCluster.runs(postmaster));
      assertFalse(Files.exists(data.getParent()));
    }
  }

  @Test
  void mainMakesCertificatesOnceAndUsesThemAgain(@TempDir Path directory) throws Exception {
    int port = Server.freePort();
    Path certs = directory.resolve("certs");
    byte[] first = null;
    for (int run = 1; run <= 2; run++) {
      try (Script.Running main =
          standIn("--secure", "--port=" + port, "--certs-dir=certs")
              .workingDirectory(directory)
              .start()) {
        main.awaitText("Ctrl-C");
        Path key = pkcs8(certs.resolve("client.root.key"), directory.resolve("root.pk8"));
        connect(
                port,
                "root",
                "defaultdb",
                "sslmode",
                "verify-full",
                "sslrootcert",
                certs.resolve("ca.crt").toString(),
                "sslcert",
                certs.resolve("client.root.crt").toString(),
                "sslkey",
                key.toString())
            .close();
        byte[] authority = Files.readAllBytes(certs.resolve("ca.crt"));
        first = run == 1 ? authority : first;
        assertEquals(new String(first), new String(authority));
        main.signal("TERM");
        assertEquals(143, main.await().status());
      }
    }
  }

  @Test
  void mainSaysThatItsPortIsTaken() throws Exception {
    try (LocalCluster server = LocalCluster.insecure()) {
      Script.Result result = standIn("--port=" + server.port()).run();
      assertEquals(1, result.status());
      assertEquals("", result.out());
      assertTrue(result.err().startsWith("error: cannot listen on port"), result::err);
    }
  }

  /** Runs main with this user's own home, where the unpacked PostgreSQL lies. */
  private static Script standIn(String... arguments) {
    return Script.of("LocalCluster", arguments).home(Path.of(System.getProperty("user.home")));
  }

  private static ProcessHandle postmaster(Path data) throws IOException {
    String pid = Files.readAllLines(data.resolve("postmaster.pid")).get(0).trim();
    return ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
  }

  private static Connection insecure(Server server, String user, String database)
      throws SQLException {
    return connect(server.port(), user, database, "sslmode", "disable");
  }

  private static Connection secure(Server server, String user, Path key) throws SQLException {
    return secure(server, user, key, "");
  }

  private static Connection secure(Server server, String user, Path key, String password)
      throws SQLException {
    // An empty name keeps the driver from its default files.
    String certificate = key == null ? "" : key.toString().replaceFirst("\\.key(\\.pk8)?$", ".crt");
    return connect(
        server.port(),
        user,
        "bank",
        "password",
        password,
        "sslmode",
        "verify-full",
        "sslrootcert",
        server.certs().resolve("ca.crt").toString(),
        "sslcert",
        certificate,
        "sslkey",
        key == null ? "" : key.toString());
  }

  private static Connection connect(int port, String user, String database, String... properties)
      throws SQLException {
    Properties all = new Properties();
    all.setProperty("user", user);
    for (int i = 0; i < properties.length; i += 2) {
      all.setProperty(properties[i], properties[i + 1]);
    }
    return DriverManager.getConnection("jdbc:postgresql://localhost:" + port + "/" + database, all);
  }

  /** The user's key as pgjdbc can read it. */
  private static Path clientKey(Server server, String user) throws IOException {
    Path key = server.certs().resolve("client." + user + ".key");
    return pkcs8(key, server.certs().resolve("client." + user + ".key.pk8"));
  }

  private static Path pkcs8(Path key, Path target) throws IOException {
    try (PEMParser parser = new PEMParser(Files.newBufferedReader(key))) {
      PEMKeyPair keys = (PEMKeyPair) parser.readObject();
      Files.write(target, keys.getPrivateKeyInfo().getEncoded());
      return Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-------"));
    }
  }

  private static String permissions(Path file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String query(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      assertTrue(rows.next(), sql);
      return rows.getString(1);
    }
  }

  private static void assertRefused(String state, Executable action) {
    SQLException e = assertThrows(SQLException.class, action);
    assertEquals(state, e.getSQLState(), e::getMessage);
  }
}
