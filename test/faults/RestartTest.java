import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Work goes on, exactly, on a server that is killed or stopped and started again. */
@ParameterizedClass(name = "secure: {0}")
@ValueSource(booleans = {false, true})
@Timeout(120)
class RestartTest {

  private static final int WORKERS = 6;

  /** Of each worker: so many that the last is made long after the server was killed. */
  private static final int TRANSFERS = 2_000;

  private static Postgres server;

  @BeforeParameterizedClassInvocation
  static void startServer(boolean secure) throws IOException {
    server = secure ? Postgres.secure() : Postgres.insecure();
  }

  @AfterParameterizedClassInvocation
  static void stopServer() {
    server.close();
  }

  RestartTest(boolean secure) {
    assertEquals(secure, server.isSecure());
  }

  @Test
  void killedTwiceAmidTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    TransferClient[] clients = clients(bank);
    TransferClient.Work work = TransferClient.start(List.of(clients), TRANSFERS);
    for (int kill = 1; kill <= 2; kill++) {
      Watch.of(bank).awaitTransfers(500 * kill);
      server.killHard();
      assertTrue(work.isUnderWay(), "ended before it was killed");
      server.startAgain();
    }
    work.await();
    assertEquals(TRANSFERS * WORKERS, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients);
    for (TransferClient client : clients) {
      assertTrue(client.retries().size() >= 2, client.retries()::toString);
      client.close();
    }
  }

  /** A draining server ends connections with 57P01 and refuses new ones with 57P03. */
  @Test
  void drainedAmidTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    TransferClient[] clients = clients(bank);
    TransferClient.Work work = TransferClient.start(List.of(clients), TRANSFERS);
    Watch.of(bank).awaitTransfers(500);
    try (Handle last = server.asSuperuser(bank.database()).open()) {
      drain(last);
      assertTrue(work.isUnderWay(), "ended before it was drained");
      for (TransferClient client : clients) {
        // A client that sends when the server closes the connection may not read why.
        client.awaitRetryAfter("57P01|08006");
        client.awaitRetryAfter("57P03");
      }
      server.stop();
    }
    server.startAgain();
    work.await();
    assertEquals(TRANSFERS * WORKERS, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients);
    Stream.of(clients).forEach(TransferClient::close);
  }

  private static TransferClient[] clients(Bank bank) {
    return IntStream.range(0, WORKERS)
        .mapToObj(worker -> TransferClient.of(bank, server.port()))
        .toArray(TransferClient[]::new);
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

  /** A whole run: once while it makes its tables, and once while it makes its accounts. */
  @Test
  void killedTwiceAmidARun() throws Exception {
    Bank bank = Bank.create(server);
    Handle blocker = server.asSuperuser(bank.database()).open();
    // A table of the same name that is not committed yet makes the statement wait.
    blocker.execute("BEGIN; CREATE TABLE accounts (id INT8)");
    try (Script.Running running = bank.script("--accounts=50000", "--transfers=20").start()) {
      Watch.of(bank).awaitBlocked(1);
      server.killHard();
      server.startAgain();
      Watch.of(bank).awaitAccounts(1_000);
      Handle other = server.asSuperuser(bank.database()).open();
      other.execute("BEGIN; LOCK TABLE accounts IN SHARE MODE");
      Watch.of(bank).awaitBlocked(1);
      server.killHard();
      server.startAgain();
      ScriptOutput output =
          new ScriptOutput(running.await()).assertDone().assertLedgerOf(bank).assertTotalOf(bank);
      assertTrue(output.failedAttempts().count() >= 2, output::toString);
      assertEquals(50_000, output.accounts());
      assertEquals(50_000, bank.balances().size());
      assertEquals(20, bank.ledger().size());
    }
  }
}
