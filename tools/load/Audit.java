//SOURCES ../../BankSecure.java
//SOURCES LedgerReplay.java
//SOURCES LoadStatistics.java
//SOURCES TransferJournal.java

import java.math.BigDecimal;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;

/**
 * Checks, while transfers are made and after them, that no money is lost or made.
 *
 * <p>Each check reads all balances in one consistent snapshot, summed up in about a thousand groups
 * of accounts. The total must be what it was, and each group must hold what this run's transfers
 * moved there. If a group does not, all balances are compared with the ledger, as they are at the
 * end. Nothing is set for longer than a transaction, because a pooler may give the connection to
 * another program next.
 */
final class Audit {

  /** How old is what a check reads on CockroachDB, in seconds: the past is in no transfer's way. */
  private static final double AGE_ON_COCKROACHDB = 2;

  /** The clocks of two nodes differ by less, in seconds; else a node stops by itself. */
  private static final double MAXIMUM_CLOCK_OFFSET = 0.6;

  private static final String GROUPS =
      """
      SELECT id % 1009, count(*), sum(balance), min(balance)
      FROM accounts
      GROUP BY id % 1009
      """;

  private static final String LEDGER_ROWS =
      """
      SELECT source, target, amount
      FROM unnest(?) AS asked (id)
      JOIN transfers USING (id)
      """;

  /** A check of the accounts as they were at this second; amounts are in whole units. */
  record Check(
      double atSecond,
      double endedAtSecond,
      long accounts,
      BigDecimal total,
      long smallestBalance) {}

  /** A group's accounts: how many, and the lowest 64 bits of the sum of their balances. */
  private record Group(long accounts, long sum) {}

  /** What a snapshot holds. */
  private record Books(
      long accounts, BigDecimal total, long smallestBalance, Map<Long, Group> groups) {}

  /** A snapshot that a check read, and between which times of System.nanoTime it was current. */
  private record Snapshot(Handle handle, long notBefore, long notAfter) {
    long readAt() {
      return notBefore + (notAfter - notBefore) / 2;
    }
  }

  /** The books that a check found, in times of System.nanoTime. */
  private record Finding(Books books, long readAt, long endedAt) {}

  private final BankSecure.Session session;
  private final boolean cockroach;
  private final TransferJournal journal;
  private final Queue<Finding> findings = new ConcurrentLinkedQueue<>();
  private final Map<Long, Group> expected = new HashMap<>();
  private LedgerReplay replay;
  private Books first;
  private Books previous;
  private Books last;
  private LedgerReplay.Comparison comparison;
  private long settled;
  private int explainedDifferences;
  private double fastestCheck;
  private volatile String fault = "";

  /** An audit of the transfers in this journal; it reads through a session of its own. */
  Audit(BankSecure.Session session, boolean cockroach, TransferJournal journal) {
    this.session = session;
    this.cockroach = cockroach;
    this.journal = journal;
  }

  /** Reads what all later checks are compared with: the accounts before the first transfer. */
  void start() {
    inLatestSnapshot(
        snapshot -> {
          long begin = System.nanoTime();
          first = books(snapshot.handle);
          fastestCheck = (System.nanoTime() - begin) / 1e9;
          previous = first;
          expected.clear();
          expected.putAll(first.groups);
          replay = new LedgerReplay(snapshot.handle);
          return null;
        });
    fault = first.smallestBalance < 0 ? fault(first) : "";
  }

  /** The accounts that a load chooses from. */
  AccountBalances accounts() {
    return replay.accounts();
  }

  /** How many accounts there were at the start. */
  long accountsAtStart() {
    return first.accounts;
  }

  /** The sum of all balances at the start. */
  BigDecimal totalAtStart() {
    return first.total;
  }

  /** How many checks were made while it ran. */
  int checks() {
    return findings.size();
  }

  /** The first fault, or an empty text. */
  String fault() {
    return fault;
  }

  /**
   * Checks until a check finds a fault, or is no longer wanted. After each check it waits nine
   * times as long as the fastest one took, so that a check that a stall has delayed changes
   * nothing; but one to two seconds, or up to 20 if there are more than a million accounts.
   */
  void watch(BooleanSupplier isWanted) {
    double age = cockroach ? AGE_ON_COCKROACHDB : 0;
    long next = System.nanoTime() + nanos(1 + age);
    while (isWanted.getAsBoolean() && fault.isEmpty()) {
      LockSupport.parkNanos(20_000_000);
      long begin = System.nanoTime();
      if (begin - next >= 0) {
        // A node that is frozen must not hold up the audit, which goes to another one.
        Duration timeout = Duration.ofMillis((long) Math.max(2_500, 20_000 * fastestCheck));
        Finding finding = inSnapshot(age, timeout, this::check);
        findings.add(finding);
        fastestCheck = Math.min(fastestCheck, (finding.endedAt - begin) / 1e9);
        double longestPause = finding.books.accounts <= 1_000_000 ? 2 : 20;
        next = finding.endedAt + nanos(Math.max(1, Math.min(9 * fastestCheck, longestPause)));
      }
    }
  }

  /** Compares all balances with the ledger, once no transfer of this run is under way. */
  void finish() {
    if (!fault.isEmpty()) {
      return;
    }
    Books books =
        inLatestSnapshot(
            snapshot -> {
              // The rest is unknown, unless the ledger has it.
              settle(snapshot);
              long unsettled = ledgerRows(snapshot, journal.unsettled(snapshot.notAfter)).size();
              Long fingerprint = unsettled == 0 ? journal.fingerprint() : null;
              long known = journal.committed() + unsettled;
              comparison = replay.compare(snapshot.handle, journal, known, fingerprint);
              return books(snapshot.handle);
            });
    last = books;
    String found = fault(books);
    fault = found.isEmpty() ? comparison.fault() : found;
  }

  private Finding check(Snapshot snapshot) {
    Books books = books(snapshot.handle);
    settle(snapshot);
    String found = fault(books);
    if (found.isEmpty() && explainedDifferences < 3) {
      found = compareGroups(snapshot, books);
    }
    previous = books;
    fault = found;
    last = found.isEmpty() ? null : books;
    return new Finding(books, snapshot.readAt(), System.nanoTime());
  }

  private Books books(Handle handle) {
    Map<Long, Group> groups = new HashMap<>();
    BigDecimal[] total = {BigDecimal.ZERO};
    long[] accountsAndSmallest = {0, Long.MAX_VALUE};
    handle
        .createQuery(GROUPS)
        .map(
            (row, context) -> {
              BigDecimal sum = row.getBigDecimal(3);
              total[0] = total[0].add(sum);
              accountsAndSmallest[0] += row.getLong(2);
              accountsAndSmallest[1] = Math.min(accountsAndSmallest[1], row.getLong(4));
              groups.put(row.getLong(1), new Group(row.getLong(2), sum.longValue()));
              return 0;
            })
        .list();
    long smallest = accountsAndSmallest[0] == 0 ? 0 : accountsAndSmallest[1];
    return new Books(accountsAndSmallest[0], total[0], smallest, groups);
  }

  /**
   * What the numbers alone show: money or accounts that are not there, or that come from nowhere.
   */
  private String fault(Books books) {
    if (books.smallestBalance < 0) {
      return "no balance may be below 0, and one is %,d".formatted(books.smallestBalance);
    }
    if (books.accounts < previous.accounts) {
      String message = "there must be %,d accounts and there are %,d";
      return message.formatted(previous.accounts, books.accounts);
    }
    // Accounts that others add may bring money, but take none away.
    boolean added = books.accounts > previous.accounts;
    int compared = books.total.compareTo(previous.total);
    if (compared < 0 || compared > 0 && !added) {
      String message = "the total balance must be %s%,.0f and is %,.0f";
      return message.formatted(added ? "at least " : "", previous.total, books.total);
    }
    return "";
  }

  /** Compares each group with what this run's transfers moved, and if need be with the ledger. */
  private String compareGroups(Snapshot snapshot, Books books) {
    List<long[]> rows = ledgerRows(snapshot, journal.unsettled(snapshot.notAfter));
    Map<Long, Group> now = new HashMap<>(expected);
    rows.forEach(row -> move(now, row[0], row[1], row[2]));
    Map<Long, Group> next = new HashMap<>();
    boolean agree = true;
    Set<Long> all = new HashSet<>(now.keySet());
    all.addAll(books.groups.keySet());
    for (long group : all) {
      Group must = now.getOrDefault(group, new Group(0, 0));
      Group is = books.groups.getOrDefault(group, new Group(0, 0));
      boolean added = is.accounts > must.accounts && is.sum - must.sum >= 0;
      agree &= added || is.equals(must);
      // What others added, or the ledger explains, counts from now on.
      Group before = expected.getOrDefault(group, new Group(0, 0));
      next.put(group, new Group(is.accounts, before.sum + is.sum - must.sum));
    }
    if (!agree) {
      setTimeout(snapshot.handle, Duration.ofMinutes(2));
      long known = settled + rows.size();
      comparison = replay.compare(snapshot.handle, journal, known, null);
      explainedDifferences++;
    }
    expected.putAll(next);
    return agree ? "" : comparison.fault();
  }

  /** Takes those that the snapshot has for certain out of the journal. */
  private void settle(Snapshot snapshot) {
    for (TransferJournal.Transfer transfer : journal.settle(snapshot.notBefore)) {
      settled++;
      move(expected, transfer.source(), transfer.target(), transfer.amount());
    }
  }

  private static void move(Map<Long, Group> groups, long source, long target, long amount) {
    add(groups, source % 1009, -amount);
    add(groups, target % 1009, amount);
  }

  private static void add(Map<Long, Group> groups, long group, long amount) {
    groups.computeIfPresent(group, (id, old) -> new Group(old.accounts, old.sum + amount));
  }

  /** Source, target and amount of those of these transfers that the ledger has. */
  private static List<long[]> ledgerRows(Snapshot snapshot, List<UUID> ids) {
    List<long[]> rows = new ArrayList<>();
    for (int from = 0; from < ids.size(); from += 1_000) {
      Object some = ids.subList(from, Math.min(from + 1_000, ids.size())).toArray(UUID[]::new);
      rows.addAll(
          snapshot
              .handle
              .select(LEDGER_ROWS, some)
              .map((row, context) -> new long[] {row.getLong(1), row.getLong(2), row.getLong(3)})
              .list());
    }
    return rows;
  }

  // ---- Snapshots ----

  /**
   * Runs a query on all that is committed. On CockroachDB it reads what was a moment ago, which no
   * transfer of others interrupts, after a pause that is longer than this moment and the clocks'
   * difference.
   */
  private <R> R inLatestSnapshot(Function<Snapshot, R> query) {
    if (cockroach) {
      LockSupport.parkNanos(1_000_000_000);
    }
    return inSnapshot(cockroach ? 0.1 : 0, Duration.ofMinutes(10), query);
  }

  private <R> R inSnapshot(double age, Duration timeout, Function<Snapshot, R> query) {
    String begin =
        cockroach
            ? "SET TRANSACTION AS OF SYSTEM TIME '-" + age + "s'"
            : "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    double uncertainty = cockroach ? MAXIMUM_CLOCK_OFFSET : 0;
    return session.run(
        handle ->
            handle.inTransaction(
                transaction -> {
                  setTimeout(transaction, timeout);
                  long before = System.nanoTime();
                  transaction.execute(begin);
                  // The first query decides what PostgreSQL shows.
                  transaction.select("SELECT 1").mapTo(int.class).one();
                  long after = System.nanoTime();
                  return query.apply(
                      new Snapshot(
                          transaction,
                          before - nanos(age + uncertainty),
                          after - nanos(age - uncertainty)));
                }));
  }

  private static void setTimeout(Handle handle, Duration timeout) {
    try {
      handle.getConnection().setNetworkTimeout(Runnable::run, (int) timeout.toMillis());
    } catch (SQLException e) {
      throw new ConnectionException(e);
    }
  }

  private static long nanos(double seconds) {
    return (long) (seconds * 1e9);
  }

  // ---- Result ----

  /** What it found, in the names and units of BankLoad's JSON. */
  Map<String, Object> result(LoadStatistics load) {
    Map<String, Object> result = new LinkedHashMap<>();
    boolean isFinished = last != null;
    boolean isCompared = isFinished && comparison != null;
    result.put("audit", !fault.isEmpty() ? "failed" : isFinished ? "passed" : "not made");
    result.put("fault", fault);
    result.put("checks", findings.stream().map(finding -> check(finding, load)).toList());
    result.put("longestSecondsWithoutCheck", longestWithoutCheck(load));
    result.put("transfersInLedger", isCompared ? comparison.ownTransfers() : null);
    result.put("accountsAfter", isFinished ? last.accounts : null);
    result.put("totalAfter", isFinished ? last.total : null);
    result.put("smallestBalance", isFinished ? last.smallestBalance : null);
    result.put("transfersOfOthers", isCompared ? comparison.transfersOfOthers() : null);
    result.put("accountsOfOthers", isCompared ? comparison.accountsOfOthers() : null);
    result.put("moneyOfOthers", isCompared ? comparison.moneyOfOthers() : null);
    result.put("notChecked", isCompared ? notChecked() : List.of());
    return result;
  }

  private static Check check(Finding finding, LoadStatistics load) {
    Books books = finding.books;
    return new Check(
        load.second(finding.readAt),
        load.second(finding.endedAt),
        books.accounts,
        books.total,
        books.smallestBalance);
  }

  private double longestWithoutCheck(LoadStatistics load) {
    double longest = 0;
    double before = 0;
    for (Finding finding : findings) {
      double ended = load.second(finding.endedAt);
      longest = Math.max(longest, ended - before);
      before = Math.max(before, ended);
    }
    return LoadStatistics.rounded(Math.max(longest, load.endedAtSecond() - before));
  }

  /** What nobody can know, in sentences. */
  private List<String> notChecked() {
    List<String> sentences = new ArrayList<>();
    if (comparison.accountsOfOthers() > 0) {
      String sentence =
          "Others added %,d accounts with %,.0f: what these held at first is unknown.";
      sentences.add(sentence.formatted(comparison.accountsOfOthers(), comparison.moneyOfOthers()));
    }
    if (replay.isPartial()) {
      sentences.add(
          "Only the %,d accounts with the lowest IDs were used and compared with the ledger."
              .formatted(LedgerReplay.MAXIMUM_ACCOUNTS));
    }
    return sentences;
  }
}
