import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import picocli.CommandLine.TypeConversionException;

/**
 * Takes a random node away from a cluster, starts it again, and repeats that. A node is away for
 * half of the interval. When all data has its copies again, all nodes stay for the other half.
 */
final class NodeOutages {

  private static final Duration SHORTEST = Duration.ofSeconds(1);
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("HH:mm:ss").withZone(ZoneId.systemDefault());

  /** How a node is taken away. */
  private interface Loss {
    void of(int node) throws IOException;
  }

  private final CockroachCluster cluster;
  private final Duration every;
  private final String event;
  private final Loss loss;
  private final Path file;
  private final Consumer<String> printer;

  private NodeOutages(
      CockroachCluster cluster,
      Duration every,
      String event,
      Loss loss,
      Path file,
      Consumer<String> printer) {
    this.cluster = cluster;
    this.every = every;
    this.event = event;
    this.loss = loss;
    this.file = file;
    this.printer = printer;
  }

  /**
   * Kills nodes with SIGKILL.
   *
   * @param file to which each event is added, or null: the time, the node's number, and killed,
   *     drained, started or replicated, with a tab between them
   */
  static NodeOutages byKill(
      CockroachCluster cluster, Duration every, Path file, Consumer<String> printer) {
    return new NodeOutages(cluster, every, "killed", cluster::kill, file, printer);
  }

  /** Moves the clients and leases of nodes to the others, and stops them, as an upgrade does. */
  static NodeOutages byDrain(
      CockroachCluster cluster, Duration every, Path file, Consumer<String> printer) {
    return new NodeOutages(cluster, every, "drained", cluster::drain, file, printer);
  }

  /** Reads a time such as 10s or 1m30s. */
  static Duration duration(String text) {
    try {
      Duration duration = Duration.parse("PT" + text);
      if (duration.compareTo(SHORTEST) >= 0) {
        return duration;
      }
    } catch (DateTimeParseException e) {
      // Reported below.
    }
    throw new TypeConversionException("not a time such as 10s or 1m");
  }

  /** A time as a command line takes it. */
  static String text(Duration duration) {
    return duration.toString().substring(2).toLowerCase(Locale.ROOT);
  }

  /** Goes on until this thread is interrupted, or the cluster is closed. */
  void run() throws IOException, InterruptedException {
    long half = every.toMillis() / 2;
    awaitReplication();
    while (true) {
      Thread.sleep(half);
      int node = ThreadLocalRandom.current().nextInt(1, cluster.size() + 1);
      // Before it is lost, so that what follows from that comes after it.
      note(node, event);
      loss.of(node);
      Thread.sleep(half);
      cluster.startNode(node);
      note(node, "started");
      awaitReplication();
      note(node, "replicated");
    }
  }

  private void awaitReplication() throws IOException, InterruptedException {
    long due = System.nanoTime() + every.toNanos();
    boolean isLate = false;
    while (!cluster.isReplicated()) {
      if (!isLate && System.nanoTime() > due) {
        isLate = true;
        printer.accept("Some ranges are not replicated yet: no node is taken away until they are.");
      }
      Thread.sleep(500);
    }
  }

  private void note(int node, String event) throws IOException {
    Instant now = Instant.now();
    printer.accept("%s  node %d %s".formatted(TIME.format(now), node, event));
    if (file != null) {
      String line = "%s\t%d\t%s%n".formatted(now, node, event);
      Files.writeString(file, line, StandardOpenOption.APPEND);
    }
  }

  /** What it does, in one sentence. */
  @Override
  public String toString() {
    return "About every %s a random node is %s, and started again.".formatted(text(every), event);
  }

  /** What it does for so long, in one sentence. */
  String during(Duration duration) {
    return "For %s, about every %s a random node is %s, and started again."
        .formatted(text(duration), text(every), event);
  }
}
