///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Kills nodes of a cluster under load, and proves that no money is lost
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//SOURCES ../BankBasic.java
//SOURCES BankLoad.java
//SOURCES cluster/Cluster.java
//SOURCES cluster/CockroachCluster.java
//SOURCES cluster/NodeOutages.java

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.logging.LogManager;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Loses nodes of a CockroachDB cluster on this machine while BankLoad makes transfers.
 *
 * <ol>
 *   <li>Starts three nodes, and waits until each has a copy of all data.
 *   <li>Makes transfers with eight workers, audited while they run.
 *   <li>Meanwhile kills a random node about every ten seconds, and starts it again.
 *   <li>Compares all balances with the ledger, writes the report, and deletes the cluster.
 * </ol>
 */
@Command(
    name = "BankChaos",
    version = "BankChaos 3.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Starts three nodes of CockroachDB on this machine, makes transfers, kills a",
      "random node again and again, and proves that no money is lost."
    },
    footer = {
      "%nExit status: 0 no money lost, 1 failed, 2 wrong command line,",
      "  3 outcome unknown, 4 audit failed, 5 no connection"
    })
public final class BankChaos implements Callable<Integer> {

  private static final int NODES = 3;
  private static final Duration REPLICATION_LIMIT = Duration.ofMinutes(5);

  @Spec private CommandSpec spec;

  @Option(
      names = "--duration",
      paramLabel = "TIME",
      description = "How long to make transfers (default: 1m).")
  private Duration duration = Duration.ofMinutes(1);

  @Option(
      names = "--kill-every",
      paramLabel = "TIME",
      description = "About how often to kill a node (default: 10s).")
  private Duration killEvery = Duration.ofSeconds(10);

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "The page of charts (default: ${DEFAULT-VALUE}).")
  private Path report = Path.of("bank-chaos.html");

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    CommandLine commandLine =
        new CommandLine(new BankChaos())
            .registerConverter(Duration.class, NodeOutages::duration)
            .setParameterExceptionHandler((e, given) -> report(e.getMessage(), "", 2))
            .setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(commandLine.execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    if (!LoadReport.canBeWritten(report)) {
      throw new ParameterException(
          spec.commandLine(), "--report names no file that can be written");
    }
    String binary =
        CockroachCluster.binary()
            .orElseThrow(
                () ->
                    new Cluster.StartException(
                        "BankChaos needs cockroach on the PATH", CockroachCluster.INSTALL));
    List<Integer> ports = new ArrayList<>();
    while (ports.size() < NODES) {
      ports.add(Cluster.freePort());
    }
    System.err.println("Starting CockroachDB, " + NODES + " nodes ...");
    try (CockroachCluster cluster = new CockroachCluster(binary, ports, null, true)) {
      cluster.start();
      if (!cluster.awaitReplication(REPLICATION_LIMIT)) {
        throw new Cluster.StartException("some data still has fewer than three copies", "");
      }
      return lose(cluster);
    }
  }

  /** Makes transfers while nodes are lost, and returns the exit status. */
  private int lose(CockroachCluster cluster) throws IOException {
    Path events = Files.createTempFile("bank-chaos", ".events");
    events.toFile().deleteOnExit();
    CommandLine commandLine = BankLoad.commandLine().setErr(err());
    BankLoad load = commandLine.getCommand();
    load.startedBy("bank-chaos", spec.commandLine().getParseResult().originalArgs());
    NodeOutages outages = NodeOutages.byKill(cluster, killEvery, events, load::tell);
    load.tell(outages.during(duration));
    CompletableFuture<Void> failure = new CompletableFuture<>();
    Thread losing = new Thread(() -> run(outages, failure));
    losing.start();
    int status =
        commandLine.execute(
            "--url=" + cluster.url(),
            "--duration=" + NodeOutages.text(duration),
            "--events=" + events,
            "--report=" + report);
    // If nodes could not be lost to the end, nothing is proved.
    if (status == 0 && failure.isDone()) {
      failure.join();
    }
    losing.interrupt();
    System.err.println("Report: " + report);
    return status;
  }

  /** Prints to standard error, until Ctrl-C silences it, because errors follow from that. */
  private static PrintWriter err() {
    return new PrintWriter(
        new OutputStream() {
          @Override
          public void write(int octet) {
            System.err.write(octet);
          }
        },
        true);
  }

  private static void run(NodeOutages outages, CompletableFuture<Void> failure) {
    try {
      outages.run();
    } catch (IOException | InterruptedException e) {
      failure.completeExceptionally(e);
    }
  }

  private static int report(Exception e) {
    Throwable cause = e instanceof CompletionException ? e.getCause() : e;
    return cause instanceof Cluster.StartException failure
        ? report(failure.getMessage(), failure.advice, 1)
        : report(cause.toString(), "", 1);
  }

  private static int report(String message, String advice, int status) {
    System.err.println("error: " + message.replaceAll("[\\p{C}\\p{Z}]+", " "));
    if (!advice.isEmpty()) {
      System.err.println(advice);
    }
    return status;
  }
}
