import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Which JBang jbangw runs, and that the program it runs behaves as it would without jbangw. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class JbangwTest {

  private static final List<String> AWKWARD_ARGUMENTS =
      List.of(
          "two words", "$HOME", "it's", "\"\"", "*", "", "\\", "`id`", "two\nlines", "a;b|c&d", "");

  private static final String AWKWARD_ARGUMENTS_ECHOED =
      AWKWARD_ARGUMENTS.stream().map(a -> "<" + a + ">\n").collect(Collectors.joining());

  /** What jbangw, Maven's own launcher and shasum call. */
  private static final List<String> TOOLS =
      List.of(
          ("basename bash cat curl cut dirname expr ls mkdir mktemp mv mvn perl readlink rm sed sh"
                  + " sha256sum shasum tr uname")
              .split(" "));

  private static final String ECHO_IN_SHELL = "printf '<%s>\\n' \"$@\"; cat; exit 7";

  /** The same in Java. Without arguments it sleeps. */
  private static final String ECHO =
      """
      class Echo {
        public static void main(String... arguments) throws Exception {
          if (arguments.length == 0) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("stopped")));
            System.out.println(ProcessHandle.current().pid());
            Thread.sleep(60_000);
          }
          for (String argument : arguments) {
            System.out.println("<" + argument + ">");
          }
          System.in.transferTo(System.out);
          System.out.flush();
          System.exit(7);
        }
      }
      """;

  private TemporaryDirectory temporary;
  private Path directory;
  private Path tools;
  private Path cache;
  private Map<String, String> environment;

  @BeforeEach
  void startWithNothing() throws IOException {
    temporary = TemporaryDirectory.create("jbangw-");
    directory = temporary.path();
    tools = temporary.directory("tools");
    cache = directory.resolve("cache/jbangw");
    environment = new HashMap<>(System.getenv());
    environment.put("PATH", tools.toString());
    environment.put("JAVA_HOME", System.getProperty("java.home"));
    environment.put("XDG_CACHE_HOME", cache.getParent().toString());
    environment.put("JBANG_CACHE_DIR", directory.resolve("jbang").toString());
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
        new Script.Result(7, AWKWARD_ARGUMENTS_ECHOED + "typed", ""),
        run("typed", AWKWARD_ARGUMENTS.toArray(String[]::new)));
  }

  @Test
  void withoutMavenJbangsOwnScriptGetsArgumentsAndInput() throws Exception {
    linkToolsBut("mvn", "curl");
    script("curl", "cat <<'END'\n" + ECHO_IN_SHELL + "\nEND");
    String progress = "Downloading the script that starts JBang from https://sh.jbang.dev\n";
    assertEquals(
        new Script.Result(7, AWKWARD_ARGUMENTS_ECHOED + "typed", progress),
        run("typed", AWKWARD_ARGUMENTS.toArray(String[]::new)));
    script("curl", "exit 6");
    assertRefused("could not download JBang");
  }

  @Test
  void aFailedDownloadWithMavenIsAnErrorWithItsReason() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "echo '[ERROR] no such host -> [Help 1]'; exit 1");
    assertRefused("Maven could not download JBang: no such host");
    assertEquals(0, filesInCache());
  }

  @Test
  void whatHasAWrongChecksumIsNeverRun() throws Exception {
    linkToolsBut("mvn");
    script("mvn", "echo something else >" + jarName());
    Path java = Files.createDirectories(directory.resolve("jdk/bin")).resolve("java");
    script(java.toString(), "echo java ran");
    environment.put("JAVA_HOME", directory.resolve("jdk").toString());
    plantCorruptJar();
    assertRefused("what Maven downloaded is not JBang");
    assertEquals(1, filesInCache(), "only the corrupt one");
  }

  @Test
  void aWrongEnvironmentIsAnError() throws Exception {
    assertRefused("there is no JBang, and nothing to download it with\nInstall JBang (https://");
    linkToolsBut("mvn");
    script("mvn", "exit 0");
    String file = Files.createFile(directory.resolve("file")).toString();
    environment.put("XDG_CACHE_HOME", file);
    assertRefused("cannot write to " + file);
    environment.remove("XDG_CACHE_HOME");
    environment.remove("HOME");
    assertRefused("HOME is not set");
    environment.put("JAVA_HOME", file);
    assertRefused("JAVA_HOME is " + file);
  }

  /** The real Maven, JBang and Java, from the first run on. */
  @Test
  void firstRunsAtOnceRepairTheCacheAndLaterOnesRunAsWithoutJbangw() throws Exception {
    linkToolsBut();
    plantCorruptJar();
    List<Process> processes = List.of(start("version"), start("version"));
    for (Process process : processes) {
      Script.Result first = finish(process, "");
      assertEquals(0, first.status(), first.err());
      assertTrue(first.err().startsWith("Downloading JBang"), first.err());
    }
    assertEquals(1, filesInCache(), "only the jar stays");
    Files.delete(tools.resolve("mvn"));
    Files.writeString(directory.resolve("Echo.java"), ECHO);
    assertArgumentsInputOutputAndStatusPassThrough();
    assertStandardOutputMayBeClosed();
    assertCtrlCReachesTheProgram();
  }

  private void assertArgumentsInputOutputAndStatusPassThrough() throws Exception {
    List<String> arguments = new ArrayList<>(List.of("Echo.java"));
    arguments.addAll(AWKWARD_ARGUMENTS);
    Script.Result result = run("typed", arguments.toArray(String[]::new));
    assertEquals(AWKWARD_ARGUMENTS_ECHOED + "typed", result.out(), result.err());
    assertEquals(7, result.status());
  }

  /** The checksum was lost then, and every file seemed to be damaged. */
  private void assertStandardOutputMayBeClosed() throws Exception {
    Script.Result result =
        finish(start(List.of("sh", "-c", "exec " + jbangw() + " Echo.java x >&-")), "");
    assertEquals(7, result.status(), result.err());
    assertTrue(result.err().lines().allMatch(line -> line.startsWith("[jbang]")), result.err());
  }

  private void assertCtrlCReachesTheProgram() throws Exception {
    Process process = start("Echo.java");
    try (var out = process.inputReader(UTF_8)) {
      assertEquals(Long.toString(process.pid()), out.readLine(), "the program's process ID");
      new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
      assertEquals("stopped", out.readLine());
      assertEquals(130, process.waitFor());
    } finally {
      process.destroyForcibly();
    }
  }

  private void assertRefused(String error) throws Exception {
    Script.Result result = run("", "Echo.java");
    assertEquals(1, result.status(), result::toString);
    assertEquals("", result.out());
    assertEquals(2, result.err().lines().dropWhile(it -> it.startsWith("Downloading ")).count());
    assertTrue(result.err().contains("error: " + error), result::err);
  }

  private Script.Result run(String input, String... arguments) throws Exception {
    return finish(start(arguments), input);
  }

  private Process start(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(arguments));
    command.add(0, jbangw().toString());
    return start(command);
  }

  private Process start(List<String> command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
    builder.environment().clear();
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static Script.Result finish(Process process, String input)
      throws IOException, InterruptedException {
    try (var in = process.outputWriter(UTF_8)) {
      in.write(input);
    } catch (IOException e) {
      // It ended without reading its input.
    }
    String out = new String(process.getInputStream().readAllBytes(), UTF_8);
    String err = new String(process.getErrorStream().readAllBytes(), UTF_8);
    return new Script.Result(process.waitFor(), out, err);
  }

  private static Path jbangw() {
    return Project.root().resolve("jbangw");
  }

  /** Puts the tools on the PATH of jbangw, but for these. */
  private void linkToolsBut(String... names) throws IOException {
    for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
      for (String tool : TOOLS) {
        Path program = Path.of(folder, tool);
        Path link = tools.resolve(tool);
        boolean isWanted = !List.of(names).contains(tool) && !Files.exists(link);
        if (isWanted && Files.isExecutable(program)) {
          Files.createSymbolicLink(link, program);
        }
      }
    }
  }

  /** Writes a program, on the PATH if it is a name only. */
  private void script(String name, String text) throws IOException {
    Path file = Files.writeString(tools.resolve(name), "#!/bin/sh\n" + text + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private void plantCorruptJar() throws IOException {
    Files.writeString(Files.createDirectories(cache).resolve(jarName()), "corrupt");
  }

  private static String jarName() throws IOException {
    String version = Project.read("jbangw").replaceAll("(?s).*\nversion=(\\S+).*", "$1");
    return "jbang-cli-" + version + "-all.jar";
  }

  private long filesInCache() throws IOException {
    try (Stream<Path> files = Files.list(cache)) {
      return files.count();
    }
  }
}
