import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.difflib.DiffUtils;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The samples stay as short as a page that is read, and their story stands at the top of them. */
class SizeTest {

  private static final Map<String, Integer> LINES_AT_MOST =
      Map.of(
          "BankBasic.java", 260,
          "BankInsecure.java", 460,
          "lessons/LostAnswer.java", 180,
          "lessons/LostUpdate.java", 180,
          "tools/BankLoad.java", 600,
          "BankSecure.java", 520,
          "templates/bank-app.java.qute", 340,
          "README.md", 190);

  private static final Map<String, Integer> LOOP_ENDS_WITHIN =
      Map.of("BankBasic.java", 150, "BankInsecure.java", 300, "BankSecure.java", 320);

  private static final int LINES_BEYOND_ITS_TWIN = 110;

  @TestFactory
  List<DynamicTest> files() {
    return tests(LINES_AT_MOST, name -> lines(name).size());
  }

  @TestFactory
  List<DynamicTest> stories() {
    return tests(LOOP_ENDS_WITHIN, SizeTest::endOfTheLoop);
  }

  @Test
  void secureIsItsTwinAndLittleMore() throws IOException {
    int more =
        DiffUtils.diff(lines("BankInsecure.java"), lines("BankSecure.java")).getDeltas().stream()
            .mapToInt(delta -> delta.getTarget().size())
            .sum();
    assertTrue(more <= LINES_BEYOND_ITS_TWIN, () -> more + " lines");
  }

  private interface Measure {
    int of(String file) throws IOException;
  }

  private static List<DynamicTest> tests(Map<String, Integer> limits, Measure measure) {
    return limits.keySet().stream()
        .sorted()
        .map(
            file ->
                DynamicTest.dynamicTest(
                    file,
                    () -> {
                      int lines = measure.of(file);
                      assertTrue(lines <= limits.get(file), () -> lines + " lines");
                    }))
        .toList();
  }

  /** The last line of the method whose loop counts the attempts. */
  private static int endOfTheLoop(String file) throws IOException {
    List<String> lines = lines(file);
    int line = 0;
    while (!lines.get(line).strip().startsWith("for (int attempt = 1;")) {
      line++;
    }
    String endOfMethod = lines.get(line).replaceFirst("^ {2}( *).*", "$1}");
    while (!lines.get(line).equals(endOfMethod)) {
      line++;
    }
    return line + 1;
  }

  private static List<String> lines(String file) throws IOException {
    return Project.read(file).lines().toList();
  }
}
