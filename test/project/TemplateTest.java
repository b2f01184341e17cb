import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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

/** A new program that {@code jbang init} creates from the catalog's template. */
@Timeout(180)
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
class TemplateTest {

  @Test
  void isBankSecureAroundAnotherProgram() throws Exception {
    try (Shell shell = new Shell();
        Postgres cluster = Postgres.secure()) {
      Path folder = shell.directory("folder");
      shell.runQuietly("jbang init -t bank-app '" + folder + "/MyApp.java'", Project.root());

      String original = Project.read("BankSecure.java");
      String program = Files.readString(folder.resolve("MyApp.java"));
      assertEquals(header(original), header(program));
      assertFalse(program.contains("//JAVA_OPTIONS"));
      for (String name : List.of("Retry", "Connection", "Encryption", "Errors")) {
        assertEquals(
            section(original, name), section(program, name).replaceAll("MyApp", "BankSecure"));
      }

      String command =
          "jbang MyApp.java --url='%s' --certs-dir='%s'".formatted(cluster.url(), cluster.certs());
      assertEquals("Runs today: 1.\n", shell.runQuietly(command, folder));
      assertEquals("Runs today: 2.\n", shell.runQuietly(command, folder));
      String counted = "SELECT (SELECT count(*) FROM runs) = 2 AND sum(runs) = 2 FROM run_counts";
      boolean isTrue =
          cluster.asSuperuser().withHandle(root -> root.select(counted).mapTo(boolean.class).one());
      assertTrue(isTrue);
    }
  }

  private static String section(String source, String name) {
    Matcher section =
        Pattern.compile("(?ms)^  // ---- " + name + " ----\\R.*?(?=^  // ---- |^}$)")
            .matcher(source);
    assertTrue(section.find(), name);
    return section.group();
  }

  /** Without JAVA_OPTIONS: those of a sample suit a program that ends within seconds. */
  private static List<String> header(String source) {
    return source
        .lines()
        .takeWhile(line -> line.startsWith("//"))
        .filter(line -> !line.matches("//(DESCRIPTION|JAVA_OPTIONS) .*"))
        .toList();
  }
}
