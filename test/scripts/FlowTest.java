import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
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

  private static final String BASIC_OUTPUT = "1 1000\n2 250\n1 900\n2 350\n";

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
  void initMakesUserAndDatabaseOnANewCluster() throws Exception {
    try (Server fresh = kind.startNew()) {
      Bank bank = Bank.of(fresh);
      assertDefaultRun(bank, 0, bank.runQuietly("--init"));
      assertDefaultRun(bank, 100, bank.runQuietly());
      assertDefaultRun(bank, 200, bank.runQuietly("--init"));
    }
  }

  @Test
  void initMakesADatabaseOfAnyName() throws Exception {
    Bank bank = new Bank(server, "Bank \"of\" Ürü");
    String encoded = "Bank%20%22of%22%20%C3%9Cr%C3%BC";
    new Bank(server, encoded).runQuietly("--init", "--accounts=3");
    assertEquals(3, bank.balances().size());
  }

  @Test
  void defaultRunTellsWhatTheDatabaseHolds() throws Exception {
    Bank bank = Bank.create(server);
    assertDefaultRun(bank, 0, bank.runQuietly());
    assertDefaultRun(bank, 100, bank.runQuietly());
  }

  @Test
  void transfersAloneLeaveTheAccounts() throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=10", "--transfers=0");
    Map<Long, Long> before = bank.balances();
    List<String> lines = run(bank, "--accounts=0", "--transfers=50", "--concurrency=4");
    assertEquals("Accounts: 10 before, 0 created, 10 now.", lines.get(1));
    assertTrue(lines.get(2).startsWith("Transfers: 50 committed, 0 unknown, "), lines::toString);
    assertTotal(bank, lines);
    assertEquals(50, bank.ledger().size());
    assertEquals(before.keySet(), bank.balances().keySet());
    bank.assertExact(before);
  }

  @Test
  void nothingToDoIsDone() throws Exception {
    Bank bank = Bank.create(server);
    for (int run = 1; run <= 2; run++) {
      List<String> lines = bank.runQuietly("--accounts=0", "--transfers=0");
      assertEquals("Accounts: 0 before, 0 created, 0 now.", lines.get(1));
      assertEquals("Total balance: 0 before, 0 after.", lines.get(2));
      assertEquals(Map.of(), bank.balances());
      assertEquals(List.of(), bank.ledger());
    }
  }

  @Test
  void seedFixesAllButTheTransferIds() throws Exception {
    String[] arguments = {"--seed=42", "--accounts=30", "--transfers=20"};
    Bank one = Bank.create(server);
    Bank other = Bank.create(server);
    one.runQuietly(arguments);
    other.runQuietly(arguments);
    assertEquals(30, one.balances().size());
    assertEquals(one.balances(), other.balances());
    assertEquals(choices(one.ledger()), choices(other.ledger()));
    Set<UUID> ids = one.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    assertTrue(other.ledger().stream().map(Bank.Entry::id).noneMatch(ids::contains));

    one.runQuietly(arguments);
    assertEquals(60, one.balances().size());
    assertEquals(40, one.ledger().size());

    Bank seededOtherwise = Bank.create(server);
    seededOtherwise.runQuietly("--seed=43", "--accounts=30", "--transfers=20");
    assertNotEquals(other.balances().keySet(), seededOtherwise.balances().keySet());
  }

  @Test
  void withoutSeedEveryRunIsAnother() throws Exception {
    Bank one = Bank.create(server);
    Bank other = Bank.create(server);
    one.runQuietly();
    other.runQuietly();
    assertNotEquals(one.balances().keySet(), other.balances().keySet());
  }

  @Test
  void forcedRetriesAreToldAndCounted() throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=10", "--transfers=0");
    Map<Long, Long> before = bank.balances();
    Script.Result result = bank.script("--accounts=0", "--transfers=5", "--force-retries=3").run();
    assertEquals(0, result.status(), result::err);
    List<String> told = result.err().lines().toList();
    assertEquals(15, told.size(), result::err);
    for (int i = 0; i < told.size(); i++) {
      String line = told.get(i);
      assertTrue(line.matches("attempt " + (i % 3 + 1) + " .*\\b\\d+ ms\\b.*40001.*"), result::err);
    }
    assertTrue(
        Pattern.compile("(?m)^.*[Rr]etries: 15\\b|\\b15 .*repeated").matcher(result.out()).find(),
        result::out);
    assertEquals(5, bank.ledger().size());
    bank.assertExact(before);
  }

  @Test
  void forcedRetriesSpareNoTransaction() throws Exception {
    Bank bank = Bank.create(server);
    Script.Result result = bank.script("--force-retries=3").run();
    assertEquals(0, result.status(), result::err);
    assertEquals(6, result.err().lines().count(), result::err);
    List<String> lines = result.out().lines().filter(line -> !line.startsWith("Retries")).toList();
    assertDefaultRun(bank, 0, lines);
  }

  @Test
  void echoShowsEveryStatementWithItsTime() throws Exception {
    Bank bank = Bank.create(server);
    Script.Result result = bank.script("--echo").run();
    assertEquals(0, result.status(), result::err);
    assertDefaultRun(bank, 0, result.out().lines().toList());
    List<String> echoed = result.err().lines().toList();
    List<String> beginnings =
        List.of(
            "SELECT version()",
            "CREATE TABLE IF NOT EXISTS accounts",
            "CREATE TABLE IF NOT EXISTS transfers",
            "INSERT INTO accounts",
            "INSERT INTO transfers",
            "SELECT count(*)");
    for (String line : echoed) {
      assertTrue(line.matches(" *\\d+\\.\\d ms  \\S.*"), line);
    }
    for (String beginning : beginnings) {
      assertTrue(echoed.stream().anyMatch(line -> line.contains(beginning)), result::err);
    }
  }

  @Test
  void basicPrintsTheFourBalances(@TempDir Path directory) throws Exception {
    Bank bank = Bank.create(server);
    String url = basicUrl(bank, directory);
    for (int run = 1; run <= 2; run++) {
      assertBasic(bank, Script.of("BankBasic", "--url=" + url).run());
      assertBasic(bank, Script.of("BankBasic").environment("DATABASE_URL", url).run());
    }
  }

  @Test
  void basicSetsBackWhatItFinds(@TempDir Path directory) throws Exception {
    Bank bank = Bank.create(server);
    bank.runQuietly("--accounts=5", "--transfers=0");
    Map<Long, Long> others = bank.balances();
    bank.execute("INSERT INTO accounts (id, balance) VALUES (1, 7)");
    Script.Result result = Script.of("BankBasic", "--url=" + basicUrl(bank, directory)).run();
    assertEquals(BASIC_OUTPUT, result.out());
    others.putAll(Map.of(1L, 900L, 2L, 350L));
    assertEquals(others, bank.balances());
  }

  private static void assertBasic(Bank bank, Script.Result result) {
    assertEquals(BASIC_OUTPUT, result.out());
    assertEquals("", result.err());
    assertEquals(0, result.status());
    assertEquals(Map.of(1L, 900L, 2L, 350L), bank.balances());
  }

  /** BankBasic leaves TLS to the driver, so the URL names the files, with a key it can read. */
  private static String basicUrl(Bank bank, Path directory) throws IOException {
    if (!server.isSecure()) {
      return bank.url();
    }
    Path key = Files.createTempFile(directory, "client.maxroach.", ".key.pk8");
    Path pem = server.certs().resolve("client.maxroach.key");
    try (PEMParser parser = new PEMParser(Files.newBufferedReader(pem))) {
      Files.write(key, ((PEMKeyPair) parser.readObject()).getPrivateKeyInfo().getEncoded());
    }
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
    return bank.url()
        + "?sslmode=verify-full&sslrootcert="
        + server.certs().resolve("ca.crt")
        + "&sslcert="
        + server.certs().resolve("client.maxroach.crt")
        + "&sslkey="
        + key;
  }

  private static List<String> run(Bank bank, String... arguments) throws Exception {
    Script.Result result = bank.script(arguments).run();
    assertEquals(0, result.status(), result::err);
    return result.out().lines().toList();
  }

  /**
   * The seven lines of a run that made 100 accounts and one transfer, and the database after it.
   */
  private static void assertDefaultRun(Bank bank, int accountsBefore, List<String> lines) {
    assertEquals(7, lines.size(), lines::toString);
    match(
        lines.get(0),
        "Connected to (?:PostgreSQL|CockroachDB)\\b.* \\S*\\d at localhost:%d, database %s, user maxroach; (?:%s)\\."
            .formatted(
                bank.server().port(),
                bank.database(),
                bank.server().isSecure() ? "encrypted.*" : "not encrypted"));
    int accounts = accountsBefore + 100;
    assertEquals(
        "Accounts: %d before, 100 created, %d now.".formatted(accountsBefore, accounts),
        lines.get(1));
    MatchResult transfer = match(lines.get(2), "Transfer (\\S+) moved ([\\d,]+):");
    String side = " account (\\d+): ([\\d,]+) before, ([\\d,]+) after";
    MatchResult source = match(lines.get(3), "  from" + side);
    MatchResult target = match(lines.get(4), "  to" + side);
    long amount = number(transfer, 2);
    assertNotEquals(source.group(1), target.group(1));
    assertEquals(number(source, 2) / 2, amount);
    assertEquals(number(source, 2) - amount, number(source, 3));
    assertEquals(number(target, 2) + amount, number(target, 3));
    assertTotal(bank, lines);

    Map<Long, Long> balances = bank.balances();
    assertEquals(accounts, balances.size());
    assertEquals(number(source, 3), balances.get(number(source, 1)));
    assertEquals(number(target, 3), balances.get(number(target, 1)));
    List<Bank.Entry> ledger = bank.ledger();
    assertEquals(accounts / 100, ledger.size());
    assertEquals(
        new Bank.Entry(
            UUID.fromString(transfer.group(1)), number(source, 1), number(target, 1), amount),
        ledger.get(ledger.size() - 1));
  }

  private static void assertTotal(Bank bank, List<String> lines) {
    MatchResult total =
        match(lines.get(lines.size() - 2), "Total balance: ([\\d,]+) before, ([\\d,]+) after\\.");
    assertEquals(bank.total(), number(total, 1));
    assertEquals(bank.total(), number(total, 2));
    MatchResult audit =
        match(
            lines.get(lines.size() - 1),
            "Audit passed: the smallest balance is ([\\d,]+), the ledger has (\\d+) of (\\d+)"
                + " transfers\\.");
    assertEquals(Collections.min(bank.balances().values()), number(audit, 1));
    assertEquals(number(audit, 2), number(audit, 3));
  }

  private static MatchResult match(String line, String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(line);
    assertTrue(matcher.matches(), () -> line + "\nis not like\n" + pattern);
    return matcher;
  }

  private static long number(MatchResult match, int group) {
    return Long.parseLong(match.group(group).replace(",", ""));
  }

  private static List<String> choices(List<Bank.Entry> ledger) {
    return ledger.stream()
        .map(entry -> entry.source() + " " + entry.target() + " " + entry.amount())
        .toList();
  }
}
