//DEPS org.bouncycastle:bcpkix-jdk18on:1.87

import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A certificate authority that leaves the files of {@code cockroach cert}, with the same names,
 * subjects and key format, and spoilt ones for the tests.
 *
 * <pre>{@code
 * Certificates authority = new Certificates();
 * authority.writeAll(directory);
 * authority.client("maxroach").expired().write(directory);
 * }</pre>
 */
final class Certificates {

  /** How a private key lies in its file. */
  enum KeyFormat {
    /** PEM, as {@code cockroach cert} writes: PKCS#1 for RSA, SEC1 for an elliptic curve. */
    TRADITIONAL(".key"),
    /** PEM, {@code BEGIN PRIVATE KEY}. */
    PKCS8_PEM(".key"),
    /** What {@code --also-generate-pkcs8-key} adds. */
    PKCS8_DER(".key.pk8");

    private final String suffix;

    KeyFormat(String suffix) {
      this.suffix = suffix;
    }
  }

  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Duration DAY = Duration.ofDays(1);

  /** A key takes long to make, so a subject keeps its own for as long as the program runs. */
  private static final Map<String, KeyPair> SUBJECT_KEYS = new ConcurrentHashMap<>();

  private final X500Name name;
  private final KeyPair keys = rsaKeys();
  private final X509CertificateHolder certificate;

  /** A new authority, named as every cluster's own is. */
  Certificates() {
    this("O=Cockroach, CN=Cockroach CA");
  }

  /** A new authority of this name. */
  Certificates(String name) {
    this.name = new X500Name(name);
    this.certificate = ownCertificate();
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
    writePublic(directory.resolve("ca.crt"), pem(certificate));
  }

  /** A server's certificate, for these host names and addresses. */
  Leaf node(String... hosts) {
    GeneralName[] names = Stream.of(hosts).map(Certificates::hostName).toArray(GeneralName[]::new);
    return new Leaf("node", "node", names, KeyPurposeId.id_kp_serverAuth);
  }

  /** A user's certificate. */
  Leaf client(String user) {
    var tenant =
        new GeneralName(GeneralName.uniformResourceIdentifier, "crdb://tenant/1/user/" + user);
    return new Leaf("client." + user, user, new GeneralName[] {tenant});
  }

  /** A certificate with its key, still to be spoilt or written. */
  final class Leaf {
    private final String file;
    private final X500Name subject;
    private final GeneralName[] names;
    private final KeyPurposeId[] purposes;
    private KeyPair subjectKeys;
    private PrivateKey keyInFile;
    private Instant notBefore = Instant.now().minus(DAY);
    private Instant notAfter = notBefore.plus(DAY.multipliedBy(5 * 365));
    private boolean selfSigned;

    private Leaf(String file, String user, GeneralName[] names, KeyPurposeId... more) {
      this.file = file;
      this.subjectKeys = SUBJECT_KEYS.computeIfAbsent(file, subject -> rsaKeys());
      this.keyInFile = subjectKeys.getPrivate();
      this.subject = new X500Name("O=Cockroach, CN=" + user);
      this.names = names;
      this.purposes =
          Stream.concat(Stream.of(KeyPurposeId.id_kp_clientAuth), Stream.of(more))
              .toArray(KeyPurposeId[]::new);
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
      keyInFile = SUBJECT_KEYS.computeIfAbsent("another", subject -> rsaKeys()).getPrivate();
      return this;
    }

    /** The key is of an elliptic curve, P-256. */
    Leaf ellipticCurve() {
      subjectKeys = ellipticCurveKeys();
      keyInFile = subjectKeys.getPrivate();
      return this;
    }

    /** Writes the certificate and the key, in the format of {@code cockroach cert}. */
    void write(Path directory) throws IOException {
      write(directory, KeyFormat.TRADITIONAL);
    }

    /** Writes the certificate and the key, which only its owner can read. */
    void write(Path directory, KeyFormat format) throws IOException {
      writePublic(directory.resolve(file + ".crt"), pem(sign()));
      writePrivate(directory.resolve(file + format.suffix), encoded(keyInFile, format));
    }

    private X509CertificateHolder sign() {
      var builder =
          new JcaX509v3CertificateBuilder(
              selfSigned ? subject : name,
              new BigInteger(127, RANDOM),
              Date.from(notBefore),
              Date.from(notAfter),
              subject,
              subjectKeys.getPublic());
      try {
        var identifiers = new JcaX509ExtensionUtils();
        var usage = new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment);
        builder.addExtension(Extension.keyUsage, true, usage);
        builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purposes));
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
        builder.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(names));
        if (!selfSigned) {
          builder.addExtension(
              Extension.authorityKeyIdentifier,
              false,
              identifiers.createAuthorityKeyIdentifier(certificate.getSubjectPublicKeyInfo()));
        }
        return signed(builder, selfSigned ? subjectKeys.getPrivate() : keys.getPrivate());
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private X509CertificateHolder ownCertificate() {
    Instant now = Instant.now();
    var builder =
        new JcaX509v3CertificateBuilder(
            name,
            new BigInteger(127, RANDOM),
            Date.from(now.minus(DAY)),
            Date.from(now.plus(DAY.multipliedBy(10 * 365))),
            name,
            keys.getPublic());
    try {
      var usage =
          new KeyUsage(
              KeyUsage.digitalSignature
                  | KeyUsage.nonRepudiation
                  | KeyUsage.keyEncipherment
                  | KeyUsage.keyCertSign);
      builder.addExtension(Extension.keyUsage, true, usage);
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(1));
      builder.addExtension(
          Extension.subjectKeyIdentifier,
          false,
          new JcaX509ExtensionUtils().createSubjectKeyIdentifier(keys.getPublic()));
      return signed(builder, keys.getPrivate());
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static X509CertificateHolder signed(
      JcaX509v3CertificateBuilder builder, PrivateKey signer) {
    String algorithm = signer.getAlgorithm().equals("RSA") ? "SHA256withRSA" : "SHA256withECDSA";
    try {
      return builder.build(new JcaContentSignerBuilder(algorithm).build(signer));
    } catch (OperatorCreationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static GeneralName hostName(String host) {
    boolean address = host.contains(":") || host.matches("[0-9.]+");
    return new GeneralName(address ? GeneralName.iPAddress : GeneralName.dNSName, host);
  }

  private static KeyPair rsaKeys() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize(2048);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static KeyPair ellipticCurveKeys() {
    try {
      // Java's own provider leaves the curve's name out of the SEC1 structure.
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", new BouncyCastleProvider());
      generator.initialize(256);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] encoded(PrivateKey key, KeyFormat format) throws IOException {
    return switch (format) {
      case TRADITIONAL -> pem(key);
      case PKCS8_PEM -> pem(new JcaPKCS8Generator(key, null));
      case PKCS8_DER -> key.getEncoded();
    };
  }

  private static byte[] pem(Object object) {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(object);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static void writePublic(Path file, byte[] content) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, content);
  }

  private static void writePrivate(Path file, byte[] content) throws IOException {
    Files.deleteIfExists(file);
    if (FileSystems.getDefault().supportedFileAttributeViews().contains("posix")) {
      var ownerOnly = PosixFilePermissions.fromString("rw-------");
      Files.createFile(file, PosixFilePermissions.asFileAttribute(ownerOnly));
    }
    Files.write(file, content);
  }
}
