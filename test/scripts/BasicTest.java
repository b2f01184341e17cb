import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** BankBasic with the PostgreSQL that it brings along, of which nothing is left. */
@Timeout(120)
class BasicTest {

  /** What every successful run prints. */
  static final String OUTPUT =
      """
      before: account 1 holds 1,000
      before: account 2 holds 250
      Transferred 100 from account 1 to account 2.
      after: account 1 holds 900
      after: account 2 holds 350
      """;

  @TempDir Path temporary;

  @Test
  void withoutUrlItBringsAPostgresOfItsOwn() throws Exception {
    Script.Result result = basic().environment("DATABASE_URL", "").run();
    assertEquals("", result.err());
    assertEquals(OUTPUT, result.out().replace("\r", ""));
    assertEquals(0, result.status());
    assertNothingLeft();
  }

  @ParameterizedTest
  @CsvSource({"PG_VERSION, INT, 130", "postmaster.pid, INT, 130", "postmaster.pid, TERM, 143"})
  void signalWhilePostgresStartsLeavesNothing(String file, String signal, int status)
      throws Exception {
    try (Script.Running running = basic().start()) {
      awaitFile(running, file);
      interrupt(running, signal, status);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {200, 700})
  void ctrlCAtAnyMomentLeavesNothing(int milliseconds) throws Exception {
    try (Script.Running running = basic().start()) {
      Thread.sleep(milliseconds);
      if (running.isAlive()) {
        running.signal("INT");
      }
      Script.Result result = running.await();
      assertTrue(OUTPUT.startsWith(result.out()), result.out());
      assertEquals("", result.err());
      assertNothingLeft();
    }
  }

  private void interrupt(Script.Running running, String signal, int status) throws Exception {
    assertNotEquals(List.of(), left(), "too early: there is nothing yet to leave behind");
    running.signal(signal);
    Script.Result result = running.await();
    assertEquals("", result.err());
    assertEquals(status, result.status());
    assertNothingLeft();
  }

  /** With this user's own home, where PostgreSQL lies unpacked, and a temporary directory apart. */
  private Script basic() {
    return Script.of("BankBasic")
        .home(Path.of(System.getProperty("user.home")))
        .javaOption("-Djava.io.tmpdir=" + temporary);
  }

  private void awaitFile(Script.Running running, String name) throws Exception {
    while (left().stream().noneMatch(file -> file.endsWith(name))) {
      assertTrue(running.isAlive(), "it ended without " + name);
      Thread.sleep(5);
    }
  }

  private void assertNothingLeft() throws Exception {
    assertEquals(List.of(), postgresProcesses());
    assertEquals(List.of(), left());
  }

  /** The processes whose command line names the temporary directory, as the server's does. */
  private List<String> postgresProcesses() {
    return ProcessHandle.allProcesses()
        .map(process -> process.info().commandLine().orElse(""))
        .filter(command -> command.contains(temporary.toString()))
        .toList();
  }

  private List<Path> left() throws IOException {
    Path ofTheLibrary = temporary.resolve("embedded-pg"); // always there, and empty
    for (int attempt = 1; ; attempt++) {
      try (Stream<Path> files = Files.walk(temporary)) {
        return files.filter(file -> !file.equals(temporary) && !file.equals(ofTheLibrary)).toList();
      } catch (UncheckedIOException e) {
        if (attempt == 100) {
          throw e.getCause();
        }
      }
    }
  }
}
