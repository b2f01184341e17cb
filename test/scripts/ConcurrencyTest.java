import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Several runs at the same time on one database: none fails, and no money is lost or made. */
@Timeout(120)
class ConcurrencyTest {

  private static final String[] ONE = {"--seed=1", "--accounts=20", "--transfers=40"};
  private static final String[] OTHER = {"--seed=2", "--accounts=30", "--transfers=40"};

  private static final String TRANSFERS =
      "transfers (id UUID PRIMARY KEY, source INT8, target INT8, amount INT8,"
          + " created_at TIMESTAMPTZ)";

  private static Server server;

  /** What the accounts of both runs hold at first, as their seeds have it. */
  private static Map<Long, Long> seeded;

  @BeforeAll
  static void startServer() throws Exception {
    server = LocalCluster.insecure();
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

  /** Both have chosen the same IDs before either can insert them. */
  @Test
  void twoRunsWithTheSameSeedMakeTwiceTheAccounts() throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=0", "--transfers=0");
    Script script = bank.script("--seed=3", "--accounts=1500", "--transfers=0");
    try (Handle lock = server.asSuperuser(bank.database()).open()) {
      lock.begin();
      lock.execute("LOCK TABLE accounts IN SHARE MODE");
      try (Script.Running one = script.start();
          Script.Running other = script.start()) {
        awaitWaiting(lock, one, other);
        lock.commit();
        assertAllDone(List.of(one.await(), other.await()));
      }
    }
    assertEquals(3_000, bank.balances().size());
  }

  /** The other has made the table, and not yet committed it, when this one tries to. */
  @ParameterizedTest
  @ValueSource(strings = {"accounts (id INT8 PRIMARY KEY, balance INT8)", TRANSFERS})
  void tableThatAnotherRunIsMaking(String table) throws Exception {
    Bank bank = Bank.create(server);
    try (Handle other = server.asSuperuser(bank.database()).open()) {
      other.begin();
      other.execute("CREATE TABLE " + table);
      other.execute("ALTER TABLE " + table.replaceFirst(" .*", "") + " OWNER TO maxroach");
      try (Script.Running run = bank.script().start()) {
        awaitWaiting(other, run);
        other.commit();
        assertAllDone(List.of(run.await()));
      }
    }
    assertEquals(100, bank.balances().size());
    assertEquals(1, bank.ledger().size());
  }

  /** Returns once each of the runs waits for what the handle's transaction holds. */
  private static void awaitWaiting(Handle handle, Script.Running... runs) throws Exception {
    String waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while (handle.createQuery(waiting).mapTo(int.class).one() < runs.length) {
      for (Script.Running run : runs) {
        assertTrue(run.isAlive(), run::err);
      }
      Thread.sleep(20);
    }
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
