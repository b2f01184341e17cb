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
import java.security.PublicKey;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
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
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A certificate authority for a secure cluster. Its files have the names, subjects and key format
 * of those that {@code cockroach cert} creates; its own key is never written.
 */
final class CertificateAuthority {

  /** How long a certificate is valid, from yesterday on. */
  static final Duration VALIDITY = Duration.ofDays(5 * 365);

  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Duration DAY = Duration.ofDays(1);

  private final X500Name name;
  private final KeyPair keys = rsaKeys();
  private final X509CertificateHolder certificate;

  /** A new authority. Every cluster calls its own "O=Cockroach, CN=Cockroach CA". */
  CertificateAuthority(String name) {
    this.name = new X500Name(name);
    this.certificate = ownCertificate();
  }

  /** Writes all files of a secure cluster: those of the CA, the nodes, root and maxroach. */
  static void writeAll(Path directory) throws IOException {
    CertificateAuthority authority = new CertificateAuthority("O=Cockroach, CN=Cockroach CA");
    authority.write(directory);
    authority.write(directory, "node", "node", hostNames("localhost", "127.0.0.1", "::1"));
    for (String user : new String[] {"root", "maxroach"}) {
      authority.write(directory, "client." + user, user, userNames(user));
    }
  }

  /** Writes ca.crt. */
  void write(Path directory) throws IOException {
    writePublic(directory.resolve("ca.crt"), pem(certificate));
  }

  private void write(Path directory, String file, String user, GeneralNames names)
      throws IOException {
    KeyPair subjectKeys = rsaKeys();
    Instant yesterday = Instant.now().minus(DAY);
    var leaf =
        sign(name, user, names, subjectKeys.getPublic(), yesterday, yesterday.plus(VALIDITY), null);
    writePublic(directory.resolve(file + ".crt"), pem(leaf));
    writePrivate(directory.resolve(file + ".key"), pem(subjectKeys.getPrivate()));
  }

  /** Signs with this authority's key, or with another key, whose certificate then is no good. */
  X509CertificateHolder sign(
      X500Name issuer,
      String user,
      GeneralNames names,
      PublicKey key,
      Instant notBefore,
      Instant notAfter,
      PrivateKey anotherKey) {
    var builder =
        builder(issuer, notBefore, notAfter, new X500Name("O=Cockroach, CN=" + user), key);
    KeyPurposeId[] purposes =
        user.equals("node")
            ? new KeyPurposeId[] {KeyPurposeId.id_kp_clientAuth, KeyPurposeId.id_kp_serverAuth}
            : new KeyPurposeId[] {KeyPurposeId.id_kp_clientAuth};
    try {
      var usage = new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment);
      builder.addExtension(Extension.keyUsage, true, usage);
      builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purposes));
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
      builder.addExtension(Extension.subjectAlternativeName, false, names);
      if (anotherKey == null) {
        builder.addExtension(
            Extension.authorityKeyIdentifier,
            false,
            new JcaX509ExtensionUtils()
                .createAuthorityKeyIdentifier(certificate.getSubjectPublicKeyInfo()));
      }
      return signed(builder, anotherKey == null ? keys.getPrivate() : anotherKey);
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The name of this authority. */
  X500Name name() {
    return name;
  }

  /** A node is known by its host names and addresses. */
  static GeneralNames hostNames(String... hosts) {
    return new GeneralNames(
        Stream.of(hosts)
            .map(
                host ->
                    host.contains(":") || host.matches("[0-9.]+")
                        ? new GeneralName(GeneralName.iPAddress, host)
                        : new GeneralName(GeneralName.dNSName, host))
            .toArray(GeneralName[]::new));
  }

  /** A user is known by the common name, and by this name in newer releases. */
  static GeneralNames userNames(String user) {
    String name = "crdb://tenant/1/user/" + user;
    return new GeneralNames(new GeneralName(GeneralName.uniformResourceIdentifier, name));
  }

  private X509CertificateHolder ownCertificate() {
    Instant yesterday = Instant.now().minus(DAY);
    var builder =
        builder(name, yesterday, yesterday.plus(VALIDITY.multipliedBy(2)), name, keys.getPublic());
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

  private static X509v3CertificateBuilder builder(
      X500Name issuer, Instant notBefore, Instant notAfter, X500Name subject, PublicKey key) {
    return new JcaX509v3CertificateBuilder(
        issuer,
        new BigInteger(127, RANDOM),
        Date.from(notBefore),
        Date.from(notAfter),
        subject,
        key);
  }

  private static X509CertificateHolder signed(X509v3CertificateBuilder builder, PrivateKey signer) {
    String algorithm = signer.getAlgorithm().equals("RSA") ? "SHA256withRSA" : "SHA256withECDSA";
    try {
      return builder.build(new JcaContentSignerBuilder(algorithm).build(signer));
    } catch (OperatorCreationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A new pair of RSA keys of 2,048 bits. */
  static KeyPair rsaKeys() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize(2048);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** PEM; a key is in PKCS#1 (RSA) or SEC1 (elliptic curve), as cockroach cert writes it. */
  static byte[] pem(Object object) {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(object);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }

  /** Writes a file that everyone may read. */
  static void writePublic(Path file, byte[] content) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, content);
  }

  /** Writes a file that only its owner can read. */
  static void writePrivate(Path file, byte[] content) throws IOException {
    Files.deleteIfExists(file);
    if (FileSystems.getDefault().supportedFileAttributeViews().contains("posix")) {
      var ownerOnly = PosixFilePermissions.fromString("rw-------");
      Files.createFile(file, PosixFilePermissions.asFileAttribute(ownerOnly));
    }
    Files.write(file, content);
  }
}
