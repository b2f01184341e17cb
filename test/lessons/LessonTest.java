import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/** The lessons lose money where they say so, and nowhere else; the database is asked each time. */
class LessonTest extends OneServer {

  private static Bank bank;
  private static Jdbi database;

  @BeforeAll
  static void makeBank() {
    bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 77)");
    database = BankInsecure.connect(BankInsecure.settings(bank.url()));
  }

  @AfterEach
  void nothingElseIsTouched() {
    LostUpdate.drop(database);
    LostAnswer.drop(database);
    assertEquals(Map.of(1L, 77L), bank.balances());
    assertEquals(List.of("accounts"), tables());
  }

  // ---- LostUpdate ----

  @RepeatedTest(20)
  void readCommittedLosesMoney() throws Exception {
    LostUpdate.Outcome outcome = LostUpdate.play(database, "read committed", false);
    assertEquals("read committed", outcome.isolation());
    assertEquals(LostUpdate.TRANSFERS, outcome.made());
    assertNotEquals(LostUpdate.TOTAL, lessonTotal());
    assertEquals(lessonTotal(), outcome.total());
  }

  @RepeatedTest(20)
  void serializableKeepsTheMoneyAndRefusesTransfers() throws Exception {
    LostUpdate.Outcome outcome = LostUpdate.play(database, "serializable", false);
    assertEquals("serializable", outcome.isolation());
    assertTrue(outcome.made() < LostUpdate.TRANSFERS, outcome::toString);
    assertEquals(0, outcome.retries());
    assertEquals(LostUpdate.TOTAL, lessonTotal());
    assertEquals(lessonTotal(), outcome.total());
  }

  @RepeatedTest(20)
  void theLoopKeepsTheMoneyAndMakesAllTransfers() throws Exception {
    LostUpdate.Outcome outcome = LostUpdate.play(database, "serializable", true);
    assertEquals("serializable", outcome.isolation());
    assertEquals(LostUpdate.TRANSFERS, outcome.made());
    assertTrue(outcome.retries() > 0, outcome::toString);
    assertEquals(LostUpdate.TOTAL, lessonTotal());
    assertEquals(lessonTotal(), outcome.total());
  }

  @Test
  void theLessonSaysWhichIsolationTheServerGave() throws Exception {
    // So does a CockroachDB whose administrator does not allow READ COMMITTED.
    Jdbi strict = BankInsecure.connect(BankInsecure.settings(bank.url()));
    strict.setTemplateEngine(
        (sql, context) -> sql.replace("LEVEL read committed", "LEVEL serializable"));
    LostUpdate.Outcome outcome = LostUpdate.play(strict, "read committed", false);
    assertEquals("serializable", outcome.isolation());
    assertEquals(LostUpdate.TOTAL, lessonTotal());
    assertEquals(
        "was not to be had here: the server made it serializable", LostUpdate.verdict(outcome));
  }

  @Test
  void itsTableAddsUp() throws Exception {
    Script.Result result = Script.of("LostUpdate", "--url=" + bank.url()).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    Matcher rows =
        Pattern.compile("(?m)^(.*?)  +([\\d,]+)  +([\\d,]+)  +([\\d,]+)  +([\\d,]+)$")
            .matcher(result.out());
    assertTrue(rows.find(), result::out);
    assertEquals("READ COMMITTED", rows.group(1));
    assertEquals("400 0 0", rows.group(2) + " " + rows.group(3) + " " + rows.group(4));
    long lost = LostUpdate.TOTAL - number(rows.group(5));
    String verdict = lost > 0 ? "lost %,d: " : "made %,d from nothing: ";
    assertTrue(result.out().contains(verdict.formatted(Math.abs(lost))), result::out);
    assertTrue(rows.find(), result::out);
    assertEquals("SERIALIZABLE", rows.group(1));
    assertEquals(LostUpdate.TRANSFERS, number(rows.group(2)) + number(rows.group(3)));
    assertEquals(LostUpdate.TOTAL, number(rows.group(5)));
    assertTrue(result.out().contains("rolled back " + rows.group(3) + " transfers"), result::out);
    assertTrue(rows.find(), result::out);
    assertEquals("SERIALIZABLE, a loop", rows.group(1));
    assertEquals("400 0", rows.group(2) + " " + rows.group(3));
    assertEquals(LostUpdate.TOTAL, number(rows.group(5)));
    assertTrue(result.out().contains("after " + rows.group(4) + " retries"), result::out);
    assertEquals(List.of("accounts"), tables());
  }

  // ---- LostAnswer ----

  @RepeatedTest(20)
  void aLostAnswerLeavesTheClientInTheDark() throws Exception {
    LostAnswer.Outcome outcome = LostAnswer.play(bank.url(), 1, false);
    assertEquals("unknown", outcome.known());
    assertEquals(List.of(900L, 350L), lessonBalances());
    assertEquals(lessonBalances(), outcome.held());
  }

  @RepeatedTest(20)
  void aRetryPaysTwice() throws Exception {
    LostAnswer.Outcome outcome = LostAnswer.play(bank.url(), 2, false);
    assertEquals("done, attempt 2", outcome.known());
    assertEquals(List.of(800L, 450L), lessonBalances());
    assertEquals(lessonBalances(), outcome.held());
  }

  @RepeatedTest(20)
  void aRetryWithAnIdPaysOnce() throws Exception {
    LostAnswer.Outcome outcome = LostAnswer.play(bank.url(), 2, true);
    assertEquals("done, attempt 2", outcome.known());
    assertEquals(List.of(900L, 350L), lessonBalances());
    assertEquals(lessonBalances(), outcome.held());
    assertEquals(
        1,
        (int)
            bank.ask(
                root ->
                    root.select("SELECT count(*) FROM lesson_transfers")
                        .mapTo(Integer.class)
                        .one()));
  }

  @Test
  void overTlsTheAnswerIsLostToo() throws Exception {
    try (Postgres secure = Postgres.secure()) {
      Bank there = Bank.of(secure);
      Script.Result result =
          Script.of("LostAnswer", "--url=" + there.url())
              .workingDirectory(secure.certs().getParent())
              .run();
      assertEquals("", result.err());
      assertEquals(0, result.status());
      assertTrue(
          Pattern.compile("(?m)^a retry  +done, attempt 2  +\\[800, 450], paid 200$")
              .matcher(result.out())
              .find(),
          result::out);
    }
  }

  @Test
  void wrongCommandLinesAndDeadServersAreOneLineEach() throws Exception {
    for (String lesson : List.of("LostUpdate", "LostAnswer")) {
      Script.Result wrong = Script.of(lesson, "--url=nonsense").run();
      assertEquals(2, wrong.status());
      assertEquals(1, wrong.err().lines().count(), wrong::err);
      Script.Result dead = Script.of(lesson, "--url=postgresql://localhost:1/bank").run();
      assertEquals(5, dead.status());
      assertEquals(1, dead.err().lines().count(), dead::err);
    }
  }

  // ---- What is true ----

  private long lessonTotal() {
    return lessonBalances().stream().mapToLong(Long::longValue).sum();
  }

  private List<Long> lessonBalances() {
    String select = "SELECT balance FROM lesson_accounts ORDER BY id";
    return bank.ask(root -> root.select(select).mapTo(Long.class).list());
  }

  private List<String> tables() {
    String select = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    return bank.ask(root -> root.select(select).mapTo(String.class).list());
  }

  private static long number(String text) {
    return Long.parseLong(text.replace(",", ""));
  }
}
