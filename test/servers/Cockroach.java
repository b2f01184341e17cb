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

/** A real CockroachDB in memory, of one node or three, from the {@code cockroach} on the PATH. */
final class Cockroach implements Server {

  private static final long START_SECONDS = 60;
  private static final long COMMAND_SECONDS = 120;
  private static final long REPLICATION_SECONDS = 180;

  private final String binary;
  private final boolean secure;
  private final TemporaryDirectory directory;
  private final List<Integer> ports = new ArrayList<>();
  private final List<Process> nodes = new ArrayList<>();

  private Cockroach(boolean secure) throws IOException {
    this.binary = binary().orElse(null);
    Assumptions.assumeTrue(binary != null, "no cockroach on the PATH");
    this.secure = secure;
    this.directory = TemporaryDirectory.create("cockroach-");
  }

  /** Whether there is a binary to start. */
  static boolean isInstalled() {
    return binary().isPresent();
  }

  /** Starts a node with the user maxroach and the database bank. */
  static Cockroach start(boolean secure) throws IOException {
    return startNew(secure).withBank();
  }

  /** Starts a node that has only the user root; skips the test if there is no cockroach. */
  static Cockroach startNew(boolean secure) throws IOException {
    return new Cockroach(secure).launch(Cockroach::launchOne);
  }

  /** Starts three insecure nodes, with maxroach and bank, each of which has all data. */
  static Cockroach startThree() throws IOException {
    Cockroach cluster = new Cockroach(false).launch(Cockroach::launchThree).withBank();
    return cluster.launch(Cockroach::awaitReplication);
  }

  @Override
  public int port() {
    return ports.get(0);
  }

  /** The host and port of each node, as in a URL. */
  List<String> addresses() {
    return ports.stream().map(port -> "localhost:" + port).toList();
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
    String url = "jdbc:postgresql://localhost:" + port() + "/" + database + "?user=root";
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

  /**
   * Drains a node of its clients and leases, counted from 0, and returns when it is done. It still
   * keeps its data for the others.
   */
  void drain(int node) throws IOException {
    command("node", "drain", "--self", "--insecure", "--host=" + addresses().get(node));
  }

  /** Sends SIGKILL to a node, counted from 0, and returns when it is dead. */
  void kill(int node) {
    nodes.get(node).destroyForcibly().onExit().join();
  }

  /** Runs the binary with these arguments and answers what it printed. It must end well. */
  String command(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(binary));
    command.addAll(List.of(arguments));
    return run(command);
  }

  /** Runs a line of shell as a user types it, for whom this server is the one on port 26257. */
  String shell(String line) throws IOException {
    return run(List.of("bash", "-c", "export COCKROACH_HOST=localhost:" + port() + "; " + line));
  }

  @Override
  public void close() {
    // Nothing is worth draining: what they hold is in memory.
    nodes.forEach(Process::destroyForcibly);
    nodes.forEach(node -> node.onExit().join());
    directory.close();
  }

  private static Optional<String> binary() {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .map(folder -> new File(folder, "cockroach"))
        .filter(File::canExecute)
        .map(File::getPath)
        .findFirst();
  }

  /** What is done to a server while it starts. */
  private interface Step {
    void take(Cockroach server) throws IOException;
  }

  private Cockroach launch(Step step) throws IOException {
    try {
      step.take(this);
      return this;
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private void launchOne() throws IOException {
    ports.add(Server.freePort());
    if (secure) {
      makeCertificates();
    }
    startNode(port(), "start-single-node", secure ? "--certs-dir=certs" : "--insecure");
    await("an answer", START_SECONDS, this::answers);
  }

  private void launchThree() throws IOException {
    while (ports.size() < 3) {
      ports.add(Server.freePort());
    }
    for (int port : ports) {
      startNode(port, "start", "--insecure", "--join=" + String.join(",", addresses()));
    }
    await("a node to listen", START_SECONDS, this::isInitialized);
    await("an answer", START_SECONDS, this::answers);
  }

  /** So that each node may be lost. */
  private void awaitReplication() throws IOException {
    String fewest = "SELECT min(array_length(replicas, 1)) FROM [SHOW CLUSTER RANGES]";
    await(
        "three copies of all",
        REPLICATION_SECONDS,
        () ->
            asSuperuser("defaultdb")
                .withHandle(root -> root.select(fewest).mapTo(int.class).one() >= 3));
  }

  private Cockroach withBank() throws IOException {
    return launch(
        server ->
            asSuperuser("defaultdb")
                .useHandle(
                    root -> {
                      root.execute("CREATE USER maxroach");
                      root.execute("CREATE DATABASE bank");
                      root.execute("GRANT ALL ON DATABASE bank TO maxroach");
                    }));
  }

  private void startNode(int port, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(binary));
    command.addAll(List.of(arguments));
    command.add("--store=type=mem,size=1GiB");
    command.add("--listen-addr=localhost:" + port);
    command.add("--http-addr=localhost:0");
    nodes.add(process(command, logFile()).start());
  }

  private boolean isInitialized() {
    try {
      command("init", "--insecure", "--host=localhost:" + port());
      return true;
    } catch (IOException e) {
      return e.getMessage().contains("already been initialized");
    }
  }

  private void makeCertificates() throws IOException {
    Files.createDirectory(certs());
    directory.directory("my-safe-directory");
    String[] places = {"--certs-dir=certs", "--ca-key=my-safe-directory/ca.key"};
    command("cert", "create-ca", places[0], places[1]);
    command("cert", "create-node", "localhost", "127.0.0.1", places[0], places[1]);
    // pgjdbc, with which the tests look in as root, reads no other key.
    String pkcs8 = "--also-generate-pkcs8-key";
    command("cert", "create-client", "root", pkcs8, places[0], places[1]);
    command("cert", "create-client", "maxroach", places[0], places[1]);
  }

  private String run(List<String> command) throws IOException {
    Path printed = Files.createTempFile(directory.path(), "command", ".log");
    Process process = process(command, printed).start();
    process.onExit().completeOnTimeout(process, COMMAND_SECONDS, TimeUnit.SECONDS).join();
    boolean ended = !process.isAlive();
    process.destroyForcibly().onExit().join();
    String text = Files.readString(printed);
    if (!ended || process.exitValue() != 0) {
      throw new IOException(String.join(" ", command) + " failed:\n" + text);
    }
    return text;
  }

  private ProcessBuilder process(List<String> command, Path log) {
    return new ProcessBuilder(command)
        .directory(directory.path().toFile())
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
  }

  /** Something that holds, or not yet. */
  private interface Condition {
    boolean holds() throws IOException;
  }

  private void await(String what, long seconds, Condition condition) throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (!condition.holds()) {
      if (!nodes.stream().allMatch(Process::isAlive) || System.nanoTime() > deadline) {
        throw new IOException("waited in vain for " + what + ":\n" + Files.readString(logFile()));
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
          .withHandle(root -> root.select("SELECT 1").mapTo(int.class).one() == 1);
    } catch (JdbiException e) {
      return false;
    }
  }

  private Path logFile() {
    return directory.path().resolve("cockroach.log");
  }
}
