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

/** The README's table of what is retried names the very codes that the scripts have. */
class RetryTableTest {

  /** Waited for once a connection has worked: nothing was sent, so no row of the table has it. */
  private static final Set<String> NO_ROW_OF_ITS_OWN = Set.of("53300");

  private static final Pattern SQL_STATE = Pattern.compile("`([0-9A-Z]{2}[0-9A-Zx]{3})`");

  @ParameterizedTest
  @ValueSource(strings = {"BankInsecure", "BankSecure"})
  void twins(String name) throws IOException {
    assertEquals(rolledBack(), codes(constant(name, "ROLLED_BACK")));
    // 08003, a connection closed before it was used, is one of 08xxx with a row of its own.
    Set<String> lost = codes(constant(name, "CONNECTION_LOST"));
    lost.removeAll(NO_ROW_OF_ITS_OWN);
    assertEquals(lost(), lost);
  }

  @Test
  void basic() throws IOException {
    String source = Project.read("BankBasic.java");
    Set<String> named =
        Pattern.compile("\"([0-9A-Z.\\[\\]|]{5,})\"")
            .matcher(source)
            .results()
            .map(match -> match.group(1))
            .filter(text -> text.matches(".*\\b(40|08|57|58).*"))
            .flatMap(text -> codes(text).stream())
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> all = rolledBack();
    all.addAll(lost());
    named.removeAll(NO_ROW_OF_ITS_OWN);
    assertEquals(all, named);
  }

  private static Set<String> rolledBack() throws IOException {
    return row("40001");
  }

  private static Set<String> lost() throws IOException {
    return row("40003");
  }

  /** The codes in the first cell of the row that begins with this one, with an x for any sign. */
  private static Set<String> row(String first) throws IOException {
    return Project.read("README.md")
        .lines()
        .filter(line -> line.startsWith("| `" + first + "`"))
        .map(line -> line.split("\\|")[1])
        .flatMap(cell -> SQL_STATE.matcher(cell).results())
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static String constant(String name, String constant) throws IOException {
    return Pattern.compile(constant + " =\\s+\"([^\"]*)\";")
        .matcher(Project.read(name + ".java"))
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.joining());
  }

  /** The codes of a regular expression such as 08...|58C0[01], with an x for any sign. */
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
