import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/**
 * A PostgreSQL in place of CockroachDB: SERIALIZABLE by default, with a user root, who may create
 * users and databases, a database defaultdb, and the user maxroach with the database bank. Its
 * superuser is known to this program only.
 */
final class PostgresStandIn implements Cluster {

  private final int port;
  private final boolean secure;
  private final BankBasic.EmbeddedDatabase database;

  /**
   * Creates a database that is not started yet.
   *
   * @param access lines of pg_hba.conf; if one demands TLS, the URL does too
   * @param settings such as "ssl=on"
   */
  PostgresStandIn(int port, List<String> access, List<String> settings) throws IOException {
    this.port = port;
    this.secure = access.stream().anyMatch(line -> line.startsWith("hostssl"));
    List<String> all = new ArrayList<>(settings);
    all.add("max_connections=300");
    all.add("default_transaction_isolation=serializable");
    // Whoever creates a user may make it the owner of a database, as on CockroachDB.
    all.add("createrole_self_grant=set, inherit");
    this.database = BankBasic.EmbeddedDatabase.create(all.toArray(String[]::new));
    List<String> lines = new ArrayList<>();
    lines.add("host all postgres all scram-sha-256");
    lines.addAll(access);
    Files.write(data().resolve("pg_hba.conf"), lines);
  }

  /** Lets everyone in, without TLS. */
  static PostgresStandIn insecure(int port) throws IOException {
    return new PostgresStandIn(port, List.of("host all all all trust"), List.of());
  }

  /** Demands TLS and a client certificate that the ca.crt of this folder has signed. */
  static PostgresStandIn secure(int port, Path certs) throws IOException {
    return new PostgresStandIn(port, List.of("hostssl all all all cert"), tls(certs, certs));
  }

  /** The settings for TLS with the ca.crt of one folder and the node.crt of another. */
  static List<String> tls(Path authority, Path node) {
    return List.of(
        "ssl=on",
        "ssl_ca_file=" + absolute(authority.resolve("ca.crt")),
        "ssl_cert_file=" + absolute(node.resolve("node.crt")),
        "ssl_key_file=" + absolute(node.resolve("node.key")));
  }

  /** PostgreSQL takes a backslash in its configuration for an escape. */
  private static String absolute(Path path) {
    return path.toAbsolutePath().toString().replace('\\', '/');
  }

  @Override
  public void start() throws IOException {
    startWithRoot();
    try (Handle handle = asSuperuser("postgres").open()) {
      handle.execute("CREATE ROLE maxroach LOGIN");
      handle.execute("CREATE DATABASE bank OWNER maxroach");
      // On CockroachDB root may do everything.
      handle.execute("GRANT maxroach TO root WITH ADMIN TRUE, INHERIT TRUE, SET TRUE");
    }
  }

  /** Starts it as a new cluster is: with root and defaultdb only. */
  void startWithRoot() throws IOException {
    database.start(port);
    // On CockroachDB who may use a database may create tables in its schema public.
    asSuperuser("template1").useHandle(h -> h.execute("GRANT ALL ON SCHEMA public TO PUBLIC"));
    try (Handle handle = asSuperuser("postgres").open()) {
      handle.execute("CREATE ROLE root LOGIN CREATEDB CREATEROLE");
      handle.execute("CREATE DATABASE defaultdb OWNER root");
    }
  }

  /** Starts it again on its data, after a stop. */
  void startAgain() throws IOException {
    database.start(port);
  }

  /** Shuts it down, ending all connections with 57P01, and keeps its data. */
  void stop() throws IOException {
    database.stop("fast");
  }

  /** A connection as the superuser, postgres. */
  Jdbi asSuperuser(String name) {
    return Jdbi.create(
        "jdbc:postgresql://localhost:%d/%s?sslmode=disable&requireAuth=scram-sha-256"
            .formatted(port, name),
        "postgres",
        BankBasic.EmbeddedDatabase.PASSWORD);
  }

  /** The folder of its configuration and data. */
  Path data() {
    return database.data();
  }

  @Override
  public String version() {
    String question = "SHOW server_version";
    return "PostgreSQL "
        + asSuperuser("postgres").withHandle(h -> h.select(question).mapTo(String.class).one());
  }

  @Override
  public List<String> nodes() {
    try {
      String id = Files.readAllLines(data().resolve("postmaster.pid")).get(0).trim();
      return List.of("server   port " + port + ", process " + id);
    } catch (IOException e) {
      return List.of("server   port " + port);
    }
  }

  @Override
  public String console() {
    return null;
  }

  @Override
  public String url() {
    String url = "postgresql://maxroach@localhost:" + port + "/bank";
    return secure ? url : url + "?sslmode=disable";
  }

  @Override
  public void close() {
    database.close();
  }
}
