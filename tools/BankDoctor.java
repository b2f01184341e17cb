///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Tells why a database cannot be used: each link from the URL to the tables, and its mend
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES CertificateChecks.java
//SOURCES CertificateFiles.java
//SOURCES DatabaseChecks.java
//SOURCES Examination.java
//SOURCES Host.java
//SOURCES Mends.java
//DEPS com.google.code.gson:gson:2.15.0

import com.google.gson.GsonBuilder;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.X509TrustManager;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Tells why a database cannot be used: checks each link from the URL to the tables, as BankSecure
 * and BankInsecure need it, and says how to mend the first that is broken. It changes nothing.
 */
@Command(
    name = "BankDoctor",
    version = "BankDoctor 1.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Tells why a database cannot be used, and how to mend it. It changes nothing.",
    footer = {
      "%n✓ holds, ✗ is broken, – was not reached, or is not needed.",
      "Exit status: 0 all well, 2 wrong command line or URL, 5 another link is broken."
    })
public final class BankDoctor implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else a local cluster.")
  private String url;

  @Option(names = "--certs-dir", description = "Default: $$COCKROACH_CERTS_DIR, else certs.")
  private String folder = System.getenv("COCKROACH_CERTS_DIR");

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  private final PrintStream out;
  private final Examination examination = new Examination();

  /** What pgjdbc is told. */
  private Properties settings = new Properties();

  private Mends mends;
  private String plainUrl;
  private boolean secure;
  private boolean password;
  private boolean inUrl;

  /** The key's file, as given or as found. */
  private String key;

  /** What may be why a login is refused; empty if nothing. */
  private String doubt = "";

  private BankDoctor(PrintStream out) {
    this.out = out;
  }

  @Override
  public Integer call() {
    try {
      examine();
    } catch (Examination.Broken e) {
      examination.note(e);
    }
    Examination.Broken broken = examination.broken();
    report(broken);
    return broken == null ? 0 : broken.link.equals("URL") ? 2 : 5;
  }

  private void examine() {
    readUrl();
    List<Host> hosts = examination.all(hosts(), this::reach);
    secure = wantsEncryption(hosts);
    hosts = examination.all(hosts, this::checkEncryption);
    keep(hosts);
    password = settings.containsKey("password");
    Jdbi database = secure ? verify(hosts) : openUnencrypted();
    try (Handle handle = database.open()) {
      examination.holds("login", "%s is let in", settings.get("user"));
      new DatabaseChecks(examination, mends, handle, settings.getProperty("PGDBNAME")).check();
    } catch (JdbiException e) {
      throw refused(e.getCause() instanceof SQLException cause ? cause : new SQLException(e));
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  // ---- URL ----

  /** What is wrong with a URL that is like this; the first that fits. */
  private static final String[][] URL_TROUBLE = {
    {"(?!(jdbc:)?(postgres(ql)?|cockroachdb)://).*", "it begins with something else"},
    {".*%(?!\\p{XDigit}{2}).*", "%25 stands for a % in a password"},
    {"[^@]*@[^@]*@.*", "%40 stands for an @ in a password"},
    {"[^/]*//[^@]*/[^@]*@.*", "%2F stands for a / in a password"},
    {"[^/]*//[^@]*\\?[^@]*@.*", "%3F stands for a ? in a password"},
    {"[^/]*//([^@]*@)?(/.*)?", "it names no host"},
    {".*", "a host, a port or a name cannot be right"}
  };

  private void readUrl() {
    String given = url == null ? System.getenv("DATABASE_URL") : url;
    boolean none = given == null || given.isBlank();
    String read = none ? "postgresql://maxroach@localhost:26257/bank" : given.strip();
    try {
      settings = BankSecure.settings(read);
    } catch (IllegalArgumentException e) {
      throw unreadable(read);
    }
    String secret = "(?<=[?&])(ssl)?password=[^&]*";
    String masked = read.replaceFirst("(//[^:@/?]*):[^@/?]*@", "$1:***@");
    plainUrl = masked.replace(":***@", "@").replaceAll(secret + "&?", "").replaceFirst("[?&]$", "");
    mends = new Mends(plainUrl, folder, settings);
    String mode = settings.getProperty("sslmode", "verify-full");
    if (!mode.matches("verify-full|disable")) {
      String seen = "sslmode=" + mode + ", by which nobody checks who the server is";
      String command = mends.with("sslmode", "verify-full");
      throw new Examination.Broken("URL", seen, "Have it checked:", command);
    }
    masked = masked.replaceAll(secret, "$1password=***");
    inUrl = !masked.equals(read);
    examination.holds("URL", "%s", masked);
  }

  private static Examination.Broken unreadable(String given) {
    String seen =
        Stream.of(URL_TROUBLE)
            .filter(each -> given.matches("(?s)" + each[0]))
            .map(each -> "not like postgresql://user:p%40ss@host:26257/bank: " + each[1])
            .findFirst()
            .orElseThrow();
    // All before the last @ may be the password.
    Matcher parts =
        Pattern.compile(
                "(?s)(?:jdbc:)?postgres\\w*://([\\w.-]+):.*@([\\w.,:-]+(/[\\w-]*)?)(\\?.*)?")
            .matcher(given);
    if (parts.matches() && !given.contains("password=")) {
      String plain = "postgresql://" + parts.group(1) + "@" + parts.group(2);
      try {
        BankSecure.settings(plain);
        String advice = "Leave the password out, and have it, as it is, in PGPASSWORD:";
        String command = Mends.jbang("bank-doctor", plain, null);
        return new Examination.Broken("URL", seen, advice, command);
      } catch (IllegalArgumentException e) {
        // More than the password is wrong.
      }
    }
    return new Examination.Broken("URL", seen, "Correct the URL.", "");
  }

  private List<Host> hosts() {
    String[] ports = settings.getProperty("PGPORT").split(",");
    List<Host> hosts = new ArrayList<>();
    for (String name : settings.getProperty("PGHOST").split(",")) {
      hosts.add(new Host(name, ports[hosts.size()]));
    }
    return hosts;
  }

  // ---- Hosts ----

  private void reach(Host host) {
    if (host.address().isUnresolved()) {
      String seen = host + ": the network knows no such name";
      throw new Examination.Broken("host", seen, "Correct the host in the URL.", "");
    }
    String trouble = "";
    try {
      host.ask();
    } catch (IOException e) {
      trouble = reason(e);
    }
    if (Double.isNaN(host.millis)) {
      boolean here = host.isThisMachine();
      String advice = "Start the server, or correct host and port in the URL" + (here ? ":" : ".");
      String command = here ? mends.start(host) : "";
      throw new Examination.Broken("host", host + ": " + trouble, advice, command);
    }
    String ip = host.address().getAddress().getHostAddress();
    examination.holds("host", "%s is %s, and answers in %.1f ms", host, ip, host.millis);
    if (!host.answer.matches("[SN]")) {
      String hangsUp = trouble.isEmpty() ? "it hangs up" : trouble;
      String seen = host.answer.isEmpty() ? hangsUp : "it says " + host.answer;
      String advice = "Correct host and port in the URL: CockroachDB takes SQL at port 26257.";
      String what = host + " is no PostgreSQL or CockroachDB: " + seen;
      throw new Examination.Broken("protocol", what, advice, "");
    }
  }

  /** Where the URL does not say, a server on this machine does. */
  private boolean wantsEncryption(List<Host> hosts) {
    String mode = settings.getProperty("sslmode");
    boolean files = Stream.of("sslrootcert", "sslcert", "sslkey").anyMatch(settings::containsKey);
    return mode == null
        ? files
            || folder != null
            || !hosts.stream().allMatch(h -> h.isThisMachine() && !h.offersTls())
        : mode.equals("verify-full");
  }

  private void checkEncryption(Host host) {
    if (secure && !host.offersTls()) {
      String seen = host + " has no TLS: that cluster is insecure";
      String advice = "If it is to be, say so in the URL:";
      throw new Examination.Broken("protocol", seen, advice, mends.unencrypted());
    }
    try {
      if (secure) {
        host.shakeHands();
      }
    } catch (IOException | GeneralSecurityException e) {
      String seen = host + " offers TLS, but it does not come about: " + reason(e);
      String advice = "Correct host and port in the URL, or that server.";
      throw new Examination.Broken("protocol", seen, advice, "");
    }
    String offered = secure ? "with TLS" : "and offers TLS, which is not asked for";
    String tls = host.offersTls() ? offered : "without TLS: an insecure cluster";
    examination.holds("protocol", "%s speaks PostgreSQL's, %s", host, tls);
  }

  // ---- Login ----

  private void keep(List<Host> hosts) {
    String names = hosts.stream().map(host -> host.name).collect(Collectors.joining(","));
    String ports = hosts.stream().map(host -> "" + host.port).collect(Collectors.joining(","));
    settings.setProperty("PGHOST", names);
    settings.setProperty("PGPORT", ports);
    mends.at(hosts.get(0), secure);
  }

  private Jdbi openUnencrypted() {
    for (String link : List.of("CA", "server", "client", "key")) {
      examination.untried(link, "not needed without encryption");
    }
    return BankInsecure.connect(settings);
  }

  private Jdbi verify(List<Host> hosts) {
    String found = mends.certificates().resolve("client." + settings.get("user")) + ".key";
    found = Files.exists(Path.of(found + ".pk8")) ? found + ".pk8" : found;
    if (!password) {
      // Or BankSecure would ask for one.
      settings.setProperty("password", "");
    }
    key = settings.getProperty("sslkey", found);
    Jdbi database = null;
    String trouble = "";
    try {
      database = BankSecure.connect(settings, mends.certificates());
    } catch (RuntimeException e) {
      trouble = reason(e);
    }
    CertificateChecks checks = new CertificateChecks(examination, mends, settings, key);
    X509TrustManager authorities = checks.checkAuthorities(hosts.get(0));
    keep(examination.all(hosts, host -> checks.checkServer(host, authorities)));
    doubt = checks.checkClient(authorities, password);
    if (database == null) {
      String command = mends.createClient(mends.certificates());
      throw new Examination.Broken("key", trouble, "Make it anew:", command);
    }
    return database;
  }

  private Examination.Broken refused(SQLException e) {
    String state = Objects.toString(e.getSQLState());
    String said = reason(e) + " (SQLSTATE " + state + ")";
    boolean inside = examination.held("login");
    if (!inside && !secure && said.matches("(?i).*(no encryption|secure mode|SSL).*")) {
      examination.forget("protocol");
      String command = mends.with("sslmode", "verify-full");
      return new Examination.Broken(
          "protocol", "that cluster is secure: " + said, "Ask for encryption:", command);
    }
    if (!inside && !doubt.isEmpty() && state.matches("08...|28...")) {
      examination.forget("client");
      String advice = "Make one for this cluster, or have a password in PGPASSWORD:";
      String command = mends.createClient(mends.certificates());
      return new Examination.Broken("client", doubt + "; " + said, advice, command);
    }
    if (state.matches("3D000|3F000")) {
      if (!inside) {
        examination.holds("login", "%s is let in", settings.get("user"));
      }
      return new Examination.Broken("database", said, "Have root make it:", mends.make());
    }
    if (said.matches(".*role .* does not exist.*") || (state.equals("28P01") && !password)) {
      return new Examination.Broken("login", said, "Have root make the user:", mends.make());
    }
    if (said.matches("(?i).*(permitted to log in|login privilege).*")) {
      String command = mends.sql("", "ALTER USER {user} WITH LOGIN");
      return new Examination.Broken("login", said, "Have root do:", command);
    }
    if (state.equals("42501")) {
      String command = mends.sql("", "GRANT ALL ON DATABASE {database} TO {user}");
      return new Examination.Broken("login", said, "Have root do:", command);
    }
    return new Examination.Broken(inside ? "database" : "login", said, advice(said, state), "");
  }

  private static String advice(String said, String state) {
    if (said.contains("password")) {
      return "Correct the password in the URL, PGPASSWORD or ~/.pgpass.";
    }
    return state.equals("53300")
        ? "End what holds the connections, or wait for that."
        : "See what the server's log says, or ask who runs it.";
  }

  // ---- Report ----

  private void report(Examination.Broken broken) {
    String advice = broken == null ? "All well. To run it:" : broken.advice;
    String command = broken == null ? run() : broken.command;
    if (inUrl && command.contains(" --url=")) {
      advice = advice.replaceFirst(":$", " (with the password in PGPASSWORD):");
    }
    if (json) {
      printJson(broken, advice, command);
      return;
    }
    for (Examination.Check check : examination.checks()) {
      String mark = check.holds() == null ? "–" : check.holds() ? "✓" : "✗";
      out.printf("%s %-9s %s%n", mark, check.link(), printable(check.seen(), 600));
      if (check.link().equals("URL") && check.holds()) {
        out.printf("            %s%n", printable(jdbcUrl(), 600));
        String properties = properties().toString().replaceAll("^.|.$", "");
        out.printf("            %s%n", printable(properties, 600));
      }
    }
    String link = broken == null ? "" : "The first broken link is " + broken.link + ". ";
    out.println(printable(link + advice, 600));
    if (!command.isEmpty()) {
      out.println(printable(command, 4_000));
    }
  }

  private String run() {
    String script = secure ? "BankSecure.java" : "BankInsecure.java";
    return url == null ? "jbang " + script : Mends.jbang(script, plainUrl, secure ? folder : null);
  }

  private void printJson(Examination.Broken broken, String advice, String command) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("well", broken == null);
    all.put("broken", broken == null ? null : broken.link);
    all.put("advice", printable(advice, 600));
    all.put("command", command.isEmpty() ? null : printable(command, 4_000));
    if (plainUrl != null) {
      all.put("jdbcUrl", printable(jdbcUrl(), 600));
      Map<String, String> properties = new TreeMap<>();
      properties().forEach((name, value) -> properties.put(name, printable(value, 600)));
      all.put("properties", properties);
    }
    all.put(
        "checks",
        examination.checks().stream()
            .map(c -> new Examination.Check(c.link(), c.holds(), printable(c.seen(), 600)))
            .toList());
    out.println(
        new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create()
            .toJson(all));
  }

  private String jdbcUrl() {
    return plainUrl == null ? "" : mends.jdbcUrl(settings);
  }

  /** What a program of one's own has to tell pgjdbc. */
  private Map<String, String> properties() {
    String ours =
        "PG.*|.*Timeout|ApplicationName|assumeMinServerVersion|loadBalanceHosts|gssEncMode";
    Map<String, String> properties = new TreeMap<>();
    for (String name : settings.stringPropertyNames()) {
      String value = settings.getProperty(name);
      if (!name.matches(ours) && !value.isEmpty()) {
        properties.put(name, name.matches("(?i).*password") ? "***" : value);
      }
    }
    // BankSecure's own is gone after the run.
    properties.computeIfPresent("sslkey", (name, value) -> key);
    return properties;
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    var out =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    System.exit(run(out, System.err, arguments));
  }

  /** Runs it with this standard output and standard error, and answers the exit status. */
  static int run(PrintStream out, PrintStream err, String... arguments) {
    CommandLine command = new CommandLine(new BankDoctor(out));
    command.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
    command.setParameterExceptionHandler(
        (e, given) -> {
          // What stands behind may be a password.
          String shown = e.getMessage().replaceFirst("(?s)(=|://|:(?! )|', ).*", "$1…");
          err.println("error: " + printable(shown, 600));
          return 2;
        });
    command.setExecutionExceptionHandler(
        (e, given, parsed) -> {
          err.println("error: " + printable(reason(e), 600));
          return 5;
        });
    return command.execute(arguments);
  }

  /** What was said or, where nothing was, the kind of the innermost cause. */
  static String reason(Throwable e) {
    if (e.getCause() != null && e.getCause() != e) {
      return reason(e.getCause());
    }
    return e instanceof NoSuchFileException
        ? "there is no such file"
        : e instanceof AccessDeniedException
            ? "not to be read by this user"
            : Objects.toString(e.getMessage(), "it hangs up");
  }

  /** Lets nobody move the cursor of a terminal, or fill it, or set a mark that is not ours. */
  private static String printable(String text, int length) {
    String line = text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " ").replaceAll("[✓✗✔✘☑☒✅❌]", "?");
    return line.length() > length ? line.substring(0, length) + "…" : line;
  }
}
