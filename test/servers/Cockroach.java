import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Assumptions;

/** A CockroachDB as LocalCluster starts it, of one node or three. */
final class Cockroach implements Server {

  private static final long SHELL_SECONDS = 120;

  private final CockroachCluster cluster;
  private final int port;
  private final Path certs;
  private final TemporaryDirectory directory;

  private Cockroach(int nodes, boolean secure) throws IOException {
    String binary = CockroachCluster.binary().orElse(null);
    Assumptions.assumeTrue(binary != null, "no cockroach on the PATH");
    directory = TemporaryDirectory.create("cockroach-");
    certs = secure ? directory.path().resolve("certs") : null;
    if (secure) {
      CertificateAuthority.writeAll(certs);
    }
    List<Integer> ports = new ArrayList<>();
    while (ports.size() < nodes) {
      ports.add(Cluster.freePort());
    }
    port = ports.get(0);
    cluster = new CockroachCluster(binary, ports, certs, false);
  }

  /** Whether there is a binary to start. */
  static boolean isInstalled() {
    return CockroachCluster.binary().isPresent();
  }

  /** Starts a node with the user maxroach and the database bank. */
  static Cockroach start(boolean secure) throws IOException {
    return new Cockroach(1, secure).started(CockroachCluster::start);
  }

  /** Starts a node that has only the user root; skips the test if there is no cockroach. */
  static Cockroach startNew(boolean secure) throws IOException {
    return new Cockroach(1, secure).started(CockroachCluster::startWithRoot);
  }

  /** Starts three insecure nodes, with maxroach and bank, each of which has all data. */
  static Cockroach startThree() throws IOException {
    return new Cockroach(3, false)
        .started(
            cluster -> {
              cluster.start();
              if (!cluster.awaitReplication(Duration.ofMinutes(3))) {
                throw new IOException("some data has fewer than three copies");
              }
            });
  }

  @Override
  public int port() {
    return port;
  }

  /** The host and port of each node, as in a URL. */
  List<String> addresses() {
    return cluster.addresses();
  }

  @Override
  public boolean isSecure() {
    return certs != null;
  }

  @Override
  public Path certs() {
    if (certs == null) {
      throw new IllegalStateException("an insecure server has no certificates");
    }
    return certs;
  }

  @Override
  public Jdbi asSuperuser(String database) {
    String url = "postgresql://root@localhost:" + port + "/" + database;
    return certs == null
        ? BankInsecure.connect(BankInsecure.settings(url))
        : BankSecure.connect(BankSecure.settings(url), certs);
  }

  /** Drains a node, counted from 0, of its clients and leases. It keeps its copies of the data. */
  void drain(int node) throws IOException {
    command("node", "drain", "--self", "--insecure", "--host=" + addresses().get(node));
  }

  /** Sends SIGKILL to a node, counted from 0, and returns when it is dead. */
  void kill(int node) {
    cluster.kill(node + 1);
  }

  /** Runs the binary with these arguments and answers what it printed. It must end well. */
  String command(String... arguments) throws IOException {
    return cluster.run(List.of(arguments));
  }

  /** Runs a line of shell as a user types it, for whom this server is the one on port 26257. */
  String shell(String line) throws IOException {
    String script = "export COCKROACH_HOST=localhost:" + port + "; " + line;
    Path printed = Files.createTempFile(directory.path(), "command", ".log");
    Process process =
        new ProcessBuilder("bash", "-c", script)
            .directory(directory.path().toFile())
            .redirectErrorStream(true)
            .redirectOutput(printed.toFile())
            .start();
    process.onExit().completeOnTimeout(process, SHELL_SECONDS, TimeUnit.SECONDS).join();
    boolean ended = !process.isAlive();
    process.destroyForcibly().onExit().join();
    String text = Files.readString(printed);
    if (!ended || process.exitValue() != 0) {
      throw new IOException(line + " failed:\n" + text);
    }
    return text;
  }

  @Override
  public void close() {
    cluster.close();
    directory.close();
  }

  /** How a cluster is started. */
  private interface Step {
    void take(CockroachCluster cluster) throws IOException;
  }

  private Cockroach started(Step step) throws IOException {
    try {
      step.take(cluster);
      return this;
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }
}
