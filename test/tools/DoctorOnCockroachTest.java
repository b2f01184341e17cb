import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The doctor knows what CockroachDB says, and what fixes it is pasted as it is, with the real
 * cockroach; skipped if there is none.
 */
@Timeout(180)
class DoctorOnCockroachTest {

  private static Server secure;
  private static Server insecure;
  private static DoctorStage stage;

  @TempDir private Path folder;

  @BeforeAll
  static void start() throws IOException {
    secure = ServerKind.COCKROACHDB_SECURE.shared();
    insecure = ServerKind.COCKROACHDB_INSECURE.shared();
    stage = new DoctorStage("jbang");
    Bank.of(secure)
        .execute(
            "CREATE USER paula WITH PASSWORD 'geheim1'",
            "CREATE USER nora WITH NOLOGIN PASSWORD 'geheim1'",
            "CREATE USER ed WITH PASSWORD 'geheim1' VALID UNTIL '2020-01-01'",
            "GRANT ALL ON DATABASE bank TO paula, nora, ed");
  }

  @AfterAll
  static void stop() {
    if (stage != null) {
      stage.close();
    }
  }

  @Test
  void isWell() {
    assertWell(onSecure(of("maxroach")));
    assertWell(onSecure(of("paula:geheim1")));
    assertWell(stage.doctor("--url=" + insecure.url()));
  }

  private static void assertWell(DoctorStage.Run run) {
    assertEquals(0, run.status(), run::toString);
    assertTrue(run.out().contains("✓ isolation serializable"), run.out());
  }

  @Test
  void knowsTheMessagesOfALogin() {
    String limit = of("paula:geheim1") + "?scramMaxIterations=100000";
    onSecure(limit).assertBroken("login", "SCRAM PBKDF2 iterations", "scramMaxIterations=1000000");
    String password = "password authentication failed";
    onSecure(of("paula:wrong")).assertBroken("login", password, "Correct the password");
    onSecure(of("ed:geheim1")).assertBroken("login", password, "VALID UNTIL");
    onSecure(of("nobody:x")).assertBroken("login", password, "the user is missing");
    onSecure(of("paula")).assertBroken("client", "no password", "PGPASSWORD");
    String plain = of("maxroach") + "?sslmode=disable";
    onSecure(plain).assertBroken("protocol", "running secure mode", "sslmode=verify-full");
  }

  @Test
  void knowsTheMessagesOfCertificates() throws IOException {
    Certificates foreign = new Certificates();
    foreign.client("maxroach").write(folder);
    copy("ca.crt", "ca.crt");
    inFolder().assertBroken("client", "bad_certificate", "cert create-client");
    copy("client.root.crt", "client.maxroach.crt");
    copy("client.root.key", "client.maxroach.key");
    inFolder().assertBroken("client", "requested user is maxroach", "cert create-client");
    foreign.writeAuthority(folder);
    inFolder().assertBroken("server", "not by that CA", "ca.crt");
  }

  @Test
  void knowsTheDbConsole() {
    String console =
        "SELECT value FROM crdb_internal.node_runtime_info WHERE component = 'UI' AND field ="
            + " 'URL'";
    String address =
        Bank.of(insecure).ask(root -> root.createQuery(console).mapTo(String.class).one());
    String url = "--url=postgresql://maxroach@localhost:" + URI.create(address).getPort() + "/bank";
    stage.doctor(url).assertBroken("protocol", "speaks HTTP", "26257");
  }

  @Test
  void fixesLogins() throws Exception {
    String missing = "postgresql://carl@localhost:" + insecure.port() + "/carls?sslmode=disable";
    String user = "CREATE USER IF NOT EXISTS carl";
    assertFixed(stage.doctor("--url=" + missing), "login", "password authentication failed", user);
    assertWell(stage.doctor("--url=" + missing));
    String database = of("maxroach").replace("/bank", "/it%27s");
    assertFixed(onSecure(database), "database", "does not exist", "CREATE DATABASE IF NOT EXISTS");
    assertWell(onSecure(database));
    assertFixed(onSecure(of("nora:geheim1")), "login", "login privilege", "WITH LOGIN");
    assertWell(onSecure(of("nora:geheim1")));
  }

  @Test
  void fixesRightsAndTables() throws Exception {
    Bank bank = Bank.create(insecure);
    String url = "--url=" + bank.url();
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8)",
        "REVOKE ALL ON accounts FROM maxroach");
    assertFixed(stage.doctor(url), "rights", "SELECT on TABLE public.accounts", "GRANT ALL");
    assertWell(stage.doctor(url));
    bank.execute("ALTER TABLE accounts ADD COLUMN owner STRING NOT NULL");
    List<String> again =
        assertFixed(stage.doctor(url), "tables", "a column owner text", "Leave").get(0);
    assertWell(stage.again(again));
  }

  private void copy(String file, String name) throws IOException {
    Path target = folder.resolve(name);
    Files.deleteIfExists(target);
    Files.copy(secure.certs().resolve(file), target, StandardCopyOption.COPY_ATTRIBUTES);
  }

  private static String of(String login) {
    return "postgresql://" + login + "@localhost:" + secure.port() + "/bank";
  }

  private static DoctorStage.Run onSecure(String url) {
    return stage.doctor("--url=" + url, "--certs-dir=" + secure.certs());
  }

  private DoctorStage.Run inFolder() {
    return stage.doctor("--url=" + of("maxroach"), "--certs-dir=" + folder);
  }

  /** Pastes the line, and returns how it called jbang. */
  private List<List<String>> assertFixed(
      DoctorStage.Run run, String check, String seen, String advice) throws Exception {
    run.assertBroken(check, seen, advice);
    return stage.paste(folder, run.command(), "");
  }
}
