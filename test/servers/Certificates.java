import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;

/**
 * A cluster's certificate authority, which also issues invalid certificates.
 *
 * <pre>{@code
 * Certificates authority = new Certificates();
 * authority.writeAll(directory);
 * authority.client("maxroach").expired().write(directory);
 * }</pre>
 */
final class Certificates {

  /** The format of a private key in its file. */
  enum KeyFormat {
    /** PEM, as {@code cockroach cert} writes: PKCS#1 for RSA, SEC1 for an elliptic curve. */
    TRADITIONAL,
    /** PEM, {@code BEGIN PRIVATE KEY}. */
    PKCS8_PEM,
    /** What {@code --also-generate-pkcs8-key} adds. */
    PKCS8_DER
  }

  private static final Duration DAY = Duration.ofDays(1);

  /** A key takes long to create, so a subject keeps its own for as long as the program runs. */
  private static final Map<String, KeyPair> KEYS = new ConcurrentHashMap<>();

  private final CertificateAuthority authority;

  /** A new authority, named as every cluster's own is. */
  Certificates() {
    this("O=Cockroach, CN=Cockroach CA");
  }

  /** A new authority of this name. */
  Certificates(String name) {
    this.authority = new CertificateAuthority(name);
  }

  /** Writes the folder of a secure cluster: the CA's, the node's, root's and maxroach's files. */
  void writeAll(Path directory) throws IOException {
    writeAuthority(directory);
    node("localhost", "127.0.0.1", "::1").write(directory);
    client("root").write(directory);
    client("maxroach").write(directory);
  }

  /** Writes ca.crt. Its key stays in memory. */
  void writeAuthority(Path directory) throws IOException {
    authority.write(directory);
  }

  /** A server's certificate, for these host names and addresses. */
  Leaf node(String... hosts) {
    return new Leaf("node", "node", CertificateAuthority.hostNames(hosts));
  }

  /** A user's certificate. */
  Leaf client(String user) {
    return new Leaf("client." + user, user, CertificateAuthority.userNames(user));
  }

  private static KeyPair keys(String subject) {
    return KEYS.computeIfAbsent(subject, absent -> CertificateAuthority.rsaKeys());
  }

  /** A certificate with its key, still to be spoilt or written. */
  final class Leaf {
    private final String file;
    private final String user;
    private final GeneralNames names;
    private KeyPair keys;
    private PrivateKey keyInFile;
    private Instant notBefore = Instant.now().minus(DAY);
    private Instant notAfter = notBefore.plus(CertificateAuthority.VALIDITY);
    private boolean selfSigned;

    private Leaf(String file, String user, GeneralNames names) {
      this.file = file;
      this.user = user;
      this.names = names;
      this.keys = keys(file);
      this.keyInFile = keys.getPrivate();
    }

    /** Its time ended yesterday. */
    Leaf expired() {
      notBefore = Instant.now().minus(DAY.multipliedBy(30));
      notAfter = Instant.now().minus(DAY);
      return this;
    }

    /** Its time begins tomorrow. */
    Leaf notYetValid() {
      notBefore = Instant.now().plus(DAY);
      return this;
    }

    /** Signed by its own key and not by the authority's. */
    Leaf selfSigned() {
      selfSigned = true;
      return this;
    }

    /** The key file holds a key that is not the certificate's. */
    Leaf withAnotherKey() {
      keyInFile = keys("another").getPrivate();
      return this;
    }

    /** The key is of an elliptic curve, P-256. */
    Leaf ellipticCurve() {
      try {
        // Java's own provider leaves the curve's name out of the SEC1 structure.
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", new BouncyCastleProvider());
        generator.initialize(256);
        keys = generator.generateKeyPair();
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
      keyInFile = keys.getPrivate();
      return this;
    }

    /** Writes the certificate and the key, in the format of {@code cockroach cert}. */
    void write(Path directory) throws IOException {
      write(directory, KeyFormat.TRADITIONAL);
    }

    /** Writes the certificate and the key, which only its owner can read. */
    void write(Path directory, KeyFormat format) throws IOException {
      Path certificate = directory.resolve(file + ".crt");
      CertificateAuthority.writePublic(certificate, CertificateAuthority.pem(sign()));
      String suffix = format == KeyFormat.PKCS8_DER ? ".key.pk8" : ".key";
      byte[] key =
          switch (format) {
            case TRADITIONAL -> CertificateAuthority.pem(keyInFile);
            case PKCS8_PEM -> CertificateAuthority.pem(new JcaPKCS8Generator(keyInFile, null));
            case PKCS8_DER -> keyInFile.getEncoded();
          };
      CertificateAuthority.writePrivate(directory.resolve(file + suffix), key);
    }

    /** Lets who has it show the certificate. */
    SSLSocketFactory identity() throws IOException {
      try {
        Certificate certificate = new JcaX509CertificateConverter().getCertificate(sign());
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry(user, keyInFile, new char[0], new Certificate[] {certificate});
        KeyManagerFactory keyManagers = KeyManagerFactory.getInstance("PKIX");
        keyManagers.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keyManagers.getKeyManagers(), null, null);
        return context.getSocketFactory();
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
    }

    private X509CertificateHolder sign() {
      return authority.sign(
          selfSigned ? new X500Name("O=Cockroach, CN=" + user) : authority.name(),
          user,
          names,
          keys.getPublic(),
          notBefore,
          notAfter,
          selfSigned ? keys.getPrivate() : null);
    }
  }
}
