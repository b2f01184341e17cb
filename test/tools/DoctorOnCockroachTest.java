import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The doctor knows what CockroachDB says; skipped if there is no {@code cockroach}. */
@Timeout(180)
class DoctorOnCockroachTest {

  private static Cockroach secure;
  private static Cockroach insecure;
  private static DoctorStage stage;

  @BeforeAll
  static void start() throws IOException {
    secure = Cockroach.start(true);
    insecure = Cockroach.start(false);
    stage = new DoctorStage();
    secure
        .asSuperuser("bank")
        .useHandle(
            root -> {
              root.execute("CREATE USER paula WITH PASSWORD 'geheim1'");
              root.execute("CREATE USER nora WITH NOLOGIN PASSWORD 'geheim1'");
              root.execute("CREATE USER ed WITH PASSWORD 'geheim1' VALID UNTIL '2020-01-01'");
              root.execute("GRANT ALL ON DATABASE bank TO paula, nora, ed");
            });
  }

  @AfterAll
  static void stop() {
    for (AutoCloseable each : new AutoCloseable[] {secure, insecure, stage}) {
      try {
        if (each != null) {
          each.close();
        }
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  @Test
  void isWell() {
    for (String url : new String[] {of("maxroach"), of("paula:geheim1")}) {
      assertWell(onSecure(url));
    }
    assertWell(stage.doctor("--url=" + insecure.url()));
  }

  private static void assertWell(DoctorStage.Run run) {
    assertEquals(0, run.status(), run::toString);
    assertTrue(run.out().lines().count() <= 24 + 12, run.out());
    assertTrue(run.out().contains("✓ isolation serializable"), run.out());
  }

  @Test
  void knowsTheMessagesOfALogin() {
    String limit = of("paula:geheim1") + "?scramMaxIterations=100000";
    assertBroken(onSecure(limit), "login", "SCRAM PBKDF2 iterations", "scramMaxIterations=1000000");
    String password = "password authentication failed";
    assertBroken(onSecure(of("paula:wrong")), "login", password, "Correct the password");
    assertBroken(onSecure(of("ed:geheim1")), "login", password, "VALID UNTIL");
    assertBroken(onSecure(of("nobody:x")), "login", password, "the user is missing");
    assertBroken(onSecure(of("nora:geheim1")), "login", "login privilege", "WITH LOGIN");
    assertBroken(onSecure(of("paula")), "client", "no password", "PGPASSWORD");
    String plain = of("maxroach") + "?sslmode=disable";
    assertBroken(onSecure(plain), "protocol", "running secure mode", "sslmode=verify-full");
    String other = of("maxroach").replace("/bank", "/no_such");
    assertBroken(onSecure(other), "database", "does not exist", "CREATE DATABASE IF NOT EXISTS");
  }

  @Test
  void knowsTheMessagesOfCertificates() throws IOException {
    try (TemporaryDirectory folder = TemporaryDirectory.create("foreign-")) {
      Certificates foreign = new Certificates();
      foreign.client("maxroach").write(folder.path());
      copy("ca.crt", folder, "ca.crt");
      assertBroken(in(folder), "client", "bad_certificate", "cert create-client");
      copy("client.root.crt", folder, "client.maxroach.crt");
      copy("client.root.key", folder, "client.maxroach.key");
      assertBroken(in(folder), "client", "requested user is maxroach", "cert create-client");
      foreign.writeAuthority(folder.path());
      assertBroken(in(folder), "server", "not by that CA", "ca.crt");
    }
  }

  @Test
  void knowsTheDbConsole() {
    String address =
        insecure
            .asSuperuser("bank")
            .withHandle(
                root ->
                    root.select("SELECT value FROM crdb_internal.node_runtime_info"
                            + " WHERE component = 'UI' AND field = 'URL'")
                        .mapTo(String.class)
                        .one());
    String url = "--url=postgresql://maxroach@localhost:" + URI.create(address).getPort() + "/bank";
    assertBroken(stage.doctor(url), "protocol", "speaks HTTP", "26257");
  }

  /** The fix is pasted as it is, with the real cockroach. */
  @Test
  void createsWhatIsMissing() throws Exception {
    String url = "--url=postgresql://carl@localhost:" + insecure.port() + "/carls?sslmode=disable";
    DoctorStage.Run run = stage.doctor(url);
    assertBroken(run, "login", "password authentication failed", "CREATE USER IF NOT EXISTS carl");
    insecure.shell(run.command());
    assertEquals(0, stage.doctor(url).status());
  }

  private static void copy(String file, TemporaryDirectory folder, String name) throws IOException {
    Path source = secure.certs().resolve(file);
    Path target = folder.path().resolve(name);
    Files.deleteIfExists(target);
    Files.copy(source, target, StandardCopyOption.COPY_ATTRIBUTES);
  }

  private static String of(String login) {
    return "postgresql://" + login + "@localhost:" + secure.port() + "/bank";
  }

  private static DoctorStage.Run onSecure(String url) {
    return stage.doctor("--url=" + url, "--certs-dir=" + secure.certs());
  }

  private static DoctorStage.Run in(TemporaryDirectory folder) {
    return stage.doctor("--url=" + of("maxroach"), "--certs-dir=" + folder.path());
  }

  private static void assertBroken(
      DoctorStage.Run run, String check, String seen, String advice) {
    assertEquals(5, run.status(), run::toString);
    String first = run.checks().get(0);
    assertTrue(first.startsWith("✗ " + check + " ") && first.contains(seen), run::toString);
    assertTrue(run.advice().contains(advice), run::toString);
  }
}
