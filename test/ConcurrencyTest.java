import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Several runs at the same time on one database: none fails, and no money is lost or made. */
@Timeout(120)
class ConcurrencyTest {

  private static final String[] ONE = {"--seed=1", "--accounts=20", "--transfers=40"};
  private static final String[] OTHER = {"--seed=2", "--accounts=30", "--transfers=40"};

  private static Server server;

  /** What the accounts of both runs hold at first, as their seeds have it. */
  private static Map<Long, Long> seeded;

  @BeforeAll
  static void startServer() throws Exception {
    server = LocalServer.insecure();
    Bank bank = Bank.create(server);
    bank.runQuietly(with(ONE, "--transfers=0"));
    bank.runQuietly(with(OTHER, "--transfers=0"));
    seeded = bank.balances();
    assertEquals(50, seeded.size());
  }

  @AfterAll
  static void stopServer() {
    server.close();
  }

  @RepeatedTest(10)
  void twoRunsOnANewDatabase() throws Exception {
    Bank bank = Bank.create(server);
    assertAllDone(
        together(
            bank.script(with(ONE, "--concurrency=2")),
            bank.script(with(OTHER, "--concurrency=2"))));
    assertEquals(80, bank.ledger().size());
    bank.assertExact(seeded);
  }

  /** One has read which IDs there are and chosen its own, when the other takes just those. */
  @Test
  void twoRunsWithTheSameSeedMakeTwiceTheAccounts() throws Exception {
    Bank bank = Bank.create(server);
    String[] arguments = {"--seed=3", "--accounts=1500", "--transfers=0"};
    CountDownLatch chosen = new CountDownLatch(1);
    CountDownLatch taken = new CountDownLatch(1);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy
          .when("INSERT INTO accounts")
          .first(1)
          .delay(
              () -> {
                chosen.countDown();
                taken.await();
              });
      try (Script.Running one = bank.scriptThrough(proxy.port(), arguments).start()) {
        chosen.await();
        bank.runQuietly(arguments);
        taken.countDown();
        assertAllDone(List.of(one.await()));
      }
    }
    assertEquals(3_000, bank.balances().size());
  }

  @Test
  void eightProcessesOnFiveAccounts() throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=5", "--transfers=0");
    Map<Long, Long> atFirst = bank.balances();
    Script[] scripts =
        IntStream.range(0, 8)
            .mapToObj(process -> bank.script("--accounts=0", "--transfers=250"))
            .toArray(Script[]::new);
    assertFinishedExactly(bank, atFirst, together(scripts));
  }

  @Test
  void eightWorkersOnFiveAccounts() throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=5", "--transfers=0");
    Map<Long, Long> atFirst = bank.balances();
    assertFinishedExactly(
        bank,
        atFirst,
        together(bank.script("--accounts=0", "--transfers=2000", "--concurrency=8")));
  }

  private static void assertFinishedExactly(
      Bank bank, Map<Long, Long> atFirst, List<Script.Result> results) {
    assertAllDone(results);
    assertEquals(2_000, bank.ledger().size());
    bank.assertExact(atFirst);
    long told = results.stream().flatMap(result -> result.err().lines()).count();
    assertTrue(told > 0, "no conflict: not the load that was meant");
    assertEquals(told, results.stream().mapToLong(ConcurrencyTest::retries).sum());
  }

  private static long retries(Script.Result result) {
    Matcher counted = Pattern.compile("Retries: ([\\d,]+)\\.").matcher(result.out());
    return counted.find() ? Long.parseLong(counted.group(1).replace(",", "")) : 0;
  }

  private static void assertAllDone(List<Script.Result> results) {
    for (Script.Result result : results) {
      assertEquals(0, result.status(), result::toString);
      for (String line : result.err().lines().toList()) {
        assertTrue(line.matches("attempt \\d+ .*"), result::toString);
      }
    }
  }

  /** Runs them all at the same time. */
  private static List<Script.Result> together(Script... scripts) throws Exception {
    List<Script.Running> running = new ArrayList<>();
    try {
      for (Script script : scripts) {
        running.add(script.start());
      }
      List<Script.Result> results = new ArrayList<>();
      for (Script.Running run : running) {
        results.add(run.await());
      }
      return results;
    } finally {
      for (Script.Running run : running) {
        run.close();
      }
    }
  }

  private static String[] with(String[] arguments, String last) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.removeIf(argument -> argument.startsWith(last.replaceFirst("=.*", "=")));
    all.add(last);
    return all.toArray(String[]::new);
  }
}
