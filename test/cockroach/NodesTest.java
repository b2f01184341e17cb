import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Transfers continue, each exactly once, while a cluster of three loses nodes. */
@Timeout(600)
class NodesTest {

  @Test
  void aNodeIsDrainedAndAnotherKilledAmidTransfers() throws Exception {
    try (Cockroach cluster = Cockroach.startThree()) {
      Bank bank = Watch.bankWithAccounts(cluster, 100);
      Map<Long, Long> atFirst = bank.balances();
      List<TransferClient> clients = clients(cluster, bank);

      CompletableFuture<Void> drained = CompletableFuture.runAsync(() -> drain(cluster, 1));
      do {
        TransferClient.start(clients, 100).await();
      } while (!drained.isDone());
      drained.join();
      TransferClient.start(clients, 100).await();
      assertFalse(clients.get(1).retries().isEmpty(), "no retry on the drained node");

      TransferClient.Work work = TransferClient.start(clients, 300);
      Watch.of(bank).awaitTransfers(bank.ledger().size() + 50);
      cluster.kill(2);
      assertTrue(work.isUnderWay(), "ended before it was killed");
      work.await();
      assertFalse(clients.get(2).retries().isEmpty(), "no retry on the killed node");

      TransferClient.assertExact(bank, atFirst, clients.toArray(TransferClient[]::new));
      clients.forEach(TransferClient::close);
    }
  }

  /** While a transaction is open on it, a node that drains waits, and refuses new clients. */
  private static void drain(Cockroach cluster, int node) {
    String url =
        "jdbc:postgresql://" + cluster.addresses().get(node) + "/bank?user=root&sslmode=disable";
    try (Connection open = DriverManager.getConnection(url)) {
      open.setAutoCommit(false);
      open.createStatement().execute("SELECT 1");
      CompletableFuture<ServerError> error =
          CompletableFuture.supplyAsync(
              () ->
                  ServerError.await(
                      () -> Jdbi.create(url), "server is not accepting clients, try another node"));
      cluster.drain(node);
      assertEquals("57P01", error.join().sqlState());
    } catch (IOException | SQLException e) {
      throw new CompletionException(e);
    }
  }

  /** One for each node, which connects to the others when its node is lost. */
  private static List<TransferClient> clients(Cockroach cluster, Bank bank) {
    List<String> hosts = new ArrayList<>(cluster.addresses());
    List<TransferClient> clients = new ArrayList<>();
    for (int node = 0; node < cluster.addresses().size(); node++) {
      String url =
          "postgresql://maxroach@%s/%s?sslmode=disable&loadBalanceHosts=false"
              .formatted(String.join(",", hosts), bank.database());
      clients.add(TransferClient.of(bank, BankInsecure.connect(BankInsecure.settings(url))));
      Collections.rotate(hosts, -1);
    }
    return clients;
  }
}
