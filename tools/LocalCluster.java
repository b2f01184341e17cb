///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Starts a CockroachDB cluster on this machine, or PostgreSQL in its place
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//SOURCES ../BankBasic.java
//SOURCES cluster/CertificateAuthority.java
//SOURCES cluster/Cluster.java
//SOURCES cluster/CockroachCluster.java
//SOURCES cluster/NodeOutages.java
//SOURCES cluster/PostgresStandIn.java

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.logging.LogManager;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Starts a database on this machine for the samples, with the user maxroach and the database bank:
 * CockroachDB if {@code cockroach} is on the PATH, PostgreSQL if not. Ctrl-C stops it and deletes
 * all that it holds.
 *
 * <pre>
 * jbang tools/LocalCluster.java                       one insecure node
 * jbang tools/LocalCluster.java --secure              with TLS and client certificates
 * jbang tools/LocalCluster.java --nodes=3
 * jbang tools/LocalCluster.java --nodes=3 --kill-every=10s
 * </pre>
 */
@Command(
    name = "LocalCluster",
    version = "LocalCluster 3.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Starts a CockroachDB cluster on this machine, with the user maxroach and",
      "the database bank. If there is no cockroach on the PATH, it starts",
      "PostgreSQL instead. Ctrl-C stops it and deletes its data."
    },
    footer = {
      "%nExit status: 1 it could not start, 2 wrong command line, 130 stopped by Ctrl-C.",
      "Example: jbang tools/LocalCluster.java --nodes=3"
    })
public final class LocalCluster implements Callable<Integer> {

  private static final int DEFAULT_PORT = 26257;
  private static final Path DEFAULT_CERTS = Path.of("certs");

  @Spec private CommandSpec spec;

  @Option(
      names = "--nodes",
      paramLabel = "N",
      description = "1, 3 or 5 nodes (default: ${DEFAULT-VALUE}).")
  private int nodes = 1;

  @Option(names = "--secure", description = "Demand TLS and a client certificate.")
  private boolean secure;

  @Option(
      names = "--certs-dir",
      paramLabel = "FOLDER",
      description = {
        "With --secure, the folder of the certificates, which",
        "are created if it has none (default: ${DEFAULT-VALUE})."
      })
  private Path certs = DEFAULT_CERTS;

  @Option(
      names = "--port",
      description = {
        "The port of the first node (default: ${DEFAULT-VALUE}).",
        "The others take the next ports that are free."
      })
  private int port = DEFAULT_PORT;

  @Option(
      names = "--disk",
      description = {"Keep the data on disk, in a temporary folder", "(default: in memory)."})
  private boolean onDisk;

  @Option(
      names = "--kill-every",
      paramLabel = "TIME",
      description = {
        "Kill a random node about so often, such as 10s, and",
        "start it again after half of that time. Sets --disk."
      })
  private Duration killEvery;

  @Option(
      names = "--drain-every",
      paramLabel = "TIME",
      description = "The same, but drain the node and stop it gently.")
  private Duration drainEvery;

  @Option(
      names = "--events",
      paramLabel = "FILE",
      description = "Write what happens to nodes, for bank-load --events.")
  private Path events;

  @Option(names = "--postgres", description = "Start PostgreSQL even if cockroach is on the PATH.")
  private boolean postgres;

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    CommandLine commandLine = new CommandLine(new LocalCluster());
    commandLine.registerConverter(Duration.class, NodeOutages::duration);
    commandLine.setParameterExceptionHandler((e, given) -> report(e.getMessage(), "", 2));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(commandLine.execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    Optional<String> cockroach = postgres ? Optional.empty() : CockroachCluster.binary();
    checkOptions(cockroach.isPresent());
    announce(cockroach.isPresent());
    // A cluster whose LocalCluster was killed may still hold the port.
    BankBasic.EmbeddedDatabase.RunFolder.cleanUp();
    List<Integer> ports = ports();
    if (secure) {
      prepareCertificates(cockroach.isPresent());
    }
    Path certsOrNull = secure ? certs : null;
    Cluster cluster =
        cockroach.isPresent()
            ? new CockroachCluster(cockroach.get(), ports, certsOrNull, onDisk || losesNodes())
            : secure ? PostgresStandIn.secure(port, certs) : PostgresStandIn.insecure(port);
    cluster.start();
    print(cluster);
    if (losesNodes()) {
      NodeOutages outages = outages((CockroachCluster) cluster);
      System.out.println(outages);
      outages.run();
    }
    new CountDownLatch(1).await();
    return 0;
  }

  /** Whether nodes are taken away. In memory they would lose their data, too. */
  private boolean losesNodes() {
    return killEvery != null || drainEvery != null;
  }

  private NodeOutages outages(CockroachCluster cluster) {
    return killEvery != null
        ? NodeOutages.byKill(cluster, killEvery, events, System.out::println)
        : NodeOutages.byDrain(cluster, drainEvery, events, System.out::println);
  }

  private void checkOptions(boolean hasCockroach) throws Cluster.StartException {
    if (!List.of(1, 3, 5).contains(nodes)) {
      throw new ParameterException(spec.commandLine(), "--nodes is 1, 3 or 5");
    }
    if (port < 1 || port > 65_535) {
      throw new ParameterException(spec.commandLine(), "--port is between 1 and 65535");
    }
    if (postgres && nodes > 1) {
      throw new ParameterException(spec.commandLine(), "--postgres has one node only");
    }
    if (killEvery != null && drainEvery != null) {
      throw new ParameterException(spec.commandLine(), "--kill-every excludes --drain-every");
    }
    if (losesNodes() && nodes < 3) {
      String option = killEvery != null ? "--kill-every" : "--drain-every";
      throw new ParameterException(spec.commandLine(), option + " needs --nodes=3 or --nodes=5");
    }
    if (events != null && !losesNodes()) {
      throw new ParameterException(
          spec.commandLine(), "--events needs --kill-every or --drain-every");
    }
    if (events != null) {
      emptyEvents();
    }
    if (nodes > 1 && !hasCockroach) {
      throw new Cluster.StartException(
          "--nodes=" + nodes + " needs cockroach on the PATH", CockroachCluster.INSTALL);
    }
  }

  private void emptyEvents() {
    try {
      Files.writeString(events, "");
    } catch (IOException e) {
      throw new ParameterException(
          spec.commandLine(), "--events names no file that can be written");
    }
  }

  private void announce(boolean hasCockroach) {
    String what = hasCockroach ? "CockroachDB" : "PostgreSQL in place of CockroachDB";
    String count = nodes == 1 ? "" : ", " + nodes + " nodes";
    System.err.println("Starting " + what + count + " ...");
  }

  /** The first node's port, which must be free, and for each of the others the next free one. */
  private List<Integer> ports() throws IOException {
    if (!Cluster.isFree(port)) {
      throw new Cluster.StartException(
          "port " + port + " is taken", "Stop what listens there, or choose another --port.");
    }
    List<Integer> ports = new ArrayList<>(List.of(port));
    for (int next = port + 1; ports.size() < nodes; next++) {
      if (next > 65_535) {
        ports.add(Cluster.freePort());
      } else if (Cluster.isFree(next)) {
        ports.add(next);
      }
    }
    return ports;
  }

  /** Creates certificates in a folder that has none; never overwrites one. */
  private void prepareCertificates(boolean hasCockroach) throws IOException {
    boolean empty = true;
    if (Files.isDirectory(certs)) {
      try (Stream<Path> files = Files.list(certs)) {
        empty = files.noneMatch(file -> file.toString().matches(".*\\.(crt|key|pk8|p12)"));
      }
    }
    if (empty) {
      CertificateAuthority.writeAll(certs);
      System.err.println("Created the certificates of a new cluster in " + certs + ".");
      return;
    }
    List<String> needed = new ArrayList<>(List.of("ca.crt", "node.crt", "node.key"));
    if (hasCockroach) {
      needed.addAll(List.of("client.root.crt", "client.root.key"));
    }
    for (String file : needed) {
      if (!Files.exists(certs.resolve(file))) {
        throw new Cluster.StartException(
            certs + " has certificates, but no " + file,
            "Create it with cockroach cert, or choose another --certs-dir.");
      }
    }
  }

  private void print(Cluster cluster) {
    boolean isOnDisk = cluster instanceof PostgresStandIn || onDisk || losesNodes();
    String data = isOnDisk ? "on disk" : "in memory";
    System.out.printf("%s runs, %s, %s%n", cluster.version(), secure ? "secure" : "insecure", data);
    cluster.nodes().forEach(node -> System.out.println("  " + node));
    if (cluster.console() != null) {
      System.out.println("  console  " + cluster.console());
    }
    System.out.println("  URL      " + cluster.url());
    System.out.println("  next     " + nextCommand(cluster.url()));
    System.out.println("Ctrl-C stops it and deletes its data.");
  }

  /** Leaves out what is the sample's default. */
  private String nextCommand(String url) {
    List<String> words = new ArrayList<>(List.of("jbang"));
    words.add(secure ? "BankSecure.java" : "BankInsecure.java");
    if (port != DEFAULT_PORT || nodes > 1) {
      words.add("--url='" + url + "'");
    }
    if (secure && !certs.equals(DEFAULT_CERTS)) {
      words.add("--certs-dir=" + quoted(certs.toString()));
    }
    return String.join(" ", words);
  }

  private static String quoted(String word) {
    return word.matches("[\\w./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }

  private static int report(Exception e) {
    if (e instanceof Cluster.StartException failure) {
      return report(failure.getMessage(), failure.advice, 1);
    }
    if (e instanceof BankBasic.EmbeddedDatabase.StartException failure) {
      return report(failure.getMessage(), failure.advice, 1);
    }
    return report(e.toString(), "", 1);
  }

  private static int report(String message, String advice, int status) {
    System.err.println("error: " + message.replaceAll("[\\p{C}\\p{Z}]+", " "));
    if (!advice.isEmpty()) {
      System.err.println(advice);
    }
    return status;
  }
}
