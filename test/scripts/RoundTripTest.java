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
  void openProxy() throws Exception {
    proxy = FaultProxy.to(server.port());
    bank = Bank.create(server);
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void transferIsOneRoundTrip() throws Exception {
    run("--accounts=10", "--transfers=0");
    long few = roundTrips("--accounts=0", "--transfers=5");
    long many = roundTrips("--accounts=0", "--transfers=25");
    assertEquals(20, many - few);
    assertEquals(1, proxy.connectionsOpened());
    List<String> statements = proxy.statements();
    int first = statements.indexOf(transferOf(statements));
    Set<String> inARow = Set.copyOf(statements.subList(first, first + 25));
    assertEquals(1, inARow.size(), () -> "between the transfers: " + inARow);
    assertEquals(30, bank.ledger().size());
  }

  @Test
  void eachWorkerPaysOneConnection() throws Exception {
    run("--accounts=10", "--transfers=0");
    long alone = roundTrips("--accounts=0", "--transfers=40");
    assertEquals(1, proxy.connectionsOpened());
    long four = roundTrips("--accounts=0", "--transfers=40", "--concurrency=4");
    assertTrue(proxy.connectionsOpened() <= 4);
    long repeated = transfersSent() - 40;
    assertEquals(proxy.connectionsOpened() - 1, four - alone - repeated);
  }

  @Test
  void connectingCostsTheStartUpAndTheVersion() throws Exception {
    long roundTrips = roundTrips("--accounts=0", "--transfers=0");
    List<String> statements = proxy.statements();
    assertEquals("SELECT version()", statements.get(0));
    assertTrue(statements.get(1).startsWith("CREATE TABLE"), statements::toString);
    long begins = statements.stream().filter("BEGIN"::equals).count();
    assertEquals(
        1 + statements.size() - begins, roundTrips, () -> "BEGIN rides along: " + statements);
  }

  @Test
  void basicTransferIsAtMostThreeRoundTrips() throws Exception {
    proxy.mark();
    Script.Result result = Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port())).run();
    assertEquals(0, result.status(), result::err);
    List<String> statements = proxy.statements();
    long begins = statements.stream().filter("BEGIN"::equals).count();
    assertEquals(1 + statements.size() - begins, proxy.roundTrips(), "BEGIN rides along");
    int update = indexOf(statements, "UPDATE");
    int begin = statements.subList(0, update).lastIndexOf("BEGIN");
    int commit = update + statements.subList(update, statements.size()).indexOf("COMMIT");
    assertTrue(commit - begin <= 3, () -> statements.subList(begin, commit + 1).toString());
    assertTrue(statements.get(begin + 1).contains("FOR UPDATE"), statements::toString);
  }

  @Test
  void basicConnectsWithTheStartUpAlone() throws Exception {
    proxy.mark();
    Script.of("BankBasic", "--url=" + bank.urlThrough(proxy.port())).run();
    assertEquals(1, proxy.connectionsOpened());
    assertTrue(proxy.statements().get(0).startsWith("CREATE TABLE"), proxy.statements()::toString);
  }

  private long roundTrips(String... arguments) throws Exception {
    proxy.mark();
    run(arguments);
    return proxy.roundTrips();
  }

  private void run(String... arguments) throws Exception {
    Script.Result result = bank.scriptThrough(proxy.port(), arguments).run();
    assertEquals(0, result.status(), result::err);
  }

  private long transfersSent() {
    return proxy.statements().stream().filter(RoundTripTest::isTransfer).count();
  }

  private static String transferOf(List<String> statements) {
    return statements.stream().filter(RoundTripTest::isTransfer).findFirst().orElseThrow();
  }

  private static boolean isTransfer(String statement) {
    return statement.contains("INSERT INTO transfers");
  }

  private static int indexOf(List<String> statements, String beginning) {
    for (int i = 0; i < statements.size(); i++) {
      if (statements.get(i).startsWith(beginning)) {
        return i;
      }
    }
    throw new AssertionError("no " + beginning + " in " + statements);
  }
}
