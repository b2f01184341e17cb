import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;

/**
 * Follows a page as its reader does: runs each of its commands, in their order, and compares what
 * it prints with what the page shows. It works in a copy of the project, or in a clone of that copy
 * if the page says so, because some commands leave files where they run. The address of the project
 * on GitHub is replaced by that of a server on this machine.
 */
final class PageReader implements AutoCloseable {

  /** The address that stands in the pages until the workflow that publishes fills it in. */
  static final Pattern REPOSITORY = Pattern.compile("https://github\\.com/[\\w.-]+/[\\w.-]+");

  /** The URL that stands in the commands of the tab Cloud. */
  private static final String CLOUD_URL =
      "postgresql://maxroach:password@cluster.example.com:26257/bank?sslmode=verify-full";

  /** What is copied of the project, besides the files at its top. */
  private static final List<String> DIRECTORIES =
      List.of("bench", "examples", "lessons", "templates", "test", "tools");

  /** A command that begins so is run, unless it is in the list below. */
  private static final Set<String> PROGRAMS =
      Set.of(
          "./jbangw",
          "(echo",
          "(sleep",
          "cd",
          "cockroach",
          "curl",
          "docker",
          "git",
          "java",
          "jbang",
          "kill",
          "mkdir",
          "mvn");

  /** What is run nowhere, and why. */
  private static final Map<String, String> NEVER =
      Map.of(
          "curl -Ls https://sh.jbang.dev | bash -s - app setup",
          "it would change this user's shell");

  /** What a command that needs a cockroach on the PATH has in it. */
  private static final List<String> ON_COCKROACH =
      List.of("cockroach ", "node1.pid", "node3.pid", "bank-chaos", "--nodes=3", "events.txt");

  /** What runs until the page starts another server on the same port, and its first words. */
  private static final Map<String, String> SERVERS =
      Map.of(
          "cockroach start-single-node", "CockroachDB node starting",
          "jbang local-cluster", "Ctrl-C",
          "jbang examples/WebService.java", "Listening",
          "java -jar target/bank-service-1.0.jar", "Started BankApplication");

  /** What is to end with another exit status than 0. */
  private static final Map<String, Integer> FAILING =
      Map.of("jbang bank-doctor --url='postgresql://localhost:26258/bank?sslmode=disable'", 5);

  /** What varies from run to run, and what replaces it before two outputs are compared. */
  private static final List<Map.Entry<String, String>> VARYING =
      List.of(
          Map.entry("PostgreSQL \\d[\\d.]*|CockroachDB \\w+ v\\d[\\w.-]*", "DATABASE"),
          Map.entry("127\\.0\\.0\\.1|0:0:0:0:0:0:0:1|\\[::1]", "ADDRESS"),
          Map.entry("ADDRESS(,\\s+ADDRESS)+", "ADDRESS"),
          Map.entry("lost [\\d,]+|created [\\d,]+ out of nothing", "lost #"),
          Map.entry(" \\(([\\w ]+=\\d+(, )?)+\\)", ""),
          Map.entry("ms (ahead of|behind) ", "ms from "),
          Map.entry("(?m)^(jbang local-cluster|cockroach start-single-node) .*$", "START"),
          Map.entry("\n  (?=\\S)", " "),
          Map.entry(
              "(?m)^(Between .* nothing was committed|Longest time without|A node was lost).*\n",
              ""),
          Map.entry("\\d{1,3}(,\\d{3})+|\\d+(\\.\\d+)?", "#"),
          Map.entry("\\s+", " "));

  private static final Pattern TOTALS =
      Pattern.compile("Total balance: ([\\d,]+) before, ([\\d,]+) after\\.");

  private static final boolean HAS_COCKROACH = Shell.isOnThePath("cockroach");

  private final Shell shell = new Shell();
  private final Path copy = shell.directory("project");
  private final SiteServer host;
  private final Map<String, Shell.Running> servers = new HashMap<>();
  private final String cloudUrl;
  private Path root = copy;
  private Path directory = copy;
  private String section = "";

  PageReader() throws IOException, InterruptedException {
    this(CLOUD_URL);
  }

  /** Runs the commands of the tab Cloud on the cluster of this URL. */
  PageReader(String cloudUrl) throws IOException, InterruptedException {
    this.cloudUrl = cloudUrl;
    try (Stream<Path> files = Files.list(Project.root())) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Path name = file.getFileName();
        if (Files.isRegularFile(file) || DIRECTORIES.contains(name.toString())) {
          TemporaryDirectory.copy(file, copy.resolve(name));
        }
      }
    }
    Files.deleteIfExists(copy.resolve(".git"));
    host = new SiteServer(copy);
  }

  /** A test for each command. */
  Stream<DynamicTest> follow(List<CommandBlock> commands) throws IOException, InterruptedException {
    stopServers();
    requireFreePort(26257);
    return commands.stream()
        .map(block -> DynamicTest.dynamicTest(block.command(), () -> follow(block)));
  }

  /** The commands that are listed here, or their beginnings. */
  static Set<String> listedCommands() {
    Set<String> listed = new TreeSet<>();
    Stream.of(NEVER, SERVERS, FAILING).forEach(list -> listed.addAll(list.keySet()));
    return listed;
  }

  /** Commands in a page's sentences that begin none of the page's own, and name no alias. */
  static List<String> unknownCommands(String page, List<CommandBlock> blocks) throws IOException {
    Set<String> aliases = Catalog.read().aliases().keySet();
    List<String> commands = blocks.stream().map(CommandBlock::command).toList();
    Set<String> programs = commands.stream().map(PageReader::program).collect(Collectors.toSet());
    return CommandBlock.quoted(page).stream()
        .filter(code -> code.contains(" ") && programs.contains(program(code)))
        .filter(code -> commands.stream().noneMatch(command -> command.startsWith(code)))
        .filter(code -> !aliases.contains(code.replaceFirst("jbang ", "")))
        .toList();
  }

  @Override
  public void close() throws InterruptedException {
    stopServers();
    host.close();
    shell.close();
  }

  private void follow(CommandBlock block) throws Exception {
    if (!section.equals(block.section())) {
      section = block.section();
      directory = root;
    }
    String command = block.command();
    whyNotHere(command).ifPresent(Assumptions::abort);
    assertTrue(PROGRAMS.contains(program(command)), "neither run by this test nor listed in it");
    String here = here(block.script());
    Optional<String> firstWords = firstWords(command);
    if (program(command).equals("git")) {
      cloneProject(here);
    } else if (program(command).equals("cd")) {
      changeDirectory(command.substring("cd ".length()));
    } else if (firstWords.isPresent()) {
      startServer(here, firstWords.get());
    } else {
      compare(block, run(command, here));
    }
  }

  private static Optional<String> whyNotHere(String command) throws Exception {
    String program = program(command);
    if (NEVER.containsKey(command)) {
      return Optional.of(NEVER.get(command));
    }
    if (ON_COCKROACH.stream().anyMatch(command::contains)) {
      return HAS_COCKROACH ? Optional.empty() : Optional.of("no cockroach on the PATH");
    }
    if (program.equals("docker") || command.contains("26257,localhost:26258")) {
      return hasDocker() ? Optional.empty() : Optional.of("no Docker with Compose that runs");
    }
    return program.equals("git") && !Shell.isOnThePath("git")
        ? Optional.of("no git on the PATH")
        : Optional.empty();
  }

  private static boolean hasDocker() throws IOException, InterruptedException {
    String check = "docker info && docker compose version";
    return new ProcessBuilder("bash", "-c", check)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor()
        == 0;
  }

  /** The script with addresses of this machine. */
  private String here(String script) {
    return REPOSITORY
        .matcher(script)
        .replaceAll(Matcher.quoteReplacement(host.url()))
        .replace(host.url() + "/blob/main/", host.url() + "/")
        .replaceFirst("^git clone " + host.url(), "git clone --quiet " + host.url() + "/bank.git")
        .replace(CLOUD_URL, cloudUrl)
        // A minute is too long for a test.
        .replaceFirst("^jbang bank-chaos$", "jbang bank-chaos --duration=15s");
  }

  private static Optional<String> firstWords(String command) {
    return SERVERS.keySet().stream().filter(command::startsWith).findFirst().map(SERVERS::get);
  }

  /** Clones a repository of the copy; later commands run in the first clone. */
  private void cloneProject(String command) throws Exception {
    Path repository = copy.resolve("bank.git");
    if (Files.notExists(repository)) {
      String commit =
          "git init --quiet --initial-branch=main && git add --all"
              + " && git -c user.name=test -c user.email=test@localhost commit --quiet -m test"
              + " && git clone --quiet --bare . bank.git && git -C bank.git update-server-info";
      shell.runQuietly(commit, copy);
    }
    directory = Files.createTempDirectory(copy.getParent(), "clone-");
    shell.runQuietly(command, directory);
  }

  private void changeDirectory(String name) {
    directory = directory.resolve(name);
    assertTrue(Files.isDirectory(directory), directory::toString);
    if (Files.exists(directory.resolve("jbangw")) && root.equals(copy)) {
      root = directory;
    }
  }

  /** Runs a command, which must succeed and print no error. */
  private Script.Result run(String command, String here) throws Exception {
    Script.Result result = shell.run(here, directory);
    assertEquals(FAILING.getOrDefault(command, 0), result.status(), result::toString);
    boolean isFaulty =
        result.err().lines().anyMatch(line -> line.matches("error: .*|warning: .*|\\s+at .*\\(.*"));
    assertTrue(!isFaulty || FAILING.containsKey(command), result::toString);
    return result;
  }

  private void startServer(String command, String firstWords) throws Exception {
    String port = firstWords.matches("Listening|Started.*") ? "8000" : "26257";
    stop(servers.remove(port));
    requireFreePort(Integer.parseInt(port));
    Shell.Running server = shell.start(command, directory);
    servers.put(port, server);
    server.awaitText(firstWords);
  }

  private void stopServers() throws InterruptedException {
    for (Shell.Running server : servers.values()) {
      stop(server);
    }
    servers.clear();
  }

  private static void stop(Shell.Running server) throws InterruptedException {
    if (server != null) {
      server.end();
    }
  }

  private static void requireFreePort(int port) throws IOException {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      assertTrue(socket.isBound());
    } catch (IOException e) {
      fail("the page's commands need port " + port + "; stop what listens there", e);
    }
  }

  private static void compare(CommandBlock block, Script.Result result) {
    if (!block.output().isEmpty()) {
      String shown = String.join("\n", block.output()) + "\n";
      assertEquals(masked(shown), masked(result.out()));
      Stream.of(shown, result.out()).forEach(PageReader::assertEqualTotals);
    }
  }

  private static String masked(String output) {
    String masked = output;
    for (Map.Entry<String, String> varying : VARYING) {
      masked = masked.replaceAll(varying.getKey(), varying.getValue());
    }
    return masked.strip();
  }

  private static void assertEqualTotals(String output) {
    TOTALS.matcher(output).results().forEach(it -> assertEquals(it.group(1), it.group(2)));
  }

  private static String program(String command) {
    return command.split(" ")[0];
  }
}
