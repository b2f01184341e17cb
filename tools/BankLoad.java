///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Puts a load on a cluster, and proves while it runs that no money is lost
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//DEPS com.google.code.gson:gson:2.15.0
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES load/AccountBalances.java
//SOURCES load/Audit.java
//SOURCES load/ClusterEvents.java
//SOURCES load/ErrorReport.java
//SOURCES load/LedgerReplay.java
//SOURCES load/LiveLine.java
//SOURCES load/LoadException.java
//SOURCES load/LoadReport.java
//SOURCES load/LoadStatistics.java
//SOURCES load/LoadSummary.java
//SOURCES load/RunOrigin.java
//SOURCES load/Threshold.java
//SOURCES load/TransferJournal.java
//SOURCES load/Workers.java

import com.google.gson.GsonBuilder;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.logging.LogManager;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.statement.SqlStatements;
import org.jdbi.v3.core.statement.TemplateEngine;
import org.postgresql.util.DriverInfo;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Makes transfers on many connections at once, with the statement and the retry loop of BankSecure,
 * and audits all balances meanwhile.
 *
 * <ol>
 *   <li>Connects each worker, and creates tables and accounts if they are missing.
 *   <li>Reads all balances, with which every later check is compared.
 *   <li>Makes transfers to warm up, and then those that are measured.
 *   <li>Compares all balances with the ledger, and prints the result.
 * </ol>
 */
@Command(
    name = "BankLoad",
    version = "BankLoad 3.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Puts a load on a cluster, and proves while it runs that no money is lost.",
    footer = {
      "%nExit status: 0 done, 1 failed or --fail-if met, 2 wrong command line,",
      "  3 outcome unknown, 4 audit failed, 5 no connection"
    })
public final class BankLoad implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "The cluster (default: $$DATABASE_URL, or a local cluster).")
  private String url = System.getenv("DATABASE_URL");

  @Option(
      names = "--certs-dir",
      description = "The certificates (default: $$COCKROACH_CERTS_DIR, or certs).")
  private Path certsDir = defaultCertsDir();

  @Option(
      names = "--accounts",
      description = "Accounts to create first (default: 1,000 if there are none).")
  private Integer accounts;

  @Option(names = "--duration", description = "How long to make transfers (default: 10s).")
  private Duration duration;

  @Option(names = "--transfers", description = "Make so many, however long it takes.")
  private long transfers = Long.MAX_VALUE;

  @Option(
      names = "--concurrency",
      description = "Workers, each with a connection (default: ${DEFAULT-VALUE}).")
  private int concurrency = 8;

  @Option(names = "--rate", description = "Transfers a second in all (default: the maximum).")
  private int rate;

  @Option(
      names = "--warm-up",
      description = "How long to make transfers first that are not counted (default: 1s).")
  private Duration warmUp;

  @Option(names = "--seed", description = "Fixes the accounts, the balances and who pays whom.")
  private long seed = ThreadLocalRandom.current().nextLong();

  @Option(
      names = "--retry-timeout",
      description = "Seconds to repeat a transfer (default: ${DEFAULT-VALUE}).")
  private int retryTimeout = 60;

  @Option(
      names = "--force-retries",
      description = "Have the server fail each transfer so many times first (default: 0).")
  private int forceRetries;

  @Option(names = "--no-audit", description = "Check the balances at the end only.")
  private boolean auditsAtTheEnd;

  @Option(
      names = "--fail-if",
      paramLabel = "<condition>",
      description = "Exit with 1 on a condition such as 'p99>50ms' or 'rate<100'.")
  private List<Threshold> thresholds = new ArrayList<>();

  @Option(names = "--json", description = "Print the result as one JSON object.")
  private boolean json;

  @Option(names = "--report", description = "Write the result as a page of charts to this file.")
  private Path report;

  @Option(
      names = "--compare",
      paramLabel = "<result.json>",
      description = "Show this earlier result beneath this one in the report.")
  private Path compare;

  @Option(
      names = "--events",
      paramLabel = "<file>",
      description = "What happened to the nodes, as local-cluster --events writes it.")
  private Path events;

  @Spec private CommandSpec command;

  private final Map<String, Object> result = new LinkedHashMap<>();
  private final LoadSummary summary = new LoadSummary(result);
  private final Workers workers = new Workers();
  private final Queue<Unknown> unknown = new ConcurrentLinkedQueue<>();
  private final Instant startedAt = Instant.now();
  private final LiveLine live = new LiveLine();
  private Properties settings;
  private Jdbi jdbi;
  private boolean cockroach;
  private TransferJournal journal;
  private CompletableFuture<Void> watching = CompletableFuture.completedFuture(null);
  private Audit audit;
  private volatile LoadStatistics load = new LoadStatistics(0);
  private volatile boolean isConnected;
  private volatile boolean isInterrupted;
  private String alias = "bank-load";
  private List<String> arguments;

  /** Work whose outcome is unknown: its name, the query that looks it up, and when it ended. */
  private record Unknown(String name, String lookup, long endedAt) {}

  @Override
  public Integer call() {
    checkOptions();
    connect();
    // An audit of many accounts takes longer than a transfer may.
    int timeout = Math.max(60, retryTimeout);
    BankSecure.Session auditing = session(timeout, retry -> {});
    try {
      String product = auditing.run(BankSecure::version);
      cockroach = product.startsWith("CockroachDB");
      result.put("product", product);
      isConnected = true;
      String encryption =
          result.get("encrypted").equals(true) ? "server verified." : "not encrypted.";
      print("Connected to {product} at {hosts}, database {database}, user {user}; " + encryption);
      while (workers.size() < concurrency) {
        // Inside the loop of the first session, which waits if the server has no room for one more.
        workers.add(auditing.run(handle -> session(retryTimeout, retry -> load.retried(retry))));
      }
      createAccounts(auditing);
      makeAuditedTransfers();
    } finally {
      workers.close();
      if (watching.isDone()) {
        auditing.close();
      }
    }
    return 0;
  }

  private void connect() {
    settings = BankSecure.settings(url);
    settings.replace("ApplicationName", "BankSecure", "BankLoad");
    boolean encrypted = !settings.getProperty("sslmode", "").equals("disable");
    result.put("hosts", BankSecure.hosts(settings));
    result.put("database", settings.get("PGDBNAME"));
    result.put("user", settings.get("user"));
    result.put("encrypted", encrypted);
    jdbi = encrypted ? BankSecure.connect(settings, certsDir) : BankInsecure.connect(settings);
    // Without this, JDBI looks through each statement for templates, each time.
    jdbi.configure(SqlStatements.class, all -> all.setTemplateEngine(TemplateEngine.NOP));
  }

  private BankSecure.Session session(int timeout, Consumer<BankSecure.Retry> onRetry) {
    return new BankSecure.Session(jdbi, Duration.ofSeconds(timeout), onRetry);
  }

  // ---- Accounts ----

  private static final String COUNT_UP_TO_TWO =
      "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 2) AS found";

  private static final String UNIQUE_ID =
      """
      SELECT count(*)
      FROM pg_index
      JOIN pg_attribute ON attrelid = indrelid AND CAST(attnum AS TEXT) = CAST(indkey AS TEXT)
      WHERE indrelid = CAST('accounts' AS REGCLASS) AND indisunique AND attname = 'id'
        AND indpred IS NULL
      """;

  private void createAccounts(BankSecure.Session auditing) {
    BankSecure.createTables(auditing);
    requireUniqueId(auditing);
    int found = auditing.run(handle -> handle.select(COUNT_UP_TO_TWO).mapTo(int.class).one());
    int asked = accounts != null ? accounts : found == 0 ? 1_000 : 0;
    if (transfers > 0 && found + asked < 2) {
      throw new LoadException(2, "a transfer needs two accounts: use --accounts=2 or more");
    }
    AtomicInteger chunks = new AtomicInteger();
    LongAdder made = new LongAdder();
    load = new LoadStatistics(0);
    run(
        session -> createAccounts(session, asked, chunks, made),
        () -> show(List.of("%,d of %,d accounts created".formatted(made.sum(), asked))));
    journal = new TransferJournal(!auditsAtTheEnd);
    audit = new Audit(auditing, cockroach, journal);
    audit.start();
    result.put("accountsBefore", audit.accountsAtStart() - made.sum());
    result.put("accountsCreated", made.sum());
    result.put("totalBefore", audit.totalAtStart());
    print("Accounts: {accountsBefore} found, {accountsCreated} created.");
  }

  /** With two rows for one account a transfer would make money. */
  private static void requireUniqueId(BankSecure.Session auditing) {
    if (auditing.run(handle -> handle.select(UNIQUE_ID).mapTo(int.class).one()) == 0) {
      throw new LoadException(
          1, "the table accounts has no primary key on id: use another database");
    }
  }

  /** Creates accounts by the thousand, until none is left for this worker. */
  private void createAccounts(
      BankSecure.Session session, int asked, AtomicInteger chunks, LongAdder made) {
    int first;
    while (!workers.isHalted() && (first = 1_000 * chunks.getAndIncrement()) < asked) {
      SplittableRandom random = new SplittableRandom(seed + first);
      // If another run with this seed has taken an ID, another account is created.
      for (int left = Math.min(1_000, asked - first); left > 0 && !workers.isHalted(); ) {
        long[] ids = random.longs(left, 1, Long.MAX_VALUE).toArray();
        long[] balances = random.longs(left, 0, 1_000_000).toArray();
        int inserted = insertAccounts(session, ids, balances);
        made.add(inserted);
        left -= inserted;
      }
    }
  }

  /** Inserts accounts, and counts also those that an earlier attempt inserted unnoticed. */
  private int insertAccounts(BankSecure.Session session, long[] ids, long[] balances) {
    String name = ids.length + " accounts, the first of them " + ids[0];
    boolean[] isRepeated = {false};
    Function<Handle, Integer> insert =
        handle -> {
          try {
            return BankSecure.insertAccounts(handle, ids, balances);
          } catch (JdbiException e) {
            isRepeated[0] |= BankSecure.Failure.of(e) == BankSecure.Failure.UNKNOWN;
            throw e;
          }
        };
    int inserted = commit(session, name, "SELECT * FROM accounts WHERE id = " + ids[0], insert);
    return inserted == 0 && isRepeated[0] ? ids.length : inserted;
  }

  // ---- Transfers ----

  private void makeAuditedTransfers() {
    if (!auditsAtTheEnd) {
      watching = CompletableFuture.runAsync(() -> audit.watch(() -> !workers.isHalted()));
      // It ends before the load if it found a fault, or could not look for one.
      watching.whenComplete((done, failure) -> workers.halt());
    }
    RuntimeException failure = failureOf(this::makeTransfers);
    workers.halt();
    load.end();
    RuntimeException noAudit = finishAudit(failure);
    live.clear(err());
    RuntimeException noEvents = describe();
    RuntimeException notWritten = failureOf(this::publish);
    Stream.of(fault(), failure, noAudit, notWritten, noEvents, metThreshold())
        .filter(Objects::nonNull)
        .findFirst()
        .ifPresent(
            first -> {
              throw first;
            });
  }

  /** Waits for the check under way, and compares all at the end if the database still answers. */
  private RuntimeException finishAudit(RuntimeException failure) {
    // A check under way may be of a large table, or of a server that is gone.
    int wait = failure != null ? 2 : workers.isInterrupted() ? 15 : 3_600;
    RuntimeException noAudit = failureOf(() -> await(wait));
    boolean isAnswering = failure == null || ErrorReport.status(failure) == 1;
    return noAudit == null && isAnswering ? failureOf(audit::finish) : noAudit;
  }

  private void await(int seconds) {
    try {
      watching.get(seconds, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new LoadException(5, "a check did not end within %d s".formatted(seconds));
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : new CompletionException(e);
    } catch (InterruptedException e) {
      isInterrupted = true;
      await(Math.min(seconds, 15));
    }
  }

  private void makeTransfers() {
    Duration warmingUp = transfers == 0 ? Duration.ZERO : warmUp;
    load = new LoadStatistics(rate);
    try {
      if (!warmingUp.isZero()) {
        makeTransfers(warmingUp, Long.MAX_VALUE);
      }
    } finally {
      result.put("transfersToWarmUp", load.committed());
      result.put("warmUpSeconds", LoadStatistics.rounded(load.seconds()));
      load = new LoadStatistics(rate);
    }
    makeTransfers(duration, transfers);
  }

  private void makeTransfers(Duration time, long limit) {
    long start = System.nanoTime();
    AtomicLong begun = new AtomicLong();
    Consumer<BankSecure.Session> work =
        session -> {
          long number;
          while ((number = begun.getAndIncrement()) < limit) {
            // With a rate, a transfer that waits for a worker takes longer, and is due no later.
            long wait = rate == 0 ? 0 : number * 1_000_000_000 / rate;
            long due = rate == 0 ? System.nanoTime() : start + wait;
            boolean isTooLate = due - start > time.toNanos();
            if (isTooLate || !awaitDue(due) || System.nanoTime() - start > time.toNanos()) {
              return;
            }
            transfer(session, seed + number);
            load.committed(due);
          }
        };
    run(work, this::showLoad);
  }

  /** Waits until a transfer is due, and returns whether it is still to be made. */
  private boolean awaitDue(long due) {
    long left;
    while (!workers.isHalted() && (left = due - System.nanoTime()) > 0) {
      LockSupport.parkNanos(Math.min(left, 100_000_000));
    }
    return !workers.isHalted();
  }

  private void run(Consumer<BankSecure.Session> work, Runnable tick) {
    RuntimeException failure = failureOf(() -> workers.work(work, tick));
    if (!unknown.isEmpty()) {
      throw new LoadException(3, unknownOutcomes(), lookup());
    } else if (failure != null) {
      throw failure;
    }
  }

  /** The exception that something throws, without what threads wrap around it, or null. */
  private static RuntimeException failureOf(Runnable something) {
    try {
      something.run();
      return null;
    } catch (CompletionException e) {
      return e.getCause() instanceof RuntimeException cause ? cause : e;
    } catch (RuntimeException e) {
      return e;
    }
  }

  private void transfer(BankSecure.Session session, long choiceSeed) {
    SplittableRandom choice = new SplittableRandom(choiceSeed);
    AccountBalances all = audit.accounts();
    int index = choice.nextInt(all.size());
    int other = (index + 1 + choice.nextInt(all.size() - 1)) % all.size();
    TransferJournal.Transfer begun = journal.begin(all.id(index), all.id(other));
    int[] attempts = {0};
    Function<Handle, Long> work =
        handle -> {
          if (attempts[0]++ < forceRetries) {
            failOnPurpose(handle);
          }
          return BankSecure.transfer(handle, begun.id(), begun.source(), begun.target());
        };
    String lookup = "SELECT * FROM transfers WHERE id = '" + begun.id() + "'";
    journal.commit(begun, commit(session, "transfer " + begun.id(), lookup, work));
  }

  private <R> R commit(
      BankSecure.Session session, String name, String lookup, Function<Handle, R> work) {
    try {
      return session.commit(lookup, work);
    } catch (BankSecure.UnknownOutcomeException e) {
      unknown.add(new Unknown(name, lookup, System.nanoTime()));
      throw e;
    }
  }

  private String unknownOutcomes() {
    String names = unknown.stream().map(Unknown::name).collect(Collectors.joining(", "));
    return "not known whether it was committed: " + names;
  }

  private String lookup() {
    return unknown.stream()
        .map(each -> "It was committed if this finds a row: " + each.lookup)
        .collect(Collectors.joining(System.lineSeparator()));
  }

  /** Has the server itself raise 40001, and leaves nothing set on the connection. */
  private void failOnPurpose(Handle handle) {
    if (!cockroach) {
      handle.execute("DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '40001'; END $$");
    }
    handle.useTransaction(
        transaction -> {
          transaction.execute("SET LOCAL inject_retry_errors_enabled = true");
          transaction.execute("SELECT 1");
        });
  }

  // ---- Result ----

  /** Completes the result, in the order of the JSON, and returns why the events are missing. */
  private RuntimeException describe() {
    result.putAll(load.whole());
    result.putAll(audit.result(load));
    double halted = Math.min(duration.toMillis() / 1e3, load.second(workers.haltedAt()));
    double due = Math.min(transfers, rate * halted);
    long notBegun = (long) due - load.committed() - unknown.size();
    result.put("transfersUnknown", unknown.stream().map(each -> each.name.split(" ")[1]).toList());
    result.put(
        "unknownAtSeconds", unknown.stream().map(each -> load.second(each.endedAt)).toList());
    result.put("transfersNotBegun", Math.max(0, notBegun));
    result.put("events", List.of());
    RuntimeException noEvents = failureOf(this::readEvents);
    result.put("thresholds", thresholds.stream().map(each -> each.judge(result)).toList());
    result.put("verdict", summary.verdict());
    result.put("summary", summary.sentence());
    result.put("options", options());
    result.put("concurrency", concurrency);
    // A text, because JavaScript's numbers are too small for it.
    result.put("seed", "" + seed);
    result.put("startedAt", startedAt.toString());
    result.put("versions", versions());
    List<String> own = command.commandLine().getParseResult().originalArgs();
    String given =
        url == null || url.isBlank() ? "postgresql://maxroach@localhost:26257/bank" : url;
    result.putAll(RunOrigin.of(alias, arguments == null ? own : arguments, given.strip()));
    return noEvents;
  }

  private void readEvents() {
    if (events != null) {
      double end = load.endedAtSecond();
      result.put("events", ClusterEvents.read(events, load.startedAt(), end, load.gaps()));
    }
  }

  private String versions() {
    String java = "Java " + Runtime.version();
    return String.join(", ", command.version()[0], DriverInfo.DRIVER_FULL_NAME, java);
  }

  /** The options as they were given, without those about places: a URL may hold a password. */
  private String options() {
    return command.commandLine().getParseResult().matchedOptions().stream()
        .distinct()
        .filter(
            option -> !option.longestName().matches("--(url|certs-dir|json|report|compare|events)"))
        .flatMap(
            option ->
                option.originalStringValues().stream()
                    .map(value -> option.longestName() + "=" + value))
        .collect(Collectors.joining(" "));
  }

  private void publish() {
    if (json) {
      GsonBuilder builder = new GsonBuilder().serializeNulls().disableHtmlEscaping();
      out().println(builder.setPrettyPrinting().create().toJson(result));
    } else {
      summary.lines(rate > 0).forEach(out()::println);
    }
    if (report != null) {
      LoadReport.write(result, compare, report);
    }
  }

  private RuntimeException fault() {
    String also = unknown.isEmpty() ? "" : "; " + unknownOutcomes();
    return audit.fault().isEmpty() ? null : new LoadException(4, audit.fault() + also);
  }

  private RuntimeException metThreshold() {
    String failed = summary.failedThreshold();
    return failed.isEmpty() ? null : new LoadException(1, failed);
  }

  private void print(String template) {
    if (!json) {
      out().println(LoadSummary.wrapped(summary.filled(template)));
    }
  }

  // ---- Live line ----

  private void showLoad() {
    if (load.tick()) {
      Map<String, Object> row = load.last();
      LoadSummary now = new LoadSummary(row);
      boolean isAny = row.get("p99Milliseconds") != null;
      show(
          List.of(
              "%.0f s".formatted(load.endedAtSecond()),
              "%,d transfers".formatted(load.committed()),
              now.filled("{transfersPerSecond}/s"),
              isAny ? now.filled("p99 {p99Milliseconds} ms") : "no commit",
              LoadSummary.counted(load.retries(), "retry").replace("retrys", "retries"),
              LoadSummary.counted(audit.checks(), "check")));
    }
  }

  private void show(List<String> parts) {
    // What takes no longer than a second needs no line.
    if (load.seconds() > 1) {
      live.show(err(), parts);
    }
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    // pgjdbc would log errors that are reported in one line.
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    // In a container, Java may not know the terminal's encoding.
    FileOutputStream stream = new FileOutputStream(FileDescriptor.err);
    PrintWriter err = new PrintWriter(stream, true, StandardCharsets.UTF_8);
    Thread main = Thread.currentThread();
    CommandLine commandLine = commandLine().setErr(err);
    BankLoad load = commandLine.getCommand();
    CompletableFuture<Integer> status = new CompletableFuture<>();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> load.stop(main, status)));
    int ended = commandLine.execute(arguments);
    if ((commandLine.getOut().checkError() || System.out.checkError()) && ended == 0) {
      err.println("error: everything was done, but the output could not be written");
      ended = 1;
    }
    status.complete(ended);
    System.exit(ended);
  }

  /** On Ctrl-C begins nothing new, lets what is under way end, and audits what was done. */
  private void stop(Thread main, CompletableFuture<Integer> status) {
    isInterrupted = true;
    // While it connects there is nothing to wait for.
    if (isConnected) {
      main.interrupt();
      status.join();
    }
  }

  /** What main runs, for a program that takes its output and its exit status itself. */
  static CommandLine commandLine() {
    BankLoad load = new BankLoad();
    return new CommandLine(load)
        .registerConverter(Duration.class, BankLoad::duration)
        .registerConverter(Threshold.class, Threshold::parse)
        .setParameterExceptionHandler((e, given) -> load.print(ErrorReport.ofUsage(e)))
        .setExecutionExceptionHandler((e, command, parsed) -> load.report(e));
  }

  /** Names the program that runs this one, and its arguments, for the report. */
  void startedBy(String alias, List<String> arguments) {
    this.alias = alias;
    this.arguments = arguments;
  }

  /** Prints a line about something else that happens meanwhile. */
  void tell(String line) {
    live.clear(err());
    err().println(line);
  }

  private static Duration duration(String text) {
    Duration duration =
        text.matches("\\d+ms")
            ? Duration.ofMillis(Long.parseLong(text.replace("ms", "")))
            : Duration.parse("PT" + text);
    if (duration.isNegative() || duration.toDays() > 1_000) {
      throw new IllegalArgumentException("not a time");
    }
    return duration;
  }

  private static Path defaultCertsDir() {
    String folder = System.getenv("COCKROACH_CERTS_DIR");
    return Path.of(folder == null || folder.isEmpty() ? "certs" : folder);
  }

  private void checkOptions() {
    if (duration == null) {
      duration = transfers < Long.MAX_VALUE ? Duration.ofDays(1_000) : Duration.ofSeconds(10);
    }
    if (warmUp == null) {
      warmUp = Duration.ofSeconds(1);
    }
    require(
        accounts == null || accounts >= 0 && accounts <= LedgerReplay.MAXIMUM_ACCOUNTS,
        "--accounts must be from 0 to 10,000,000");
    require(transfers >= 0, "--transfers must be 0 or more");
    require(concurrency >= 1 && concurrency <= 1_000, "--concurrency must be from 1 to 1,000");
    require(rate >= 0, "--rate must be 0 or more");
    require(retryTimeout >= 1, "--retry-timeout must be 1 or more");
    require(forceRetries >= 0, "--force-retries must be 0 or more");
    require(
        report == null || LoadReport.canBeWritten(report),
        "--report names no file that can be written");
    require(compare == null || report != null, "--compare needs --report");
    require(
        compare == null || LoadReport.isResult(compare),
        "--compare names no result that --json has printed");
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new LoadException(2, message);
    }
  }

  private int report(Exception e) {
    return print(ErrorReport.of(e, settings, isInterrupted));
  }

  private int print(ErrorReport error) {
    live.clear(err());
    error.lines().forEach(err()::println);
    return error.status();
  }

  private PrintWriter out() {
    return command.commandLine().getOut();
  }

  private PrintWriter err() {
    return command.commandLine().getErr();
  }
}
