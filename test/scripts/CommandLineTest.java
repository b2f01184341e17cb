import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import picocli.CommandLine;

/** Help and version, without a database. */
@Timeout(60)
class CommandLineTest {

  private static final List<Object> SCRIPTS =
      List.of(new BankBasic(), new BankInsecure(), new BankSecure());

  @TestFactory
  Stream<DynamicTest> helpAndVersion() {
    return SCRIPTS.stream()
        .map(
            script ->
                DynamicTest.dynamicTest(
                    script.getClass().getName(), () -> assertHelpAndVersion(script)));
  }

  private static void assertHelpAndVersion(Object script) {
    String name = script.getClass().getName();
    String help = output(script, "--help");
    assertEquals(help, output(script, "-h"));
    assertTrue(help.startsWith("Usage: " + name), help);
    for (String word :
        List.of("--url", "DATABASE_URL", "Exit status: 0", " 1 ", " 2 ", " 3 ", " 5 ")) {
      assertTrue(help.contains(word), () -> word + " is not in\n" + help);
    }
    assertTrue(help.lines().allMatch(line -> line.length() <= 80), help);
    String version = output(script, "--version");
    assertTrue(version.matches(name + " \\d+\\.\\d+\\R"), version);
    assertEquals(version, output(script, "-V"));
  }

  @Test
  void helpOfTheTwinsListsTheirOptions() {
    for (Object script : List.of(new BankInsecure(), new BankSecure())) {
      String help = output(script, "--help");
      for (String option : List.of("--accounts", "100", "--transfers", "1", "--echo")) {
        assertTrue(help.contains(option), () -> option + " is not in\n" + help);
      }
      assertEquals(script instanceof BankSecure, help.contains("--certs-dir"), help);
    }
  }

  private static String output(Object script, String option) {
    StringWriter out = new StringWriter();
    assertEquals(0, new CommandLine(script).setOut(new PrintWriter(out)).execute(option));
    return out.toString();
  }

  @Test
  void helpDoesNotPrintThePasswordOfTheDefaultUrl() throws Exception {
    Script.Result result =
        Script.of("BankSecure", "--help")
            .environment("DATABASE_URL", "postgresql://maxroach:geheim@localhost/bank")
            .run();
    assertEquals(0, result.status());
    assertEquals("", result.err());
    assertFalse(result.out().isEmpty());
    ErrorForm.assertNoPassword(result);
  }
}
