import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a run told: how much it did, how often it tried again, and what it does not know. */
record Told(Script.Result result) {

  private static final Pattern UUID_TEXT =
      Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

  /** The transfers told as made: a line each for the first ten, and a sum; BankLoad's sum alone. */
  long transfers() {
    return result.out().lines().filter(line -> line.startsWith("Moved ")).count()
        + count("Made ([\\d,]+) more transfers\\.").orElse(0L)
        + count("Transfers: ([\\d,]+) committed").orElse(0L);
  }

  /** The accounts told as created. */
  long accounts() {
    return count("([\\d,]+) created\\.").orElseThrow(() -> new AssertionError(result));
  }

  /** The failed attempts, as they were told when they failed: "attempt 1 failed, next in ...". */
  Stream<MatchResult> failedAttempts() {
    return Pattern.compile("attempt (\\d+) failed, next in (\\d+) ms: .+")
        .matcher(result.err())
        .results();
  }

  /** The IDs that the line of error names. */
  Set<UUID> unknown() {
    return result
        .err()
        .lines()
        .filter(line -> line.matches("error: .*not known whether (it|this) was committed: .*"))
        .flatMap(line -> UUID_TEXT.matcher(line).results())
        .map(match -> UUID.fromString(match.group()))
        .collect(Collectors.toSet());
  }

  /** It ended well, and on standard error are its retries and nothing else. */
  Told assertDone() {
    assertStatus(0);
    assertEquals(failedAttempts().count(), result.err().lines().count(), result::toString);
    return this;
  }

  /** It ended with this exit status. */
  Told assertStatus(int status) {
    assertEquals(status, result.status(), result::toString);
    return this;
  }

  /** Every transfer told as made is in the ledger, and besides them only unknown ones are. */
  Told assertLedgerOf(Bank bank) {
    Set<UUID> ledger = bank.ledger().stream().map(Bank.Entry::id).collect(Collectors.toSet());
    ledger.removeAll(unknown());
    assertEquals(ledger.size(), transfers(), result::toString);
    return this;
  }

  /** It told the total before and after, and they are the same and true. */
  Told assertTotalOf(Bank bank) {
    String line = "Total balance: %1$,d before, %1$,d after.".formatted(bank.total());
    assertTrue(result.out().lines().anyMatch(line::equals), () -> line + "\n" + result);
    return this;
  }

  private Optional<Long> count(String words) {
    return Pattern.compile(words)
        .matcher(result.out())
        .results()
        .map(told -> Long.valueOf(told.group(1).replace(",", "")))
        .findFirst();
  }
}
