import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import javax.net.ssl.X509TrustManager;
import org.postgresql.ssl.PGjdbcHostnameVerifier;

/** Checks the CA's certificate, and the certificate of each host against it. */
final class ServerChecks {

  private final Examination examination;
  private final Fixes fixes;
  private final Properties settings;
  private final Path folder;
  private X509TrustManager authorities;

  ServerChecks(Examination examination, Fixes fixes, Properties settings) {
    this.examination = examination;
    this.fixes = fixes;
    this.settings = settings;
    this.folder = fixes.certificates();
  }

  /** Whether the CAs are those that Java trusts. */
  boolean usesJavasAuthorities() {
    return rootCertificate().toString().equals("system");
  }

  private Path rootCertificate() {
    Path standard = Path.of(System.getProperty("user.home"), ".postgresql", "root.crt");
    String otherwise = Files.exists(standard) ? standard.toString() : "system";
    return Path.of(settings.getProperty("sslrootcert", otherwise));
  }

  /** The CAs that {@link #checkAuthorities} has loaded. */
  X509TrustManager authorities() {
    return authorities;
  }

  /** Loads the CAs as pgjdbc does. A host's certificate shows where the right one may be. */
  void checkAuthorities(Host host) {
    Path file = rootCertificate();
    try {
      authorities = Certificate.authorities(usesJavasAuthorities() ? null : file);
    } catch (IOException | GeneralSecurityException e) {
      throw untrusted("CA", file + " cannot be used: " + Reason.of(e), host);
    }
    X509Certificate[] all = authorities.getAcceptedIssuers();
    if (usesJavasAuthorities()) {
      String missing = "the %d CAs that Java trusts, because there is no %s";
      examination.pass("CA", missing, all.length, folder.resolve("ca.crt"));
    } else {
      Certificate first = new Certificate(all[0]);
      String more = all.length == 1 ? "" : ", and " + (all.length - 1) + " more";
      String seen = "%s: %s, expires %s%s";
      examination.pass("CA", seen, file, first.subject(), first.expiry(), more);
    }
  }

  /** Looks for the right CA in other folders. */
  private Examination.Finding untrusted(String check, String seen, Host host) {
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
    X509Certificate[] chain = host.chain();
    for (Path other : others) {
      try {
        if (chain != null) {
          Certificate.authorities(other.resolve("ca.crt")).checkServerTrusted(chain, "UNKNOWN");
          String command = fixes.authorityIn(other);
          String advice = "The right one is in " + other + ":";
          return new Examination.Finding(check, seen, advice, command);
        }
      } catch (IOException | GeneralSecurityException e) {
        // It is not there.
      }
    }
    String advice = "Copy ca.crt from a node of that cluster to " + given + ".";
    return new Examination.Finding(check, seen, advice, "");
  }

  /** Checks the certificate of a host: its CA, its time, its purpose, its names. */
  void checkServer(Host host) {
    X509Certificate[] chain = host.chain();
    if (chain == null) {
      examination.skip("server", host + " sent no certificate");
      return;
    }
    Certificate own = new Certificate(chain[0]);
    try {
      authorities.checkServerTrusted(chain, "UNKNOWN");
    } catch (CertificateException e) {
      throw refused(host, chain, e);
    }
    if (host.session != null && !PGjdbcHostnameVerifier.INSTANCE.verify(host.name, host.session)) {
      throw wrongName(host, own.hostNames());
    }
    String names = String.join(", ", own.hostNames());
    String seen = "%s has a certificate for %s, expires %s, by %s";
    examination.pass("server", seen, host, names, own.expiry(), own.issuer());
  }

  private Examination.Finding refused(
      Host host, X509Certificate[] chain, CertificateException refusal) {
    Certificate own = new Certificate(chain[0]);
    for (X509Certificate each : chain) {
      String problem = new Certificate(each).timeProblem();
      if (!problem.isEmpty() && (each == chain[0] || Certificate.isAboutTime(refusal))) {
        return wrongCertificate(host, host + " has a bad certificate: " + problem);
      }
    }
    if (Certificate.isAboutPurpose(refusal)) {
      String seen = host + " has a bad certificate: " + Reason.of(refusal);
      return wrongCertificate(host, seen);
    }
    boolean isMissing = usesJavasAuthorities() && !fixes.isAuthorityInUrl();
    if (isMissing && settings.containsKey("sslcert")) {
      String seen = "there is no %s, and Java does not trust %s";
      seen = seen.formatted(folder.resolve("ca.crt"), own.issuer());
      examination.forget("CA");
      return untrusted("CA", seen, host);
    }
    String seen = host + " has a certificate by " + own.issuer() + ", and not by that CA";
    return untrusted("server", seen, host);
  }

  private Examination.Finding wrongName(Host host, List<String> names) {
    String all = names.isEmpty() ? "no host" : String.join(", ", names) + " only";
    String seen = host + " has a certificate for " + all;
    for (String name : names) {
      InetSocketAddress other = new InetSocketAddress(name, host.port);
      if (!other.isUnresolved() && other.getAddress().equals(host.address().getAddress())) {
        String command = fixes.host(host.name, name);
        String advice = "Use a name that it is for:";
        return new Examination.Finding("server", seen, advice, command);
      }
    }
    return wrongCertificate(host, seen);
  }

  private Examination.Finding wrongCertificate(Host host, String seen) {
    X509Certificate[] chain = host.chain();
    Set<String> names = new LinkedHashSet<>(new Certificate(chain[0]).hostNames());
    names.add(host.name.replaceAll("[\\[\\]]", ""));
    String clock =
        seen.contains("the clock here") ? "Correct this machine's clock if it is wrong. " : "";
    String advice = clock + "Create another certificate on the machine of that node:";
    return new Examination.Finding("server", seen, advice, fixes.createNode(names));
  }
}
