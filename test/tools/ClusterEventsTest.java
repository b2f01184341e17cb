import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What BankLoad makes of a file of events. */
class ClusterEventsTest {

  private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

  /** The last commit before a kill is a little earlier than the kill. */
  @Test
  void aGapBelongsToTheKillThatBeganIt(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("events");
    Files.write(file, List.of(line(1, "killed"), line(6, "started"), line(20, "killed")));
    List<double[]> gaps = List.of(new double[] {19.98, 24});
    assertEquals(
        List.of(
            new ClusterEvents.Event(1, 2, "killed", 0.0),
            new ClusterEvents.Event(6, 2, "started", null),
            new ClusterEvents.Event(20, 2, "killed", 4.0)),
        ClusterEvents.read(file, START, 60, gaps));
  }

  private static String line(int second, String event) {
    return START.plusSeconds(second) + "\t2\t" + event;
  }
}
