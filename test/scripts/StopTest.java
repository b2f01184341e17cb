import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** Ctrl-C and SIGTERM end a run within seconds, and it tells exactly what it did. */
@Timeout(60)
class StopTest extends OneServer {

  private static final int QUICKLY = 10;
  private static final int AFTER_ITS_PATIENCE = 20;

  @TestFactory
  Stream<DynamicTest> stops() {
    return Scenario.together(
        new Scenario("INT amid transfers", () -> amidTransfers("INT", 130)),
        new Scenario("TERM amid transfers", () -> amidTransfers("TERM", 143)),
        new Scenario("amid the creation of accounts", StopTest::amidAccounts),
        new Scenario("while the server is frozen", StopTest::whileTheServerIsFrozen),
        new Scenario("while the server is gone", StopTest::whileTheServerIsGone));
  }

  private static void amidTransfers(String signal, int status) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (Script.Running running = endlessTransfers(bank, server.port())) {
      Watch.of(bank).awaitTransfers(300);
      Told told = stop(running, signal, QUICKLY).assertStatus(status);
      told.assertLedgerOf(bank).assertTotalOf(bank);
      assertEquals("", told.result().err());
      assertTrue(told.transfers() >= 300);
      bank.assertExact(atFirst);
    }
  }

  private static void amidAccounts() throws Exception {
    Bank bank = Bank.create(server);
    try (Script.Running running = bank.script("--accounts=1000000", "--transfers=1000").start()) {
      Watch.of(bank).awaitAccounts(3_000);
      Told told = stop(running, "INT", QUICKLY).assertStatus(130).assertTotalOf(bank);
      assertEquals("", told.result().err());
      assertEquals(bank.balances().size(), told.accounts());
      assertEquals(0, bank.ledger().size());
      assertEquals(0, told.transfers());
    }
  }

  /** The transfer under way was made, and nobody can tell: its ID is. */
  private static void whileTheServerIsFrozen() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy.port())) {
      Watch.of(bank).awaitTransfers(100);
      FaultProxy.Fault freeze = proxy.when("INSERT INTO transfers").freezeAfterServer();
      proxy.freezeConnections();
      Watch.await(freeze, 1);
      assertUnknown(bank, stop(running, "INT", AFTER_ITS_PATIENCE));
      bank.assertExact(atFirst);
    }
  }

  private static void whileTheServerIsGone() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy.port())) {
      Watch.of(bank).awaitTransfers(100);
      FaultProxy.Fault cut = proxy.when("INSERT INTO transfers").cutAfterServer();
      proxy.refuseConnections();
      Watch.await(cut, 1);
      running.awaitText("attempt 3 failed");
      assertUnknown(bank, stop(running, "TERM", AFTER_ITS_PATIENCE));
      bank.assertExact(atFirst);
    }
  }

  private static void assertUnknown(Bank bank, Told told) {
    told.assertLedgerOf(bank);
    assertEquals(1, told.unknown().size(), told.result()::toString);
    Set<?> ledger = bank.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    assertTrue(ledger.containsAll(told.unknown()), told.result()::toString);
  }

  private static Script.Running endlessTransfers(Bank bank, int port) throws Exception {
    return bank.scriptThrough(port, "--accounts=0", "--transfers=1000000").start();
  }

  private static Told stop(Script.Running running, String signal, int seconds) throws Exception {
    long start = System.nanoTime();
    running.signal(signal);
    Told told = new Told(running.await());
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertTrue(took.compareTo(Duration.ofSeconds(seconds)) <= 0, () -> took + " " + told.result());
    return told;
  }
}
