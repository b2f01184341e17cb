import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How often the scripts wait for the network, counted on the wire. */
@Timeout(60)
class RoundTripTest extends OneServer {

  private FaultProxy proxy;
  private Bank bank;

  @BeforeEach
  void openProxy() {
    proxy = FaultProxy.to(server.port());
    bank = Watch.bankWithAccounts(server, 10);
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  /** Here BEGIN rides along with what comes after it, so it is a statement but no round trip. */
  @Test
  void transferIsOneRoundTripAndNothingComesBetweenTwo() throws Exception {
    List<String> statements =
        run(bank.scriptThrough(proxy.port(), "--accounts=0", "--transfers=9"));
    assertEquals(1, proxy.connectionsOpened());
    assertEquals("SELECT version()", statements.get(0));
    assertTrue(statements.get(1).startsWith("CREATE TABLE"), statements::toString);
    int first = indexOf(statements, "INSERT INTO transfers");
    Set<String> inARow = Set.copyOf(statements.subList(first, first + 9));
    assertEquals(1, inARow.size(), () -> "between the transfers: " + inARow);
    assertEquals(1 + statements.size(), proxy.roundTrips(), statements::toString);
    assertEquals(9, bank.ledger().size());
  }

  @Test
  void accountsAreMadeAThousandAtATimeOutsideAnyTransaction() throws Exception {
    List<String> statements =
        run(bank.scriptThrough(proxy.port(), "--accounts=2500", "--transfers=0"));
    assertEquals(3, statements.stream().filter(s -> s.contains("INSERT INTO accounts")).count());
    assertEquals(1 + statements.size(), proxy.roundTrips(), statements::toString);
    assertEquals(2_510, bank.balances().size());
  }

  @Test
  void basicTransferIsAtMostThreeRoundTrips() throws Exception {
    List<String> statements = run(Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port())));
    assertEquals(1, proxy.connectionsOpened());
    assertTrue(statements.get(0).startsWith("CREATE TABLE"), statements::toString);
    long begins = statements.stream().filter("BEGIN"::equals).count();
    assertEquals(1 + statements.size() - begins, proxy.roundTrips(), "BEGIN rides along");
    int update = indexOf(statements, "UPDATE accounts");
    int begin = statements.subList(0, update).lastIndexOf("BEGIN");
    int commit = update + statements.subList(update, statements.size()).indexOf("COMMIT");
    assertTrue(commit - begin <= 3, () -> statements.subList(begin, commit + 1).toString());
    assertTrue(statements.get(begin + 1).contains("FOR UPDATE"), statements::toString);
  }

  private List<String> run(Script script) throws Exception {
    proxy.mark();
    Script.Result result = script.run();
    assertEquals(0, result.status(), result::err);
    return proxy.statements();
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
