import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Scanner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the lessons print is true: the database is asked, and keeps its other tables. */
@Timeout(300)
class LessonTest extends EachServer {

  /** On a machine that others use too, transfers take longer, and so do their conflicts. */
  private static final Duration LIMIT = Duration.ofSeconds(150);

  private static final String ANSWERS =
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

  private Bank bank;

  @BeforeEach
  void createBank() {
    bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 77)");
  }

  @AfterEach
  void keepsOtherTables() {
    assertEquals(Map.of(1L, 77L), bank.balances());
  }

  @Test
  void onlySerializableWithALoopCommitsAllAndKeepsTheTotal() throws Exception {
    String out = output(Script.of("LostUpdate", "--url=" + bank.url()));
    Row weak = Row.of("READ COMMITTED", out);
    long lost = LostUpdate.TOTAL - weak.total();
    String verdict = lost > 0 ? "lost %,d: " : lost < 0 ? "created %,d out of nothing: " : "kept ";
    if (out.contains("READ COMMITTED is not allowed here")) {
      assertTrue(kind.isCockroach());
      assertEquals(0, lost);
    } else {
      assertEquals(0, weak.failed());
      String line = "\nREAD COMMITTED " + verdict.formatted(Math.abs(lost));
      assertTrue(out.contains(line), out);
    }
    Row strict = Row.of("SERIALIZABLE", out);
    assertTrue(strict.failed() > 0, out);
    assertEquals(LostUpdate.TOTAL, strict.total());
    assertTrue(out.contains("rolled back " + strict.failed() + " transfers"), out);
    Row retried = Row.of("SERIALIZABLE a loop", out);
    assertEquals(new Row(0, retried.retries(), LostUpdate.TOTAL), retried);
    assertTrue(out.contains("after " + retried.retries() + " retries"), out);
    assertEquals(List.of("accounts"), tables());
  }

  /** A row of the table that LostUpdate prints. */
  private record Row(long failed, long retries, long total) {
    static Row of(String way, String output) {
      Matcher row = Pattern.compile("\n" + way + "  +(\\d.*)").matcher(output.replace(",", ""));
      assertTrue(row.find(), output);
      Scanner numbers = new Scanner(row.group(1));
      long committed = numbers.nextLong();
      Row read = new Row(numbers.nextLong(), numbers.nextLong(), numbers.nextLong());
      assertEquals(LostUpdate.TRANSFERS, committed + read.failed(), output);
      return read;
    }
  }

  @Test
  void onlyAnIdMakesARetrySafe() throws Exception {
    // No password is printed.
    String url = bank.url().replace("maxroach@", "maxroach:secret@");
    assertEquals(ANSWERS, output(Script.of("LostAnswer").environment("DATABASE_URL", url)));
    assertEquals(List.of("accounts"), tables());
    // A connection with TLS loses the answer too.
    Bank secure = Bank.create(secureServer());
    String certs = "--certs-dir=" + secure.server().certs();
    assertEquals(ANSWERS, output(Script.of("LostAnswer", "--url=" + secure.url(), certs)));
  }

  @Test
  void whatIsPrintedIsTheDatabases() throws Exception {
    Properties settings = BankInsecure.settings(bank.url());
    Jdbi jdbi = BankInsecure.connect(settings);
    TransactionIsolationLevel weak = TransactionIsolationLevel.READ_COMMITTED;
    LostUpdate.Outcome outcome = LostUpdate.play(jdbi, weak, 1);
    assertEquals(lessonBalances().stream().mapToLong(Long::longValue).sum(), outcome.total());
    assertEquals(outcome.isolation() == weak, outcome.total() != LostUpdate.TOTAL);
    var lucky = new LostUpdate.Outcome(weak, LostUpdate.TRANSFERS, 0, LostUpdate.TOTAL);
    assertTrue(LostUpdate.verdict(lucky).startsWith("kept the total this time, by chance"));

    LostAnswer.makeBreakable(settings);
    assertAnswer("unknown", List.of(900L, 350L), LostAnswer.play(jdbi, 1, false));
    assertAnswer("done, attempt 2", List.of(800L, 450L), LostAnswer.play(jdbi, 2, false));
    assertAnswer("done, attempt 2", List.of(900L, 350L), LostAnswer.play(jdbi, 2, true));
  }

  private void assertAnswer(String known, List<Long> balances, LostAnswer.Outcome outcome) {
    assertEquals(new LostAnswer.Outcome(known, balances), outcome);
    assertEquals(balances, lessonBalances());
  }

  @Test
  void anUnknownDatabaseIsNoConnection() throws Exception {
    String url = "--url=" + bank.url().replace(bank.database(), "no_such_bank");
    assertError(5, "error: .*(no_such_bank|no database).*", Script.of("LostAnswer", url));
  }

  @Test
  void errorsAreOneLineEach() throws Exception {
    Assumptions.assumeFalse(kind.isCockroach(), "it makes no difference");
    assertError(2, "error: (?!.*secret).*", Script.of("LostUpdate", "--ulr=secret"));
    assertError(2, "error: (?!.*secret).*", Script.of("LostAnswer", "--url=secret"));
    assertError(
        5,
        "error: cannot connect to localhost:1: Connection refused.*",
        Script.of("LostUpdate", "--url=postgresql://maxroach@localhost:1/bank"));
    assertError(
        5,
        "error: .*does not support SSL.*\nThat cluster is insecure: add \\?sslmode=disable .*",
        Script.of("LostAnswer", "--url=postgresql://maxroach@localhost:" + server.port()));
  }

  private static void assertError(int status, String line, Script script) throws Exception {
    Script.Result result = script.run();
    assertEquals("", result.out());
    assertTrue(result.err().strip().matches(line), result::err);
    assertEquals(status, result.status());
  }

  private static String output(Script script) throws Exception {
    Script.Result result = script.timeLimit(LIMIT).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    return result.out();
  }

  private List<Long> lessonBalances() {
    String select = "SELECT balance FROM lesson_accounts ORDER BY id";
    return bank.ask(root -> root.select(select).mapTo(Long.class).list());
  }

  private List<String> tables() {
    String select = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    return bank.ask(root -> root.select(select).mapTo(String.class).list());
  }
}
