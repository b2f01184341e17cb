import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A new program that the catalog's template starts. */
@Timeout(120)
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
class TemplateTest {

  @TempDir private Path folder;
  private Path program;

  @BeforeEach
  void start() throws Exception {
    program = folder.resolve("MyApp.java");
    Project.jbangw("init", "-t", "bank-app", program.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"Connection", "User and database", "Retry", "Errors", "URL", "Certificates"})
  void hasThisSectionOfBankSecure(String section) throws IOException {
    String original = section(Project.read("BankSecure.java"), section);
    assertEquals(
        original, section(Files.readString(program), section).replaceAll("MyApp", "BankSecure"));
  }

  @Test
  void hasTheHeaderOfBankSecure() throws IOException {
    assertEquals(header(Project.read("BankSecure.java")), header(Files.readString(program)));
  }

  @Test
  void runsAndCountsARunOnce() throws Exception {
    try (Server server = LocalCluster.secure()) {
      String[] options = {
        program.toString(), "--url=" + Bank.of(server).url(), "--certs-dir=" + server.certs()
      };
      List<String> first = new ArrayList<>(List.of(options));
      first.add("--init");
      assertEquals("Runs: 1.\n", Project.jbangw(first.toArray(String[]::new)).out());
      List<String> retried = new ArrayList<>(List.of(options));
      retried.add("--force-retries=2");
      Script.Result result = Project.jbangw(retried.toArray(String[]::new));
      assertEquals("Runs: 2.\n", result.out());
      assertTrue(result.err().contains("attempt 2 failed, next in "), result::err);
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
