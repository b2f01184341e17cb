import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Nodes are lost, one at a time, and no transfer is: LocalCluster's options, and BankChaos. */
@Timeout(300)
class NodeOutagesTest {

  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"killed", "drained"})
  void oneNodeAtATimeIsLostAndNoTransferIs(String event) throws Exception {
    Path events = directory.resolve("events");
    Script cluster =
        script(
            "LocalCluster",
            "--nodes=3",
            (event.equals("killed") ? "--kill-every=4s" : "--drain-every=4s"),
            "--port=" + Server.freePort(),
            "--events=" + events);
    try (Script.Running running = cluster.start()) {
      running.awaitText(event + ", and started again.");
      String url = running.out().replaceFirst("(?s).*  URL      (.*?)\n.*", "$1");
      running.awaitText(" " + event + "\n");
      LoadRun load =
          LoadRun.at(url, "--duration=15s", "--warm-up=0s", "--json", "--events=" + events);
      assertEquals(0, load.status(), load::toString);
      JsonObject result = load.json();
      assertEquals(result.get("transfersCommitted"), result.get("transfersInLedger"));
      assertTrue(result.getAsJsonArray("events").size() > 0, load::out);
      // Until the second node is lost.
      Watch.await(() -> lines(events).size() > 3);
      running.signal("INT");
      assertEquals(130, running.await().status());
      assertOneAtATime(event, lines(events), running.out());
    }
    assertNothingIsLeft();
  }

  /** A loss, the start of the same node, and then its ranges again, in this order. */
  private static void assertOneAtATime(String loss, List<String> lines, String out) {
    List<String> order = List.of(loss, "started", "replicated");
    Instant last = Instant.MIN;
    String node = "";
    for (int i = 0; i < lines.size(); i++) {
      String[] columns = lines.get(i).split("\t");
      node = i % 3 == 0 ? columns[1] : node;
      assertTrue(columns[1].matches("[123]"), lines::toString);
      assertEquals(node, columns[1], lines::toString);
      assertEquals(order.get(i % 3), columns[2], lines::toString);
      assertFalse(Instant.parse(columns[0]).isBefore(last), lines::toString);
      last = Instant.parse(columns[0]);
      assertTrue(out.contains("  node " + node + " " + columns[2] + "\n"), out);
    }
  }

  @Test
  void bankChaosProvesThatNoMoneyIsLost() throws Exception {
    Script.Result result = script("BankChaos", "--duration=15s", "--kill-every=8s").run();
    assertEquals(0, result.status(), result::toString);
    assertTrue(result.err().matches("(?s).*:\\d\\d  node \\d killed\n.*"), result::err);
    assertTrue(result.out().contains("A node was lost "), result::out);
    assertTrue(result.out().endsWith(", no money lost.\n"), result::out);
    String report = Files.readString(directory.resolve("bank-chaos.html"));
    assertTrue(report.contains("\"event\":\"killed\""));
    assertTrue(report.contains("\"jbang bank-chaos --duration\\u003d15s"), report);
    assertNothingIsLeft();
  }

  @Test
  void ctrlCLeavesNothing() throws Exception {
    try (Script.Running running = script("BankChaos", "--kill-every=1s").start()) {
      running.awaitText(" killed");
      running.signal("INT");
      Script.Result result = running.await();
      assertEquals(130, result.status());
      assertFalse(result.err().contains("error"), result::err);
    }
    assertNothingIsLeft();
  }

  @ParameterizedTest
  @CsvSource({
    "--kill-every=10s, 1, 'error: BankChaos needs cockroach on the PATH\nInstall it: https://.*'",
    "--kill-every=0s, 2, error: Invalid value for option '--kill-every': not a time such as .*",
    "--report=/, 2, error: --report names no file that can be written"
  })
  void bankChaosRefuses(String option, int status, String lines) throws Exception {
    Script.Result result = Script.of("BankChaos", option).environment("PATH", "/nowhere").run();
    assertEquals(status, result.status());
    assertTrue(result.err().matches(lines + "\n"), result::err);
  }

  /** The data of a cluster is below its user's home, and on the command line of each node. */
  private void assertNothingIsLeft() throws IOException {
    List<String> processes =
        ProcessHandle.allProcesses()
            .map(process -> process.info().commandLine().orElse(""))
            .filter(command -> command.contains(directory + "/"))
            .toList();
    assertEquals(List.of(), processes);
    List<Path> left = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory.resolve(".cache/bank-basic"))) {
      files.filter(Files::isDirectory).forEach(left::add);
    }
    assertEquals(List.of(), left);
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Script script(String name, String... arguments) {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    return Script.of(name, arguments)
        .timeLimit(Duration.ofMinutes(4))
        .home(directory)
        .workingDirectory(directory);
  }
}
