//SOURCES ../BankSecure.java
//SOURCES Tally.java

import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleSupplier;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;

/**
 * Checks, while transfers are made and after them, that no money is lost or made: the total is what
 * it was at first, no balance is below 0, no account is gone, and the ledger has every transfer.
 */
final class Audit {

  private static final String BOOKS =
      """
      SELECT CAST(? AS FLOAT8) AS at_second, count(*) AS accounts,
        coalesce(sum(balance), 0) AS total, coalesce(min(balance), 0) AS smallest_balance
      FROM accounts
      """;

  /** What the books said so many seconds after the start; amounts are in whole units. */
  public record Check(double atSecond, long accounts, BigDecimal total, long smallestBalance) {}

  private final BankSecure.Session session;
  private final boolean cockroach;
  private final Queue<Check> checks = new ConcurrentLinkedQueue<>();
  private final Check first;
  private volatile String fault = "";
  private Check last;
  private long inLedger;

  /** Makes the first check, by which all others are judged, once the accounts are created. */
  Audit(BankSecure.Session session, boolean cockroach) {
    this.session = session;
    this.cockroach = cockroach;
    first = check(() -> 0, 0);
  }

  /** The check before the first transfer. */
  Check first() {
    return first;
  }

  /** The checks made while it ran. */
  Queue<Check> checks() {
    return checks;
  }

  /** Checks about once a second, a tenth of the time at most, until not wanted or at a fault. */
  void watch(Tally load, BooleanSupplier isWanted) {
    // CockroachDB is asked for what was some seconds ago, which is in no transfer's way.
    int age = cockroach ? 5 : 0;
    double next = 1 + age;
    while (isWanted.getAsBoolean() && fault.isEmpty()) {
      LockSupport.parkNanos(20_000_000);
      if (load.seconds() >= next) {
        Check check = check(load::seconds, age);
        checks.add(check);
        fault = fault(check);
        double begin = check.atSecond + age;
        next = begin + Math.max(1, 10 * (load.seconds() - begin));
      }
    }
  }

  /**
   * Makes the last check, and looks for each transfer, of so many begun and made, in the ledger.
   */
  void finish(double second, long begun, long made, LongFunction<UUID> id) {
    String count = "SELECT count(*) FROM unnest(?) AS own (id) JOIN transfers USING (id)";
    long found = 0;
    for (long number = 0; number < begun; number += 1_000) {
      LongStream some = LongStream.range(number, Math.min(number + 1_000, begun));
      Object ids = some.mapToObj(id).toArray(UUID[]::new);
      found += session.run(handle -> handle.select(count, ids).mapTo(long.class).one());
    }
    last = check(() -> second, 0);
    inLedger = found;
    if (fault.isEmpty()) {
      fault = fault(last);
    }
    if (fault.isEmpty() && found != made) {
      String message = "the ledger must have %,d transfers of this run and has %,d";
      fault = message.formatted(made, found);
    }
  }

  /** Reads it all in one statement, and not SERIALIZABLE: transfers would fail for that. */
  private Check check(DoubleSupplier clock, int age) {
    String snapshot = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL";
    String when = age > 0 ? " AS OF SYSTEM TIME '-" + age + "s'" : "";
    return session.run(
        handle -> {
          double second = Tally.rounded(clock.getAsDouble() - age);
          if (!cockroach) {
            handle.execute(snapshot + " REPEATABLE READ");
          }
          return handle.select(BOOKS + when, second).map(ConstructorMapper.of(Check.class)).one();
        });
  }

  /** The first thing that was found wrong; empty where nothing was. */
  String fault() {
    return fault;
  }

  private String fault(Check found) {
    if (found.smallestBalance < 0) {
      return "no balance may be below 0, and one is %,d".formatted(found.smallestBalance);
    }
    if (found.accounts < first.accounts) {
      String message = "there must be %,d accounts and there are %,d";
      return message.formatted(first.accounts, found.accounts);
    }
    if (isComparable(found) && found.total.compareTo(first.total) != 0) {
      String message = "the total balance must be %,.0f and is %,.0f";
      return message.formatted(first.total, found.total);
    }
    return "";
  }

  /** Accounts that others create meanwhile bring money that is not ours to judge. */
  private boolean isComparable(Check found) {
    return found.accounts == first.accounts;
  }

  /** What it found, in the names and units of BankLoad's JSON. */
  Map<String, Object> whole() {
    Map<String, Object> whole = new LinkedHashMap<>();
    whole.put("audit", verdict());
    whole.put("fault", fault);
    whole.put("transfersInLedger", last == null ? null : inLedger);
    whole.put("accountsAfter", last == null ? null : last.accounts);
    whole.put("totalAfter", last == null ? null : last.total);
    whole.put("smallestBalance", last == null ? null : last.smallestBalance);
    return whole;
  }

  /** It failed, passed, was incomparable since others made accounts, or was not made. */
  private String verdict() {
    if (!fault.isEmpty()) {
      return "failed";
    }
    if (last == null) {
      return "not made";
    }
    return isComparable(last) ? "passed" : "incomparable";
  }
}
