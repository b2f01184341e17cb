//DEPS io.github.java-diff-utils:java-diff-utils:4.16

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.difflib.DiffUtils;
import com.github.difflib.UnifiedDiffUtils;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** BankInsecure and BankSecure are the same program, except for how they connect. */
class TwinTest {

  /** The parts that are a sample's own. Each sample has each part once. */
  private static final Map<String, Pattern> OWN =
      Map.of(
          "JBang's description", lines("//DESCRIPTION .*\\n"),
          "imports", lines("(?:import .*\\n)+"),
          "Javadoc", lines("/\\*\\*\\n(?: \\*.*\\n)+(?=@Command)"),
          "description", lines("    description = \".*\",\\n"),
          "call of connect", lines("    Jdbi jdbi = connect\\(.*\\);\\n"),
          "first line of output", lines("      System.out.printf\\(\"Connected to .*\\);\\n"),
          "encryption", lines("  // ---- Encryption ----\\n[\\s\\S]*?(?=^  // ---- )"));

  private static final Pattern CERTS_DIR =
      lines("  @Option\\(\\s+names = \"--certs-dir\"[\\s\\S]*?;\\n\\n");

  @Test
  void theyDifferInTheirConnectionsOnly() throws IOException {
    List<String> insecure = common("BankInsecure", 0);
    List<String> secure = common("BankSecure", 1);
    List<String> difference =
        UnifiedDiffUtils.generateUnifiedDiff(
            "BankInsecure.java", "BankSecure.java", insecure, DiffUtils.diff(insecure, secure), 2);
    assertTrue(difference.isEmpty(), () -> "they differ:\n" + String.join("\n", difference));
  }

  /** A sample's lines without its own parts, and with one name for both samples. */
  private static List<String> common(String name, int folders) throws IOException {
    String source = Project.read(name + ".java");
    for (Map.Entry<String, Pattern> own : OWN.entrySet()) {
      source = without(own.getValue(), 1, source, name + "'s " + own.getKey());
    }
    return without(CERTS_DIR, folders, source, name + "'s --certs-dir")
        .replaceAll("\\b" + name + "\\b", "Bank")
        .lines()
        .toList();
  }

  private static String without(Pattern part, int times, String source, String name) {
    Matcher matcher = part.matcher(source);
    assertEquals(times, matcher.results().count(), name);
    return matcher.replaceAll("");
  }

  private static Pattern lines(String pattern) {
    return Pattern.compile("^" + pattern, Pattern.MULTILINE);
  }
}
