import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.postgresql.util.PSQLException;

/**
 * One examination, from the URL to the tables. pgjdbc decides what works: each host is tried with
 * the settings of BankSecure or BankInsecure, and the checks explain what pgjdbc refused.
 */
final class Diagnosis {

  private final String given;
  private final String folder;
  private final Map<String, String> environment;
  private final Examination examination = new Examination();

  private DoctorUrl url;
  private Fixes fixes;

  /** As given, then completed by BankSecure or BankInsecure. */
  private Properties settings = new Properties();

  private boolean secure;

  /** The key's file, before BankSecure converted it. */
  private Path key;

  private ServerChecks serverChecks;
  private ClientChecks clientChecks;

  /**
   * Prepares the examination.
   *
   * @param url as given, or null
   * @param folder of certificates, or null
   */
  Diagnosis(String url, String folder, Map<String, String> environment) {
    this.given = url;
    this.folder = folder;
    this.environment = environment;
  }

  /** Examines everything up to the first broken check that no host passes. */
  void run() {
    try {
      examine();
    } catch (Examination.Finding e) {
      examination.record(e);
    }
  }

  Examination examination() {
    return examination;
  }

  private void examine() {
    readUrl();
    List<Host> hosts = examination.hostsThatPass(hosts(), inTime("host", this::reach));
    secure = wantsEncryption(hosts);
    fixes.useHost(hosts.get(0), secure);
    hosts = examination.hostsThatPass(hosts, inTime("protocol", this::checkProtocol));
    requireExpandedFolder();
    RuntimeException unusable = prepare();
    hosts = examination.hostsThatPass(hosts, inTime("login", host -> logIn(host, unusable)));
    use(hosts);
    inTime("database", this::checkDatabase).accept(hosts.get(0));
  }

  /** Lets a step take no longer than the host's time. */
  private static Consumer<Host> inTime(String check, Consumer<Host> step) {
    return host -> {
      host.check = check;
      try {
        host.deadline.run(() -> step.accept(host));
      } catch (TimeoutException e) {
        String seen = "%s was not ready after %d s";
        throw new Examination.Finding(
            host.check,
            seen.formatted(host, Deadline.PER_HOST.toSeconds()),
            "Look at the server, and at what stands between: a firewall, a load balancer.",
            "");
      }
    };
  }

  // ---- URL ----

  private void readUrl() {
    String text = given == null || given.isBlank() ? environment.get("DATABASE_URL") : given;
    boolean isGiven = text != null && !text.isBlank();
    DoctorUrl whole = new DoctorUrl(isGiven ? text.strip() : DoctorUrl.DEFAULT);
    settings =
        UrlFindings.read(whole).orElseThrow(() -> UrlFindings.explain(whole, folder, environment));
    url = whole.withoutPasswords();
    fixes = new Fixes(url, folder, settings, environment);
    String mode = settings.getProperty("sslmode", "verify-full");
    if (!mode.matches("verify-full|disable")) {
      String seen = "sslmode=" + mode + " does not verify who the server is";
      String command = fixes.with("sslmode", "verify-full");
      throw new Examination.Finding("URL", seen, "Have it verified:", command);
    }
    for (String file : List.of("sslrootcert", "sslcert", "sslkey")) {
      requireExpanded(file + "=", settings.getProperty(file, ""));
    }
    examination.pass("URL", "%s", whole.masked());
  }

  /** A path in which the shell left a variable is no path. */
  private void requireExpanded(String name, String path) {
    List<String> variables = DoctorUrl.variables(path);
    if (!variables.isEmpty() && !Files.exists(Path.of(path))) {
      String seen = name + path + ": the shell did not replace " + String.join(", ", variables);
      String advice = "Give the path itself:";
      throw new Examination.Finding("URL", seen, advice, fixes.expanded());
    }
  }

  private void requireExpandedFolder() {
    if (secure && folder != null) {
      requireExpanded("--certs-dir=", folder);
    }
  }

  private List<Host> hosts() {
    String[] ports = settings.getProperty("PGPORT").split(",");
    List<Host> hosts = new ArrayList<>();
    for (String name : settings.getProperty("PGHOST").split(",")) {
      hosts.add(new Host(name, ports[hosts.size()]));
    }
    return hosts;
  }

  /** From now on only these hosts are used. */
  private void use(List<Host> hosts) {
    settings.setProperty(
        "PGHOST", hosts.stream().map(host -> host.name).collect(Collectors.joining(",")));
    settings.setProperty(
        "PGPORT", hosts.stream().map(host -> "" + host.port).collect(Collectors.joining(",")));
    fixes.useHost(hosts.get(0), secure);
  }

  // ---- Hosts ----

  private void reach(Host host) {
    if (host.address().isUnresolved()) {
      String seen = host + ": the name is not known";
      throw new Examination.Finding("host", seen, "Correct the host in the URL.", "");
    }
    String problem = "";
    try {
      host.ask();
    } catch (IOException e) {
      problem = Reason.of(e);
    }
    if (Double.isNaN(host.millis)) {
      boolean isHere = host.isThisMachine();
      String advice =
          "Start the server, or correct the host and the port in the URL" + (isHere ? ":" : ".");
      String command = isHere ? fixes.start(host) : "";
      throw new Examination.Finding("host", host + ": " + problem, advice, command);
    }
    String ip = host.address().getAddress().getHostAddress();
    examination.pass("host", "%s is %s, and answers in %.1f ms", host, ip, host.millis);
    host.check = "protocol";
    PSQLException error = ProtocolFindings.error(host.answer);
    if (error != null) {
      throw new LoginFindings(fixes, settings, true).explain(error, false);
    }
    if (!host.answer.matches("[SN]")) {
      throw ProtocolFindings.explain(host, problem, fixes);
    }
  }

  /** If the URL does not say whether it wants encryption, a server on this machine decides. */
  private boolean wantsEncryption(List<Host> hosts) {
    String mode = settings.getProperty("sslmode");
    boolean hasFiles =
        Stream.of("sslrootcert", "sslcert", "sslkey").anyMatch(settings::containsKey);
    boolean isInsecureHere =
        hosts.stream().allMatch(host -> host.isThisMachine() && !host.offersTls());
    return mode == null
        ? hasFiles || folder != null || !isInsecureHere
        : mode.equals("verify-full");
  }

  private void checkProtocol(Host host) {
    if (secure && !host.offersTls()) {
      String seen = host + " has no TLS: that cluster is insecure";
      String advice = "If that is intended, say so in the URL:";
      throw new Examination.Finding("protocol", seen, advice, fixes.unencrypted());
    }
    if (secure) {
      try {
        host.shakeHands();
      } catch (IOException | GeneralSecurityException e) {
        // If it sent its certificates, the client's may be what it refuses.
        if (host.chain() == null) {
          throw ProtocolFindings.noHandshake(host, Reason.of(e));
        }
      }
    }
    String offered = secure ? "with TLS" : "and offers TLS, which the URL does not ask for";
    String tls = host.offersTls() ? offered : "without TLS: an insecure cluster";
    examination.pass("protocol", "%s speaks PostgreSQL's protocol, %s", host, tls);
  }

  // ---- Login ----

  /** Completes the settings as the sample does, and returns what it throws, or null. */
  private RuntimeException prepare() {
    if (!secure) {
      for (String check : List.of("CA", "server", "client", "key")) {
        examination.skip(check, "not needed");
      }
      BankInsecure.connect(settings);
      return null;
    }
    String client = "client." + settings.getProperty("user");
    Path pkcs8 = fixes.certificates().resolve(client + ".key.pk8");
    Path found = Files.exists(pkcs8) ? pkcs8 : fixes.certificates().resolve(client + ".key");
    key = Path.of(settings.getProperty("sslkey", found.toString()));
    RuntimeException problem = null;
    boolean isWithout = !settings.containsKey("password");
    if (isWithout) {
      // BankSecure would connect at once, to ask at the terminal if the server wants a password.
      settings.setProperty("password", "");
    }
    try {
      BankSecure.connect(settings, fixes.certificates());
    } catch (JdbiException e) {
      problem = e;
    }
    if (isWithout) {
      settings.remove("password");
    }
    serverChecks = new ServerChecks(examination, fixes, settings);
    try {
      clientChecks = new ClientChecks(examination, fixes, settings, key);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
    return problem;
  }

  private void logIn(Host host, RuntimeException unusable) {
    if (unusable != null) {
      explainFiles(host, false);
      clientChecks.check();
      throw new Examination.Finding(
          "key", Reason.of(unusable), "Correct the files of the certificate and the key.", "");
    }
    try (Handle handle = connect(host)) {
      if (secure) {
        explainFiles(host, true);
        tolerate(clientChecks::check);
      }
      examination.pass("login", "%s can log in", settings.get("user"));
    } catch (JdbiException e) {
      throw explain(host, e);
    }
  }

  /** Opens a connection to one of the hosts, with the sample's settings. */
  private Handle connect(Host host) {
    Properties alone = new Properties();
    alone.putAll(settings);
    alone.setProperty("PGHOST", host.name);
    alone.setProperty("PGPORT", "" + host.port);
    long allowed = host.deadline.secondsLeft();
    for (String timeout : List.of("loginTimeout", "socketTimeout")) {
      long given = Long.parseLong(settings.getProperty(timeout, "0").replaceAll("\\D", "0"));
      alone.setProperty(timeout, "" + (given == 0 ? allowed : Math.min(given, allowed)));
    }
    return Jdbi.create("jdbc:postgresql://", alone).open();
  }

  /** Checks the CA and the host's certificate; if pgjdbc verified them, it only describes them. */
  private void explainFiles(Host host, boolean isVerified) {
    if (isVerified) {
      tolerate(() -> serverChecks.checkAuthorities(host));
      if (serverChecks.authorities() != null) {
        tolerate(() -> serverChecks.checkServer(host));
      }
    } else {
      serverChecks.checkAuthorities(host);
      serverChecks.checkServer(host);
    }
  }

  /** Runs a check whose outcome does not matter to this server. */
  private Examination.Finding tolerate(Runnable check) {
    try {
      check.run();
      return null;
    } catch (Examination.Finding e) {
      boolean isMissing = secure && !clientChecks.hasFiles();
      examination.skip(
          e.check,
          isMissing ? "there is none, and none is needed" : e.getMessage() + " (not used here)");
      return e;
    }
  }

  private Examination.Finding explain(Host host, JdbiException e) {
    LoginFindings findings = new LoginFindings(fixes, settings, secure);
    if (!secure) {
      examination.forget("protocol");
      Examination.Finding finding = findings.explain(e, false);
      if (!finding.check.equals("protocol")) {
        checkProtocol(host);
      }
      return noDatabase(finding);
    }
    boolean stood = Reason.isOfServer(e);
    explainFiles(host, stood);
    return stood ? explainRefusal(findings, e) : explainHandshake(findings, e);
  }

  /** If the user may log in, and only the database is missing, the login has passed. */
  private Examination.Finding noDatabase(Examination.Finding finding) {
    if (finding.check.equals("database")) {
      examination.pass("login", "%s can log in", settings.get("user"));
    }
    return finding;
  }

  /** The server answered over TLS, and refused the login. */
  private Examination.Finding explainRefusal(LoginFindings findings, JdbiException e) {
    String state = Reason.sqlState(e);
    String said = Reason.of(e) + " (SQLSTATE " + state + ")";
    boolean isAboutUser = state.matches("08004|28...");
    if (!clientChecks.hasFiles()) {
      examination.skip("client", "there is none");
      examination.skip("key", "there is none");
      boolean isNothing =
          isAboutUser
              && !settings.containsKey("password")
              && Reason.of(e).matches("(?s).*(no password was provided|certificate).*");
      if (isNothing) {
        examination.forget("client");
        return clientChecks.nothingToLogInWith();
      }
      return noDatabase(findings.explain(e, false));
    }
    Examination.Finding unused = tolerate(clientChecks::check);
    if (isAboutUser && unused != null) {
      examination.forget(unused.check);
      return unused;
    }
    String doubt =
        clientChecks.doubt(serverChecks.authorities(), serverChecks.usesJavasAuthorities());
    if (isAboutUser && (!doubt.isEmpty() || said.contains("certificate"))) {
      examination.forget("client");
      return clientChecks.refused(doubt, said);
    }
    return noDatabase(findings.explain(e, false));
  }

  /** TLS failed, or the connection broke, after the server's certificate was found good. */
  private Examination.Finding explainHandshake(LoginFindings findings, JdbiException e) {
    if (clientChecks.hasFiles()) {
      clientChecks.check();
      String doubt =
          clientChecks.doubt(serverChecks.authorities(), serverChecks.usesJavasAuthorities());
      String alert = "(?is).*alert: (bad_|unsupported_|unknown_|access_)?(certificate|ca|denied).*";
      boolean isRefused = Reason.of(e).matches(alert);
      if (isRefused || !doubt.isEmpty() && Reason.sqlState(e).startsWith("08")) {
        examination.forget("client");
        return clientChecks.refused(doubt, Reason.of(e));
      }
    } else if (Reason.of(e).matches("(?is).*alert: .*certificate.*")) {
      return clientChecks.nothingToLogInWith();
    }
    return findings.explain(e, false);
  }

  // ---- Database ----

  private void checkDatabase(Host host) {
    try (Handle handle = connect(host)) {
      new DatabaseChecks(examination, fixes, handle, settings).check();
    } catch (JdbiException | SQLException e) {
      throw new LoginFindings(fixes, settings, secure).explain(e, true);
    }
  }

  // ---- Results ----

  /** Whether the samples would use encryption. */
  boolean isSecure() {
    return secure;
  }

  /** The URL without passwords, or null if it cannot be read. */
  DoctorUrl url() {
    return url;
  }

  /** Whether the given URL holds the user's password. */
  boolean holdsPassword() {
    return url != null && given != null && new DoctorUrl(given.strip()).holdsPassword();
  }

  /** The command that runs the sample, when all is well. */
  String sampleCommand() {
    String script = secure ? "BankSecure.java" : "BankInsecure.java";
    boolean isGiven = given != null && !given.isBlank();
    return isGiven ? Fixes.jbang(script, url, secure ? folder : null) : "jbang " + script;
  }

  /** The URL for a program of one's own, or nothing if the URL cannot be read. */
  String jdbcUrl() {
    return fixes == null ? "" : fixes.jdbcUrl(settings);
  }

  /** The properties that a program of one's own has to give to pgjdbc. */
  Map<String, String> properties() {
    String own =
        "PG.*|.*Timeout|ApplicationName|assumeMinServerVersion|loadBalanceHosts|gssEncMode";
    Map<String, String> properties = new TreeMap<>();
    for (String name : settings.stringPropertyNames()) {
      String value = settings.getProperty(name);
      if (!name.matches(own) && !value.isEmpty()) {
        properties.put(name, DoctorUrl.isSecret(name) ? "***" : value);
      }
    }
    // The converted key is deleted when this program ends.
    properties.computeIfPresent("sslkey", (name, value) -> key == null ? value : "" + key);
    return properties;
  }
}
