import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The site's table of what is retried names exactly the SQLSTATEs that the samples have. */
class RetryTableTest {

  private static final Pattern SQL_STATE = Pattern.compile("`([0-9A-Z]{2}[0-9A-Zx]{3})`");

  @ParameterizedTest
  @ValueSource(strings = {"BankInsecure", "BankSecure"})
  void twins(String name) throws IOException {
    assertEquals(row("`40001`"), codes(text(name, "ROLLED_BACK\\(")));
    assertEquals(row("The connection could not be opened"), codes(text(name, "NOT_SENT\\(")));
    assertEquals(row("`40003`"), codes(text(name, "UNKNOWN\\(")));
  }

  @Test
  void basic() throws IOException {
    assertEquals(row("`40001`"), codes(text("BankBasic", "ROLLED_BACK = ")));
    Set<String> interrupted = row("`40003`");
    // A connection that could not be opened because there are too many.
    interrupted.add("53300");
    assertEquals(interrupted, codes(text("BankBasic", "INTERRUPTED = ")));
  }

  /** The SQLSTATEs in the first cell of the row that begins so, with an x for any character. */
  private static Set<String> row(String beginning) throws IOException {
    return Project.read("docs/retries.md")
        .lines()
        .filter(line -> line.startsWith("| " + beginning))
        .map(line -> line.split("\\|")[1])
        .flatMap(cell -> SQL_STATE.matcher(cell).results())
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static String text(String name, String before) throws IOException {
    return Pattern.compile(before + "\"([^\"]*)\"")
        .matcher(Project.read(name + ".java"))
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.joining());
  }

  /** The SQLSTATEs of a regular expression such as 08...|58C0[01]. */
  private static Set<String> codes(String expression) {
    return Stream.of(expression.split("\\|"))
        .flatMap(RetryTableTest::unfolded)
        .map(code -> code.replace('.', 'x'))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Stream<String> unfolded(String code) {
    MatchResult choice =
        Pattern.compile("\\[(.*?)]").matcher(code).results().findFirst().orElse(null);
    return choice == null
        ? Stream.of(code)
        : choice
            .group(1)
            .chars()
            .mapToObj(sign -> code.replace(choice.group(), Character.toString(sign)));
  }
}
