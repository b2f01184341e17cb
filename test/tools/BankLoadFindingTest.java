import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** The audit finds what is done behind its back, on both databases, and raises no false alarm. */
@Timeout(120)
class BankLoadFindingTest extends EachServer {

  private static final String ONE_IS_WRONG =
      "account \\d+ must hold [\\d,]+ by the ledger and holds [\\d,]+";

  private static final String TWO_ARE_WRONG = ONE_IS_WRONG + "; 2 accounts are wrong";

  private static final String TRANSFER = "(SELECT id FROM transfers WHERE amount > 0 LIMIT 1)";

  /** What is done behind its back, and the fault that the audit must find. */
  private record Change(String fault, String... statements) {

    boolean isOfLedger() {
      return statements[0].contains("transfers");
    }
  }

  private static final String TAKE_ONE =
      "UPDATE accounts SET balance = balance - 1"
          + " WHERE id = (SELECT id FROM accounts WHERE balance > 0 ORDER BY id LIMIT 1)";

  private static final List<Change> CHANGES =
      List.of(
          new Change(
              "the total balance must be 50,000,000 and is 50,000,007",
              "UPDATE accounts SET balance = balance + 7 WHERE id = 1000"),
          new Change(
              TWO_ARE_WRONG,
              "UPDATE accounts SET balance = balance + CASE WHEN id = 1000 THEN 1 ELSE -1 END"
                  + " WHERE id IN (1000, (SELECT id FROM accounts WHERE id > 1000"
                  + " AND balance > 0 LIMIT 1))"),
          new Change(ONE_IS_WRONG, TAKE_ONE, "INSERT INTO accounts VALUES (1, 1)"),
          new Change(
              "the total balance must be (at least )?50,000,000 and is 49,999,999",
              TAKE_ONE,
              "INSERT INTO accounts VALUES (1, 0)"),
          new Change(
              "there must be 50 accounts and there are 49",
              "DELETE FROM accounts WHERE id = 50000"),
          new Change("(account|the ledger) .*", "DELETE FROM transfers WHERE id = " + TRANSFER),
          new Change(
              TWO_ARE_WRONG, "UPDATE transfers SET amount = amount + 1 WHERE id = " + TRANSFER),
          new Change(
              TWO_ARE_WRONG,
              "INSERT INTO transfers SELECT gen_random_uuid(), 1000, 2000, 5, now()"));

  /**
   * A change of the balances ends a run that would go on for minutes. The ledger as a whole is read
   * at the end only. All of them are made at the same time, on a bank each.
   */
  @Test
  void changesBehindItsBackAreFound() throws Exception {
    List<Executable> ends = new ArrayList<>();
    for (Change change : CHANGES) {
      Bank bank = Watch.bankWithAccounts(server, 50);
      String end = change.isOfLedger() ? "--transfers=30" : "--duration=5m";
      var load = LoadRun.begin(bank.url(), end, "--rate=10", "--concurrency=2");
      disturb(bank, change.statements);
      ends.add(() -> assertFound(change.fault, LoadRun.end(load)));
    }
    assertAll(ends);
  }

  private static void assertFound(String fault, LoadRun run) {
    run.assertStatus(4);
    String error = run.err().lines().filter(line -> line.startsWith("error")).findFirst().get();
    assertTrue(error.matches("error: (" + fault + ")"), error + "\nis not like\n" + fault);
    assertTrue(run.out().contains("audit failed"), run::out);
  }

  /** What others do by the rules is no fault; what cannot be known of it is in the result. */
  @Test
  void othersMayAddAccountsAndMakeTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 50);
    Bank shared = Watch.bankWithAccounts(server, 50);
    String[] arguments = {"--transfers=150", "--rate=50", "--concurrency=2"};
    CompletableFuture<LoadRun> load = LoadRun.begin(bank.url(), arguments);
    CompletableFuture<LoadRun> one = LoadRun.begin(shared.url(), arguments);
    disturb(bank, "INSERT INTO accounts VALUES (1, 12345)");
    Watch.of(shared).awaitTransfers(1);
    LoadRun.of(shared, "--transfers=40", "--concurrency=2").assertDone();
    String out = LoadRun.end(load).assertDone().out().replaceAll("\\s+", " ");
    String unknown = "Others added 1 accounts with 12,345: what these held at first is unknown";
    assertTrue(out.contains(unknown) && out.contains("no money lost"), out);
    LoadRun.end(one).assertDone();
    assertEquals(190, shared.ledger().size());
  }

  private static void disturb(Bank bank, String... statements) throws Exception {
    Watch.of(bank).awaitTransfers(3);
    bank.ask(
        root -> {
          root.execute("SET default_transaction_isolation = 'read committed'");
          root.useTransaction(change -> Stream.of(statements).forEach(change::execute));
          return null;
        });
  }
}
