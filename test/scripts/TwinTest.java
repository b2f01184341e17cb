//DEPS io.github.java-diff-utils:java-diff-utils:4.16
//FILES BankInsecure.java=../../BankInsecure.java
//FILES BankSecure.java=../../BankSecure.java

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.difflib.DiffUtils;
import com.github.difflib.UnifiedDiffUtils;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** BankInsecure and BankSecure are one program but for how they connect. */
class TwinTest {

  /** The parts that are a script's own, by the line that stands in for each. */
  private static final Map<String, Pattern> OWN =
      Map.of(
          "JBang's description", lines("//DESCRIPTION .*\\n"),
          "Javadoc", lines("/\\*\\*\\n(?: \\*.*\\n)+(?=@Command)"),
          "description", lines("    description =(?s:.*?),\\n(?=    \\w)"),
          "connection", lines("  // ---- Connection ----\\n[\\s\\S]*?(?=^  // ---- )"));

  private static final Pattern IMPORT = lines("import .*\\n");

  /** What BankSecure alone has: the option, and the section that reads the files it names. */
  private static final Map<String, Pattern> OF_SECURE =
      Map.of(
          "--certs-dir",
              lines("  @Option\\((?:(?!\\n\\n)[\\s\\S])*--certs-dir(?:(?!\\n\\n)[\\s\\S])*\\n\\n"),
          "certificates",
              lines("\\n  // ---- Certificates ----\\n[\\s\\S]*?(?=\\n  // ---- |^}\\n)"));

  @Test
  void theSameToTheLetterOutsideTheConnection() throws IOException {
    List<String> insecure = common("BankInsecure", "BankSecure");
    List<String> secure = common("BankSecure", "BankInsecure");
    List<String> difference =
        UnifiedDiffUtils.generateUnifiedDiff(
            "BankInsecure.java", "BankSecure.java", insecure, DiffUtils.diff(insecure, secure), 2);
    assertTrue(difference.isEmpty(), () -> "they differ:\n" + String.join("\n", difference));
  }

  @ParameterizedTest
  @ValueSource(strings = {"BankInsecure", "BankSecure"})
  void eachPartOfItsOwnIsThereOnce(String name) throws IOException {
    String source = source(name);
    OWN.forEach(
        (part, pattern) -> assertEquals(1, pattern.matcher(source).results().count(), part));
    long expected = name.equals("BankSecure") ? 1 : 0;
    OF_SECURE.forEach(
        (part, pattern) -> assertEquals(expected, pattern.matcher(source).results().count(), part));
  }

  /** A script's lines without what is its own, and with one name for both. */
  private static List<String> common(String name, String other) throws IOException {
    String source = source(name);
    for (Map.Entry<String, Pattern> own : OWN.entrySet()) {
      source = own.getValue().matcher(source).replaceAll("<" + own.getKey() + ">\n");
    }
    source = IMPORT.matcher(source).replaceAll("");
    for (Pattern ofSecure : OF_SECURE.values()) {
      source = ofSecure.matcher(source).replaceAll("");
    }
    return source
        .lines()
        .map(line -> line.contains(other) ? line : line.replace(name, "Bank"))
        .toList();
  }

  private static Pattern lines(String pattern) {
    return Pattern.compile("^" + pattern, Pattern.MULTILINE);
  }

  private static String source(String name) throws IOException {
    try (InputStream source = TwinTest.class.getResourceAsStream("/" + name + ".java")) {
      return new String(source.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
