import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;

/** The PostgreSQL stand-in of LocalCluster, of any shape; it can be killed and started again. */
final class Postgres implements Server {

  /** The certificates of all servers that did not ask for others. */
  private static Path standardCerts;

  private final int port;
  private final Path certs;
  private final PostgresStandIn server;

  private Postgres(int port, Path certs, PostgresStandIn server) {
    this.port = port;
    this.certs = certs;
    this.server = server;
  }

  /** Starts an insecure server with the user maxroach and the database bank. */
  static Postgres insecure() throws IOException {
    return builder().start();
  }

  /** Starts a server that demands client certificates, with maxroach and bank. */
  static Postgres secure() throws IOException {
    return builder().secure().start();
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
    private boolean secure;
    private boolean bank = true;
    private Path certs;
    private Certificates.Leaf node;
    private String password;

    /** Listens on this port, not on any free one. */
    Builder port(int port) {
      this.port = port;
      return this;
    }

    /** Demands TLS and, by default, a client certificate. */
    Builder secure() {
      this.secure = true;
      return this;
    }

    /** Is secure with the certificates of this folder. */
    Builder certs(Path folder) {
      this.certs = folder.toAbsolutePath();
      return secure();
    }

    /** Is secure and shows this certificate, not the folder's node.crt. */
    Builder node(Certificates.Leaf certificate) {
      this.node = certificate;
      return secure();
    }

    /** Is secure and lets maxroach in by this password; root still needs a certificate. */
    Builder password(String password) {
      this.password = password;
      return secure()
          .access("hostssl all maxroach all scram-sha-256")
          .access("hostssl all all all cert");
    }

    /** Is secure and lets everyone in without a client certificate or a password. */
    Builder withoutClientCertificates() {
      return secure().access("hostssl all all all trust");
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

    /** Has only the user root, as a new cluster has: no maxroach and no bank. */
    Builder withoutBank() {
      this.bank = false;
      return this;
    }

    /** Starts the server and returns once it answers. */
    Postgres start() throws IOException {
      if (secure) {
        certs = certs == null ? standardCerts() : certs;
        settings.addAll(PostgresStandIn.tls(certs, nodeFolder()));
      }
      if (access.isEmpty()) {
        access.add(secure ? "hostssl all all all cert" : "host all all all trust");
      }
      port = port == 0 ? Cluster.freePort() : port;
      PostgresStandIn server = new PostgresStandIn(port, access, settings);
      try {
        if (bank) {
          server.start();
        } else {
          server.startWithRoot();
        }
      } catch (IOException | RuntimeException e) {
        server.close();
        throw e;
      }
      if (password != null) {
        String change = "ALTER ROLE maxroach PASSWORD '" + password.replace("'", "''") + "'";
        server.asSuperuser("postgres").useHandle(handle -> handle.execute(change));
      }
      return new Postgres(port, certs, server);
    }

    private Path nodeFolder() throws IOException {
      if (node == null) {
        return certs;
      }
      Path folder = TemporaryDirectory.create("node-").path();
      node.write(folder);
      return folder;
    }
  }

  private static synchronized Path standardCerts() throws IOException {
    if (standardCerts == null) {
      standardCerts = TemporaryDirectory.create("certs-").path();
      new Certificates().writeAll(standardCerts);
    }
    return standardCerts;
  }

  @Override
  public int port() {
    return port;
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
    return server.asSuperuser(database);
  }

  /** Sends SIGKILL to all its processes and returns when they are dead. */
  void killHard() {
    postmaster().ifPresent(Postgres::kill);
    try {
      // If nothing reaps a dead process, PostgreSQL takes it for the owner of the data.
      Files.deleteIfExists(server.data().resolve("postmaster.pid"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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

  /** The server's first process, which starts all others, if it lives. */
  Optional<ProcessHandle> postmaster() {
    try (Stream<String> lines = Files.lines(data().resolve("postmaster.pid"))) {
      return lines.findFirst().map(String::trim).map(Long::valueOf).flatMap(ProcessHandle::of);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static void kill(ProcessHandle postmaster) {
    try {
      // Frozen, it starts no process that the list would miss.
      new ProcessBuilder("kill", "-STOP", Long.toString(postmaster.pid())).start().waitFor();
      List<ProcessHandle> all =
          Stream.concat(Stream.of(postmaster), postmaster.descendants()).toList();
      all.forEach(ProcessHandle::destroyForcibly);
      while (all.stream().anyMatch(Postgres::runs)) {
        Thread.sleep(5);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether the process runs; one that is dead but not yet reaped has no command. */
  static boolean runs(ProcessHandle process) {
    return process.isAlive() && process.info().command().isPresent();
  }
}
