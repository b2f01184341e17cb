import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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

/** The doctor finds what is broken, its fix works, and it changes nothing. */
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
  Stream<DynamicTest> eachBrokenCheck() {
    return DoctorTable.all().stream()
        .map(each -> DynamicTest.dynamicTest(each.name, () -> diagnoseAndFix(each)));
  }

  private static void diagnoseAndFix(DoctorCase each) throws Exception {
    DoctorStage.Scene scene = stage.set(each);
    List<String> files = DoctorStage.files(scene.folder);
    Map<String, List<String>> contents = scene.contents();
    DoctorStage.Run run = scene.diagnose();
    assertEquals(files, DoctorStage.files(scene.folder));
    assertEquals(contents, scene.contents());
    assertEquals(each.check.equals("URL") ? 2 : 5, run.status(), run::toString);
    assertHarmless(run);
    String seen = scene.filledIn(each.seen);
    String first = run.checks().get(0);
    assertTrue(
        first.matches("✗ " + each.check + " +(" + pattern(seen) + ")"),
        () -> "not " + each.check + " " + seen + "\n" + run.out());
    if (each.row != null) {
      String message = "(?s)" + pattern(each.row.message()) + "(\\n.*)?";
      boolean ofDoctor = each.row.message().startsWith("✗");
      String said = ofDoctor ? first : scene.scriptSays();
      assertTrue(said.matches(message), said);
    }
    fix(each, scene, run);
  }

  private static void fix(DoctorCase each, DoctorStage.Scene scene, DoctorStage.Run run)
      throws Exception {
    String line = run.command();
    String expected = scene.filledIn(each.fix);
    if (each.isFixedByShell()) {
      assertTrue(line.matches(pattern(expected)), () -> "not " + expected + "\n" + run.out());
    } else {
      assertTrue(
          run.advice().matches(pattern(expected)), () -> "not " + expected + "\n" + run.out());
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
    if (each.isFixedByShell()) {
      assertEquals(0, scene.shell(line), line);
      if (!line.contains("jbang bank-doctor")) {
        DoctorStage.Run next = scene.diagnose();
        if (!each.secondFix.isEmpty()) {
          assertTrue(next.command().matches(pattern(scene.filledIn(each.secondFix))), next.out());
          assertEquals(0, scene.shell(next.command()));
          next = scene.diagnose();
        }
        assertWell(next);
      }
    }
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

  @Test
  void wellIsOneScreenAndHasTheCommand() throws Exception {
    DoctorStage.Scene scene = stage.set(new DoctorCase("well"));
    DoctorStage.Run run = scene.diagnose();
    assertWell(run);
    String url = scene.filledIn("postgresql://maxroach@localhost:{port}/bank");
    String well = "jbang BankSecure.java --url=" + url + " --certs-dir=" + scene.folder + "/certs";
    assertEquals(well, run.command());
    assertTrue(run.out().contains(" jdbc:" + url.replace("maxroach@", "") + "\n"), run.out());
    assertTrue(run.out().contains(" sslrootcert=" + scene.folder), run.out());
    assertEqualFacts(run, scene.diagnose("--json"));
    DoctorStage.Scene insecure =
        stage.set(new DoctorCase("well, insecure").at(DoctorCase.Place.INSECURE));
    assertEquals(
        insecure.filledIn(
            "jbang BankInsecure.java --url=postgresql://maxroach@localhost:{port}/bank"),
        insecure.diagnose().command());
  }

  /** As a user runs it: with its own main, by the variables, in its folder. */
  @Test
  void runsAsAProgram() throws Exception {
    DoctorStage.Scene scene = stage.set(new DoctorCase("a program"));
    String url = scene.filledIn("postgresql://maxroach@localhost:{port}/bank");
    Path temporary = Files.createDirectory(scene.folder.resolve("tmp"));
    Script program =
        Script.of("BankDoctor")
            .workingDirectory(scene.folder)
            .home(scene.folder.resolve("home"))
            .environment("DATABASE_URL", url)
            .environment("LC_ALL", "C")
            .javaOption("-Djava.io.tmpdir=" + temporary);
    List<String> files = DoctorStage.files(scene.folder);
    Script.Result well = program.run();
    assertEquals(0, well.status(), well::toString);
    assertEquals("", well.err());
    assertTrue(well.out().lines().count() <= 24, well.out());
    assertTrue(well.out().lines().allMatch(line -> line.length() <= 80), well.out());
    assertTrue(well.out().endsWith("\njbang BankSecure.java\n"), well.out());
    assertTrue(well.out().contains("✓ key       certs/client.maxroach.key"), well.out());
    assertEquals(files, DoctorStage.files(scene.folder));
    Script.Result elsewhere = program.environment("COCKROACH_CERTS_DIR", "nowhere").run();
    assertEquals(5, elsewhere.status(), elsewhere::toString);
    assertTrue(elsewhere.out().contains("✗ server"), elsewhere.out());
    String fix = "\njbang bank-doctor --url=" + url + " --certs-dir=certs\n";
    assertTrue(elsewhere.out().contains(fix), elsewhere.out());
  }

  /** The URL's own password gets into no line, and PGPASSWORD takes its place. */
  @Test
  void leavesAnUncodedPasswordToTheEnvironment() throws Exception {
    DoctorStage.Scene scene =
        stage.set(
            new DoctorCase(
                    "an uncoded password",
                    "--url=postgresql://maxroach:"
                        + DoctorStage.PASSWORD
                        + "@localhost:{port}/bank",
                    "--certs-dir={folder}/certs")
                .at(DoctorCase.Place.WITH_PASSWORD)
                .without("certs/client.maxroach.crt", "certs/client.maxroach.key"));
    DoctorStage.Run run = scene.diagnose();
    assertEquals(2, run.status(), run::toString);
    assertHarmless(run);
    String url = run.command().replaceAll("jbang bank-doctor --url=| --certs-dir=.*", "");
    Script.Result fixed =
        Script.of("BankDoctor", "--url=" + url, "--certs-dir=" + scene.folder + "/certs")
            .environment("PGPASSWORD", DoctorStage.PASSWORD)
            .run();
    assertEquals(0, fixed.status(), fixed::toString);
    assertFalse(fixed.out().contains("geheim"), fixed.out());
  }

  @TestFactory
  Stream<DynamicTest> hostileWords() throws Exception {
    String hostile = DoctorTable.HOSTILE;
    Script.assumeThatJavaHandsOn(hostile);
    byte[] refusal = FakeDatabase.complaint('E', "28000", hostile);
    List<DoctorCase> cases =
        List.of(
            new DoctorCase(
                "of a server that refuses", "--url=postgresql://localhost:{fakeDatabase}/bank"),
            new DoctorCase("in the version")
                .database(
                    "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE sql AS $$ SELECT '"
                        + hostile
                        + "' $$",
                    "ALTER DATABASE {database} SET search_path = public, pg_catalog"),
            new DoctorCase("in a column")
                .database(
                    "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8, \""
                        + hostile
                        + "\" INT NOT NULL)",
                    "GRANT ALL ON accounts TO maxroach"),
            new DoctorCase(
                    "in the URL",
                    "--url=postgresql://%1B%5B31m%0A%E2%9C%93%20forged@localhost:{port}/bank")
                .at(DoctorCase.Place.INSECURE),
            new DoctorCase(
                    "in the database's name",
                    "--url=postgresql://localhost:{port}/%1B%5B31m%0A%E2%9C%93%20forged")
                .at(DoctorCase.Place.INSECURE),
            new DoctorCase(
                "in an option", "--url=\033[31m\n✓ forged", "--certs-dir=\033[31m\n✓ forged"),
            new DoctorCase("in an authority's name")
                .certs(
                    (certs, ca) ->
                        new Certificates("CN=\033[2J\\0A✓ forged\u202e").writeAuthority(certs)),
            new DoctorCase("in a user's name")
                .certs((certs, ca) -> forge(certs, ca.client("\033[2J\\0A✓ forged\u202e"))),
            new DoctorCase("in a server's names")
                .showing(leaf -> leaf, "\033[2J\n✓ forged", "$(touch forged)", "db.example.com"));
    try (FakeDatabase fakeDatabase = FakeDatabase.answering(refusal, new byte[0])) {
      List<DynamicTest> tests = new ArrayList<>();
      for (DoctorCase each : cases) {
        each.arguments.replaceAll(
            a -> a.replace("{fakeDatabase}", Integer.toString(fakeDatabase.port())));
        for (String[] option : new String[][] {{}, {"--json"}}) {
          DoctorStage.Run run = stage.set(each).diagnose(option);
          tests.add(DynamicTest.dynamicTest(each.name, () -> assertHarmless(run)));
        }
      }
      return tests.stream();
    }
  }

  private static void forge(Path certs, Certificates.Leaf leaf) throws IOException {
    Path other = Files.createDirectory(certs.resolveSibling("other"));
    leaf.write(other);
    try (Stream<Path> files = Files.list(other)) {
      for (Path file : files.toList()) {
        String name = file.toString().endsWith(".crt") ? "crt" : "key";
        Files.write(certs.resolve("client.maxroach." + name), Files.readAllBytes(file));
      }
    }
  }

  /** Without a cockroach on the PATH, a suggestion needs nothing but this collection. */
  @Test
  void suggestsLocalClusterWithoutCockroach() throws Exception {
    Map<String, String> path = Map.of("PATH", "/nowhere");
    int port = Server.freePort();
    String url = "--url=postgresql://localhost:" + port + "/bank?sslmode=disable";
    DoctorStage.Run run = DoctorStage.doctor(path, false, url);
    assertEquals("jbang local-cluster --port=" + port, run.command());
  }

  @Test
  void colorsATerminal() throws Exception {
    String url = "--url=postgresql://localhost:" + Server.freePort() + "/bank?sslmode=disable";
    String escape = "\033[";
    assertTrue(DoctorStage.doctor(Map.of("TERM", "xterm"), true, url).out().contains(escape));
    Map<String, String> without = Map.of("TERM", "xterm", "NO_COLOR", "1");
    assertFalse(DoctorStage.doctor(without, true, url).out().contains(escape));
    assertFalse(DoctorStage.doctor(Map.of("TERM", "xterm"), false, url).out().contains(escape));
  }

  @Test
  void printsNoPasswordAndKeepsAllOtherParameters() throws Exception {
    String hosts = "localhost:" + Server.freePort();
    String parameters = "?PASSWORD=geheim1&Password=geheim2&application_name=a%20b&sslmode=require";
    DoctorStage.Run run = stage.doctor("--url=postgresql://u:geheim3@" + hosts + "/b" + parameters);
    assertHarmless(run);
    String expected = "--url='postgresql://u@" + hosts + "/b?application_name=a%20b&sslmode=";
    assertTrue(run.command().contains(expected + "verify-full'"), run::toString);
    run = stage.doctor("--url=postgresql://" + hosts + "/b?sslpassword=geheim&sslmode=require");
    assertHarmless(run);
    assertTrue(run.command().contains("sslpassword='\"$SSLPASSWORD\"'&sslmode="), run::toString);
  }

  /** A shell replaces no variable in single quotes, and PowerShell none of cmd's. */
  @Test
  void namesAVariableThatTheShellDidNotReplace() {
    for (String variable : List.of("$HOME", "${HOME}", "%APPDATA%")) {
      String url = "--url=postgresql://localhost/bank?sslrootcert=" + variable + "/certs/ca.crt";
      Map<String, String> environment = Map.of("HOME", "/home/u", "APPDATA", "/home/u");
      DoctorStage.Run run = DoctorStage.doctor(environment, false, url);
      assertEquals(2, run.status(), run::toString);
      assertTrue(run.checks().get(0).contains("did not replace " + variable), run::toString);
      assertTrue(run.command().contains("sslrootcert=/home/u/certs/ca.crt"), run::toString);
    }
  }

  @Test
  void refusesAWrongCommandLine() {
    for (String[] wrong :
        new String[][] {
          {"--urll=postgresql://u:geheim@h"}, {"postgresql://u:geheim@h"}, {"--url"}
        }) {
      DoctorStage.Run run = stage.doctor(wrong);
      assertEquals(2, run.status(), run::toString);
      assertTrue(run.out().isEmpty() && run.err().startsWith("error: "), run::toString);
      assertHarmless(run);
    }
    DoctorStage.Run help = stage.doctor("--help");
    assertEquals(0, help.status());
    assertTrue(help.out().lines().allMatch(line -> line.length() <= 80), help.out());
  }

  @Test
  void pageShowsTheTable() throws IOException {
    String page = DoctorTable.page();
    String shown = Files.readString(Project.root().resolve("docs/doctor-table.md"));
    assertEquals(page, shown, () -> "docs/doctor-table.md must be this:\n" + page);
  }

  private static void assertEqualFacts(DoctorStage.Run text, DoctorStage.Run json) {
    assertEquals(text.status(), json.status());
    assertHarmless(json);
    JsonObject all = JsonParser.parseString(json.out()).getAsJsonObject();
    List<String> lines = new ArrayList<>();
    for (JsonElement each : all.getAsJsonArray("checks")) {
      JsonObject check = each.getAsJsonObject();
      String mark = Map.of("passed", "✓", "broken", "✗").get(text(check, "result"));
      if (mark != null) {
        lines.add("%s %-9s %s".formatted(mark, text(check, "check"), text(check, "seen")));
      }
    }
    assertEquals(
        text.checks().stream()
            .filter(line -> line.matches("[✓✗] .*"))
            .map(line -> line.replaceFirst("^(✓ URL +\\S+) jdbc:.*", "$1"))
            .map(BankDoctorTest::timeless)
            .sorted()
            .toList(),
        lines.stream().map(BankDoctorTest::timeless).sorted().toList());
    assertEquals(text.status() == 0, all.get("well").getAsBoolean());
    assertTrue(text.out().replaceAll("\\s+", " ").contains(text(all, "advice")), text.out());
    assertTrue(text.out().contains(text(all, "command")), text.out());
  }

  private static String text(JsonObject object, String name) {
    return object.get(name).isJsonNull() ? "" : object.get(name).getAsString();
  }

  private static String timeless(String line) {
    return line.replaceAll("-?[\\d.,]+ ms|T\\d\\d:\\d\\d:\\d\\dZ", "…")
        .replaceAll("bank_\\d+", "…")
        // A server that refuses a certificate may close the connection before it says why.
        .replaceAll("; (Received fatal alert: \\w+|Broken pipe|Connection reset)", "; …");
  }

  private static void assertWell(DoctorStage.Run run) {
    assertEquals(0, run.status(), run::toString);
    assertTrue(run.out().contains("All is well. "), run.out());
    assertFalse(run.out().contains("✗"), run.out());
    assertHarmless(run);
  }

  /** No password, no key, and nothing that a terminal would obey. */
  private static void assertHarmless(DoctorStage.Run run) {
    String printed = run.out() + run.err();
    assertFalse(printed.contains("geheim"), printed);
    assertFalse(printed.contains("PRIVATE KEY-----"), printed);
    assertFalse(UNPRINTABLE.matcher(printed).find(), printed);
    String rightful = "✓ (" + String.join("|", Examination.CHECKS) + ") [^✓]*|[^✓]*";
    assertTrue(printed.lines().allMatch(line -> line.matches(rightful)), printed);
    assertFalse(printed.contains("\nAll is well. forged"), printed);
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
