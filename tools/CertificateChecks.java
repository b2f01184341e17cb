import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.sql.SQLException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import javax.net.ssl.X509TrustManager;
import org.postgresql.ssl.BaseX509KeyManager;
import org.postgresql.ssl.PGjdbcHostnameVerifier;

/** BankDoctor's look at the certificates of servers, and at the client's own with its key. */
final class CertificateChecks {

  /** Java's words for a certificate that its authority signed for something else. */
  private static final String PURPOSE = "(?i).*(usage|extension|constraint|algorithm).*";

  private final Examination examination;
  private final Mends mends;
  private final Path folder;

  /** As BankSecure has completed them. */
  private final Properties settings;

  private final Path key;

  CertificateChecks(Examination examination, Mends mends, Properties settings, String key) {
    this.examination = examination;
    this.mends = mends;
    this.folder = mends.certificates();
    this.settings = settings;
    this.key = Path.of(key);
  }

  // ---- The server's ----

  /** Checks what is trusted, if need be by what a host shows. */
  X509TrustManager checkAuthorities(Host host) {
    boolean javas = settings.getProperty("sslfactory", "").endsWith("DefaultJavaSSLFactory");
    Path root = Path.of(System.getProperty("user.home"), ".postgresql", "root.crt");
    Path file = Path.of(settings.getProperty("sslrootcert", root.toString()));
    try {
      X509TrustManager authorities = CertificateFiles.authorities(javas ? null : file);
      X509Certificate[] all = authorities.getAcceptedIssuers();
      if (javas) {
        String missing = "the %d that Java trusts, for there is no %s";
        examination.holds("CA", missing, all.length, folder.resolve("ca.crt"));
      } else {
        String until = CertificateFiles.until(all[0]);
        examination.holds("CA", "%s: %s, until %s", file, all[0].getSubjectX500Principal(), until);
      }
      return authorities;
    } catch (IOException | GeneralSecurityException e) {
      String seen = file + " cannot be used: " + BankDoctor.reason(e);
      throw untrusted("CA", seen, host);
    }
  }

  /** Looks where else the right authority may be. */
  private Examination.Broken untrusted(String link, String seen, Host host) {
    Path home = Path.of(System.getProperty("user.home"));
    Path given = folder.startsWith("~") ? home.resolve(Path.of("~").relativize(folder)) : folder;
    List<Path> others =
        List.of(
            given,
            given.toAbsolutePath().getParent(),
            given.resolve("certs"),
            Path.of("certs"),
            home.resolve("certs"),
            home.resolve(".cockroach-certs"));
    for (Path other : others) {
      try {
        CertificateFiles.authorities(other.resolve("ca.crt"))
            .checkServerTrusted(host.chain(), "UNKNOWN");
        String command = mends.authorityIn(other);
        return new Examination.Broken(link, seen, "The right one is in " + other + ":", command);
      } catch (IOException | GeneralSecurityException e) {
        // It is not there.
      }
    }
    String advice = "Copy ca.crt, as the nodes of that cluster have it, to " + given + ".";
    return new Examination.Broken(link, seen, advice, "");
  }

  /** Checks the certificate that a host shows: its time, its authority, its purpose, its names. */
  void checkServer(Host host, X509TrustManager authorities) {
    try {
      X509Certificate[] chain = host.chain();
      for (X509Certificate each : chain) {
        CertificateFiles.requireTimely(each);
      }
      String issuer = chain[0].getIssuerX500Principal().toString();
      try {
        authorities.checkServerTrusted(chain, "UNKNOWN");
      } catch (CertificateException e) {
        boolean own = issuer.equals(chain[0].getSubjectX500Principal().toString());
        if (!own && !BankDoctor.reason(e).matches(PURPOSE)) {
          String seen = host + " shows a certificate of " + issuer + ", and not of that CA";
          throw untrusted("server", seen, host);
        }
        throw e;
      }
      List<String> names = CertificateFiles.names(chain[0]);
      if (!PGjdbcHostnameVerifier.INSTANCE.verify(host.name, host.session)) {
        throw wrongName(host, names);
      }
      String seen = "%s shows one for %s, until %s, of %s";
      String until = CertificateFiles.until(chain[0]);
      examination.holds("server", seen, host, String.join(", ", names), until, issuer);
    } catch (IOException | CertificateException e) {
      String seen = host + " shows a certificate that won't do: " + BankDoctor.reason(e);
      throw wrongCertificate(host, seen);
    }
  }

  private Examination.Broken wrongName(Host host, List<String> names) {
    String seen = host + " shows a certificate for " + String.join(", ", names) + " only";
    for (String name : names) {
      InetSocketAddress other = new InetSocketAddress(name, host.port);
      if (!other.isUnresolved() && other.getAddress().equals(host.address().getAddress())) {
        String command = mends.host(host.name, name);
        return new Examination.Broken("server", seen, "Use a name that it is for:", command);
      }
    }
    return wrongCertificate(host, seen);
  }

  private Examination.Broken wrongCertificate(Host host, String seen) {
    Set<String> names = new LinkedHashSet<>();
    try {
      names.addAll(CertificateFiles.names(host.chain()[0]));
    } catch (IOException e) {
      // It showed none.
    }
    names.add(host.name.replaceAll("[\\[\\]]", ""));
    String advice = clock(seen) + "Make another, where that node runs:";
    return new Examination.Broken("server", seen, advice, mends.createNode(names));
  }

  private static String clock(String seen) {
    return seen.contains(" here it is ")
        ? "Set this machine's clock right if that is wrong, or: "
        : "";
  }

  // ---- The client's ----

  /**
   * Checks the client's certificate and key. Answers what may be why a login is refused; whether it
   * is, only the login tells.
   *
   * @param password whether there is one
   */
  String checkClient(X509TrustManager authorities, boolean password) {
    String user = settings.getProperty("user");
    String files = folder.resolve("client." + user).toString();
    Path file = Path.of(settings.getProperty("sslcert", files + ".crt"));
    if (!settings.containsKey("sslcert") && !Files.exists(key)) {
      String none = "there is no " + file;
      if (!password) {
        String seen = none + ", and no password in the URL, PGPASSWORD or ~/.pgpass";
        String advice = "Make one for this cluster, or have a password in PGPASSWORD:";
        throw new Examination.Broken("client", seen, advice, mends.createClient(file));
      }
      examination.untried("client", none + ", but a password");
      examination.untried("key", "not needed without a certificate");
      return "";
    }
    try {
      X509Certificate[] chain = CertificateFiles.read(file);
      CertificateFiles.requireTimely(chain[0]);
      String doubt = doubt(file, chain, authorities);
      String subject = chain[0].getSubjectX500Principal().toString();
      String seen = file + " is for " + subject + ", until " + CertificateFiles.until(chain[0]);
      examination.holds("client", "%s", doubt.isEmpty() ? seen : doubt);
      checkKey(chain[0].getPublicKey());
      return doubt;
    } catch (IOException | CertificateException e) {
      String seen = file + " cannot be used: " + BankDoctor.reason(e);
      String command = mends.createClient(file);
      throw new Examination.Broken("client", seen, clock(seen) + "Make it anew:", command);
    }
  }

  private String doubt(Path file, X509Certificate[] chain, X509TrustManager authorities) {
    String user = settings.getProperty("user");
    String subject = chain[0].getSubjectX500Principal().toString();
    if (!subject.matches("(.*, )?CN=" + Pattern.quote(user) + "(,.*)?")) {
      return file + " is for " + subject + ", and not for " + user;
    }
    if (settings.containsKey("sslfactory")) {
      return "";
    }
    try {
      authorities.checkClientTrusted(chain, chain[0].getPublicKey().getAlgorithm());
      return "";
    } catch (CertificateException e) {
      String issuer = chain[0].getIssuerX500Principal().toString();
      boolean purpose = BankDoctor.reason(e).matches(PURPOSE);
      return file + (purpose ? " is not for clients" : " is of " + issuer + ", and not of this CA");
    }
  }

  private void checkKey(PublicKey partner) {
    try {
      if (Files.isDirectory(key)) {
        throw new IOException("it is a folder");
      }
      String text = Files.readString(key, StandardCharsets.ISO_8859_1);
      BaseX509KeyManager.validateKeyFilePermissions(key);
      String form = CertificateFiles.form(text);
      boolean rsa = partner.getAlgorithm().equals("RSA") || settings.containsKey("pemKeyAlgorithm");
      String wrong = "SEC1|encrypted" + (rsa ? "" : "|PKCS#8");
      if (form.matches(wrong) && !settings.containsKey("sslpassword")) {
        String seen = key + " is " + form + ", which pgjdbc does not read";
        String command = mends.inDer(key);
        throw new Examination.Broken("key", seen, "Put it into PKCS#8 in DER:", command);
      }
      CertificateFiles.requirePair(Path.of(settings.getProperty("sslkey")), partner);
      String alone = form.equals("PKCS#1") ? ", where pgjdbc alone wants PKCS#8" : "";
      examination.holds("key", "%s is private, of that certificate, and in %s%s", key, form, alone);
    } catch (AccessDeniedException | SQLException e) {
      String reason = BankDoctor.reason(e);
      String open = reason.replaceFirst("(?s).*Current permissions: ", "open to others, as ");
      String seen = key + " is " + open;
      String command = mends.keepPrivate(key);
      throw new Examination.Broken("key", seen, "Let only its owner read it:", command);
    } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
      String seen = key + " cannot be used: " + BankDoctor.reason(e);
      throw new Examination.Broken("key", seen, "Make it anew:", mends.createClient(key));
    }
  }
}
