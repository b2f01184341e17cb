import static java.nio.file.StandardCopyOption.COPY_ATTRIBUTES;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;

/** Follows the README: each of its commands, in their order, does what the page shows. */
@Order(2)
@ResourceLock("port 26257")
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the README's commands are for a POSIX shell")
class ReadmeTest {

  private PageReader reader;

  @BeforeEach
  void open() throws Exception {
    reader = new PageReader();
  }

  @AfterEach
  void close() throws InterruptedException {
    reader.close();
  }

  @TestFactory
  Stream<DynamicTest> everyCommandDoesWhatIsShown() throws Exception {
    return reader.follow(commands());
  }

  @Test
  void aCommandInASentenceIsTheBeginningOfOneInABlockOrAnAlias() throws IOException {
    assertEquals(List.of(), PageReader.unknownCommands(readme(), commands()));
  }

  @Test
  void everyLinkLeadsToAFile() throws IOException {
    List<String> broken =
        Pattern.compile("(?:\\]\\(|src=\"|srcset=\")(?!https://)([^)\"]+)[)\"]")
            .matcher(readme() + Project.read("CHANGELOG.md"))
            .results()
            .map(link -> link.group(1))
            .filter(link -> !Files.exists(Project.root().resolve(link)))
            .toList();
    assertEquals(List.of(), broken);
  }

  /** The workflow that publishes does this, and the tests must pass afterwards too. */
  @Test
  void theAddressIsFilledIn(@TempDir Path folder) throws Exception {
    Files.createDirectory(folder.resolve(".ci"));
    Files.copy(
        Project.root().resolve(".ci/fill-in"), folder.resolve(".ci/fill-in"), COPY_ATTRIBUTES);
    Files.writeString(folder.resolve("README.md"), readme());
    ProcessBuilder fillIn = new ProcessBuilder(folder.resolve(".ci/fill-in") + "", "jane/bank");
    assertEquals(0, fillIn.inheritIO().start().waitFor());
    String filled = Files.readString(folder.resolve("README.md"));
    assertFalse(filled.contains("OWNER/REPOSITORY"), filled);
    assertTrue(PageReader.REPOSITORY.matcher(filled).find(), filled);
    assertEquals(commands().size(), CommandBlock.read(filled).size());
  }

  @Test
  void theExcerptIsTheRetryLoopOfBankBasic() throws IOException {
    String sample = Project.read("BankBasic.java").replaceAll("(?m)^ +", "");
    List<String> excerpts = CommandBlock.blocks(readme(), "java");
    assertEquals(1, excerpts.size());
    assertTrue(sample.contains(excerpts.get(0).replaceAll("(?m)^ +", "")), excerpts.get(0));
  }

  private static List<CommandBlock> commands() throws IOException {
    return CommandBlock.read(readme());
  }

  private static String readme() throws IOException {
    return Project.read("README.md");
  }
}
