import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.parallel.ResourceLock;

/** Follows the README and the site's pages: each of their commands does what is shown. */
@Order(1)
@ResourceLock("port 26257")
@ResourceLock(Shell.JBANG)
class PagesTest {

  private static final String README = "README.md";

  private static final List<String> PAGES =
      Stream.of(
              "tutorial",
              "retries",
              "load",
              "connecting",
              "maven",
              "pool",
              "web-service",
              "spring-boot",
              "compose",
              "windows",
              "losing-a-node",
              "cluster",
              "index")
          .map(page -> "docs/" + page + ".md")
          .toList();

  private static PageReader reader;

  @BeforeAll
  static void open() throws Exception {
    reader = new PageReader(cloudUrl());
  }

  @AfterAll
  static void close() throws InterruptedException {
    reader.close();
  }

  /** The URL of a secure cluster with a user who has a password, as one in the cloud has. */
  private static String cloudUrl() {
    ServerKind kind =
        Cockroach.isInstalled() ? ServerKind.COCKROACHDB_SECURE : ServerKind.POSTGRESQL_SECURE;
    Bank bank = Bank.create(kind.shared());
    return bank.url().replaceFirst("//.*@", "//clerk:" + ErrorForm.ENCODED_PASSWORD + "@")
        + "?sslmode=verify-full&sslrootcert="
        + bank.server().certs().resolve("ca.crt");
  }

  /** Each once on each cluster, if they are repeated. */
  @TestFactory
  Stream<DynamicTest> everyCommandDoesWhatIsShown() throws IOException {
    return once(allBlocks()).stream()
        .map(
            block -> {
              String name = block.section() + ": " + block.commands().get(0);
              return DynamicTest.dynamicTest(name, () -> reader.follow(block));
            });
  }

  /** If a block has another language, none of its commands would be run. */
  @Test
  void everyBlockIsCommandsTheirOutputOrCode() throws IOException {
    List<String> languages = new ArrayList<>();
    for (String page : pagesAndReadme()) {
      languages.addAll(groups("(?m)^ *```(\\w.*)$", Project.read(page)));
    }
    long outputs = languages.stream().filter("text"::equals).count();
    languages.removeIf(it -> it.matches("text|sh|sql|powershell|java excerpt=.*"));
    assertEquals(List.of("java"), languages, "besides the README's excerpt");
    long shown = allBlocks().stream().mapToInt(block -> block.outputs().size()).sum();
    assertEquals(outputs, shown, "blocks of output that follow no command");
  }

  @Test
  void theReadmesExcerptIsTheRetryLoopOfBankBasic() throws IOException {
    String sample = Project.read("BankBasic.java").replaceAll("(?m)^ +", "");
    List<String> excerpts = groups("(?ms)^```java\n(.*?)^```$", Project.read(README));
    assertEquals(1, excerpts.size());
    assertTrue(sample.contains(excerpts.get(0).replaceAll("(?m)^ +", "")), excerpts.get(0));
  }

  /** There is no PowerShell here, but a command is the same if it needs no quotes or variables. */
  @Test
  void whatWindowsRunsIsRunOnAnotherPage() throws IOException {
    List<String> windows = groups("(?m)^(jbang .*)$", Project.read("docs/windows.md"));
    assertFalse(windows.isEmpty());
    windows.removeAll(allCommands());
    assertEquals(List.of("jbang BankBasic.java"), windows);
    assertTrue(allCommands().contains("./jbangw BankBasic.java"));
  }

  @Test
  void aCommandInASentenceIsTheBeginningOfOneInABlock() throws IOException {
    List<String> commands = allCommands();
    Set<String> unknown = new TreeSet<>();
    for (String page : pagesAndReadme()) {
      unknown.addAll(groups("`((?:jbang|cockroach|docker|git|mvn) [^`]+)`", Project.read(page)));
    }
    unknown.removeIf(code -> commands.stream().anyMatch(command -> command.startsWith(code)));
    assertEquals(Set.of(), unknown);
  }

  @Test
  void everyLinkOfTheReadmeLeadsToAFile() throws IOException {
    List<String> links =
        groups(
            "(?:\\]\\(|src=\"|srcset=\")(?!https://)([^)\"]+)[)\"]",
            Project.read(README) + Project.read("CHANGELOG.md"));
    links.removeIf(link -> Files.exists(Project.root().resolve(link)));
    assertEquals(List.of(), links);
  }

  /** BankSecure and the template repeat BankInsecure's section. */
  @Test
  void theTableOfRetriesHasTheSqlStatesOfTheLoops() throws IOException {
    Set<String> rolledBack = retryRow("40001");
    assertEquals(rolledBack, sqlStates("BankInsecure.java", "ROLLED_BACK"));
    assertEquals(rolledBack, sqlStates("BankBasic.java", "ROLLED_BACK"));
    assertEquals(Set.of("08003"), sqlStates("BankInsecure.java", "NOT_SENT"));
    Set<String> unknown = retryRow("40003");
    assertEquals(unknown, sqlStates("BankInsecure.java", "UNKNOWN"));
    // BankBasic does not keep its connections, so this comes from opening one.
    unknown.add("53300");
    assertEquals(unknown, sqlStates("BankBasic.java", "INTERRUPTED"));
  }

  private static Set<String> retryRow(String sqlState) throws IOException {
    String page = Project.read("docs/retries.md");
    String cell = groups("(?m)^\\| (`" + sqlState + "`[^|]*)\\|", page).get(0);
    return new TreeSet<>(groups("`([0-9A-Zx]{5})`", cell));
  }

  /** The SQLSTATEs of a constant, with an x for any character. */
  private static Set<String> sqlStates(String file, String constant) throws IOException {
    String pattern = "\\b" + constant + "(?: = |\\()\"([^\"]*)\"";
    String found = groups(pattern, Project.read(file)).get(0);
    // 58C0[01] is a choice of two.
    String states = found.replaceAll("(\\w+)\\[(.)(.)]", "$1$2|$1$3").replace('.', 'x');
    return Set.of(states.split("\\|"));
  }

  /** At a port without an address, Docker accepts connections from every machine. */
  @Test
  void onlyThisMachineConnectsToTheNodesOfCompose() throws IOException {
    List<String> ports = groups("ports: +(.*)", Project.read("examples/compose.yaml"));
    assertEquals(3, ports.size());
    ports.forEach(it -> assertTrue(it.matches("\\[(\"127\\.0\\.0\\.1:[\\d:]+\"(, )?)+]"), it));
  }

  private static List<String> pagesAndReadme() {
    return Stream.concat(Stream.of(README), PAGES.stream()).toList();
  }

  /** All that readers run, whichever tab they have chosen, in an order that suits the clusters. */
  private static List<CommandBlock> allBlocks() throws IOException {
    List<CommandBlock> blocks = new ArrayList<>(CommandBlock.read(README, Project.read(README)));
    for (String tab : List.of("Secure", "Cloud", "Insecure")) {
      for (String page : PAGES) {
        boolean withShared = tab.equals("Insecure");
        String shown = shown(Project.read(page), tab, withShared);
        blocks.addAll(CommandBlock.read(page + ", " + tab, shown));
      }
    }
    return blocks;
  }

  private static List<String> allCommands() throws IOException {
    return allBlocks().stream().flatMap(block -> block.commands().stream()).toList();
  }

  /** The same, but what is repeated on the same cluster only once, with all outputs. */
  private static Collection<CommandBlock> once(List<CommandBlock> blocks) {
    Map<String, CommandBlock> once = new LinkedHashMap<>();
    String cluster = "";
    int clusters = 0;
    for (CommandBlock block : blocks) {
      if (block.script().matches("\\./jbangw BankBasic\\.java\n|jbang bank-chaos\n")) {
        // These start a database of their own.
        once.merge(block.script(), block, CommandBlock::and);
      } else if (!PageReader.startsCluster(block)) {
        once.merge(clusters + block.script(), block, CommandBlock::and);
      } else if (!block.script().equals(cluster)) {
        cluster = block.script();
        clusters++;
        once.put(clusters + cluster, block);
      }
    }
    return once.values();
  }

  /** What a page shows to a reader who has chosen this tab: the tab, and what all tabs share. */
  private static String shown(String page, String tab, boolean withShared) {
    String shown = page.replaceAll("(?ms)^== (?!" + tab + "\n).*?(?=^== |^:::$)", "");
    return withShared ? shown : String.join("\n", groups("(?ms)(^:::tabs.*?^:::$)", shown));
  }

  /** The first group of all that is found. */
  private static List<String> groups(String pattern, String text) {
    return Pattern.compile(pattern)
        .matcher(text)
        .results()
        .map(found -> found.group(1))
        .collect(Collectors.toCollection(ArrayList::new));
  }
}
