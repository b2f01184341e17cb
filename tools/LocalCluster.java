///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Stands in for a CockroachDB cluster where there is none: a PostgreSQL in its shape
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES ../BankBasic.java
//SOURCES Certificates.java
//SOURCES Server.java
//SOURCES TemporaryDirectory.java

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * An embedded PostgreSQL in the shape of a CockroachDB cluster: SERIALIZABLE unless told otherwise,
 * a superuser root, a database defaultdb, the user maxroach and his database bank. Insecure, it
 * lets everyone in; secure, it demands TLS and a client certificate. It can be killed and started
 * again on its data.
 */
public final class LocalCluster implements Server {

  private static final Set<LocalCluster> OPEN = ConcurrentHashMap.newKeySet();

  /** What initdb made for the first server, for the others to copy. */
  private static TemporaryDirectory template;

  private final Builder shape;
  private final TemporaryDirectory directory;
  private final Path certs;
  private final int port;
  private BankBasic.EmbeddedDatabase database;
  private boolean running;

  private LocalCluster(Builder shape) throws IOException {
    this.shape = shape;
    this.port = shape.port == 0 ? Server.freePort() : shape.port;
    this.directory = TemporaryDirectory.create("local-cluster-");
    this.certs = shape.certs == null ? directory.path().resolve("certs") : shape.certs;
  }

  public static void main(String... arguments) {
    System.exit(new CommandLine(new StandIn()).execute(arguments));
  }

  /** Starts an insecure server with the user maxroach and the database bank. */
  static LocalCluster insecure() throws IOException {
    return builder().start();
  }

  /** Starts a server that demands client certificates, with maxroach and bank. */
  static LocalCluster secure() throws IOException {
    return builder().secure().start();
  }

  /** Describes a server of another shape. */
  static Builder builder() {
    return new Builder();
  }

  /** Stops every server of this program and deletes their data, as its end does anyway. */
  static void closeAll() {
    OPEN.forEach(LocalCluster::close);
    synchronized (LocalCluster.class) {
      if (template != null) {
        template.close();
        template = null;
      }
    }
  }

  /** What a server is to be like; as it comes, insecure. */
  static final class Builder {
    private final Map<String, String> settings = new LinkedHashMap<>();
    private final List<String> access = new ArrayList<>();
    private int port;
    private boolean secure;
    private boolean bank = true;
    private Path certs;
    private Certificates.Leaf node;
    private String password;

    private Builder() {
      settings.put("default_transaction_isolation", "serializable");
      // Whoever creates a role may give a database to it, as on CockroachDB.
      settings.put("createrole_self_grant", "set, inherit");
    }

    /** Listens on this port, not on any free one. */
    Builder port(int port) {
      this.port = port;
      return this;
    }

    /** Demands TLS and, unless told otherwise, a client certificate. */
    Builder secure() {
      this.secure = true;
      return this;
    }

    /** Is secure with the certificates of this folder, and leaves them there. */
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

    /** Adds a line to pg_hba.conf; with the first one the usual line goes. */
    Builder access(String line) {
      access.add(line);
      return this;
    }

    /** Adds a setting, as in postgresql.conf. */
    Builder setting(String name, String value) {
      settings.put(name, value);
      return this;
    }

    /** Has only the user root, as a new cluster has: no maxroach and no bank. */
    Builder withoutBank() {
      this.bank = false;
      return this;
    }

    /** Starts the server and returns once it answers. */
    LocalCluster start() throws IOException {
      LocalCluster server = new LocalCluster(this);
      OPEN.add(server);
      try {
        server.firstStart();
        return server;
      } catch (IOException | RuntimeException e) {
        server.close();
        throw e;
      }
    }
  }

  @Override
  public int port() {
    return port;
  }

  @Override
  public boolean isSecure() {
    return shape.secure;
  }

  @Override
  public Path certs() {
    if (!shape.secure) {
      throw new IllegalStateException("an insecure server has no certificates");
    }
    return certs;
  }

  /** A way in as the superuser postgres, whose password only this program knows. */
  @Override
  public Jdbi asSuperuser(String name) {
    return Jdbi.create(
        "jdbc:postgresql://localhost:"
            + port
            + "/"
            + name
            + "?sslmode=disable&requireAuth=scram-sha-256",
        "postgres",
        BankBasic.EmbeddedDatabase.PASSWORD);
  }

  /** Sends SIGKILL to all its processes and returns when they are dead. */
  synchronized void killHard() {
    killProcesses();
    release();
  }

  /** Shuts it down, ending all connections with 57P01, and keeps its data. */
  synchronized void stop() {
    release();
    killProcesses();
  }

  /** Starts it again, on the same port and data, once killed or stopped. */
  synchronized void startAgain() throws IOException {
    if (running) {
      throw new IllegalStateException("it runs");
    }
    launch();
  }

  /** Stops it and deletes its data. */
  @Override
  public synchronized void close() {
    if (database != null) {
      database.close();
    }
    directory.close();
    OPEN.remove(this);
  }

  /** Holds the lock, so that a program told to end closes the server and not half of it. */
  private synchronized void firstStart() throws IOException {
    synchronized (LocalCluster.class) {
      if (template == null) {
        Runtime.getRuntime().addShutdownHook(new Thread(LocalCluster::closeAll));
        template = TemporaryDirectory.create("local-cluster-template-");
      }
    }
    database = BankBasic.EmbeddedDatabase.create("max_connections=300");
    configure();
    launch();
    createUsers();
  }

  private void launch() throws IOException {
    database.start(port);
    running = true;
  }

  private void configure() throws IOException {
    Map<String, String> settings = new LinkedHashMap<>(shape.settings);
    if (shape.secure) {
      settings.putAll(tlsSettings());
    }
    List<String> lines = new ArrayList<>();
    settings.forEach((name, value) -> lines.add(name + " = " + literal(value)));
    Path data = database.data();
    Files.write(data.resolve("postgresql.conf"), lines, StandardOpenOption.APPEND);
    Files.write(data.resolve("pg_hba.conf"), accessLines());
  }

  private Map<String, String> tlsSettings() throws IOException {
    if (shape.certs == null) {
      TemporaryDirectory.copy(standardCerts(), certs);
    }
    Path node = certs;
    if (shape.node != null) {
      node = directory.directory("node");
      shape.node.write(node);
    }
    return Map.of(
        "ssl", "on",
        "ssl_ca_file", portable(certs.resolve("ca.crt")),
        "ssl_cert_file", portable(node.resolve("node.crt")),
        "ssl_key_file", portable(node.resolve("node.key")));
  }

  private List<String> accessLines() {
    List<String> lines = new ArrayList<>();
    lines.add("host all postgres all scram-sha-256");
    if (shape.access.isEmpty()) {
      lines.add(shape.secure ? "hostssl all all all cert" : "host all all all trust");
    }
    lines.addAll(shape.access);
    return lines;
  }

  private void createUsers() {
    // On CockroachDB who may use a database may create tables in its schema public.
    asSuperuser("template1").useHandle(h -> h.execute("GRANT ALL ON SCHEMA public TO PUBLIC"));
    try (Handle handle = asSuperuser("postgres").open()) {
      handle.execute("CREATE ROLE root LOGIN CREATEDB CREATEROLE");
      handle.execute("CREATE DATABASE defaultdb OWNER root");
      if (shape.bank) {
        String password = shape.password == null ? "" : " PASSWORD " + literal(shape.password);
        handle.execute("CREATE ROLE maxroach LOGIN" + password);
        handle.execute("GRANT maxroach TO root WITH ADMIN TRUE, INHERIT TRUE, SET TRUE");
        handle.execute("CREATE DATABASE bank OWNER maxroach");
      }
    }
  }

  /** Keys take a second to make, so all secure servers of a program have the same. */
  private static synchronized Path standardCerts() throws IOException {
    Path certs = template.path().resolve("certs");
    if (!Files.exists(certs)) {
      new Certificates().writeAll(certs);
    }
    return certs;
  }

  /** Shuts down what still runs. */
  private void release() {
    try {
      database.stop("fast");
      running = false;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The process that the server's own pid file names, if it lives. */
  private Optional<ProcessHandle> postmaster() {
    try (Stream<String> lines = Files.lines(database.data().resolve("postmaster.pid"))) {
      return lines.findFirst().map(String::trim).map(Long::valueOf).flatMap(ProcessHandle::of);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private void killProcesses() {
    try {
      ProcessHandle postmaster = postmaster().orElse(null);
      if (postmaster != null) {
        kill(postmaster);
        // Where nothing reaps a dead process, PostgreSQL would take it for the data's owner.
        Files.deleteIfExists(database.data().resolve("postmaster.pid"));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void kill(ProcessHandle postmaster) throws IOException, InterruptedException {
    // Frozen, it forks no child that the list would miss.
    new ProcessBuilder("kill", "-STOP", Long.toString(postmaster.pid())).start().waitFor();
    List<ProcessHandle> all =
        Stream.concat(Stream.of(postmaster), postmaster.descendants()).toList();
    all.forEach(ProcessHandle::destroyForcibly);
    while (all.stream().anyMatch(LocalCluster::runs)) {
      Thread.sleep(5);
    }
  }

  /** Whether the process runs; one that is dead but not yet reaped has no command. */
  static boolean runs(ProcessHandle process) {
    return process.isAlive() && process.info().command().isPresent();
  }

  private static String literal(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  /** PostgreSQL takes a backslash in its configuration for an escape. */
  private static String portable(Path path) {
    return path.toString().replace('\\', '/');
  }

  /** The command line: one server, until Ctrl-C. */
  @Command(
      name = "LocalCluster",
      version = "LocalCluster 2.0",
      mixinStandardHelpOptions = true,
      description = {
        "Stands in for a CockroachDB cluster where there is none: a PostgreSQL",
        "in its shape, with the user maxroach and the database bank. It loses all",
        "it holds when it stops."
      },
      footer = {
        "%nExit status: 1 it could not start, 2 wrong command line, 130 stopped by Ctrl-C.",
        "Example: jbang tools/LocalCluster.java --secure"
      })
  private static final class StandIn implements Callable<Integer> {

    private static final int DEFAULT_PORT = 26257;
    private static final Path DEFAULT_CERTS = Path.of("certs");

    @Option(names = "--secure", description = "Demand TLS and a client certificate.")
    private boolean secure;

    @Option(names = "--port", description = "Where to listen; ${DEFAULT-VALUE} by default.")
    private int port = DEFAULT_PORT;

    @Option(
        names = "--certs-dir",
        description = {
          "With --secure, where certificates are, or are made;",
          "${DEFAULT-VALUE} by default."
        })
    private Path certs = DEFAULT_CERTS;

    @Override
    public Integer call() throws InterruptedException {
      try {
        requireFreePort();
        Builder shape = builder().port(port);
        if (secure) {
          prepareCertificates();
          shape.certs(certs);
        }
        tell(shape.start());
      } catch (IOException e) {
        System.err.println("error: " + e.getMessage());
        if (e instanceof BankBasic.EmbeddedDatabase.StartException startException) {
          System.err.println(startException.advice);
        }
        return 1;
      }
      new CountDownLatch(1).await();
      return 0;
    }

    private void requireFreePort() throws IOException {
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        assert socket.isBound();
      } catch (IOException | IllegalArgumentException e) {
        throw new IOException(
            "cannot listen on port " + port + " (" + e.getMessage() + "); --port takes another", e);
      }
    }

    private void prepareCertificates() throws IOException {
      if (!Files.exists(certs.resolve("ca.crt"))) {
        new Certificates().writeAll(certs);
        System.out.println("Made the certificates of a new cluster in " + certs + ".");
        return;
      }
      for (String file : List.of("node.crt", "node.key")) {
        if (!Files.exists(certs.resolve(file))) {
          throw new IOException(certs.resolve("ca.crt") + " is there and " + file + " is not");
        }
      }
    }

    private void tell(LocalCluster server) {
      String version =
          server
              .asSuperuser("postgres")
              .withHandle(h -> h.createQuery("SHOW server_version").mapTo(String.class).one());
      String next = secure ? "jbang BankSecure.java" : "jbang BankInsecure.java";
      if (port != DEFAULT_PORT) {
        next += " --url='" + server.url() + "'";
      }
      if (secure && !certs.equals(DEFAULT_CERTS)) {
        next += " --certs-dir='" + certs + "'";
      }
      String encryption = secure ? "secure, with the certificates in " + certs : "insecure";
      System.out.println("PostgreSQL " + version + " stands in for CockroachDB, " + encryption);
      System.out.println("  URL   " + server.url());
      System.out.println("  next  " + next);
      System.out.println("Ctrl-C stops it and deletes its data.");
    }
  }
}
