import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
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

/** Every way in, and every way of being kept out: what the scripts say then, and that at once. */
@Timeout(180)
class ConnectTest {

  private static final Certificates AUTHORITY = new Certificates();
  private static final String URL_OF_USER = "postgresql://maxroach@localhost:";

  @TempDir static Path shared;

  private static LocalServer insecure;
  private static LocalServer secure;
  private static LocalServer password;

  @TempDir Path directory;

  /** What stands in a row of a table of good URLs: the URL, and what is said of it. */
  private record Form(String url, String connectedTo) {}

  @BeforeAll
  static void startServers() throws IOException {
    AUTHORITY.writeAll(shared);
    insecure = LocalServer.insecure();
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
    secure = LocalServer.builder().certs(shared).start();
    password = LocalServer.builder().certs(shared).password(ErrorForm.PASSWORD).start();
  }

  @AfterAll
  static void stopServers() {
    Stream.of(insecure, secure, password).forEach(LocalServer::close);
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
        ServerSocket door = new ServerSocket(0, 8, InetAddress.getByName("::1"))) {
      relay(door, proxy.port());
      Script.Result result =
          insecure("postgresql://maxroach@[::1]:" + door.getLocalPort() + "/bank").run();
      assertConnected("[::1]:" + door.getLocalPort() + ", database bank", result);
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
    ErrorForm refused = new ErrorForm(5, "password authentication failed", "maxroach");
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
                "none",
                secure(url, onlyAuthority),
                new ErrorForm(5, "no password", "client.maxroach.crt")),
            new Case(
                "wrong in the URL", secure(url.replace("@", ":geheim@"), onlyAuthority), refused),
            new Case(
                "wrong in PGPASSWORD",
                secure(url, onlyAuthority).environment("PGPASSWORD", "geheim"),
                refused),
            new Case("wrong in ~/.pgpass", secure(url, onlyAuthority).home(wrongHome), refused),
            new Case(
                "wrong, of BankBasic",
                basic(
                    url.replace("@", ":geheim@")
                        + "?sslmode=verify-full&sslrootcert="
                        + shared.resolve("ca.crt")),
                new ErrorForm(5, "password authentication failed")),
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
                "encrypted"),
            new Case(
                "without any authority Java's own do not know ours",
                secure(url, withoutAuthority),
                new ErrorForm(5, "certificat"))));
  }

  @TestFactory
  Stream<DynamicTest> lessThanVerifiedIsRefused() {
    List<Case> cases = new ArrayList<>();
    for (String mode : List.of("disable", "allow", "prefer", "require", "verify-ca", "nonsense")) {
      cases.add(
          new Case(
              mode,
              secure(url(secure) + "?sslmode=" + mode, shared),
              new ErrorForm(2, "sslmode=" + mode)));
    }
    cases.add(
        new Case(
            "BankInsecure asked for encryption",
            insecure(url(secure) + "?sslmode=verify-full"),
            new ErrorForm(2, "sslmode=verify-full", "BankSecure")));
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> serversThatAreNotWhoTheyShouldBe() throws IOException {
    LocalServer foreign = LocalServer.builder().certs(foreignCerts()).start();
    LocalServer otherName =
        LocalServer.builder()
            .certs(copyOfCerts("other-name"))
            .node(AUTHORITY.node("db.example.com"))
            .start();
    LocalServer selfSigned =
        LocalServer.builder()
            .certs(copyOfCerts("self-signed"))
            .node(AUTHORITY.node("localhost").selfSigned())
            .start();
    LocalServer expired =
        LocalServer.builder()
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
            () -> Stream.of(foreign, otherName, selfSigned, expired).forEach(LocalServer::close));
  }

  @TestFactory
  Stream<DynamicTest> certificatesOfTheClient() throws IOException {
    Path expired = copyOfCerts("expired");
    AUTHORITY.client("maxroach").expired().write(expired);
    Path future = copyOfCerts("future");
    AUTHORITY.client("maxroach").notYetValid().write(future);
    Path foreign = copyOfCerts("foreign");
    new Certificates("O=Other, CN=Other CA").client("maxroach").write(foreign);
    Path foreignOfSameName = copyOfCerts("foreign-of-same-name");
    new Certificates().client("maxroach").write(foreignOfSameName);
    Path otherUser = copyOfCerts("other-user");
    Files.copy(shared.resolve("client.root.crt"), replaced(otherUser, "client.maxroach.crt"));
    Files.copy(shared.resolve("client.root.key"), replaced(otherUser, "client.maxroach.key"));
    Path otherKey = copyOfCerts("other-key");
    AUTHORITY.client("maxroach").withAnotherKey().write(otherKey);
    Path withoutKey = copyOfCerts("without-key");
    Files.delete(withoutKey.resolve("client.maxroach.key"));
    Path withoutCertificate = copyOfCerts("without-certificate");
    Files.delete(withoutCertificate.resolve("client.maxroach.crt"));
    Path directoryForKey = copyOfCerts("directory-for-key");
    Files.createDirectory(replaced(directoryForKey, "client.maxroach.key"));
    Path open = copyOfCerts("open");
    permit(open, "rw-r--r--");
    Path curve = copyOfCerts("curve");
    AUTHORITY.client("maxroach").ellipticCurve().write(curve);
    Path encrypted = copyOfCerts("encrypted");
    write(
        encrypted,
        "client.maxroach.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
    String certificate = "client.maxroach.crt";
    String key = "client.maxroach.key";
    List<Case> cases =
        new ArrayList<>(
            List.of(
                new Case("expired", secured(expired), new ErrorForm(5, certificate, "xpired")),
                new Case("not yet valid", secured(future), new ErrorForm(5, certificate)),
                new Case("of another CA", secured(foreign), new ErrorForm(5, "certificate")),
                new Case(
                    "of another CA of the same name",
                    secured(foreignOfSameName),
                    new ErrorForm(5, "certificate")),
                new Case("of another user", secured(otherUser), new ErrorForm(5, "certificate")),
                new Case("key of another", secured(otherKey), new ErrorForm(5, key, certificate)),
                new Case("no key", secured(withoutKey), new ErrorForm(5, key)),
                new Case(
                    "no certificate", secured(withoutCertificate), new ErrorForm(5, certificate)),
                new Case(
                    "a key that cannot be read", secured(directoryForKey), new ErrorForm(5, key)),
                new Case(
                    "a key that others can read", secured(open), new ErrorForm(5, key, "chmod")),
                new Case("an encrypted key", secured(encrypted), new ErrorForm(5, key)),
                new Case("a SEC1 key", secured(curve), new ErrorForm(5, key, "PKCS#8")),
                new Case(
                    "neither certificate nor password",
                    secured(Files.createDirectory(directory.resolve("empty"))),
                    new ErrorForm(5, certificate, "password"))));
    if (!isRoot()) {
      Path sealed = copyOfCerts("sealed");
      permit(sealed, "-w-------");
      cases.add(new Case("an unreadable key", secured(sealed), new ErrorForm(5, key, "denied")));
    }
    Path group = copyOfCerts("group");
    permit(group, "rw-r-----");
    cases.add(
        isRoot()
            ? connects("root's key that its group can read", secured(group), "encrypted")
            : new Case("a key that its group can read", secured(group), new ErrorForm(5, "chmod")));
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> garbageInAFile() throws IOException {
    List<Case> cases = new ArrayList<>();
    for (String file : List.of("ca.crt", "client.maxroach.crt", "client.maxroach.key")) {
      String whole = Files.readString(shared.resolve(file));
      String firstLine = whole.lines().findFirst().orElseThrow();
      List<String> contents =
          List.of(
              "",
              "garbage\n",
              firstLine + "\n",
              whole.substring(0, whole.length() / 2),
              whole.replaceAll("(?m)^MII.*$", "!!!!"),
              firstLine + "\nMIIB\n" + firstLine.replace("BEGIN", "END") + "\n");
      for (int i = 0; i < contents.size(); i++) {
        Path certs = copyOfCerts(file + i);
        write(certs, file, contents.get(i));
        cases.add(new Case(file + ", " + (i + 1), secured(certs), new ErrorForm(5, file)));
      }
    }
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> noWayIn() throws IOException {
    int dead = Server.freePort();
    String refused = URL_OF_USER + dead + "/bank";
    String noDatabase = URL_OF_USER + insecure.port() + "/no_such_database";
    String noUser = "postgresql://no_such_user@localhost:" + insecure.port() + "/bank";
    ErrorForm nothing = new ErrorForm(5, "refused");
    ErrorForm database = new ErrorForm(5, "database \"no_such_database\" does not exist");
    ErrorForm user = new ErrorForm(5, "role \"no_such_user\" does not exist");
    Path certsOfNobody = copyOfCerts("nobody");
    AUTHORITY.client("no_such_user").write(certsOfNobody);
    return Case.tests(
        List.of(
            new Case("nothing listens: BankInsecure", insecure(refused), nothing),
            new Case("nothing listens: BankSecure", secure(refused, shared), nothing),
            new Case("nothing listens: BankBasic", basic(refused), nothing),
            new Case(
                "nothing listens on several hosts",
                insecure(refused.replace("/bank", ",localhost:" + Server.freePort() + "/bank")),
                nothing),
            new Case(
                "unknown host: BankSecure",
                secure("postgresql://maxroach@no-such-host.invalid/bank", shared),
                new ErrorForm(5, "unknown host", "no-such-host.invalid")),
            new Case(
                "unknown host: BankBasic",
                basic("postgresql://maxroach@no-such-host.invalid/bank"),
                new ErrorForm(5, "no-such-host.invalid")),
            new Case("no such database: BankInsecure", insecure(noDatabase), database),
            new Case(
                "no such database: BankSecure",
                secure(URL_OF_USER + secure.port() + "/no_such_database", shared),
                database),
            new Case("no such database: BankBasic", basic(noDatabase), database),
            new Case("no such user: BankInsecure", insecure(noUser), user),
            new Case(
                "no such user: BankSecure",
                secure(
                    "postgresql://no_such_user@localhost:" + secure.port() + "/bank",
                    certsOfNobody),
                user),
            new Case("no such user: BankBasic", basic(noUser), user),
            new Case(
                "a server without TLS",
                secure(url(insecure), shared),
                new ErrorForm(5, "SSL", "BankInsecure")),
            new Case(
                "a server with nothing but TLS: BankInsecure",
                insecure(url(secure)),
                new ErrorForm(5, "BankSecure")),
            new Case(
                "a server with nothing but TLS: BankBasic",
                basic(url(secure) + "?sslmode=disable"),
                new ErrorForm(5, "sslmode")),
            new Case(
                "a certificate demanded: BankBasic",
                basic(url(secure) + "?sslmode=require"),
                new ErrorForm(5, "certificate")),
            new Case(
                "root without a certificate: --init",
                secure(url(secure), certsWithoutRoot(), "--init"),
                new ErrorForm(5, "client.root.crt"))));
  }

  @TestFactory
  Stream<DynamicTest> serversThatAreNoDatabase() throws IOException {
    ServerSocket silent = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    ServerSocket rude = door(Socket::close);
    ServerSocket web =
        door(
            client -> {
              client.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes());
              client.close();
            });
    List<Case> cases = new ArrayList<>();
    for (ServerSocket door : List.of(silent, rude, web)) {
      String what = door == silent ? "never answers" : door == rude ? "hangs up" : "speaks HTTP";
      String url = URL_OF_USER + door.getLocalPort() + "/bank";
      ErrorForm form = new ErrorForm(5);
      cases.add(new Case(what + ": BankInsecure", bounded(insecure(url)), form));
      cases.add(new Case(what + ": BankSecure", bounded(secure(url, shared)), form));
      cases.add(new Case(what + ": BankBasic", bounded(basic(url)), form));
    }
    cases.add(
        new Case(
            "never answers without TLS: BankBasic",
            bounded(basic(URL_OF_USER + silent.getLocalPort() + "/bank?sslmode=disable")),
            new ErrorForm(5)));
    return Case.tests(cases)
        .onClose(
            () -> {
              for (ServerSocket door : List.of(silent, rude, web)) {
                close(door);
              }
            });
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

  private static Script secured(Path certs) {
    return secure(url(secure), certs);
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

  private static Script bounded(Script script) {
    return script.timeLimit(Duration.ofSeconds(10));
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

  private Path certsWithoutRoot() throws IOException {
    Path certs = copyOfCerts("without-root");
    Files.delete(certs.resolve("client.root.crt"));
    Files.delete(certs.resolve("client.root.key"));
    return certs;
  }

  private static Path replaced(Path certs, String file) throws IOException {
    Files.delete(certs.resolve(file));
    return certs.resolve(file);
  }

  /** Writes what stands in a file and leaves its permissions. */
  private static void write(Path certs, String file, String content) throws IOException {
    Files.writeString(certs.resolve(file), content);
  }

  private static void permit(Path certs, String permissions) throws IOException {
    Files.setPosixFilePermissions(
        certs.resolve("client.maxroach.key"), PosixFilePermissions.fromString(permissions));
  }

  private static void passwordFile(Path home, String secret) throws IOException {
    Path file = home.resolve(".pgpass");
    Files.writeString(file, "localhost:" + password.port() + ":*:maxroach:" + secret + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
  }

  private static boolean isRoot() {
    return System.getProperty("user.name").equals("root");
  }

  private static boolean hasLoopbackOfVersion6() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("::1"))) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }

  /** What a server does with each of its clients. */
  private interface Manners {
    void meet(Socket client) throws IOException;
  }

  private static ServerSocket door(Manners manners) throws IOException {
    ServerSocket door = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    serve(door, manners);
    return door;
  }

  private static void relay(ServerSocket door, int port) {
    serve(
        door,
        client -> {
          Socket server = new Socket(InetAddress.getLoopbackAddress(), port);
          inBackground(() -> client.getInputStream().transferTo(server.getOutputStream()));
          inBackground(() -> server.getInputStream().transferTo(client.getOutputStream()));
        });
  }

  private static void serve(ServerSocket door, Manners manners) {
    inBackground(
        () -> {
          while (true) {
            manners.meet(door.accept());
          }
        });
  }

  private interface Task {
    void run() throws IOException;
  }

  private static void inBackground(Task task) {
    Thread thread =
        new Thread(
            () -> {
              try {
                task.run();
              } catch (IOException e) {
                // One of the two has hung up, or the test has closed the door.
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  private static void close(ServerSocket door) {
    try {
      door.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
