import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.EncryptedPrivateKeyInfo;

/** The form of a file with a key, to explain why pgjdbc cannot load it. */
record KeyFile(Form form, boolean isDer, String detail) {

  /** What the file holds. */
  enum Form {
    PKCS8("PKCS#8"),
    PKCS1("PKCS#1"),
    SEC1("SEC1"),
    ENCRYPTED("encrypted"),
    PKCS12("PKCS#12"),
    JAVA_KEY_STORE("a Java key store"),
    OPENSSH("an OpenSSH key"),
    UTF16("UTF-16 text"),
    CERTIFICATE("a certificate, and no key"),
    DAMAGED("a damaged key"),
    EMPTY("empty"),
    NO_KEY("no key");

    final String text;

    Form(String text) {
      this.text = text;
    }

    /** Whether openssl pkcs8 makes PKCS#8 of it. */
    boolean isConvertible() {
      return List.of(PKCS8, PKCS1, SEC1, ENCRYPTED).contains(this);
    }
  }

  private static final int MAX_BYTES = 1 << 20;

  private static final Pattern PEM =
      Pattern.compile("(?s)-----BEGIN ([A-Z0-9 ]*?)PRIVATE KEY-----(.*?)(-----END|$)");

  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA", "DSA", "RSASSA-PSS");

  /** Looks at a file, and does not trust its name. */
  static KeyFile of(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      throw new IOException("it is a folder");
    }
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(MAX_BYTES);
    }
    if (bytes.length == 0) {
      return pem(Form.EMPTY, "");
    }
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    if (text.startsWith("\u00ff\u00fe") || text.startsWith("\u00fe\u00ff")) {
      return pem(Form.UTF16, "");
    }
    Matcher block = PEM.matcher(text);
    if (block.find()) {
      return ofPem(block.group(1).strip(), block.group(2), text.substring(0, block.start()));
    }
    if (text.contains("-----BEGIN CERTIFICATE-----")) {
      return pem(Form.CERTIFICATE, "");
    }
    return new KeyFile(ofDer(bytes), true, detailOfDer(bytes));
  }

  private static KeyFile pem(Form form, String detail) {
    return new KeyFile(form, false, detail);
  }

  private static KeyFile ofPem(String kind, String body, String before) {
    if (kind.equals("ENCRYPTED") || body.contains("ENCRYPTED")) {
      return pem(Form.ENCRYPTED, "PEM with a password");
    }
    if (kind.equals("OPENSSH")) {
      return pem(Form.OPENSSH, "");
    }
    byte[] der;
    try {
      der = Base64.getMimeDecoder().decode(body);
    } catch (IllegalArgumentException e) {
      return pem(Form.DAMAGED, "");
    }
    if (!isComplete(der)) {
      return pem(Form.DAMAGED, "");
    }
    if (kind.equals("RSA")) {
      return pem(Form.PKCS1, "");
    }
    if (kind.equals("EC")) {
      return pem(Form.SEC1, "");
    }
    String algorithm = algorithmOf(der);
    if (algorithm.isEmpty()) {
      return pem(Form.DAMAGED, "");
    }
    return pem(Form.PKCS8, before.isBlank() ? algorithm + " in PEM" : "PEM with text before BEGIN");
  }

  private static Form ofDer(byte[] der) {
    String start = new String(der, 0, Math.min(4, der.length), StandardCharsets.ISO_8859_1);
    if (start.equals("\u00fe\u00ed\u00fe\u00ed")) {
      return Form.JAVA_KEY_STORE;
    }
    if (der[0] != 0x30) {
      return Form.NO_KEY;
    }
    if (!isComplete(der)) {
      return Form.DAMAGED;
    }
    if (!algorithmOf(der).isEmpty()) {
      return Form.PKCS8;
    }
    if (!encryptionOf(der).isEmpty()) {
      return Form.ENCRYPTED;
    }
    // After the outer header comes the version: 0 in PKCS#1, 1 in SEC1, 3 in PKCS#12.
    int version = contentStart(der);
    boolean hasVersion = version + 3 < der.length && der[version] == 2 && der[version + 1] == 1;
    if (!hasVersion) {
      return Form.NO_KEY;
    }
    return switch (der[version + 2]) {
      case 0 -> der[version + 3] == 2 ? Form.PKCS1 : Form.DAMAGED;
      case 1 -> der[version + 3] == 4 ? Form.SEC1 : Form.DAMAGED;
      case 3 -> Form.PKCS12;
      default -> Form.NO_KEY;
    };
  }

  private static String detailOfDer(byte[] der) {
    String encryption = encryptionOf(der);
    return encryption.isEmpty() ? "" : "DER with a password, by " + encryption;
  }

  /** Whether the outermost SEQUENCE is as long as it says. */
  private static boolean isComplete(byte[] der) {
    int start = contentStart(der);
    if (start < 0 || start > der.length) {
      return false;
    }
    long length = 0;
    if (der[1] >= 0) {
      length = der[1];
    }
    for (int i = 2; i < start; i++) {
      length = length << 8 | der[i] & 0xff;
    }
    return start + length <= der.length;
  }

  /** Where the content of the outermost SEQUENCE begins; -1 if there is none. */
  private static int contentStart(byte[] der) {
    if (der.length < 2 || der[0] != 0x30) {
      return -1;
    }
    int lengthBytes = der[1] < 0 ? der[1] & 0x7f : 0;
    return lengthBytes > 4 ? -1 : 2 + lengthBytes;
  }

  /** The algorithm of a PKCS#8 key, or nothing if it is none. */
  static String algorithmOf(byte[] pkcs8) {
    for (String algorithm : ALGORITHMS) {
      try {
        KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
        return algorithm;
      } catch (GeneralSecurityException e) {
        // It is not of this algorithm.
      }
    }
    return "";
  }

  private static String encryptionOf(byte[] der) {
    try {
      String name = new EncryptedPrivateKeyInfo(der).getAlgName();
      // Its number in ASN.1, for which Java 17 has no name.
      return name.startsWith("1.2.840.113549.1.5.13") || name.startsWith("PBEWithHmac")
          ? "PBES2"
          : name;
    } catch (IOException e) {
      return "";
    }
  }

  /** The names of the entries of a key store, if the password opens it. */
  static List<String> entries(Path file, String password)
      throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(
        new ByteArrayInputStream(Files.readAllBytes(file)),
        password == null ? null : password.toCharArray());
    return Collections.list(store.aliases());
  }
}
