import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

/**
 * What every failure looks like: one error line and, if we know what to do about it, a second line;
 * no stack trace, no transfer and no password.
 *
 * @param status the exit status
 * @param words what the lines say
 */
record ErrorForm(int status, String... words) {

  /** The password of every test, so that none is ever printed. It needs encoding in a URL. */
  static final String PASSWORD = "geheim/%+ü@?";

  /** The same as it stands in a URL. */
  static final String ENCODED_PASSWORD = "geheim%2F%25+%C3%BC%40%3F";

  void check(Script.Result result) {
    String printed = "\n" + result.out() + result.err();
    List<String> lines = result.err().lines().toList();
    assertTrue(lines.size() == 1 || lines.size() == 2 && status == 5, printed);
    assertTrue(lines.get(0).startsWith("error: "), printed);
    assertFalse(lines.get(0).matches("error: (null|.*Exception.*|\\s*)"), printed);
    assertTrue(lines.size() == 1 || lines.get(1).matches("[A-Z].*[.:'].*"), printed);
    assertEquals(status, result.status(), printed);
    for (String word : words) {
      assertTrue(result.err().contains(word), "does not say \"" + word + "\"" + printed);
    }
    assertTrue(result.out().matches("(Connected to .*\\R(Accounts: .*\\R)?)?"), printed);
    assertNoPassword(result);
  }

  /** Whatever happened, the password is not printed. */
  static void assertNoPassword(Script.Result result) {
    assertFalse((result.out() + result.err()).contains("geheim"), result::toString);
  }
}
