import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** What the scripts say of themselves, without a database. */
@Timeout(60)
class CommandLineTest {

  @TestFactory
  Stream<DynamicTest> helpAndVersion() {
    List<Case> cases = new ArrayList<>();
    for (String name : List.of("BankBasic", "BankInsecure", "BankSecure")) {
      for (String option : List.of("--help", "-h")) {
        cases.add(told(name, option, "Usage: " + name, "--url", "xample", "Exit status"));
      }
      for (String option : List.of("--version", "-V")) {
        cases.add(told(name, option, name + " 1."));
      }
    }
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> helpListsEveryOption() {
    String[] common = {
      "--accounts",
      "--transfers",
      "--seed",
      "--force-retries",
      "--echo",
      "--verbose",
      "--init",
      "--retry-timeout",
      "--concurrency",
      "0",
      "1",
      "2",
      "3",
      "4",
      "5"
    };
    return Case.tests(
        List.of(
            told("BankInsecure", "--help", common),
            told("BankSecure", "--help", common),
            told("BankSecure", "--help", "--certs-dir")));
  }

  private static Case told(String name, String option, String... words) {
    return new Case(
        name + " " + option + " " + words[0],
        Script.of(name, option)
            .environment("DATABASE_URL", "postgresql://maxroach:geheim@localhost/bank"),
        result -> {
          assertEquals(0, result.status());
          assertEquals("", result.err());
          for (String word : words) {
            assertTrue(result.out().contains(word), () -> word + "\n" + result.out());
          }
          ErrorForm.assertNoPassword(result);
        });
  }
}
