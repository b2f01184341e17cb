///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Puts a load on a cluster, and proves while it runs that no money is lost
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//DEPS com.google.code.gson:gson:2.15.0
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES LoadException.java
//SOURCES AccountIds.java
//SOURCES Audit.java
//SOURCES LiveLine.java
//SOURCES Report.java
//SOURCES Tally.java

import com.google.gson.*;
import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.SecureRandom;
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
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.statement.*;
import org.postgresql.util.DriverInfo;
import picocli.CommandLine;
import picocli.CommandLine.*;
import picocli.CommandLine.Model.CommandSpec;

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
      "%nExit status: 0 done, 1 failed, 2 wrong command line, 3 unknown,",
      "  4 money lost or made, 5 no connection"
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
  private final Queue<String> unknown = new ConcurrentLinkedQueue<>();
  private final Instant startedAt = Instant.now();
  private final long run = new SecureRandom().nextLong();
  private final AtomicLong begun = new AtomicLong();
  private final LiveLine live = new LiveLine();
  private volatile Jdbi database;
  private boolean cockroach;
  private long[] accountIds;
  private Audit audit;
  private volatile Tally load = new Tally(0);
  private volatile boolean halted;
  private volatile boolean interrupted;
  private double haltedAtSecond = Double.MAX_VALUE;

  @Override
  public Integer call() throws Exception {
    requireSense();
    connect();
    // A large table takes longer to read than a transfer may take.
    int patience = Math.max(60, retryTimeout);
    try (BankSecure.Session auditing = session(patience, retry -> {})) {
      String product = auditing.run(BankSecure::version);
      cockroach = product.startsWith("CockroachDB");
      result.put("product", product);
      boolean encrypted = result.get("encrypted").equals(true);
      print(
          "Connected to {product} at {hosts}, database {database}, user {user}; "
              + (encrypted ? "certificate verified." : "not encrypted."));
      while (sessions.size() < concurrency) {
        // Inside the loop of another, which waits where the server has no room for one more.
        sessions.add(auditing.run(handle -> session(retryTimeout, retry -> load.retried(retry))));
      }
      createAccounts(auditing);
      makeTransfers();
    } finally {
      sessions.forEach(BankSecure.Session::close);
    }
    return 0;
  }

  private void connect() {
    Properties settings = BankSecure.settings(url);
    settings.replace("ApplicationName", "BankSecure", "BankLoad");
    boolean encrypted = !settings.getProperty("sslmode", "").equals("disable");
    result.put("hosts", settings.get("PGHOST") + ":" + settings.get("PGPORT"));
    result.put("database", settings.get("PGDBNAME"));
    result.put("user", settings.get("user"));
    result.put("encrypted", encrypted);
    try {
      database =
          encrypted ? BankSecure.connect(settings, certificates) : BankInsecure.connect(settings);
    } catch (IllegalArgumentException e) {
      throw new LoadException(2, e.getMessage());
    }
    // JDBI would look through each statement for templates, each time.
    database.configure(SqlStatements.class, all -> all.setTemplateEngine(TemplateEngine.NOP));
  }

  private BankSecure.Session session(int patience, Consumer<BankSecure.Retry> told) {
    return new BankSecure.Session(database, Duration.ofSeconds(patience), told);
  }

  // ---- Accounts ----

  private void createAccounts(BankSecure.Session auditing) {
    BankSecure.createTables(auditing);
    String two = "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 2) AS found";
    int found = auditing.run(handle -> handle.select(two).mapTo(int.class).one());
    int asked = accounts != null ? accounts : found == 0 ? 1_000 : 0;
    if (transfers > 0 && found + asked < 2) {
      throw new LoadException(2, "a transfer needs two accounts: ask for --accounts=2");
    }
    AtomicInteger chunks = new AtomicInteger();
    LongAdder made = new LongAdder();
    load = new Tally(0);
    runAll(
        session -> createAccounts(session, asked, chunks, made),
        () -> show("%,d of %,d accounts".formatted(made.sum(), asked)));
    audit = new Audit(auditing, cockroach);
    result.put("totalBefore", audit.first().total());
    result.put("checks", audit.checks());
    result.put("accountsBefore", audit.first().accounts() - made.sum());
    result.put("accountsCreated", made.sum());
    print("Accounts: {accountsBefore} found, {accountsCreated} created.");
    accountIds = auditing.run(AccountIds::read);
  }

  /** Creates accounts by the thousand, until none is left for this worker. */
  private void createAccounts(
      BankSecure.Session session, int asked, AtomicInteger chunks, LongAdder made) {
    int first;
    while (!halted && (first = 1_000 * chunks.getAndIncrement()) < asked) {
      SplittableRandom random = new SplittableRandom(seed + first);
      // Where another run with this seed has taken an ID, one account more is made.
      for (int left = Math.min(1_000, asked - first); left > 0 && !halted; ) {
        long[] ids = random.longs(left, 1, Long.MAX_VALUE).toArray();
        long[] balances = random.longs(left, 0, 1_000_000).toArray();
        String name = left + " accounts, the first of them " + ids[0];
        AtomicBoolean lost = new AtomicBoolean();
        Function<Handle, Integer> insert =
            handle -> {
              try {
                return BankSecure.insertAccounts(handle, ids, balances);
              } catch (JdbiException e) {
                lost.compareAndSet(false, status(e) == 5);
                throw e;
              }
            };
        int inserted = commit(session, name, insert);
        // None: an attempt before, whose answer was lost, had made them all.
        inserted = inserted == 0 && lost.get() ? left : inserted;
        made.add(inserted);
        left -= inserted;
      }
    }
  }

  // ---- Transfers ----

  private void makeTransfers() {
    RuntimeException failure = null;
    if (!warmUp.isZero()) {
      load = new Tally(rate);
      failure = failureOf(() -> makeTransfers(warmUp, transfers == 0 ? 0 : Long.MAX_VALUE));
    }
    long warmedUp = load.committed();
    load = new Tally(rate);
    CompletableFuture<Void> auditor = CompletableFuture.completedFuture(null);
    if (!auditsAtTheEnd) {
      auditor = CompletableFuture.runAsync(() -> audit.watch(load, () -> !halted));
      // It ends before the load where it found a fault, and where it could not look for one.
      auditor.whenComplete((done, noAudit) -> halted = true);
    }
    if (failure == null) {
      failure = failureOf(() -> makeTransfers(duration, transfers));
    }
    halted = true;
    show("");
    load.end();
    // A check under way may be of a large table, or of a server that is gone.
    int wait = failure != null ? 2 : interrupted ? 15 : 3_600;
    RuntimeException noAudit = failureOf(auditor.orTimeout(wait, TimeUnit.SECONDS)::join);
    if (noAudit == null && (failure == null || status(failure) == 1)) {
      long made = warmedUp + load.committed();
      noAudit = failureOf(() -> audit.finish(load.seconds(), begun.get(), made, this::transferId));
    }
    result.put("transfersToWarmUp", warmedUp);
    RuntimeException untold = failureOf(this::tell);
    RuntimeException fault = null;
    if (!audit.fault().isEmpty()) {
      String also = unknown.isEmpty() ? "" : "; " + unknown();
      fault = new LoadException(4, audit.fault() + also);
    }
    for (RuntimeException e : Arrays.asList(fault, failure, noAudit, untold)) {
      if (e != null) {
        throw e;
      }
    }
  }

  private void makeTransfers(Duration time, long limit) {
    long start = System.nanoTime();
    long first = begun.get();
    Consumer<BankSecure.Session> work =
        session -> {
          long number;
          while ((number = begun.getAndIncrement()) - first < limit) {
            // With a rate a transfer that waits for a worker takes longer, and begins no later.
            long wait = rate == 0 ? 0 : (number - first) * 1_000_000_000 / rate;
            long due = rate == 0 ? System.nanoTime() : start + wait;
            boolean isTooLate = due - start > time.toNanos();
            if (isTooLate || !isWanted(due) || System.nanoTime() - start > time.toNanos()) {
              return;
            }
            transfer(session, number, seed + number - first);
            load.committed(System.nanoTime() - due);
          }
        };
    runAll(work, this::showLoad);
  }

  /** Waits until a transfer is due, and says whether it still is to be made. */
  private boolean isWanted(long due) {
    long left;
    while (!halted && (left = due - System.nanoTime()) > 0) {
      LockSupport.parkNanos(Math.min(left, 100_000_000));
    }
    return !halted;
  }

  /** Runs the same on each session, in a thread of its own, until all have ended. */
  private void runAll(Consumer<BankSecure.Session> work, Runnable tick) {
    ExecutorService threads = Executors.newFixedThreadPool(concurrency);
    List<CompletableFuture<Void>> ends = new ArrayList<>();
    for (BankSecure.Session session : sessions) {
      ends.add(CompletableFuture.runAsync(() -> work.accept(session), threads));
    }
    ends.forEach(end -> end.exceptionally(this::halt));
    threads.shutdown();
    long interruptAt = Long.MAX_VALUE;
    boolean ended = false;
    while (!ended) {
      tick.run();
      try {
        ended = threads.awaitTermination(100, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
        halted = true;
      }
      if (halted && interruptAt == Long.MAX_VALUE) {
        // What is under way has some seconds for more attempts.
        interruptAt = System.nanoTime() + 5_000_000_000L;
        haltedAtSecond = load.seconds();
      }
      if (System.nanoTime() >= interruptAt) {
        threads.shutdownNow();
      }
    }
    if (!unknown.isEmpty()) {
      throw new LoadException(3, unknown());
    }
    RuntimeException failure = failureOf(() -> ends.forEach(CompletableFuture::join));
    if (failure != null) {
      throw failure;
    }
  }

  private Void halt(Throwable failure) {
    halted = true;
    return null;
  }

  /** What something was ended by, without what threads wrap around it; null if by nothing. */
  private static RuntimeException failureOf(Runnable something) {
    try {
      something.run();
      return null;
    } catch (RuntimeException e) {
      return e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private void transfer(BankSecure.Session session, long number, long choiceSeed) {
    SplittableRandom choice = new SplittableRandom(choiceSeed);
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
    commit(session, "transfer " + id, transfer);
  }

  private <R> R commit(BankSecure.Session session, String name, Function<Handle, R> change) {
    try {
      return session.commit(name, change);
    } catch (BankSecure.UnknownOutcomeException e) {
      unknown.add(name);
      throw e;
    }
  }

  private String unknown() {
    return "not known whether it was committed: " + String.join(", ", unknown);
  }

  /** Fresh in every run, whatever the seed. None is kept: the audit makes them all again. */
  private UUID transferId(long number) {
    SplittableRandom random = new SplittableRandom(run + number);
    return new UUID(random.nextLong(), random.nextLong());
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

  // ---- Result ----

  private void tell() {
    result.putAll(load.whole());
    result.putAll(audit.whole());
    double seconds = Math.min(duration.toMillis() / 1e3, haltedAtSecond);
    double wanted = Math.min(transfers, rate * seconds);
    long notBegun = (long) wanted - load.committed() - unknown.size();
    result.put("transfersUnknown", unknown.stream().map(name -> name.split(" ")[1]).toList());
    result.put("transfersNotBegun", Math.max(0, notBegun));
    result.put("options", options());
    result.put("concurrency", concurrency);
    // A text, since JavaScript's numbers are too small for it.
    result.put("seed", "" + seed);
    result.put("startedAt", startedAt.toString());
    result.put("versions", versions());
    String late = rate == 0 ? "" : " {transfersNotBegun} not begun in time,";
    String latency =
        "p50 {p50Milliseconds} ms, p95 {p95Milliseconds} ms, p99 {p99Milliseconds} ms,"
            + " p99.9 {p999Milliseconds} ms, maximum {maximumMilliseconds} ms";
    String audited =
        """
        Total balance: {totalBefore} before, {totalAfter} after.
        Audit {audit}; checks while it ran: {checks}, smallest balance: {smallestBalance}, \
        transfers of this run in the ledger: {transfersInLedger}.\
        """;
    print(
        "Transfers: {transfersCommitted} committed, {transfersUnknown} unknown,"
            + late
            + " {transfersPerSecond} a second for {seconds} s.");
    if (load.committed() > 0) {
      print("Latency: " + latency + ".");
    }
    print("Retries: {retries}{retriesByReason}.");
    print(result.get("totalAfter") == null ? "No audit was made." : audited);
    String text = new GsonBuilder().serializeNulls().setPrettyPrinting().create().toJson(result);
    if (json) {
      command.commandLine().getOut().println(text);
    }
    if (report != null) {
      Report.write(text, report);
    }
  }

  private String versions() {
    String java = "Java " + Runtime.version();
    return String.join(", ", command.version()[0], DriverInfo.DRIVER_FULL_NAME, java);
  }

  /** The options as they were given, but for those about places: a URL may hold a password. */
  private String options() {
    return command.commandLine().getParseResult().matchedOptions().stream()
        .filter(option -> !option.longestName().matches("--(url|certs-dir|json|report)"))
        .map(option -> option.longestName() + "=" + option.originalStringValues().get(0))
        .collect(Collectors.joining(" "));
  }

  private void print(String template) {
    if (!json) {
      command.commandLine().getOut().println(filled(template));
    }
  }

  /** Puts what is in the result in the place of its names. */
  private String filled(String template) {
    Matcher names = Pattern.compile("\\{(\\w+)}").matcher(template);
    return names.replaceAll(name -> Matcher.quoteReplacement(text(result.get(name.group(1)))));
  }

  private static String text(Object value) {
    if (value instanceof Collection<?> many) {
      return text(many.size());
    } else if (value instanceof Number number) {
      boolean isSmall = value instanceof Double && number.doubleValue() < 100;
      return String.format(isSmall ? "%,.1f" : "%,.0f", new BigDecimal("" + number));
    }
    boolean isNone = value instanceof Map<?, ?> reasons && reasons.isEmpty();
    return value == null ? "–" : isNone ? "" : value.toString().replaceAll("^\\{(.*)}", " ($1)");
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    // pgjdbc would log what is told in one line.
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    // In a container Java takes a terminal for ASCII, and the live line's mark is not.
    OutputStream stream = new FileOutputStream(FileDescriptor.err);
    PrintWriter err = new PrintWriter(stream, true, StandardCharsets.UTF_8);
    Thread main = Thread.currentThread();
    CommandLine commandLine = commandLine().setErr(err);
    BankLoad load = commandLine.getCommand();
    CompletableFuture<Integer> status = new CompletableFuture<>();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> load.stop(main, status)));
    status.complete(commandLine.execute(arguments));
    System.exit(status.join());
  }

  /** On Ctrl-C begins nothing new, lets what is under way end, and audits what was done. */
  private void stop(Thread main, CompletableFuture<Integer> status) {
    main.interrupt();
    // While it asks for a password there is nothing to wait for.
    if (database != null) {
      status.join();
    }
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
    boolean isInRange =
        LongStream.of(transfers, rate, forceRetries, retryTimeout - 1, concurrency - 1)
                .allMatch(number -> number >= 0)
            && concurrency <= 1_000
            && (accounts == null || accounts >= 0 && accounts <= 10_000_000)
            && Stream.of(duration, warmUp)
                .allMatch(time -> !time.isNegative() && time.toDays() <= 1_000);
    if (!isInRange) {
      String ranges =
          "--accounts takes 0 to 10,000,000, --concurrency 1 to 1,000, no number less than 0";
      throw new LoadException(2, ranges);
    }
    if (report != null && !Report.canBeWritten(report)) {
      throw new LoadException(2, "--report names no file that can be written");
    }
  }

  private int report(Exception e) {
    show("");
    int status = status(e);
    String reason = reason(e);
    if (e instanceof ParameterException) {
      // What stands behind may be a password.
      reason = reason.replaceFirst("(=|://|:(?! )|', ).*", "$1…");
    } else if (status == 5 && !(e instanceof LoadException)) {
      reason = filled("cannot connect to {hosts}, database {database}, user {user}: ") + reason;
    }
    PrintWriter err = command.commandLine().getErr();
    err.println("error: " + reason);
    if (status == 5) {
      err.println("See whether a database answers there; jbang bank-doctor tells what is wrong.");
    }
    return status;
  }

  private static int status(Exception e) {
    if (e instanceof LoadException failure) {
      return failure.status;
    }
    if (e instanceof BankSecure.UnknownOutcomeException) {
      return 3;
    }
    String state = e.getCause() instanceof SQLException s ? "" + s.getSQLState() : "";
    boolean lost = state.matches("08...|28...|3[DF]000|42602|57014|40003|53300|57P0.|58C0.");
    return e instanceof ParameterException || e instanceof IllegalArgumentException
        ? 2
        : lost || e instanceof ConnectionException ? 5 : 1;
  }

  /** What the server said or, where it said nothing, the innermost cause; in one line. */
  private static String reason(Throwable e) {
    String message = Objects.toString(e.getMessage(), "the server hung up");
    String line = message.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " ");
    return e.getCause() == null ? line : reason(e.getCause());
  }

  // ---- Live line ----

  private void showLoad() {
    if (load.tick()) {
      result.putAll(load.last());
      String line =
          "{atSecond} s, %,d transfers, {transfersPerSecond} a second, p99 {p99Milliseconds} ms,"
              + " {retries} retries, total {totalBefore} ✓ {checks} checks";
      show(filled(line.formatted(load.committed())));
    }
  }

  private void show(String line) {
    // What takes no longer than a second needs none.
    if (load.seconds() > 1) {
      live.show(line, command.commandLine().getErr());
    }
  }
}
