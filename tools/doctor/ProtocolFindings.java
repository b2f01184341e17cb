/** What it means if a host does not speak PostgreSQL's protocol. */
final class ProtocolFindings {

  private ProtocolFindings() {}

  /**
   * Explains an answer to SSLRequest that is neither S nor N.
   *
   * @param problem that ended the exchange, or nothing
   */
  static Examination.Finding explain(Host host, String problem) {
    String correct = "Correct the host and the port in the URL: CockroachDB takes SQL on 26257.";
    String answer = host.answer;
    if (answer.startsWith("HTTP/")) {
      String seen = host + " speaks HTTP, not PostgreSQL's protocol: " + answer;
      String advice = "That is a web server, such as the DB Console on 8080. " + correct;
      return finding(seen, advice);
    }
    // A record of TLS: an alert or a handshake.
    if (answer.matches("(?s)[\u0015\u0016]\u0003.*")) {
      String seen = host + " speaks TLS from the start, as HTTPS does";
      return finding(seen, "That is a web server, such as the DB Console on 8080. " + correct);
    }
    if (!answer.isEmpty()) {
      return finding(host + " is no PostgreSQL or CockroachDB: it says " + answer, correct);
    }
    if (problem.contains("timed out")) {
      String seen = host + " accepts connections, and says nothing: " + problem;
      String advice =
          "Look at the server: it hangs, waits for \"cockroach init\", or is no database.";
      return finding(seen, advice);
    }
    String seen = host + " closes each connection" + (problem.isEmpty() ? "" : ": " + problem);
    String advice =
        "Start the nodes behind it if it is a load balancer, or correct the URL: CockroachDB"
            + " takes SQL on 26257.";
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

  private static Examination.Finding finding(String seen, String advice) {
    return new Examination.Finding("protocol", seen, advice, "");
  }
}
