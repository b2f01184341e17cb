import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs go on, exactly, on a server that is killed or stopped and started again. */
@Timeout(120)
class RestartTest extends TwoServers {

  @Test
  void killedFiveTimesAmidTenThousandTransfers() throws Exception {
    transfersThroughKills(insecure, 10_000, 5);
  }

  @Test
  void killedTwiceAmidTransfersOverTls() throws Exception {
    transfersThroughKills(secure, 3_000, 2);
  }

  private static void transfersThroughKills(LocalCluster server, int transfers, int kills)
      throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    try (Script.Running running =
        bank.script("--accounts=0", "--transfers=" + transfers, "--concurrency=8").start()) {
      for (int kill = 1; kill <= kills; kill++) {
        Watch.of(bank).awaitTransfers(transfers / (kills + 1) * kill);
        server.killHard();
        assertTrue(running.isAlive(), "ended before it was killed");
        server.startAgain();
      }
      Told told = new Told(running.await()).assertDone().assertLedgerOf(bank);
      assertEquals(transfers, told.transfers());
      assertEquals(transfers, bank.ledger().size());
      assertTrue(told.retries() >= 8 * kills, told.result()::toString);
      bank.assertExact(atFirst);
    }
  }

  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void killedDuringCreateTable(boolean isSecure) throws Exception {
    LocalCluster server = isSecure ? secure : insecure;
    Bank bank = Bank.create(server);
    try (Handle blocker = server.asSuperuser(bank.database()).open()) {
      // A table of the same name that is not committed yet makes the statement wait.
      blocker.execute("BEGIN; CREATE TABLE accounts (id INT8)");
      try (Script.Running running = bank.script("--accounts=500", "--transfers=20").start()) {
        Watch.of(bank).awaitBlocked(1);
        server.killHard();
        server.startAgain();
        Told told = new Told(running.await()).assertDone().assertLedgerOf(bank);
        assertTrue(told.retries() > 0);
        assertEquals(500, bank.balances().size());
        assertEquals(20, bank.ledger().size());
      }
    }
  }

  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void killedDuringTheCreationOfAccounts(boolean isSecure) throws Exception {
    LocalCluster server = isSecure ? secure : insecure;
    Bank bank = Bank.create(server);
    try (Script.Running running = bank.script("--accounts=100000", "--transfers=0").start()) {
      Watch.of(bank).awaitAccounts(3_000);
      try (Handle blocker = server.asSuperuser(bank.database()).open()) {
        blocker.execute("BEGIN; LOCK TABLE accounts IN SHARE MODE");
        Watch.of(bank).awaitBlocked(1);
        server.killHard();
      }
      server.startAgain();
      Told told = new Told(running.await()).assertDone();
      assertTrue(told.retries() > 0);
      assertEquals(100_000, told.accounts());
      assertEquals(100_000, bank.balances().size());
    }
  }

  /** A draining server ends connections with 57P01 and refuses new ones with 57P03. */
  @ParameterizedTest(name = "secure: {0}")
  @ValueSource(booleans = {false, true})
  void drainedAmidTransfers(boolean isSecure) throws Exception {
    LocalCluster server = isSecure ? secure : insecure;
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    try (Script.Running running =
        bank.script("--accounts=0", "--transfers=3000", "--concurrency=4").start()) {
      Watch.of(bank).awaitTransfers(500);
      try (Handle last = server.asSuperuser(bank.database()).open()) {
        drain(last);
        running.awaitText("SQLSTATE 57P01");
        running.awaitText("SQLSTATE 57P03");
        server.stop();
      }
      server.startAgain();
      Told told = new Told(running.await()).assertDone().assertLedgerOf(bank);
      assertEquals(3_000, told.transfers());
      assertEquals(3_000, bank.ledger().size());
      bank.assertExact(atFirst);
    }
  }

  /** Begins a smart shutdown, which waits for the last connection, and ends all the others. */
  private static void drain(Handle last) {
    String pidFile = "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)";
    long postmaster = last.createQuery(pidFile).mapTo(long.class).one();
    assertTrue(ProcessHandle.of(postmaster).orElseThrow().destroy());
    last.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            + " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
  }
}
