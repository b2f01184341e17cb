import java.io.File;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.sql.SQLException;
import java.util.Locale;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import javax.net.ssl.X509KeyManager;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.callback.UnsupportedCallbackException;
import org.postgresql.ssl.BaseX509KeyManager;
import org.postgresql.ssl.LazyKeyManager;
import org.postgresql.ssl.PEMKeyManager;
import org.postgresql.ssl.PKCS12KeyManager;
import org.postgresql.ssl.Pk8OrPemKeyManager;

/** The client's certificate and key, loaded by the classes of pgjdbc that a connection uses. */
final class ClientIdentity {

  /** The name under which pgjdbc's classes keep the one certificate and key. */
  static final String ALIAS = "user";

  private static final byte[] SIGNED = {1};

  private final Path certificate;
  private final Path key;
  private final X509KeyManager keys;

  /** Loads the certificate, also if the key cannot be loaded. */
  private final X509KeyManager certificates;

  /**
   * Finds the files as pgjdbc does.
   *
   * @param settings as BankSecure has completed them
   */
  ClientIdentity(Properties settings) throws SQLException {
    Path defaults = defaultFolder();
    String crt = settings.getProperty("sslcert", defaults.resolve("postgresql.crt").toString());
    String pk8 = settings.getProperty("sslkey", defaults.resolve("postgresql.pk8").toString());
    this.certificate = Path.of(crt);
    this.key = Path.of(pk8);
    this.keys = keyManager(crt, pk8, settings);
    this.certificates = isKeyStore() ? keys : new LazyKeyManager(crt, null, null, false);
  }

  /** Chooses by the ending of the key's name, as pgjdbc's LibPQFactory does. */
  private static X509KeyManager keyManager(String crt, String key, Properties settings)
      throws SQLException {
    CallbackHandler password = new PasswordOfUrl(settings.getProperty("sslpassword"));
    String name = key.toLowerCase(Locale.ROOT);
    if (name.endsWith(".p12") || name.endsWith(".pfx")) {
      return new PKCS12KeyManager(key, password);
    }
    String algorithm = settings.getProperty("pemKeyAlgorithm", "RSA");
    PEMKeyManager pem = new PEMKeyManager(key, crt, algorithm);
    LazyKeyManager der = new LazyKeyManager(crt, key, password, false);
    if (name.endsWith(".pem")) {
      return pem;
    }
    return name.endsWith(".der") ? der : new Pk8OrPemKeyManager(key, pem, der);
  }

  /** The folder in which pgjdbc looks for files that no parameter names. */
  static Path defaultFolder() {
    boolean isWindows = System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("windows");
    return isWindows
        ? Path.of(String.valueOf(System.getenv("APPDATA")), "postgresql")
        : Path.of(System.getProperty("user.home"), ".postgresql");
  }

  /** Whether the certificate is in the key's file, as in PKCS#12. */
  boolean isKeyStore() {
    return keys instanceof PKCS12KeyManager;
  }

  /** The file of the certificate. */
  Path certificate() {
    return isKeyStore() ? key : certificate;
  }

  /** The file of the key. */
  Path key() {
    return key;
  }

  /** Whether there is a file to load. */
  boolean exists() {
    File file = certificate().toFile();
    return file.exists() || key.toFile().exists();
  }

  /** Loads the certificate, with those of its CAs; the file may hold none. */
  X509Certificate[] chain() throws SQLException {
    X509Certificate[] chain = certificates.getCertificateChain(ALIAS);
    throwErrorOf(certificates);
    return chain == null ? new X509Certificate[0] : chain;
  }

  /** Loads the key; the file may hold none. */
  Optional<PrivateKey> privateKey() throws SQLException {
    PrivateKey read = keys.getPrivateKey(ALIAS);
    throwErrorOf(keys);
    return Optional.ofNullable(read);
  }

  /** Throws what pgjdbc would throw while it connects. */
  private static void throwErrorOf(X509KeyManager keys) throws SQLException {
    if (keys instanceof BaseX509KeyManager base) {
      base.throwKeyManagerException();
    } else if (keys instanceof LazyKeyManager lazy) {
      lazy.throwKeyManagerException();
    } else if (keys instanceof Pk8OrPemKeyManager either) {
      either.throwKeyManagerException();
    }
  }

  /** Whether a key certainly belongs to another certificate: what it signs is not verified. */
  static boolean isOfAnotherCertificate(PrivateKey key, PublicKey certified) {
    try {
      Signature signature = Signature.getInstance(signatureFor(certified.getAlgorithm()));
      signature.initSign(key);
      // Java verifies no Ed25519 signature of nothing.
      signature.update(SIGNED);
      byte[] signed = signature.sign();
      signature.initVerify(certified);
      signature.update(SIGNED);
      return !signature.verify(signed);
    } catch (GeneralSecurityException e) {
      // An RSA key does not sign as an elliptic curve's does. For a new algorithm we do not know.
      return Set.of("RSA", "EC", "EdDSA", "DSA").contains(certified.getAlgorithm())
          && !key.getAlgorithm().equals(certified.getAlgorithm());
    }
  }

  private static String signatureFor(String algorithm) {
    return switch (algorithm) {
      case "RSA" -> "SHA256withRSA";
      case "EC" -> "SHA256withECDSA";
      case "DSA" -> "SHA256withDSA";
      default -> algorithm;
    };
  }

  /** Answers with the parameter sslpassword, and never asks. */
  private record PasswordOfUrl(String password) implements CallbackHandler {
    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
      for (Callback callback : callbacks) {
        if (password == null || !(callback instanceof PasswordCallback asked)) {
          throw new UnsupportedCallbackException(callback, "no sslpassword in the URL");
        }
        asked.setPassword(password.toCharArray());
      }
    }
  }
}
