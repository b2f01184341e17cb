import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertIterableEquals;

import java.io.IOException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** BankInsecure and BankSecure are the same program, except for how they connect. */
class TwinTest {

  /** The parts that are a sample's own. Each sample has each part once. */
  private static final List<String> OWN =
      List.of(
          "//DESCRIPTION .*\\n",
          "(?:import .*\\n)+",
          "/\\*\\*\\n(?: \\*.*\\n)+(?=@Command)",
          "    description = \".*\",\\n",
          "    Jdbi jdbi = connect\\(.*\\);\\n",
          "      System.out.printf\\(\"Connected to .*\\);\\n",
          "  // ---- Encryption ----\\n[\\s\\S]*?(?=^  // ---- )");

  private static final String CERTS_DIR =
      "  @Option\\(\\s+names = \"--certs-dir\"[\\s\\S]*?;\\n\\n";

  @Test
  void theyDifferInTheirConnectionsOnly() throws IOException {
    assertIterableEquals(common("BankInsecure", 0), common("BankSecure", 1));
  }

  /** A sample's lines without its own parts, and with one name for both samples. */
  private static List<String> common(String name, int folders) throws IOException {
    String source = without(CERTS_DIR, folders, Project.read(name + ".java"));
    for (String own : OWN) {
      source = without(own, 1, source);
    }
    return source.replaceAll("\\b" + name + "\\b", "Bank").lines().toList();
  }

  private static String without(String part, int times, String source) {
    Matcher matcher = Pattern.compile("^" + part, Pattern.MULTILINE).matcher(source);
    assertEquals(times, matcher.results().count(), part);
    return matcher.replaceAll("");
  }
}
