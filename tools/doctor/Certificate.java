import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.CertificateParsingException;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** A certificate: whom it is for, and when. */
record Certificate(X509Certificate x509) {

  /** Reads a file of CAs as pgjdbc does; null stands for the CAs that Java trusts. */
  static X509TrustManager authorities(Path file) throws IOException, GeneralSecurityException {
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    if (file == null) {
      factory.init((KeyStore) null);
    } else {
      Set<TrustAnchor> anchors = new HashSet<>();
      try (InputStream in = Files.newInputStream(file)) {
        for (var each : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
          anchors.add(new TrustAnchor((X509Certificate) each, null));
        }
      }
      if (anchors.isEmpty()) {
        throw new CertificateException("it holds no certificate");
      }
      PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, null);
      parameters.setRevocationEnabled(false);
      factory.init(new CertPathTrustManagerParameters(parameters));
    }
    return (X509TrustManager) factory.getTrustManagers()[0];
  }

  String subject() {
    return x509.getSubjectX500Principal().toString();
  }

  String issuer() {
    return x509.getIssuerX500Principal().toString();
  }

  boolean isSelfSigned() {
    return issuer().equals(subject());
  }

  /** The day on which the certificate expires. */
  String expiry() {
    return x509.getNotAfter().toInstant().toString().substring(0, 10);
  }

  /** Whether this is the time for which the certificate is valid. */
  boolean isTimely() {
    return timeProblem().isEmpty();
  }

  /** Why the certificate is not valid now, with both times, or nothing. */
  String timeProblem() {
    Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
    Instant from = x509.getNotBefore().toInstant();
    Instant until = x509.getNotAfter().toInstant();
    if (now.isAfter(until)) {
      return "it expired at " + until + "; the clock here says " + now;
    }
    return now.isBefore(from) ? "it is valid from " + from + "; the clock here says " + now : "";
  }

  /** The first host names and addresses that the certificate is for. */
  List<String> hostNames() {
    try {
      var all = x509.getSubjectAlternativeNames();
      return (all == null ? List.<List<?>>of() : all)
          .stream()
              .map(each -> each.get(1).toString())
              .filter(each -> each.matches("[\\w.:*-]{1,253}"))
              .limit(8)
              .toList();
    } catch (CertificateParsingException e) {
      return List.of();
    }
  }

  /** Whether the subject's common name is this user. */
  boolean isFor(String user) {
    return subjectNames().contains(user);
  }

  private List<String> subjectNames() {
    try {
      return new LdapName(x509.getSubjectX500Principal().getName())
          .getRdns().stream()
              .filter(part -> part.getType().equalsIgnoreCase("CN"))
              .map(part -> part.getValue().toString())
              .toList();
    } catch (InvalidNameException e) {
      return List.of();
    }
  }

  /** Whether the chain is refused for its time, and not for its CA. */
  static boolean isAboutTime(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertificateExpiredException
          || cause instanceof CertificateNotYetValidException) {
        return true;
      }
    }
    return false;
  }

  /** Whether the chain is refused for what it may be used for, and not for its CA. */
  static boolean isAboutPurpose(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      boolean isAlgorithm =
          cause instanceof CertPathValidatorException path
              && path.getReason() == CertPathValidatorException.BasicReason.ALGORITHM_CONSTRAINED;
      String message = String.valueOf(cause.getMessage());
      if (isAlgorithm || message.matches("(?i)(?s).*(usage|extension|constraint).*")) {
        return true;
      }
    }
    return false;
  }
}
