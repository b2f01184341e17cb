import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;

/** The PostgreSQL stand-in of LocalCluster, of any shape; it can be killed and started again. */
record Postgres(int port, Path certs, PostgresStandIn server) implements Server {

  /** The certificates of all servers that did not ask for others. */
  private static final class Standard {
    private static final Certificates AUTHORITY = new Certificates();
    private static final Path FOLDER = create();

    private static Path create() {
      try {
        Path folder = TemporaryDirectory.create("certs-").path();
        AUTHORITY.writeAll(folder);
        return folder;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** Who signed the certificates of all servers that did not ask for others. */
  static Certificates authority() {
    return Standard.AUTHORITY;
  }

  /** Starts an insecure server with the user maxroach and the database bank. */
  static Postgres insecure(String... settings) throws IOException {
    return start(null, List.of("host all all all trust"), List.of(settings));
  }

  /** Starts one that demands TLS and, unless there are lines for pg_hba.conf, a certificate. */
  static Postgres secure(String... access) throws IOException {
    List<String> lines = access.length == 0 ? List.of("hostssl all all all cert") : List.of(access);
    return start(Standard.FOLDER, lines, PostgresStandIn.tls(Standard.FOLDER, Standard.FOLDER));
  }

  private static Postgres start(Path certs, List<String> access, List<String> settings)
      throws IOException {
    int port = Cluster.freePort();
    Postgres server = new Postgres(port, certs, new PostgresStandIn(port, access, settings));
    server.server.start();
    return server;
  }

  @Override
  public Jdbi asSuperuser(String database) {
    return server.asSuperuser(database);
  }

  /** Sends SIGKILL to all its processes and returns when they are dead. */
  void killHard() throws IOException, InterruptedException {
    ProcessHandle postmaster = postmaster();
    // Frozen, it starts no process that the list would miss.
    new ProcessBuilder("kill", "-STOP", "" + postmaster.pid()).start().waitFor();
    List<ProcessHandle> all =
        Stream.concat(Stream.of(postmaster), postmaster.descendants()).toList();
    all.forEach(ProcessHandle::destroyForcibly);
    while (all.stream().anyMatch(Postgres::runs)) {
      Thread.sleep(5);
    }
    // If nothing reaps a dead process, PostgreSQL takes it for the owner of the data.
    Files.deleteIfExists(data().resolve("postmaster.pid"));
  }

  /** Shuts it down, ending all connections with 57P01, and keeps its data. */
  void stop() throws IOException {
    server.stop();
  }

  /** Starts it again, on the same port and data, after a kill or a stop. */
  void startAgain() throws IOException {
    server.startAgain();
  }

  /** Stops it and deletes its data. */
  @Override
  public void close() {
    server.close();
  }

  /** The folder of its data. */
  Path data() {
    return server.data();
  }

  /** The server's first process, which starts all others. */
  ProcessHandle postmaster() throws IOException {
    String pid = Files.readAllLines(data().resolve("postmaster.pid")).get(0).trim();
    return ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
  }

  /** Whether the process runs; one that is dead but not yet reaped has no command. */
  static boolean runs(ProcessHandle process) {
    return process.isAlive() && process.info().command().isPresent();
  }
}
