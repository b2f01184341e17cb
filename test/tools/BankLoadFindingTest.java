import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** The audit finds what is done behind its back, on both databases, and raises no false alarm. */
@Timeout(240)
class BankLoadFindingTest extends EachServer {

  private static final String FIRST = "(SELECT min(id) FROM accounts)";
  private static final String LAST = "(SELECT max(id) FROM accounts)";

  /** A change of the balances ends a run that would go on for minutes. */
  @TestFactory
  Stream<DynamicTest> changesOfBalancesEndTheRun() {
    return Stream.of(
        change(
            "a balance",
            "there must|the total balance must be 50,000,000 and is 50,000,007",
            "UPDATE accounts SET balance = balance + 7 WHERE id = " + FIRST),
        change(
            "two balances by the same amount",
            "account \\d+ must hold [\\d,]+ by the ledger and holds [\\d,]+"
                + "; 2 accounts are wrong",
            ("UPDATE accounts SET balance = balance + CASE WHEN id = %1$s THEN 1 ELSE -1 END"
                    + " WHERE id IN (%1$s, (SELECT id FROM accounts WHERE id > 1000"
                    + " AND balance > 0 LIMIT 1))")
                .formatted(FIRST)),
        change(
            "an account with the money of another",
            "account \\d+ must hold [\\d,]+ by the ledger and holds [\\d,]+",
            "UPDATE accounts SET balance = balance - 1 WHERE id = "
                + "(SELECT id FROM accounts WHERE balance > 0 ORDER BY id LIMIT 1)",
            "INSERT INTO accounts VALUES (1, 1)"),
        change(
            "an account without money, and money taken",
            "the total balance must be (at least )?50,000,000 and is 49,999,999",
            "UPDATE accounts SET balance = balance - 1 WHERE id = "
                + "(SELECT id FROM accounts WHERE balance > 0 ORDER BY id LIMIT 1)",
            "INSERT INTO accounts VALUES (1, 0)"),
        change(
            "a deleted account",
            "there must be 50 accounts and there are 49",
            "DELETE FROM accounts WHERE id = " + LAST));
  }

  /** The ledger as a whole is read at the end only. */
  @TestFactory
  Stream<DynamicTest> changesOfTheLedgerAreFoundAtTheEnd() {
    String one = "(SELECT id FROM transfers WHERE amount > 0 LIMIT 1)";
    return Stream.of(
        change(
            "a deleted transfer",
            "(account|the ledger) .*",
            "DELETE FROM transfers WHERE id = " + one),
        change(
            "a changed amount",
            "account \\d+ must hold [\\d,]+ by the ledger and holds [\\d,]+"
                + "; 2 accounts are wrong",
            "UPDATE transfers SET amount = amount + 1 WHERE id = " + one),
        change(
            "an added transfer",
            "account \\d+ must hold [\\d,]+ by the ledger and holds [\\d,]+"
                + "; 2 accounts are wrong",
            "INSERT INTO transfers SELECT gen_random_uuid(), 1000, 2000, 5, now()"));
  }

  /** What others do by the rules is no fault; what cannot be known of it is in the result. */
  @TestFactory
  Stream<DynamicTest> othersMayAddAccountsAndMakeTransfers() {
    return Stream.of(
        DynamicTest.dynamicTest(
            "an account",
            () -> {
              Bank bank = Watch.bankWithAccounts(server, 50);
              CompletableFuture<LoadRun> load = LoadRun.begin(bank, "--transfers=150", "--rate=50");
              disturb(bank, "INSERT INTO accounts VALUES (1, 12345)");
              String out = LoadRun.end(load).assertDone().out().replaceAll("\\s+", " ");
              String unknown = "Others added 1 accounts with 12,345: what these held at first is";
              assertTrue(out.contains(unknown), out);
              assertTrue(out.contains("no money lost"), out);
            }),
        DynamicTest.dynamicTest(
            "another load",
            () -> {
              Bank bank = Watch.bankWithAccounts(server, 50);
              CompletableFuture<LoadRun> load =
                  LoadRun.begin(bank, "--json", "--rate=50", "--transfers=600");
              Watch.of(bank).awaitTransfers(20);
              long others =
                  LoadRun.of(bank, "--json", "--transfers=100", "--warm-up=0s")
                      .assertDone()
                      .json()
                      .get("transfersInLedger")
                      .getAsLong();
              assertEquals(
                  others,
                  LoadRun.end(load).assertDone().json().get("transfersOfOthers").getAsLong());
            }));
  }

  private DynamicTest change(String name, String fault, String... statements) {
    return DynamicTest.dynamicTest(
        name,
        () -> {
          Bank bank = Watch.bankWithAccounts(server, 50);
          boolean isOfLedger = statements[0].contains("transfers");
          String end = isOfLedger ? "--transfers=150" : "--duration=5m";
          CompletableFuture<LoadRun> load = LoadRun.begin(bank, end, "--rate=50");
          disturb(bank, statements);
          LoadRun run = LoadRun.end(load);
          assertEquals(4, run.status(), run::toString);
          String error =
              run.err().lines().filter(line -> line.startsWith("error")).findFirst().orElse("");
          assertTrue(error.matches("error: (" + fault + ")"), run::toString);
          assertTrue(run.out().contains("audit failed"), run::out);
        });
  }

  private static void disturb(Bank bank, String... statements) throws Exception {
    Watch.of(bank).awaitTransfers(20);
    bank.ask(
        root -> {
          root.execute("SET default_transaction_isolation = 'read committed'");
          root.useTransaction(change -> Stream.of(statements).forEach(change::execute));
          return null;
        });
  }
}
