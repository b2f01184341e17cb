import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.SqlLogger;
import org.jdbi.v3.core.statement.StatementContext;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each statement finds its rows by key, and a transfer locks them. A statement that reads all
 * accounts conflicts with every other one, because under SERIALIZABLE what was read counts.
 */
@Timeout(120)
class PlanTest {

  private Server server;

  @BeforeEach
  void findServer() {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    server = ServerKind.COCKROACHDB_INSECURE.shared();
  }

  /** Of few accounts, too, and often enough for a plan that holds for all values. */
  @ParameterizedTest
  @ValueSource(ints = {2, 10_000})
  void noStatementOfATransferReadsAllAccounts(int accounts) throws Exception {
    Bank bank = bank(accounts);
    bank.execute("ANALYZE accounts", "ANALYZE transfers", "ANALYZE basic_accounts");
    Properties settings = BankInsecure.settings(bank.url());
    settings.setProperty("ApplicationName", bank.database());
    try (Handle handle = BankInsecure.connect(settings).open()) {
      for (int i = 0; i < 20; i++) {
        BankInsecure.insertAccounts(handle, new long[] {i + 1}, new long[] {0});
        BankInsecure.transfer(handle, UUID.randomUUID(), 1_000, 2_000);
        BankBasic.transfer(handle, 1, 2, 1);
      }
      BankInsecure.totalBalance(handle);
    }
    Watch.await(() -> !statements(bank, true).isEmpty());
    List<String> scans = statements(bank, true);
    assertTrue(scans.size() == 1 && scans.get(0).contains("sum("), scans::toString);
    assertTrue(statements(bank, false).size() >= 4, () -> "" + statements(bank, false));
  }

  /** The statements on accounts that read whole tables, or do not, as CockroachDB counts them. */
  private static List<String> statements(Bank bank, boolean isFullScan) {
    String statements =
        "SELECT DISTINCT key FROM crdb_internal.node_statement_statistics"
            + " WHERE application_name = ? AND key LIKE '%accounts%' AND full_scan = ?";
    return bank.ask(
        root -> root.select(statements, bank.database(), isFullScan).mapTo(String.class).list());
  }

  @Test
  void aTransferLocksTheAccountsThatItReads() {
    Bank bank = bank(10);
    List<String> sent = new ArrayList<>();
    SqlLogger recorder =
        new SqlLogger() {
          @Override
          public void logBeforeExecution(StatementContext context) {
            sent.add("EXPLAIN " + context.getStatement());
          }
        };
    try (Handle handle = bank.connect(server.port()).open()) {
      handle.setSqlLogger(recorder);
      BankInsecure.transfer(handle, UUID.randomUUID(), 1_000, 2_000);
      handle.setSqlLogger(SqlLogger.NOP_SQL_LOGGER);
      List<String> plan = handle.select(sent.get(0)).mapTo(String.class).list();
      assertTrue(String.join("\n", plan).contains("locking strength: for update"), plan::toString);
    }
  }

  /** CockroachDB hides most retries, but not once a client has seen a result. */
  @Test
  void openTransactionsOnDisjointAccountsBothCommit() {
    Bank bank = bank(10);
    try (Handle first = bank.connect(server.port()).open();
        Handle second = bank.connect(server.port()).open()) {
      transferInTransaction(first, 1_000, 2_000);
      transferInTransaction(second, 3_000, 4_000);
      second.commit();
      first.commit();
    }
    assertEquals(2, bank.ledger().size());
  }

  private static void transferInTransaction(Handle handle, long source, long target) {
    handle.begin();
    handle.execute("SET LOCAL statement_timeout = '20s'");
    BankSecure.version(handle);
    BankSecure.transfer(handle, UUID.randomUUID(), source, target);
  }

  private Bank bank(int accounts) {
    Bank bank = Watch.bankWithAccounts(server, accounts);
    try (BankSecure.Session session = TransferClient.sessionOf(bank)) {
      BankSecure.createTables(session);
      session.run(
          handle -> {
            BankBasic.createTable(handle);
            return BankBasic.createAccounts(handle);
          });
    }
    return bank;
  }
}
