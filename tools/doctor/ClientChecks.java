import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import javax.net.ssl.X509TrustManager;
import org.postgresql.ssl.BaseX509KeyManager;

/** Checks the client's certificate and key: what pgjdbc loads, and why it cannot load the rest. */
final class ClientChecks {

  private final Examination examination;
  private final Fixes fixes;
  private final String user;
  private final Properties settings;

  /** The key's file as the user knows it, which BankSecure may have converted. */
  private final Path key;

  private final ClientIdentity identity;

  /**
   * Prepares the checks.
   *
   * @param settings as BankSecure has completed them
   * @param key the file that holds the key, before BankSecure converted it
   */
  ClientChecks(Examination examination, Fixes fixes, Properties settings, Path key)
      throws SQLException {
    this.examination = examination;
    this.fixes = fixes;
    this.settings = settings;
    this.user = settings.getProperty("user");
    this.key = key;
    this.identity = new ClientIdentity(settings);
  }

  /** Whether there is a certificate or a key to check. */
  boolean hasFiles() {
    return settings.containsKey("sslcert") || settings.containsKey("sslkey") || identity.exists();
  }

  /** The finding for a login without a certificate and without a password. */
  Examination.Finding nothingToLogInWith() {
    Path file = fixes.certificates().resolve("client." + user + ".crt");
    String seen = "there is no " + file + ", and no password in the URL, PGPASSWORD or ~/.pgpass";
    String advice = "Set PGPASSWORD, or create a certificate for this cluster:";
    return new Examination.Finding("client", seen, advice, fixes.createClient());
  }

  /** Checks the certificate, then the key. */
  void check() {
    X509Certificate[] chain = checkCertificate();
    checkKey(chain[0]);
  }

  private X509Certificate[] checkCertificate() {
    Path file = identity.certificate();
    X509Certificate[] chain;
    try {
      chain = identity.isKeyStore() && !Files.exists(file) ? missing(file) : identity.chain();
    } catch (SQLException | IOException e) {
      if (identity.isKeyStore()) {
        throw badKeyStore(Reason.of(e));
      }
      throw Files.exists(file)
          ? badCertificate(file, Reason.of(e))
          : badCertificate(expected(file), "there is no such file");
    }
    if (chain.length == 0) {
      throw identity.isKeyStore()
          ? badKeyStore("")
          : badCertificate(file, "it holds no certificate");
    }
    Certificate own = new Certificate(chain[0]);
    if (!own.isTimely()) {
      throw badCertificate(file, own.timeProblem());
    }
    String seen = "%s is for %s, expires %s";
    examination.pass("client", seen, file, own.subject(), own.expiry());
    return chain;
  }

  /** The file where a user expects the certificate, and not where pgjdbc looks last. */
  private Path expected(Path file) {
    return settings.containsKey("sslcert")
        ? file
        : fixes.certificates().resolve("client." + user + ".crt");
  }

  private static X509Certificate[] missing(Path file) throws IOException {
    throw new IOException(file + ": there is no such file");
  }

  private Examination.Finding badCertificate(Path file, String problem) {
    String clock =
        problem.contains("the clock here") ? "Correct this machine's clock if it is wrong. " : "";
    String advice = clock + "Create another certificate:";
    String seen = file + " cannot be used: " + problem;
    return new Examination.Finding("client", seen, advice, fixes.createClient());
  }

  /**
   * What may be the reason why the server refuses the certificate, or nothing. Only the server
   * knows: it may have another CA for its clients, or a map of users.
   */
  String doubt(X509TrustManager authorities, boolean javasAuthorities) {
    X509Certificate[] chain;
    try {
      chain = identity.chain();
    } catch (SQLException e) {
      return "";
    }
    if (chain.length == 0) {
      return "";
    }
    Path file = identity.certificate();
    Certificate own = new Certificate(chain[0]);
    if (javasAuthorities) {
      return file + " is not sent to a server that one of Java's CAs vouches for";
    }
    if (!own.isFor(user)) {
      return file + " is for " + own.subject() + ", and not for " + user;
    }
    try {
      authorities.checkClientTrusted(chain, chain[0].getPublicKey().getAlgorithm());
      return "";
    } catch (CertificateException e) {
      return file
          + (Certificate.isAboutPurpose(e)
              ? " is not for clients"
              : " is by " + own.issuer() + ", and not by this CA");
    }
  }

  /** The finding for a certificate that the server refuses. */
  Examination.Finding refused(String doubt, String said) {
    String reason = doubt.isEmpty() ? identity.certificate() + " is refused" : doubt;
    String advice = "Create one with this cluster's CA, or set PGPASSWORD:";
    return new Examination.Finding("client", reason + "; " + said, advice, fixes.createClient());
  }

  // ---- The key ----

  private void checkKey(X509Certificate certificate) {
    if (Files.isDirectory(key)) {
      throw createAnother(key + " cannot be used: it is a folder");
    }
    try {
      BaseX509KeyManager.validateKeyFilePermissions(key);
    } catch (SQLException e) {
      throw unreadable(e);
    }
    PrivateKey loaded;
    try {
      Optional<PrivateKey> read = identity.privateKey();
      if (read.isEmpty()) {
        throw badKey("", certificate);
      }
      loaded = read.get();
    } catch (SQLException e) {
      throw badKey(Reason.of(e), certificate);
    }
    if (ClientIdentity.isOfAnotherCertificate(loaded, certificate.getPublicKey())) {
      throw ofAnotherCertificate();
    }
    examination.pass("key", "%s is private, and the certificate's%s", key, conversion());
  }

  private String conversion() {
    boolean isConverted = !settings.getProperty("sslkey", key.toString()).equals(key.toString());
    return isConverted ? "; it is PKCS#1, which BankSecure converts for pgjdbc" : "";
  }

  /** A key in PKCS#8 that is left from an earlier certificate hides the one beside it. */
  private Examination.Finding ofAnotherCertificate() {
    String seen = key + " cannot be used: it is not the key of the certificate";
    Path beside = Path.of(key.toString().replaceFirst("\\.pk8$", ""));
    if (!settings.containsKey("sslkey") || beside.equals(key) || !Files.exists(beside)) {
      return createAnother(seen);
    }
    String advice = "Move it away, so that " + beside.getFileName() + " is used:";
    return new Examination.Finding("key", seen, advice, fixes.moveAway(key));
  }

  private Examination.Finding unreadable(SQLException e) {
    if (!Files.exists(key)) {
      return createAnother(key + " cannot be used: there is no such file");
    }
    String reason = Reason.of(e);
    String open = reason.replaceFirst("(?s).*Current permissions: ", "open to others, as ");
    String seen = key + " is " + open;
    String advice = "Let only its owner read it:";
    return new Examination.Finding("key", seen, advice, fixes.keepPrivate(key));
  }

  /** Explains why pgjdbc cannot load a key, and converts what is good. */
  private Examination.Finding badKey(String reason, X509Certificate certificate) {
    KeyFile file;
    try {
      file = KeyFile.of(key);
    } catch (AccessDeniedException e) {
      String seen = key + " is not readable for this user";
      String advice = "Let only its owner read it:";
      return new Examination.Finding("key", seen, advice, fixes.keepPrivate(key));
    } catch (IOException e) {
      return createAnother(key + " cannot be used: " + Reason.of(e));
    }
    if (file.form() == KeyFile.Form.PKCS12) {
      String seen = key + " is PKCS#12, which pgjdbc reads only from a name that ends in .p12";
      String command = fixes.withEnding(key, ".p12");
      return new Examination.Finding("key", seen, "Copy it to such a name:", command);
    }
    String password = settings.getProperty("sslpassword");
    boolean isEncrypted = file.form() == KeyFile.Form.ENCRYPTED;
    if (isEncrypted && file.isDer() && !file.detail().contains("PBES2")) {
      String seen = key + " is " + file.detail() + ": " + reason;
      String advice =
          password == null
              ? "Put its password into the URL, as sslpassword=…"
              : "Correct sslpassword in the URL.";
      return new Examination.Finding("key", seen, advice, "");
    }
    if (file.form().isConvertible()) {
      String detail = file.detail().isEmpty() ? "" : " (" + file.detail() + ")";
      String seen = key + " is " + file.form().text + detail + ", which pgjdbc does not read";
      boolean keepPassword = isEncrypted && password != null;
      String command = fixes.convert(key, file.isDer(), keepPassword);
      String advice = isEncrypted ? "Convert it; openssl asks for its password:" : "Convert it:";
      return new Examination.Finding("key", seen, advice, command);
    }
    boolean isKey =
        List.of(KeyFile.Form.OPENSSH, KeyFile.Form.JAVA_KEY_STORE, KeyFile.Form.UTF16)
            .contains(file.form());
    String what = isKey ? ", which pgjdbc does not read" : "";
    String algorithm = certificate.getPublicKey().getAlgorithm();
    return createAnother(
        "%s cannot be used: it is %s%s (pgjdbc: %s; the certificate's key is %s)"
            .formatted(
                key, file.form().text, what, reason.isEmpty() ? "no key" : reason, algorithm));
  }

  private Examination.Finding createAnother(String seen) {
    String advice = "Create another key and certificate; the old files keep another name:";
    return new Examination.Finding("key", seen, advice, fixes.createClient());
  }

  /** Explains why pgjdbc cannot use a PKCS#12 file. */
  private Examination.Finding badKeyStore(String reason) {
    Path file = identity.certificate();
    if (!Files.exists(file)) {
      return createAnother(file + " cannot be used: there is no such file");
    }
    String password = settings.getProperty("sslpassword");
    if (password == null) {
      String seen = file + " is PKCS#12, and the URL has no sslpassword";
      String advice = "Put its password into the URL, as sslpassword=…";
      return new Examination.Finding("key", seen, advice, "");
    }
    try {
      List<String> entries = KeyFile.entries(file, password);
      if (!entries.isEmpty() && !entries.contains(ClientIdentity.ALIAS)) {
        String seen = file + " has no entry named user; pgjdbc reads no other: " + entries;
        String command = fixes.renameEntry(file, entries.get(0));
        return new Examination.Finding("key", seen, "Copy the entry to that name:", command);
      }
    } catch (IOException | GeneralSecurityException e) {
      boolean isPassword = Reason.of(e).contains("password was incorrect");
      String seen = file + " cannot be opened: " + Reason.of(e);
      String advice =
          isPassword
              ? "Correct sslpassword in the URL."
              : "Create another PKCS#12 file, or use a certificate and key in PEM.";
      return new Examination.Finding("key", seen, advice, "");
    }
    return createAnother(file + " cannot be used: " + (reason.isEmpty() ? "no entry" : reason));
  }
}
