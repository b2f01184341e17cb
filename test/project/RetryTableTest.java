import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The page's table of what is retried has the SQLSTATEs of the programs that retry. */
class RetryTableTest {

  private static final Pattern SQL_STATE = Pattern.compile("`([0-9A-Z]{2}[0-9A-Zx]{3})`");

  @ParameterizedTest
  @ValueSource(strings = {"BankInsecure.java", "BankSecure.java", "templates/bank-app.java.qute"})
  void sessions(String file) throws IOException {
    assertEquals(row("40001"), codes(file, "ROLLED_BACK"));
    assertEquals(row("40003"), codes(file, "UNKNOWN"));
    assertEquals(Set.of("08003"), codes(file, "NOT_SENT"));
  }

  /** BankBasic does not keep its connections, so 53300 comes from opening one. */
  @Test
  void basic() throws IOException {
    assertEquals(row("40001"), codes("BankBasic.java", "ROLLED_BACK"));
    Set<String> interrupted = row("40003");
    interrupted.add("53300");
    assertEquals(interrupted, codes("BankBasic.java", "INTERRUPTED"));
  }

  /** The SQLSTATEs in the first cell of the row with this one, with an x for any character. */
  private static Set<String> row(String sqlState) throws IOException {
    return Project.read("docs/retries.md")
        .lines()
        .filter(line -> line.startsWith("| `" + sqlState + "`"))
        .map(line -> line.split("\\|")[1])
        .flatMap(cell -> SQL_STATE.matcher(cell).results())
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** The SQLSTATEs of a constant, with an x for any character. */
  private static Set<String> codes(String file, String constant) throws IOException {
    String expressions =
        Pattern.compile("\\b" + constant + "(?: = |\\()\"([^\"]*)\"")
            .matcher(Project.read(file))
            .results()
            .map(match -> match.group(1))
            .collect(Collectors.joining());
    return Arrays.stream(expressions.split("\\|"))
        .flatMap(RetryTableTest::unfolded)
        .map(code -> code.replace('.', 'x'))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** The codes of an expression with a choice, such as 58C0[01]. */
  private static Stream<String> unfolded(String code) {
    MatchResult choice =
        Pattern.compile("\\[(.*?)]").matcher(code).results().findFirst().orElse(null);
    return choice == null
        ? Stream.of(code)
        : choice
            .group(1)
            .chars()
            .mapToObj(character -> code.replace(choice.group(), Character.toString(character)));
  }
}
