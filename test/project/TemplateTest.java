import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** A new program that the catalog's template starts. */
@Timeout(180)
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
class TemplateTest {

  @Test
  void isBankSecureAroundAProgramOfOnesOwn() throws Exception {
    try (Shell shell = new Shell();
        Postgres cluster = Postgres.secure()) {
      Path folder = shell.directory("folder");
      shell.runQuietly("jbang init -t bank-app '" + folder + "/MyApp.java'", Project.root());

      String original = Project.read("BankSecure.java");
      String program = Files.readString(folder.resolve("MyApp.java"));
      assertEquals(header(original), header(program));
      for (String name : List.of("Retry", "Connection", "URL")) {
        assertEquals(
            section(original, name), section(program, name).replaceAll("MyApp", "BankSecure"));
      }

      String command =
          "jbang MyApp.java --url='%s' --certs-dir='%s'".formatted(cluster.url(), cluster.certs());
      assertEquals("Runs: 1.\n", shell.runQuietly(command, folder));
      assertEquals("Runs: 2.\n", shell.runQuietly(command, folder));
    }
  }

  private static String section(String source, String name) {
    Matcher section =
        Pattern.compile("(?ms)^  // ---- " + name + " ----\\R.*?(?=^  // ---- |^}$)")
            .matcher(source);
    assertTrue(section.find(), name);
    return section.group();
  }

  private static List<String> header(String source) {
    return source
        .lines()
        .takeWhile(line -> line.startsWith("//"))
        .filter(line -> !line.startsWith("//DESCRIPTION"))
        .toList();
  }
}
