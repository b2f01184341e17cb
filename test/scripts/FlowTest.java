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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The main job on every kind of server: what the scripts say they did, the database confirms. */
@ParameterizedClass
@EnumSource(ServerKind.class)
@Timeout(120)
class FlowTest {

  private static Server server;

  @Parameter ServerKind kind;

  @BeforeParameterizedClassInvocation
  static void startServer(ServerKind kind) throws IOException {
    server = kind.start();
  }

  @AfterParameterizedClassInvocation
  static void stopServer() {
    server.close();
  }

  @Test
  void eachRunMakesAHundredAccountsAndATransfer() throws Exception {
    Bank bank = Bank.create(server);
    assertDefaultRun(bank, 0, bank.runQuietly());
    Map<Long, Long> ofTheFirst = bank.balances();
    assertDefaultRun(bank, 100, bank.runQuietly());
    assertTrue(bank.balances().keySet().containsAll(ofTheFirst.keySet()));
  }

  @Test
  void transfersAloneAreToldInALineEachAndThenInOne() throws Exception {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 1000), (2, 2000), (3, 0)",
        "GRANT ALL ON accounts TO maxroach");
    Map<Long, Long> before = bank.balances();
    Script.Result result = bank.script("--accounts=0", "--transfers=12", "--echo").run();
    List<String> lines = result.out().lines().toList();
    assertEquals(14, lines.size(), result::toString);
    assertEquals("Accounts: 3 found, 0 created.", lines.get(1));
    assertEquals("Made 2 more transfers.", lines.get(12));
    Told told = new Told(result).assertStatus(0).assertTotalOf(bank).assertLedgerOf(bank);
    assertEquals(12, told.transfers());
    bank.assertExact(before);
    assertEchoes(result.err().lines().toList());
  }

  /** A statement a line, in their order. */
  private static void assertEchoes(List<String> echoed) {
    List<String> beginnings =
        List.of(
            "SELECT version()",
            "CREATE TABLE IF NOT EXISTS accounts",
            "CREATE TABLE IF NOT EXISTS transfers",
            "SELECT id FROM accounts",
            "SELECT coalesce(sum(balance), 0)");
    for (int i = 0; i < beginnings.size(); i++) {
      assertTrue(echoed.get(i).startsWith(beginnings.get(i)), echoed::toString);
    }
    assertEquals(
        12, echoed.stream().filter(line -> line.contains("INSERT INTO transfers")).count());
    assertEquals(beginnings.size() + 13, echoed.size(), echoed::toString);
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
  void accountsThatAreThereStayAsTheyAre() {
    Bank bank = bankWithTables("(1, 1000), (2, 9)");
    try (Handle handle = bank.connect(server.port()).open()) {
      long[] ids = {2, 5};
      assertEquals(1, BankSecure.insertAccounts(handle, ids, new long[] {7, 8}));
      assertEquals(0, BankSecure.insertAccounts(handle, ids, new long[] {7, 8}));
      assertEquals(Map.of(1L, 1000L, 2L, 9L, 5L, 8L), bank.balances());
    }
  }

  @Test
  void aTotalBeyondALong() {
    long most = Long.MAX_VALUE;
    Bank bank = bankWithTables("(1, %d), (2, %d)".formatted(most, most));
    try (Handle handle = bank.connect(server.port()).open()) {
      assertEquals(
          BigDecimal.valueOf(most).multiply(BigDecimal.valueOf(2)), BankSecure.totalBalance(handle));
    }
  }

  @Test
  void ofVeryManyAccountsAMillionAreChosenFrom() {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE VIEW accounts AS SELECT id, 1 AS balance FROM generate_series(1, 1000001) AS id",
        "GRANT SELECT ON accounts TO maxroach");
    try (Handle handle = bank.connect(server.port()).open()) {
      assertEquals(1_000_000, BankSecure.accountIds(handle).size());
    }
  }

  /** What it finds of the two accounts it sets back, and leaves all others as they are. */
  @Test
  void basicPrintsTheFourBalances(@TempDir Path directory) throws Exception {
    Bank bank = bankWithTables("(1, 7), (3, 50)");
    String url = basicUrl(bank, directory);
    assertBasic(bank, Script.of("BankBasic", "--url=" + url));
    assertBasic(bank, Script.of("BankBasic").environment("DATABASE_URL", url));
  }

  private static void assertBasic(Bank bank, Script script) throws Exception {
    Script.Result result = script.run();
    assertEquals(BasicTest.OUTPUT, result.out(), result::err);
    assertEquals("", result.err());
    assertEquals(0, result.status());
    assertEquals(Map.of(1L, 900L, 2L, 350L, 3L, 50L), bank.balances());
  }

  /** BankBasic leaves TLS to the driver, so the URL names the files, with a key it can read. */
  private static String basicUrl(Bank bank, Path directory) throws IOException {
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

  /** A bank with the scripts' own tables and these rows, of an ID and a balance each. */
  private static Bank bankWithTables(String rows) {
    Bank bank = Bank.create(server);
    try (var session = Teller.sessionOf(bank)) {
      BankSecure.createTables(session);
    }
    bank.execute("INSERT INTO accounts VALUES " + rows);
    return bank;
  }

  /** The four lines of a run that made 100 accounts and a transfer, and the database after it. */
  private static void assertDefaultRun(Bank bank, int found, List<String> lines) {
    assertEquals(4, lines.size(), lines::toString);
    match(
        lines.get(0),
        "Connected to (PostgreSQL|CockroachDB)\\b.* \\S*\\d at localhost:%d, database %s, user maxroach; %s\\."
            .formatted(
                server.port(),
                bank.database(),
                server.isSecure() ? "certificate verified" : "not encrypted"));
    assertEquals("Accounts: %d found, 100 created.".formatted(found), lines.get(1));
    MatchResult transfer = match(lines.get(2), "Moved ([\\d,]+) from (\\d+) to (\\d+)\\.");
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
