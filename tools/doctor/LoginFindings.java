import java.util.List;
import java.util.Properties;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What an error means that came after the connection to a host was open. */
final class LoginFindings {

  /**
   * A message, what it means, and what to do.
   *
   * @param states the SQLSTATEs, as a regular expression
   * @param words the words of the message, as a regular expression
   * @param command for the advice, from the message's first group; may return nothing
   */
  private record Rule(
      String states, String words, String check, String advice, Function<String, String> command) {
    private Rule {
      words = "(?is).*" + words + ".*";
    }

    private Matcher matcher(String said) {
      return Pattern.compile(words).matcher(said);
    }
  }

  private final Fixes fixes;
  private final Properties settings;
  private final boolean secure;

  LoginFindings(Fixes fixes, Properties settings, boolean secure) {
    this.fixes = fixes;
    this.settings = settings;
    this.secure = secure;
  }

  /**
   * Explains an error.
   *
   * @param inside whether the user was let in before
   */
  Examination.Finding explain(Throwable e, boolean inside) {
    String state = Reason.sqlState(e);
    String reason = Reason.of(e);
    String said = reason + (state.isEmpty() ? "" : " (SQLSTATE " + state + ")");
    for (Rule rule : secure ? rules() : insecureRules()) {
      Matcher words = rule.matcher(reason);
      if (state.matches(rule.states) && words.matches()) {
        String group = words.groupCount() > 0 ? words.group(1) : "";
        String command = rule.command.apply(group);
        return new Examination.Finding(rule.check, said, rule.advice, command);
      }
    }
    String advice = "Look for the reason in the log of the server.";
    return new Examination.Finding(inside ? "database" : "login", said, advice, "");
  }

  private List<Rule> insecureRules() {
    Rule encryption =
        new Rule(
            ".*",
            "(?:no encryption|secure mode|SSL connection|encryption is required|SSL required).*",
            "protocol",
            "That cluster is secure. Ask for encryption:",
            any -> fixes.with("sslmode", "verify-full"));
    return Stream.concat(Stream.of(encryption), rules().stream()).toList();
  }

  private List<Rule> rules() {
    String password = "Correct the password in the URL, PGPASSWORD or ~/.pgpass.";
    String root = "Run as root:";
    return List.of(
        // What stands between.
        new Rule(
            ".*",
            "unsupported startup parameter(?: in options)?:? *\"?(\\w*)",
            "protocol",
            "A PgBouncer is there. Add this to its pgbouncer.ini, and reload it:",
            this::ignoredParameters),
        new Rule(
            ".*",
            "command-line options",
            "protocol",
            "A proxy is there that takes no options. Connect to a node of the cluster directly.",
            any -> ""),
        new Rule(
            ".*",
            "(?:no such database: |bouncer config error|pgbouncer cannot"
                + " connect|server_login_retry|server login has been failing).*",
            "database",
            "A PgBouncer is there. Correct its [databases], or start the server behind it.",
            any -> ""),
        new Rule(
            ".*",
            "codeParamsRoutingFailed|missing cluster (?:identifier|name)",
            "URL",
            "Copy the URL from the console of CockroachDB Cloud: it names the cluster.",
            any -> ""),
        new Rule(
            "26000|42P05",
            "prepared statement",
            "database",
            "A pooler is there that mixes up prepared statements. Do without them:",
            any -> fixes.with("prepareThreshold", "0")),
        // A node that takes no clients.
        new Rule(
            "57P01|57P03|08...|",
            "(?:not accepting clients|shutting down|starting up|draining|node is not ready).*",
            "host",
            "Wait until the node is back, or use another node of the cluster.",
            any -> ""),
        new Rule(
            "53300|53400|08...|",
            "(?:too many|remaining connection slots|connection limit|max_client_conn|no more"
                + " connections).*",
            "login",
            "Close other connections, wait until others close theirs, or raise the limit.",
            any -> ""),
        // Certificates.
        new Rule(
            ".*",
            "fatal alert: (protocol_version|handshake_failure|insufficient_security)",
            "protocol",
            "The server and this Java have no version of TLS in common. Update the older one.",
            any -> ""),
        new Rule(
            ".*",
            "(?:protocol version .* not accepted|no appropriate protocol)",
            "protocol",
            "The server and this Java have no version of TLS in common. Update the older one.",
            any -> ""),
        // The database.
        new Rule("3D000|3F000|42602", "", "database", root, any -> fixes.createBank()),
        // The user.
        new Rule(".*", "role .* does not exist", "login", root, any -> fixes.createUser()),
        new Rule(
            ".*",
            "(?:permitted to log in|login privilege|account is locked|locked out).*",
            "login",
            root,
            any -> fixes.sql("", "ALTER USER {user} WITH LOGIN")),
        new Rule(
            ".*",
            "password (?:is|has) expired",
            "login",
            "The password has expired. " + root,
            any -> fixes.sql("", "ALTER USER {user} VALID UNTIL 'infinity'")),
        new Rule(
            ".*",
            "SCRAM.*iterations",
            "login",
            "The server asks for more work than the URL allows. Allow it:",
            any -> fixes.with("scramMaxIterations", "1000000")),
        new Rule(
            "28000",
            "pg_hba.conf",
            "login",
            "The server's pg_hba.conf lets nobody in like this. Change it there.",
            any -> ""),
        new Rule(
            "28P01|28000",
            "password authentication failed",
            "login",
            password + " " + otherReasons(),
            any -> settings.containsKey("password") ? "" : fixes.createUser()),
        new Rule(".*", "password", "login", password, any -> ""),
        new Rule(
            "42501",
            "",
            "login",
            root,
            any -> fixes.sql("", "GRANT ALL ON DATABASE {database} TO {user}")),
        new Rule(
            "08...|",
            "(?:timed? ?out|connection attempt).*",
            "login",
            "Look at the server: it answers late, waits for other nodes, or has none behind it.",
            any -> ""));
  }

  /** CockroachDB says the same of each of them, so that nobody can guess users. */
  private String otherReasons() {
    return settings.containsKey("password")
        ? "Or the user is missing, or the password has expired (VALID UNTIL)."
        : "Or the user is missing; run as root:";
  }

  private String ignoredParameters(String parameter) {
    return "ignore_startup_parameters = extra_float_digits, "
        + (parameter.isEmpty() ? "options" : parameter);
  }
}
