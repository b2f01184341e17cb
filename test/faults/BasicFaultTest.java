import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** BankBasic repeats what did not happen, and nothing else: its transfer has no ID. */
@Timeout(120)
class BasicFaultTest extends EachServer {

  private static final String UPDATE = "UPDATE basic_accounts";

  private Bank bank;
  private FaultProxy proxy;

  @BeforeEach
  void openProxy() {
    bank = Bank.create(server);
    proxy = FaultProxy.to(server.port());
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void itRepeatsWhatDidNotHappen() throws Exception {
    List<FaultProxy.Fault> faults =
        List.of(
            proxy.when(UPDATE).first(1).answerError("40001", "restart transaction"),
            proxy.when(UPDATE).first(1).cutBeforeServer(),
            proxy.when(UPDATE).first(1).cutAfterServer(),
            proxy.when(UPDATE).first(1).answerErrorAfterServer("XXUUU", "code = Unavailable"),
            // The commit of the accounts is the first.
            proxy.when("COMMIT").everyNth(2).answerError("40P01", "no"));
    FaultProxy.Fault cut = proxy.when("ROLLBACK").first(1).cutBeforeServer();
    Script.Result result = run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::toString);
    new ScriptOutput(result).assertDone();
    faults.forEach(fault -> assertEquals(1, fault.injected()));
    assertEquals(1, cut.injected());
    assertEquals(faults.size(), result.err().lines().count(), result::toString);
    assertBalances(900, 350);
  }

  @Test
  void itDoesNotKnowWhetherCommitSucceeded() throws Exception {
    FaultProxy.Fault cut = proxy.when("COMMIT").everyNth(2).cutAfterServer();
    Script.Result result = run();
    assertEquals(1, cut.injected());
    assertEquals(3, result.status(), result::toString);
    assertTrue(BasicTest.OUTPUT.startsWith(result.out()), result::toString);
    assertFalse(result.out().contains("Transferred"), result::toString);
    assertTrue(result.err().startsWith("error: COMMIT was sent, "), result::toString);
    assertEquals(1, result.err().lines().count(), result::toString);
    assertBalances(900, 350);
  }

  /** Whatever the error is, unless it says that the transaction was rolled back. */
  @Test
  void anErrorOfCommitLeavesTheOutcomeUnknown() {
    for (String sqlState : List.of("40003", "XX000")) {
      proxy.when("COMMIT").first(1).answerErrorAfterServer(sqlState, "lost");
      var failure =
          assertThrows(
              BankBasic.UnknownOutcomeException.class,
              () -> BankBasic.inTransaction(jdbi(), handle -> handle.execute("SELECT 1")));
      assertEquals(sqlState, BankSecure.sqlState(failure));
    }
  }

  /** Without a primary key there may be two accounts with one ID, or none. */
  @Test
  void aTransferThatDoesNotChangeTwoAccountsIsRolledBack() throws Exception {
    bank.execute(
        "CREATE TABLE basic_accounts (id INT8, balance INT8)",
        "INSERT INTO basic_accounts VALUES (1, 1000), (2, 250), (2, 250)",
        "GRANT ALL ON basic_accounts TO maxroach");
    for (long target : List.of(2, 3)) {
      assertThrows(
          IllegalStateException.class,
          () -> BankBasic.inTransaction(jdbi(), h -> BankBasic.transfer(h, 1, target, 100)));
    }
    assertBalances(1000, 250, 250);
  }

  private Jdbi jdbi() {
    return BankBasic.Database.connect(bank.urlThrough(proxy.port()));
  }

  private Script.Result run() throws Exception {
    return Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port())).run();
  }

  private void assertBalances(Integer... expected) {
    String balances = "SELECT balance FROM basic_accounts ORDER BY id";
    List<Integer> found = bank.ask(root -> root.createQuery(balances).mapTo(Integer.class).list());
    assertEquals(List.of(expected), found);
  }
}
