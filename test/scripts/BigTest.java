import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many accounts: in statements of a bounded size, and in a memory that holds little but IDs. */
@Timeout(180)
class BigTest {

  private static final int MANY = 200_000;

  @Test
  void manyAccountsFitIntoLittleMemory() throws Exception {
    try (Server server = LocalCluster.insecure();
        FaultProxy proxy = FaultProxy.to(server.port())) {
      Bank bank = Bank.create(server);
      proxy.mark();
      assertEquals(
          "Accounts: 0 before, 200,000 created, 200,000 now.",
          accountsLine(bank.scriptThrough(proxy.port(), "--accounts=" + MANY)));
      assertEquals(MANY, count(bank));
      List<String> inserts =
          proxy.statements().stream().filter(s -> s.contains("INSERT INTO accounts")).toList();
      assertTrue(inserts.size() >= MANY / 10_000, () -> "only " + inserts.size() + " statements");
      int begin = proxy.statements().lastIndexOf(inserts.get(0)) - 1;
      assertNotEquals("BEGIN", proxy.statements().get(begin));

      assertEquals(
          "Accounts: 200,000 before, 1,000 created, 201,000 now.",
          accountsLine(bank.script("--accounts=1000", "--transfers=100")));
      assertEquals(MANY + 1_000, count(bank));
      assertEquals(101, bank.ledger().size());
    }
  }

  private static String accountsLine(Script script) throws Exception {
    Script.Result result = script.javaOption("-Xmx40m").timeLimit(Duration.ofSeconds(90)).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    return result.out().lines().toList().get(1);
  }

  private static int count(Bank bank) {
    return bank.ask(
        root -> root.createQuery("SELECT count(*) FROM accounts").mapTo(int.class).one());
  }
}
