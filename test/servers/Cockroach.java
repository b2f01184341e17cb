import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Assumptions;

/** A CockroachDB as LocalCluster starts it, of one node or three. */
record Cockroach(CockroachCluster cluster, int port, Path certs, TemporaryDirectory directory)
    implements Server {

  /** Whether there is a binary to start. */
  static boolean isInstalled() {
    return CockroachCluster.binary().isPresent();
  }

  /** Starts a node with the user maxroach and the database bank; skips the test without one. */
  static Cockroach start(boolean secure) throws IOException {
    Cockroach server = create(1, secure);
    server.cluster.start();
    return server;
  }

  /** Starts a node that has only the user root. */
  static Cockroach startNew(boolean secure) throws IOException {
    Cockroach server = create(1, secure);
    server.cluster.startWithRoot();
    return server;
  }

  /** Starts three insecure nodes, with maxroach and bank, each of which has all data. */
  static Cockroach startThree() throws IOException {
    Cockroach server = create(3, false);
    server.cluster.start();
    if (!server.cluster.awaitReplication(Duration.ofMinutes(3))) {
      throw new IOException("some data has fewer than three copies");
    }
    return server;
  }

  private static Cockroach create(int nodes, boolean secure) throws IOException {
    Assumptions.assumeTrue(isInstalled(), "no cockroach on the PATH");
    TemporaryDirectory directory = TemporaryDirectory.create("cockroach-");
    Path certs = secure ? directory.path().resolve("certs") : null;
    if (secure) {
      CertificateAuthority.writeAll(certs);
    }
    List<Integer> ports = new ArrayList<>();
    while (ports.size() < nodes) {
      ports.add(Cluster.freePort());
    }
    String binary = CockroachCluster.binary().orElseThrow();
    CockroachCluster cluster = new CockroachCluster(binary, ports, certs, false);
    return new Cockroach(cluster, ports.get(0), certs, directory);
  }

  /** The host and port of each node, as in a URL. */
  List<String> addresses() {
    return cluster.addresses();
  }

  @Override
  public Jdbi asSuperuser(String database) {
    String url = "postgresql://root@localhost:" + port + "/" + database;
    return isSecure()
        ? BankSecure.connect(BankSecure.settings(url), certs)
        : BankInsecure.connect(BankInsecure.settings(url));
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
  void shell(String line) throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder("timeout", "120", "bash", "-c", line);
    builder.environment().put("COCKROACH_HOST", "localhost:" + port);
    builder.directory(directory.path().toFile()).redirectErrorStream(true);
    Process process = builder.start();
    process.getOutputStream().close();
    byte[] printed = process.getInputStream().readAllBytes();
    if (process.waitFor() != 0) {
      throw new IOException(line + " failed:\n" + new String(printed, StandardCharsets.UTF_8));
    }
  }

  @Override
  public void close() {
    cluster.close();
    directory.close();
  }
}
