import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What runs where there is no clone: an alias by URL, a pasted sample, and a new program. */
@Order(2)
@Timeout(180)
@ResourceLock(Shell.JBANG)
class WithoutCloneTest {

  private static final Pattern ALIAS =
      Pattern.compile("\"([\\w-]+)\": \\{\\s+\"script-ref\": \"(?:\\w+/)?(\\w+)\\.java\"");

  private static Shell shell;
  private static SiteServer host;

  @BeforeAll
  static void open() throws IOException {
    shell = new Shell();
    host = new SiteServer(Project.root());
  }

  @AfterAll
  static void close() {
    host.close();
    shell.close();
  }

  static Stream<Arguments> aliases() throws IOException {
    return ALIAS
        .matcher(Project.read("jbang-catalog.json"))
        .results()
        .map(alias -> Arguments.of(alias.group(1), alias.group(2)));
  }

  /** With all that its script names. */
  @ParameterizedTest
  @MethodSource("aliases")
  void anAliasRunsByUrl(String name, String script) throws Exception {
    String command = "jbang " + name + "@" + host.url() + "/jbang-catalog.json --version";
    String version = shell.runQuietly(command, shell.directory(name));
    assertTrue(version.matches(script + " \\d+\\.\\d+\n"), version);
  }

  /** Where it cannot connect, its last line says what to do, with no other file of this project. */
  @ParameterizedTest
  @ValueSource(strings = {"BankBasic", "BankInsecure", "BankSecure"})
  void aSampleRunsAlone(String sample) throws Exception {
    String source = Project.read(sample + ".java");
    assertFalse(source.matches("(?s).*(README|jbangw|tools/|test/|lessons/).*"), sample);
    Path folder = shell.directory(sample);
    Files.writeString(folder.resolve(sample + ".java"), source);
    String command = "jbang " + sample + ".java";
    String out = shell.runQuietly(command + cluster(sample), folder);
    assertTrue(out.contains("Transferred "), out);
    String nowhere = " --url=postgresql://localhost:" + Server.freePort() + "/bank";
    Script.Result result = shell.run(command + nowhere, folder);
    assertEquals(5, result.status(), result::toString);
    assertTrue(result.err().matches("error: .*\nStart the .*\n"), result::toString);
  }

  private static String cluster(String sample) {
    return switch (sample) {
      case "BankInsecure" -> options(SharedServers.insecure());
      case "BankSecure" -> options(SharedServers.secure());
      default -> "";
    };
  }

  private static String options(Server server) {
    String certs = server.isSecure() ? " --certs-dir='" + server.certs() + "'" : "";
    return " --url='" + Bank.create(server).url() + "'" + certs;
  }

  @Test
  void aNewProgramIsBankSecureAroundOtherWork() throws Exception {
    Path folder = shell.directory("program");
    shell.runQuietly("jbang init -t bank-app '" + folder + "/MyApp.java'", Project.root());
    String original = Project.read("BankSecure.java");
    String program = Files.readString(folder.resolve("MyApp.java"));
    for (String name : List.of("Retry", "Connection", "Encryption", "Errors")) {
      assertEquals(
          section(original, name), section(program, name).replaceAll("MyApp", "BankSecure"));
    }
    String command = "jbang MyApp.java" + options(SharedServers.secure());
    assertEquals("Runs today: 1.\n", shell.runQuietly(command, folder));
    assertEquals("Runs today: 2.\n", shell.runQuietly(command, folder));
  }

  /** The workflow that publishes does this, once. */
  @Test
  void theReadmeGetsItsAddress() throws Exception {
    Path folder = shell.directory("filled");
    String copy = "cp -r '%1$s/.ci' '%1$s/README.md' . && ".formatted(Project.root());
    String filled = shell.runQuietly(copy + ".ci/fill-in jane/bank && cat README.md", folder);
    String expected = Project.read("README.md").replaceAll("(?s)<!-- p.*?<!-- /p.*?\n", "");
    assertEquals(expected.replace("OWNER/REPOSITORY", "jane/bank"), filled);
  }

  private static String section(String source, String name) {
    Matcher section =
        Pattern.compile("(?ms)^  // ---- " + name + " ----\\R.*?(?=^  // ---- |^}$)")
            .matcher(source);
    assertTrue(section.find(), name);
    return section.group();
  }
}
