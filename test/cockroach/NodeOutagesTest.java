import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Nodes are lost, one at a time, and no transfer is: LocalCluster's options, and BankChaos. */
@Timeout(300)
class NodeOutagesTest {

  /** A loss, the start of the same node, and then its ranges again; before the next loss. */
  private static final String ONE_AT_A_TIME =
      "(?s)(\\S+Z\t([123])\tdrained\n\\S+Z\t\\2\tstarted\n\\S+Z\t\\2\treplicated\n)+"
          + "(\\S+Z\t[123]\t(drained|started)\n)*";

  @TempDir private Path directory;

  @Test
  void oneNodeAtATimeIsDrainedAndNoTransferIsLost() throws Exception {
    Path events = directory.resolve("events");
    Script cluster =
        script(
            "LocalCluster",
            "--nodes=3",
            "--secure",
            "--drain-every=4s",
            "--port=" + Server.freePort(),
            "--events=" + events);
    try (Script.Running running = cluster.start()) {
      running.awaitText(" drained\n");
      String url = running.out().replaceFirst("(?s).*  URL      (.*?)\n.*", "$1");
      assertEquals(3, url.split("localhost").length - 1);
      String certs = "--certs-dir=" + directory.resolve("certs");
      LoadRun load = LoadRun.at(url, "--duration=15s", "--json", "--events=" + events, certs);
      JsonObject result = load.assertStatus(0).json();
      assertFalse(result.getAsJsonArray("events").isEmpty(), load::out);
      assertLedger(url, result);
      // Until the second node is lost.
      Watch.await(() -> running.out().split(" drained\n").length > 2);
      running.signal("INT");
      assertEquals(130, running.await().status());
      String told = Files.readString(events);
      assertTrue(told.matches(ONE_AT_A_TIME), told);
      assertTrue(running.out().matches("(?s).*\\d\\d  node \\d replicated\n.*"), running::out);
    }
    assertNothingIsLeft();
  }

  private void assertLedger(String url, JsonObject result) {
    try (Handle bank =
        BankSecure.connect(BankSecure.settings(url), directory.resolve("certs")).open()) {
      long ledger = bank.select("SELECT count(*) FROM transfers").mapTo(long.class).one();
      assertEquals(ledger, result.get("transfersCommitted").getAsLong());
      assertEquals(BankSecure.totalBalance(bank), result.get("totalBefore").getAsBigDecimal());
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
    try (Stream<Path> files = Files.list(directory.resolve(".cache/bank-basic"))) {
      assertEquals(List.of(), files.filter(Files::isDirectory).toList());
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
