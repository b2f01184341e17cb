import static org.junit.jupiter.api.Assertions.assertEquals;

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
      List.of("docs/index.md", "docs/retries.md", "docs/load.md", "docs/connecting.md");

  private static PageReader reader;

  @BeforeAll
  static void open() throws IOException {
    reader = new PageReader();
  }

  @AfterAll
  static void close() throws InterruptedException {
    reader.close();
  }

  @TestFactory
  Stream<DynamicTest> whoHasAnInsecureClusterSeesWhatIsShown() throws Exception {
    return reader.follow(commands(true, "Insecure"));
  }

  @TestFactory
  Stream<DynamicTest> whoHasASecureClusterSeesWhatIsShown() throws Exception {
    return reader.follow(commands(false, "Secure"));
  }

  @Test
  void everyCommandAndLineListedStandsOnAPageOrInTheReadme() throws IOException {
    String readme = Project.read("README.md");
    Set<String> listed = PageReader.listedCommands();
    CommandBlock.read(readme).forEach(block -> listed.remove(block.command()));
    commands(true, "Insecure").forEach(block -> listed.remove(block.command()));
    commands(true, "Secure").forEach(block -> listed.remove(block.command()));
    assertEquals(Set.of(), listed);
    List<String> lines = new ArrayList<>(readme.lines().toList());
    for (String page : PAGES) {
      Project.read(page).lines().map(String::strip).forEach(lines::add);
    }
    assertEquals(List.of(), PageReader.listedLinesBesides(lines));
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

  /** All commands of one who has chosen so; a server runs until the next one is started. */
  private static List<CommandBlock> commands(boolean withShared, String mode) throws IOException {
    List<CommandBlock> commands = new ArrayList<>();
    for (String page : PAGES) {
      for (CommandBlock block : CommandBlock.read(chosen(Project.read(page), withShared, mode))) {
        commands.add(new CommandBlock(mode, block.command(), block.output()));
      }
    }
    return commands;
  }

  /**
   * What a page shows to one who has chosen so, without the excerpts, which other tests compare.
   */
  private static String chosen(String page, boolean withShared, String mode) {
    StringBuilder shown = new StringBuilder();
    String tab = null;
    for (String line : page.replaceAll("(?ms)^ *```java.*?^ *```$", "").lines().toList()) {
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
