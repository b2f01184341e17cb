///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Creates accounts and moves money on a secure cluster; needs certificates or a password
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20

import java.io.*;
import java.math.BigInteger;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.sql.SQLException;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.*;
import java.util.stream.*;
import javax.net.ssl.*;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.statement.*;
import org.postgresql.Driver;
import org.postgresql.jdbcurlresolver.PgPassParser;
import org.postgresql.ssl.WrappedFactory;
import org.postgresql.util.PSQLException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * Creates bank accounts and moves money between them on a CockroachDB cluster with certificates.
 *
 * <ol>
 *   <li>Have {@code ca.crt}, {@code client.maxroach.crt} and {@code client.maxroach.key}, as {@code
 *       cockroach cert} makes them, in the folder {@code certs}, and root's for {@code --init}.
 *   <li>{@code jbang BankSecure.java --init} makes the user, the database, 100 accounts and one
 *       transfer. Without {@code --init}, further runs make more.
 * </ol>
 */
@Command(
    name = "BankSecure",
    version = "BankSecure 1.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Creates bank accounts and moves money between them, over verified TLS.",
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0:done",
      "1:failed, and what failed was rolled back",
      "2:the command line is wrong",
      "3:the outcome of a transaction is unknown; its ID is printed",
      "4:the audit failed: money was lost or made",
      "5:the database could not be reached, or did not let us in"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  jbang BankSecure.java --init",
      "  jbang BankSecure.java --accounts=0 --transfers=1000 --concurrency=8",
      "  jbang BankSecure.java --url=postgresql://maxroach@localhost:26257/bank"
    })
public final class BankSecure implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "Default: $$DATABASE_URL, else maxroach's bank on localhost.")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--certs-dir", description = "Default: $$COCKROACH_CERTS_DIR, else certs.")
  private Path certificates =
      Path.of(Objects.requireNonNullElse(System.getenv("COCKROACH_CERTS_DIR"), "certs"));

  @Option(names = "--init", description = "First make the user and the database, as root.")
  private boolean init;

  @Option(names = "--accounts", description = "Accounts to create; ${DEFAULT-VALUE} by default.")
  private int accounts = 100;

  @Option(names = "--transfers", description = "Transfers to make; ${DEFAULT-VALUE} by default.")
  private int transfers = 1;

  @Option(names = "--concurrency", description = "Workers, each with a connection of its own.")
  private int concurrency = 1;

  @Option(names = "--seed", description = "Fixes the account IDs, the balances and all choices.")
  private Long seed;

  @Option(names = "--retry-timeout", description = "Seconds to keep trying a transaction; 60.")
  private int retryTimeout = 60;

  @Option(names = "--force-retries", description = "Fail each transaction so many times first.")
  private int forceRetries;

  @Option(names = "--echo", description = "Show each SQL statement and its time.")
  private boolean echo;

  @Option(names = "--verbose", description = "Show the stack trace of an error.")
  private boolean verbose;

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  private final long start = System.nanoTime();
  private final AtomicLong begun = new AtomicLong();
  private final AtomicLong committed = new AtomicLong();
  private final AtomicLong retries = new AtomicLong();
  private final Queue<UUID> unknown = new ConcurrentLinkedQueue<>();
  private Address address;
  private int created;
  private Jdbi database;
  private String product;
  private volatile Transfer lastTransfer;
  private volatile boolean connectedBefore;
  private volatile long stopAt = Long.MAX_VALUE;

  public static void main(String... arguments) {
    DRIVER_LOG.setLevel(Level.OFF);
    // Numbers and messages read alike on all machines.
    Locale.setDefault(Locale.ROOT);
    BankSecure bank = new BankSecure();
    CommandLine commandLine = new CommandLine(bank).setUsageHelpLongOptionsMaxWidth(32);
    commandLine.setParameterExceptionHandler((e, given) -> bank.report(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> bank.report(e));
    CountDownLatch ended = new CountDownLatch(1);
    try {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> bank.stop(ended)));
    } catch (IllegalStateException e) {
      return; // Ctrl-C came first.
    }
    int status = commandLine.execute(arguments);
    ended.countDown();
    System.exit(status);
  }

  /** On Ctrl-C: begins nothing new, and gives what is under way some seconds to end. */
  private void stop(CountDownLatch ended) {
    stopAt = elapsedMillis() + 3_000;
    try {
      ended.await(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public Integer call() throws Exception {
    require("--accounts", accounts, 0, 10_000_000);
    require("--transfers", transfers, 0, Integer.MAX_VALUE);
    require("--concurrency", concurrency, 1, 1_000);
    require("--retry-timeout", retryTimeout, 1, 86_400);
    require("--force-retries", forceRetries, 0, 10);
    address = Address.parse(url == null || url.isBlank() ? "postgresql://localhost" : url);
    if (init) {
      createUserAndDatabase();
    }
    database = withEcho(database(address.user(), address.database()));
    try (Session session = new Session()) {
      run(session);
    }
    return 0;
  }

  private static void require(String option, int value, int minimum, int maximum) {
    if (value < minimum || value > maximum) {
      throw new Failure(
          2,
          "%s=%d is not from %,d to %,d".formatted(option, value, minimum, maximum),
          "Run it with --help to see what it takes.");
    }
  }

  private void run(Session session) throws Exception {
    product = session.read(handle -> handle.select("SELECT version()").mapTo(String.class).one());
    String shortProduct = product.replaceAll("( \\(| on ).*", "");
    System.out.printf("Connected to %s at %s; %s.%n", shortProduct, address, ENCRYPTION);

    createTable(session, ACCOUNTS);
    Books found = books(session);
    long[] foundIds = accountIds(session);
    if (transfers > 0 && foundIds.length + accounts < 2) {
      throw new Failure(2, "a transfer needs two accounts", "Ask for --accounts=2 or more.");
    }
    createTable(session, TRANSFERS);

    SplittableRandom random = seed == null ? new SplittableRandom() : new SplittableRandom(seed);
    long[] ids = createAccounts(session, foundIds, random);
    Books before = created == 0 ? found : books(session);
    System.out.printf(
        "Accounts: %,d before, %,d created, %,d now.%n",
        found.accounts(), created, before.accounts());

    try {
      transferAll(session, ids, random);
    } finally {
      printTransfers();
    }
    audit(before, books(session));
  }

  private void audit(Books before, Books after) {
    System.out.printf("Total balance: %,d before, %,d after.%n", before.total(), after.total());
    // Accounts that others add meanwhile bring money of their own.
    boolean comparable = after.accounts() == before.accounts();
    if (comparable && !after.total().equals(before.total())) {
      throw new Failure(
          4, "the total has changed: money was lost or made", "Find out what else writes here.");
    }
  }

  private void printTransfers() {
    Transfer last = lastTransfer;
    if (transfers != 1) {
      System.out.printf("Transfers: %,d made.%n", committed.get());
    } else if (last != null) {
      System.out.printf("Transfer %s moved %,d:%n", last.id(), last.amount());
      if (!last.repeated()) {
        printAccount(
            "from", last.source(), last.sourceBalance(), last.sourceBalance() - last.amount());
        printAccount(
            "to", last.target(), last.targetBalance(), last.targetBalance() + last.amount());
      }
    }
    if (retries.get() > 0) {
      System.out.printf("Retries: %,d.%n", retries.get());
    }
  }

  private static void printAccount(String role, long id, long before, long after) {
    System.out.printf("  %s account %d: %,d before, %,d after%n", role, id, before, after);
  }

  private long elapsedMillis() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
  }

  // ---- Connection ----

  private static final String ENCRYPTION = "encrypted, certificate verified";

  private static SSLContext tls;

  /** The socket factory that pgjdbc makes by its name; pgjdbc then verifies the host's name. */
  public static final class VerifiedTls extends WrappedFactory {
    public VerifiedTls() {
      factory = tls.getSocketFactory();
    }
  }

  private Jdbi database(String user, String name) throws GeneralSecurityException {
    String mode = address.parameters().getOrDefault("sslmode", "verify-full");
    if (!mode.equals("verify-full")) {
      throw new Failure(
          2,
          "sslmode=" + mode + " would not verify who the server is",
          "Leave sslmode out of the URL; for a cluster without TLS use BankInsecure.java.");
    }
    Path certificate = file("sslcert", "client." + user + ".crt");
    Path key = file("sslkey", "client." + user + ".key.pk8");
    if (!Files.exists(key)) {
      key = file("sslkey", "client." + user + ".key");
    }
    Properties properties = address.properties(user);
    tls = SSLContext.getInstance("TLS");
    if (Files.exists(certificate) || Files.exists(key)) {
      tls.init(identity(certificate, key), authorities(), null);
    } else {
      tls.init(null, authorities(), null);
      properties.computeIfAbsent("password", missing -> password(user, name, certificate));
    }
    properties.setProperty("sslmode", "verify-full");
    properties.setProperty("sslfactory", VerifiedTls.class.getName());
    return Jdbi.create(address.jdbcUrl(name), properties);
  }

  private Path file(String parameter, String name) {
    String given = address.parameters().get(parameter);
    return given == null ? certificates.resolve(name) : Path.of(given);
  }

  private String password(String user, String name, Path certificate) {
    String password = System.getenv("PGPASSWORD");
    if (password == null) {
      URI first = URI.create("//" + address.hosts().split(",")[0]);
      password = PgPassParser.getPassword(first.getHost(), "" + first.getPort(), name, user);
    }
    if (password == null && System.console() != null) {
      char[] typed = System.console().readPassword("Password of %s: ", user);
      password = typed == null ? null : new String(typed);
    }
    if (password == null) {
      throw new Failure(
          5,
          "no certificate " + certificate + " and no password of " + user,
          "Run cockroach cert create-client %s, point --certs-dir to its folder, or set PGPASSWORD."
              .formatted(user));
    }
    return password;
  }

  // ---- User, database and tables ----

  /** Does as root what the tutorial does by hand in cockroach sql, where it is not done yet. */
  private void createUserAndDatabase() throws Exception {
    String user = quoted(address.user());
    String bank = quoted(address.database());
    try (Handle root = withEcho(database("root", "postgres")).open()) {
      root.getConnection().setNetworkTimeout(Runnable::run, 60_000);
      if (!exists(root, "SELECT count(*) FROM pg_roles WHERE rolname = ?", address.user())) {
        root.execute("CREATE USER " + user);
      }
      if (!exists(root, "SELECT count(*) FROM pg_database WHERE datname = ?", address.database())) {
        root.execute("CREATE DATABASE " + bank);
        root.execute("ALTER DATABASE " + bank + " OWNER TO " + user);
      }
      root.execute("GRANT ALL ON DATABASE " + bank + " TO " + user);
    }
  }

  private static boolean exists(Handle handle, String count, String name) {
    return handle.select(count, name).mapTo(int.class).one() > 0;
  }

  private static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  private static final String ACCOUNTS =
      """
      CREATE TABLE IF NOT EXISTS accounts (
        id INT8 PRIMARY KEY,
        balance INT8 NOT NULL CHECK (balance >= 0)
      )
      """;

  private static final String TRANSFERS =
      """
      CREATE TABLE IF NOT EXISTS transfers (
        id UUID PRIMARY KEY,
        source INT8 NOT NULL,
        target INT8 NOT NULL,
        amount INT8 NOT NULL,
        created_at TIMESTAMPTZ NOT NULL
      )
      """;

  /** CockroachDB wants a change of the schema to stand alone, outside any transaction. */
  private void createTable(Session session, String statement) throws InterruptedException {
    try {
      session.read(handle -> handle.execute(statement));
    } catch (UnableToExecuteStatementException e) {
      // Two runs that start together both find it missing, and PostgreSQL tells the later one so.
      if (!hasState(e, "42P07|42710|23505")) {
        throw e;
      }
    }
  }

  /** What the books say in one consistent read; the total is in whole units. */
  record Books(long accounts, BigInteger total) {}

  private static Books books(Session session) throws InterruptedException {
    return session.read(
        handle ->
            handle
                .createQuery("SELECT count(*), coalesce(sum(balance), 0) FROM accounts")
                .map(
                    (row, context) ->
                        new Books(row.getLong(1), row.getBigDecimal(2).toBigInteger()))
                .one());
  }

  // ---- Accounts ----

  private static final int PAGE = 50_000;
  private static final int CHUNK = 1_000;
  private static final long MAXIMUM_ID = 1_000_000_000_000L;

  /** Reads page by page, since a million rows in one answer would fill the memory. */
  private static long[] accountIds(Session session) throws InterruptedException {
    List<long[]> pages = new ArrayList<>();
    long last = Long.MIN_VALUE;
    do {
      long after = last;
      long[] page = session.read(handle -> accountIds(handle, after));
      pages.add(page);
      last = page.length < PAGE ? Long.MAX_VALUE : page[PAGE - 1];
    } while (last < Long.MAX_VALUE);
    return joined(pages);
  }

  private static long[] accountIds(Handle handle, long after) {
    return handle
        .createQuery("SELECT id FROM accounts WHERE id > :after ORDER BY id LIMIT :page")
        .bind("after", after)
        .bind("page", PAGE)
        .mapTo(long.class)
        .list()
        .stream()
        .mapToLong(id -> id)
        .toArray();
  }

  private static long[] joined(List<long[]> parts) {
    return parts.stream().flatMapToLong(Arrays::stream).toArray();
  }

  /** Creates the accounts asked for and returns the IDs of all that can be chosen from. */
  private long[] createAccounts(Session session, long[] found, SplittableRandom random)
      throws InterruptedException {
    List<long[]> chunks = new ArrayList<>(List.of(found));
    while (created < accounts && stopAt == Long.MAX_VALUE) {
      long[] ids = freshIds(Math.min(accounts - created, CHUNK), found, random);
      long[] balances = random.longs(ids.length, 0, 1_000_000).toArray();
      String name = ids.length + " accounts, the first of them " + ids[0];
      // Where another run took an ID in the meantime, one account more is made.
      created += session.commit(name, (handle, again) -> insert(handle, ids, balances, again));
      chunks.add(ids);
    }
    return joined(chunks);
  }

  private static long[] freshIds(int count, long[] taken, SplittableRandom random) {
    return random
        .longs(1, MAXIMUM_ID)
        .filter(id -> Arrays.binarySearch(taken, id) < 0)
        .limit(count)
        .toArray();
  }

  /** Inserts a chunk in one statement and returns how many accounts it made, now or before. */
  private static int insert(Handle handle, long[] ids, long[] balances, boolean again) {
    int inserted =
        handle
            .createUpdate(
                """
                INSERT INTO accounts (id, balance)
                SELECT unnest(CAST(:ids AS INT8[])), unnest(CAST(:balances AS INT8[]))
                ON CONFLICT (id) DO NOTHING
                """)
            .bind("ids", ids)
            .bind("balances", balances)
            .execute();
    // None, after a lost answer: the attempt before had made them all.
    return again && inserted == 0 ? ids.length : inserted;
  }

  // ---- Transfer ----

  /**
   * A transfer that was committed, in whole units, with the balances it found unless repeated.
   *
   * @param repeated whether an earlier attempt, whose answer was lost, had made it
   */
  record Transfer(
      UUID id,
      long source,
      long target,
      long amount,
      long sourceBalance,
      long targetBalance,
      boolean repeated) {}

  /**
   * Moves half of the source's balance. One statement is one round trip, and a transaction that
   * CockroachDB can retry by itself. It changes nothing where the ledger has the ID already, so it
   * can be sent again after a lost answer.
   */
  private static Transfer transfer(Handle handle, UUID id, long source, long target) {
    return handle
        .createQuery(
            """
            WITH pair AS (
              SELECT id, balance FROM accounts
              WHERE id IN (:source, :target) AND balance IS NOT NULL
              ORDER BY id FOR UPDATE
            ), entry AS (
              INSERT INTO transfers (id, source, target, amount, created_at)
              SELECT CAST(:id AS UUID), s.id, t.id, s.balance >> 1, now()
              FROM pair s JOIN pair t ON s.id = :source AND t.id = :target
              ON CONFLICT (id) DO NOTHING
              RETURNING source, target, amount
            ), movement AS (
              UPDATE accounts
              SET balance = balance + CASE WHEN id = source THEN -amount ELSE amount END
              FROM entry WHERE id IN (source, target)
              RETURNING id
            )
            SELECT s.balance AS source_balance, t.balance AS target_balance, entry.amount
            FROM pair s JOIN pair t ON s.id = :source AND t.id = :target
            LEFT JOIN entry ON true
            """)
        .bind("id", id)
        .bind("source", source)
        .bind("target", target)
        .map(
            (row, context) -> {
              boolean repeated = row.getObject("amount") == null;
              long amount =
                  repeated ? amountInLedger(handle, id).orElseThrow() : row.getLong("amount");
              return new Transfer(
                  id,
                  source,
                  target,
                  amount,
                  row.getLong("source_balance"),
                  row.getLong("target_balance"),
                  repeated);
            })
        .findOne()
        .orElseThrow(
            () ->
                new Failure(
                    1,
                    "account " + source + " or " + target + " is gone, or has no balance",
                    "See what else changes the table accounts."));
  }

  private static Optional<Long> amountInLedger(Handle handle, UUID id) {
    return handle
        .select("SELECT amount FROM transfers WHERE id = ?", id)
        .mapTo(Long.class)
        .findOne();
  }

  // ---- Retry ----

  /** Work that may be sent again; it is told whether an earlier attempt may have succeeded. */
  interface Work<R> {
    R run(Handle handle, boolean again);
  }

  /** A connection for one thread, and the loop that each transaction on it goes through. */
  private final class Session implements AutoCloseable {
    private Handle handle;

    /** Runs a transaction that may be lost without harm: a query, or a change of the schema. */
    <R> R read(Function<Handle, R> work) throws InterruptedException {
      try {
        return attempt("", 0, retryTimeout, (connection, again) -> work.apply(connection));
      } catch (OutcomeUnknown e) {
        throw (JdbiException) e.getCause();
      }
    }

    /** Runs a transaction that writes; throws OutcomeUnknown where it may have been committed. */
    <R> R commit(String name, Work<R> work) throws InterruptedException {
      return attempt(name, forceRetries, 5, work);
    }

    /**
     * Runs one statement, which is a transaction of its own, until it is known to be committed.
     * Where the server rolled it back (CockroachDB's "Transaction Retry Error Reference") nothing
     * has happened. Where the connection broke nobody knows, but the work may be sent twice. Both
     * are tried again after a random and growing pause; any other error would only come back.
     */
    private <R> R attempt(String name, int failures, int seconds, Work<R> work)
        throws InterruptedException {
      long deadline = elapsedMillis() + 1_000L * retryTimeout;
      boolean unknown = false;
      for (int attempt = 1; ; attempt++) {
        boolean sent = false;
        try {
          connect(Math.min(1_000L * seconds, (deadline - elapsedMillis()) / 2));
          if (attempt <= failures) {
            failOnPurpose();
          }
          sent = true;
          return work.run(handle, unknown);
        } catch (JdbiException e) {
          boolean rolledBack = hasState(e, "40001|40P01");
          boolean lost = !rolledBack && (sent ? isConnectionLost(e) : isWorthConnectingAgain(e));
          unknown |= sent && lost;
          long pause = backoff(attempt);
          boolean late = elapsedMillis() + pause > Math.min(deadline, stopAt);
          if (lost) {
            close();
          }
          if (late || !(rolledBack || lost)) {
            throw unknown ? new OutcomeUnknown(name, e) : e;
          }
          retries.incrementAndGet();
          System.err.printf("attempt %d failed, next in %d ms: %s%n", attempt, pause, reason(e));
          Thread.sleep(pause);
        }
      }
    }

    /** Opens the connection if need be, and bounds how long an answer on it may take. */
    private void connect(long patienceMillis) {
      try {
        if (handle != null && handle.getConnection().isClosed()) {
          close();
        }
        if (handle == null) {
          handle = database.open();
          connectedBefore = true;
        }
        int patience = Math.max(500, (int) patienceMillis);
        handle.getConnection().setNetworkTimeout(Runnable::run, patience);
      } catch (SQLException e) {
        throw new ConnectionException(e);
      }
    }

    /** Has the server itself raise 40001, by the means that each of the two offers. */
    private void failOnPurpose() {
      if (!product.startsWith("CockroachDB")) {
        handle.execute(
            "DO $$ BEGIN RAISE 'forced by --force-retries' USING ERRCODE = '40001'; END $$");
        return;
      }
      handle.execute("SET inject_retry_errors_enabled = true");
      try {
        handle.useTransaction(transaction -> transaction.execute("SELECT 1"));
      } finally {
        handle.execute("SET inject_retry_errors_enabled = false");
      }
    }

    /** Asks the ledger once, for lack of time, about a transfer that may have been committed. */
    Optional<Long> askLedger(UUID id) {
      try {
        connect(0);
        return amountInLedger(handle, id);
      } catch (JdbiException e) {
        return Optional.empty();
      }
    }

    @Override
    public void close() {
      try {
        if (handle != null) {
          handle.close();
        }
      } catch (JdbiException e) {
        // It was broken, which is why it goes.
      } finally {
        handle = null;
      }
    }
  }

  /** A random pause in milliseconds below a bound that doubles from 20 to 1,000. */
  private static long backoff(int attempt) {
    return ThreadLocalRandom.current().nextLong(Math.min(1_000, 10L << Math.min(attempt, 10)));
  }

  private static boolean isConnectionLost(Exception e) {
    return hasState(e, "40003|57P0.|08...");
  }

  /** Starting or full servers are waited for; a network that never worked is not. */
  private boolean isWorthConnectingAgain(Exception e) {
    return hasState(e, "57P0.|53300")
        || (connectedBefore
            && (hasState(e, "08001")
                || hasCause(e, SocketException.class)
                || hasCause(e, SocketTimeoutException.class)
                || hasCause(e, EOFException.class)));
  }

  private static boolean hasState(Exception e, String states) {
    return causes(e)
        .anyMatch(
            c -> c instanceof SQLException s && Objects.toString(s.getSQLState()).matches(states));
  }

  private static boolean hasCause(Exception e, Class<?> type) {
    return causes(e).anyMatch(type::isInstance);
  }

  private static Stream<Throwable> causes(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause);
  }

  // ---- Load ----

  /** Makes the transfers with as many workers as asked for, each with its own connection. */
  private void transferAll(Session session, long[] ids, SplittableRandom random) throws Exception {
    List<Callable<Void>> tasks = new ArrayList<>();
    for (int worker = 0; worker < concurrency; worker++) {
      SplittableRandom choices = random.split();
      tasks.add(worker == 0 ? () -> work(session, ids, choices) : () -> work(ids, choices));
    }
    ExecutorService workers = Executors.newFixedThreadPool(concurrency);
    try {
      for (Future<Void> end : workers.invokeAll(tasks)) {
        end.get();
      }
    } catch (ExecutionException e) {
      if (unknown.isEmpty()) {
        throw (Exception) e.getCause();
      }
      String list = unknown.stream().map(UUID::toString).collect(Collectors.joining(", "));
      throw new OutcomeUnknown("transfer " + list, (Exception) e.getCause().getCause());
    } finally {
      workers.shutdown();
    }
  }

  private Void work(long[] ids, SplittableRandom choices) throws Exception {
    try (Session session = new Session()) {
      return work(session, ids, choices);
    }
  }

  private Void work(Session session, long[] ids, SplittableRandom choices) throws Exception {
    try {
      while (stopAt == Long.MAX_VALUE && begun.incrementAndGet() <= transfers) {
        int source = choices.nextInt(ids.length);
        int other = choices.nextInt(ids.length - 1);
        int target = other < source ? other : other + 1;
        transferOnce(session, UUID.randomUUID(), ids[source], ids[target]);
      }
      return null;
    } catch (Exception e) {
      begun.set(transfers);
      throw e;
    }
  }

  private void transferOnce(Session session, UUID id, long source, long target)
      throws InterruptedException {
    try {
      lastTransfer =
          session.commit("transfer " + id, (handle, again) -> transfer(handle, id, source, target));
    } catch (OutcomeUnknown e) {
      boolean reachable = !(e.getCause() instanceof ConnectionException);
      Optional<Long> amount = reachable ? session.askLedger(id) : Optional.empty();
      if (amount.isEmpty()) {
        unknown.add(id);
        throw e;
      }
      lastTransfer = new Transfer(id, source, target, amount.get(), 0, 0, true);
    }
    committed.incrementAndGet();
  }

  // ---- Errors ----

  /** What ends the program: its exit status, what happened, and what to do about it. */
  static class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;
    final int status;
    final String advice;

    Failure(int status, String message, String advice) {
      this(status, message, advice, null);
    }

    Failure(int status, String message, String advice, Exception cause) {
      super(message, cause);
      this.status = status;
      this.advice = advice;
    }
  }

  /** Thrown when the time is over and an attempt may have been committed. */
  static final class OutcomeUnknown extends Failure {
    private static final long serialVersionUID = 1;

    OutcomeUnknown(String what, Exception cause) {
      super(
          3,
          "it is not known whether this was committed: " + what,
          "Once the database answers again, look for it in the tables transfers and accounts.",
          cause);
    }
  }

  /** Prints an error and an advice, a line each, and returns the exit status. */
  private int report(Exception e) {
    if (verbose) {
      e.printStackTrace();
    }
    Failure failure = e instanceof Failure known ? known : diagnose(e);
    System.err.println("error: " + printable(failure.getMessage()));
    System.err.println(failure.advice);
    return failure.status;
  }

  private Failure diagnose(Exception e) {
    if (e instanceof ParameterException) {
      return new Failure(2, e.getMessage(), "Run it with --help to see what it takes.");
    }
    if (e instanceof ConnectionException) {
      String message = "cannot connect to " + address.hosts() + ": " + reason(e);
      return new Failure(5, message, connectionAdvice(e), e);
    }
    if (isConnectionLost(e)) {
      String message = "the connection to " + address.hosts() + " was lost: " + reason(e);
      return new Failure(5, message, "See whether the server runs, and start again.", e);
    }
    return new Failure(1, reason(e), statementAdvice(e), e);
  }

  /** What the server said or, where it said nothing, the innermost cause. */
  private static String reason(Exception e) {
    Throwable last = e;
    for (Throwable cause : causes(e).toList()) {
      if (cause instanceof PSQLException server && server.getServerErrorMessage() != null) {
        return server.getServerErrorMessage().getMessage()
            + " (SQLSTATE "
            + server.getSQLState()
            + ")";
      }
      last = cause;
    }
    String message = Objects.toString(last.getMessage(), "the server hung up");
    if (hasCause(e, CertificateException.class)) {
      return "the server's certificate cannot be trusted: " + message;
    }
    return last instanceof UnknownHostException ? "unknown host " + message : message;
  }

  private static String connectionAdvice(Exception e) {
    if (hasCause(e, UnknownHostException.class)) {
      return "Check the host name in the URL.";
    }
    if (hasCause(e, ConnectException.class)) {
      return "Start the server, or check the host and the port in the URL.";
    }
    if (hasCause(e, CertificateException.class)) {
      return "Use the ca.crt of this cluster, in the folder of --certs-dir, or renew what expired.";
    }
    if (reason(e).contains("hostnameverifier")) {
      return "Put a host name into the URL that the server's certificate is for.";
    }
    if (hasState(e, "08004") || reason(e).matches(".*(secure mode|no encryption).*")) {
      return "Use BankSecure.java on a secure cluster, BankInsecure.java on an insecure one.";
    }
    if (hasState(e, "28...|3D000")) {
      return "Check user, password and certificate; --init makes the user and the database.";
    }
    return "Check that a database answers there, and that the certificates are of its cluster.";
  }

  private static String statementAdvice(Exception e) {
    if (hasState(e, "42501")) {
      return "Grant the user its rights on the database; --init does.";
    }
    if (hasState(e, "42...|23502")) {
      return "A table accounts or transfers of another shape is in the way: use another database.";
    }
    if (hasState(e, "25006")) {
      return "Connect to a server that takes writes.";
    }
    if (hasState(e, "40...")) {
      return "Others were always faster: try a longer --retry-timeout or a lower --concurrency.";
    }
    return "What failed was rolled back; --verbose shows where it was.";
  }

  private static String printable(String text) {
    return text.replaceAll("\\p{Cntrl}", " ");
  }

  private Jdbi withEcho(Jdbi database) {
    if (echo) {
      database.setSqlLogger(
          new SqlLogger() {
            @Override
            public void logAfterExecution(StatementContext context) {
              print(context, "");
            }

            @Override
            public void logException(StatementContext context, SQLException e) {
              print(context, " failed: " + e.getSQLState());
            }

            private void print(StatementContext context, String end) {
              String sql = context.getRenderedSql().strip().replaceAll("\\s+", " ");
              long micros = context.getElapsedTime(ChronoUnit.MICROS);
              System.err.printf("%8.1f ms  %s%s%n", micros / 1_000.0, sql, end);
            }
          });
    }
    return database;
  }

  // ---- URL ----

  /** What a database's URL says, in libpq's form, as CockroachDB prints it, or in JDBC's. */
  record Address(String hosts, String database, String user, Map<String, String> parameters) {

    private static final String HOST = "(?:[\\w.-]+|\\[[\\w:.%]+])(?::\\d{1,5})?";

    private static final Pattern URL =
        Pattern.compile(
            "(?:jdbc:)?(?:postgres(?:ql)?|cockroachdb)://(?:([^:@/?]*)(?::([^@/?]*))?@)?"
                + ("(" + HOST + "(?:," + HOST + ")*)?")
                + "(?:/([^@/?]*))?(?:\\?([^@]*))?");

    /** Reads a URL; where it cannot, it throws a Failure that does not repeat the password. */
    static Address parse(String url) {
      Failure malformed =
          new Failure(
              2,
              "the URL is not that of a database",
              "It must be like postgresql://maxroach@localhost:26257/bank; %40 stands for an @.");
      Matcher parts = URL.matcher(url.strip());
      if (!parts.matches()) {
        throw malformed;
      }
      try {
        Map<String, String> parameters = new TreeMap<>();
        for (String parameter : orElse(parts.group(5), "").split("&")) {
          String[] pair = (parameter + "=").split("=", 3);
          parameters.put(decode(pair[0]), decode(pair[1]));
        }
        if (parts.group(2) != null) {
          parameters.put("password", decode(parts.group(2)));
        }
        Address address =
            new Address(
                // Without a port pgjdbc would take PostgreSQL's.
                orElse(parts.group(3), "localhost").replaceAll("(?<!:\\d{1,5})(?=,|$)", ":26257"),
                decode(orElse(parts.group(4), "bank")),
                orElse(decode(parts.group(1)), orElse(parameters.get("user"), "maxroach")),
                parameters);
        if (Driver.parseURL(address.jdbcUrl("bank"), null) == null) {
          throw malformed;
        }
        return address;
      } catch (IllegalArgumentException e) {
        throw malformed;
      }
    }

    private static String orElse(String text, String otherwise) {
      return text == null || text.isEmpty() ? otherwise : text;
    }

    private static String decode(String text) {
      return URLDecoder.decode(orElse(text, "").replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    /** The settings of a connection: the URL's own, and what it leaves open. */
    Properties properties(String name) {
      Properties properties = new Properties();
      // Seconds: for all hosts together, for one to accept, and for one to answer. A host that is
      // silent leaves time for the next, and is then left alone for a while.
      properties.setProperty("loginTimeout", "4");
      properties.setProperty("connectTimeout", "2");
      properties.setProperty("socketTimeout", "3");
      properties.setProperty("loadBalanceHosts", "true");
      // Without this pgjdbc would send the application's name in a statement of its own.
      properties.setProperty("assumeMinServerVersion", "9.0");
      properties.setProperty("ApplicationName", "BankSecure");
      properties.putAll(parameters);
      properties.remove("sslhostnameverifier");
      if (!name.equals(user)) {
        properties.remove("password");
      }
      properties.setProperty("user", name);
      // PostgreSQL, unlike CockroachDB, is not SERIALIZABLE unless asked.
      properties.merge(
          "options",
          "-c default_transaction_isolation=serializable",
          (own, ours) -> own + " " + ours);
      return properties;
    }

    String jdbcUrl(String name) {
      return "jdbc:postgresql://" + hosts + "/" + URLEncoder.encode(name, StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
      return hosts + ", database " + database + ", user " + user;
    }
  }

  // ---- Certificates ----

  /** The authorities that may vouch for the server; null stands for those that Java trusts. */
  private TrustManager[] authorities() throws GeneralSecurityException {
    String given = address.parameters().get("sslrootcert");
    Path file = given == null ? certificates.resolve("ca.crt") : Path.of(given);
    if (given == null && !Files.exists(file)) {
      file = Path.of(System.getProperty("user.home"), ".postgresql", "root.crt");
    }
    if (given == null ? !Files.exists(file) : given.equals("system")) {
      return null;
    }
    KeyStore trusted = emptyKeyStore();
    for (X509Certificate authority : readCertificates(file)) {
      trusted.setCertificateEntry(authority.getSubjectX500Principal().getName(), authority);
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(trusted);
    return factory.getTrustManagers();
  }

  /** Who we are. What is wrong with it is told here, since a server would just hang up. */
  private static KeyManager[] identity(Path certificate, Path key) throws GeneralSecurityException {
    X509Certificate[] chain = readCertificates(certificate);
    PrivateKey privateKey = readKey(key, chain[0].getPublicKey().getAlgorithm());
    try {
      chain[0].checkValidity();
    } catch (CertificateException e) {
      throw unusable(certificate, e);
    }
    if (!belongTogether(privateKey, chain[0])) {
      throw unusable(key, new KeyException("it is not the key of " + certificate));
    }
    KeyStore identity = emptyKeyStore();
    identity.setKeyEntry("client", privateKey, new char[0], chain);
    KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
    factory.init(identity, new char[0]);
    return factory.getKeyManagers();
  }

  private static KeyStore emptyKeyStore() throws GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try {
      store.load(null, null);
    } catch (IOException e) {
      throw new KeyStoreException(e);
    }
    return store;
  }

  private static X509Certificate[] readCertificates(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      var all = CertificateFactory.getInstance("X.509").generateCertificates(in);
      if (all.isEmpty()) {
        throw new CertificateException("it holds no certificate");
      }
      return all.toArray(X509Certificate[]::new);
    } catch (IOException | CertificateException e) {
      throw unusable(file, e);
    }
  }

  private static PrivateKey readKey(Path file, String algorithm) {
    try {
      requirePrivate(file);
      byte[] key = Files.readAllBytes(file);
      Matcher pem =
          Pattern.compile("-----BEGIN (.*?)PRIVATE KEY-----(.*?)-----END", Pattern.DOTALL)
              .matcher(new String(key, StandardCharsets.ISO_8859_1));
      if (pem.find()) {
        key = Base64.getMimeDecoder().decode(pem.group(2));
        key =
            switch (pem.group(1)) {
              case "" -> key;
              case "RSA " -> pkcs8(key);
              default -> throw new KeyException("it must be PKCS#1 or PKCS#8, without a password");
            };
      }
      return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(key));
    } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
      throw unusable(file, e);
    }
  }

  /** Refuses a key that others may read, by libpq's rule (PostgreSQL's "SSL Support"). */
  private static void requirePrivate(Path file) throws IOException {
    var view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
    if (view == null) {
      return;
    }
    PosixFileAttributes attributes = view.readAttributes();
    boolean roots = attributes.owner().getName().equals("root");
    Set<PosixFilePermission> permissions = attributes.permissions();
    permissions.removeAll(PosixFilePermissions.fromString(roots ? "rwxr-----" : "rwx------"));
    if (!permissions.isEmpty()) {
      throw new Failure(5, file + " may be read by others", "Run chmod 600 " + file + ".");
    }
  }

  /**
   * Puts the PKCS#1 key that cockroach cert writes into the envelope that Java reads (RFC 5208).
   */
  private static byte[] pkcs8(byte[] pkcs1) {
    byte[] versionAndRsa = HexFormat.of().parseHex("020100300d06092a864886f70d0101010500");
    return ByteBuffer.allocate(pkcs1.length + versionAndRsa.length + 8)
        .putShort((short) 0x3082)
        .putShort((short) (pkcs1.length + versionAndRsa.length + 4))
        .put(versionAndRsa)
        .putShort((short) 0x0482)
        .putShort((short) pkcs1.length)
        .put(pkcs1)
        .array();
  }

  private static boolean belongTogether(PrivateKey key, X509Certificate certificate)
      throws GeneralSecurityException {
    boolean rsa = key.getAlgorithm().equals("RSA");
    Signature signature = Signature.getInstance(rsa ? "SHA256withRSA" : "SHA256withECDSA");
    signature.initSign(key);
    byte[] signed = signature.sign();
    signature.initVerify(certificate.getPublicKey());
    return signature.verify(signed);
  }

  private static Failure unusable(Path file, Exception e) {
    String reason =
        e instanceof NoSuchFileException
            ? "there is no such file"
            : e instanceof AccessDeniedException ? "permission denied" : e.getMessage();
    return new Failure(
        5,
        file + " cannot be used: " + reason,
        "Make it anew with cockroach cert, or name another folder with --certs-dir.",
        e);
  }
}
