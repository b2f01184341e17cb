///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Puts a load on a cluster, and proves while it runs that no money is lost
//JAVA 17+
//DEPS com.google.code.gson:gson:2.15.0
//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//DEPS org.webjars.npm:uplot:1.6.30
//FILES BankLoad.html
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java

import com.google.gson.*;
import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.SQLException;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.*;
import java.util.logging.LogManager;
import java.util.regex.*;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.mapper.RowMapper;
import org.jdbi.v3.core.statement.*;
import org.postgresql.util.DriverInfo;
import picocli.CommandLine;
import picocli.CommandLine.*;
import picocli.CommandLine.Model.*;

/**
 * Has workers move money with the statements and the retry loop of BankSecure and BankInsecure, and
 * checks all the while that no money is lost or made.
 */
@Command(
    name = "BankLoad",
    version = "BankLoad 2.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Puts a load on a cluster, and proves while it runs that no money is lost.",
    footer = {
      "%nExit status: 0 done, 1 failed and rolled back, 2 wrong command line,",
      "  3 not known whether it was committed, 4 the audit failed: money was lost or made,",
      "  5 no connection to the database."
    })
public final class BankLoad implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else a local cluster.")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--certs-dir", description = "Default: $$COCKROACH_CERTS_DIR, else certs.")
  private Path certificates =
      Path.of(Objects.requireNonNullElse(System.getenv("COCKROACH_CERTS_DIR"), "certs"));

  @Option(names = "--accounts", description = "Create so many first; 1,000 if there are none.")
  private Integer accounts;

  @Option(names = "--duration", description = "How long to make transfers: 30s, 5m, 1h; 10s.")
  private Duration duration = Duration.ofSeconds(10);

  @Option(names = "--transfers", description = "Make so many instead, however long it takes.")
  private Integer transfers;

  @Option(names = "--concurrency", description = "Workers; ${DEFAULT-VALUE} by default.")
  private int concurrency = 8;

  @Option(names = "--rate", description = "Transfers a second in all; as many as go by default.")
  private int rate;

  @Option(names = "--warm-up", description = "Make transfers for so long first, not counted.")
  private Duration warmUp = Duration.ZERO;

  @Option(names = "--seed", description = "Fixes the account IDs, the balances and all choices.")
  private long seed = ThreadLocalRandom.current().nextLong();

  @Option(names = "--retry-timeout", description = "Seconds to keep trying a transaction; 60.")
  private int retryTimeout = 60;

  @Option(names = "--force-retries", description = "Fail each transfer so many times first.")
  private int forceRetries;

  @Option(names = "--no-audit", description = "Check the books at the end only.")
  private boolean checksAtEndOnly;

  @Option(names = "--json", description = "Print the result as one JSON object.")
  private boolean json;

  @Option(names = "--report", description = "Write the result as a page of charts to this file.")
  private Path report;

  @Spec private CommandSpec command;

  private final List<BankSecure.Session> sessions = new ArrayList<>();
  private final AtomicLong begun = new AtomicLong();
  private final Queue<UUID> unknown = new ConcurrentLinkedQueue<>();
  private final UUID run = UUID.randomUUID();
  private final Instant startedAt = Instant.now();
  private Properties settings;
  private Jdbi database;
  private String product;
  private long[] accountIds;
  private Audit audit;
  private Load load = new Load(Duration.ZERO, 0);
  private volatile boolean halted;

  @Override
  public Integer call() throws Exception {
    requireSense();
    connect();
    try (BankSecure.Session auditing = session(retry -> {})) {
      product = auditing.read(BankSecure::version);
      String security = isEncrypted() ? "certificate verified" : "not encrypted";
      print("Connected to %s at %s; %s.", product, place(), security);
      while (sessions.size() < concurrency) {
        // Inside the loop of another, which waits where the server has no room for one more.
        sessions.add(auditing.read(handle -> session(retry -> load.retried(retry))));
      }
      BankSecure.createTables(auditing);
      createAccounts(auditing);
      makeTransfers();
    } finally {
      sessions.forEach(BankSecure.Session::close);
    }
    return 0;
  }

  // ---- Connection ----

  private void connect() {
    settings = BankSecure.settings(url);
    settings.replace("ApplicationName", "BankSecure", "BankLoad");
    try {
      database =
          isEncrypted()
              ? BankSecure.connect(settings, certificates)
              : BankInsecure.connect(settings);
    } catch (BankInsecure.Failure e) {
      throw new BankSecure.Failure(e.status, e.getMessage());
    }
    // JDBI would look through each statement for templates, each time.
    database.configure(SqlStatements.class, all -> all.setTemplateEngine(TemplateEngine.NOP));
  }

  private boolean isEncrypted() {
    return !settings.getProperty("sslmode", "").equals("disable");
  }

  private boolean isCockroach() {
    return product.startsWith("CockroachDB");
  }

  private BankSecure.Session session(Consumer<BankSecure.Retry> told) {
    return new BankSecure.Session(database, Duration.ofSeconds(retryTimeout), told);
  }

  private String hosts() {
    return settings.get("PGHOST") + ":" + settings.get("PGPORT");
  }

  private String place() {
    return hosts() + ", database " + settings.get("PGDBNAME") + ", user " + settings.get("user");
  }

  // ---- Accounts ----

  private void createAccounts(BankSecure.Session auditing) throws Exception {
    String two = "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 2) AS found";
    int found = auditing.read(handle -> handle.select(two).mapTo(int.class).one());
    int asked = accounts != null ? accounts : found == 0 ? 1_000 : 0;
    if (limit() > 0 && found + asked < 2) {
      throw new BankSecure.Failure(
          2, "a transfer needs two accounts: ask for --accounts=2 or more");
    }
    Creation creation = new Creation(asked);
    try {
      runAll(creation::work, () -> show(creation.made + " of " + asked + " accounts"));
    } catch (Exception e) {
      print("Accounts: %,d created.", creation.made);
      throw e;
    }
    audit = new Audit(auditing, creation.made);
    accountIds = auditing.read(BankLoad::accountIds);
    print(
        "Accounts: %,d found, %,d created.",
        audit.expected.accounts - creation.made, creation.made);
  }

  /** The accounts to create: hands them out by the thousand, and counts those that were made. */
  private final class Creation {
    private final SplittableRandom random = new SplittableRandom(seed);
    private int left;
    private int made;

    Creation(int asked) {
      left = asked;
    }

    void work(BankSecure.Session session) {
      for (long[][] each = next(); each[0].length > 0; each = next()) {
        long[] ids = each[0];
        long[] balances = each[1];
        AtomicInteger attempts = new AtomicInteger();
        int inserted =
            session.commit(
                ids.length + " accounts, the first of them " + ids[0],
                handle -> {
                  attempts.incrementAndGet();
                  return BankSecure.insertAccounts(handle, ids, balances);
                });
        // None: an attempt before, whose answer was lost, had made them all.
        add(ids.length, inserted == 0 && attempts.get() > 1 ? ids.length : inserted);
      }
    }

    private synchronized long[][] next() {
      int size = halted ? 0 : Math.min(left, 1_000);
      left -= size;
      return new long[][] {
        random.longs(size, 1, Long.MAX_VALUE).toArray(), random.longs(size, 0, 1_000_000).toArray()
      };
    }

    private synchronized void add(int asked, int inserted) {
      made += inserted;
      // Where another run with this seed has taken an ID, one account more is made.
      left += asked - inserted;
    }
  }

  /**
   * The IDs of all accounts or, where there are more, of a million from all over the key space:
   * reads the first thousand of a range, and cuts what is left of it into two ranges.
   */
  private static long[] accountIds(Handle handle) {
    String page = "SELECT id FROM accounts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1000";
    LongStream.Builder all = LongStream.builder();
    Queue<long[]> ranges = new ArrayDeque<>();
    ranges.add(new long[] {Long.MIN_VALUE, Long.MAX_VALUE});
    for (int pages = 0; pages < 1_000 && !ranges.isEmpty(); ) {
      long[] range = ranges.remove();
      List<Long> ids =
          handle.select(page, range[0], range[1]).map((row, context) -> row.getLong(1)).list();
      ids.forEach(all::add);
      if (ids.size() == 1_000) {
        pages++;
        long low = ids.get(999) + 1;
        long middle = (low >> 1) + (range[1] >> 1);
        ranges.add(new long[] {low, middle});
        ranges.add(new long[] {middle + 1, range[1]});
      }
    }
    return all.build().toArray();
  }

  // ---- Load ----

  private void makeTransfers() throws Exception {
    if (!warmUp.isZero() && limit() > 0) {
      load = new Load(warmUp, Long.MAX_VALUE);
      runAll(load::work, load::tick);
      audit.warmedUp = load.committed.sum();
    }
    load = new Load(transfers == null ? duration : Duration.ofDays(10_000), limit());
    Thread auditor = new Thread(audit::watch);
    auditor.setDaemon(true);
    Exception failure = null;
    try {
      if (!checksAtEndOnly) {
        auditor.start();
      }
      runAll(load::work, load::tick);
    } catch (Exception e) {
      failure = e;
    }
    load.end();
    halted = true;
    auditor.join(15_000);
    failure = failure == null ? audit.failure : failure;
    boolean reachable = failure == null || status(failure) == 1;
    try {
      if (reachable && !auditor.isAlive()) {
        audit.finish();
      }
    } finally {
      tell();
    }
    if (!audit.fault().isEmpty()) {
      throw new BankSecure.Failure(4, audit.fault());
    }
    if (failure != null) {
      throw failure;
    }
  }

  private long limit() {
    return transfers == null ? Long.MAX_VALUE : transfers;
  }

  /** Runs the same on each session, in a thread of its own, until all have ended. */
  private void runAll(Consumer<BankSecure.Session> work, Runnable tick) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(concurrency);
    List<Future<?>> ends = new ArrayList<>();
    for (BankSecure.Session session : sessions) {
      ends.add(threads.submit(() -> run(work, session)));
    }
    threads.shutdown();
    for (boolean ended = false; !ended; tick.run()) {
      try {
        ended = threads.awaitTermination(100, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        halted = true;
        threads.shutdownNow();
      }
    }
    show("");
    try {
      for (Future<?> end : ends) {
        end.get();
      }
    } catch (ExecutionException e) {
      if (!unknown.isEmpty()) {
        String message = "it is not known whether this was committed: transfer ";
        String ids = unknown.stream().map(UUID::toString).collect(Collectors.joining(", "));
        throw new BankSecure.Failure(3, message + ids);
      }
      throw e.getCause() instanceof Exception cause ? cause : e;
    }
  }

  private void run(Consumer<BankSecure.Session> work, BankSecure.Session session) {
    try {
      work.accept(session);
    } catch (RuntimeException | Error e) {
      halted = true;
      throw e;
    }
  }

  private void transfer(BankSecure.Session session, long number) {
    SplittableRandom choice = new SplittableRandom(seed + number);
    int source = choice.nextInt(accountIds.length);
    int other = choice.nextInt(accountIds.length - 1);
    int target = other < source ? other : other + 1;
    UUID id = transferId(number);
    int[] failures = {0};
    try {
      session.commit(
          "transfer " + id,
          handle -> {
            if (failures[0]++ < forceRetries) {
              failOnPurpose(handle);
            }
            return BankSecure.transfer(handle, id, accountIds[source], accountIds[target]);
          });
    } catch (BankSecure.Failure e) {
      if (e.status != 3) {
        throw e;
      } else if (!isInLedger(id)) {
        unknown.add(id);
        throw e;
      }
    }
  }

  /** Fresh in every run, whatever the seed. None is kept: the audit makes them all again. */
  private UUID transferId(long number) {
    return UUID.nameUUIDFromBytes((run + " " + number).getBytes(StandardCharsets.US_ASCII));
  }

  /** Has the server itself raise 40001, by the means that each of the two offers. */
  private void failOnPurpose(Handle handle) {
    if (!isCockroach()) {
      handle.execute("DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '40001'; END $$");
      return;
    }
    handle.execute("SET inject_retry_errors_enabled = true");
    try {
      handle.useTransaction(transaction -> transaction.execute("SELECT 1"));
    } finally {
      handle.execute("SET inject_retry_errors_enabled = false");
    }
  }

  /** Looks once more, for an outcome that the retry loop had no time to find out. */
  private boolean isInLedger(UUID id) {
    // An interrupted thread opens no connection.
    Thread.interrupted();
    try (var session = new BankSecure.Session(database, Duration.ofSeconds(1), retry -> {})) {
      return session.read(handle -> inLedger(handle, new UUID[] {id})) == 1;
    } catch (JdbiException e) {
      return false;
    }
  }

  private static long inLedger(Handle handle, UUID[] ids) {
    String count =
        """
        SELECT count(*) FROM unnest(CAST(:ids AS UUID[])) AS own (id)
        JOIN transfers ON transfers.id = own.id
        """;
    return handle.createQuery(count).bind("ids", ids).mapTo(long.class).one();
  }

  // ---- Measurement ----

  /** What was measured up to a second after the start, in so many seconds. */
  record Row(
      double atSecond,
      double seconds,
      long transfersCommitted,
      double transfersPerSecond,
      Double p50Milliseconds,
      Double p95Milliseconds,
      Double p99Milliseconds,
      Double p999Milliseconds,
      Double maximumMilliseconds,
      long retries,
      Map<String, Long> retriesByReason) {

    static Row of(double at, double seconds, Histogram latencies, Map<String, Long> reasons) {
      long count = latencies.getTotalCount();
      return new Row(
          rounded(at),
          rounded(seconds),
          count,
          count == 0 ? 0 : rounded(count / seconds),
          milliseconds(latencies, 50),
          milliseconds(latencies, 95),
          milliseconds(latencies, 99),
          milliseconds(latencies, 99.9),
          milliseconds(latencies, 100),
          reasons.values().stream().mapToLong(each -> each).sum(),
          reasons);
    }

    private static Double milliseconds(Histogram latencies, double percentile) {
      double nanos = latencies.getValueAtPercentile(percentile);
      return latencies.getTotalCount() == 0 ? null : (Double) rounded(nanos / 1e6);
    }
  }

  private static double rounded(double number) {
    return Math.round(number * 1_000) / 1e3;
  }

  /** A time without a single commit. */
  record Gap(double fromSecond, double toSecond) {}

  /** A point of the curve: so many percent of the transfers took no longer than that. */
  record Point(double percentile, double milliseconds) {}

  /** Transfers for some time. Workers make and count them; all else is the main thread's. */
  private final class Load {
    private static final long LONGEST_NANOS = Duration.ofDays(2).toNanos();

    private final long start = System.nanoTime();
    private final long first = begun.get();
    private final Duration time;
    private final long limit;
    private final LongAdder committed = new LongAdder();
    private final Recorder recorder = new Recorder(LONGEST_NANOS, 3);
    private final Map<String, LongAdder> reasonsNow = new ConcurrentHashMap<>();
    private final Histogram latencies = new Histogram(LONGEST_NANOS, 3);
    private final Map<String, Long> reasons = new TreeMap<>();
    private final List<Row> series = new ArrayList<>();
    private final List<Gap> gaps = new ArrayList<>();
    private long counted;
    private double countedAt;
    private double rowAt;

    Load(Duration time, long limit) {
      this.time = time;
      this.limit = limit;
    }

    void work(BankSecure.Session session) {
      long number;
      while ((number = begun.getAndIncrement()) - first < limit) {
        // With a rate a transfer that waits for a worker has taken longer, and not begun later.
        long due = rate == 0 ? System.nanoTime() : start + (number - first) * 1_000_000_000 / rate;
        if (!awaits(due) || seconds() * 1e9 > time.toNanos()) {
          return;
        }
        transfer(session, number);
        recorder.recordValue(System.nanoTime() - due);
        committed.increment();
      }
    }

    private boolean awaits(long due) {
      long left;
      while (!halted && (left = due - System.nanoTime()) > 0) {
        LockSupport.parkNanos(Math.min(left, 100_000_000));
      }
      return !halted;
    }

    void retried(BankSecure.Retry retry) {
      reasonsNow.computeIfAbsent(reason(retry), any -> new LongAdder()).increment();
    }

    double seconds() {
      return (System.nanoTime() - start) / 1e9;
    }

    /** Looks at what the workers count, about ten times a second. */
    void tick() {
      double now = seconds();
      if (committed.sum() > counted) {
        endGap(now);
      }
      // A day has no more rows than an hour.
      if (now - rowAt >= Math.max(1, duration.toSeconds() / 3_600.0)) {
        addRow(now);
        show(
            line()
                + ", total %,.0f ✓ %,d checks"
                    .formatted(audit.expected.total, audit.checks.size()));
      }
    }

    void end() {
      double now = seconds();
      endGap(now);
      addRow(now);
    }

    private void endGap(double now) {
      if (now - countedAt >= Math.max(0.5, rate == 0 ? 0 : 5.0 / rate)) {
        gaps.add(new Gap(rounded(countedAt), rounded(now)));
      }
      counted = committed.sum();
      countedAt = now;
    }

    private void addRow(double now) {
      Histogram interval = recorder.getIntervalHistogram();
      latencies.add(interval);
      Map<String, Long> each = new TreeMap<>();
      reasonsNow.forEach((reason, count) -> each.put(reason, count.sumThenReset()));
      each.values().removeIf(count -> count == 0);
      each.forEach((reason, count) -> reasons.merge(reason, count, Long::sum));
      series.add(Row.of(now, now - rowAt, interval, each));
      rowAt = now;
    }

    Row whole() {
      return Row.of(rowAt, rowAt, latencies, reasons);
    }

    private String line() {
      Row last = series.get(series.size() - 1);
      String left = transfers == null ? "%.0f s left, ".formatted(time.toSeconds() - rowAt) : "";
      return left
          + "%,d transfers, %,.0f a second, p99 %.1f ms, %,d retries"
              .formatted(
                  latencies.getTotalCount(),
                  last.transfersPerSecond(),
                  last.p99Milliseconds(),
                  whole().retries());
    }

    List<Point> curve() {
      List<Point> points = new ArrayList<>();
      for (HistogramIterationValue value : latencies.percentiles(5)) {
        double milliseconds = rounded(value.getValueIteratedTo() / 1e6);
        points.add(new Point(value.getPercentileLevelIteratedTo(), milliseconds));
      }
      return points;
    }
  }

  /** CockroachDB's own words for why, as its "Transaction Retry Error Reference" has them. */
  private static final Pattern WORD =
      Pattern.compile("\\b(RETRY_[A-Z_]+|ABORT_REASON_[A-Z_]+|ReadWithinUncertaintyInterval)");

  private static String reason(BankSecure.Retry retry) {
    Matcher word = WORD.matcher(retry.reason());
    return word.find()
        ? word.group()
        : switch (retry.sqlState()) {
          case "40001" -> "serialization failure";
          case "40P01" -> "deadlock";
          case "40003", "58C00", "58C01" -> "ambiguous result";
          case "53300" -> "too many connections";
          case "57P01", "57P02", "57P03" -> "draining or starting";
          default -> "connection lost";
        };
  }

  // ---- Audit ----

  /** What the books said at one moment, in whole units, and what was wrong: empty if nothing. */
  record Check(
      double atSecond, long accounts, BigDecimal total, long smallestBalance, String fault) {}

  private final class Audit {
    private final BankSecure.Session session;
    private final int created;
    private final Queue<Check> checks = new ConcurrentLinkedQueue<>();
    private final Check expected;
    private Check last;
    private long warmedUp;
    private long inLedger;
    private volatile RuntimeException failure;

    Audit(BankSecure.Session session, int created) {
      this.session = session;
      this.created = created;
      expected = check(0, "");
    }

    /** Checks about once a second, a tenth of the time at most, until the load ends. */
    void watch() {
      // CockroachDB is asked for what was some seconds ago, which is in no transfer's way.
      int age = isCockroach() ? 5 : 0;
      String when = age == 0 ? "" : " AS OF SYSTEM TIME '-" + age + "s'";
      double next = age + 1;
      try {
        while (!halted) {
          LockSupport.parkNanos(20_000_000);
          double begin = load.seconds();
          if (begin >= next) {
            checks.add(check(begin - age, when));
            halted |= !fault().isEmpty();
            next = Math.max(begin + 1, begin + 10 * (load.seconds() - begin));
          }
        }
      } catch (RuntimeException e) {
        failure = e;
        halted = true;
      }
    }

    void finish() {
      long end = begun.get();
      for (long number = 0; number < end; number += 1_000) {
        LongStream some = LongStream.range(number, Math.min(number + 1_000, end));
        UUID[] ids = some.mapToObj(BankLoad.this::transferId).toArray(UUID[]::new);
        inLedger += session.read(handle -> inLedger(handle, ids));
      }
      last = check(load.seconds(), "");
    }

    /** Reads it all in one statement, and not SERIALIZABLE: transfers would fail for that. */
    private Check check(double second, String when) {
      String snapshot =
          "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ";
      String sums =
          "SELECT count(*), coalesce(sum(balance), 0), coalesce(min(balance), 0) FROM accounts";
      return session.read(
          handle -> {
            if (!isCockroach()) {
              handle.execute(snapshot + ", READ ONLY");
            }
            RowMapper<Check> mapper =
                (row, context) ->
                    judge(second, row.getLong(1), row.getBigDecimal(2), row.getLong(3));
            return handle.select(sums + when).map(mapper).one();
          });
    }

    private Check judge(double second, long accounts, BigDecimal total, long smallest) {
      String fault = "";
      if (smallest < 0) {
        fault = "no balance may be below 0, and one is %,d".formatted(smallest);
      } else if (expected != null && accounts < expected.accounts) {
        fault =
            "there must be %,d accounts and there are %,d".formatted(expected.accounts, accounts);
      } else if (expected != null
          && accounts == expected.accounts
          && !total.equals(expected.total)) {
        fault = "the total balance must be %,.0f and is %,.0f".formatted(expected.total, total);
      }
      return new Check(rounded(second), accounts, total, smallest, fault);
    }

    /** The first thing that was found wrong; empty where nothing was. */
    String fault() {
      Stream<Check> all = Stream.concat(checks.stream(), Stream.ofNullable(last));
      String ledger = "the ledger must have %,d transfers of this run and has %,d";
      return all.map(Check::fault)
          .filter(fault -> !fault.isEmpty())
          .findFirst()
          .orElse(last == null || inLedger == made() ? "" : ledger.formatted(made(), inLedger));
    }

    long made() {
      return warmedUp + load.committed.sum();
    }

    /** Accounts that others create meanwhile bring money that is not ours to judge. */
    String verdict() {
      if (!fault().isEmpty()) {
        return "failed";
      } else if (last == null) {
        return "not made";
      }
      return last.accounts == expected.accounts ? "passed" : "incomparable";
    }
  }

  // ---- Result ----

  private void tell() throws IOException {
    Row whole = load.whole();
    print(
        "Transfers: %,d committed, %,d unknown, %,.0f a second for %,.1f s.",
        whole.transfersCommitted, unknown.size(), whole.transfersPerSecond, whole.seconds);
    if (notBegun() > 0) {
      print("Not begun in time: %,d transfers.", notBegun());
    }
    if (whole.transfersCommitted > 0) {
      print(
          "Latency: p50 %,.1f ms, p95 %,.1f ms, p99 %,.1f ms, p99.9 %,.1f ms, maximum %,.1f ms.",
          whole.p50Milliseconds,
          whole.p95Milliseconds,
          whole.p99Milliseconds,
          whole.p999Milliseconds,
          whole.maximumMilliseconds);
    }
    String reasons = load.reasons.isEmpty() ? "" : " " + load.reasons;
    print("Retries: %,d%s.", whole.retries, reasons);
    if (audit.last == null) {
      print("No audit was made.");
    } else {
      print("Total balance: %,.0f before, %,.0f after.", audit.expected.total, audit.last.total);
      print(
          "Audit %s: %,d checks, the smallest balance is %,d, the ledger has %,d of %,d transfers.",
          audit.verdict(),
          audit.checks.size(),
          audit.last.smallestBalance,
          audit.inLedger,
          audit.made());
    }
    Gson gson = new GsonBuilder().serializeNulls().setPrettyPrinting().create();
    String result = gson.toJson(result(gson.toJsonTree(whole).getAsJsonObject()));
    if (json) {
      command.commandLine().getOut().println(result);
    }
    if (report != null) {
      writeReport(result);
    }
  }

  /** The transfers that the rate asks for and that no worker was free to begin. */
  private long notBegun() {
    double seconds = Math.min(load.rowAt, duration.toMillis() / 1e3);
    return transfers != null ? 0 : Math.max(0, (long) (rate * seconds) - load.committed.sum());
  }

  private Map<String, Object> result(JsonObject whole) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("product", product);
    result.put("hosts", hosts());
    result.put("database", settings.get("PGDBNAME"));
    result.put("user", settings.get("user"));
    result.put("encrypted", isEncrypted());
    result.put("accountsBefore", audit.expected.accounts - audit.created);
    result.put("accountsCreated", audit.created);
    result.put("accountsAfter", audit.last == null ? null : audit.last.accounts);
    result.put("totalBefore", audit.expected.total);
    result.put("totalAfter", audit.last == null ? null : audit.last.total);
    result.put("smallestBalance", audit.last == null ? null : audit.last.smallestBalance);
    result.put("transfersUnknown", unknown);
    result.put("transfersNotBegun", notBegun());
    result.put("transfersToWarmUp", audit.warmedUp);
    result.putAll(whole.asMap());
    result.put("audit", audit.verdict());
    result.put("fault", audit.fault());
    result.put("checks", audit.checks);
    result.put("gaps", load.gaps);
    result.put("percentiles", load.curve());
    result.put("series", load.series);
    result.put("startedAt", startedAt.toString());
    result.put("settings", options());
    result.put(
        "versions",
        List.of(command.version()[0], DriverInfo.DRIVER_FULL_NAME, "Java " + Runtime.version()));
    return result;
  }

  /** The options as they were or would have been given, but for those that name places. */
  private Map<String, String> options() {
    return command.options().stream()
        .filter(option -> option.getValue() != null)
        .filter(
            option -> !option.longestName().matches("--(url|certs-dir|json|report|help|version)"))
        .collect(
            Collectors.toMap(
                OptionSpec::longestName,
                option -> option.getValue().toString(),
                (one, other) -> one,
                TreeMap::new));
  }

  private void writeReport(String result) throws IOException {
    Properties uplot = new Properties();
    uplot.load(new StringReader(text("META-INF/maven/org.webjars.npm/uplot/pom.properties")));
    String folder = "META-INF/resources/webjars/uplot/" + uplot.get("version") + "/dist/";
    String page =
        text("BankLoad.html")
            .replace("/* uPlot.min.css */", text(folder + "uPlot.min.css"))
            .replace("/* uPlot.iife.min.js */", text(folder + "uPlot.iife.min.js"))
            .replace("/* result */", result);
    Files.writeString(report, page);
  }

  private static String text(String name) throws IOException {
    try (InputStream in = BankLoad.class.getResourceAsStream("/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    // pgjdbc would log what is told in one line.
    LogManager.getLogManager().reset();
    Thread main = Thread.currentThread();
    CompletableFuture<Integer> status = new CompletableFuture<>();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(main, status)));
    status.complete(commandLine().execute(arguments));
    System.exit(status.join());
  }

  /** On Ctrl-C begins nothing new, lets what is under way end, and audits what was done. */
  private static void stop(Thread main, CompletableFuture<Integer> status) {
    main.interrupt();
    status.completeOnTimeout(1, 30, TimeUnit.SECONDS).join();
  }

  /** What main runs, for a program that takes its output and its exit status itself. */
  static CommandLine commandLine() {
    BankLoad load = new BankLoad();
    return new CommandLine(load)
        .registerConverter(Duration.class, text -> Duration.parse("PT" + text))
        .setParameterExceptionHandler((e, given) -> load.report(e))
        .setExecutionExceptionHandler((e, command, parsed) -> load.report(e));
  }

  private void requireSense() {
    require(
        accounts == null || accounts >= 0 && accounts <= 10_000_000,
        "--accounts takes 0 to 10,000,000");
    require(transfers == null || transfers >= 0, "--transfers takes 0 or more");
    require(concurrency > 0 && concurrency <= 1_000, "--concurrency takes 1 to 1,000");
    require(rate >= 0 && rate <= 1_000_000, "--rate takes 1 to 1,000,000");
    require(retryTimeout > 0 && retryTimeout <= 86_400, "--retry-timeout takes 1 to 86,400");
    require(forceRetries >= 0 && forceRetries <= 10, "--force-retries takes 0 to 10");
    require(
        report == null || Files.isDirectory(report.toAbsolutePath().getParent()),
        "--report names a folder that is not there");
  }

  private static void require(boolean isSo, String message) {
    if (!isSo) {
      throw new BankSecure.Failure(2, message);
    }
  }

  private int report(Exception e) {
    show("");
    int status = status(e);
    String reason = reason(e);
    if (e instanceof ParameterException) {
      // What stands behind may be a password.
      reason = reason.replaceFirst("(?s)(=|://|:(?! )|', ).*", "$1…");
    } else if (status == 5 && !(e instanceof BankSecure.Failure)) {
      reason = "cannot connect to " + place() + ": " + reason;
    }
    PrintWriter err = command.commandLine().getErr();
    err.println(printable("error: " + reason));
    if (status == 5) {
      err.println("See whether a database answers there; jbang bank-doctor tells what is wrong.");
    }
    return status;
  }

  private static int status(Exception e) {
    if (e instanceof BankSecure.Failure failure) {
      return failure.status;
    }
    boolean unreachable = sqlState(e).matches("08...|28...|3[DF]000|40003|53300|57P0.|58C0.");
    return e instanceof ParameterException
        ? 2
        : e instanceof ConnectionException || unreachable ? 5 : 1;
  }

  private static String sqlState(Exception e) {
    return e.getCause() instanceof SQLException s ? Objects.toString(s.getSQLState()) : "";
  }

  /** What the server said or, where it said nothing, the innermost cause. */
  private static String reason(Throwable e) {
    String message = Objects.toString(e.getMessage(), "the server hung up");
    return e.getCause() == null ? message : reason(e.getCause());
  }

  private void print(String format, Object... values) {
    if (!json) {
      command.commandLine().getOut().println(printable(String.format(Locale.ROOT, format, values)));
    }
  }

  /** Lets no server move the cursor of a terminal. */
  private static String printable(String text) {
    return text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " ");
  }

  // ---- Live line ----

  private Boolean terminal;

  /** Puts a line in the place of the one before, if this is a terminal. */
  private void show(String line) {
    if (terminal == null && !line.isEmpty()) {
      terminal = isTerminal();
    }
    if (Boolean.TRUE.equals(terminal)) {
      // Cut off, not wrapped, where the terminal ends.
      command.commandLine().getErr().print("\r\033[K\033[?7l" + line + "\033[?7h");
      command.commandLine().getErr().flush();
    }
  }

  /** Java does not know whether standard error is a terminal, but POSIX's test does. */
  private static boolean isTerminal() {
    try {
      return new ProcessBuilder("test", "-t", "2").inheritIO().start().waitFor() == 0;
    } catch (IOException | InterruptedException e) {
      return false;
    }
  }
}
