import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Several runs at the same time on the same accounts: none fails, and the total stays the same. */
@Timeout(120)
class ConcurrencyTest extends EachServer {

  @Test
  void twoRunsOnFiveAccounts() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 5);
    Map<Long, Long> atFirst = bank.balances();
    bank.runQuietly("--accounts=0", "--transfers=0"); // creates the ledger
    Script script = bank.script("--accounts=0", "--transfers=200");
    try (Script.Running one = script.start();
        Script.Running other = script.start()) {
      new ScriptOutput(one.await()).assertDone().assertTotalOf(bank);
      new ScriptOutput(other.await()).assertDone().assertTotalOf(bank);
    }
    assertEquals(400, bank.ledger().size());
    bank.assertExact(atFirst);
  }

  @Test
  void eightConnectionsOnFiveAccounts() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 5);
    Map<Long, Long> atFirst = bank.balances();
    TransferClient[] clients =
        IntStream.range(0, 8)
            .mapToObj(worker -> TransferClient.of(bank, server.port()))
            .toArray(TransferClient[]::new);
    TransferClient.start(List.of(clients), 100).await();
    assertEquals(800, bank.ledger().size());
    TransferClient.assertExact(bank, atFirst, clients);
    long conflicts =
        Stream.of(clients)
            .flatMap(client -> client.retries().stream())
            .filter(retry -> retry.sqlState().equals("40001"))
            .count();
    // CockroachDB repeats a statement by itself, unless its answer has begun to arrive.
    assertTrue(conflicts > 0 || kind.isCockroach(), "no conflict");
    Stream.of(clients).forEach(TransferClient::close);
  }
}
