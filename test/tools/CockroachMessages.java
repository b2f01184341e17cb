import java.util.List;

/** What CockroachDB itself says. {@code DoctorOnCockroachTest} provokes what was seen. */
final class CockroachMessages {

  private static final String SEEN = "Seen on CockroachDB 22.1.";
  private static final String NOT_SEEN = "From users' reports; not seen in our tests.";

  static final List<DoctorCase.Row> ROWS =
      List.of(
          seen(
              "… SCRAM PBKDF2 iterations, which exceeds the client-side limit of 100,000…",
              "CockroachDB 22.1 stores passwords with 119,680 iterations; pgjdbc's limit is"
                  + " 100,000.",
              "Add `scramMaxIterations=1000000` to the URL. The samples set it."),
          seen(
              "Received fatal alert: bad_certificate",
              "The client's certificate was signed by another CA than the cluster's.",
              "Run `cockroach cert create-client` with the cluster's CA."),
          seen(
              "Path does not chain with any of the trust anchors",
              "The server's certificate was signed by another CA than `ca.crt`.",
              "Copy `ca.crt` from a node of that cluster."),
          seen(
              "requested user is …, but certificate is for […]",
              "The client's certificate is another user's.",
              "Use the certificate of the URL's user."),
          seen(
              "node is running secure mode, SSL connection required",
              "The cluster is secure.",
              "Use `BankSecure.java`."),
          seen(
              "no database or schema specified",
              "The database is missing. CockroachDB lets you log in without it; its SQLSTATE is"
                  + " 42602 for CREATE TABLE, and 3D000 for SELECT.",
              "Run `CREATE DATABASE` as root."),
          seen(
              "… does not have login privilege",
              "The user was created, or changed, with `NOLOGIN`.",
              "Run `ALTER USER … WITH LOGIN` as root."),
          seen(
              "server is not accepting clients, try another node",
              "The node drains, because it shuts down.",
              "Wait until it is back, or use another node: a URL may name several hosts."),
          seen(
              "✗ protocol … speaks gRPC…",
              "The cluster was not initialized yet, or this is the port for other nodes, because"
                  + " the node was started with `--sql-addr`.",
              "Run `cockroach init` on a new cluster, or use the port of `--sql-addr`."),
          seen(
              "✗ protocol … closes each connection",
              "A load balancer has no node behind it, a secure cluster was not initialized yet, or"
                  + " this is a secure node's port for other nodes.",
              "Start the nodes, run `cockroach init` on a new cluster, or use the port of"
                  + " `--sql-addr`."),
          seen(
              "✗ protocol … speaks HTTP…",
              "This is the port of the DB Console.",
              "Use the port for SQL, 26257 if you did not change it."),
          new DoctorCase.Row(
              "unsupported startup parameter: options",
              "A PgBouncer stands in front of the database.",
              "Add `ignore_startup_parameters = extra_float_digits, options` to `pgbouncer.ini`,"
                  + " and set `default_transaction_isolation` of the database to `serializable`.",
              "Seen with PgBouncer 1.18 and the PostgreSQL stand-in."),
          notSeen(
              "sorry, too many clients already",
              "The cluster setting `server.max_connections_per_gateway` is reached.",
              "Close other connections, use a pool, or raise the setting."),
          notSeen(
              "codeParamsRoutingFailed … missing cluster identifier",
              "The URL does not name the cluster in CockroachDB Cloud.",
              "Copy the URL from the Cloud Console."),
          notSeen(
              "clock synchronization error: this node is more than 500ms away…",
              "The clock of a node is wrong, and the node stops itself.",
              "Synchronize the clocks of all nodes, for example with chrony."));

  private CockroachMessages() {}

  private static DoctorCase.Row seen(String message, String cause, String fix) {
    return new DoctorCase.Row(message, cause, fix, SEEN);
  }

  private static DoctorCase.Row notSeen(String message, String cause, String fix) {
    return new DoctorCase.Row(message, cause, fix, NOT_SEEN);
  }
}
