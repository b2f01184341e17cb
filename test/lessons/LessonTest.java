import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the lessons print is true: the database is asked, and keeps its other tables. */
@Timeout(300)
class LessonTest extends EachServer {

  /** On a machine that others use too, transfers take longer, and so do their conflicts. */
  private static final Duration LIMIT = Duration.ofSeconds(150);

  private static final Pattern ROW =
      Pattern.compile("(?m)^([^\\d\\n]+?)  +([\\d,]+)  +([\\d,]+)  +([\\d,]+)  +([\\d,]+)$");

  /** A row of the table that LostUpdate prints. */
  private record Row(String way, long committed, long failed, long retries, long total) {}

  private Bank bank;
  private Jdbi jdbi;

  @BeforeEach
  void createBank() {
    bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 77)");
    Properties settings = BankInsecure.settings(bank.url());
    jdbi = BankInsecure.connect(settings);
    LostAnswer.makeBreakable(settings);
  }

  @AfterEach
  void keepsOtherTables() {
    assertEquals(Map.of(1L, 77L), bank.balances());
  }

  // ---- LostUpdate ----

  @Test
  void onlySerializableWithALoopCommitsAllAndKeepsTheTotal() throws Exception {
    Script.Result result = Script.of("LostUpdate", "--url=" + bank.url()).timeLimit(LIMIT).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    List<Row> rows = rows(result.out());
    assertEquals(
        List.of("READ COMMITTED", "SERIALIZABLE", "SERIALIZABLE, a loop"),
        rows.stream().map(Row::way).toList());
    for (Row row : rows) {
      assertEquals(LostUpdate.TRANSFERS, row.committed() + row.failed(), row::toString);
    }

    Row weak = rows.get(0);
    long lost = LostUpdate.TOTAL - weak.total();
    String verdict = lost > 0 ? "lost %,d: " : lost < 0 ? "created %,d out of nothing: " : "kept ";
    if (result.out().contains("READ COMMITTED is not allowed here")) {
      assertTrue(kind.isCockroach());
      assertEquals(0, lost);
    } else {
      assertEquals(0, weak.failed());
      String line = "\nREAD COMMITTED " + verdict.formatted(Math.abs(lost));
      assertTrue(result.out().contains(line), result::out);
    }

    Row strict = rows.get(1);
    assertEquals(LostUpdate.TOTAL, strict.total());
    assertTrue(strict.failed() > 0, strict::toString);
    assertTrue(result.out().contains("rolled back " + strict.failed() + " transfers"), result::out);

    Row retried = rows.get(2);
    assertEquals(LostUpdate.TOTAL, retried.total());
    assertEquals(LostUpdate.TRANSFERS, retried.committed());
    assertTrue(result.out().contains("after " + retried.retries() + " retries"), result::out);
    assertEquals(List.of("accounts"), tables());
  }

  private static List<Row> rows(String output) {
    return ROW.matcher(output)
        .results()
        .map(
            row ->
                new Row(
                    row.group(1),
                    number(row.group(2)),
                    number(row.group(3)),
                    number(row.group(4)),
                    number(row.group(5))))
        .toList();
  }

  private static long number(String text) {
    return Long.parseLong(text.replace(",", ""));
  }

  @Test
  void theTotalThatIsPrintedIsTheDatabases() throws Exception {
    LostUpdate.Outcome weak = LostUpdate.play(jdbi, TransactionIsolationLevel.READ_COMMITTED, 1);
    assertEquals(lessonBalances().stream().mapToLong(Long::longValue).sum(), weak.total());
    if (weak.isolation() == TransactionIsolationLevel.READ_COMMITTED) {
      assertNotEquals(LostUpdate.TOTAL, weak.total());
    } else {
      assertEquals(LostUpdate.TOTAL, weak.total());
    }
  }

  @Test
  void aTotalThatIsRightByChanceIsNotCalledALoss() {
    LostUpdate.Outcome lucky =
        new LostUpdate.Outcome(
            TransactionIsolationLevel.READ_COMMITTED, LostUpdate.TRANSFERS, 0, LostUpdate.TOTAL);
    assertEquals(
        "kept the total this time, by chance: run the lesson again.", LostUpdate.verdict(lucky));
  }

  // ---- LostAnswer ----

  @Test
  void onlyAnIdMakesARetrySafe() throws Exception {
    assertEquals(ANSWERS, output(Script.of("LostAnswer", "--url=" + bank.url())));
    assertEquals(List.of("accounts"), tables());
    // The same over DATABASE_URL, and with no password printed.
    String url = bank.url().replace("maxroach@", "maxroach:secret@");
    assertEquals(ANSWERS, output(Script.of("LostAnswer").environment("DATABASE_URL", url)));
  }

  @Test
  void theBalancesThatArePrintedAreTheDatabases() {
    for (int run = 0; run < 10; run++) {
      assertAnswer("unknown", List.of(900L, 350L), LostAnswer.play(jdbi, 1, false));
      assertAnswer("done, attempt 2", List.of(800L, 450L), LostAnswer.play(jdbi, 2, false));
      assertAnswer("done, attempt 2", List.of(900L, 350L), LostAnswer.play(jdbi, 2, true));
      assertEquals(1, count("lesson_transfers"));
    }
  }

  private void assertAnswer(String known, List<Long> balances, LostAnswer.Outcome outcome) {
    assertEquals(known, outcome.known());
    assertEquals(balances, outcome.balances());
    assertEquals(balances, lessonBalances());
  }

  static final String ANSWERS =
      """
      Account 1 pays 100 of its 1,000. The answer to COMMIT is lost.

                           the client knows   the database holds
      no retry             unknown            [900, 350], paid 100
      a retry              done, attempt 2    [800, 450], paid 200
      a retry with an ID   done, attempt 2    [900, 350], paid 100

      Without a retry, the client does not know whether it has paid.
      With a retry, it pays twice, and reports success.
      With an ID, the retry finds the transfer in the ledger, and pays nothing.
      """;

  static String output(Script script) throws Exception {
    Script.Result result = script.timeLimit(LIMIT).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    return result.out();
  }

  // ---- Errors ----

  @Test
  void anUnknownDatabaseIsNoConnection() throws Exception {
    String url = bank.url().replace(bank.database(), "no_such_bank");
    for (String lesson : List.of("LostUpdate", "LostAnswer")) {
      assertError(5, "error: .*(no_such_bank|no database).*", Script.of(lesson, "--url=" + url));
    }
  }

  static void assertError(int status, String line, Script script) throws Exception {
    Script.Result result = script.timeLimit(LIMIT).run();
    assertEquals("", result.out());
    assertTrue(result.err().strip().matches(line), result::err);
    assertEquals(status, result.status());
  }

  // ---- What is true ----

  private List<Long> lessonBalances() {
    String select = "SELECT balance FROM lesson_accounts ORDER BY id";
    return bank.ask(root -> root.select(select).mapTo(Long.class).list());
  }

  private int count(String table) {
    return bank.ask(
        root -> root.select("SELECT count(*) FROM " + table).mapTo(Integer.class).one());
  }

  private List<String> tables() {
    String select = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    return bank.ask(root -> root.select(select).mapTo(String.class).list());
  }
}
