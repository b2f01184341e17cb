import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each statement finds its rows by key, and a transfer locks them. A statement that reads all
 * accounts conflicts with every other one, because under SERIALIZABLE what was read counts.
 */
@Timeout(600)
class PlanTest extends OnCockroach {

  private static final String FULL_SCAN = "FULL SCAN|Seq Scan on (basic_)?accounts";

  private static final String LOCK = "locking strength: for update";

  @ParameterizedTest
  @ValueSource(ints = {2, 100, 10_000})
  void accountsAreFoundByKey(int accounts) {
    Bank bank = bank(server, accounts);
    for (boolean analyzed : new boolean[] {false, true}) {
      if (analyzed) {
        bank.execute("ANALYZE accounts", "ANALYZE transfers", "ANALYZE basic_accounts");
      }
      // id IN (?, ?) is a full scan in a generic plan (cockroachdb/cockroach#128916), which costs
      // more than the custom one. So auto, the default since v25.2, does not use it.
      for (String mode : modes(bank)) {
        statementsOfTwins(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
        statementsOfBasic(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
        SentStatement transfer = statementsOfTwins(bank).get(1);
        for (String plan : plans(bank, transfer, mode)) {
          assertTrue(plan.contains(LOCK), () -> "no locks:\n" + plan);
        }
      }
    }
  }

  /** A release without plan_cache_mode has custom plans only. */
  private static List<String> modes(Bank bank) {
    boolean known =
        bank.ask(
            root ->
                root.select("SELECT variable FROM [SHOW ALL]").mapTo(String.class).list().stream()
                    .anyMatch("plan_cache_mode"::equals));
    return known ? List.of("force_custom_plan", "auto") : List.of("");
  }

  /** Shows that the test recognizes a plan's full scan, also without a cockroach. */
  static final class OnPostgresTest {

    @Test
    void accountsAreFoundByKey() throws Exception {
      Bank bank = bank(SharedServers.insecure(), 10_000);
      bank.execute("ANALYZE");
      for (String mode : List.of("force_custom_plan", "force_generic_plan", "auto")) {
        statementsOfTwins(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
        statementsOfBasic(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
      }
      SentStatement total = statements(bank, BankInsecure::totalBalance).get(0);
      assertTrue(plans(bank, total, "auto").get(0).contains("Seq Scan on accounts"));
    }
  }

  /** A bank whose accounts have the IDs from 1 on, and 1,000 each. */
  private static Bank bank(Server server, int accounts) {
    Bank bank = Bank.create(server);
    try (BankSecure.Session session = TransferClient.sessionOf(bank)) {
      BankSecure.createTables(session);
      session.run(
          handle -> {
            BankBasic.createTable(handle);
            return null;
          });
    }
    for (String table : List.of("accounts", "basic_accounts")) {
      bank.execute(
          "INSERT INTO %s SELECT i, 1000 FROM generate_series(1, %d) AS series (i)"
              .formatted(table, accounts));
    }
    return bank;
  }

  private static List<SentStatement> statementsOfTwins(Bank bank) {
    UUID id = UUID.randomUUID();
    return statements(
        bank,
        handle -> {
          BankInsecure.insertAccounts(handle, new long[] {1, 2}, new long[] {0, 0});
          BankInsecure.transfer(handle, id, 1, 2);
        });
  }

  private static List<SentStatement> statementsOfBasic(Bank bank) {
    return statements(
        bank,
        handle -> {
          BankBasic.createAccounts(handle);
          BankBasic.transfer(handle, 1, 2, 1);
        });
  }

  private static List<SentStatement> statements(Bank bank, Consumer<Handle> work) {
    return BankInsecure.connect(BankInsecure.settings(bank.url()))
        .withHandle(handle -> SentStatement.by(handle, work));
  }

  /** Of seven times, for auto looks at five custom plans before it makes its choice. */
  private static List<String> plans(Bank bank, SentStatement statement, String mode) {
    String url = bank.url() + "&preferQueryMode=simple";
    return BankInsecure.connect(BankInsecure.settings(url))
        .withHandle(handle -> statement.plans(handle, mode, 7));
  }

  private static void assertFoundByKey(Bank bank, SentStatement statement, String mode) {
    for (String plan : plans(bank, statement, mode)) {
      String shown = mode + ":\n" + statement.text() + "\n" + plan;
      assertTrue(plan.contains("accounts"), shown);
      assertFalse(plan.matches("(?s).*(" + FULL_SCAN + ").*"), shown);
    }
  }
}
