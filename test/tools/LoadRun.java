import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;

/** A run of BankLoad to its end, inside this program, by the command line that its main runs. */
record LoadRun(int status, String out, String err) {

  /** A line on standard error, if that is no terminal, or the line of a terminal. */
  static final String PROGRESS =
      "\\d+ s, [\\d,]+ transfers?, [\\d.,]+/s, (p99 [\\d.,]+ ms|no commit), [\\d,]+ retr(y|ies),"
          + " [\\d,]+ checks?";

  /** Runs it on this bank. */
  static LoadRun of(Bank bank, String... arguments) {
    return at(bank.url(), arguments);
  }

  /** Runs it on the bank at this URL; unless the arguments say how long, it does not warm up. */
  static LoadRun at(String url, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    if (all.stream().noneMatch(argument -> argument.startsWith("--warm-up="))) {
      all.add("--warm-up=0s");
    }
    all.add("--url=" + url);
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commandLine = BankLoad.commandLine();
    commandLine.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    int status = commandLine.execute(all.toArray(String[]::new));
    return new LoadRun(status, out.toString(), err.toString());
  }

  /** Begins to run it on the bank at this URL. */
  static CompletableFuture<LoadRun> begin(String url, String... arguments) {
    return CompletableFuture.supplyAsync(
        () -> at(url, arguments), run -> new Thread(run, "load").start());
  }

  /** Waits for a run's end, for a minute at most. */
  static LoadRun end(CompletableFuture<LoadRun> run) throws Exception {
    return run.get(60, TimeUnit.SECONDS);
  }

  /** It ended well, with no more on standard error than how it went on, each ten seconds. */
  LoadRun assertDone() {
    assertTrue(err.lines().allMatch(line -> line.matches(PROGRESS)), this::toString);
    return assertStatus(0);
  }

  /** It ended with this exit status. */
  LoadRun assertStatus(int status) {
    assertEquals(status, this.status, this::toString);
    return this;
  }

  /** The transfers whose outcome it says it does not know, in its line of error. */
  static Set<UUID> unknown(String err) {
    String words = "error: not known whether it was committed: transfer ";
    return err.lines()
        .filter(line -> line.startsWith(words))
        .flatMap(line -> Stream.of(line.substring(words.length()).split(", transfer ")))
        .map(UUID::fromString)
        .collect(Collectors.toSet());
  }

  /** Every transfer that it says it made is in the ledger, and besides only unknown ones are. */
  static void assertLedgerOf(Bank bank, long made, Set<UUID> unknown) {
    Set<UUID> ledger = bank.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    ledger.removeAll(unknown);
    assertEquals(made, ledger.size());
  }

  /** What --json had it print. */
  JsonObject json() {
    return JsonParser.parseString(out).getAsJsonObject();
  }
}
