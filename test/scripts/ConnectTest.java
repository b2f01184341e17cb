import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Every way in, what wins where there are several, and that nothing but a proven server is one. */
@Timeout(180)
class ConnectTest {

  private static final Certificates AUTHORITY = new Certificates();
  private static final String URL_OF_USER = "postgresql://maxroach@localhost:";

  @TempDir static Path shared;

  private static LocalCluster insecure;
  private static LocalCluster secure;
  private static LocalCluster password;

  @TempDir Path directory;

  /** What stands in a row of a table of good URLs: the URL, and what is said of it. */
  private record Form(String url, String connectedTo) {}

  @BeforeAll
  static void startServers() throws IOException {
    AUTHORITY.writeAll(shared);
    insecure = LocalCluster.insecure();
    insecure
        .asSuperuser("defaultdb")
        .useHandle(
            root -> {
              root.execute("CREATE ROLE \"max roach+1%\" LOGIN");
              root.execute("CREATE DATABASE \"the bänk/1\" OWNER \"max roach+1%\"");
            });
    insecure
        .asSuperuser()
        .useHandle(
            root -> {
              root.execute("CREATE SCHEMA other CREATE TABLE accounts (id INT8, balance INT8)");
              root.execute("INSERT INTO other.accounts VALUES (1, 1)");
              root.execute("GRANT ALL ON SCHEMA other TO maxroach");
              root.execute("GRANT ALL ON other.accounts TO maxroach");
            });
    secure = LocalCluster.builder().certs(shared).start();
    password = LocalCluster.builder().certs(shared).password(ErrorForm.PASSWORD).start();
  }

  @AfterAll
  static void stopServers() {
    Stream.of(insecure, secure, password).forEach(LocalCluster::close);
  }

  @TestFactory
  Stream<DynamicTest> everyFormOfUrl() throws IOException {
    int port = insecure.port();
    int dead = Server.freePort();
    String local = "localhost:" + port;
    String usual = local + ", database bank, user maxroach";
    List<Form> forms =
        List.of(
            new Form(URL_OF_USER + port + "/bank", usual),
            new Form(URL_OF_USER + port + "/bank?sslmode=disable", usual),
            new Form("postgres://maxroach@" + local + "/bank", usual),
            new Form("cockroachdb://maxroach@" + local + "/bank", usual),
            new Form("postgresql://maxroach@" + local, usual),
            new Form("postgresql://maxroach@" + local + "/", usual),
            new Form("postgresql://" + local + "/bank", usual),
            new Form("postgresql://" + local, usual),
            new Form("postgresql://" + local + "?sslmode=disable", usual),
            new Form("postgresql://maxroach:" + ErrorForm.ENCODED_PASSWORD + "@" + local, usual),
            new Form("postgresql://maxroach:@" + local, usual),
            new Form("jdbc:postgresql://" + local + "/bank?user=maxroach", usual),
            new Form("jdbc:postgresql://" + local + "/bank?user=maxroach&sslmode=disable", usual),
            new Form("jdbc:postgresql://" + local + "/", usual),
            new Form(
                "postgresql://max%20roach%2B1%25@" + local + "/the%20b%C3%A4nk%2F1",
                local + ", database the bänk/1, user max roach+1%"),
            new Form(
                "postgresql://max%20roach+1%25@" + local + "/the%20b%c3%a4nk%2f1",
                local + ", database the bänk/1, user max roach+1%"),
            new Form(
                "postgresql://maxroach@127.0.0.1:" + port + "/bank",
                "127.0.0.1:" + port + ", database bank, user maxroach"),
            new Form(
                "postgresql://maxroach@localhost:" + dead + "," + local + "/bank",
                "localhost:" + dead + "," + usual),
            new Form(
                "postgresql://maxroach@" + local + ",localhost:" + dead + "/bank",
                local + ",localhost:" + dead + ", database bank, user maxroach"),
            new Form(
                "postgresql://maxroach@no-such-host.invalid:1," + local + "/bank",
                "no-such-host.invalid:1," + usual));
    return Case.tests(
        forms.stream()
            .map(form -> connects(form.url(), insecure(form.url()), form.connectedTo()))
            .toList());
  }

  @Test
  void addressOfIpVersion6() throws Exception {
    Assumptions.assumeTrue(hasLoopbackOfVersion6(), "no IPv6 on this machine");
    try (FaultProxy proxy = FaultProxy.to(insecure.port());
        Door door = Door.to(proxy.port(), InetAddress.getByName("::1"))) {
      Script.Result result = insecure("postgresql://maxroach@[::1]:" + door.port() + "/bank").run();
      assertConnected("[::1]:" + door.port() + ", database bank", result);
      assertEquals("", result.err());
    }
  }

  @TestFactory
  Stream<DynamicTest> whatWins() {
    String good = URL_OF_USER + insecure.port() + "/bank";
    String bad = URL_OF_USER + insecure.port() + "/no_such_database";
    String said = "localhost:" + insecure.port() + ", database bank";
    return Case.tests(
        List.of(
            connects(
                "DATABASE_URL, without --url",
                script("BankInsecure").environment("DATABASE_URL", good),
                said),
            connects(
                "--url over DATABASE_URL", insecure(good).environment("DATABASE_URL", bad), said),
            connects(
                "an empty DATABASE_URL is none",
                insecure(good).environment("DATABASE_URL", ""),
                said),
            connects(
                "COCKROACH_CERTS_DIR, without --certs-dir",
                script("BankSecure", "--url=" + url(secure))
                    .environment("COCKROACH_CERTS_DIR", shared.toString()),
                "encrypted"),
            connects(
                "--certs-dir over COCKROACH_CERTS_DIR",
                secure(url(secure), shared).environment("COCKROACH_CERTS_DIR", "nowhere"),
                "encrypted"),
            connects(
                "the folder certs, without either",
                script("BankSecure", "--url=" + url(secure)).workingDirectory(parent()),
                "encrypted"),
            connects(
                "the driver's own settings in the URL",
                insecure(good + "?options=-c%20search_path%3Dother"),
                "Accounts: 1 before"),
            connects(
                "options as CockroachDB Cloud writes them",
                insecure(good + "?options=--search_path%3Dother"),
                "Accounts: 1 before")));
  }

  @TestFactory
  Stream<DynamicTest> withoutPortItIs26257() {
    ErrorForm form = new ErrorForm(5, "no-such-host.invalid:26257");
    String host = "no-such-host.invalid";
    return Case.tests(
        List.of(
            new Case("libpq", secure("postgresql://" + host + "/bank", shared), form),
            new Case("JDBC", secure("jdbc:postgresql://" + host + "/bank", shared), form),
            new Case("neither", secure("postgresql://" + host, shared), form),
            new Case(
                "several hosts",
                secure("postgresql://other.invalid:7," + host + "/bank", shared),
                new ErrorForm(5, "other.invalid:7,no-such-host.invalid:26257"))));
  }

  @TestFactory
  Stream<DynamicTest> passwords() throws IOException {
    Path onlyAuthority = Files.createDirectory(directory.resolve("only-authority"));
    AUTHORITY.writeAuthority(onlyAuthority);
    String url = url(password);
    String withPassword = url.replace("@", ":" + ErrorForm.ENCODED_PASSWORD + "@");
    Path home = Files.createDirectory(directory.resolve("home"));
    passwordFile(home, ErrorForm.PASSWORD);
    Path wrongHome = Files.createDirectory(directory.resolve("wrong-home"));
    passwordFile(wrongHome, "geheim-not");
    return Case.tests(
        List.of(
            connects("in the URL", secure(withPassword, onlyAuthority), "encrypted"),
            connects(
                "in a JDBC URL",
                secure(
                    "jdbc:postgresql://localhost:%d/bank?user=maxroach&password=%s"
                        .formatted(password.port(), ErrorForm.ENCODED_PASSWORD),
                    onlyAuthority),
                "encrypted"),
            connects(
                "PGPASSWORD",
                secure(url, onlyAuthority).environment("PGPASSWORD", ErrorForm.PASSWORD),
                "encrypted"),
            connects("~/.pgpass", secure(url, onlyAuthority).home(home), "encrypted"),
            connects(
                "the URL over PGPASSWORD",
                secure(withPassword, onlyAuthority).environment("PGPASSWORD", "geheim-not"),
                "encrypted"),
            connects(
                "PGPASSWORD over ~/.pgpass",
                secure(url, onlyAuthority)
                    .home(wrongHome)
                    .environment("PGPASSWORD", ErrorForm.PASSWORD),
                "encrypted"),
            connects(
                "of BankBasic",
                basic(
                    withPassword + "?sslmode=verify-full&sslrootcert=" + shared.resolve("ca.crt")),
                "1 900"),
            new Case(
                "wrong, with --verbose and --echo",
                secure(url.replace("@", ":geheim@"), onlyAuthority, "--verbose", "--echo"),
                result -> {
                  assertEquals(5, result.status());
                  ErrorForm.assertNoPassword(result);
                })));
  }

  @TestFactory
  Stream<DynamicTest> keysAndAuthorities() throws IOException {
    Path home = Files.createDirectory(directory.resolve("home"));
    AUTHORITY.writeAuthority(Files.createDirectory(home.resolve(".postgresql")));
    Files.move(home.resolve(".postgresql/ca.crt"), home.resolve(".postgresql/root.crt"));
    Path withoutAuthority = copyOfCerts("without-authority");
    Files.delete(withoutAuthority.resolve("ca.crt"));
    Path foreignAuthority = copyOfCerts("foreign-authority");
    new Certificates().writeAuthority(foreignAuthority);
    Path severalAuthorities = copyOfCerts("several-authorities");
    new Certificates().writeAuthority(severalAuthorities);
    Files.writeString(
        severalAuthorities.resolve("ca.crt"),
        Files.readString(severalAuthorities.resolve("ca.crt"))
            + Files.readString(shared.resolve("ca.crt")));
    Path pkcs8 = copyOfCerts("pkcs8");
    AUTHORITY.client("maxroach").write(pkcs8, Certificates.KeyFormat.PKCS8_PEM);
    Path der = copyOfCerts("der");
    Files.delete(der.resolve("client.maxroach.key"));
    AUTHORITY.client("maxroach").write(der, Certificates.KeyFormat.PKCS8_DER);
    Path pkcs8Curve = copyOfCerts("pkcs8-curve");
    AUTHORITY
        .client("maxroach")
        .ellipticCurve()
        .write(pkcs8Curve, Certificates.KeyFormat.PKCS8_PEM);
    String url = url(secure);
    String files =
        "?sslrootcert=%s&sslcert=%s&sslkey=%s"
            .formatted(
                shared.resolve("ca.crt"),
                shared.resolve("client.maxroach.crt"),
                shared.resolve("client.maxroach.key"));
    return Case.tests(
        List.of(
            connects("PKCS#1 key, as cockroach cert writes it", secure(url, shared), "encrypted"),
            connects("PKCS#8 key", secure(url, pkcs8), "encrypted"),
            connects(
                "DER key, as --also-generate-pkcs8-key writes it", secure(url, der), "encrypted"),
            connects(
                "DER key, named by the URL",
                secure(url + "?sslkey=" + der.resolve("client.maxroach.key.pk8"), der),
                "encrypted"),
            connects("elliptic curve, PKCS#8 key", secure(url, pkcs8Curve), "encrypted"),
            connects(
                "the files that the URL names",
                secure(url + files, directory.resolve("nowhere")),
                "encrypted"),
            connects(
                "the URL's sslrootcert over the folder's ca.crt",
                secure(url + "?sslrootcert=" + shared.resolve("ca.crt"), foreignAuthority),
                "encrypted"),
            connects(
                "~/.postgresql/root.crt, without ca.crt",
                secure(url, withoutAuthority).home(home),
                "encrypted"),
            new Case(
                "ca.crt over ~/.postgresql/root.crt",
                secure(url, foreignAuthority).home(home),
                new ErrorForm(5, "certificat", "ca.crt")),
            connects(
                "several authorities in one file", secure(url, severalAuthorities), "encrypted"),
            connects(
                "verify-full in the URL",
                secure(url + "?sslmode=verify-full", shared),
                "encrypted")));
  }

  @Test
  void keyOfRootThatItsGroupCanRead() throws Exception {
    Path certs = copyOfCerts("group");
    Path key = certs.resolve("client.maxroach.key");
    Assumptions.assumeTrue(Files.getOwner(key).getName().equals("root"), "not root's file");
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
    assertConnected("encrypted", secure(url(secure), certs).run());
  }

  @TestFactory
  Stream<DynamicTest> serversThatAreNotWhoTheyShouldBe() throws IOException {
    LocalCluster foreign = LocalCluster.builder().certs(foreignCerts()).start();
    LocalCluster otherName =
        LocalCluster.builder()
            .certs(copyOfCerts("other-name"))
            .node(AUTHORITY.node("db.example.com"))
            .start();
    LocalCluster selfSigned =
        LocalCluster.builder()
            .certs(copyOfCerts("self-signed"))
            .node(AUTHORITY.node("localhost").selfSigned())
            .start();
    LocalCluster expired =
        LocalCluster.builder()
            .certs(copyOfCerts("expired-node"))
            .node(AUTHORITY.node("localhost").expired())
            .start();
    ErrorForm unknownIssuer = new ErrorForm(5, "certificat", "ca.crt");
    ErrorForm wrongName = new ErrorForm(5, "host name");
    String lax = "?sslfactory=org.postgresql.ssl.NonValidatingFactory";
    String deaf = "?sslhostnameverifier=org.apache.http.conn.ssl.NoopHostnameVerifier";
    return Case.tests(
            List.of(
                new Case("of another CA", secure(url(foreign), shared), unknownIssuer),
                new Case("self-signed", secure(url(selfSigned), shared), unknownIssuer),
                new Case(
                    "expired",
                    secure(url(expired), shared),
                    new ErrorForm(5, "certificate", "expired")),
                new Case("of another host", secure(url(otherName), shared), wrongName),
                new Case(
                    "of another address",
                    secure(url(otherName).replace("localhost", "127.0.0.1"), shared),
                    wrongName),
                new Case(
                    "of another CA, with a factory in the URL that trusts all",
                    secure(url(foreign) + lax, shared),
                    unknownIssuer),
                new Case(
                    "of another host, with a verifier in the URL that takes all",
                    secure(url(otherName) + deaf, shared),
                    wrongName)))
        .onClose(
            () -> Stream.of(foreign, otherName, selfSigned, expired).forEach(LocalCluster::close));
  }

  @Test
  void insecureWarnsOnceOfAnotherMachine() throws Exception {
    Script.Result result = insecure("postgresql://maxroach:geheim@no-such-host.invalid/bank").run();
    List<String> lines = result.err().lines().toList();
    assertEquals(3, lines.size(), result::err);
    assertTrue(lines.get(0).startsWith("warning: no-such-host.invalid"), result::err);
    assertTrue(lines.get(0).contains("clear"), result::err);
    assertTrue(lines.get(1).startsWith("error: "), result::err);
    assertEquals(5, result.status());
    ErrorForm.assertNoPassword(result);
  }

  @TestFactory
  Stream<DynamicTest> verboseShowsTheStackTrace() throws IOException {
    String url = URL_OF_USER + Server.freePort() + "/bank";
    Case.Check check =
        result -> {
          List<String> lines = result.err().lines().toList();
          assertTrue(lines.stream().anyMatch(line -> line.startsWith("\tat ")), result::err);
          assertTrue(lines.get(lines.size() - 2).startsWith("error: "), result::err);
          assertEquals(5, result.status());
        };
    return Case.tests(
        List.of(
            new Case("BankInsecure", script("BankInsecure", "--url=" + url, "--verbose"), check),
            new Case("BankSecure", secure(url, shared, "--verbose"), check)));
  }

  private static Case connects(String name, Script script, String words) {
    return new Case(
        name,
        script,
        result -> {
          assertConnected(words, result);
          assertEquals("", withoutWarning(result.err()));
          ErrorForm.assertNoPassword(result);
        });
  }

  private static void assertConnected(String words, Script.Result result) {
    assertEquals(0, result.status(), result::toString);
    assertTrue(result.out().contains(words), result::toString);
  }

  private static String withoutWarning(String err) {
    return err.replaceFirst("warning: .*no-such-host.*\\R", "");
  }

  private static Script insecure(String url) {
    return script("BankInsecure", "--url=" + url);
  }

  private static Script secure(String url, Path certs, String... more) {
    List<String> arguments = new ArrayList<>(List.of("--url=" + url, "--certs-dir=" + certs));
    arguments.addAll(List.of(more));
    return script("BankSecure", arguments.toArray(String[]::new));
  }

  private static Script basic(String url) {
    return Script.of("BankBasic", "--url=" + url);
  }

  /** With nothing to do but to connect. */
  private static Script script(String name, String... arguments) {
    List<String> all = new ArrayList<>(List.of("--accounts=0", "--transfers=0"));
    all.addAll(List.of(arguments));
    return Script.of(name, all.toArray(String[]::new));
  }

  private static String url(Server server) {
    return URL_OF_USER + server.port() + "/bank";
  }

  /** A directory whose folder certs is the shared one. */
  private Path parent() {
    try {
      Path parent = Files.createDirectory(directory.resolve("parent"));
      TemporaryDirectory.copy(shared, Files.createDirectory(parent.resolve("certs")));
      return parent;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path copyOfCerts(String name) throws IOException {
    Path copy = Files.createDirectory(directory.resolve(name));
    TemporaryDirectory.copy(shared, copy);
    return copy;
  }

  private Path foreignCerts() throws IOException {
    Path certs = Files.createDirectory(directory.resolve("foreign-server"));
    new Certificates().writeAll(certs);
    return certs;
  }

  private static void passwordFile(Path home, String secret) throws IOException {
    Path file = home.resolve(".pgpass");
    Files.writeString(file, "localhost:" + password.port() + ":*:maxroach:" + secret + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
  }

  private static boolean hasLoopbackOfVersion6() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("::1"))) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
