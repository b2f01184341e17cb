import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** The doctor calls a key or a certificate broken if, and only if, BankSecure cannot use it. */
@Timeout(120)
class DoctorKeysTest {

  /** Creates a CA, a node, and users with keys of three algorithms, all in PKCS#8 and PEM. */
  private static final String CERTIFICATES =
      """
      set -e
      openssl req -x509 -newkey rsa:2048 -nodes -subj '/O=Cockroach/CN=Cockroach CA' \
        -days 2 -keyout ca.key -out ca.crt
      leaf() { # file, user, extension, algorithm...
        openssl req -newkey "${@:4}" -nodes -subj "/O=Cockroach/CN=$2" -keyout "$1.key" -out "$1.csr"
        openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
          -extfile <(echo "$3") -out "$1.crt"
      }
      leaf node node 'subjectAltName=DNS:localhost,IP:127.0.0.1' rsa:2048
      leaf client.root root 'extendedKeyUsage=clientAuth' rsa:2048
      leaf rsa maxroach 'extendedKeyUsage=clientAuth' rsa:2048
      leaf ec maxroach 'extendedKeyUsage=clientAuth' ec -pkeyopt ec_paramgen_curve:P-256
      leaf ed maxroach 'extendedKeyUsage=clientAuth' ed25519
      chmod 600 *.key
      """;

  private static final String DER = "openssl pkcs8 -topk8 -outform DER -in $1.key -out k";
  private static final String PLAIN = DER + " -nocrypt";
  private static final String PBES1 = DER + " -v1 PBE-SHA1-3DES -passout pass:geheim";
  private static final String PBES2 = DER + " -v2 aes-256-cbc -passout pass:geheim";
  private static final String P12 =
      "openssl pkcs12 -export -inkey $1.key -in $1.crt -passout pass:geheim -out ";
  private static final String TRADITIONAL = "openssl pkey -traditional -in $1.key -out k";
  private static final String TEXT = "(echo 'Bag Attributes'; echo 'a: b'; cat $1.key) > k";
  private static final String SECRET = "&sslpassword=geheim";

  /**
   * A form of a key and its certificate.
   *
   * @param key the name of the key's file, which ends {@code made}
   * @param made what creates the file, from $1.key and $1.crt
   * @param parameters of the URL besides sslkey
   */
  private record Form(String algorithm, String key, String made, String parameters) {}

  private static final String CERTIFICATE = "&sslcert={}/$1.crt";

  private static List<Form> forms() {
    List<Form> forms = new ArrayList<>();
    for (String algorithm : List.of("rsa", "ec", "ed")) {
      forms.add(new Form(algorithm, "k.key", "cp $1.key k.key", CERTIFICATE));
      forms.add(new Form(algorithm, "k.pem", "cp $1.key k.pem", CERTIFICATE));
      forms.add(
          new Form(algorithm, "k.key", "cp $1.key k.key", CERTIFICATE + "&pemKeyAlgorithm=EC"));
      if (!algorithm.equals("ed")) {
        forms.add(new Form(algorithm, "k", TRADITIONAL, CERTIFICATE));
      }
      forms.add(new Form(algorithm, "k", TEXT, CERTIFICATE));
      forms.add(new Form(algorithm, "k", PLAIN, CERTIFICATE));
      forms.add(new Form(algorithm, "k.der", PLAIN.replace("-out k", "-out k.der"), CERTIFICATE));
      forms.add(new Form(algorithm, "k", PBES1, CERTIFICATE + SECRET));
      forms.add(new Form(algorithm, "k", PBES2, CERTIFICATE + SECRET));
      forms.add(new Form(algorithm, "k.p12", P12 + "k.p12 -name user", SECRET));
    }
    forms.add(new Form("rsa", "k", PBES1, CERTIFICATE));
    forms.add(new Form("rsa", "k", PBES1, CERTIFICATE + "&sslpassword=wrong"));
    forms.add(new Form("rsa", "k.p12", P12 + "k.p12 -name user", ""));
    forms.add(new Form("rsa", "k.p12", P12 + "k.p12 -name user", "&sslpassword=wrong"));
    forms.add(new Form("rsa", "k.p12", P12 + "k.p12", SECRET));
    forms.add(new Form("rsa", "k.key", P12 + "k.key -name user", CERTIFICATE + SECRET));
    forms.add(
        new Form("rsa", "k", DER.replace("DER", "PEM") + " -passout pass:geheim", CERTIFICATE));
    forms.add(new Form("rsa", "k", "(echo text; " + TRADITIONAL + " -out /dev/stdout) > k", ""));
    forms.add(new Form("rsa", "k", "openssl rsa -traditional -outform DER -in $1.key -out k", ""));
    for (String chain : List.of("cat $1.crt ca.crt > c", "(echo text; cat $1.crt) > c")) {
      forms.add(new Form("rsa", "k", PLAIN + " && " + chain, "&sslcert={}/c"));
    }
    forms.add(
        new Form(
            "rsa", "k", PLAIN + " && openssl x509 -in $1.crt -outform DER -out c", "&sslcert={}/c"));
    return forms;
  }

  private static DoctorStage stage;
  private static TemporaryDirectory directory;
  private static Path certs;
  private static LocalCluster server;

  @BeforeAll
  static void start() throws Exception {
    stage = new DoctorStage();
    directory = TemporaryDirectory.create("keys-");
    certs = directory.directory("certs");
    Assumptions.assumeTrue(bash(certs, "command -v openssl") == 0, "no openssl on the PATH");
    assertEquals(0, bash(certs, CERTIFICATES));
    server = LocalCluster.builder().certs(certs).start();
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      server.close();
    }
    stage.close();
    directory.close();
  }

  @TestFactory
  Stream<DynamicTest> agreesWithBankSecure() {
    return forms().stream()
        .map(
            form ->
                DynamicTest.dynamicTest(
                    String.join(" ", form.algorithm, form.key, form.made, form.parameters),
                    () -> compare(form)));
  }

  private static void compare(Form form) throws Exception {
    Path folder = directory.directory("form" + System.nanoTime());
    TemporaryDirectory.copy(certs, folder);
    String made = form.made.replace("$1", form.algorithm) + " && chmod 600 " + form.key;
    assertEquals(0, bash(folder, made), made);
    String parameters = form.parameters.isEmpty() ? CERTIFICATE : form.parameters;
    String url =
        "postgresql://maxroach@localhost:%d/bank?sslrootcert=%s/ca.crt&sslkey=%2$s/%s%s"
            .formatted(
                server.port(),
                folder,
                form.key,
                parameters.replace("$1", form.algorithm).replace("{}", folder.toString()));
    Map<String, String> before = contents(folder);
    DoctorStage.Run run = stage.doctor("--url=" + url, "--certs-dir=/nowhere");
    assertEquals(before, contents(folder));
    assertEquals(connects(url), run.status() == 0, run::toString);
    if (run.status() == 0) {
      assertTrue(run.out().contains("✓ key"), run::toString);
      return;
    }
    assertTrue(run.out().startsWith("✗ key"), run::toString);
    String command = run.command();
    if (command.startsWith("openssl") || command.startsWith("cp")) {
      String typed = command.contains("-v1") ? "geheim\ngeheim\ngeheim\n" : "geheim\n";
      assertEquals(0, stage.paste(folder, command, typed), command);
      Map<String, String> after = contents(folder);
      before.forEach((file, content) -> assertEquals(content, after.get(file), file));
    }
  }

  private static boolean connects(String url) {
    try {
      BankSecure.connect(BankSecure.settings(url), Path.of("/nowhere")).open().close();
      return true;
    } catch (JdbiException e) {
      return false;
    }
  }

  private static Map<String, String> contents(Path folder) throws IOException {
    Map<String, String> contents = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        contents.put(file.toString(), Arrays.toString(Files.readAllBytes(file)));
      }
    }
    return contents;
  }

  private static int bash(Path folder, String script) throws Exception {
    Process process =
        new ProcessBuilder("bash", "-c", script)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .start();
    String printed = new String(process.getInputStream().readAllBytes());
    int status = process.waitFor();
    if (status != 0) {
      System.out.println(printed);
    }
    return status;
  }
}
