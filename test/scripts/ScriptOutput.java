import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** What a run printed: what it did, what it tried again, and what it does not know. */
record ScriptOutput(Script.Result result) {

  private static final Pattern UUID_TEXT =
      Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

  /** The transfers that it printed: a line each, or BankLoad's sum. */
  long transfers() {
    return result.out().lines().filter(line -> line.startsWith("Transferred ")).count()
        + numbers("Transfers: ([\\d,]+) committed").sum();
  }

  /** The accounts that it printed as created. */
  long accounts() {
    return numbers("([\\d,]+) created\\.").findFirst().orElseThrow();
  }

  /** The failed attempts, in the order in which it printed them. */
  Stream<MatchResult> failedAttempts() {
    return Pattern.compile("attempt (\\d+) failed, retrying(?: in (\\d+) ms)?: .+")
        .matcher(result.err())
        .results();
  }

  /** The IDs of transfers whose outcome it does not know. */
  Set<UUID> unknown() {
    return result
        .err()
        .lines()
        .filter(line -> line.startsWith("It was committed if this finds a row: "))
        .flatMap(line -> UUID_TEXT.matcher(line).results())
        .map(match -> UUID.fromString(match.group()))
        .collect(Collectors.toSet());
  }

  /** It succeeded, and printed nothing but retries on standard error. */
  ScriptOutput assertDone() {
    assertStatus(0);
    assertEquals(failedAttempts().count(), result.err().lines().count(), result::toString);
    return this;
  }

  /** It ended with this exit status. */
  ScriptOutput assertStatus(int status) {
    assertEquals(status, result.status(), result::toString);
    return this;
  }

  /** The ledger has the transfers that it printed, and besides them only unknown ones. */
  ScriptOutput assertLedgerOf(Bank bank) {
    Set<UUID> ledger = bank.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    ledger.removeAll(unknown());
    assertEquals(ledger.size(), transfers(), result::toString);
    return this;
  }

  /** It printed the total before and after, and both are what the database has. */
  ScriptOutput assertTotalOf(Bank bank) {
    String line = "Total balance: %1$,d before, %1$,d after.".formatted(bank.total());
    assertTrue(result.out().lines().anyMatch(line::equals), () -> line + "\n" + result);
    return this;
  }

  private LongStream numbers(String words) {
    return Pattern.compile(words)
        .matcher(result.out())
        .results()
        .mapToLong(match -> Long.parseLong(match.group(1).replace(",", "")));
  }
}
