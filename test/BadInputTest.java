import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/**
 * Input that no script can work with: it says so, and leaves the database as it was. BankSecure
 * reads it with the same code as BankInsecure, so that one case of a kind is enough for it.
 */
@Timeout(180)
class BadInputTest extends TwoServers {

  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0))";
  private static final String ENTRIES =
      "CREATE TABLE transfers (id UUID PRIMARY KEY, source INT8, target INT8, amount INT8,"
          + " created_at TIMESTAMPTZ)";
  private static final String TWO_ACCOUNTS =
      "INSERT INTO accounts (id, balance) VALUES (3, 1000), (4, 0)";
  private static final String ALL_GRANTED = "GRANT ALL ON ALL TABLES IN SCHEMA public TO maxroach";

  @TestFactory
  Stream<DynamicTest> commandLines() {
    Bank bank = Bank.create(insecure);
    List<String[]> lines =
        List.of(
            new String[] {"--accounts=-1"},
            new String[] {"--accounts=2147483648"},
            new String[] {"--accounts=99999999999999999999"},
            new String[] {"--accounts=1e3"},
            new String[] {"--accounts="},
            new String[] {"--accounts"},
            new String[] {"--transfers=-1"},
            new String[] {"--transfers=99999999999999999999"},
            new String[] {"--transfers=many"},
            new String[] {"--concurrency=0"},
            new String[] {"--concurrency=1000000"},
            new String[] {"--seed=99999999999999999999"},
            new String[] {"--seed=x"},
            new String[] {"--force-retries=-1"},
            new String[] {"--retry-timeout=0"},
            new String[] {"--retry-timeout=-5"},
            new String[] {"--no-such-option"},
            new String[] {"--accounts=1", "--accounts=2"},
            new String[] {"stray"},
            new String[] {"--init", "stray", "words"},
            new String[] {"--accounts=1\nerror: two lines"},
            new String[] {"--accounts=0"},
            new String[] {"--accounts=1"},
            new String[] {"--accounts=1", "--transfers=2147483647"});
    List<Case> cases = new ArrayList<>();
    for (String[] line : lines) {
      cases.add(unchanged(String.join(" ", line), bank, 2, bank.script(line)));
    }
    Bank secureBank = Bank.create(secure);
    cases.add(unchanged("BankSecure", secureBank, 2, secureBank.script("--accounts=-1")));
    cases.add(
        unchanged("BankBasic", bank, 2, Script.of("BankBasic", "--url=" + bank.url(), "stray")));
    cases.add(unchanged("BankBasic --accounts", bank, 2, Script.of("BankBasic", "--accounts=1")));
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> urls() {
    List<Case> cases = new ArrayList<>();
    for (String url :
        List.of(
            "nonsense",
            "localhost:26257",
            "http://maxroach:geheim@localhost:26257/bank",
            "jdbc:mysql://maxroach:geheim@localhost/bank",
            "postgresql:/localhost/bank",
            "postgresql://maxroach:geheim@localhost:port/bank",
            "postgresql://maxroach:geheim@localhost:0/bank",
            "postgresql://maxroach:geheim@localhost:65536/bank",
            "postgresql://maxroach:geheim@localhost:-1/bank",
            "postgresql://maxroach:geheim@localhost:1:2/bank",
            "postgresql://maxroach:geheim@local host/bank",
            "postgresql://maxroach:geheim@[::1/bank",
            "postgresql://maxroach:geheim@a,,b/bank",
            "postgresql://maxroach:geheim@localhost,/bank",
            "postgresql://maxroach:geheim@localhost/bank/more",
            "postgresql://maxroach:geheim%@localhost/bank",
            "postgresql://maxroach:geheim@localhost/%zz",
            "postgresql://maxroach:geheim/x@localhost",
            "postgresql://maxroach:geheim?x@localhost",
            "postgresql://maxroach:geheim/x@localhost:26257/bank",
            "postgresql://maxroach:geheim#x@localhost:0/bank")) {
      cases.add(new Case(url, Script.of("BankInsecure", "--url=" + url), new ErrorForm(2)));
      // It leaves more to the driver, which looks for hosts of strange names.
      Case.Check basic = result -> new ErrorForm(result.status() == 5 ? 5 : 2).check(result);
      cases.add(new Case("BankBasic " + url, Script.of("BankBasic", "--url=" + url), basic));
    }
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> tablesOfAnotherShape() {
    Map<String, String[]> shapes = new TreeMap<>();
    shapes.put("no balance", new String[] {"CREATE TABLE accounts (id INT8 PRIMARY KEY)"});
    shapes.put("no id", new String[] {"CREATE TABLE accounts (number INT8, balance INT8)"});
    shapes.put(
        "a text for ID",
        new String[] {
          "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INT8)",
          "INSERT INTO accounts VALUES ('a', 100), ('b', 50)"
        });
    shapes.put(
        "a UUID for ID",
        new String[] {"CREATE TABLE accounts (id UUID PRIMARY KEY, balance INT8)"});
    shapes.put(
        "too small an ID",
        new String[] {"CREATE TABLE accounts (id INT2 PRIMARY KEY, balance INT8)"});
    shapes.put(
        "a text for balance",
        new String[] {"CREATE TABLE accounts (id INT8 PRIMARY KEY, balance TEXT)"});
    shapes.put(
        "a column more that wants a value",
        new String[] {
          "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8, owner TEXT NOT NULL)"
        });
    shapes.put("no unique ID", new String[] {"CREATE TABLE accounts (id INT8, balance INT8)"});
    shapes.put(
        "a view",
        new String[] {"CREATE VIEW accounts AS SELECT 1::INT8 AS id, 5::INT8 AS balance"});
    shapes.put(
        "a ledger without amount",
        new String[] {ACCOUNTS, TWO_ACCOUNTS, "CREATE TABLE transfers (id UUID PRIMARY KEY)"});
    shapes.put(
        "a ledger with a number for ID",
        new String[] {ACCOUNTS, TWO_ACCOUNTS, ENTRIES.replace("UUID", "INT8")});
    List<Case> cases = new ArrayList<>();
    shapes.forEach(
        (shape, statements) -> {
          for (Server server : shape.equals("no balance") ? both() : List.of(insecure)) {
            Bank bank = Bank.create(server);
            bank.execute(statements);
            bank.execute(ALL_GRANTED);
            String accounts = shape.contains("ledger") ? "--accounts=0" : "--accounts=5";
            cases.add(unchanged(name(server) + ", " + shape, bank, 1, bank.script(accounts)));
          }
          // With a text or a small number it can work.
          if (!shape.matches(".*(ledger|text|small).*")) {
            Bank bank = Bank.create(insecure);
            bank.execute(statements);
            bank.execute(ALL_GRANTED);
            cases.add(
                unchanged(
                    "BankBasic, " + shape, bank, 1, Script.of("BankBasic", "--url=" + bank.url())));
          }
        });
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> withoutPrivilege() {
    Map<String, String[]> rights = new TreeMap<>();
    rights.put("none", new String[0]);
    rights.put("to read accounts", new String[] {"GRANT SELECT ON accounts TO maxroach"});
    rights.put("to read all", new String[] {"GRANT SELECT ON accounts, transfers TO maxroach"});
    rights.put(
        "but for the ledger",
        new String[] {
          "GRANT ALL ON accounts TO maxroach", "GRANT SELECT ON transfers TO maxroach"
        });
    rights.put(
        "but to update",
        new String[] {
          "GRANT SELECT, INSERT ON accounts TO maxroach", "GRANT ALL ON transfers TO maxroach"
        });
    List<Case> cases = new ArrayList<>();
    rights.forEach(
        (right, grants) -> {
          for (Server server : right.equals("none") ? both() : List.of(insecure)) {
            Bank bank = Bank.create(server);
            bank.execute(ACCOUNTS, ENTRIES, TWO_ACCOUNTS);
            bank.execute(grants);
            cases.add(
                unchanged(
                    name(server) + ", rights: " + right,
                    bank,
                    1,
                    bank.script("--accounts=0"),
                    "permission denied"));
          }
        });
    Bank bank = Bank.create(insecure);
    bank.execute(ACCOUNTS, TWO_ACCOUNTS, "GRANT SELECT, INSERT ON accounts TO maxroach");
    cases.add(
        unchanged(
            "BankBasic",
            bank,
            1,
            Script.of("BankBasic", "--url=" + bank.url()),
            "permission denied"));
    Bank closed = Bank.create(insecure);
    closed.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    cases.add(unchanged("no right to create tables", closed, 1, closed.script(), "schema"));
    return Case.tests(cases);
  }

  @TestFactory
  Stream<DynamicTest> readOnlyServers() {
    List<Case> cases = new ArrayList<>();
    for (boolean tables : List.of(true, false)) {
      for (Server server : both()) {
        Bank bank = readOnly(server, tables);
        cases.add(
            unchanged(
                name(server) + (tables ? ", with tables" : ", empty"),
                bank,
                1,
                bank.script(),
                "read-only"));
      }
      Bank bank = readOnly(insecure, tables);
      cases.add(
          unchanged(
              "BankBasic" + (tables ? ", with tables" : ", empty"),
              bank,
              1,
              Script.of("BankBasic", "--url=" + bank.url()),
              "read-only"));
    }
    return Case.tests(cases);
  }

  /** What fails in the transfer's statement takes all of it back. */
  @TestFactory
  Stream<DynamicTest> balancesThatCannotBeMoved() throws Exception {
    Map<String, String> balances = new TreeMap<>();
    balances.put("a sum beyond INT8", "(3, 9223372036854775807), (4, 9223372036854775807)");
    balances.put("an unknown balance", "(3, NULL), (4, 100)");
    List<Case> cases = new ArrayList<>();
    for (Map.Entry<String, String> balance : balances.entrySet()) {
      Bank bank = Bank.create(insecure);
      bank.runQuietly("--accounts=0", "--transfers=0");
      bank.execute(
          "ALTER TABLE accounts ALTER COLUMN balance DROP NOT NULL",
          "INSERT INTO accounts (id, balance) VALUES " + balance.getValue());
      cases.add(unchanged(balance.getKey(), bank, 1, bank.script("--accounts=0")));
    }
    return Case.tests(cases);
  }

  /** So that the comparison below is known to see a change. */
  @Test
  void everyChangeShows() {
    Bank bank = Bank.create(insecure);
    for (String statement :
        List.of(
            ACCOUNTS,
            TWO_ACCOUNTS,
            "UPDATE accounts SET balance = balance + id",
            ENTRIES,
            "INSERT INTO transfers (id) VALUES ('" + UUID.randomUUID() + "')")) {
      Map<String, List<String>> before = tables(bank);
      bank.execute(statement);
      assertNotEquals(before, tables(bank), statement);
    }
  }

  private static Bank readOnly(Server server, boolean tables) {
    Bank bank = Bank.create(server);
    if (tables) {
      bank.execute(ACCOUNTS, ENTRIES, TWO_ACCOUNTS, ALL_GRANTED);
    }
    bank.execute("ALTER DATABASE " + bank.database() + " SET default_transaction_read_only = on");
    return bank;
  }

  private static Case unchanged(
      String name, Bank bank, int status, Script script, String... words) {
    Map<String, List<String>> before = tables(bank);
    ErrorForm form = new ErrorForm(status, words);
    return new Case(
        name,
        script,
        result -> {
          form.check(result);
          Map<String, List<String>> after = tables(bank);
          // A script may have made its own tables, as long as they are empty.
          after
              .keySet()
              .removeIf(table -> !before.containsKey(table) && rows(bank, table).isEmpty());
          assertEquals(before, after, result::err);
        });
  }

  /** Every table's columns and rows. */
  private static Map<String, List<String>> tables(Bank bank) {
    String names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    Map<String, List<String>> tables = new TreeMap<>();
    for (String table : strings(bank, names)) {
      List<String> content =
          new ArrayList<>(
              strings(
                  bank,
                  "SELECT column_name || ' ' || data_type FROM information_schema.columns"
                      + " WHERE table_schema = 'public' AND table_name = '%s' ORDER BY 1"
                          .formatted(table)));
      content.addAll(rows(bank, table));
      tables.put(table, content);
    }
    return tables;
  }

  private static List<String> rows(Bank bank, String table) {
    return strings(bank, "SELECT CAST(t AS TEXT) FROM " + table + " t ORDER BY 1");
  }

  private static List<String> strings(Bank bank, String query) {
    return bank.ask(root -> root.createQuery(query).mapTo(String.class).list());
  }

  private static List<LocalServer> both() {
    return List.of(insecure, secure);
  }

  private static String name(Server server) {
    return server.isSecure() ? "BankSecure" : "BankInsecure";
  }
}
