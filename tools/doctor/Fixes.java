import java.io.File;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The commands that fix what BankDoctor finds. Each is one line that a POSIX shell takes, and none
 * replaces or deletes a key: an old file is moved to a name that is free.
 */
final class Fixes {

  private final DoctorUrl url;
  private final String folder;
  private final Path certificates;
  private final Map<String, String> environment;
  private final String user;
  private final String database;
  private final boolean isPlain;
  private String host = "";
  private boolean secure;

  /**
   * Creates the fixes for what the command line said.
   *
   * @param url without passwords
   * @param folder of the certificates, or null
   */
  Fixes(DoctorUrl url, String folder, Properties settings, Map<String, String> environment) {
    this.url = url;
    this.folder = folder;
    this.certificates = Path.of(folder == null ? "certs" : folder);
    this.environment = environment;
    this.user = settings.getProperty("user");
    this.database = settings.getProperty("PGDBNAME");
    this.isPlain = settings.getProperty("sslmode", "").equals("disable");
  }

  /** From now on SQL is run on this host. */
  void useHost(Host host, boolean secure) {
    this.host = host.toString();
    this.secure = secure;
  }

  /** The folder of certificates, given or not. */
  Path certificates() {
    return certificates;
  }

  // ---- Commands of this collection ----

  /** Runs a script with a URL and a folder of certificates. */
  static String jbang(String script, DoctorUrl url, String folder) {
    String files = folder == null ? "" : " --certs-dir=" + quote(folder);
    return "jbang " + script + " --url=" + quoteUrl(url) + files;
  }

  private String doctor(DoctorUrl other) {
    return jbang("bank-doctor", other, folder);
  }

  /** Runs the doctor with another value of a parameter of the URL. */
  String with(String parameter, String value) {
    return doctor(url.with(parameter, value));
  }

  /** Runs the doctor for a cluster without encryption. */
  String unencrypted() {
    return jbang("bank-doctor", url.with("sslmode", "disable"), null);
  }

  /** Whether the URL names the file of the CA. */
  boolean isAuthorityInUrl() {
    return ("" + url).contains("sslrootcert=");
  }

  /** Runs the doctor with the CA in another folder. */
  String authorityIn(Path other) {
    boolean isInUrl = isAuthorityInUrl();
    DoctorUrl changed = isInUrl ? url.with("sslrootcert", other.resolve("ca.crt").toString()) : url;
    return jbang("bank-doctor", changed, isInUrl ? folder : other.toString());
  }

  /** Runs the doctor with another name for a host. */
  String host(String given, String other) {
    return doctor(url.withHost(given, other));
  }

  /** Runs the doctor with the values of variables that the shell did not replace. */
  String expanded() {
    String files =
        folder == null
            ? null
            : DoctorUrl.expand(folder, environment).replaceFirst("^~(?=/|$)", home());
    return jbang("bank-doctor", new DoctorUrl(DoctorUrl.expand("" + url, environment)), files);
  }

  private static String home() {
    return System.getProperty("user.home").replace("\\", "\\\\").replace("$", "\\$");
  }

  /** Creates another database, and runs the doctor with it. */
  String otherDatabase() {
    String name = database + "_2";
    return sql("", create(name)) + " && " + doctor(url.withDatabase(name));
  }

  /** The URL as JDBC takes it, with the hosts that are of use. */
  String jdbcUrl(Properties settings) {
    String[] ports = settings.getProperty("PGPORT").split(",");
    String[] hosts = settings.getProperty("PGHOST").split(",");
    String all =
        IntStream.range(0, hosts.length)
            .mapToObj(i -> hosts[i] + ":" + ports[i])
            .collect(Collectors.joining(","));
    String name = URLEncoder.encode(database, StandardCharsets.UTF_8).replace("+", "%20");
    return "jdbc:postgresql://" + all + "/" + name;
  }

  // ---- Servers ----

  /** Starts a node on this host, with CockroachDB if it is installed. */
  String start(Host host) {
    boolean secure = !isPlain && Files.exists(certificates.resolve("node.crt"));
    if (!has("cockroach")) {
      String how = secure ? " --secure --certs-dir=" + quote(certificates) : "";
      return "jbang local-cluster --port=" + host.port + how;
    }
    String how = secure ? "--certs-dir=" + quote(certificates) : "--insecure";
    String command = "cockroach start-single-node %s --listen-addr=%s --background";
    return command.formatted(how, quote(host));
  }

  /** Initializes a cluster whose nodes were started with --join. */
  String initialize(Host host) {
    String how = Files.exists(certificates.resolve("ca.crt")) && secure ? files() : "--insecure";
    return "cockroach init %s --host=%s".formatted(how, quote(host));
  }

  /** Whether a program is on the PATH. */
  boolean has(String program) {
    return Stream.of(environment.getOrDefault("PATH", "").split(File.pathSeparator))
        .anyMatch(folder -> new File(folder, program).canExecute());
  }

  // ---- SQL ----

  /** Creates the user and the database. */
  String createBank() {
    return sql("", "CREATE USER IF NOT EXISTS {user}; " + create(database));
  }

  /** Creates the user. The database may exist, and then it keeps its owner. */
  String createUser() {
    String statements =
        "CREATE USER IF NOT EXISTS {user}; CREATE DATABASE IF NOT EXISTS {database}; "
            + "GRANT ALL ON DATABASE {database} TO {user}";
    return sql("", statements);
  }

  /** CockroachDB takes an owner in CREATE DATABASE only since a later release. */
  private static String create(String database) {
    return "CREATE DATABASE IF NOT EXISTS %1$s; ALTER DATABASE %1$s OWNER TO {user}"
        .formatted(identifier(database));
  }

  /** Runs statements as root; {user} and {database} stand for the URL's, as SQL takes them. */
  String sql(String in, String statements) {
    String where = in.isEmpty() ? "" : " --database=" + quote(in);
    String named = statements.replace("{user}", identifier(user));
    named = named.replace("{database}", identifier(database));
    String command = "cockroach sql %s --host=%s%s --execute=%s";
    return command.formatted(secure ? files() : "--insecure", quote(host), where, quote(named));
  }

  private String files() {
    return "--certs-dir=" + quote(certificates);
  }

  /** A name as SQL takes it. */
  static String identifier(String name) {
    return name.matches("[a-z_][a-z0-9_]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
  }

  // ---- Certificates and keys ----

  /** Creates another certificate for a node, which reads it when it gets SIGHUP. */
  String createNode(Collection<String> names) {
    String all = names.stream().map(Fixes::quote).collect(Collectors.joining(" "));
    Path crt = certificates.resolve("node.crt");
    Path key = certificates.resolve("node.key");
    return moveAway(List.of(crt, key))
        + cockroachCert("create-node " + all)
        + " && pkill -HUP -x cockroach";
  }

  /** Creates another certificate and key for the user. */
  String createClient() {
    Path crt = certificates.resolve("client." + user + ".crt");
    Path key = certificates.resolve("client." + user + ".key");
    Path pkcs8 = certificates.resolve("client." + user + ".key.pk8");
    DoctorUrl changed = url;
    for (Map.Entry<String, Path> each : Map.of("sslcert", crt, "sslkey", key).entrySet()) {
      if (("" + url).matches(".*[?&](sslcert|sslkey)=.*")) {
        changed = changed.with(each.getKey(), each.getValue().toString());
      }
    }
    String then = ("" + changed).equals("" + url) ? "" : " && " + doctor(changed);
    return moveAway(List.of(crt, key, pkcs8))
        + cockroachCert("create-client " + quote(user))
        + then;
  }

  /** Moves a file to a name that is free. */
  String moveAway(Path file) {
    return moveAway(List.of(file)).replaceFirst(" && $", "");
  }

  private static String moveAway(List<Path> files) {
    return files.stream()
        .filter(Files::exists)
        .map(file -> "mv %s %s && ".formatted(quote(file), quote(free(file + ".old"))))
        .collect(Collectors.joining());
  }

  /** A name for a file that no file has. */
  private static Path free(String name) {
    return IntStream.iterate(1, i -> i + 1)
        .mapToObj(i -> Path.of(i == 1 ? name : name + i))
        .filter(file -> !Files.exists(file))
        .findFirst()
        .orElseThrow();
  }

  private String cockroachCert(String what) {
    Path inside = certificates.resolve("ca.key");
    // CockroachDB's documentation puts the key there.
    Path beside = certificates.resolveSibling("my-safe-directory").resolve("ca.key");
    Path key = Files.exists(inside) ? inside : beside;
    return "cockroach cert %s --certs-dir=%s --ca-key=%s"
        .formatted(what, quote(certificates), quote(key));
  }

  /** Lets only the owner read a key. */
  String keepPrivate(Path key) {
    String name = quote(key);
    String chmod = "chmod 600 " + name;
    try {
      boolean isOwn = Files.getOwner(key).getName().equals(System.getProperty("user.name"));
      return isOwn ? chmod : "sudo chown \"$(id -un)\" " + name + " && " + chmod;
    } catch (IOException e) {
      return chmod;
    }
  }

  /**
   * Converts a key to the form that pgjdbc always reads, in a file of its own.
   *
   * @param isDer whether the key is in DER, and not in PEM
   * @param keepPassword whether the new file keeps a password
   */
  String convert(Path key, boolean isDer, boolean keepPassword) {
    Path converted = free(key.toString().replaceFirst("\\.(pk8|pem|der)$", "") + ".pk8");
    List<String> words = new ArrayList<>(List.of("openssl pkcs8 -topk8"));
    words.add(keepPassword ? "-v1 PBE-SHA1-3DES" : "-nocrypt");
    words.add(isDer ? "-inform DER" : "");
    words.add("-in " + quote(key) + " -outform DER -out " + quote(converted));
    words.removeIf(String::isEmpty);
    String command = String.join(" ", words) + " && chmod 600 " + quote(converted);
    Path found = certificates.resolve("client." + user + ".key.pk8");
    boolean isFound = converted.equals(found) && !("" + url).contains("sslkey=");
    return command + (isFound ? "" : " && " + with("sslkey", converted.toString()));
  }

  /** Copies an entry of a key store to the name that pgjdbc looks for. */
  String renameEntry(Path store, String alias) {
    Path renamed = free(store.toString().replaceFirst("\\.(p12|pfx)$", "") + ".user.p12");
    String command =
        "keytool -importkeystore -srckeystore %s -srcalias %s -destkeystore %s -destalias user"
            + " -deststoretype PKCS12 && chmod 600 %3$s && %s";
    return command.formatted(
        quote(store), quote(alias), quote(renamed), with("sslkey", renamed.toString()));
  }

  /** Copies a file to a name with another ending. */
  String withEnding(Path file, String ending) {
    Path copy = free(file + ending);
    return "cp -p %s %s && %s".formatted(quote(file), quote(copy), with("sslkey", copy.toString()));
  }

  // ---- Quoting ----

  private static final Pattern PLAIN = Pattern.compile("[\\w@%+=:,./-]+");

  /** Quotes a word for the shell. */
  static String quote(Object word) {
    String text = word.toString();
    return PLAIN.matcher(text).matches() ? text : "'" + text.replace("'", "'\\''") + "'";
  }

  /** Quotes a URL, in which the shell puts in the key's password. */
  private static String quoteUrl(DoctorUrl url) {
    String variable = DoctorUrl.KEY_PASSWORD;
    return Stream.of(("" + url).split(Pattern.quote(variable), -1))
        .map(part -> part.isEmpty() ? "" : quote(part))
        .collect(Collectors.joining("\"" + variable + "\""));
  }
}
