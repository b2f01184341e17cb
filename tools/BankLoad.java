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
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.*;
import java.util.logging.LogManager;
import java.util.regex.*;
import java.util.stream.*;
import org.HdrHistogram.*;
import org.jdbi.v3.core.*;
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
  private Duration duration;

  @Option(names = "--transfers", description = "Make so many, however long it takes.")
  private long transfers = Long.MAX_VALUE;

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
  private boolean auditsAtTheEnd;

  @Option(names = "--json", description = "Print the result as one JSON object.")
  private boolean json;

  @Option(names = "--report", description = "Write the result as a page of charts to this file.")
  private Path report;

  @Spec private CommandSpec command;

  private final Map<String, Object> result = new LinkedHashMap<>();
  private final List<BankSecure.Session> sessions = new ArrayList<>();
  private final Queue<UUID> unknown = new ConcurrentLinkedQueue<>();
  private final UUID run = UUID.randomUUID();
  private final AtomicLong begun = new AtomicLong();
  private Properties settings;
  private Jdbi database;
  private boolean cockroach;
  private long[] accountIds;
  private Audit audit;
  private Load load = new Load(Duration.ZERO, 0);
  private volatile boolean halted;

  @Override
  public Integer call() throws Exception {
    requireSense();
    connect();
    try (BankSecure.Session auditing = session(retry -> {})) {
      String product = auditing.read(BankSecure::version);
      cockroach = product.startsWith("CockroachDB");
      result.put("product", product);
      print("Connected to %s at %s.", product, place());
      while (sessions.size() < concurrency) {
        // Inside the loop of another, which waits where the server has no room for one more.
        sessions.add(auditing.read(handle -> session(retry -> load.retried(retry))));
      }
      createAccounts(auditing);
      makeTransfers();
    } finally {
      sessions.forEach(BankSecure.Session::close);
    }
    return 0;
  }

  private void connect() {
    settings = BankSecure.settings(url);
    settings.replace("ApplicationName", "BankSecure", "BankLoad");
    boolean encrypted = !settings.getProperty("sslmode", "").equals("disable");
    try {
      database =
          encrypted ? BankSecure.connect(settings, certificates) : BankInsecure.connect(settings);
    } catch (BankInsecure.Failure e) {
      throw new BankSecure.Failure(e.status, e.getMessage());
    }
    // JDBI would look through each statement for templates, each time.
    database.configure(SqlStatements.class, all -> all.setTemplateEngine(TemplateEngine.NOP));
    result.put("hosts", settings.get("PGHOST") + ":" + settings.get("PGPORT"));
    result.put("database", settings.get("PGDBNAME"));
    result.put("user", settings.get("user"));
    result.put("encrypted", encrypted);
  }

  private String place() {
    String words = "{hosts}, database {database}, user {user}";
    return Pattern.compile("\\{(\\w+)}")
        .matcher(words)
        .replaceAll(name -> "" + result.get(name.group(1)));
  }

  private BankSecure.Session session(Consumer<BankSecure.Retry> told) {
    return new BankSecure.Session(database, Duration.ofSeconds(retryTimeout), told);
  }

  // ---- Accounts ----

  private void createAccounts(BankSecure.Session auditing) {
    BankSecure.createTables(auditing);
    String two = "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 2) AS found";
    int found = auditing.read(handle -> handle.select(two).mapTo(int.class).one());
    int asked = accounts != null ? accounts : found == 0 ? 1_000 : 0;
    if (transfers > 0 && found + asked < 2) {
      throw new BankSecure.Failure(2, "a transfer needs two accounts: ask for --accounts=2");
    }
    Creation creation = new Creation(asked);
    load = new Load(Duration.ZERO, 0);
    runAll(creation::work, creation::tick);
    audit = new Audit(auditing);
    long before = audit.expected.accounts - creation.made;
    print("Accounts: %,d found, %,d created.", before, creation.made);
    result.put("accountsBefore", before);
    result.put("accountsCreated", creation.made);
    accountIds = auditing.read(BankLoad::accountIds);
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
        String name = ids.length + " accounts, the first of them " + ids[0];
        int[] attempts = {0};
        Function<Handle, Integer> insert =
            handle -> {
              attempts[0]++;
              return BankSecure.insertAccounts(handle, ids, balances);
            };
        int inserted = session.commit(name, insert);
        // None: an attempt before, whose answer was lost, had made them all.
        add(ids.length, inserted == 0 && attempts[0] > 1 ? ids.length : inserted);
      }
    }

    void tick() {
      if (load.seconds() > 1) {
        show("%,d accounts made, %,d to make", made, left);
      }
    }

    private synchronized long[][] next() {
      int size = halted ? 0 : Math.min(left, 1_000);
      left -= size;
      long[] ids = random.longs(size, 1, Long.MAX_VALUE).toArray();
      return new long[][] {ids, random.longs(size, 0, 1_000_000).toArray()};
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
  static long[] accountIds(Handle handle) {
    String page = "SELECT id FROM accounts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1000";
    LongStream.Builder all = LongStream.builder();
    Queue<long[]> ranges = new ArrayDeque<>();
    ranges.add(new long[] {Long.MIN_VALUE, Long.MAX_VALUE});
    for (int pages = 0; pages < 1_000 && !ranges.isEmpty(); ) {
      long[] range = ranges.remove();
      List<Long> ids =
          handle.select(page, range[0], range[1]).map((row, context) -> row.getLong(1)).list();
      ids.forEach(all::add);
      if (ids.size() == 1_000 && ids.get(999) < range[1]) {
        pages++;
        long low = ids.get(999) + 1;
        long middle = (low >> 1) + (range[1] >> 1);
        ranges.add(new long[] {low, middle});
        ranges.add(new long[] {middle + 1, range[1]});
      }
    }
    return all.build().toArray();
  }

  // ---- Transfers ----

  private void makeTransfers() throws Exception {
    if (!warmUp.isZero()) {
      load = new Load(warmUp, transfers == 0 ? 0 : Long.MAX_VALUE);
      runAll(load::work, load::tick);
      audit.warmedUp = load.committed.sum();
    }
    load = new Load(duration, transfers);
    Thread auditor = new Thread(audit::watch);
    auditor.setDaemon(true);
    RuntimeException failure = null;
    try {
      auditor.start();
      runAll(load::work, load::tick);
    } catch (RuntimeException e) {
      failure = e;
    }
    load.end();
    halted = true;
    auditor.join(15_000);
    failure = failure == null ? audit.failure : failure;
    try {
      if (!auditor.isAlive() && (failure == null || status(failure) == 1)) {
        audit.finish();
      }
    } finally {
      tell();
    }
    if (!audit.fault().isEmpty()) {
      throw new BankSecure.Failure(4, audit.fault());
    } else if (failure != null) {
      throw failure;
    }
  }

  /** Runs the same on each session, in a thread of its own, until all have ended. */
  private void runAll(Consumer<BankSecure.Session> work, Runnable tick) {
    ExecutorService threads = Executors.newFixedThreadPool(concurrency);
    List<CompletableFuture<Void>> ends = new ArrayList<>();
    for (BankSecure.Session session : sessions) {
      ends.add(CompletableFuture.runAsync(() -> work.accept(session), threads));
    }
    ends.forEach(end -> end.whenComplete((done, failure) -> halted |= failure != null));
    threads.shutdown();
    boolean ended = false;
    while (!ended) {
      tick.run();
      try {
        ended = threads.awaitTermination(100, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        halted = true;
        threads.shutdownNow();
      }
    }
    show("");
    if (!unknown.isEmpty()) {
      String message = "it is not known whether this was committed: transfer ";
      String ids = unknown.stream().map(UUID::toString).collect(Collectors.joining(", "));
      throw new BankSecure.Failure(3, message + ids);
    }
    try {
      ends.forEach(CompletableFuture::join);
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private void transfer(BankSecure.Session session, long number) {
    SplittableRandom choice = new SplittableRandom(seed + number);
    int index = choice.nextInt(accountIds.length);
    int other = index + 1 + choice.nextInt(accountIds.length - 1);
    long source = accountIds[index];
    long target = accountIds[other % accountIds.length];
    UUID id = transferId(number);
    int[] attempts = {0};
    Function<Handle, Long> transfer =
        handle -> {
          if (attempts[0]++ < forceRetries) {
            failOnPurpose(handle);
          }
          return BankSecure.transfer(handle, id, source, target);
        };
    try {
      session.commit("transfer " + id, transfer);
    } catch (BankSecure.Failure e) {
      if (e.status == 3) {
        unknown.add(id);
      }
      throw e;
    }
  }

  /** Fresh in every run, whatever the seed. None is kept: the audit makes them all again. */
  private UUID transferId(long number) {
    return UUID.nameUUIDFromBytes((run + " " + number).getBytes(StandardCharsets.US_ASCII));
  }

  /** Has the server itself raise 40001, by the means that each of the two offers. */
  private void failOnPurpose(Handle handle) {
    if (!cockroach) {
      handle.execute("DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '40001'; END $$");
    }
    handle.execute("SET inject_retry_errors_enabled = true");
    try {
      handle.useTransaction(transaction -> transaction.execute("SELECT 1"));
    } finally {
      handle.execute("SET inject_retry_errors_enabled = false");
    }
  }

  // ---- Measurement ----

  /** Transfers for some time. Workers make and count them; all else is the main thread's. */
  private final class Load {
    private static final long LONGEST_NANOS = 200_000_000_000_000L;

    private final long start = System.nanoTime();
    private final long first = begun.get();
    private final Duration time;
    private final long limit;
    private final LongAdder committed = new LongAdder();
    private final Recorder recorder = new Recorder(LONGEST_NANOS, 3);
    private final Histogram all = new Histogram(LONGEST_NANOS, 3);
    private final Map<String, LongAdder> retries = new ConcurrentHashMap<>();
    private final Map<String, Long> allRetries = new TreeMap<>();
    private final List<Map<String, Object>> series = new ArrayList<>();
    private final List<double[]> gaps = new ArrayList<>();
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
        while (!halted && System.nanoTime() < due) {
          LockSupport.parkNanos(Math.min(100_000_000, due - System.nanoTime()));
        }
        if (halted || System.nanoTime() - start > time.toNanos()) {
          return;
        }
        transfer(session, number);
        recorder.recordValue(System.nanoTime() - due);
        committed.increment();
      }
    }

    /** Counts it by CockroachDB's own word for why, where it has one, else by the SQLSTATE. */
    void retried(BankSecure.Retry retry) {
      String words = "RETRY_[A-Z_]+|ABORT_REASON_[A-Z_]+|ReadWithinUncertaintyInterval";
      Matcher word = Pattern.compile(words).matcher(retry.reason());
      String state = retry.sqlState().replaceFirst("08...|^$", "connection lost");
      String reason = word.find() ? word.group() : state.replaceFirst("57P0.", "draining");
      retries.computeIfAbsent(reason, any -> new LongAdder()).increment();
    }

    double seconds() {
      return (System.nanoTime() - start) / 1e9;
    }

    /** Looks at what the workers count; comes about ten times a second. */
    void tick() {
      double now = seconds();
      if (committed.sum() > counted) {
        endGap(now);
      }
      // The rows of a long run become longer.
      if (now - rowAt >= Math.max(1, now / 3_600)) {
        addRow(now);
        Map<String, Object> last = series.get(series.size() - 1);
        show(
            "%,.0f s, %,d transfers, %,.0f a second, p99 %s ms, %,d retries, total %,.0f ✓ %,d"
                + " checks",
            now,
            counted,
            last.get("transfersPerSecond"),
            last.get("p99Milliseconds"),
            whole().get("retries"),
            audit.expected.total,
            audit.checks.size());
      }
    }

    void end() {
      endGap(seconds());
      addRow(countedAt);
    }

    private void endGap(double now) {
      if (now - countedAt >= Math.max(0.5, rate == 0 ? 0 : 5.0 / rate)) {
        gaps.add(new double[] {rounded(countedAt), rounded(now)});
      }
      counted = committed.sum();
      countedAt = now;
    }

    private void addRow(double now) {
      Histogram latencies = recorder.getIntervalHistogram();
      all.add(latencies);
      Map<String, Long> reasons = new TreeMap<>();
      retries.forEach((reason, count) -> reasons.put(reason, count.sumThenReset()));
      reasons.values().removeIf(count -> count == 0);
      reasons.forEach((reason, count) -> allRetries.merge(reason, count, Long::sum));
      series.add(row(now, now - rowAt, latencies, reasons));
      rowAt = now;
    }

    Map<String, Object> whole() {
      return row(rowAt, rowAt, all, allRetries);
    }

    /** So many percent of the transfers took so many milliseconds or less. */
    List<double[]> curve() {
      List<double[]> points = new ArrayList<>();
      for (HistogramIterationValue value : all.percentiles(5)) {
        double percent = value.getPercentileLevelIteratedTo();
        points.add(new double[] {percent, rounded(value.getValueIteratedTo() / 1e6)});
      }
      return points;
    }
  }

  private static final List<String> LATENCIES = List.of("p50", "p95", "p99", "p999", "maximum");

  /** What was measured up to a second after the start, in so many seconds. */
  private static Map<String, Object> row(
      double at, double seconds, Histogram latencies, Map<String, Long> reasons) {
    Map<String, Object> row = new LinkedHashMap<>();
    long count = latencies.getTotalCount();
    row.put("atSecond", rounded(at));
    row.put("seconds", rounded(seconds));
    row.put("transfersCommitted", count);
    row.put("transfersPerSecond", rounded(count / Math.max(seconds, 1e-9)));
    for (String name : LATENCIES) {
      String percent = name.replaceFirst("p(..)", "$1.").replace("maximum", "100");
      double nanos = latencies.getValueAtPercentile(Double.parseDouble(percent));
      row.put(name + "Milliseconds", count == 0 ? null : (Double) rounded(nanos / 1e6));
    }
    row.put("retries", reasons.values().stream().mapToLong(each -> each).sum());
    row.put("retriesByReason", reasons);
    return row;
  }

  private static double rounded(double number) {
    return Math.round(number * 1_000) / 1e3;
  }

  // ---- Audit ----

  /** What the books said at one moment, in whole units, and what was wrong: empty if nothing. */
  record Check(
      double atSecond, long accounts, BigDecimal total, long smallestBalance, String fault) {}

  private final class Audit {
    private final BankSecure.Session session;
    private final Queue<Check> checks = new ConcurrentLinkedQueue<>();
    private final Check expected;
    private Check last;
    private long warmedUp;
    private long inLedger;
    private double begunAt;
    private volatile RuntimeException failure;

    Audit(BankSecure.Session session) {
      this.session = session;
      expected = check(0);
    }

    /** Checks about once a second, a tenth of the time at most, until the load ends. */
    void watch() {
      // CockroachDB is asked for what was some seconds ago, which is in no transfer's way.
      int age = cockroach ? 5 : 0;
      double next = auditsAtTheEnd ? Double.MAX_VALUE : age + 1;
      try {
        while (!halted) {
          LockSupport.parkNanos(20_000_000);
          if (load.seconds() >= next) {
            checks.add(check(age));
            halted |= !fault().isEmpty();
            next = begunAt + Math.max(1, 10 * (load.seconds() - begunAt));
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
        Object ids = some.mapToObj(BankLoad.this::transferId).toArray(UUID[]::new);
        String count =
            "SELECT count(*) FROM unnest(CAST(? AS UUID[])) AS own (id)"
                + " JOIN transfers ON transfers.id = own.id";
        inLedger += session.read(handle -> handle.select(count, ids).mapTo(long.class).one());
      }
      last = check(0);
    }

    /** Reads it all in one statement, and not SERIALIZABLE: transfers would fail for that. */
    private Check check(int age) {
      String snapshot = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL";
      String sums = "SELECT count(*), coalesce(sum(balance), 0), coalesce(min(balance), 0)";
      String when = age > 0 ? " AS OF SYSTEM TIME '-" + age + "s'" : "";
      return session.read(
          handle -> {
            begunAt = load.seconds();
            if (!cockroach) {
              handle.execute(snapshot + " REPEATABLE READ");
            }
            return handle
                .select(sums + " FROM accounts" + when)
                .map(
                    (row, context) ->
                        check(begunAt - age, row.getLong(1), row.getBigDecimal(2), row.getLong(3)))
                .one();
          });
    }

    private Check check(double second, long accounts, BigDecimal total, long smallest) {
      Check first = expected == null ? new Check(0, accounts, total, 0, "") : expected;
      String fault = "";
      if (smallest < 0) {
        fault = "no balance may be below 0, and one is %,d".formatted(smallest);
      } else if (accounts < first.accounts) {
        String message = "there must be %,d accounts and there are %,d";
        fault = message.formatted(first.accounts, accounts);
      } else if (accounts == first.accounts && total.compareTo(first.total) != 0) {
        fault = "the total balance must be %,.0f and is %,.0f".formatted(first.total, total);
      }
      return new Check(rounded(second), accounts, total, smallest, fault);
    }

    /** The first thing that was found wrong; empty where nothing was. */
    String fault() {
      String ledger = "the ledger must have %,d transfers of this run and has %,d";
      return Stream.concat(checks.stream(), Stream.ofNullable(last))
          .map(Check::fault)
          .filter(fault -> !fault.isEmpty())
          .findFirst()
          .orElse(last == null || inLedger == made() ? "" : ledger.formatted(made(), inLedger));
    }

    /** Accounts that others create meanwhile bring money that is not ours to judge. */
    String verdict() {
      if (!fault().isEmpty()) {
        return "failed";
      }
      boolean comparable = last != null && last.accounts == expected.accounts;
      return comparable ? "passed" : last == null ? "not made" : "incomparable";
    }

    long made() {
      return warmedUp + load.committed.sum();
    }
  }

  // ---- Result ----

  private void tell() throws IOException {
    Optional<Check> last = Optional.ofNullable(audit.last);
    long wanted = Math.min(transfers, (long) (rate * load.rowAt));
    long notBegun = Math.max(0, wanted - load.counted - unknown.size());
    result.putAll(load.whole());
    result.put("transfersUnknown", unknown);
    result.put("transfersNotBegun", notBegun);
    result.put("transfersToWarmUp", audit.warmedUp);
    result.put("accountsAfter", last.map(Check::accounts).orElse(null));
    result.put("totalBefore", audit.expected.total);
    result.put("totalAfter", last.map(Check::total).orElse(null));
    result.put("smallestBalance", last.map(Check::smallestBalance).orElse(null));
    result.put("audit", audit.verdict());
    result.put("fault", audit.fault());
    result.put("checks", audit.checks);
    result.put("gaps", load.gaps);
    result.put("percentiles", load.curve());
    result.put("series", load.series);
    result.put("options", options());
    result.put("concurrency", concurrency);
    result.put("seed", seed);
    result.put("startedAt", Instant.now().minusMillis((long) load.rowAt * 1_000).toString());
    result.put(
        "versions",
        command.version()[0] + ", " + DriverInfo.DRIVER_FULL_NAME + ", Java " + Runtime.version());

    String counts = "Transfers: %,d committed, %,d unknown%s, %,.0f a second for %,.1f s.";
    String late = notBegun == 0 ? "" : ", %,d not begun in time".formatted(notBegun);
    print(counts, load.counted, unknown.size(), late, result.get("transfersPerSecond"), load.rowAt);
    if (load.counted > 0) {
      print(
          "Latency: p50 %,.1f ms, p95 %,.1f ms, p99 %,.1f ms, p99.9 %,.1f ms, maximum %,.1f ms.",
          LATENCIES.stream().map(name -> result.get(name + "Milliseconds")).toArray());
    }
    print(
        "Retries: %,d%s.",
        result.get("retries"),
        ("" + load.allRetries).replaceAll("\\{}", "").replaceAll("\\{(.*)}", " ($1)"));
    if (audit.last == null) {
      print("No audit was made.");
    } else {
      String audited =
          "Audit %s: %,d checks, the smallest balance is %,d, the ledger has %,d of %,d transfers.";
      int checks = audit.checks.size() + 1;
      long smallest = audit.last.smallestBalance;
      print("Total balance: %,.0f before, %,.0f after.", audit.expected.total, audit.last.total);
      print(audited, audit.verdict(), checks, smallest, audit.inLedger, audit.made());
    }

    String text = new GsonBuilder().serializeNulls().setPrettyPrinting().create().toJson(result);
    if (json) {
      command.commandLine().getOut().println(text);
    }
    if (report != null) {
      String chart = "META-INF/resources/webjars/uplot/1.6.30/dist/uPlot";
      Files.writeString(
          report,
          read("BankLoad.html")
              .replace("/* uPlot.css */", read(chart + ".min.css"))
              .replace("/* uPlot.js */", read(chart + ".iife.min.js"))
              .replace("/* result */", text));
    }
  }

  /** The options as they were given, but for those about places: a URL may hold a password. */
  private String options() {
    return command.commandLine().getParseResult().matchedOptions().stream()
        .filter(option -> !option.longestName().matches("--(url|certs-dir|json|report)"))
        .map(option -> option.longestName() + "=" + option.originalStringValues().get(0))
        .map(option -> option.replace("--no-audit=true", "--no-audit"))
        .collect(Collectors.joining(" "));
  }

  private static String read(String resource) throws IOException {
    try (InputStream in = BankLoad.class.getResourceAsStream("/" + resource)) {
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
    if (duration == null) {
      duration = transfers < Long.MAX_VALUE ? Duration.ofDays(1_000) : Duration.ofSeconds(10);
    }
    require("--accounts", accounts == null ? 0 : accounts, 0, 10_000_000);
    require("--transfers", transfers, 0, Long.MAX_VALUE);
    require("--duration", duration.toSeconds(), 0, 86_400_000);
    require("--warm-up", warmUp.toSeconds(), 0, 86_400_000);
    require("--concurrency", concurrency, 1, 1_000);
    require("--rate", rate, 0, 1_000_000);
    require("--retry-timeout", retryTimeout, 1, 86_400);
    require("--force-retries", forceRetries, 0, 10);
    if (report != null && !Files.isDirectory(report.toAbsolutePath().getParent())) {
      throw new BankSecure.Failure(2, "--report names a folder that is not there");
    }
  }

  private static void require(String option, long value, long minimum, long maximum) {
    if (value < minimum || value > maximum) {
      String message = "%s takes %,d to %,d".formatted(option, minimum, maximum);
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
    String state = e.getCause() instanceof SQLException s ? "" + s.getSQLState() : "";
    boolean lost = state.matches("08...|28...|3[DF]000|40003|53300|57P0.|58C0.");
    return e instanceof ParameterException ? 2 : lost || e instanceof ConnectionException ? 5 : 1;
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
  private void show(String format, Object... values) {
    if (terminal == null && !format.isEmpty()) {
      terminal = isTerminal();
    }
    if (Boolean.TRUE.equals(terminal)) {
      PrintWriter err = command.commandLine().getErr();
      // Cut off, not wrapped, where the terminal ends.
      err.printf(Locale.ROOT, "\r\033[K\033[?7l" + format + "\033[?7h", values).flush();
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
