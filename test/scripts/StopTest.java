import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ctrl-C and SIGTERM end a run within seconds, and it tells exactly what it did. */
@Timeout(60)
class StopTest extends OneServer {

  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void amidTransfers(String signal, int status) throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (Script.Running running =
        bank.script("--accounts=0", "--transfers=1000000", "--concurrency=4").start()) {
      Watch.of(bank).awaitTransfers(300);
      Told told = stop(running, signal, 5).assertStatus(status).assertLedgerOf(bank);
      assertEquals(told.failedAttempts().count(), told.result().err().lines().count());
      assertEquals(told.failedAttempts().count(), told.retries());
      assertTrue(told.transfers() >= 300);
      assertTrue(
          told.result().out().contains("Total balance: 100,000,000 before, 100,000,000 after."));
      assertTrue(
          told.result()
              .out()
              .contains("the ledger has %1$,d of %1$,d".formatted(told.transfers())));
      bank.assertExact(atFirst);
    }
  }

  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void amidTheCreationOfAccounts(String signal, int status) throws Exception {
    Bank bank = Bank.create(server);
    try (Script.Running running = bank.script("--accounts=5000000", "--transfers=1000").start()) {
      Watch.of(bank).awaitAccounts(5_000);
      Told told = stop(running, signal, 5).assertStatus(status).assertLedgerOf(bank);
      assertEquals("", told.result().err());
      assertEquals(bank.balances().size(), told.accounts());
      assertEquals(0, told.transfers());
    }
  }

  @TestFactory
  Stream<DynamicTest> amidTrouble() {
    return Scenario.together(
        new Scenario("while connections are frozen", StopTest::whileConnectionsAreFrozen),
        new Scenario("while the server is frozen", StopTest::whileTheServerIsFrozen),
        new Scenario("while the server is gone", StopTest::whileTheServerIsGone),
        new Scenario("frozen amid accounts", StopTest::frozenAmidAccounts),
        new Scenario("frozen before any write", StopTest::frozenBeforeAnyWrite));
  }

  /** What the server did and could not tell is looked up on a new connection. */
  private static void whileConnectionsAreFrozen() throws Exception {
    stopWhileFrozen(proxy -> {}, 0);
  }

  private static void whileTheServerIsFrozen() throws Exception {
    stopWhileFrozen(FaultProxy::freezeConnections, 2);
  }

  private static void stopWhileFrozen(Consumer<FaultProxy> newConnections, int unknown)
      throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy)) {
      Watch.of(bank).awaitTransfers(100);
      FaultProxy.Fault freeze = proxy.when("INSERT INTO transfers").freezeAfterServer();
      newConnections.accept(proxy);
      Watch.await(freeze, 2);
      Told told = stop(running, "INT", 11).assertStatus(130).assertLedgerOf(bank);
      assertEquals(unknown, told.unknown().size(), told.result()::toString);
      bank.assertExact(atFirst);
    }
  }

  private static void whileTheServerIsGone() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy)) {
      Watch.of(bank).awaitTransfers(100);
      proxy.refuseConnections();
      proxy.cutAll();
      running.awaitText("attempt 3 failed");
      Told told = stop(running, "INT", 11).assertStatus(130).assertLedgerOf(bank);
      assertEquals(2, told.unknown().size(), told.result()::toString);
      bank.assertExact(atFirst);
    }
  }

  private static void frozenAmidAccounts() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = bank.scriptThrough(proxy.port(), "--accounts=5000000").start()) {
      Watch.of(bank).awaitAccounts(5_000);
      FaultProxy.Fault freeze = proxy.when("INSERT INTO accounts").freezeAfterServer();
      proxy.freezeConnections();
      Watch.await(freeze, 1);
      Told told = stop(running, "TERM", 11).assertStatus(143);
      assertTrue(
          told.result().err().contains("not known whether this was committed: 1000 accounts"),
          told.result()::toString);
    }
  }

  private static void frozenBeforeAnyWrite() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault freeze =
          proxy.when("CREATE TABLE IF NOT EXISTS accounts").freezeBeforeServer();
      try (Script.Running running = bank.scriptThrough(proxy.port()).start()) {
        Watch.await(freeze, 1);
        stop(running, "INT", 11).assertStatus(130);
      }
    }
  }

  private static Script.Running endlessTransfers(Bank bank, FaultProxy proxy) throws Exception {
    return bank.scriptThrough(
            proxy.port(), "--accounts=0", "--transfers=1000000", "--concurrency=2")
        .start();
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
