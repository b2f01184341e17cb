import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The commands that mend what BankDoctor finds broken, each a line that a POSIX shell takes. */
final class Mends {

  private final String url;
  private final String folder;
  private final Path certificates;
  private final String user;
  private final String database;
  private String host = "";
  private boolean secure;

  /**
   * For what the command line said.
   *
   * @param url without a password
   * @param folder of the certificates, null if none was given
   */
  Mends(String url, String folder, Properties settings) {
    this.url = url;
    this.folder = folder;
    this.certificates = Path.of(folder == null ? "certs" : folder);
    this.user = settings.getProperty("user");
    this.database = settings.getProperty("PGDBNAME");
  }

  /** The folder, given or not. */
  Path certificates() {
    return certificates;
  }

  /** Starts a node of its own at this host. */
  String start(Object host) {
    boolean secure = Files.exists(certificates.resolve("node.crt"));
    String how = secure ? "--certs-dir=" + quote(certificates) : "--insecure";
    String command = "cockroach start-single-node %s --listen-addr=%s --background";
    return command.formatted(how, quote(host));
  }

  /** Runs a script with another URL and folder. */
  static String jbang(String script, String url, String folder) {
    String files = folder == null ? "" : " --certs-dir=" + quote(folder);
    return "jbang " + script + " --url=" + quote(url) + files;
  }

  /** Asks the doctor with another value of a parameter of the URL. */
  String with(String parameter, String value) {
    return jbang("bank-doctor", set(url, parameter, value), folder);
  }

  /** Asks the doctor about the cluster as one without encryption. */
  String unencrypted() {
    String plain = url.replaceAll("(?<=[?&])ssl(mode|rootcert|cert|key)=[^&]*&?", "");
    return jbang("bank-doctor", set(plain, "sslmode", "disable"), null);
  }

  /** Asks the doctor with the authority in another folder. */
  String authorityIn(Path other) {
    String plain = url.replaceAll("(?<=[?&])sslrootcert=[^&]*&?", "").replaceFirst("[?&]$", "");
    return jbang("bank-doctor", plain, other.toString());
  }

  /** Asks the doctor with another host. */
  String host(String given, String other) {
    String quoted = Pattern.quote(given);
    return jbang(
        "bank-doctor",
        url.replaceFirst("(?<=[/@,])" + quoted, Matcher.quoteReplacement(other)),
        folder);
  }

  /** Asks the doctor with another database, which is made. */
  String otherDatabase() {
    String name = database + "_2";
    String path = "$1/" + Matcher.quoteReplacement(name);
    String other = url.replaceFirst("(//[^/?]*)(/[^?]*)?", path);
    String make = "CREATE DATABASE IF NOT EXISTS " + identifier(name) + " OWNER {user}";
    return sql("", make) + " && " + jbang("bank-doctor", other, folder);
  }

  /** Makes a node's certificate anew, and has the node take it. */
  String createNode(Set<String> names) {
    String all = names.stream().map(Mends::quote).collect(Collectors.joining(" "));
    return cockroachCert("create-node " + all) + " && pkill -HUP -x cockroach";
  }

  /** Makes the user's certificate and key anew; a folder in a file's place is put away. */
  String createClient(Path file) {
    boolean blocked = Files.isDirectory(file) && !file.equals(certificates);
    String away = blocked ? "mv %s %s && ".formatted(quote(file), quote(file + ".old")) : "";
    Path pkcs8 = certificates.resolve("client." + user + ".key.pk8");
    String also = Files.exists(pkcs8) ? " --also-generate-pkcs8-key" : "";
    String plain = url.replaceAll("(?<=[?&])ssl(cert|key)=[^&]*&?", "").replaceFirst("[?&]$", "");
    String then = plain.equals(url) ? "" : " && " + jbang("bank-doctor", plain, folder);
    return away + cockroachCert("create-client " + quote(user) + also) + then;
  }

  private String cockroachCert(String what) {
    Path beside = certificates.resolve("ca.key");
    // Where CockroachDB's "cockroach cert" has it.
    Path apart = certificates.resolveSibling("my-safe-directory").resolve("ca.key");
    Path key = Files.exists(beside) ? beside : apart;
    String command = "cockroach cert %s --certs-dir=%s --ca-key=%s --overwrite";
    return command.formatted(what, quote(certificates), quote(key));
  }

  /** Makes a key one that only its owner, which is this user, can read. */
  String keepPrivate(Path key) {
    String name = quote(key);
    String chmod = "chmod 600 " + name;
    try {
      boolean own = Files.getOwner(key).getName().equals(System.getProperty("user.name"));
      return own ? chmod : "sudo chown \"$(id -un)\" " + name + " && " + chmod;
    } catch (IOException e) {
      return chmod;
    }
  }

  /** Puts a key into the form that pgjdbc reads; one with a password is asked for that. */
  String inDer(Path key) {
    Path made = Path.of(key + ".pk8");
    String command = "openssl pkcs8 -topk8 -nocrypt -in %s -outform DER -out %s && chmod 600 %2$s";
    String then = url.contains("sslkey=") ? " && " + with("sslkey", made.toString()) : "";
    return command.formatted(quote(key), quote(made)) + then;
  }

  /** From now on SQL is run at this host. */
  void at(Host host, boolean secure) {
    this.host = host.toString();
    this.secure = secure;
  }

  /** Makes the user and the database. */
  String make() {
    String both = "CREATE USER IF NOT EXISTS {user}; ";
    return sql("", both + "CREATE DATABASE IF NOT EXISTS {database} OWNER {user}");
  }

  /** Runs statements as root; {user} and {database} stand for the URL's, as SQL has them. */
  String sql(String in, String statements) {
    String how = secure ? "--certs-dir=" + quote(certificates) : "--insecure";
    String where = in.isEmpty() ? "" : " --database=" + quote(in);
    String named = statements.replace("{user}", identifier(user));
    named = named.replace("{database}", identifier(database));
    String command = "cockroach sql %s --host=%s%s --execute=%s";
    return command.formatted(how, quote(host), where, quote(named));
  }

  /** The URL as JDBC has it, of the hosts that are of use. */
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

  /** A URL with another value of a parameter. */
  private static String set(String url, String parameter, String value) {
    String rest =
        url.replaceAll("(?<=[?&])" + parameter + "=[^&]*&?", "").replaceFirst("[?&]$", "");
    return rest + (rest.contains("?") ? "&" : "?") + parameter + "=" + value;
  }

  private static String identifier(String name) {
    return name.matches("[a-z_][a-z0-9_]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
  }

  private static String quote(Object word) {
    String text = word.toString();
    return text.matches("[\\w@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
  }
}
