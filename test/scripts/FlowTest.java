import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The main job on every kind of server: what the samples print, the database confirms. */
@ParameterizedClass
@EnumSource(ServerKind.class)
@Timeout(120)
class FlowTest {

  @Parameter ServerKind kind;

  private Server server;

  @BeforeParameterizedClassInvocation
  static void startServer(ServerKind kind) {
    kind.shared();
  }

  @BeforeEach
  void findServer() {
    server = kind.shared();
  }

  @Test
  void eachRunCreatesAHundredAccountsAndATransfer() throws Exception {
    Bank bank = Bank.create(server);
    assertDefaultRun(bank, 0, bank.runQuietly());
    Map<Long, Long> ofTheFirst = bank.balances();
    assertDefaultRun(bank, 100, bank.runQuietly());
    assertTrue(bank.balances().keySet().containsAll(ofTheFirst.keySet()));
  }

  @Test
  void eachTransferIsALineAndEchoPrintsTheStatements() throws Exception {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 1000), (2, 2000), (3, 0)",
        "GRANT ALL ON accounts TO maxroach");
    Map<Long, Long> before = bank.balances();
    Script.Result result = bank.script("--accounts=0", "--transfers=12", "--echo").run();
    List<String> lines = result.out().lines().toList();
    assertEquals(15, lines.size(), result::toString);
    assertEquals("Accounts: 3 found, 0 created.", lines.get(1));
    ScriptOutput output =
        new ScriptOutput(result).assertStatus(0).assertTotalOf(bank).assertLedgerOf(bank);
    assertEquals(12, output.transfers());
    bank.assertExact(before);
    assertEquals(12, result.err().split("INSERT INTO transfers", -1).length - 1, result::err);
    assertTrue(result.err().startsWith("SELECT version()"), result::err);
  }

  @Test
  void nothingToDoIsDone() throws Exception {
    Bank bank = Bank.create(server);
    List<String> lines = bank.runQuietly("--accounts=0", "--transfers=0");
    assertEquals("Accounts: 0 found, 0 created.", lines.get(1));
    assertEquals("Total balance: 0 before, 0 after.", lines.get(2));
    assertEquals(Map.of(), bank.balances());
    assertEquals(List.of(), bank.ledger());
  }

  @Test
  void aTransferMovesHalfAndOnlyOnce() {
    Bank bank = bankWithTables("(1, 1001), (2, 50), (3, 0)");
    try (Handle handle = bank.connect(server.port()).open()) {
      UUID id = UUID.randomUUID();
      for (int attempt = 1; attempt <= 3; attempt++) {
        assertEquals(500, BankSecure.transfer(handle, id, 1, 2));
        assertEquals(Map.of(1L, 501L, 2L, 550L, 3L, 0L), bank.balances());
      }
      assertEquals(List.of(new Bank.Entry(id, 1, 2, 500)), bank.ledger());

      assertEquals(0, BankSecure.transfer(handle, UUID.randomUUID(), 3, 1));
      assertEquals(2, bank.ledger().size());
      assertNoTransfer(handle, id, 2, 1);
      assertNoTransfer(handle, UUID.randomUUID(), 1, 1);
      assertNoTransfer(handle, UUID.randomUUID(), 1, 4);
      assertNoTransfer(handle, UUID.randomUUID(), 4, 1);
      assertEquals(Map.of(1L, 501L, 2L, 550L, 3L, 0L), bank.balances());
      assertEquals(2, bank.ledger().size());
    }
  }

  private static void assertNoTransfer(Handle handle, UUID id, long source, long target) {
    assertThrows(
        IllegalStateException.class, () -> BankSecure.transfer(handle, id, source, target));
  }

  @Test
  void existingAccountsStayAsTheyAre() {
    Bank bank = bankWithTables("(1, 1000), (2, 9)");
    try (Handle handle = bank.connect(server.port()).open()) {
      long[] ids = {2, 5};
      assertEquals(1, BankSecure.insertAccounts(handle, ids, new long[] {7, 8}));
      assertEquals(0, BankSecure.insertAccounts(handle, ids, new long[] {7, 8}));
      assertEquals(Map.of(1L, 1000L, 2L, 9L, 5L, 8L), bank.balances());
    }
  }

  @Test
  void theTotalMayExceedALong() {
    long most = Long.MAX_VALUE;
    Bank bank = bankWithTables("(1, %d), (2, %d)".formatted(most, most));
    try (Handle handle = bank.connect(server.port()).open()) {
      assertEquals(
          BigDecimal.valueOf(most).multiply(BigDecimal.valueOf(2)),
          BankSecure.totalBalance(handle));
    }
  }

  @Test
  void ofVeryManyAccountsAMillionAreRead() {
    Assumptions.assumeFalse(kind.isSecure(), "it makes no difference");
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE VIEW accounts AS SELECT id, 1 AS balance FROM generate_series(1, 1000001) AS s"
            + " (id)",
        "GRANT SELECT ON accounts TO maxroach");
    try (Handle handle = bank.connect(server.port()).open()) {
      assertEquals(1_000_000, BankSecure.accountIds(handle).size());
    }
  }

  /** It has a table of its own, which each run sets back, and leaves the bank as it is. */
  @Test
  void basicPrintsTheFourBalances(@TempDir Path directory) throws Exception {
    Bank bank = bankWithTables("(1, 7), (3, 50)");
    String url = basicUrl(bank, directory);
    assertBasic(bank, Script.of("BankBasic", "--url=" + url));
    assertBasic(bank, Script.of("BankBasic").environment("DATABASE_URL", url));
    assertEquals(Map.of(1L, 7L, 3L, 50L), bank.balances());
  }

  private static void assertBasic(Bank bank, Script script) throws Exception {
    Script.Result result = script.run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::err);
    assertEquals("", result.err());
    assertEquals(0, result.status());
    String balances = "SELECT balance FROM basic_accounts ORDER BY id";
    assertEquals(
        List.of(900, 350),
        bank.ask(root -> root.createQuery(balances).mapTo(Integer.class).list()));
  }

  /** BankBasic leaves TLS to pgjdbc, so the URL names the files, with a key that pgjdbc reads. */
  private String basicUrl(Bank bank, Path directory) throws IOException {
    if (!server.isSecure()) {
      return bank.url();
    }
    Path key = directory.resolve("client.maxroach.key.pk8");
    Path pem = server.certs().resolve("client.maxroach.key");
    try (PEMParser parser = new PEMParser(Files.newBufferedReader(pem))) {
      Files.write(key, ((PEMKeyPair) parser.readObject()).getPrivateKeyInfo().getEncoded());
    }
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
    return bank.url()
        + "?sslmode=verify-full&sslrootcert=%s&sslcert=%s&sslkey=%s"
            .formatted(
                server.certs().resolve("ca.crt"),
                server.certs().resolve("client.maxroach.crt"),
                key);
  }

  /** A bank with the samples' own tables and these rows, of an ID and a balance each. */
  private Bank bankWithTables(String rows) {
    Bank bank = Bank.create(server);
    try (var session = TransferClient.sessionOf(bank)) {
      BankSecure.createTables(session);
    }
    bank.execute("INSERT INTO accounts VALUES " + rows);
    return bank;
  }

  /** The four lines of a run that created 100 accounts and a transfer, and the database after. */
  private void assertDefaultRun(Bank bank, int found, List<String> lines) {
    assertEquals(4, lines.size(), lines::toString);
    match(
        lines.get(0),
        "Connected to (PostgreSQL|CockroachDB \\w+) v?\\d+\\.\\d\\S* at localhost:%d, database %s, user maxroach; %s\\."
            .formatted(
                server.port(),
                bank.database(),
                server.isSecure() ? "server verified" : "not encrypted"));
    assertEquals("Accounts: %d found, 100 created.".formatted(found), lines.get(1));
    MatchResult transfer = match(lines.get(2), "Transferred ([\\d,]+) from (\\d+) to (\\d+)\\.");
    assertEquals("Total balance: %1$,d before, %1$,d after.".formatted(bank.total()), lines.get(3));

    Map<Long, Long> balances = bank.balances();
    assertEquals(found + 100, balances.size());
    List<Bank.Entry> ledger = bank.ledger();
    assertEquals(found / 100 + 1, ledger.size());
    Bank.Entry last = ledger.get(ledger.size() - 1);
    assertEquals(
        new Bank.Entry(last.id(), number(transfer, 2), number(transfer, 3), number(transfer, 1)),
        last);
    assertNotEquals(last.source(), last.target());
    long left = balances.get(last.source());
    assertTrue(left == last.amount() || left == last.amount() + 1, "not half: " + left + last);
  }

  private static MatchResult match(String line, String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(line);
    assertTrue(matcher.matches(), () -> line + "\nis not like\n" + pattern);
    return matcher;
  }

  private static long number(MatchResult match, int group) {
    return Long.parseLong(match.group(group).replace(",", ""));
  }
}
