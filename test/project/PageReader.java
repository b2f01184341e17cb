import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;

/**
 * Follows a page as its reader does: runs each of its commands, in their order, and compares what
 * it prints with what the page shows. What it does not run is listed here, with the reason. It
 * works in a copy of the project, for some commands leave certificates where they run.
 */
final class PageReader implements AutoCloseable {

  private static final int PORT = 26257;

  /** What is copied of the project, besides the files at its top. */
  private static final List<String> DIRECTORIES =
      List.of("bench", "lessons", "templates", "test", "tools");

  /** A command that begins so is run as it stands, unless it is in one of the lists below. */
  private static final List<String> PROGRAMS = List.of("./jbangw", "jbang", "mkdir");

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
          "./jbangw bench/BankBench.java",
          "it takes three quarters of an hour",
          "./jbangw test/BankTest.java",
          "it would run this test in itself");

  private static final String MEMORY = " --store=type=mem,size=1GiB --listen-addr=localhost";
  private static final String INSECURE_NODE = "cockroach start-single-node --insecure" + MEMORY;
  private static final String SECURE_NODE =
      "cockroach start-single-node --certs-dir=certs" + MEMORY;
  private static final String INSECURE_STAND_IN = "jbang tools/LocalCluster.java";
  private static final String SECURE_STAND_IN = "jbang tools/LocalCluster.java --secure";

  private static final String KEY_OF_CA = " --certs-dir=certs --ca-key=my-safe-directory/ca.key";
  private static final String USER_AND_DATABASE =
      " --execute='CREATE USER IF NOT EXISTS maxroach;"
          + " CREATE DATABASE IF NOT EXISTS bank OWNER maxroach'";
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
          "cockroach sql --insecure" + USER_AND_DATABASE,
          INSECURE_STAND_IN,
          "cockroach sql --certs-dir=certs" + USER_AND_DATABASE,
          SECURE_STAND_IN,
          "cockroach sql --insecure" + SUM,
          "nothing",
          "cockroach sql --certs-dir=certs" + SUM,
          "nothing");

  private static final String NODE =
      "cockroach start --insecure --store=node%d --background"
          + " --pid-file=node%d.pid --listen-addr=localhost:2635%d --http-addr=localhost:808%d"
          + " --join=localhost:26357,localhost:26358,localhost:26359";

  /** What is run there too, and has no stand-in: three nodes, of which one is killed. */
  private static final Set<String> WITH_THREE_NODES =
      Set.of(
          NODE.formatted(1, 1, 7, 1),
          NODE.formatted(2, 2, 8, 2),
          NODE.formatted(3, 3, 9, 3),
          "cockroach init --insecure --host=localhost:26357",
          "cockroach sql --insecure --host=localhost:26357" + USER_AND_DATABASE,
          "(sleep 10; kill -9 \"$(cat node3.pid)\") & jbang bank-load --duration=30s"
              + " --report=report.html --url='postgresql://localhost:26357,localhost:26358,"
              + "localhost:26359/bank?sslmode=disable'",
          "kill \"$(cat node1.pid)\" \"$(cat node2.pid)\"");

  /** What is to end with another exit status than 0. */
  private static final Map<String, Integer> FAILING =
      Map.of("jbang bank-doctor --url='postgresql://localhost:26258/bank?sslmode=disable'", 5);

  /** What runs until its section ends, and what it says when it is ready. */
  private static final Map<String, String> SERVERS =
      Map.of(
          INSECURE_NODE, "CockroachDB node starting",
          SECURE_NODE, "CockroachDB node starting",
          INSECURE_STAND_IN, "Ctrl-C stops it",
          SECURE_STAND_IN, "Ctrl-C stops it");

  /**
   * The lines in which words vary from run to run. A word that does is marked as {@code {kind
   * name}}; … stands for words that do not. A line of a page that is like none of these must be
   * printed just so.
   */
  private static final List<Mark> VARYING =
      marks(
          "Moved {number moved} from {account source} to {account target}.",
          "Total balance: {number totalBefore} before, {number totalAfter} after.",
          "Transfers: 10,000 committed, 0 unknown, {figure rate} a second for {figure seconds} s.",
          "Latency: p50 {figure p50} ms, p95 {figure p95} ms, p99 {figure p99} ms,"
              + " p99.9 {figure p999} ms, maximum {figure maximum} ms.",
          "Retries: {reasons reasons}.",
          "Audit passed; checks while it ran: {number checks}, smallest balance: {number smallest},"
              + " transfers of this run in the ledger: 10,000.",
          "✓ host      localhost:26257 is {address address}, and answers in {figure roundTrip} ms",
          "✓ CA        certs/ca.crt: …, until {date authorityUntil}",
          "✓ server    localhost:26257 shows one for …, until {date serverUntil}, of …",
          "✓ client    certs/client.maxroach.crt is for …, until {date clientUntil}",
          "✓ clock     the server's is {digits milliseconds} ms …",
          "READ COMMITTED              400          0         0{column weakTotal}",
          "SERIALIZABLE{column made}{column failed}         0       100,000",
          "SERIALIZABLE, a loop        400          0{column retried}       100,000",
          "READ COMMITTED {loss loss}: transfers overwrote each other.",
          "SERIALIZABLE kept the money, but rolled back {number rolledBack} transfers.",
          "With a loop all were made, after {number retries} retries.");

  /** And where a cockroach is on the PATH, for the pages show what came of its stand-in. */
  private static final List<Mark> VARYING_WITH_COCKROACH =
      marks(
          "Connected to {product product} at …",
          "✓ database  {product product}, database bank, serializable");

  private static final boolean COCKROACH = Shell.isOnThePath("cockroach");

  private final Shell shell = new Shell();
  private final Path copy = shell.directory("project");
  private String section = "";
  private Shell.Running server;

  PageReader() throws IOException {
    try (Stream<Path> files = Files.list(Project.root())) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Path name = file.getFileName();
        if (Files.isRegularFile(file) || DIRECTORIES.contains(name.toString())) {
          TemporaryDirectory.copy(file, copy.resolve(name));
        }
      }
    }
  }

  /** A test for each command; a server of the page's runs until its section ends. */
  Stream<DynamicTest> follow(List<CommandBlock> commands) throws IOException, InterruptedException {
    stopServer();
    requireFreePort();
    return commands.stream()
        .map(block -> DynamicTest.dynamicTest(block.command(), () -> follow(block)));
  }

  /** The commands that are listed here. */
  static Set<String> listedCommands() {
    Set<String> listed = new TreeSet<>();
    Stream.of(NEVER, WITH_COCKROACH, SERVERS, FAILING)
        .forEach(list -> listed.addAll(list.keySet()));
    listed.addAll(WITH_THREE_NODES);
    return listed;
  }

  /** The varying lines listed here that are none of these. */
  static List<String> listedLinesBesides(List<String> lines) {
    return Stream.of(VARYING, VARYING_WITH_COCKROACH)
        .flatMap(List::stream)
        .filter(mark -> lines.stream().noneMatch(line -> mark.pattern.matcher(line).matches()))
        .map(Mark::line)
        .toList();
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
    stopServer();
    shell.close();
  }

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
    if (WITH_THREE_NODES.contains(command) && !COCKROACH) {
      return Optional.of("no cockroach on the PATH, and nothing stands in for three nodes");
    }
    if (WITH_COCKROACH.containsValue(command) && COCKROACH) {
      return Optional.of("the cockroach on the PATH needs no stand-in");
    }
    return Optional.empty();
  }

  private void perform(CommandBlock block) throws Exception {
    String command = block.command();
    assertTrue(
        PROGRAMS.contains(program(command))
            || WITH_COCKROACH.containsKey(command)
            || WITH_THREE_NODES.contains(command),
        "neither run by this test nor listed in it");
    if (SERVERS.containsKey(command)) {
      startServer(command);
    } else {
      compare(block, run(command));
    }
  }

  /** Runs a command to its good end, with retries and nothing else on standard error. */
  private Script.Result run(String command) throws Exception {
    Told told = new Told(shell.run(command, copy));
    Integer failure = FAILING.get(command);
    return (failure == null ? told.assertDone() : told.assertStatus(failure)).result();
  }

  private void startServer(String command) throws IOException, InterruptedException {
    stopServer();
    requireFreePort();
    server = shell.start(command, copy);
    server.awaitText(SERVERS.get(command));
  }

  private void stopServer() throws InterruptedException {
    if (server != null) {
      server.end();
    }
    server = null;
  }

  private static void requireFreePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(PORT, 1, InetAddress.getLoopbackAddress())) {
      assertTrue(socket.isBound());
    } catch (IOException e) {
      fail("the page's commands need port " + PORT + "; stop what listens there", e);
    }
  }

  // ---- Output ----

  private static void compare(CommandBlock block, Script.Result result) {
    if (!block.output().isEmpty()) {
      List<Mark> marks = new ArrayList<>(VARYING);
      marks.addAll(COCKROACH ? VARYING_WITH_COCKROACH : List.of());
      Output shown = Output.of(block.output(), marks);
      Output printed = Output.of(result.out().lines().toList(), marks);
      assertEquals(shown.text(), printed.text());
      shown.assertConsistent();
      printed.assertConsistent();
    }
  }

  private static String program(String command) {
    return command.split(" ")[0];
  }

  private static List<Mark> marks(String... lines) {
    return Stream.of(lines).map(Mark::of).toList();
  }

  /** A line in which words vary. */
  private record Mark(String line, Pattern pattern, List<String> names) {

    private static final Map<String, String> KINDS =
        Map.of(
            "account", "[1-9]\\d{0,18}",
            "address", "127\\.0\\.0\\.1|0:0:0:0:0:0:0:1",
            "column", " +\\d{1,3}(?:,\\d{3})*",
            "date", "\\d{4}-\\d\\d-\\d\\d",
            "digits", "\\d+",
            "figure", "\\d{1,3}(?:,\\d{3})*(?:\\.\\d+)?",
            "loss", "(?:lost [\\d,]+|made [\\d,]+ from nothing)",
            "number", "\\d{1,3}(?:,\\d{3})*",
            "product", "(?:PostgreSQL|CockroachDB) .*\\d",
            "reasons", "\\d+(?: \\([\\w=, ]+\\))?");

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

    /** What must hold between the words that vary. */
    void assertConsistent() {
      assertEquals(words.get("totalBefore"), words.get("totalAfter"));
      if (words.containsKey("source")) {
        assertNotEquals(words.get("source"), words.get("target"));
      }
      if (words.containsKey("p50")) {
        List<BigDecimal> latencies =
            Stream.of("p50", "p95", "p99", "p999", "maximum")
                .map(name -> new BigDecimal(words.get(name).replace(",", "")))
                .toList();
        assertEquals(latencies.stream().sorted().toList(), latencies);
      }
      if (words.containsKey("loss")) {
        assertEquals(Math.abs(100_000 - number("weakTotal")), number("loss"));
        assertEquals(400, number("made") + number("failed"));
        assertEquals(number("failed"), number("rolledBack"));
        assertEquals(number("retried"), number("retries"));
      }
    }

    private long number(String name) {
      return Long.parseLong(words.get(name).replaceAll("\\D", ""));
    }
  }
}
