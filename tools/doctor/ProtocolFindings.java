import java.util.regex.Pattern;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** What it means if a host does not speak PostgreSQL's protocol. */
final class ProtocolFindings {

  private static final int MAX_SHOWN = 50;

  /** The type and the length of a message. */
  private static final int ERROR_HEADER = 5;

  private ProtocolFindings() {}

  /** A SETTINGS frame of HTTP/2, with which gRPC begins. */
  private static final Pattern GRPC = Pattern.compile("(?s)\0\0.\4\0\0\0\0\0.*");

  /**
   * Explains an answer to SSLRequest that is neither S nor N.
   *
   * @param problem that ended the exchange, or nothing
   */
  static Examination.Finding explain(Host host, String problem, Fixes fixes) {
    String correct = "Correct the host and the port in the URL: CockroachDB takes SQL on 26257.";
    String answer = host.answer;
    if (answer.startsWith("HTTP/")) {
      String firstLine = answer.lines().findFirst().orElse("");
      String seen = host + " speaks HTTP, not PostgreSQL's protocol: " + firstLine;
      String advice = "That is a web server, such as the DB Console on 8080. " + correct;
      return finding(seen, advice);
    }
    // A record of TLS: an alert or a handshake.
    if (answer.matches("(?s)[\u0015\u0016]\u0003.*")) {
      String seen = host + " speaks TLS from the start, as HTTPS does";
      return finding(seen, "That is a web server, such as the DB Console on 8080. " + correct);
    }
    if (GRPC.matcher(answer).matches()) {
      String seen = host + " speaks gRPC, as CockroachDB's nodes do with each other";
      String advice =
          "Use the port of --sql-addr if the node has one; if the cluster is new, initialize it:";
      return new Examination.Finding("protocol", seen, advice, fixes.initialize(host));
    }
    if (!answer.isEmpty()) {
      return finding(host + " is no PostgreSQL or CockroachDB: it says " + start(answer), correct);
    }
    if (problem.contains("timed out")) {
      String seen = host + " accepts connections, and says nothing: " + problem;
      String advice = "Look at the server: it hangs, or it is not a database.";
      return finding(seen, advice);
    }
    String seen = host + " closes each connection" + (problem.isEmpty() ? "" : ": " + problem);
    String advice =
        "If it is a load balancer, start the nodes behind it. If it is CockroachDB, run \"cockroach"
            + " init\" if the cluster is new, and use the port of --sql-addr if there is one. "
            + correct;
    return finding(seen, advice);
  }

  /** Explains a TLS handshake that failed before the host sent a certificate. */
  static Examination.Finding noHandshake(Host host, String reason) {
    String seen = host + " offers TLS, but the handshake fails: " + reason;
    String advice =
        reason.matches("(?is).*(protocol|version|handshake_failure).*")
            ? "The server and this Java have no version of TLS in common. Update the older one."
            : "Look at the log of that server, or correct the host and the port in the URL.";
    return finding(seen, advice);
  }

  private static String start(String answer) {
    return answer.substring(0, Math.min(MAX_SHOWN, answer.length()));
  }

  /** The error with which a server answers at once, as one does that drains; null if it is none. */
  static PSQLException error(String answer) {
    boolean isError = answer.startsWith("E\0") && answer.length() > ERROR_HEADER;
    return isError
        ? new PSQLException(new ServerErrorMessage(answer.substring(ERROR_HEADER)))
        : null;
  }

  private static Examination.Finding finding(String seen, String advice) {
    return new Examination.Finding("protocol", seen, advice, "");
  }
}
