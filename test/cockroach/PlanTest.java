import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each statement finds its rows by key. One that reads all accounts would conflict with every other
 * one, for under SERIALIZABLE what was read counts.
 */
@Timeout(600)
class PlanTest extends OnCockroach {

  private static final String FULL_SCAN = "FULL SCAN|Seq Scan on accounts";

  /** What would have to be done about one in a generic plan. */
  private static final String REMEDY =
      "If this is a generic plan, ask for custom ones: in settings(…) of BankInsecure and"
          + " BankSecure let the line 'String isolation = …' end in \" -c"
          + " plan_cache_mode=force_custom_plan\".\n";

  @ParameterizedTest
  @ValueSource(ints = {2, 100, 100_000})
  void accountsAreFoundByKey(int accounts) {
    Bank bank = bank(server, accounts);
    for (boolean analyzed : new boolean[] {false, true}) {
      if (analyzed) {
        bank.execute("ANALYZE accounts", "ANALYZE transfers");
      }
      for (String mode : List.of("force_custom_plan", "force_generic_plan", "auto")) {
        for (SentStatement statement : statementsOfTwins(bank)) {
          assertFoundByKey(bank, statement, mode);
        }
      }
      // BankBasic's id IN (?, ?) is a full scan in a generic plan (cockroachdb/cockroach#128916),
      // which costs more than the custom one, so that auto, the default, does not take it.
      for (String mode : List.of("force_custom_plan", "auto")) {
        for (SentStatement statement : statementsOfBasic(bank)) {
          assertFoundByKey(bank, statement, mode);
        }
      }
    }
  }

  /** So that the look at the plan is known to work where no cockroach is. */
  static final class OnPostgresTest {

    @Test
    void accountsAreFoundByKey() throws Exception {
      try (Server postgres = LocalCluster.insecure()) {
        Bank bank = bank(postgres, 100_000);
        bank.execute("ANALYZE");
        for (String mode : List.of("force_custom_plan", "force_generic_plan", "auto")) {
          statementsOfTwins(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
          statementsOfBasic(bank).forEach(statement -> assertFoundByKey(bank, statement, mode));
        }
        SentStatement total = statements(bank, BankInsecure::totalBalance).get(0);
        assertTrue(plans(bank, total, "auto").get(0).contains("Seq Scan on accounts"));
      }
    }
  }

  /** A bank whose accounts have the IDs from 1 on, and 1,000 each. */
  private static Bank bank(Server server, int accounts) {
    Bank bank = Bank.create(server);
    try (BankSecure.Session session = Teller.sessionOf(bank)) {
      BankSecure.createTables(session);
      session.run(
          handle ->
              handle.execute(
                  "INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, ?) AS series (i)",
                  accounts));
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
          handle.registerRowMapper(ConstructorMapper.factory(BankBasic.Account.class));
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
      assertFalse(plan.matches("(?s).*(" + FULL_SCAN + ").*"), REMEDY + shown);
      if (mode.equals("force_generic_plan") && bank.server() instanceof Cockroach) {
        assertTrue(plan.contains("plan type: generic"), "no generic plan:\n" + shown);
      }
    }
  }
}
