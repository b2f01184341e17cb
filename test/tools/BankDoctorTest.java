import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.LogManager;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** The doctor finds what is broken, its mend mends it, and it leaves all as it was. */
@Timeout(120)
class BankDoctorTest {

  private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}&&[^\n]]");

  private static DoctorStage stage;

  @BeforeAll
  static void openStage() throws IOException {
    // As the doctor's own main does.
    LogManager.getLogManager().reset();
    stage = new DoctorStage();
  }

  @AfterAll
  static void closeStage() {
    stage.close();
  }

  @TestFactory
  Stream<DynamicTest> eachBrokenLink() {
    return DoctorTable.all().stream()
        .map(each -> DynamicTest.dynamicTest(each.name, () -> diagnoseAndMend(each)));
  }

  private static void diagnoseAndMend(DoctorCase each) throws Exception {
    DoctorStage.Scene scene = stage.set(each);
    List<String> files = DoctorStage.files(scene.folder);
    Map<String, List<String>> contents = scene.contents();
    DoctorStage.Run run = scene.diagnose();
    assertEquals(files, DoctorStage.files(scene.folder));
    assertEquals(contents, scene.contents());
    assertEquals(each.link.equals("URL") ? 2 : 5, run.status(), run::toString);
    assertHarmless(run);
    String told = run.out();
    assertTrue(told.contains("The first broken link is " + each.link + ". "), told);
    String seen = scene.filledIn(each.seen);
    assertTrue(
        told.lines().anyMatch(line -> line.matches("✗ " + each.link + " +(" + pattern(seen) + ")")),
        () -> "not " + seen + "\n" + told);
    if (each.row != null) {
      String message = pattern(each.row.message());
      assertTrue(scene.scriptSays().matches("(?s)" + message + "(\\n.*)?"), scene::scriptSays);
    }
    mend(each, scene, run);
  }

  private static void mend(DoctorCase each, DoctorStage.Scene scene, DoctorStage.Run run)
      throws Exception {
    String line = run.lastLine();
    String expected = scene.filledIn(each.mend);
    if (each.isMended()) {
      assertTrue(line.matches(pattern(expected)), () -> "not " + expected + "\n" + run.out());
    } else {
      assertTrue(
          run.out()
              .lines()
              .anyMatch(told -> told.matches("(.*link is \\w+\\. )?" + pattern(expected))),
          () -> "not " + expected + "\n" + run.out());
    }
    if (each.otherArguments != null) {
      assertWell(scene.diagnoseOtherwise());
      return;
    }
    if (each.byHand != null) {
      each.byHand.take(scene.folder, stage);
      assertWell(scene.diagnose());
      return;
    }
    if (each.isMended()) {
      assertEquals(0, scene.shell(line), line);
      if (!line.contains("jbang bank-doctor")) {
        DoctorStage.Run next = scene.diagnose();
        if (!each.secondMend.isEmpty()) {
          assertTrue(next.lastLine().matches(pattern(scene.filledIn(each.secondMend))), next.out());
          assertEquals(0, scene.shell(next.lastLine()));
          next = scene.diagnose();
        }
        assertWell(next);
      }
    }
  }

  @Test
  void enoughEnvironmentsAreMended() {
    List<DoctorCase> all = DoctorTable.all();
    long byShell = all.stream().filter(DoctorCase::isMended).count();
    long byHand = all.stream().filter(e -> e.byHand != null || e.otherArguments != null).count();
    assertTrue(byShell >= 25, byShell + " by a shell");
    assertTrue(byShell + byHand >= 40, byShell + byHand + " in all");
  }

  @Test
  void saysInJsonWhatItPrints() throws Exception {
    List<DoctorCase> all = DoctorTable.all();
    for (int i = 0; i < all.size(); i += 9) {
      DoctorCase each = all.get(i);
      DoctorStage.Scene scene = stage.set(each);
      assertEqualFacts(scene.diagnose(), scene.diagnose("--json"));
    }
  }

  private static void assertEqualFacts(DoctorStage.Run text, DoctorStage.Run json) {
    assertEquals(text.status(), json.status());
    assertHarmless(json);
    JsonObject all = JsonParser.parseString(json.out()).getAsJsonObject();
    List<String> lines = new ArrayList<>();
    for (JsonElement each : all.getAsJsonArray("checks")) {
      JsonObject check = each.getAsJsonObject();
      JsonElement holds = check.get("holds");
      String mark = holds.isJsonNull() ? "–" : holds.getAsBoolean() ? "✓" : "✗";
      lines.add("%s %-9s %s".formatted(mark, check.get("link").getAsString(), text(check, "seen")));
    }
    assertEquals(
        text.out()
            .lines()
            .filter(line -> line.matches("[✓✗–] .*"))
            .map(BankDoctorTest::timeless)
            .toList(),
        lines.stream().map(BankDoctorTest::timeless).toList());
    assertEquals(text.status() == 0, all.get("well").getAsBoolean());
    assertTrue(text.out().contains(text(all, "advice")), text.out());
    assertTrue(
        text.out().endsWith(text(all, "command").isEmpty() ? "\n" : text(all, "command") + "\n"));
  }

  private static String text(JsonObject object, String name) {
    return object.get(name).isJsonNull() ? "" : object.get(name).getAsString();
  }

  private static String timeless(String line) {
    return line.replaceAll("-?[\\d.,]+ ms|T\\d\\d:\\d\\d:\\d\\dZ", "…")
        .replaceAll("bank_\\d+", "…");
  }

  private static void assertWell(DoctorStage.Run run) {
    assertEquals(0, run.status(), run::toString);
    assertTrue(run.out().contains("All well. "), run.out());
    assertFalse(run.out().contains("✗"), run.out());
    assertHarmless(run);
  }

  /** No password, no key, and nothing that a terminal would obey. */
  private static void assertHarmless(DoctorStage.Run run) {
    String printed = run.out() + run.err();
    assertFalse(printed.contains("geheim"), printed);
    assertFalse(printed.contains("PRIVATE KEY-----"), printed);
    assertFalse(UNPRINTABLE.matcher(printed).find(), printed);
    assertTrue(
        printed.lines().noneMatch(line -> line.matches(".*(✓|All well).*forged.*")), printed);
  }

  private static String pattern(String text) {
    return Stream.of(text.split("\\|", -1))
        .map(
            part ->
                Stream.of(part.split("…", -1))
                    .map(Pattern::quote)
                    .collect(Collectors.joining(".*")))
        .collect(Collectors.joining("|", "(?:", ")"));
  }
}
