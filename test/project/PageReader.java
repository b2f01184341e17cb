import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Follows pages as their reader does: runs each block of commands in a shell, and compares what it
 * prints with what the pages show. It works in a clone of the project as it stands here. The
 * address of the project on GitHub is replaced by that of a server on this machine.
 */
final class PageReader implements AutoCloseable {

  /** The address that stands in the pages until the workflow that publishes fills it in. */
  static final Pattern REPOSITORY = Pattern.compile("https://github\\.com/[\\w.-]+/[\\w.-]+");

  /** The URL that stands in the commands of the tab Cloud. */
  private static final String CLOUD_URL =
      "postgresql://maxroach:password@cluster.example.com:26257/bank?sslmode=verify-full";

  /** What needs a cockroach on the PATH. */
  private static final Pattern ON_COCKROACH =
      Pattern.compile("cockroach |node[13]\\.pid|bank-chaos|--nodes=3|events\\.txt");

  /** What runs until the page starts another one on the same port, and its first words. */
  private static final Map<String, String> SERVERS =
      Map.of(
          "cockroach start-single-node", "CockroachDB node starting",
          "jbang local-cluster", "Ctrl-C",
          "jbang examples/WebService", "Listening",
          "java -jar", "Started BankApplication");

  private static final Pattern SERVER =
      Pattern.compile("(?m)^(" + String.join("|", SERVERS.keySet()) + ")");

  /** The doctor that finds nothing at this port is to end with exit status 5. */
  private static final String FAILING = "localhost:26258/bank";

  /** What takes long, and is run with less. */
  private static final Map<String, String> SHORTER =
      Map.of(
          "(?m)^jbang bank-chaos$", "jbang bank-chaos --duration=5s",
          "--transfers=[12]000", "--transfers=200",
          "--(duration|drain-every)=10s", "--$1=3s",
          "--duration=[23]0s", "--duration=8s",
          "\\(sleep 10;", "(sleep 5;");

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

  private final Shell shell = new Shell();
  private final Path repository = shell.directory("bank.git");
  private final Path workingDirectory = shell.directory("directory").resolve("now");
  private final SiteServer host = new SiteServer(Project.root());
  private final Map<Integer, Shell.Running> servers = new HashMap<>();
  private final String cloudUrl;
  private Path root = shell.directory("reader");
  private Path directory = root;
  private String section = "";

  /** Runs the commands of the tab Cloud on the cluster of this URL. */
  PageReader(String cloudUrl) throws IOException, InterruptedException {
    this.cloudUrl = cloudUrl;
    String git = "git --git-dir='%s' --work-tree=. ".formatted(repository);
    String commit =
        (git + "init --quiet --initial-branch=main && ")
            + (git + "add --all && ")
            + (git + "-c user.name=test -c user.email=test@localhost commit --quiet -m test");
    shell.runQuietly(commit, Project.root());
  }

  /** Whether a block starts a cluster, on the port that all pages have in common. */
  static boolean startsCluster(CommandBlock block) {
    Matcher server = SERVER.matcher(block.script());
    return server.find() && port(server.group()) == 26257;
  }

  /** Runs a block. */
  void follow(CommandBlock block) throws Exception {
    skipWhatCannotRunHere(block.script());
    if (!section.equals(block.section())) {
      section = block.section();
      directory = root;
    }
    String script = "set -e\n" + here(block.script());
    Matcher server = SERVER.matcher(script);
    if (server.find()) {
      startServer(server);
    } else {
      compare(block, run(script));
    }
  }

  @Override
  public void close() throws InterruptedException {
    for (Shell.Running server : servers.values()) {
      server.end();
    }
    host.close();
    shell.close();
  }

  private void skipWhatCannotRunHere(String script) throws Exception {
    assumeFalse(script.contains("https://sh.jbang.dev"), "it would change this user's shell");
    boolean takesCockroach = ON_COCKROACH.matcher(script).find();
    assumeTrue(Cockroach.isInstalled() || !takesCockroach, "no cockroach on the PATH");
    boolean takesDocker = script.contains("docker ") || script.contains("26257,localhost:26258");
    if (takesDocker && !takesCockroach) {
      Script.Result docker = shell.run("docker info && docker compose version", root);
      assumeTrue(docker.status() == 0, "no Docker with Compose that runs");
    }
  }

  /** The script with addresses of this machine, and shorter runs. */
  private String here(String script) {
    String here = script.replaceAll("git clone \\S+", "git clone --quiet '" + repository + "'");
    here = here.replaceAll(REPOSITORY + "/blob/main", host.url()).replace(CLOUD_URL, cloudUrl);
    for (Map.Entry<String, String> shorter : SHORTER.entrySet()) {
      here = here.replaceAll(shorter.getKey(), shorter.getValue());
    }
    return here;
  }

  /** Runs a script, which must succeed and print no error. */
  private Script.Result run(String script) throws Exception {
    Script.Result result = shell.run(script + "pwd >'" + workingDirectory + "'\n", directory);
    boolean isFailing = script.contains(FAILING);
    assertEquals(isFailing ? 5 : 0, result.status(), result::toString);
    boolean isFaulty =
        result.err().lines().anyMatch(line -> line.matches("error: .*|warning: .*|\\s+at .*\\(.*"));
    assertTrue(!isFaulty || isFailing, result::toString);
    if (!isFailing) {
      directory = Path.of(Files.readString(workingDirectory).strip());
    }
    if (script.contains("git clone")) {
      root = directory;
    }
    return result;
  }

  private void startServer(Matcher server) throws Exception {
    String name = server.group();
    Shell.Running before = servers.remove(port(name));
    if (before != null) {
      before.end();
    }
    // In place of the shell, so that it hears that it is to end.
    Shell.Running running = shell.start(server.replaceFirst("exec $1"), directory);
    servers.put(port(name), running);
    running.awaitText(SERVERS.get(name));
  }

  private static int port(String server) {
    return server.matches("cockroach .*|jbang local-cluster") ? 26257 : 8000;
  }

  private static void compare(CommandBlock block, Script.Result result) {
    for (String shown : block.outputs()) {
      assertEquals(masked(shown), masked(result.out()));
    }
  }

  private static String masked(String output) {
    String masked = output;
    for (Map.Entry<String, String> varying : VARYING) {
      masked = masked.replaceAll(varying.getKey(), varying.getValue());
    }
    return masked.strip();
  }
}
