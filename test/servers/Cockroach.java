import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.Assumptions;

/** A real CockroachDB node in memory, from the {@code cockroach} on the PATH. */
final class Cockroach implements Server {

  private static final long START_SECONDS = 60;

  private final TemporaryDirectory directory;
  private final boolean secure;
  private final int port = Server.freePort();
  private Process node;

  private Cockroach(boolean secure) throws IOException {
    this.secure = secure;
    this.directory = TemporaryDirectory.create("cockroach-");
  }

  /** Starts a node with the user maxroach and the database bank. */
  static Cockroach start(boolean secure) throws IOException {
    Cockroach cockroach = startNew(secure);
    cockroach
        .asSuperuser("defaultdb")
        .useHandle(
            root -> {
              root.execute("CREATE USER maxroach");
              root.execute("CREATE DATABASE bank");
              root.execute("GRANT ALL ON DATABASE bank TO maxroach");
            });
    return cockroach;
  }

  /** Starts a node that has only the user root; skips the test if there is no cockroach. */
  static Cockroach startNew(boolean secure) throws IOException {
    String binary = binary().orElse(null);
    Assumptions.assumeTrue(binary != null, "no cockroach on the PATH");
    Cockroach cockroach = new Cockroach(secure);
    try {
      cockroach.launch(binary);
      return cockroach;
    } catch (IOException | RuntimeException e) {
      cockroach.close();
      throw e;
    }
  }

  @Override
  public int port() {
    return port;
  }

  @Override
  public boolean isSecure() {
    return secure;
  }

  @Override
  public Path certs() {
    if (!secure) {
      throw new IllegalStateException("an insecure server has no certificates");
    }
    return directory.path().resolve("certs");
  }

  @Override
  public Jdbi asSuperuser(String database) {
    String url = "jdbc:postgresql://localhost:" + port + "/" + database + "?user=root";
    if (!secure) {
      return Jdbi.create(url + "&sslmode=disable");
    }
    return Jdbi.create(
        url
            + "&sslmode=verify-full&sslrootcert="
            + certs().resolve("ca.crt")
            + "&sslcert="
            + certs().resolve("client.root.crt")
            + "&sslkey="
            + certs().resolve("client.root.key.pk8"));
  }

  @Override
  public void close() {
    if (node != null) {
      // Nothing is worth draining: what it holds is in memory.
      node.destroyForcibly().onExit().join();
    }
    directory.close();
  }

  private static Optional<String> binary() {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .map(folder -> new File(folder, "cockroach"))
        .filter(File::canExecute)
        .map(File::getPath)
        .findFirst();
  }

  private void launch(String binary) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(binary);
    command.add("start-single-node");
    command.add("--store=type=mem,size=1GiB");
    command.add("--listen-addr=localhost:" + port);
    command.add("--http-addr=localhost:0");
    if (secure) {
      makeCertificates(binary);
      command.add("--certs-dir=certs");
    } else {
      command.add("--insecure");
    }
    node = process(command).start();
    awaitAnswer();
  }

  private void makeCertificates(String binary) throws IOException {
    Files.createDirectory(certs());
    directory.directory("my-safe-directory");
    run(binary, "create-ca");
    run(binary, "create-node", "localhost", "127.0.0.1");
    // pgjdbc, with which the tests look in as root, reads no other key.
    run(binary, "create-client", "root", "--also-generate-pkcs8-key");
    run(binary, "create-client", "maxroach");
  }

  private void run(String binary, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(binary, "cert"));
    command.addAll(List.of(arguments));
    command.addAll(List.of("--certs-dir=certs", "--ca-key=my-safe-directory/ca.key"));
    if (process(command).start().onExit().join().exitValue() != 0) {
      throw new IOException(String.join(" ", command) + " failed:\n" + log());
    }
  }

  private ProcessBuilder process(List<String> command) {
    return new ProcessBuilder(command)
        .directory(directory.path().toFile())
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(logFile().toFile()));
  }

  private void awaitAnswer() throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (!answers()) {
      if (!node.isAlive() || System.nanoTime() > deadline) {
        throw new IOException("cockroach did not start:\n" + log());
      }
      try {
        Thread.sleep(100);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException(e);
      }
    }
  }

  private boolean answers() {
    try {
      return asSuperuser("defaultdb")
          .withHandle(root -> root.createQuery("SELECT 1").mapTo(int.class).one() == 1);
    } catch (JdbiException e) {
      return false;
    }
  }

  private Path logFile() {
    return directory.path().resolve("cockroach.log");
  }

  private String log() throws IOException {
    return Files.readString(logFile());
  }
}
