import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How often a run waits for the network, counted by a proxy. */
@Timeout(60)
class RoundTripTest extends EachServer {

  @Test
  void aStatementIsARoundTripAndATransferAStatement() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.mark();
      Script.Result result =
          bank.scriptThrough(proxy.port(), "--accounts=2500", "--transfers=9").run();
      assertEquals(0, result.status(), result::toString);

      List<String> statements = proxy.statements();
      assertEquals(1, proxy.connectionsOpened());
      assertEquals(1 + statements.size(), proxy.roundTrips(), statements::toString);
      long inserts = statements.stream().filter(s -> s.contains("INSERT INTO accounts")).count();
      assertEquals(3, inserts, "1,000 accounts in a statement");
      int first = indexOf(statements, "INSERT INTO transfers");
      assertEquals(
          1, Set.copyOf(statements.subList(first, first + 9)).size(), "something in between");
      assertEquals(first + 10, statements.size(), statements::toString);
      assertEquals(9, bank.ledger().size());
      assertEquals(2_510, bank.balances().size());
    }
  }

  private static int indexOf(List<String> statements, String words) {
    for (int i = 0; i < statements.size(); i++) {
      if (statements.get(i).contains(words)) {
        return i;
      }
    }
    throw new AssertionError("no " + words + " in " + statements);
  }
}
