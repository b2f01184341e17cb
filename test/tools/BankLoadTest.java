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
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
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
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Many workers: what they make, how it is measured and reported, and what the seed fixes. */
@Timeout(90)
class BankLoadTest extends OneServer {

  @Test
  void jsonHoldsTheWholeResultAsDocumentedAndNothingElseIsPrinted() throws IOException {
    Bank bank = Bank.create(server);
    JsonObject result =
        LoadRun.of(bank, "--json", "--accounts=7", "--transfers=5", "--warm-up=0s")
            .assertDone()
            .json();
    assertEquals(documentedNames(), result.keySet());
    assertEquals("PostgreSQL 17.6", result.get("product").getAsString());
    assertEquals("localhost:" + server.port(), result.get("hosts").getAsString());
    assertEquals(bank.database(), result.get("database").getAsString());
    assertEquals("maxroach", result.get("user").getAsString());
    assertFalse(result.get("encrypted").getAsBoolean());
    assertEquals(0, result.get("accountsBefore").getAsLong());
    assertEquals(7, result.get("accountsCreated").getAsLong());
    assertEquals(7, result.get("accountsAfter").getAsLong());
    assertEquals(bank.total(), result.get("totalBefore").getAsLong());
    assertEquals(bank.total(), result.get("totalAfter").getAsLong());
    assertEquals(
        Collections.min(bank.balances().values()), result.get("smallestBalance").getAsLong());
    assertEquals(5, result.get("transfersCommitted").getAsLong());
    assertEquals(new JsonArray(), result.get("transfersUnknown"));
    assertTrue(result.get("seconds").getAsDouble() > 0);
    assertTrue(result.get("transfersPerSecond").getAsDouble() > 0);
    assertEquals("passed", result.get("audit").getAsString());
    assertEquals("--accounts=7 --transfers=5 --warm-up=0s", result.get("options").getAsString());
    assertEquals("5 transfers", result.get("summary").getAsString().split(",")[0]);
    assertTrue(result.get("command").getAsString().startsWith("jbang bank-load --json"));
    assertEquals(5, bank.ledger().size());
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
  void withoutTransfersThereIsNoLatency() {
    JsonObject result =
        LoadRun.of(Bank.create(server), "--json", "--transfers=0").assertDone().json();
    assertEquals(1_000, result.get("accountsCreated").getAsLong());
    assertEquals(JsonNull.INSTANCE, result.get("p50Milliseconds"));
    assertEquals(JsonNull.INSTANCE, result.get("maximumMilliseconds"));
    assertEquals(0, result.get("transfersPerSecond").getAsDouble());
  }

  @Test
  void theDurationEndsTheLoadAndTheSeriesAddsUp() {
    Bank bank = Watch.bankWithAccounts(server, 100);
    Map<Long, Long> atFirst = bank.balances();
    JsonObject result =
        LoadRun.of(bank, "--json", "--duration=3s", "--concurrency=2", "--warm-up=0.5s")
            .assertDone()
            .json();
    assertTrue(result.get("seconds").getAsDouble() >= 3);
    long committed = result.get("transfersCommitted").getAsLong();
    long warmedUp = result.get("transfersToWarmUp").getAsLong();
    assertTrue(warmedUp > 0);
    assertEquals(bank.ledger().size(), committed + warmedUp);
    bank.assertExact(atFirst);
    assertEquals(committed, sum(result.getAsJsonArray("series"), "transfersCommitted"));
    assertEquals(
        result.get("retries").getAsLong(), sum(result.getAsJsonArray("series"), "retries"));
    assertTrue(result.getAsJsonArray("series").size() >= 3);
    assertTrue(result.getAsJsonArray("checks").size() >= 1);
    for (JsonElement check : result.getAsJsonArray("checks")) {
      assertEquals(100_000_000, check.getAsJsonObject().get("total").getAsLong());
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
  void theResultFits80ColumnsAndEndsWithOneSentence() {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(20), Duration.ZERO);
      LoadRun run =
          LoadRun.through(
              proxy.port(),
              bank,
              "--transfers=50",
              "--concurrency=1",
              "--warm-up=0.5s",
              "--fail-if=rate<1");
      List<String> lines = run.assertDone().out().lines().toList();
      lines.forEach(line -> assertTrue(line.length() <= 80, line));
      String out = String.join(" ", lines).replaceAll(" +", " ");
      MatchResult latency =
          match(
              out,
              "Latency: p50 (\\S+) ms, p95 (\\S+) ms, p99 (\\S+) ms, p99.9 (\\S+) ms,"
                  + " maximum (\\S+) ms\\.");
      double last = 20;
      for (int group = 1; group <= 5; group++) {
        assertTrue(Double.parseDouble(latency.group(group)) >= last, out);
        last = Double.parseDouble(latency.group(group));
      }
      match(out, "Accounts: 1,000 found, 0 created\\.");
      int warmedUp =
          Integer.parseInt(
              match(out, "Warm-up: (\\d+) transfers in \\S+ s, not counted below\\.").group(1));
      MatchResult rate =
          match(out, "Transfers: 50 committed, 0 unknown, (\\S+) a second for \\S+ s\\.");
      assertTrue(Double.parseDouble(rate.group(1)) <= 50, out);
      match(out, "Total balance: 1,000,000,000 before, 1,000,000,000 after\\.");
      match(
          out,
          "Audit passed; checks while it ran: \\d+, smallest balance: [\\d,]+, transfers of this"
              + " run"
              + " in the ledger: %d\\.".formatted(50 + warmedUp));
      match(out, "Threshold passed: --fail-if='rate<1', measured [\\d.]+\\.");
      assertTrue(
          lines
              .get(lines.size() - 1)
              .matches("50 transfers, [\\d.]+/s, p99 [\\d.]+ ms, no money lost\\."),
          out);
    }
  }

  @Test
  void aThresholdThatIsMetFailsTheRun() {
    Bank bank = Watch.bankWithAccounts(server, 100);
    String[] arguments = {"--transfers=20", "--fail-if=p99>1s", "--fail-if=rate<1000000"};
    LoadRun run = LoadRun.of(bank, arguments);
    assertEquals(1, run.status(), run::toString);
    assertTrue(
        run.err().startsWith("error: threshold failed: --fail-if='rate<1000000', measured "),
        run::err);
    assertEquals(1, run.err().lines().count(), run::err);
  }

  /** In an open loop a stall counts against the server, and not only the transfers that it hit. */
  @Test
  void aRateIsKeptAndAFreezeOfTwoSecondsShowsInTheLatency() throws Exception {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      CompletableFuture<LoadRun> run =
          LoadRun.beginThrough(
              proxy.port(),
              bank,
              "--json",
              "--rate=200",
              "--duration=11s",
              "--concurrency=4",
              "--warm-up=0s");
      Watch.of(bank).awaitTransfers(800);
      FaultProxy.Fault freeze =
          proxy.when("INSERT INTO transfers").first(4).delay(Duration.ofSeconds(2), Duration.ZERO);
      LoadRun ended = LoadRun.end(run).assertDone();
      // Without a terminal, a line each ten seconds.
      assertEquals(1, ended.err().lines().count(), ended::err);
      JsonObject result = ended.json();
      assertEquals(4, freeze.injected());
      // A busy machine may not catch up before the end.
      assertTrue(result.get("transfersCommitted").getAsLong() > 1_900, result::toString);
      assertEquals(
          2_200,
          result.get("transfersCommitted").getAsLong()
              + result.get("transfersNotBegun").getAsLong());
      assertTrue(result.get("p99Milliseconds").getAsDouble() >= 1_500, result::toString);
      assertFalse(result.getAsJsonArray("gaps").isEmpty(), result::toString);
    }
  }

  @Test
  void whatNoWorkerIsFreeToBeginIsCounted() {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(100), Duration.ZERO);
      LoadRun run =
          LoadRun.through(
              proxy.port(),
              bank,
              "--json",
              "--rate=100",
              "--duration=2s",
              "--concurrency=1",
              "--warm-up=0s");
      JsonObject result = run.assertDone().json();
      assertTrue(result.get("transfersCommitted").getAsLong() <= 21, result::toString);
      assertTrue(result.get("transfersNotBegun").getAsLong() >= 170, result::toString);
    }
  }

  /** Who waits for a transfer that is due after the end does not wait. */
  @Test
  void aLowRateOfManyWorkersEndsInTime() {
    Bank bank = Watch.bankWithAccounts(server, 1_000);
    JsonObject result =
        LoadRun.of(bank, "--json", "--rate=10", "--duration=2s", "--concurrency=30")
            .assertDone()
            .json();
    assertEquals(20, result.get("transfersCommitted").getAsLong(), 1);
    assertTrue(result.get("seconds").getAsDouble() < 2.5, result::toString);
    assertEquals(new JsonArray(), result.get("gaps"));
  }

  /** The seed fixes who pays whom in what counts, however long it warms up. */
  @Test
  void warmingUpChangesNoChoice() {
    Bank cold = Watch.bankWithAccounts(server, 1_000);
    Bank warm = Watch.bankWithAccounts(server, 1_000);
    LoadRun.of(cold, "--seed=5", "--transfers=20", "--concurrency=1", "--warm-up=0s").assertDone();
    LoadRun.of(warm, "--seed=5", "--transfers=20", "--concurrency=1").assertDone();
    List<String> parties = parties(warm);
    assertTrue(parties.size() > 20, parties::toString);
    assertEquals(parties(cold), parties.subList(parties.size() - 20, parties.size()));
  }

  private static List<String> parties(Bank bank) {
    return bank.ledger().stream().map(entry -> entry.source() + " " + entry.target()).toList();
  }

  @Test
  void workersShareTheCreationOfAccounts() {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault slow =
          proxy.when("INSERT INTO accounts").delay(Duration.ofMillis(100), Duration.ZERO);
      String[] arguments = {"--accounts=8500", "--transfers=0", "--concurrency=4", "--seed=1"};
      LoadRun.through(proxy.port(), bank, arguments).assertDone();
      assertEquals(9, slow.injected());
      assertEquals(5, proxy.connectionsOpened());
    }
    assertEquals(8_500, bank.balances().size());
    Bank alone = Bank.create(server);
    LoadRun.of(alone, "--accounts=8500", "--transfers=0", "--concurrency=1", "--seed=1")
        .assertDone();
    assertEquals(alone.balances(), bank.balances());
  }

  /** All answers to the first attempts are lost, and the accounts are counted all the same. */
  @Test
  void accountsOfLostAnswersAreCountedOnce() {
    Bank bank = Bank.create(server);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      FaultProxy.Fault cuts = proxy.when("INSERT INTO accounts").everyNth(2).cutAfterServer();
      String out =
          LoadRun.through(proxy.port(), bank, "--accounts=3000", "--transfers=0")
              .assertDone()
              .out();
      match(out, "Accounts: 0 found, 3,000 created\\.");
      assertTrue(cuts.injected() > 0);
    }
    assertEquals(3_000, bank.balances().size());
  }

  @Test
  void theSeedFixesAllButTheTransferIds() {
    String[] arguments = {
      "--seed=42", "--accounts=30", "--transfers=20", "--concurrency=1", "--warm-up=0s"
    };
    Bank one = Bank.create(server);
    Bank other = Bank.create(server);
    LoadRun.of(one, arguments).assertDone();
    LoadRun.of(other, arguments).assertDone();
    assertEquals(30, one.balances().size());
    assertEquals(one.balances(), other.balances());
    assertEquals(choices(one.ledger()), choices(other.ledger()));
    Set<UUID> ids = one.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    assertTrue(other.ledger().stream().map(Bank.Entry::id).noneMatch(ids::contains));

    LoadRun.of(one, arguments).assertDone();
    assertEquals(60, one.balances().size());
    assertEquals(40, one.ledger().size());

    Bank seededOtherwise = Bank.create(server);
    LoadRun.of(seededOtherwise, "--seed=43", "--accounts=30", "--transfers=0").assertDone();
    assertNotEquals(other.balances().keySet(), seededOtherwise.balances().keySet());
  }

  /** Both have chosen the same IDs before either can insert them. */
  @Test
  void twoRunsWithOneSeedMakeTwiceTheAccounts() throws Exception {
    Bank bank = Bank.create(server);
    LoadRun.of(bank, "--accounts=0", "--transfers=0").assertDone();
    String[] arguments = {"--seed=3", "--accounts=1500", "--transfers=0", "--concurrency=1"};
    try (Handle lock = server.asSuperuser(bank.database()).open()) {
      lock.begin();
      lock.execute("LOCK TABLE accounts IN SHARE MODE");
      CompletableFuture<LoadRun> one = LoadRun.begin(bank, arguments);
      CompletableFuture<LoadRun> other = LoadRun.begin(bank, arguments);
      Watch.of(bank).awaitBlocked(2);
      lock.commit();
      for (LoadRun run : List.of(LoadRun.end(one), LoadRun.end(other))) {
        match(run.assertDone().out(), "Accounts: [\\d,]+ found, 1,500 created\\.");
      }
    }
    assertEquals(3_000, bank.balances().size());
  }

  private static List<String> choices(List<Bank.Entry> ledger) {
    return ledger.stream()
        .map(entry -> entry.source() + " " + entry.target() + " " + entry.amount())
        .toList();
  }

  @Test
  void forcedRetriesAreCountedByReasonAndTheirTimeToo() {
    Bank bank = Watch.bankWithAccounts(server, 10);
    try (FaultProxy proxy = FaultProxy.to(server.port())) {
      proxy.latency(Duration.ofMillis(20));
      JsonObject result =
          LoadRun.through(
                  proxy.port(),
                  bank,
                  "--json",
                  "--transfers=2",
                  "--force-retries=2",
                  "--warm-up=0s",
                  "--concurrency=1")
              .assertDone()
              .json();
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
      JsonObject result =
          LoadRun.through(
                  proxy.port(), bank, "--json", "--transfers=9", "--concurrency=1", "--warm-up=0s")
              .assertDone()
              .json();
      assertEquals(
          Set.of(
              ("RETRY_SERIALIZABLE,WriteTooOld,40001,draining or starting,40003,connection lost")
                  .split(",")),
          result.getAsJsonObject("retriesByReason").keySet());
      assertEquals(6, result.get("retries").getAsLong());
      assertEquals(9, bank.ledger().size());
    }
  }

  private static void answer(FaultProxy proxy, String state, String message) {
    proxy.when("INSERT INTO transfers").first(1).answerError(state, message);
  }

  @Test
  void afterManyConflictsTheLedgerTheJsonAndTheBalancesAgree() {
    Bank bank = Bank.create(server);
    LoadRun.of(bank, "--accounts=10", "--transfers=0").assertDone();
    Map<Long, Long> atFirst = bank.balances();
    JsonObject result = LoadRun.of(bank, "--json", "--transfers=5000").assertDone().json();
    assertEquals(5_000, result.get("transfersCommitted").getAsLong());
    long warmedUp = result.get("transfersToWarmUp").getAsLong();
    assertEquals(5_000 + warmedUp, result.get("transfersInLedger").getAsLong());
    assertEquals(5_000 + warmedUp, bank.ledger().size());
    assertEquals(bank.total(), result.get("totalAfter").getAsLong());
    assertTrue(result.get("retries").getAsLong() > 0, "no conflict: not the load that was meant");
    bank.assertExact(atFirst);
  }

  @Test
  void aSecureClusterIsReachedWithItsCertificates() throws Exception {
    try (Server secure = Postgres.secure()) {
      Bank bank = Watch.bankWithAccounts(secure, 100);
      JsonObject result = LoadRun.of(bank, "--json", "--transfers=100").assertDone().json();
      assertTrue(result.get("encrypted").getAsBoolean());
      assertEquals(bank.ledger().size(), result.get("transfersInLedger").getAsLong());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--rate=-1 | --rate must be 0 or more",
        "--concurrency=0 | --concurrency must be from 1 to 1,000",
        "--accounts=1 | a transfer needs two accounts: use --accounts=2 or more",
        "--duration=3 | --duration takes a time such as 500ms, 30s, 5m or 1h",
        "--duration=secret | --duration takes a time such as 500ms, 30s, 5m or 1h",
        "--warm-up=999999999h | --warm-up takes a time such as 500ms, 30s, 5m or 1h",
        "--transfers=many | --transfers takes a whole number",
        "--fail-if=p99>secret"
            + " | --fail-if takes a condition such as 'p99>50ms', 'gap>2s' or 'rate<100'",
        "--transfer=secret | unknown option --transfer; did you mean --transfers?",
        "--retry-timout=secret | unknown option --retry-timout; did you mean --retry-timeout?",
        "--verbose | unknown option --verbose; did you mean --version?",
        "--report=/not/there/report.html | --report names no file that can be written",
        "--report=/tmp | --report names no file that can be written",
        "--compare=/tmp/secret.json | --compare needs --report"
      })
  void aWrongCommandLineIsOneLineThatNamesTheOption(String argument, String message) {
    LoadRun run = LoadRun.of(Bank.create(server), argument);
    run.assertFailed(2, message);
    assertEquals("error: " + message, run.err().strip());
  }

  /** With two rows for one account a transfer would make money. */
  @Test
  void accountsWithoutAUniqueIdAreRefused() {
    Bank bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE accounts (id INT8 NOT NULL, balance INT8 NOT NULL)",
        "INSERT INTO accounts VALUES (1, 5), (1, 5), (2, 5)",
        "ALTER TABLE accounts OWNER TO maxroach");
    LoadRun.of(bank).assertFailed(1, LoadRun.NO_UNIQUE_ID);
    bank.execute("DELETE FROM accounts", "CREATE UNIQUE INDEX ON accounts (id)");
    LoadRun.of(bank, "--transfers=20").assertDone();
  }

  /** All else is reported, because it may be of hours. */
  @Test
  void aReportThatCannotBeWrittenAfterAllIsAnErrorOfItsOwn() {
    assumeTrue(Files.isWritable(Path.of("/proc")), "root alone seems to be allowed to write there");
    LoadRun run =
        LoadRun.of(Bank.create(server), "--transfers=0", "--report=/proc/no_such_report.html");
    assertEquals(1, run.status(), run::toString);
    assertTrue(run.err().startsWith("error: the report was not written: "), run::err);
    assertTrue(run.out().contains("No transfers, no money lost."), run::out);
  }

  @Test
  void whereNothingListensItSaysWhatToDo() throws Exception {
    int port = Server.freePort();
    LoadRun run = LoadRun.through(port, Bank.create(server));
    assertEquals(5, run.status(), run::toString);
    List<String> lines = run.err().lines().toList();
    assertEquals(2, lines.size(), run::toString);
    assertTrue(lines.get(0).startsWith("error: cannot connect to localhost:" + port), run::err);
  }

  @Test
  void onATerminalALineShowsTheLoadAndItsChecksLive() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/script")), "no script of util-linux");
    Bank bank = Watch.bankWithAccounts(server, 100);
    Script.Result result =
        Script.of("BankLoad", "--duration=4s", "--url=" + bank.url())
            // As in a container, where Java takes a terminal for ASCII.
            .environment("LC_ALL", "C")
            .terminal()
            .run();
    assertEquals(0, result.status(), result::out);
    List<String> shown = new ArrayList<>();
    Pattern.compile("\r\\x1b\\[K(\\d[^\\x1b\r]*)")
        .matcher(result.out())
        .results()
        .forEach(line -> shown.add(line.group(1)));
    assertTrue(shown.size() >= 2, result::out);
    for (String line : shown) {
      assertTrue(line.matches(LoadRun.PROGRESS), line);
      assertTrue(line.length() < 80, line);
    }
    assertTrue(shown.get(shown.size() - 1).matches(".* ([2-9] checks|1 check)"), shown::toString);
    // Nothing of it is left before the result.
    assertTrue(
        result.out().contains("\r\u001b[KTransfers: ")
            || result.out().contains("\r\u001b[KWarm-up: "),
        result::out);
  }

  private static MatchResult match(String out, String line) {
    Matcher matcher = Pattern.compile(line).matcher(out);
    assertTrue(matcher.find(), out);
    return matcher;
  }
}
