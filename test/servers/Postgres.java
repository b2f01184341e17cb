import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
  static Postgres insecure() throws IOException {
    return builder().start();
  }

  /** Starts a server that demands client certificates, with maxroach and bank. */
  static Postgres secure() throws IOException {
    return builder().certs(Standard.FOLDER).start();
  }

  /** Describes a server of another shape. */
  static Builder builder() {
    return new Builder();
  }

  /** What a server is to be like; by default insecure. */
  static final class Builder {
    private final List<String> settings = new ArrayList<>();
    private final List<String> access = new ArrayList<>();
    private int port;
    private Path certs;
    private String password;

    /** Listens on this port, not on any free one. */
    Builder port(int port) {
      this.port = port;
      return this;
    }

    /** Demands TLS and, by default, a client certificate of those that all servers share. */
    Builder secure() {
      return certs(Standard.FOLDER);
    }

    /** Is secure with the certificates of this folder. */
    Builder certs(Path folder) {
      this.certs = folder.toAbsolutePath();
      return this;
    }

    /** Lets maxroach in by this password; root still needs a certificate. */
    Builder password(String password) {
      this.password = password;
      return access("hostssl all maxroach all scram-sha-256").access("hostssl all all all cert");
    }

    /** Is secure and lets everyone in without a client certificate or a password. */
    Builder withoutClientCertificates() {
      return access("hostssl all all all trust");
    }

    /** Adds a line to pg_hba.conf; the first one replaces the default. */
    Builder access(String line) {
      access.add(line);
      return this;
    }

    /** Adds a setting, as in postgresql.conf. */
    Builder setting(String name, String value) {
      settings.add(name + "=" + value);
      return this;
    }

    /** Starts the server, with the user maxroach and the database bank. */
    Postgres start() throws IOException {
      if (certs != null) {
        settings.addAll(PostgresStandIn.tls(certs, certs));
      }
      if (access.isEmpty()) {
        access.add(certs == null ? "host all all all trust" : "hostssl all all all cert");
      }
      port = port == 0 ? Cluster.freePort() : port;
      Postgres server = new Postgres(port, certs, new PostgresStandIn(port, access, settings));
      server.server.start();
      if (password != null) {
        String change = "ALTER ROLE maxroach PASSWORD '" + password.replace("'", "''") + "'";
        server.asSuperuser().useHandle(root -> root.execute(change));
      }
      return server;
    }
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
