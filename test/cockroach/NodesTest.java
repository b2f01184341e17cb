import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Transfers go on, each exactly once, while a cluster of three loses its nodes. */
@Timeout(600)
class NodesTest {

  @Test
  void aNodeIsDrainedAndAnotherKilledAmidTransfers() throws Exception {
    try (Cockroach cluster = Cockroach.startThree()) {
      Bank bank = Workers.bank(cluster);
      try (Workers workers = Workers.start(bank, urls(cluster, bank))) {
        workers.awaitMore(300);

        drainBeforeOurEyes(cluster, 1);
        workers.awaitMore(300);
        int retries = workers.retries().size();
        assertTrue(retries > 0, "no worker was on the node that was drained");

        cluster.kill(2);
        workers.awaitMore(300);
        assertTrue(workers.retries().size() > retries, "no worker was on the node that was killed");

        workers.assertExact();
      }
    }
  }

  /** While a transaction is open on it a node that drains waits, and turns newcomers away. */
  private static void drainBeforeOurEyes(Cockroach cluster, int node) throws Exception {
    String url =
        "jdbc:postgresql://" + cluster.addresses().split(",")[node] + "/bank?sslmode=disable";
    try (Connection open = DriverManager.getConnection(url, "maxroach", null)) {
      open.setAutoCommit(false);
      open.createStatement().execute("SELECT 1");
      CompletableFuture<Void> drained =
          CompletableFuture.runAsync(
              () -> {
                try {
                  cluster.drain(node);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              });
      ServerError told =
          ServerError.await(
              () -> Jdbi.create(url + "&user=maxroach"),
              "server is not accepting clients, try another node");
      assertEquals("57P01", told.sqlState());
      drained.join();
    }
  }

  /** For each node a URL that begins with it and then names the others. */
  private static String[] urls(Cockroach cluster, Bank bank) {
    List<String> hosts = new ArrayList<>(List.of(cluster.addresses().split(",")));
    String[] urls = new String[hosts.size()];
    for (int i = 0; i < urls.length; i++) {
      urls[i] =
          "postgresql://maxroach@%s/%s?sslmode=disable&loadBalanceHosts=false"
              .formatted(String.join(",", hosts), bank.database());
      Collections.rotate(hosts, -1);
    }
    return urls;
  }
}
