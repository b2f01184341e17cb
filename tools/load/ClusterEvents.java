//SOURCES LoadException.java
//SOURCES LoadStatistics.java

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * What happened to the nodes of a cluster while a load ran, as LocalCluster writes it to a file.
 */
final class ClusterEvents {

  /**
   * At this second of the load a node was killed, drained, started or replicated. After a kill or a
   * drain there may have been a gap: how long, in seconds, until the next kill or drain.
   */
  record Event(double atSecond, int node, String event, Double gapSeconds) {

    /** Whether a node was taken away, and not brought back. */
    boolean isLoss() {
      return event.equals("killed") || event.equals("drained");
    }
  }

  private static final double LAST_COMMIT_SECONDS = 0.1;

  private ClusterEvents() {}

  /**
   * The events while a load ran, in their order.
   *
   * @param gaps from which second to which nothing was committed
   * @throws LoadException if the file cannot be read
   */
  static List<Event> read(Path file, Instant measuredFrom, double seconds, List<double[]> gaps) {
    try {
      List<Event> events = new ArrayList<>();
      for (String line : Files.readAllLines(file)) {
        String[] columns = line.split("\t");
        double at = secondsBetween(measuredFrom, Instant.parse(columns[0]));
        if (at >= 0 && at <= seconds) {
          events.add(new Event(at, Integer.parseInt(columns[1]), columns[2], null));
        }
      }
      return withGaps(events, seconds, gaps);
    } catch (IOException | RuntimeException e) {
      throw new LoadException(1, "the events were not read: " + e);
    }
  }

  private static double secondsBetween(Instant from, Instant to) {
    return LoadStatistics.rounded(Duration.between(from, to).toNanos() / 1e9);
  }

  private static List<Event> withGaps(List<Event> events, double seconds, List<double[]> gaps) {
    List<Event> all = new ArrayList<>();
    for (int i = 0; i < events.size(); i++) {
      Event event = events.get(i);
      double until =
          events.stream()
              .skip(i + 1L)
              .filter(Event::isLoss)
              .mapToDouble(Event::atSecond)
              .findFirst()
              .orElse(seconds);
      // A gap that a kill began begins with the last commit before it, up to this much earlier.
      double longest =
          gaps.stream()
              .filter(gap -> gap[1] > event.atSecond && gap[0] < until)
              .mapToDouble(gap -> Math.min(gap[1], until) - Math.max(gap[0], event.atSecond))
              .filter(length -> length > LAST_COMMIT_SECONDS)
              .max()
              .orElse(0);
      Double gap = event.isLoss() ? LoadStatistics.rounded(longest) : null;
      all.add(new Event(event.atSecond, event.node, event.event, gap));
    }
    return all;
  }
}
