//DEPS com.google.code.gson:gson:2.15.0

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Many workers: what they make, how it is measured and reported, and what the seed fixes. */
@Timeout(90)
class BankLoadTest extends OneServer {

  @Test
  void jsonHoldsTheWholeResultAsDocumentedAndNothingElseIsPrinted() throws IOException {
    Bank bank = Bank.create(server);
    JsonObject result =
        LoadRun.of(bank, "--json", "--accounts=7", "--transfers=5").assertDone().json();
    assertEquals(documentedNames(), result.keySet());
    String expected =
        """
        {"hosts": "localhost:%d", "database": "%s", "user": "maxroach", "encrypted": false,
         "accountsBefore": 0, "accountsCreated": 7, "accountsAfter": 7,
         "totalBefore": %3$d, "totalAfter": %3$d, "smallestBalance": %4$d,
         "transfersCommitted": 5, "transfersUnknown": [], "transfersInLedger": 5,
         "audit": "passed", "options": "--accounts=7 --transfers=5 --warm-up=0s"}
        """
            .formatted(
                server.port(),
                bank.database(),
                bank.total(),
                Collections.min(bank.balances().values()));
    JsonParser.parseString(expected)
        .getAsJsonObject()
        .asMap()
        .forEach((name, value) -> assertEquals(value, result.get(name), name));
    assertTrue(result.get("product").getAsString().startsWith("PostgreSQL 17."), result::toString);
    assertTrue(result.get("transfersPerSecond").getAsDouble() > 0, result::toString);
    assertTrue(result.get("summary").getAsString().startsWith("5 transfers, "), result::toString);
    assertTrue(result.get("command").getAsString().startsWith("jbang bank-load --json"));
    assertEquals(5, bank.ledger().size());

    JsonObject none = LoadRun.of(bank, "--json", "--transfers=0").assertDone().json();
    assertEquals(JsonNull.INSTANCE, none.get("p50Milliseconds"));
    assertEquals(0, none.get("transfersPerSecond").getAsDouble());
  }

  /** The names in the first column of the page's table. */
  private static Set<String> documentedNames() throws IOException {
    String section = Project.read("docs/load.md").split("## The result as JSON")[1];
    return section
        .lines()
        .filter(line -> line.startsWith("| `"))
        .flatMap(row -> Pattern.compile("`(\\w+)`").matcher(row.split("\\|")[1]).results())
        .map(name -> name.group(1))
        .collect(Collectors.toSet());
  }

  @Test
  void afterManyConflictsTheLedgerTheJsonAndTheBalancesAgree() {
    Bank bank = Watch.bankWithAccounts(server, 10);
    Map<Long, Long> atFirst = bank.balances();
    JsonObject result =
        LoadRun.of(bank, "--json", "--duration=2s", "--warm-up=0.3s").assertDone().json();
    assertTrue(result.get("seconds").getAsDouble() >= 2);
    assertTrue(result.get("retries").getAsLong() > 0, "no conflict: not the load that was meant");
    long committed = result.get("transfersCommitted").getAsLong();
    long warmedUp = result.get("transfersToWarmUp").getAsLong();
    assertTrue(warmedUp > 0);
    assertEquals(committed + warmedUp, result.get("transfersInLedger").getAsLong());
    assertEquals(committed + warmedUp, bank.ledger().size());
    bank.assertExact(atFirst);
    JsonArray series = result.getAsJsonArray("series");
    assertTrue(series.size() >= 2, series::toString);
    assertEquals(committed, sum(series, "transfersCommitted"));
    assertEquals(result.get("retries").getAsLong(), sum(series, "retries"));
    assertFalse(result.getAsJsonArray("checks").isEmpty());
    for (JsonElement check : result.getAsJsonArray("checks")) {
      assertEquals(10_000_000, check.getAsJsonObject().get("total").getAsLong());
    }
    JsonArray percentiles = result.getAsJsonArray("percentiles");
    JsonArray last = percentiles.get(percentiles.size() - 1).getAsJsonArray();
    assertEquals(100, last.get(0).getAsDouble());
    assertEquals(result.get("maximumMilliseconds").getAsDouble(), last.get(1).getAsDouble(), 0.01);
  }

  private static long sum(JsonArray rows, String name) {
    long sum = 0;
    for (JsonElement row : rows) {
      sum += row.getAsJsonObject().get(name).getAsLong();
    }
    return sum;
  }

  @Test
  void theResultFits80ColumnsAndEndsWithOneSentenceAlsoIfAThresholdIsMet() {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    LoadRun run;
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(20));
      run =
          LoadRun.at(
              bank.urlThrough(proxy.port()),
              "--transfers=30",
              "--concurrency=1",
              "--warm-up=0.2s",
              "--fail-if=rate<1",
              "--fail-if=p99>10ms");
    }
    run.assertStatus(1);
    assertTrue(
        run.err().matches("error: threshold failed: --fail-if='p99>10ms', measured \\S+ ms\\n"),
        run::err);
    List<String> lines = run.out().lines().toList();
    lines.forEach(line -> assertTrue(line.length() <= 80, line));
    String out = String.join(" ", lines).replaceAll(" +", " ");
    match(
        out,
        "Latency: p50 [2-9]\\d.\\d ms, p95 \\S+ ms, p99 \\S+ ms, p99.9 \\S+ ms, maximum \\S+"
            + " ms\\.");
    match(out, "Accounts: 1,000 found, 0 created\\.");
    String warmUp = "Warm-up: (\\d+) transfers in \\S+ s, not counted below\\.";
    int warmedUp = Integer.parseInt(match(out, warmUp).group(1));
    match(out, "Transfers: 30 committed, 0 unknown, [1-4]\\d.\\d a second for \\S+ s\\.");
    match(out, "Total balance: 1,000,000,000 before, 1,000,000,000 after\\.");
    match(
        out,
        "Audit passed; checks while it ran: \\d+, smallest balance: [\\d,]+, transfers of this run"
            + " in the ledger: %d\\.".formatted(30 + warmedUp));
    match(out, "Threshold passed: --fail-if='rate<1', measured [\\d.]+\\.");
    match(out, " 30 transfers, [\\d.]+/s, p99 [\\d.]+ ms, no money lost\\.$");
  }

  /** In an open loop a stall counts against the server, and not only the transfers that it hit. */
  @Test
  void aRateIsKeptAndAFreezeOfASecondShowsInTheLatency() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      String[] arguments = {"--json", "--rate=20", "--duration=3s", "--concurrency=2"};
      CompletableFuture<LoadRun> run = LoadRun.begin(bank.urlThrough(proxy.port()), arguments);
      Watch.of(bank).awaitTransfers(10);
      proxy.when("INSERT INTO transfers").first(2).delay(Duration.ofSeconds(1));
      JsonObject result = LoadRun.end(run).assertDone().json();
      long committed = result.get("transfersCommitted").getAsLong();
      assertEquals(60, committed + result.get("transfersNotBegun").getAsLong());
      // A busy machine may not catch up before the end.
      assertTrue(committed > 40, result::toString);
      // The two that were stopped are less than five of a hundred.
      assertTrue(result.get("p95Milliseconds").getAsDouble() >= 600, result::toString);
      assertFalse(result.getAsJsonArray("gaps").isEmpty(), result::toString);
    }
  }

  /** Who waits for a transfer that is due after the end does not wait. */
  @Test
  void whatNoWorkerIsFreeToBeginIsCountedAndALowRateEndsInTime() {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    String[] arguments = {"--json", "--rate=100", "--duration=1s", "--concurrency=1"};
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(100));
      JsonObject late = LoadRun.at(bank.urlThrough(proxy.port()), arguments).assertDone().json();
      assertTrue(late.get("transfersCommitted").getAsLong() <= 11, late::toString);
      assertTrue(late.get("transfersNotBegun").getAsLong() >= 85, late::toString);
    }
    JsonObject low =
        LoadRun.of(bank, "--json", "--rate=10", "--duration=1s", "--concurrency=30")
            .assertDone()
            .json();
    assertEquals(10, low.get("transfersCommitted").getAsLong(), 1);
    assertTrue(low.get("seconds").getAsDouble() < 1.5, low::toString);
    assertEquals(new JsonArray(), low.get("gaps"));
  }

  /** However many workers create the accounts, and however long it warms up. */
  @Test
  void theSeedFixesAllButTheTransferIds() {
    Bank one = Bank.create(server);
    Bank other = Bank.create(server);
    String seed = "--seed=42";
    LoadRun.of(one, seed, "--accounts=2500", "--transfers=0", "--concurrency=1").assertDone();
    LoadRun.of(other, seed, "--accounts=2500", "--transfers=0", "--concurrency=4").assertDone();
    assertEquals(2_500, one.balances().size());
    assertEquals(one.balances(), other.balances());
    String[] arguments = {seed, "--transfers=20", "--concurrency=1"};
    LoadRun.of(one, arguments).assertDone();
    LoadRun.of(other, seed, "--transfers=20", "--concurrency=1", "--warm-up=0.1s").assertDone();
    List<Bank.Entry> warm = other.ledger();
    assertTrue(warm.size() > 20, warm::toString);
    assertEquals(parties(one.ledger()), parties(warm.subList(warm.size() - 20, warm.size())));
    Set<UUID> ids = one.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    assertTrue(warm.stream().map(Bank.Entry::id).noneMatch(ids::contains));

    // The IDs are taken, and it makes as many others.
    LoadRun.of(one, seed, "--accounts=30", "--transfers=0").assertDone();
    assertEquals(2_530, one.balances().size());
    Bank seededOtherwise = Bank.create(server);
    LoadRun.of(seededOtherwise, "--seed=43", "--accounts=2500", "--transfers=0").assertDone();
    assertNotEquals(other.balances().keySet(), seededOtherwise.balances().keySet());
  }

  private static List<String> parties(List<Bank.Entry> ledger) {
    return ledger.stream().map(entry -> entry.source() + " " + entry.target()).toList();
  }

  /** All answers to the first attempts are lost, and the accounts are counted all the same. */
  @Test
  void accountsOfLostAnswersAreCountedOnce() {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault cuts = proxy.when("INSERT INTO accounts").everyNth(2).cutAfterServer();
      LoadRun run = LoadRun.at(bank.urlThrough(proxy.port()), "--accounts=3000", "--transfers=0");
      match(run.assertDone().out(), "Accounts: 0 found, 3,000 created\\.");
      assertTrue(cuts.injected() > 0);
    }
    assertEquals(3_000, bank.balances().size());
  }

  @ParameterizedTest
  @EnumSource(
      value = ServerKind.class,
      names = {"POSTGRESQL_INSECURE", "COCKROACHDB_INSECURE"})
  void forcedRetriesAreCountedByReasonAndTheirTimeToo(ServerKind kind) {
    Bank bank = Watch.bankWithAccounts(kind.shared(), 10);
    try (FaultProxy proxy = FaultProxy.to(bank.server().port())) {
      proxy.latency(Duration.ofMillis(20));
      String[] arguments = {"--json", "--transfers=2", "--force-retries=2", "--concurrency=1"};
      JsonObject result = LoadRun.at(bank.urlThrough(proxy.port()), arguments).assertDone().json();
      assertEquals(4, result.get("retries").getAsLong());
      assertEquals(4, result.getAsJsonObject("retriesByReason").get("40001").getAsLong());
      assertTrue(result.get("p50Milliseconds").getAsDouble() >= 60, result::toString);
      assertEquals(2, bank.ledger().size());
    }
  }

  @Test
  void retriesAreCountedByTheWordThatCockroachDbHasForThem() {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      answer(
          proxy,
          "40001",
          "restart transaction: TransactionRetryWithProtoRefreshError: TransactionRetryError:"
              + " retry txn (RETRY_SERIALIZABLE - failed preemptive refresh)");
      answer(
          proxy,
          "40001",
          "restart transaction: TransactionRetryWithProtoRefreshError: WriteTooOldError: write for"
              + " key /Table/106/1/1/0 at timestamp 2 too old; must write at or above 3");
      answer(proxy, "40001", "could not serialize access due to concurrent update");
      answer(proxy, "57P01", "server is not accepting clients, try another node");
      answer(proxy, "40003", "result is ambiguous");
      proxy.when("INSERT INTO transfers").first(1).cutBeforeServer();
      String[] arguments = {"--json", "--transfers=9", "--concurrency=1"};
      JsonObject result = LoadRun.at(bank.urlThrough(proxy.port()), arguments).assertDone().json();
      String reasons =
          "RETRY_SERIALIZABLE,WriteTooOld,40001,draining or starting,40003,connection lost";
      assertEquals(Set.of(reasons.split(",")), result.getAsJsonObject("retriesByReason").keySet());
      assertEquals(6, result.get("retries").getAsLong());
      assertEquals(9, bank.ledger().size());
    }
  }

  private static void answer(FaultProxy proxy, String state, String message) {
    proxy.when("INSERT INTO transfers").first(1).answerError(state, message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--rate=-1 | --rate must be 0 or more",
        "--concurrency=0 | --concurrency must be from 1 to 1,000",
        "--duration=secret | --duration takes a time such as 500ms, 30s, 5m or 1h",
        "--warm-up=999999999h | --warm-up takes a time such as 500ms, 30s, 5m or 1h",
        "--transfers=many | --transfers takes a whole number",
        "--fail-if=p99>secret"
            + " | --fail-if takes a condition such as 'p99>50ms', 'gap>2s' or 'rate<100'",
        "--retry-timout=secret | unknown option --retry-timout; did you mean --retry-timeout?",
        "--report=/not/there/report.html | --report names no file that can be written",
        "--compare=/tmp/secret.json | --compare needs --report"
      })
  void aWrongCommandLineIsOneLineThatNamesTheOption(String argument, String message) {
    LoadRun run = LoadRun.at("postgresql://localhost:1/bank", argument).assertStatus(2);
    assertEquals("error: " + message + "\n", run.err());
  }

  @Test
  void whereNothingListensItSaysWhatToDo() {
    String err = LoadRun.at("postgresql://localhost:1/bank").assertStatus(5).err();
    assertTrue(err.matches("error: cannot connect to localhost:1, .*\\n.* bank-doctor .*\\n"), err);
  }

  /** With one account there is no transfer, and with two rows for one it would make money. */
  @Test
  void accountsThatAllowNoTransferAreRefused() {
    Bank bank = Bank.create(server);
    LoadRun one = LoadRun.of(bank, "--accounts=1").assertStatus(2);
    assertEquals("error: a transfer needs two accounts: use --accounts=2 or more\n", one.err());
    bank.execute(
        "DROP TABLE accounts",
        "CREATE TABLE accounts (id INT8 NOT NULL, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 5), (1, 5), (2, 5)",
        "ALTER TABLE accounts OWNER TO maxroach");
    LoadRun twice = LoadRun.of(bank).assertStatus(1);
    assertEquals(
        "error: the table accounts has no primary key on id: use another database\n", twice.err());
    bank.execute("DELETE FROM accounts", "CREATE UNIQUE INDEX ON accounts (id)");
    LoadRun.of(bank, "--transfers=20").assertDone();
  }

  /** All else is reported, because it may be of hours. */
  @Test
  void aReportThatCannotBeWrittenAfterAllIsAnErrorOfItsOwn() {
    assumeTrue(Files.isWritable(Path.of("/proc")), "root alone seems to be allowed to write there");
    LoadRun run =
        LoadRun.of(Bank.create(server), "--transfers=0", "--report=/proc/no_such_report.html");
    assertTrue(run.assertStatus(1).err().startsWith("error: the report was not written: "));
    assertTrue(run.out().contains("No transfers, no money lost."), run::out);
  }

  @Test
  void onATerminalALineShowsTheLoadAndItsChecksLive() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/script")), "no script of util-linux");
    Bank bank = Watch.bankWithAccounts(server, 100);
    Script.Result result =
        Script.of("BankLoad", "--duration=3s", "--warm-up=0s", "--url=" + bank.url())
            // As in a container, where Java takes a terminal for ASCII.
            .environment("LC_ALL", "C")
            .terminal()
            .run();
    assertEquals(0, result.status(), result::out);
    List<String> shown =
        Pattern.compile("\r\\x1b\\[K(\\d[^\\x1b\r]*)")
            .matcher(result.out())
            .results()
            .map(line -> line.group(1))
            .toList();
    assertFalse(shown.isEmpty(), result::out);
    for (String line : shown) {
      assertTrue(line.matches(LoadRun.PROGRESS) && line.length() < 80, line);
    }
    // Nothing of it is left before the result.
    assertTrue(result.out().contains("\r\u001b[KTransfers: "), result::out);
  }

  private static MatchResult match(String out, String line) {
    Matcher matcher = Pattern.compile(line).matcher(out);
    assertTrue(matcher.find(), out);
    return matcher;
  }
}
