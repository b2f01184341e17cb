import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work goes on, exactly, on a server that is killed or stopped and started again. */
@Timeout(120)
class RestartTest {

  private static Postgres server;

  @BeforeAll
  static void startServer() throws IOException {
    server = Postgres.secure();
  }

  @AfterAll
  static void stopServer() {
    server.close();
  }

  /** A draining server ends connections with 57P01 and refuses new ones with 57P03. */
  @Test
  void killedAndDrainedAmidTransfers() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    Map<Long, Long> atFirst = bank.balances();
    List<TransferClient> clients =
        Stream.generate(() -> TransferClient.of(bank, server.port())).limit(4).toList();
    TransferClient.Work work = TransferClient.start(clients, Integer.MAX_VALUE);
    Watch.of(bank).awaitTransfers(200);
    server.killHard();
    server.startAgain();
    Watch.of(bank).awaitTransfers(bank.ledger().size() + 200);
    for (TransferClient client : clients) {
      client.awaitRetryAfter("08...");
    }
    try (Handle last = server.asSuperuser(bank.database()).open()) {
      drain(last);
      for (TransferClient client : clients) {
        // A client that sends when the server closes the connection may not read why.
        client.awaitRetryAfter("57P01|08006");
        client.awaitRetryAfter("57P03");
      }
      server.stop();
    }
    server.startAgain();
    Watch.of(bank).awaitTransfers(bank.ledger().size() + 200);
    clients.forEach(TransferClient::stop);
    work.await();
    TransferClient.assertExact(bank, atFirst, clients.toArray(TransferClient[]::new));
    clients.forEach(TransferClient::close);
  }

  /** Begins a smart shutdown, which waits for the last connection, and ends all the others. */
  private static void drain(Handle last) throws IOException {
    assertTrue(server.postmaster().destroy());
    last.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            + " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
  }
}
