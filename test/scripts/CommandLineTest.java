import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** Help, version and wrong command lines, without a database. No value is ever printed. */
@Timeout(60)
class CommandLineTest {

  @Test
  void helpAndVersion() {
    for (Object script : List.of(new BankBasic(), new BankInsecure(), new BankSecure())) {
      String name = script.getClass().getName();
      String help = output(script, "--help");
      assertEquals(help, output(script, "-h"));
      assertTrue(help.startsWith("Usage: " + name), help);
      assertHas(help, "--url", "DATABASE_URL", "Exit status: 0", " 1 ", " 2 ", " 3 ", " 5 ");
      assertTrue(help.lines().allMatch(line -> line.length() <= 80), help);
      if (!(script instanceof BankBasic)) {
        assertHas(help, "--accounts", "100", "--transfers", "1", "--echo");
        assertEquals(script instanceof BankSecure, help.contains("--certs-dir"), help);
      }
      String version = output(script, "--version");
      assertTrue(version.matches(name + " \\d+\\.\\d+\\R"), version);
      assertEquals(version, output(script, "-V"));
    }
  }

  private static void assertHas(String help, String... words) {
    for (String word : words) {
      assertTrue(help.contains(word), () -> word + " is not in\n" + help);
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

  /** A blank separates the arguments. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--transfer=geheim | unknown option --transfer",
        "-p geheim | unexpected argument; a URL with blanks or & in it needs quotes",
        "u:geheim@localhost | unexpected argument; a URL with blanks or & in it needs quotes",
        "--accounts | Missing required parameter for option '--accounts' (<accounts>)",
        "--accounts=1 --accounts=2 | option '--accounts' (<accounts>) should be specified only"
            + " once",
        "--accounts=geheim | Invalid value for option '--accounts'",
        "--accounts=-1 | --accounts must be from 0 to 1,000,000",
        "--accounts=1000001 | --accounts must be from 0 to 1,000,000",
        "--transfers=-1 | --transfers must be 0 or more"
      })
  void wrongArguments(String arguments, String problem) {
    StringWriter said = new StringWriter();
    int status =
        new CommandLine(new BankInsecure())
            .setParameterExceptionHandler((e, given) -> report(said, BankInsecure.problem(e)))
            .setExecutionExceptionHandler((e, command, parsed) -> report(said, e.getMessage()))
            .execute(arguments.split(" "));
    assertEquals(problem, said.toString());
    assertEquals(2, status);
  }

  private static int report(StringWriter said, String problem) {
    said.append(problem);
    return 2;
  }

  @ParameterizedTest
  @CsvSource({
    "BankInsecure, --urll=geheim, unknown option --urll",
    "BankInsecure, --accounts=-1, --accounts must be",
    "BankBasic, --urll=geheim, Unknown option --urll",
    "BankBasic, u:geheim@localhost, is the URL quoted?",
    "BankBasic, --url=geheim, the URL is not like"
  })
  void aWrongCommandLineIsAnErrorLineAndStatus2(String script, String argument, String words)
      throws Exception {
    new ErrorForm(2, words).check(Script.of(script, argument).run());
  }
}
