import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Which JBang jbangw runs, and that the program it runs behaves as it would without jbangw. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
@Timeout(120)
class JbangwTest {

  /** A run that hangs is killed, and its test fails on what is missing. */
  private static final long SECONDS_TO_RUN = 90;

  private static final List<String> AWKWARD_ARGUMENTS =
      List.of(
          "two words",
          "$HOME",
          "it's",
          "\"quoted\"",
          "*",
          "",
          "back\\slash",
          "`id`",
          "two\nlines",
          "a;b|c&d",
          "!",
          "~",
          "#",
          "%s",
          "-x",
          "");

  private static final String AWKWARD_ARGUMENTS_ECHOED =
      AWKWARD_ARGUMENTS.stream().map(a -> "<" + a + ">\n").collect(Collectors.joining());

  /** What jbangw, Maven's own launcher and shasum call. */
  private static final List<String> TOOLS =
      List.of(
          ("basename bash cat curl cut dirname expr ls mkdir mktemp mv mvn perl readlink rm sed sh"
                  + " sha256sum shasum tr uname")
              .split(" "));

  private static final String ECHO_IN_SHELL = "printf '<%s>\\n' \"$@\"; cat; exit 7";

  private TemporaryDirectory temporary;
  private Path directory;
  private Path tools;
  private Map<String, String> environment;

  private record Result(int status, String out, String err) {

    void assertRefused(String error) {
      assertEquals(1, status, toString());
      assertEquals("", out);
      assertTrue(err.lines().anyMatch(line -> line.startsWith("error: " + error)), err);
    }
  }

  @BeforeEach
  void startWithNothing() throws IOException {
    temporary = TemporaryDirectory.create("jbangw-");
    directory = temporary.path();
    tools = temporary.directory("tools");
    environment = new HashMap<>(System.getenv());
    environment.put("PATH", tools.toString());
    environment.put("JAVA_HOME", System.getProperty("java.home"));
    environment.put("XDG_CACHE_HOME", directory.resolve("cache").toString());
  }

  @AfterEach
  void cleanUp() {
    temporary.close();
  }

  @Test
  void jbangOnThePathWins() throws Exception {
    linkToolsBut();
    script("jbang", ECHO_IN_SHELL);
    assertEquals(
        new Result(7, AWKWARD_ARGUMENTS_ECHOED + "typed", ""), run("typed", AWKWARD_ARGUMENTS));
  }

  @Test
  void withNothingOnThePathItSaysWhatToInstall() throws Exception {
    Result result = run("", List.of("Echo.java"));
    result.assertRefused("there is no JBang, and nothing to download it with");
    assertEquals(2, result.err.lines().count(), result.err);
    assertTrue(result.err.contains("\nInstall JBang (https://www.jbang.dev/download)"), result.err);
  }

  @Test
  void withoutMavenJbangsOwnScriptGetsArgumentsAndInput() throws Exception {
    linkToolsBut("mvn", "curl");
    script("curl", "cat <<'END'\n" + ECHO_IN_SHELL + "\nEND");
    String progress = "Downloading the script that starts JBang from https://sh.jbang.dev\n";
    assertEquals(
        new Result(7, AWKWARD_ARGUMENTS_ECHOED + "typed", progress),
        run("typed", AWKWARD_ARGUMENTS));
  }

  @Test
  void aFailedDownloadIsAnError() throws Exception {
    linkToolsBut("mvn", "curl");
    script("curl", "exit 6");
    run("", List.of("Echo.java")).assertRefused("could not download JBang");
  }

  @Test
  void aFailedDownloadWithMavenIsAnErrorWithItsReason() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "echo '[ERROR] no such host -> [Help 1]'; exit 1");
    run("", List.of("Echo.java")).assertRefused("Maven could not download JBang: no such host");
    assertEquals(0, filesInCache());
  }

  @Test
  void whatHasAWrongChecksumIsNeverRun() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "echo something else >" + jarName());
    Path bin = Files.createDirectories(directory.resolve("jdk/bin"));
    script(bin.resolve("java"), "echo java ran");
    environment.put("JAVA_HOME", bin.getParent().toString());
    plantCorruptJar(directory.resolve("cache"));
    run("", List.of("Echo.java")).assertRefused("what Maven downloaded is not JBang");
    assertEquals(1, filesInCache(), "only the corrupt one");
  }

  @Test
  void aCacheThatCannotBeWrittenIsAnError() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "exit 0");
    Path file = Files.createFile(directory.resolve("file"));
    environment.put("XDG_CACHE_HOME", file.resolve("cache").toString());
    run("", List.of("Echo.java")).assertRefused("cannot write to " + file.resolve("cache"));
  }

  @Test
  void withoutAHomeItAsksForOne() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "exit 0");
    environment.remove("XDG_CACHE_HOME");
    environment.remove("HOME");
    run("", List.of("Echo.java")).assertRefused("HOME is not set");
  }

  @Test
  void aJavaHomeWithoutJavaIsAnError() throws Exception {
    linkToolsBut();
    environment.put("JAVA_HOME", directory.toString());
    run("", List.of("Echo.java")).assertRefused("JAVA_HOME is " + directory);
  }

  /** With Java and Maven, on JBang itself. */
  @Nested
  class Fetched {

    @TempDir private static Path shared;

    @BeforeAll
    static void requireMaven() {
      assumeTrue(onThePath("mvn").isPresent(), "no mvn on the PATH");
    }

    @BeforeEach
    void shareWhatIsFetched() throws IOException {
      linkToolsBut();
      environment.put("XDG_CACHE_HOME", shared.toString());
      environment.put("JBANG_CACHE_DIR", shared.resolve("jbang").toString());
    }

    @Test
    void argumentsInputOutputAndStatusPassThrough() throws Exception {
      List<String> arguments = new ArrayList<>(List.of(echoInJava().toString()));
      arguments.addAll(AWKWARD_ARGUMENTS);
      Result result = run("typed", arguments);
      assertEquals(AWKWARD_ARGUMENTS_ECHOED + "typed", result.out, result.err);
      assertEquals(7, result.status);
    }

    /** The checksum was lost then, and every file seemed to be damaged. */
    @Test
    void standardOutputMayBeClosed() throws Exception {
      run("", List.of("version"));
      script("closed", "exec " + jbangw() + " " + echoInJava() + " >&-");
      Result result = finish(start(tools.resolve("closed"), List.of()), "");
      assertEquals(7, result.status, result.err);
      assertTrue(result.err.lines().allMatch(line -> line.startsWith("[jbang]")), result.err);
    }

    @Test
    void ctrlCReachesTheProgram() throws Exception {
      Process process = start(List.of(sleepInJava().toString()));
      try (var out = process.inputReader(UTF_8)) {
        assertEquals(Long.toString(process.pid()), out.readLine(), "the program's process ID");
        new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
        assertEquals("stopped", out.readLine());
        assertEquals(130, process.waitFor());
      } finally {
        process.destroyForcibly();
      }
    }

    @Test
    void firstRunsAtOnceRepairACorruptCacheAndLaterOnesNeedNoMaven() throws Exception {
      environment.put("XDG_CACHE_HOME", directory.resolve("cache").toString());
      plantCorruptJar(directory.resolve("cache"));
      List<Process> processes = List.of(start(List.of("version")), start(List.of("version")));
      for (Process process : processes) {
        Result first = finish(process, "");
        assertEquals(0, first.status, first.err);
        assertTrue(first.err.startsWith("Downloading JBang"), first.err);
      }
      assertEquals(1, filesInCache(), "only the jar stays");
      Files.delete(tools.resolve("mvn"));
      Result later = run("", List.of("version"));
      assertEquals("", later.err);
      assertTrue(later.out.matches("\\d+\\.\\d+\\.\\d+\n"), later.out);
    }
  }

  private Result run(String input, List<String> arguments)
      throws IOException, InterruptedException {
    return finish(start(arguments), input);
  }

  private Process start(List<String> arguments) throws IOException {
    return start(jbangw(), arguments);
  }

  private Process start(Path program, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
    builder.environment().clear();
    builder.environment().putAll(environment);
    Process process = builder.start();
    CompletableFuture.delayedExecutor(SECONDS_TO_RUN, TimeUnit.SECONDS)
        .execute(process::destroyForcibly);
    return process;
  }

  private static Result finish(Process process, String input)
      throws IOException, InterruptedException {
    try (var in = process.outputWriter(UTF_8)) {
      in.write(input);
    } catch (IOException e) {
      // It ended without reading its input.
    }
    try {
      String out = new String(process.getInputStream().readAllBytes(), UTF_8);
      String err = new String(process.getErrorStream().readAllBytes(), UTF_8);
      return new Result(process.waitFor(), out, err);
    } finally {
      process.destroyForcibly();
    }
  }

  private static Path jbangw() {
    return Project.root().resolve("jbangw");
  }

  /** Puts the tools on the PATH of jbangw, but for these. */
  private void linkToolsBut(String... names) throws IOException {
    for (String tool : TOOLS) {
      Optional<Path> program = onThePath(tool);
      if (program.isPresent() && !List.of(names).contains(tool)) {
        Files.createSymbolicLink(tools.resolve(tool), program.get());
      }
    }
  }

  private static Optional<Path> onThePath(String program) {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .map(directory -> Path.of(directory, program))
        .filter(Files::isExecutable)
        .findFirst();
  }

  private void script(String name, String text) throws IOException {
    script(tools.resolve(name), text);
  }

  private static void script(Path path, String text) throws IOException {
    Files.writeString(path, "#!/bin/sh\n" + text + "\n");
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private static void plantCorruptJar(Path cache) throws IOException {
    Path folder = Files.createDirectories(cache.resolve("jbangw"));
    Files.writeString(folder.resolve(jarName()), "corrupt");
  }

  private static String jarName() throws IOException {
    return Files.readAllLines(jbangw()).stream()
        .filter(line -> line.startsWith("version="))
        .map(line -> "jbang-cli-" + line.substring("version=".length()) + "-all.jar")
        .findFirst()
        .orElseThrow();
  }

  private long filesInCache() throws IOException {
    try (Stream<Path> files = Files.list(directory.resolve("cache/jbangw"))) {
      return files.count();
    }
  }

  private Path echoInJava() throws IOException {
    return Files.writeString(
        directory.resolve("Echo.java"),
        """
        class Echo {
          public static void main(String... arguments) throws java.io.IOException {
            for (String argument : arguments) {
              System.out.println("<" + argument + ">");
            }
            System.in.transferTo(System.out);
            System.out.flush();
            System.exit(7);
          }
        }
        """);
  }

  private Path sleepInJava() throws IOException {
    return Files.writeString(
        directory.resolve("Sleep.java"),
        """
        class Sleep {
          public static void main(String... arguments) throws InterruptedException {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("stopped")));
            System.out.println(ProcessHandle.current().pid());
            Thread.sleep(60_000);
          }
        }
        """);
  }
}
