import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** What BankDoctor reads in the files of certificates and keys. */
final class CertificateFiles {

  private CertificateFiles() {}

  /** All certificates of a file, at least one. */
  static X509Certificate[] read(Path file) throws IOException, CertificateException {
    try (InputStream in = Files.newInputStream(file)) {
      var all = CertificateFactory.getInstance("X.509").generateCertificates(in);
      if (all.isEmpty()) {
        throw new CertificateException("it holds no certificate");
      }
      return all.toArray(X509Certificate[]::new);
    }
  }

  /** Trusts those whose certificates are in the file or, if it is null, those that Java trusts. */
  static X509TrustManager authorities(Path file) throws IOException, GeneralSecurityException {
    KeyStore trusted = null;
    if (file != null) {
      trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, null);
      for (X509Certificate each : read(file)) {
        trusted.setCertificateEntry("authority " + trusted.size(), each);
      }
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(trusted);
    return (X509TrustManager) factory.getTrustManagers()[0];
  }

  /** Throws, with both times, where a certificate has ended or not begun. */
  static void requireTimely(X509Certificate certificate) throws CertificateException {
    Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
    Instant from = certificate.getNotBefore().toInstant();
    Instant until = certificate.getNotAfter().toInstant();
    if (now.isBefore(from) || now.isAfter(until)) {
      String when = now.isAfter(until) ? "it ended at " + until : "it begins at " + from;
      throw new CertificateException(when + ", and here it is " + now);
    }
  }

  /** The day on which a certificate ends. */
  static String until(X509Certificate certificate) {
    return certificate.getNotAfter().toInstant().toString().substring(0, 10);
  }

  /** The first names of hosts, and addresses, that a certificate is for. */
  static List<String> names(X509Certificate certificate) {
    try {
      var all = certificate.getSubjectAlternativeNames();
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

  /** What form a key is in, by its first line. */
  static String form(String key) {
    Matcher pem = Pattern.compile("-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----").matcher(key);
    if (!pem.find()) {
      return key.startsWith("0") ? "PKCS#8 in DER" : "not PEM and not DER";
    }
    String kind = key.contains("Proc-Type: 4,ENCRYPTED") ? "ENCRYPTED " : pem.group(1);
    return switch (kind) {
      case "RSA " -> "PKCS#1";
      case "EC " -> "SEC1";
      case "" -> "PKCS#8";
      default -> kind.strip().toLowerCase(java.util.Locale.ROOT);
    };
  }

  /** Has the key in a PKCS#8 file sign, and its partner verify that; throws where it cannot. */
  static void requirePair(Path pkcs8, PublicKey partner)
      throws IOException, GeneralSecurityException {
    byte[] key = Files.readAllBytes(pkcs8);
    String text = new String(key, StandardCharsets.ISO_8859_1);
    if (text.contains("-----BEGIN")) {
      String base64 = text.replaceFirst("(?s).*?-----BEGIN.*?-----(.*?)-----END.*", "$1");
      key = Base64.getMimeDecoder().decode(base64);
    }
    String algorithm = partner.getAlgorithm();
    PrivateKey read;
    try {
      read = KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(key));
    } catch (GeneralSecurityException e) {
      throw new KeyException("it is damaged, or no key, or not of the kind " + algorithm);
    }
    Signature signature =
        Signature.getInstance(
            algorithm.equals("EC") ? "SHA256withECDSA" : algorithm.replace("RSA", "SHA256withRSA"));
    signature.initSign(read);
    byte[] signed = signature.sign();
    signature.initVerify(partner);
    if (!signature.verify(signed)) {
      throw new KeyException("it is not the key of the certificate");
    }
  }
}
