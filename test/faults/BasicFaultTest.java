import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
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
    assertRepeated(
        proxy.when(UPDATE).first(1).cutBeforeServer(),
        proxy.when(UPDATE).first(1).cutAfterServer(),
        proxy.when(UPDATE).first(1).answerError("58C00", "range unavailable"),
        proxy.when(UPDATE).first(1).answerError("XXUUU", "rpc error: code = Unavailable"),
        proxy.when(UPDATE).first(1).answerErrorAfterServer("57014", "canceled"),
        proxy.when(commitOfTransfer()).first(1).answerError("40001", "restart transaction"));
  }

  /** COMMIT was never sent, so nothing is unknown. */
  @Test
  void theConnectionBreaksDuringTheRollbackAfter40001() throws Exception {
    FaultProxy.Fault conflict =
        proxy.when(UPDATE).first(1).answerError("40001", "restart transaction");
    FaultProxy.Fault cut = proxy.when(each -> each.executes("ROLLBACK")).first(1).cutBeforeServer();
    assertRepeated(conflict);
    assertEquals(1, cut.injected());
  }

  private void assertRepeated(FaultProxy.Fault... faults) throws Exception {
    Script.Result result = run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::toString);
    new ScriptOutput(result).assertDone();
    Stream.of(faults).forEach(fault -> assertEquals(1, fault.injected()));
    assertEquals(faults.length, result.err().lines().count(), result::toString);
    assertBalances(900, 350);
  }

  @TestFactory
  Stream<DynamicTest> itDoesNotKnowWhetherCommitSucceeded() {
    return Stream.of(
        unknown("cut", FaultProxy.Rule::cutAfterServer),
        unknown("57014", rule -> rule.answerErrorAfterServer("57014", "canceled")),
        unknown("40003", rule -> rule.answerErrorAfterServer("40003", "result is ambiguous")),
        unknown("XX000", rule -> rule.answerErrorAfterServer("XX000", "internal error")));
  }

  /** What happens to COMMIT. */
  private interface Trouble {
    FaultProxy.Fault happenTo(FaultProxy.Rule commit);
  }

  private DynamicTest unknown(String name, Trouble trouble) {
    return DynamicTest.dynamicTest(
        name,
        () -> {
          FaultProxy.Fault fault = trouble.happenTo(proxy.when(commitOfTransfer()).first(1));
          Script.Result result = run();
          assertEquals(1, fault.injected());
          assertEquals(3, result.status(), result::toString);
          assertTrue(BasicTest.OUTPUT.startsWith(result.out()), result::toString);
          assertFalse(result.out().contains("Transferred"), result::toString);
          assertTrue(result.err().startsWith("error: COMMIT was sent, "), result::toString);
          assertEquals(1, result.err().lines().count(), result::toString);
          assertBalances(900, 350);
        });
  }

  /** The first COMMIT after the UPDATE of a transfer. */
  private static Predicate<FaultProxy.Exchange> commitOfTransfer() {
    AtomicBoolean updated = new AtomicBoolean();
    return exchange -> {
      updated.compareAndSet(false, exchange.contains(UPDATE));
      return updated.get() && exchange.executes("COMMIT");
    };
  }

  @Test
  void theSqlStateIsFoundHoweverDeepItIsWrapped() throws Exception {
    AtomicInteger attempts = new AtomicInteger();
    int answer =
        BankBasic.inTransaction(
            jdbi(),
            handle -> {
              if (attempts.incrementAndGet() == 1) {
                SQLException conflict = new SQLException("restart transaction", "40001");
                throw new IllegalStateException(new RuntimeException(conflict));
              }
              return handle.select("SELECT 42").mapTo(int.class).one();
            });
    assertEquals(42, answer);
    assertEquals(2, attempts.get());
  }

  @Test
  void anUnknownOutcomeKeepsItsCause() {
    proxy.when(each -> each.executes("COMMIT")).first(1).answerErrorAfterServer("40003", "lost");
    var failure =
        assertThrows(
            BankBasic.UnknownOutcomeException.class,
            () -> BankBasic.inTransaction(jdbi(), handle -> handle.execute("SELECT 1")));
    Throwable cause = failure;
    while (!(cause instanceof SQLException)) {
      cause = cause.getCause();
    }
    assertEquals("40003", ((SQLException) cause).getSQLState());
  }

  /** Without a primary key there may be two accounts with one ID, or none. */
  @Test
  void aTransferThatDoesNotChangeTwoAccountsIsRolledBack() throws Exception {
    bank.execute(
        "CREATE TABLE basic_accounts (id INT8, balance INT8)",
        "INSERT INTO basic_accounts VALUES (1, 1000), (2, 250), (2, 250)",
        "GRANT ALL ON basic_accounts TO maxroach");
    assertRolledBack(2);
    assertRolledBack(3);
    assertBalances(1000, 250, 250);
  }

  private void assertRolledBack(long target) {
    assertThrows(
        IllegalStateException.class,
        () ->
            BankBasic.inTransaction(jdbi(), handle -> BankBasic.transfer(handle, 1, target, 100)));
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
