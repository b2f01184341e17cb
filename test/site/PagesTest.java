import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.parallel.ResourceLock;

/** Follows the site's pages: each of their commands, in their order, does what the page shows. */
@Order(1)
@ResourceLock("port 26257")
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the pages' commands are for a POSIX shell")
class PagesTest {

  private static final List<String> PAGES =
      Stream.of(
              "index",
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
              "cluster")
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
  private static String cloudUrl() throws IOException {
    boolean hasCockroach = Cockroach.isInstalled();
    ServerKind kind = hasCockroach ? ServerKind.COCKROACHDB_SECURE : ServerKind.POSTGRESQL_SECURE;
    Server server = kind.shared();
    Bank bank = Bank.create(server);
    if (hasCockroach) {
      String password = "ALTER USER maxroach WITH PASSWORD '" + ErrorForm.PASSWORD + "'";
      server.asSuperuser().useHandle(root -> root.execute(password));
    }
    return bank.url()
        .replaceFirst("//.*@", "//clerk:" + ErrorForm.ENCODED_PASSWORD + "@")
        .replaceFirst("\\?.*", "")
        .replace("clerk", hasCockroach ? "maxroach" : "clerk")
        .concat("?sslmode=verify-full&sslrootcert=" + server.certs().resolve("ca.crt"));
  }

  @TestFactory
  Stream<DynamicTest> whoHasAnInsecureClusterSeesWhatIsShown() throws Exception {
    return reader.follow(commands(true, "Insecure"));
  }

  @TestFactory
  Stream<DynamicTest> whoHasASecureClusterSeesWhatIsShown() throws Exception {
    return reader.follow(commands(false, "Secure"));
  }

  @TestFactory
  Stream<DynamicTest> whoHasAClusterInTheCloudSeesWhatIsShown() throws Exception {
    return reader.follow(commands(false, "Cloud"));
  }

  @Test
  void everyCommandListedIsOnAPageOrInTheReadme() throws IOException {
    List<CommandBlock> all = new ArrayList<>(CommandBlock.read(Project.read("README.md")));
    all.addAll(commands(true, "Insecure"));
    all.addAll(commands(true, "Secure"));
    Set<String> listed = PageReader.listedCommands();
    listed.removeIf(it -> all.stream().anyMatch(block -> block.command().startsWith(it)));
    assertEquals(Set.of(), listed);
  }

  /** The build takes the code of the pages from the files, and fails if it is not there. */
  @Test
  void noPageHasCodeOfItsOwn() throws IOException {
    for (String page : PAGES) {
      List<String> blocks =
          Project.read(page).lines().filter(it -> it.contains("```java")).toList();
      assertTrue(blocks.stream().allMatch(it -> it.contains(" excerpt=")), page);
    }
  }

  /** There is no PowerShell here, but a command is the same if it needs no quotes or variables. */
  @Test
  void whatWindowsRunsIsRunOnAnotherPage() throws IOException {
    List<String> others = commands(true, "Insecure").stream().map(CommandBlock::command).toList();
    List<String> secure = commands(true, "Secure").stream().map(CommandBlock::command).toList();
    Set<String> unknown = new TreeSet<>();
    for (String block : CommandBlock.blocks(Project.read("docs/windows.md"), "powershell")) {
      block.lines().filter(line -> line.startsWith("jbang ")).forEach(unknown::add);
    }
    assertFalse(unknown.isEmpty());
    unknown.removeIf(line -> others.contains(line) || secure.contains(line));
    unknown.remove("jbang BankBasic.java");
    assertTrue(others.contains("./jbangw BankBasic.java"));
    assertEquals(Set.of(), unknown);
  }

  @Test
  void aCommandInASentenceIsTheBeginningOfOneInABlockOrAnAlias() throws IOException {
    List<CommandBlock> commands = new ArrayList<>(commands(true, "Insecure"));
    commands.addAll(commands(false, "Secure"));
    Set<String> unknown = new TreeSet<>();
    for (String page : PAGES) {
      unknown.addAll(PageReader.unknownCommands(Project.read(page), commands));
    }
    assertEquals(Set.of(), unknown);
  }

  /** All commands that a reader sees who has chosen this tab. */
  private static List<CommandBlock> commands(boolean withShared, String mode) throws IOException {
    List<CommandBlock> commands = new ArrayList<>();
    for (String page : PAGES) {
      for (CommandBlock block : CommandBlock.read(chosen(Project.read(page), withShared, mode))) {
        String section = mode + " " + page + " " + block.section();
        commands.add(new CommandBlock(section, block.script(), block.output()));
      }
    }
    return commands;
  }

  /** What a page shows to a reader who has chosen this tab, without code, which SiteTest checks. */
  private static String chosen(String page, boolean withShared, String mode) {
    StringBuilder shown = new StringBuilder();
    String tab = null;
    for (String line :
        page.replaceAll("(?ms)^---\n.*?^---\n|^ *```java.*?^ *```$", "").lines().toList()) {
      String text = line.strip();
      if (text.startsWith(":::tabs ")) {
        tab = "";
      } else if (tab != null && text.startsWith("== ")) {
        tab = text.substring(3);
      } else if (tab != null && text.equals(":::")) {
        tab = null;
      } else if (tab == null ? withShared : tab.equals(mode)) {
        shown.append(line).append('\n');
      }
    }
    return shown.toString();
  }
}
