import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Assumptions;

/** A CockroachDB as LocalCluster starts it. */
record Cockroach(CockroachCluster cluster, int port, Path certs, TemporaryDirectory directory)
    implements Server {

  /** Whether there is a binary to start. */
  static boolean isInstalled() {
    return CockroachCluster.binary().isPresent();
  }

  /** Starts a node with the user maxroach and the database bank; skips the test without one. */
  static Cockroach start(boolean secure) throws IOException {
    Cockroach server = create(secure);
    server.cluster.start();
    return server;
  }

  /** Starts a node that has only the user root. */
  static Cockroach startNew(boolean secure) throws IOException {
    Cockroach server = create(secure);
    server.cluster.startWithRoot();
    return server;
  }

  private static Cockroach create(boolean secure) throws IOException {
    Assumptions.assumeTrue(isInstalled(), "no cockroach on the PATH");
    TemporaryDirectory directory = TemporaryDirectory.create("cockroach-");
    Path certs = secure ? directory.path().resolve("certs") : null;
    if (secure) {
      CertificateAuthority.writeAll(certs);
    }
    int port = Cluster.freePort();
    String binary = CockroachCluster.binary().orElseThrow();
    CockroachCluster cluster = new CockroachCluster(binary, List.of(port), certs, false);
    return new Cockroach(cluster, port, certs, directory);
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
    command("node", "drain", "--self", "--insecure", "--host=" + cluster.addresses().get(node));
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
