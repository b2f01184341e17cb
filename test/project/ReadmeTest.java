import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.File;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Follows the README: its commands do what it shows, and a script does it alone too. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the README's commands are for a POSIX shell")
class ReadmeTest {

  private static final int PORT = 26257;

  private static final long SECONDS_TO_RUN = 120;

  /** What is copied of the project, besides the files at its top. */
  private static final List<String> DIRECTORIES = List.of("bench", "templates", "test");

  /** A command that begins so is run as it stands, unless it is in one of the lists below. */
  private static final List<String> PROGRAMS = List.of("./jbangw", "jbang", "mkdir", ".");

  /** What is run nowhere, and why. */
  private static final Map<String, String> NEVER =
      Map.of(
          "curl -Ls https://sh.jbang.dev | bash -s - app setup",
          "it would change this user's shell",
          "jbang BankSecure.java"
              + " --url='postgresql://maxroach@node1:26257,node2:26257,node3:26257/bank'",
          "these hosts are examples",
          "jbang BankSecure.java"
              + " --url='postgresql://maxroach:password@cluster.example.com:26257/bank?sslmode=verify-full'",
          "this host is an example",
          "jbang app install --name=bank-secure BankSecure.java",
          "it would change this user's shell",
          "./jbangw bench/BankBench.java",
          "it takes three quarters of an hour",
          "./jbangw test/BankTest.java",
          "it would run this test in itself");

  private static final String INSECURE_NODE =
      "cockroach start-single-node --insecure --store=type=mem,size=0.25 --listen-addr=localhost";
  private static final String SECURE_NODE =
      "cockroach start-single-node --certs-dir=certs --store=type=mem,size=0.25"
          + " --listen-addr=localhost";
  private static final String INSECURE_STAND_IN = "jbang test/LocalCluster.java";
  private static final String SECURE_STAND_IN = "jbang test/LocalCluster.java --secure";

  private static final String KEY_OF_CA = " --certs-dir=certs --ca-key=my-safe-directory/ca.key";
  private static final String SUM = " --execute='SELECT count(*), sum(balance) FROM bank.accounts'";

  /** What is run only where a cockroach is on the PATH, and what takes its place elsewhere. */
  private static final Map<String, String> WITH_COCKROACH =
      Map.of(
          INSECURE_NODE,
          INSECURE_STAND_IN,
          SECURE_NODE,
          SECURE_STAND_IN,
          "cockroach cert create-ca" + KEY_OF_CA,
          SECURE_STAND_IN,
          "cockroach cert create-node localhost 127.0.0.1" + KEY_OF_CA,
          SECURE_STAND_IN,
          "cockroach cert create-client root" + KEY_OF_CA,
          SECURE_STAND_IN,
          "cockroach cert create-client maxroach" + KEY_OF_CA,
          SECURE_STAND_IN,
          "cockroach sql --insecure" + SUM,
          "nothing",
          "cockroach sql --certs-dir=certs" + SUM,
          "nothing");

  /** What runs until its section ends, and what it says when it is ready. */
  private static final Map<String, String> SERVERS =
      Map.of(
          INSECURE_NODE, "CockroachDB node starting",
          SECURE_NODE, "CockroachDB node starting",
          INSECURE_STAND_IN, "Ctrl-C stops it",
          SECURE_STAND_IN, "Ctrl-C stops it");

  /**
   * The lines in which words vary from run to run. A word that does is marked as {@code {kind
   * name}}; … stands for words that do not. A line of the README that is like none of these must be
   * printed just so.
   */
  private static final List<Mark> VARYING =
      marks(
          "Transfer {uuid transfer} moved {number moved}:",
          "  from account {account source}:"
              + " {number sourceBefore} before, {number sourceAfter} after",
          "  to account {account target}:"
              + " {number targetBefore} before, {number targetAfter} after",
          "Latency: p50 {tenths p50} ms, p95 {tenths p95} ms, p99 {tenths p99} ms,"
              + " maximum {tenths maximum} ms.",
          "Total balance: {number totalBefore} before, {number totalAfter} after.",
          "Audit passed: the smallest balance is {number smallest}, …",
          "attempt {digits attempt} failed, next in {digits pause} ms: …",
          "  \"totalBefore\": {digits totalBefore},",
          "  \"totalAfter\": {digits totalAfter},",
          "  \"smallestBalance\": {digits smallest},",
          "  \"seconds\": {thousandths seconds},",
          "  \"transfersPerSecond\": {thousandths rate},",
          "  \"p50Milliseconds\": {thousandths p50},",
          "  \"p95Milliseconds\": {thousandths p95},",
          "  \"p99Milliseconds\": {thousandths p99},",
          "  \"maximumMilliseconds\": {thousandths maximum},");

  /** More of them where several workers collide, as often as chance has it. */
  private static final List<Mark> VARYING_WITH_WORKERS =
      marks(
          "Transfers: … committed, … unknown, {number rate} a second for {tenths seconds} s.",
          "Retries: {number retries}.",
          "  \"retries\": {digits retries},");

  /** And where a cockroach is on the PATH, for the README shows what came of its stand-in. */
  private static final List<Mark> VARYING_WITH_COCKROACH =
      marks("Connected to {product product} at …");

  private static final boolean COCKROACH = isOnThePath("cockroach");

  private TemporaryDirectory temporary;
  private Path copy;
  private String section = "";
  private Running server;
  private Output shownBefore;
  private Output printedBefore;

  /** Works in a copy, for some commands leave certificates where they run. */
  @BeforeEach
  void copyProject() throws IOException {
    temporary = TemporaryDirectory.create("readme-");
    copy = temporary.directory("project");
    try (Stream<Path> files = Files.list(Project.root())) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Path name = file.getFileName();
        if (Files.isRegularFile(file) || DIRECTORIES.contains(name.toString())) {
          TemporaryDirectory.copy(file, copy.resolve(name));
        }
      }
    }
    Path tools = temporary.directory("tools");
    if (!isOnThePath("jbang")) {
      Files.createSymbolicLink(tools.resolve("jbang"), copy.resolve("jbangw"));
    }
  }

  @AfterEach
  void cleanUp() throws InterruptedException {
    stopServer();
    temporary.close();
  }

  @TestFactory
  Stream<DynamicTest> everyCommandDoesWhatIsShown() throws IOException {
    requireFreePort();
    return commands().stream()
        .map(block -> DynamicTest.dynamicTest(block.command(), () -> follow(block)));
  }

  @Test
  void everyCommandListedHereStandsInTheReadme() throws IOException {
    List<String> listed = new ArrayList<>();
    Stream.of(NEVER, WITH_COCKROACH, SERVERS).forEach(list -> listed.addAll(list.keySet()));
    listed.removeAll(commands().stream().map(CommandBlock::command).toList());
    assertEquals(List.of(), listed);
  }

  @Test
  void everyLineListedHereStandsInTheReadme() throws IOException {
    List<String> lines = readme().lines().toList();
    List<String> unused =
        Stream.of(VARYING, VARYING_WITH_WORKERS, VARYING_WITH_COCKROACH)
            .flatMap(List::stream)
            .filter(mark -> lines.stream().noneMatch(line -> mark.pattern.matcher(line).matches()))
            .map(Mark::line)
            .toList();
    assertEquals(List.of(), unused);
  }

  @Test
  void aCommandInASentenceIsTheBeginningOfOneInABlock() throws IOException {
    List<String> commands = commands().stream().map(CommandBlock::command).toList();
    Set<String> programs = commands.stream().map(ReadmeTest::program).collect(Collectors.toSet());
    List<String> unknown =
        CommandBlock.quoted(readme()).stream()
            .filter(code -> code.contains(" ") && programs.contains(program(code)))
            .filter(code -> commands.stream().noneMatch(command -> command.startsWith(code)))
            .toList();
    assertEquals(List.of(), unknown);
  }

  @Test
  void theBenchmarkWasMeasuredWhenAndWhereItsResultsSay() throws IOException {
    String results = Files.readString(Project.root().resolve("bench/results.md"));
    Matcher measured = Pattern.compile("\\d{4}-.*?, PostgreSQL [\\d.]+").matcher(results);
    assertTrue(measured.find(), results);
    assertTrue(readme().replaceAll("\\s+", " ").contains(measured.group()), measured::group);
  }

  @TestFactory
  Stream<DynamicTest> eachScriptRunsAloneInAnEmptyFolder() {
    // One after the other, for JBang's cache does not bear two at once.
    return Stream.of(
        DynamicTest.dynamicTest(
            "BankBasic",
            () -> assertEquals("1 1000\n2 250\n1 900\n2 350\n", runAlone("BankBasic", "").out())),
        DynamicTest.dynamicTest(
            "BankInsecure", () -> runAlone("BankInsecure", LocalCluster.insecure())),
        DynamicTest.dynamicTest("BankSecure", () -> runAlone("BankSecure", LocalCluster.secure())));
  }

  private void runAlone(String script, LocalCluster server) throws Exception {
    try (server) {
      String certs = server.isSecure() ? " --certs-dir='" + server.certs() + "'" : "";
      runAlone(script, " --url='" + server.url() + "'" + certs);
      assertEquals(100, Bank.of(server).balances().size());
      assertEquals(1, Bank.of(server).ledger().size());
    }
  }

  private Script.Result runAlone(String script, String options) throws Exception {
    Path folder = temporary.directory(script);
    Files.copy(Project.root().resolve(script + ".java"), folder.resolve(script + ".java"));
    return run("jbang " + script + ".java" + options, folder);
  }

  // ---- From command to command ----

  private void follow(CommandBlock block) throws Exception {
    if (!section.equals(block.section())) {
      stopServer();
      section = block.section();
    }
    whyNotHere(block.command()).ifPresent(Assumptions::abort);
    perform(block);
  }

  private static Optional<String> whyNotHere(String command) {
    if (NEVER.containsKey(command)) {
      return Optional.of(NEVER.get(command));
    }
    if (WITH_COCKROACH.containsKey(command) && !COCKROACH) {
      return Optional.of("no cockroach on the PATH; in its place: " + WITH_COCKROACH.get(command));
    }
    if (WITH_COCKROACH.containsValue(command) && COCKROACH) {
      return Optional.of("the cockroach on the PATH needs no stand-in");
    }
    return Optional.empty();
  }

  private void perform(CommandBlock block) throws Exception {
    String command = block.command();
    assertTrue(
        PROGRAMS.contains(program(command)) || WITH_COCKROACH.containsKey(command),
        "neither run by this test nor listed in it");
    if (SERVERS.containsKey(command)) {
      startServer(command);
    } else {
      compare(block, run(command, copy));
    }
  }

  private void startServer(String command) throws IOException, InterruptedException {
    stopServer();
    requireFreePort();
    server = new Running(command, copy);
    server.awaitText(SERVERS.get(command));
  }

  private void stopServer() throws InterruptedException {
    if (server != null) {
      server.end();
    }
    server = null;
    shownBefore = null;
    printedBefore = null;
  }

  private static void requireFreePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(PORT, 1, InetAddress.getLoopbackAddress())) {
      assertTrue(socket.isBound());
    } catch (IOException e) {
      fail("the README's commands need port " + PORT + "; stop what listens there", e);
    }
  }

  // ---- Output ----

  private void compare(CommandBlock block, Script.Result result) {
    List<Mark> marks = marksFor(block.command());
    if (!block.output().isEmpty()) {
      Output shown = Output.of(block.output(), marks);
      Output printed = Output.of(result.out().lines().toList(), marks);
      assertEquals(shown.text(), printed.text());
      shown.assertConsistent(shownBefore);
      printed.assertConsistent(printedBefore);
      if (printed.words.containsKey("totalAfter")) {
        shownBefore = shown;
        printedBefore = printed;
      }
    }
    // CockroachDB has other words for a conflict, and meets fewer.
    if (!COCKROACH) {
      Set<String> told = new TreeSet<>(Output.of(result.err().lines().toList(), marks).lines);
      for (String line : Output.of(block.errors(), marks).lines) {
        assertTrue(told.contains(line), () -> line + "\nis none of\n" + told);
      }
    }
  }

  private static List<Mark> marksFor(String command) {
    List<Mark> marks = new ArrayList<>(VARYING);
    if (command.contains("--concurrency")) {
      marks.addAll(VARYING_WITH_WORKERS);
    }
    if (COCKROACH) {
      marks.addAll(VARYING_WITH_COCKROACH);
    }
    return marks;
  }

  private static List<Mark> marks(String... lines) {
    return Stream.of(lines).map(Mark::of).toList();
  }

  /** A line in which words vary. */
  private record Mark(String line, Pattern pattern, List<String> names) {

    private static final Map<String, String> KINDS =
        Map.of(
            "uuid", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "account", "[1-9]\\d{0,11}",
            "digits", "\\d+",
            "number", "\\d{1,3}(?:,\\d{3})*",
            "product", "(?:PostgreSQL|CockroachDB) .*\\d",
            "tenths", "\\d{1,3}(?:,\\d{3})*\\.\\d",
            "thousandths", "\\d+\\.\\d{3}");

    private static final Pattern WORD = Pattern.compile("\\{(\\w+) (\\w+)\\}|…");

    static Mark of(String line) {
      List<String> names = new ArrayList<>();
      StringBuilder pattern = new StringBuilder();
      Matcher word = WORD.matcher(line);
      int end = 0;
      while (word.find()) {
        pattern.append(Pattern.quote(line.substring(end, word.start())));
        end = word.end();
        if (word.group().equals("…")) {
          pattern.append(".*");
        } else {
          names.add(word.group(2));
          pattern.append("(?<%s>%s)".formatted(word.group(2), KINDS.get(word.group(1))));
        }
      }
      pattern.append(Pattern.quote(line.substring(end)));
      return new Mark(line, Pattern.compile(pattern.toString()), names);
    }
  }

  /** Lines with names in place of the words that vary, and those words. */
  private record Output(List<String> lines, Map<String, String> words) {

    static Output of(List<String> lines, List<Mark> marks) {
      Map<String, String> words = new HashMap<>();
      List<String> named = lines.stream().map(line -> name(line, marks, words)).toList();
      return new Output(named, words);
    }

    private static String name(String line, List<Mark> marks, Map<String, String> words) {
      for (Mark mark : marks) {
        Matcher matcher = mark.pattern.matcher(line);
        if (matcher.matches()) {
          StringBuilder named = new StringBuilder(line);
          List<String> names = new ArrayList<>(mark.names);
          Collections.reverse(names); // from the right, or the places would move
          for (String name : names) {
            named.replace(matcher.start(name), matcher.end(name), "<" + name + ">");
            words.put(name, matcher.group(name));
          }
          return named.toString();
        }
      }
      return line;
    }

    String text() {
      return String.join("\n", lines);
    }

    /** What must hold between the words that vary, here and since the command before. */
    void assertConsistent(Output before) {
      if (words.containsKey("moved")) {
        assertNotEquals(words.get("source"), words.get("target"));
        assertEquals(number("sourceBefore") / 2, number("moved"), words::toString);
        assertEquals(
            number("sourceBefore") - number("moved"), number("sourceAfter"), words::toString);
        assertEquals(
            number("targetBefore") + number("moved"), number("targetAfter"), words::toString);
      }
      if (words.containsKey("moved") && words.containsKey("smallest")) {
        assertTrue(number("smallest") <= number("sourceAfter"), words::toString);
        assertTrue(number("smallest") <= number("targetAfter"), words::toString);
      }
      if (words.containsKey("p50")) {
        List<BigDecimal> latencies =
            Stream.of("p50", "p95", "p99", "maximum").map(this::decimal).toList();
        assertEquals(latencies.stream().sorted().toList(), latencies);
      }
      if (words.containsKey("totalBefore")) {
        assertEquals(number("totalBefore"), number("totalAfter"));
      }
      if (before != null && text().contains(" 0 created")) {
        assertEquals(before.number("totalAfter"), number("totalBefore"), "since the run before");
      }
    }

    private long number(String name) {
      return decimal(name).longValueExact();
    }

    private BigDecimal decimal(String name) {
      return new BigDecimal(words.get(name).replace(",", ""));
    }
  }

  // ---- Processes ----

  /** Runs a command to its good end, with retries and nothing else on standard error. */
  private Script.Result run(String command, Path directory) throws Exception {
    Running running = new Running(command, directory);
    try {
      Script.Result result = running.await();
      Told told = new Told(result).assertDone();
      assertEquals(told.retries(), told.failedAttempts().count(), result::toString);
      return result;
    } finally {
      running.end();
    }
  }

  /** A command in a shell, as the reader types it. */
  private final class Running {
    private final String command;
    private final Process process;
    private final Path files = Files.createTempDirectory(temporary.path(), "run-");
    private final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_TO_RUN);

    Running(String command, Path directory) throws IOException {
      this.command = command;
      ProcessBuilder shell =
          new ProcessBuilder("bash", "-c", command).directory(directory.toFile());
      Map<String, String> environment = shell.environment();
      environment.keySet().removeIf(name -> name.matches("DATABASE_URL|PG.*|COCKROACH_.*"));
      environment.put("JAVA_HOME", System.getProperty("java.home"));
      environment.put("JBANG_CACHE_DIR", temporary.path().resolve("jbang").toString());
      environment.merge(
          "PATH",
          temporary.path().resolve("tools").toString(),
          (path, tools) -> tools + ":" + path);
      process =
          shell
              .redirectInput(new File("/dev/null"))
              .redirectOutput(files.resolve("out").toFile())
              .redirectError(files.resolve("err").toFile())
              .start();
    }

    void awaitText(String text) throws IOException, InterruptedException {
      while (!read("out").contains(text)) {
        if (!process.isAlive() || System.nanoTime() > deadline) {
          fail(command + " does not say \"" + text + "\":\n" + result(-1));
        }
        Thread.sleep(50);
      }
    }

    Script.Result await() throws IOException, InterruptedException {
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        fail(command + " does not end:\n" + result(-1));
      }
      return result(process.exitValue());
    }

    /** Asks first, so that it can clean up behind itself. */
    void end() throws InterruptedException {
      List<ProcessHandle> children = process.descendants().toList();
      process.destroy();
      process.waitFor(20, TimeUnit.SECONDS);
      children.forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }

    /** Without what JBang tells of its own work. */
    private Script.Result result(int status) throws IOException {
      String err =
          read("err")
              .lines()
              .filter(line -> !line.startsWith("[jbang]") || line.contains("[ERROR]"))
              .map(line -> line + "\n")
              .collect(Collectors.joining());
      return new Script.Result(status, read("out"), err);
    }

    private String read(String file) throws IOException {
      return Files.readString(files.resolve(file));
    }
  }

  // ---- Files ----

  private static String program(String command) {
    return command.split(" ")[0];
  }

  private static boolean isOnThePath(String program) {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(folder -> new File(folder, program).canExecute());
  }

  private List<CommandBlock> commands() throws IOException {
    return CommandBlock.read(readme());
  }

  private static String readme() throws IOException {
    return Files.readString(Project.root().resolve("README.md"));
  }
}
