import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.MatchResult;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/**
 * A server that answers no more ends a run, at the latest five seconds after its --retry-timeout,
 * and the run says what it does not know. Most of each is waiting, so all wait at the same time.
 */
@Timeout(120)
class GivingUpTest extends OneServer {

  private static final String TRANSFER = "INSERT INTO transfers";
  private static final Duration GRACE = Duration.ofSeconds(5);

  @TestFactory
  Stream<DynamicTest> givesUp() {
    return Scenario.together(
        new Scenario("gone amid transfers", GivingUpTest::goneAmidTransfers),
        new Scenario("gone for one worker", GivingUpTest::goneForOneWorker),
        new Scenario("gone before any write", GivingUpTest::goneBeforeAnyWrite),
        new Scenario("gone amid accounts", GivingUpTest::goneAmidAccounts),
        new Scenario("frozen amid transfers", GivingUpTest::frozenAmidTransfers),
        new Scenario("frozen before any write", GivingUpTest::frozenBeforeAnyWrite),
        new Scenario("frozen amid accounts", GivingUpTest::frozenAmidAccounts),
        new Scenario("unknown but in the ledger", GivingUpTest::unknownButInTheLedger),
        new Scenario("one, unknown but in the ledger", GivingUpTest::unknownButInTheLedgerAlone),
        new Scenario("unknown to the ledger too", GivingUpTest::unknownToTheLedgerToo),
        new Scenario("40003 to every attempt", GivingUpTest::unknownEachTime),
        new Scenario("40001 to every attempt", GivingUpTest::rolledBackEachTime));
  }

  private static void goneAmidTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy, 4, 5)) {
      Watch.of(bank).awaitTransfers(200);
      proxy.refuseConnections();
      proxy.cutAll();
      Told told = endsWithin(running, 5);
      told.assertStatus(3).assertLedgerOf(bank);
      assertFalse(told.unknown().isEmpty());
      bank.assertExact(atFirst);
    }
  }

  /** Where one worker gets no connection, none begins a transfer. */
  private static void goneForOneWorker() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault pause = pauseAt(proxy, "CREATE TABLE IF NOT EXISTS transfers");
      try (Script.Running running = endlessTransfers(bank, proxy, 2, 5)) {
        Watch.await(pause, 1);
        proxy.refuseConnections();
        Told told = endsWithin(running, 6);
        told.assertStatus(5).assertLedgerOf(bank);
        assertEquals(0, told.transfers());
        assertEquals(atFirst, bank.balances());
      }
    }
  }

  private static void goneBeforeAnyWrite() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault pause = pauseAt(proxy, "CREATE TABLE IF NOT EXISTS accounts");
      try (Script.Running running = bank.scriptThrough(proxy.port(), "--retry-timeout=5").start()) {
        Watch.await(pause, 1);
        proxy.refuseConnections();
        proxy.cutAll();
        endsWithin(running, 5).assertStatus(5);
      }
    }
  }

  private static void goneAmidAccounts() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessAccounts(bank, proxy, 5)) {
      Watch.of(bank).awaitAccounts(5_000);
      proxy.refuseConnections();
      proxy.cutAll();
      assertNamesAccounts(endsWithin(running, 5));
    }
  }

  private static void frozenAmidTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessTransfers(bank, proxy, 2, 6)) {
      Watch.of(bank).awaitTransfers(200);
      proxy.when(TRANSFER).freezeAfterServer();
      proxy.freezeConnections();
      Told told = endsWithin(running, 6);
      told.assertStatus(3).assertLedgerOf(bank);
      assertEquals(2, told.unknown().size());
      assertTrue(ledgerIds(bank).containsAll(told.unknown()));
      bank.assertExact(atFirst);
    }
  }

  private static void frozenBeforeAnyWrite() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault freeze =
          proxy.when("CREATE TABLE IF NOT EXISTS accounts").freezeBeforeServer();
      try (Script.Running running = bank.scriptThrough(proxy.port(), "--retry-timeout=6").start()) {
        Watch.await(freeze, 1);
        proxy.freezeConnections();
        endsWithin(running, 6).assertStatus(5);
      }
    }
  }

  private static void frozenAmidAccounts() throws Exception {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port());
        Script.Running running = endlessAccounts(bank, proxy, 6)) {
      Watch.of(bank).awaitAccounts(5_000);
      proxy.when("INSERT INTO accounts").freezeBeforeServer();
      proxy.freezeConnections();
      assertNamesAccounts(endsWithin(running, 6));
    }
  }

  private static void unknownButInTheLedger() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 2);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      rollBackSecondAttempts(proxy);
      proxy.when(TRANSFER).oncePerTransfer().cutAfterServer();
      Told told = run(bank, proxy, "--transfers=2", "--retry-timeout=2");
      told.assertDone().assertLedgerOf(bank);
      assertEquals(2, told.transfers());
    }
  }

  private static void unknownButInTheLedgerAlone() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 2);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      rollBackSecondAttempts(proxy);
      proxy.when(TRANSFER).oncePerTransfer().cutAfterServer();
      Told told = run(bank, proxy, "--transfers=1", "--retry-timeout=2").assertDone();
      Bank.Entry entry = bank.ledger().get(0);
      assertTrue(
          told.result().out().contains("Transfer " + entry.id() + " moved 500,000"),
          told.result()::toString);
    }
  }

  private static void unknownToTheLedgerToo() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 2);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      rollBackSecondAttempts(proxy);
      proxy.when(TRANSFER).oncePerTransfer().cutBeforeServer();
      Told told = run(bank, proxy, "--transfers=2", "--retry-timeout=2");
      told.assertStatus(3).assertLedgerOf(bank);
      assertEquals(0, told.transfers());
      assertEquals(1, told.unknown().size(), told.result()::toString);
    }
  }

  private static void unknownEachTime() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 2);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when(TRANSFER).answerError("40003", "not known");
      Told told = run(bank, proxy, "--transfers=2", "--retry-timeout=2");
      told.assertStatus(3).assertLedgerOf(bank);
      assertEquals(0, told.transfers());
      assertEquals(1, told.unknown().size(), told.result()::toString);
    }
  }

  /**
   * The pauses are random below bounds of 20, 40 and so on to 640 and then 1,000 ms. So 10 s hold
   * about 26 attempts. That 40 pauses below 1 s should together be shorter than 10 s has a
   * probability below 1e-7: more than 6 + 40 + 1 attempts are not to be.
   */
  private static void rolledBackEachTime() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 2);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault faults = proxy.when(TRANSFER).answerError("40001", "restart it");
      Told told = run(bank, proxy, "--transfers=2", "--retry-timeout=10");
      told.assertStatus(1).assertLedgerOf(bank);
      assertEquals(0, told.transfers());
      List<MatchResult> failed = told.failedAttempts().toList();
      assertEquals(faults.injected(), failed.size() + 1);
      assertTrue(faults.injected() <= 47, () -> faults.injected() + " attempts");
      // A pause is below 1 s, and only a pause may overstep the 10 s.
      assertTrue(faults.injected() >= 10, () -> faults.injected() + " attempts");
      for (int attempt = 1; attempt <= failed.size(); attempt++) {
        MatchResult pause = failed.get(attempt - 1);
        assertEquals(attempt, Integer.parseInt(pause.group(1)));
        assertTrue(
            Integer.parseInt(pause.group(2)) < Math.min(1_000, 10L << attempt), pause::group);
      }
    }
  }

  private static Told run(Bank bank, FaultProxy proxy, String transfers, String retryTimeout)
      throws Exception {
    return new Told(
        bank.scriptThrough(proxy.port(), "--accounts=0", transfers, retryTimeout).run());
  }

  private static void rollBackSecondAttempts(FaultProxy proxy) {
    Set<Object> seen = ConcurrentHashMap.newKeySet();
    proxy
        .when(exchange -> exchange.contains(TRANSFER) && !seen.add(exchange.uuid()))
        .answerError("40001", "restart it");
  }

  private static Script.Running endlessTransfers(
      Bank bank, FaultProxy proxy, int workers, int retryTimeout) throws Exception {
    return bank.scriptThrough(
            proxy.port(),
            "--accounts=0",
            "--transfers=1000000",
            "--concurrency=" + workers,
            "--retry-timeout=" + retryTimeout)
        .start();
  }

  private static Script.Running endlessAccounts(Bank bank, FaultProxy proxy, int retryTimeout)
      throws Exception {
    return bank.scriptThrough(proxy.port(), "--accounts=1000000", "--retry-timeout=" + retryTimeout)
        .start();
  }

  private static FaultProxy.Fault pauseAt(FaultProxy proxy, String words) {
    return proxy.when(words).first(1).delay(Duration.ofSeconds(1), Duration.ZERO);
  }

  private static Told endsWithin(Script.Running running, int retryTimeout) throws Exception {
    long start = System.nanoTime();
    Told told = new Told(running.await());
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertTrue(
        took.compareTo(GRACE.plusSeconds(retryTimeout)) <= 0, () -> took + " " + told.result());
    return told;
  }

  private static void assertNamesAccounts(Told told) {
    told.assertStatus(3);
    String error =
        told.result().err().lines().filter(l -> l.startsWith("error: ")).findFirst().orElse("");
    assertTrue(
        error.matches(
            "error: it is not known whether this was committed:"
                + " 1000 accounts, the first of them \\d+"),
        told.result()::toString);
  }

  private static Set<UUID> ledgerIds(Bank bank) {
    return bank.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
  }
}
