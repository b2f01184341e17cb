import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

/**
 * What every failure looks like: a line of error, a line of advice, no stack trace, no transfer and
 * no password.
 *
 * @param status the exit status
 * @param words what the line of error says, or the line of advice
 */
record ErrorForm(int status, String... words) implements Case.Check {

  /** The password of every test, so that none is ever printed. It needs encoding in a URL. */
  static final String PASSWORD = "geheim/%+ü@?";

  /** The same as it stands in a URL. */
  static final String ENCODED_PASSWORD = "geheim%2F%25+%C3%BC%40%3F";

  @Override
  public void check(Script.Result result) {
    String printed = "\n" + result.out() + result.err();
    List<String> lines = result.err().lines().toList();
    assertEquals(2, lines.size(), "an error and an advice" + printed);
    assertTrue(lines.get(0).startsWith("error: "), printed);
    assertFalse(lines.get(0).matches("error: (null|\\S*Exception.*|\\s*)"), printed);
    assertFalse(lines.get(1).isBlank() || lines.get(1).startsWith("error: "), printed);
    assertEquals(status, result.status(), printed);
    for (String word : words) {
      assertTrue(result.err().contains(word), "does not say \"" + word + "\"" + printed);
    }
    assertNoTransfer(result.out());
    assertNoPassword(result);
  }

  /** Whatever happened, the password is nowhere. */
  static void assertNoPassword(Script.Result result) {
    assertFalse((result.out() + result.err()).contains("geheim"), result::toString);
  }

  private static void assertNoTransfer(String out) {
    assertTrue(
        out.matches("(Connected to .*\\R(Accounts: .*\\R)?(No audit was made\\.\\R)?)?"), out);
  }
}
