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
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.logging.LogManager;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** The doctor finds what is broken, its fix works, and it changes nothing. */
@Timeout(120)
class BankDoctorTest {

  /** What must reach no terminal: colours, titles, forged lines, text that runs backwards. */
  private static final String HOSTILE =
      "gone\033[2J\033]0;title\007\b\r\n✓ login    forged\nAll is well. forged\u009b31m\u0085\u202e"
          + "\u2066\u200b\u2028✓ forged\u2029\ufeff\udb40\udc41\177\f\013";

  private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}&&[^\n]]");

  private static final Pattern SEEN_HERE =
      Pattern.compile("### `(.*)`\n\n.+\n\n\\*\\*Fix:.+\n\nSeen on the PostgreSQL stand-in");

  private static DoctorStage stage;

  /** They run beside all others, because they only wait. */
  private static List<CompletableFuture<Void>> slowCases;

  @BeforeAll
  static void openStage() throws Exception {
    // As the doctor's own main does.
    LogManager.getLogManager().reset();
    stage = new DoctorStage("cockroach", "jbang");
    slowCases = new ArrayList<>();
    for (DoctorCase each : DoctorTable.slow()) {
      DoctorStage.Scene scene = stage.set(each);
      slowCases.add(
          CompletableFuture.runAsync(() -> assertDiagnosed(scene, scene.diagnoseAtHome())));
    }
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

  @Test
  void waitsForNoHostLongerThanTenSeconds() {
    slowCases.forEach(CompletableFuture::join);
  }

  @Test
  void aKeyThatItsOwnerMayNotRead() throws Exception {
    boolean isRoot = System.getProperty("user.name").equals("root");
    Assumptions.assumeFalse(isRoot, "root may read all files");
    diagnoseAndFix(
        new DoctorCase("a key that its owner may not read")
            .after("chmod 200 certs/client.maxroach.key")
            .names("key", "…key is not to be read by this user")
            .fixedBy("chmod 600 {folder}/certs/client.maxroach.key"));
  }

  private static void diagnoseAndFix(DoctorCase each) throws Exception {
    DoctorStage.Scene scene = stage.set(each);
    Map<String, String> files = scene.files();
    DoctorStage.Run run = scene.diagnose();
    assertEquals(files, scene.files());
    assertDiagnosed(scene, run);
    for (int i = 0; i < each.pastes; i++) {
      assertFalse(run.status() == 0, run::toString);
      run = scene.paste(run.command(), "");
    }
    if (each.pastes > 0) {
      assertWell(run);
    }
  }

  /** It calls a key or a certificate broken if, and only if, BankSecure cannot use it. */
  @TestFactory
  Stream<DynamicTest> agreesWithBankSecure() {
    return DoctorTable.forms().stream()
        .map(each -> DynamicTest.dynamicTest(each.name, () -> compare(stage.set(each))));
  }

  private static void compare(DoctorStage.Scene scene) throws Exception {
    Map<String, String> files = scene.files();
    DoctorStage.Run run = scene.diagnose();
    assertEquals(files, scene.files());
    assertHarmless(run);
    assertEquals(scene.scriptSays().isEmpty(), run.status() == 0, run::toString);
    assertTrue(run.out().startsWith("✗ key") || run.out().contains("✓ key"), run::toString);
    if (run.command().matches("(openssl|cp|keytool) .*")) {
      boolean setsPassword = run.command().matches("keytool.*|.* -v1 .*");
      assertWell(scene.paste(run.command(), "geheim\n".repeat(setsPassword ? 3 : 1)));
      assertTrue(scene.files().entrySet().containsAll(files.entrySet()));
    }
  }

  private static void assertDiagnosed(DoctorStage.Scene scene, DoctorStage.Run run) {
    DoctorCase played = scene.played;
    assertEquals(played.check.equals("URL") ? 2 : 5, run.status(), run::toString);
    assertHarmless(run);
    String first = run.checks().get(0);
    String expected = "✗ " + played.check + " +" + pattern(scene.filledIn(played.seen));
    assertTrue(first.matches(expected), () -> "not " + expected + "\n" + run.out());
    String advice = scene.filledIn(played.advice);
    assertTrue(run.advice().matches(pattern(advice)), () -> "not " + advice + "\n" + run.out());
    if (played.message != null) {
      String said = played.message.startsWith("✗") ? first : scene.scriptSays();
      assertTrue(said.matches("(?s)" + pattern(played.message) + "(\\n.*)?"), said);
    }
  }

  /** The page has the messages that were seen here, and no other. */
  @Test
  void pageListsTheMessages() throws IOException {
    List<String> shown =
        SEEN_HERE
            .matcher(Project.read("docs/doctor-table.md"))
            .results()
            .map(section -> section.group(1))
            .sorted()
            .toList();
    List<String> provoked =
        Stream.concat(DoctorTable.all().stream(), DoctorTable.slow().stream())
            .map(each -> each.message)
            .filter(Objects::nonNull)
            .sorted()
            .toList();
    assertEquals(provoked, shown);
  }

  @Test
  void saysInJsonWhatItPrints() throws Exception {
    List<DoctorCase> all = DoctorTable.all();
    for (int i = 0; i < all.size(); i += 16) {
      DoctorStage.Scene scene = stage.set(all.get(i));
      assertEqualFacts(scene.diagnose(), scene.diagnose("--json"));
    }
  }

  @Test
  void wellIsTheSamplesCommand() throws Exception {
    DoctorStage.Scene scene = stage.set(new DoctorCase("well"));
    DoctorStage.Run run = scene.diagnose();
    assertWell(run);
    String url = scene.filledIn("postgresql://maxroach@localhost:{port}/{database}");
    String folder = scene.folder + "/certs";
    assertEquals("jbang BankSecure.java --url=" + url + " --certs-dir=" + folder, run.command());
    assertTrue(run.out().contains(" jdbc:" + url.replace("maxroach@", "") + "\n"), run.out());
    assertTrue(run.out().contains(" sslrootcert=" + folder), run.out());
    assertEqualFacts(run, scene.diagnose("--json"));
    Map<String, String> variables = Map.of("DATABASE_URL", url, "COCKROACH_CERTS_DIR", folder);
    assertWell(DoctorStage.doctor(variables, false));
  }

  /** It creates no tables to see whether it may. */
  @Test
  void changesNoDatabase() throws Exception {
    Bank bank = Bank.create(SharedServers.insecure());
    String url = bank.url().replaceFirst("\\?.*", "");
    DoctorStage.Run run = stage.doctor("--url=" + url);
    assertWell(run);
    assertEquals("jbang BankInsecure.java --url=" + url, run.command());
    String tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assertEquals("0", bank.ask(h -> h.createQuery(tables).mapTo(String.class).one()));
  }

  /** As a user runs it: with its own main, by the variables, in its folder. */
  @Test
  void runsAsAProgram() throws Exception {
    DoctorStage.Scene scene = stage.set(new DoctorCase("a program"));
    Path temporary = Files.createDirectory(scene.folder.resolve("tmp"));
    Map<String, String> files = scene.files();
    Script.Result well =
        Script.of("BankDoctor")
            .workingDirectory(scene.folder)
            .home(scene.folder.resolve("home"))
            .environment(
                "DATABASE_URL", scene.filledIn("postgresql://maxroach@localhost:{port}/{database}"))
            .environment("LC_ALL", "C")
            .javaOption("-Djava.io.tmpdir=" + temporary)
            .run();
    assertEquals(0, well.status(), well::toString);
    assertEquals("", well.err());
    assertTrue(well.out().lines().count() <= 24, well.out());
    assertTrue(well.out().lines().allMatch(line -> line.length() <= 80), well.out());
    assertTrue(well.out().endsWith("\njbang BankSecure.java\n"), well.out());
    assertTrue(well.out().contains("✓ key       certs/client.maxroach.key"), well.out());
    assertEquals(files, scene.files());
  }

  /** The URL's own password gets into no line, and PGPASSWORD takes its place. */
  @Test
  void leavesAnUncodedPasswordToTheEnvironment() throws Exception {
    String login = "postgresql://clerk:" + ErrorForm.PASSWORD;
    DoctorStage.Scene scene =
        stage.set(
            new DoctorCase("an uncoded password").url(login + "@localhost:{port}/{database}"));
    DoctorStage.Run run = scene.diagnose();
    assertEquals(2, run.status(), run::toString);
    assertHarmless(run);
    String[] words = run.command().split(" ");
    assertEquals("jbang bank-doctor", words[0] + " " + words[1]);
    Script.Result fixed =
        Script.of("BankDoctor", words[2], words[3])
            .environment("PGPASSWORD", ErrorForm.PASSWORD)
            .run();
    assertEquals(0, fixed.status(), fixed::toString);
    assertFalse(fixed.out().contains("geheim"), fixed.out());
  }

  @TestFactory
  Stream<DynamicTest> hostileWords() {
    Script.assumeThatJavaHandsOn(HOSTILE);
    String user = "\033[2J\\0A✓ forged\u202e";
    String path = "%1B%5B31m%0A%E2%9C%93%20forged";
    return Stream.of(
            new DoctorCase("of a host").at(DoctorTable.answering(HOSTILE)),
            new DoctorCase("of a server that refuses")
                .at(DoctorTable.answering("E\0\0\1\0C28000\0M" + HOSTILE + "\0\0")),
            new DoctorCase("in the version and a column")
                .database(
                    "CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE sql AS $$ SELECT '"
                        + HOSTILE
                        + "' $$",
                    "ALTER DATABASE {database} SET search_path = public, pg_catalog",
                    "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8, \""
                        + HOSTILE
                        + "\" INT NOT NULL)",
                    "GRANT ALL ON accounts TO maxroach"),
            new DoctorCase("in the URL")
                .at(DoctorCase.Place.INSECURE)
                .url("postgresql://" + path + "@localhost:{port}/" + path),
            new DoctorCase("in an option").url("\033[31m\n✓ forged").certsDir("\033[31m\n✓ forged"),
            new DoctorCase("in an authority's name")
                .issuing((certs, ca) -> new Certificates("CN=" + user).writeAuthority(certs)),
            new DoctorCase("in a user's name")
                .issuing((certs, ca) -> ca.client(user).write(certs))
                .after("cd certs; for i in crt key; do mv *forged*.$i client.maxroach.$i; done"),
            new DoctorCase("in a server's names")
                .showing(ca -> ca.node("\033[2J\n✓ forged", "$(touch forged)", "db.example.com")))
        .map(each -> DynamicTest.dynamicTest(each.name, () -> assertHarmless(each)));
  }

  private static void assertHarmless(DoctorCase each) throws Exception {
    DoctorStage.Scene scene = stage.set(each);
    assertHarmless(scene.diagnose());
    assertHarmless(scene.diagnose("--json"));
  }

  /** Without a cockroach on the PATH, a suggestion needs nothing but this collection. */
  @Test
  void suggestsLocalClusterInColors() throws Exception {
    int port = Server.freePort();
    String url = "--url=postgresql://localhost:" + port + "/bank?sslmode=disable";
    Map<String, String> terminal = Map.of("TERM", "xterm", "PATH", "/nowhere");
    String colored = DoctorStage.doctor(terminal, true, url).out();
    String command = "\033[1mjbang local-cluster --port=" + port + "\033[0m";
    assertTrue(colored.contains(command), colored);
    Map<String, String> without = Map.of("TERM", "xterm", "NO_COLOR", "1");
    assertHarmless(DoctorStage.doctor(without, true, url));
    assertHarmless(DoctorStage.doctor(terminal, false, url));
  }

  @Test
  void refusesAWrongCommandLine() {
    for (String wrong : List.of("--urll=postgresql://u:geheim@h", "postgresql://u:geheim@h")) {
      DoctorStage.Run run = stage.doctor(wrong);
      assertEquals(2, run.status(), run::toString);
      assertTrue(run.out().isEmpty() && run.err().startsWith("error: "), run::toString);
      assertHarmless(run);
    }
    DoctorStage.Run help = stage.doctor("--help");
    assertEquals(0, help.status());
    assertTrue(help.out().lines().allMatch(line -> line.length() <= 80), help.out());
  }

  private static void assertEqualFacts(DoctorStage.Run text, DoctorStage.Run json) {
    assertEquals(text.status(), json.status());
    assertHarmless(json);
    JsonObject all = JsonParser.parseString(json.out()).getAsJsonObject();
    assertEquals(text.status() == 0, all.get("well").getAsBoolean());
    assertTrue(text.out().replaceAll("\\s+", " ").contains(text(all, "advice")), text.out());
    assertTrue(text.out().contains(text(all, "command")), text.out());
    Map<String, String> marks = Map.of("passed", "✓", "broken", "✗");
    for (JsonElement each : all.getAsJsonArray("checks")) {
      JsonObject check = each.getAsJsonObject();
      String mark = marks.get(text(check, "result"));
      String line = mark + " " + text(check, "check") + " " + text(check, "seen");
      assertTrue(mark == null || timeless(text.out()).contains(timeless(line)), text.out());
    }
  }

  private static String text(JsonObject object, String name) {
    return object.get(name).isJsonNull() ? "" : object.get(name).getAsString();
  }

  private static String timeless(String text) {
    return text.replaceAll("-?[\\d.,:]+", "0").replaceAll("\\s+", " ");
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
    return Stream.of(text.split("…", -1)).map(Pattern::quote).collect(Collectors.joining(".*"));
  }
}
