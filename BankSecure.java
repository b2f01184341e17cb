///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Creates accounts and moves money over verified TLS, by certificate or password
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20

import java.io.*;
import java.math.BigDecimal;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.sql.SQLException;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.function.*;
import java.util.logging.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.net.ssl.*;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.jdbi.v3.core.statement.*;
import org.postgresql.Driver;
import org.postgresql.jdbcurlresolver.PgPassParser;
import org.postgresql.ssl.WrappedFactory;
import org.postgresql.util.PSQLException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.*;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

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
    abbreviateSynopsis = true,
    sortOptions = false,
    description = {
      "Creates bank accounts and moves money between them, over verified TLS.",
      "Without a certificate it takes the password of the URL, $$PGPASSWORD or ~/.pgpass."
    },
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
      "  jbang BankSecure.java --accounts=0 --duration=30s --concurrency=8",
      "  jbang BankSecure.java --url=postgresql://maxroach@localhost:26257/bank"
    })
public final class BankSecure implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else a local cluster.")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--certs-dir", description = "Default: $$COCKROACH_CERTS_DIR, else certs.")
  private Path certificates =
      Path.of(Objects.requireNonNullElse(System.getenv("COCKROACH_CERTS_DIR"), "certs"));

  @Option(names = "--init", description = "First make the user and the database, as root.")
  private boolean init;

  @Option(names = "--retry-timeout", description = "Seconds to keep trying a transaction; 60.")
  private int retryTimeout = 60;

  @Option(names = "--accounts", description = "Accounts to create; ${DEFAULT-VALUE} by default.")
  private int accounts = 100;

  @Option(names = "--transfers", description = "Transfers to make; 1 by default.")
  private Integer transfers;

  @Option(names = "--duration", description = "Make transfers for so long instead: 30s, 5m, 1h.")
  private Duration duration;

  @Option(names = "--concurrency", description = "Workers, each with a connection; 1 by default.")
  private int concurrency = 1;

  @Option(names = "--seed", description = "Fixes the account IDs, the balances and all choices.")
  private Long seed;

  @Option(names = "--force-retries", description = "Fail each transaction so many times first.")
  private int forceRetries;

  @Option(names = "--json", description = "Print the result as one JSON object.")
  private boolean json;

  @Option(names = "--echo", description = "Show each SQL statement and its time.")
  private boolean echo;

  @Option(names = "--verbose", description = "Show the stack trace of an error.")
  private boolean verbose;

  private Address address;
  private Jdbi database;
  private List<Session> sessions;
  private String product;
  private Books found;
  private Creation creation;
  private Audit audit;
  private volatile boolean failed;

  @Override
  public Integer call() throws Exception {
    require("--accounts", accounts, 0, 10_000_000);
    require("--transfers", transfers == null ? 1 : transfers, 0, Integer.MAX_VALUE);
    require("--concurrency", concurrency, 1, 1_000);
    require("--retry-timeout", retryTimeout, 1, 86_400);
    require("--force-retries", forceRetries, 0, 10);
    if (duration != null && transfers != null) {
      throw misuse("--duration and --transfers exclude each other");
    }
    address = Address.parse(url == null || url.isBlank() ? "postgresql://localhost" : url);
    if (init) {
      createUserAndDatabase();
    }
    database = withEcho(database(address.user(), address.database()));
    database.registerRowMapper(ConstructorMapper.factory(Books.class));
    // Without this JDBI would look through each statement for templates, each time.
    database.configure(SqlStatements.class, all -> all.setTemplateEngine(TemplateEngine.NOP));
    sessions = Stream.generate(Session::new).limit(concurrency).toList();
    try {
      run(sessions.get(0));
    } finally {
      sessions.forEach(Session::close);
    }
    return 0;
  }

  private void run(Session session) throws Exception {
    product =
        session
            .read(handle -> handle.select("SELECT version()").mapTo(String.class).one())
            .replaceAll("(?s)( \\(| on |(?<=^.{200})).*", "");
    print(
        "Connected to %s at %s; %s.",
        product, address, ENCRYPTED ? "encrypted, certificate verified" : "not encrypted");

    createTable(session, ACCOUNTS);
    found = session.read(BankSecure::books);
    long[] foundIds = session.read(BankSecure::accountIds);
    if (limit() > 0 && foundIds.length + accounts < 2) {
      throw new Failure(2, "a transfer needs two accounts", "Ask for --accounts=2 or more.");
    }
    createTable(session, TRANSFERS);

    SplittableRandom random = seed == null ? new SplittableRandom() : new SplittableRandom(seed);
    creation = new Creation(foundIds, random);
    try {
      createAccounts();
      makeTransfers(creation.allIds(), random);
      audit = session.read(this::audit);
    } finally {
      if (json) {
        printJson();
      } else {
        printSummary();
      }
    }
    if (!fault().isEmpty()) {
      throw new Failure(4, fault(), "Find out what else writes to these tables.");
    }
  }

  private void print(String format, Object... values) {
    if (!json) {
      System.out.println(printable(format.formatted(values)));
    }
  }

  // ---- Connection ----

  private static final boolean ENCRYPTED = true;

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
    properties.setProperty("gssEncMode", "disable");
    properties.setProperty("sslfactory", VerifiedTls.class.getName());
    return Jdbi.create(address.jdbcUrl(name), properties);
  }

  private Path file(String parameter, String name) {
    String given = address.parameters().get(parameter);
    return given == null ? certificates.resolve(name) : Path.of(given);
  }

  private String password(String user, String name, Path certificate) {
    String password = System.getenv("PGPASSWORD");
    if (password == null || password.isEmpty()) {
      String first = address.hosts().split(",")[0];
      int colon = first.lastIndexOf(':');
      String host = first.substring(0, colon).replaceAll("[\\[\\]]", "");
      password = PgPassParser.getPassword(host, first.substring(colon + 1), name, user);
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

  // ---- User and database ----

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

  // ---- Tables ----

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

  /** What the books say in one consistent read; amounts are in whole units. */
  public record Books(long accounts, BigDecimal total, long smallest) {}

  private static final String SUMS =
      "count(*) AS accounts, coalesce(sum(balance), 0) AS total, coalesce(min(balance), 0) AS"
          + " smallest";

  private static Books books(Handle handle) {
    return handle.select("SELECT " + SUMS + " FROM accounts").mapTo(Books.class).one();
  }

  // ---- Accounts ----

  private static final int CHUNK = 1_000;
  private static final long MAXIMUM_ID = 1_000_000_000_000L;

  /** Reads by the page, which takes a transaction: a million rows at once would fill the memory. */
  private static long[] accountIds(Handle handle) {
    return handle.inTransaction(
        reading ->
            reading
                .createQuery("SELECT id FROM accounts ORDER BY id")
                .setFetchSize(50_000)
                .mapTo(long.class)
                .stream()
                .mapToLong(id -> id)
                .toArray());
  }

  /** New accounts, chosen before the first attempt; their balances are in whole units. */
  record Chunk(long[] ids, long[] balances) {

    Books asBooks() {
      return new Books(ids.length, BigDecimal.valueOf(LongStream.of(balances).sum()), 0);
    }
  }

  /** The accounts to create: hands them out by the chunk, and counts those that were made. */
  private final class Creation {
    private final long[] found;
    private final List<long[]> made = new ArrayList<>();
    private final SplittableRandom random;
    private long handedOut;
    private long count;
    private BigDecimal total = BigDecimal.ZERO;

    Creation(long[] found, SplittableRandom random) {
      this.found = found;
      this.random = random;
    }

    void work(Session session) throws InterruptedException {
      for (Chunk chunk = next(); chunk.ids().length > 0; chunk = next()) {
        Chunk each = chunk;
        String name = each.ids().length + " accounts, the first of them " + each.ids()[0];
        add(each, session.commit(name, (handle, again) -> insert(handle, each, again)));
      }
    }

    private synchronized Chunk next() {
      int size = mayGoOn() ? (int) Math.min(accounts - handedOut, CHUNK) : 0;
      handedOut += size;
      long[] ids =
          random
              .longs(1, MAXIMUM_ID)
              .filter(id -> Arrays.binarySearch(found, id) < 0)
              .limit(size)
              .toArray();
      return new Chunk(ids, random.longs(size, 0, 1_000_000).toArray());
    }

    private synchronized void add(Chunk chunk, Books inserted) {
      made.add(chunk.ids());
      count += inserted.accounts();
      total = total.add(inserted.total());
      // Where another run took an ID in the meantime, one account more is made.
      handedOut -= chunk.ids().length - inserted.accounts();
    }

    long[] allIds() {
      made.add(found);
      return made.stream().flatMapToLong(LongStream::of).toArray();
    }
  }

  /** Inserts a chunk in one statement and returns what it added, now or in an attempt before. */
  private static Books insert(Handle handle, Chunk chunk, boolean again) {
    if (again) {
      Books inserted = insertMissing(handle, chunk);
      // None: the attempt before, whose answer was lost, had made them all.
      return inserted.accounts() == 0 ? chunk.asBooks() : inserted;
    }
    try {
      handle.execute(
          """
          INSERT INTO accounts (id, balance)
          SELECT unnest(CAST(? AS INT8[])), unnest(CAST(? AS INT8[]))
          """,
          chunk.ids(),
          chunk.balances());
      return chunk.asBooks();
    } catch (UnableToExecuteStatementException e) {
      if (!hasState(e, "23505")) {
        throw e;
      }
      return insertMissing(handle, chunk);
    }
  }

  /** Leaves out the IDs that are taken. To look for them takes time, so it is not done at first. */
  private static Books insertMissing(Handle handle, Chunk chunk) {
    return handle
        .select(
            """
            WITH created AS (
              INSERT INTO accounts (id, balance)
              SELECT unnest(CAST(? AS INT8[])), unnest(CAST(? AS INT8[]))
              ON CONFLICT (id) DO NOTHING
              RETURNING balance
            )
            SELECT %s FROM created
            """
                .formatted(SUMS),
            chunk.ids(),
            chunk.balances())
        .mapTo(Books.class)
        .one();
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
            SELECT entry.amount, s.balance, t.balance
            FROM pair s JOIN pair t ON s.id = :source AND t.id = :target
            LEFT JOIN entry ON true
            """)
        .bind("id", id)
        .bind("source", source)
        .bind("target", target)
        .map(
            (row, context) -> {
              Long moved = row.getObject(1, Long.class);
              boolean repeated = moved == null;
              long amount = repeated ? amountInLedger(handle, id).orElseThrow() : moved;
              return new Transfer(
                  id, source, target, amount, row.getLong(2), row.getLong(3), repeated);
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

  private final long start = System.nanoTime();
  private final AtomicLong retries = new AtomicLong();
  private volatile boolean connectedBefore;
  private volatile long stopAt = Long.MAX_VALUE;

  /** Work that may be sent again; it is told whether an earlier attempt may have succeeded. */
  interface Statement<R> {
    R run(Handle handle, boolean again);
  }

  /** A connection for one thread, and the loop that each transaction on it goes through. */
  private final class Session implements AutoCloseable {
    private Handle handle;

    /** Runs a transaction that may be lost without harm: a query, or a change of the schema. */
    <R> R read(Function<Handle, R> query) throws InterruptedException {
      try {
        return attempt("", 0, retryTimeout, (handle, again) -> query.apply(handle));
      } catch (OutcomeUnknown e) {
        throw (JdbiException) e.getCause();
      }
    }

    /** Runs a transaction that writes; throws OutcomeUnknown where it may have been committed. */
    <R> R commit(String name, Statement<R> statement) throws InterruptedException {
      return attempt(name, forceRetries, 5, statement);
    }

    /**
     * Runs one statement, which is a transaction of its own, until it is known to be committed.
     * Where the server rolled it back (CockroachDB's "Transaction Retry Error Reference") nothing
     * has happened. Where the connection broke nobody knows, but the work may be sent twice. Both
     * are tried again after a random and growing pause; any other error would only come back.
     */
    private <R> R attempt(String name, int failures, int seconds, Statement<R> statement)
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
          return statement.run(handle, unknown);
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
          tell("attempt %d failed, next in %d ms: %s".formatted(attempt, pause, reason(e)));
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

    /** Asks once, where there is no time for more; empty where no answer was to be had. */
    <R> Optional<R> ask(Function<Handle, Optional<R>> query) {
      try {
        connect(0);
        return query.apply(handle);
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

  private long elapsedMillis() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
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

  private final UUID run = UUID.randomUUID();
  private final AtomicLong begun = new AtomicLong();
  private final AtomicLong committed = new AtomicLong();
  private final Queue<UUID> unknown = new ConcurrentLinkedQueue<>();
  private final Latencies latencies = new Latencies();
  private volatile Transfer lastTransfer;
  private long transfersStart;
  private double seconds;

  /** What a thread does on its session until nothing is left to do. */
  interface Worker {
    void work(Session session) throws InterruptedException;
  }

  private void createAccounts() throws Exception {
    try {
      runAll(
          Collections.nCopies(concurrency, creation::work),
          () -> "%,d of %,d accounts".formatted(creation.count, accounts));
    } finally {
      print(
          "Accounts: %,d before, %,d created, %,d now.",
          found.accounts(), creation.count, found.accounts() + creation.count);
    }
  }

  private void makeTransfers(long[] ids, SplittableRandom random) throws Exception {
    List<Worker> workers = new ArrayList<>();
    for (int worker = 0; worker < concurrency; worker++) {
      SplittableRandom choices = random.split();
      workers.add(session -> makeTransfers(session, ids, choices));
    }
    // All connect first, for no transfer's time is to have that in it.
    runAll(
        Collections.nCopies(concurrency, session -> session.read(handle -> true)),
        () -> "connecting");
    transfersStart = System.nanoTime();
    try {
      runAll(workers, this::progress);
    } finally {
      seconds = secondsOfTransfers();
    }
  }

  private void makeTransfers(Session session, long[] ids, SplittableRandom choices)
      throws InterruptedException {
    long number;
    while (mayGoOn() && !isTimeOver() && (number = begun.incrementAndGet()) <= limit()) {
      int source = choices.nextInt(ids.length);
      int other = choices.nextInt(ids.length - 1);
      int target = other < source ? other : other + 1;
      long before = System.nanoTime();
      transferOnce(session, transferId(number), ids[source], ids[target]);
      latencies.add(System.nanoTime() - before);
      committed.incrementAndGet();
    }
  }

  private void transferOnce(Session session, UUID id, long source, long target)
      throws InterruptedException {
    try {
      lastTransfer =
          session.commit("transfer " + id, (handle, again) -> transfer(handle, id, source, target));
    } catch (OutcomeUnknown e) {
      boolean reachable = !(e.getCause() instanceof ConnectionException);
      Optional<Long> amount =
          reachable ? session.ask(handle -> amountInLedger(handle, id)) : Optional.empty();
      if (amount.isEmpty()) {
        unknown.add(id);
        throw e;
      }
      lastTransfer = new Transfer(id, source, target, amount.get(), 0, 0, true);
    }
  }

  /** Fresh in every run, whatever the seed. None is kept: the audit makes them all again. */
  private UUID transferId(long number) {
    return UUID.nameUUIDFromBytes((run + " " + number).getBytes(StandardCharsets.US_ASCII));
  }

  private long limit() {
    return duration != null ? Long.MAX_VALUE : transfers == null ? 1 : transfers;
  }

  private boolean mayGoOn() {
    return !failed && stopAt == Long.MAX_VALUE;
  }

  private boolean isTimeOver() {
    return duration != null && secondsOfTransfers() > duration.toMillis() / 1e3;
  }

  private double secondsOfTransfers() {
    return (System.nanoTime() - transfersStart) / 1e9;
  }

  /** Runs all workers, each on a thread and a session of its own, until each has ended. */
  private void runAll(List<Worker> workers, Supplier<String> progress) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(workers.size());
    List<Future<?>> ends = new ArrayList<>();
    for (Worker worker : workers) {
      Session session = sessions.get(ends.size());
      ends.add(threads.submit(() -> run(worker, session)));
    }
    threads.shutdown();
    while (!threads.awaitTermination(1, TimeUnit.SECONDS)) {
      show(progress.get());
    }
    show("");
    try {
      for (Future<?> end : ends) {
        end.get();
      }
    } catch (ExecutionException e) {
      if (unknown.isEmpty()) {
        throw e.getCause() instanceof Exception cause ? cause : e;
      }
      String ids = unknown.stream().map(UUID::toString).collect(Collectors.joining(", "));
      throw new OutcomeUnknown("transfer " + ids, e);
    }
  }

  private Void run(Worker worker, Session session) throws InterruptedException {
    try {
      worker.work(session);
      return null;
    } catch (Exception | Error e) {
      failed = true;
      throw e;
    }
  }

  /**
   * Counts times in a fixed space: each bucket holds those up to 1 % longer than the one before.
   */
  private static final class Latencies {
    private final AtomicLongArray buckets = new AtomicLongArray(4_000);
    private final LongAccumulator maximum = new LongAccumulator(Math::max, 0);

    void add(long nanos) {
      buckets.incrementAndGet((int) (100 * Math.log1p(nanos / 1e3)));
      maximum.accumulate(nanos);
    }

    /** The milliseconds that such a part of all times did not exceed; NaN where there are none. */
    double millis(double part) {
      long total = LongStream.range(0, buckets.length()).map(i -> buckets.get((int) i)).sum();
      long rank = (long) Math.ceil(part * total);
      int bucket = 0;
      for (long counted = buckets.get(0); counted < rank; counted += buckets.get(bucket)) {
        bucket++;
      }
      double micros = Math.min(Math.expm1((bucket + 1) / 100.0), maximum.get() / 1e3);
      return total == 0 ? Double.NaN : micros / 1e3;
    }
  }

  // ---- Live line ----

  private Boolean terminal;
  private boolean shown;

  private String progress() {
    String of =
        duration == null
            ? "of %,d transfers".formatted(limit())
            : "transfers, %,.0f s left".formatted(duration.toSeconds() - secondsOfTransfers());
    return "%,d %s, %,.0f a second, p99 %.1f ms, %,d retries"
        .formatted(
            committed.get(),
            of,
            committed.get() / secondsOfTransfers(),
            latencies.millis(0.99),
            retries.get());
  }

  /** Puts the line in the place of the one before. */
  private synchronized void show(String line) {
    if (!line.isEmpty() && terminal == null) {
      terminal = isTerminal();
    }
    if (shown || (!line.isEmpty() && terminal)) {
      System.err.print("\r\033[K" + line);
      shown = !line.isEmpty();
    }
  }

  private synchronized void tell(String line) {
    show("");
    System.err.println(printable(line));
  }

  /** Java does not know whether standard error is a terminal, but POSIX's test does. */
  private static boolean isTerminal() {
    try {
      return new ProcessBuilder("test", "-t", "2").inheritIO().start().waitFor() == 0;
    } catch (IOException | InterruptedException e) {
      return false;
    }
  }

  // ---- Audit and summary ----

  /** What is in the database after the run, read at one moment. */
  record Audit(Books books, long inLedger) {}

  private Audit audit(Handle handle) {
    return handle.inTransaction(moment -> new Audit(books(moment), inLedger(moment)));
  }

  private long inLedger(Handle handle) {
    long last = Math.min(begun.get(), limit());
    long found = 0;
    for (long first = 1; first <= last; first += CHUNK) {
      UUID[] ids =
          LongStream.range(first, Math.min(first + CHUNK, last + 1))
              .mapToObj(this::transferId)
              .toArray(UUID[]::new);
      found +=
          handle
              .createQuery("SELECT count(*) FROM transfers WHERE id = ANY(:ids)")
              .bind("ids", ids)
              .mapTo(long.class)
              .one();
    }
    return found;
  }

  private BigDecimal expectedTotal() {
    return found.total().add(creation.total);
  }

  /** Accounts that others add or remove meanwhile bring or take money that is not ours to judge. */
  private boolean isComparable() {
    return audit.books().accounts() == found.accounts() + creation.count;
  }

  /** What the audit found wrong; empty if nothing. */
  private String fault() {
    Books books = audit.books();
    if (isComparable() && books.total().compareTo(expectedTotal()) != 0) {
      return "the total balance must be %,.0f and is %,.0f"
          .formatted(expectedTotal(), books.total());
    }
    if (books.smallest() < 0) {
      return "no balance may be below 0, and one is %,d".formatted(books.smallest());
    }
    if (audit.inLedger() != committed.get()) {
      return "the ledger must have %,d transfers of this run and has %,d"
          .formatted(committed.get(), audit.inLedger());
    }
    return "";
  }

  private double rate() {
    return seconds == 0 ? 0 : committed.get() / seconds;
  }

  private String verdict() {
    if (audit == null) {
      return "not made";
    }
    return !fault().isEmpty() ? "failed" : isComparable() ? "passed" : "incomparable";
  }

  private void printSummary() {
    if (limit() == 1 && lastTransfer != null) {
      printTransfer(lastTransfer);
    } else if (limit() > 1) {
      print(
          "Transfers: %,d committed, %,d unknown, %,.0f a second for %,.1f s.",
          committed.get(), unknown.size(), rate(), seconds);
    }
    if (limit() > 1 && committed.get() > 0) {
      print(
          "Latency: p50 %,.1f ms, p95 %,.1f ms, p99 %,.1f ms, maximum %,.1f ms.",
          latencies.millis(0.5),
          latencies.millis(0.95),
          latencies.millis(0.99),
          latencies.millis(1));
    }
    if (limit() > 1 || retries.get() > 0) {
      print("Retries: %,d.", retries.get());
    }
    if (audit != null) {
      Books books = audit.books();
      print("Total balance: %,.0f before, %,.0f after.", expectedTotal(), books.total());
      print(
          "Audit %s: the smallest balance is %,d, the ledger has %,d of %,d transfers.",
          verdict(), books.smallest(), audit.inLedger(), committed.get());
    } else if (committed.get() > 0) {
      print("No audit was made.");
    }
  }

  private void printTransfer(Transfer made) {
    print("Transfer %s moved %,d:", made.id(), made.amount());
    if (!made.repeated()) {
      long source = made.sourceBalance();
      long target = made.targetBalance();
      String account = "  %s account %d: %,d before, %,d after";
      print(account, "from", made.source(), source, source - made.amount());
      print(account, "to", made.target(), target, target + made.amount());
    }
  }

  private void printJson() {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("product", product);
    result.put("hosts", address.hosts());
    result.put("database", address.database());
    result.put("user", address.user());
    result.put("encrypted", ENCRYPTED);
    result.put("accountsBefore", found.accounts());
    result.put("accountsCreated", creation.count);
    result.put("accountsAfter", audit == null ? null : audit.books().accounts());
    result.put("totalBefore", expectedTotal());
    result.put("totalAfter", audit == null ? null : audit.books().total());
    result.put("smallestBalance", audit == null ? null : audit.books().smallest());
    result.put("transfersCommitted", committed.get());
    result.put("transfersUnknown", unknown);
    result.put("retries", retries.get());
    result.put("seconds", seconds);
    result.put("transfersPerSecond", rate());
    result.put("p50Milliseconds", latencies.millis(0.5));
    result.put("p95Milliseconds", latencies.millis(0.95));
    result.put("p99Milliseconds", latencies.millis(0.99));
    result.put("maximumMilliseconds", latencies.millis(1));
    result.put("audit", verdict());
    System.out.println(
        result.entrySet().stream()
            .map(entry -> "  " + json(entry.getKey()) + ": " + json(entry.getValue()))
            .collect(Collectors.joining(",\n", "{\n", "\n}")));
  }

  private static String json(Object value) {
    if (value instanceof Collection<?> values) {
      return values.stream().map(BankSecure::json).collect(Collectors.joining(", ", "[", "]"));
    }
    if (value instanceof Double number) {
      return Double.isFinite(number) ? "%.3f".formatted(number) : "null";
    }
    if (value instanceof String || value instanceof UUID) {
      return '"' + printable(value.toString()).replaceAll("([\"\\\\])", "\\\\$1") + '"';
    }
    return String.valueOf(value);
  }

  // ---- Command line ----

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  public static void main(String... arguments) {
    DRIVER_LOG.setLevel(Level.OFF);
    // Numbers and messages read alike on all machines.
    Locale.setDefault(Locale.ROOT);
    BankSecure bank = new BankSecure();
    CommandLine commandLine =
        new CommandLine(bank)
            .setUsageHelpLongOptionsMaxWidth(32)
            .registerConverter(Duration.class, BankSecure::duration)
            .setParameterExceptionHandler((e, given) -> bank.report(e))
            .setExecutionExceptionHandler((e, command, parsed) -> bank.report(e));
    commandLine
        .getHelpSectionMap()
        .put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, BankSecure::options);
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

  /** The options by what they are for, each kind beginning with one of these. */
  private static String options(Help help) {
    Map<String, String> headings =
        Map.of("--url", "Connection", "--accounts", "Work", "--json", "Output");
    StringBuilder text = new StringBuilder();
    for (OptionSpec option : help.commandSpec().options()) {
      String heading = headings.get(option.longestName());
      Help.Layout layout = help.createDefaultLayout();
      layout.addOption(option, help.parameterLabelRenderer());
      text.append(heading == null ? "" : "%n%s:%n".formatted(heading)).append(layout);
    }
    return text.toString();
  }

  private static Duration duration(String text) {
    try {
      Duration duration = Duration.parse("PT" + text);
      if (duration.toNanos() > 0) {
        return duration;
      }
    } catch (DateTimeParseException | ArithmeticException e) {
      // It is told below.
    }
    throw new TypeConversionException("'" + text + "' is not a duration like 30s, 5m or 1h");
  }

  private static void require(String option, int value, int minimum, int maximum) {
    if (value < minimum || value > maximum) {
      throw misuse("%s=%d is not from %,d to %,d".formatted(option, value, minimum, maximum));
    }
  }

  /** Prints an error and an advice, a line each, and returns the exit status. */
  private int report(Exception e) {
    show("");
    if (verbose && !(e instanceof ParameterException)) {
      causes(e).forEach(BankSecure::printTrace);
    }
    Failure failure = e instanceof Failure known ? known : diagnose(e);
    System.err.println("error: " + printable(failure.getMessage()));
    System.err.println(printable(failure.advice));
    return failure.status;
  }

  private static void printTrace(Throwable cause) {
    System.err.println(printable(excerpt(cause.toString())));
    Stream.of(cause.getStackTrace()).forEach(frame -> System.err.println("\tat " + frame));
  }

  // ---- Errors ----

  /** What ends the program: its exit status, what happened, and what to do about it. */
  static class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;
    final int status;
    final String advice;

    Failure(int status, String message, String advice, Exception cause) {
      super(message, cause);
      this.status = status;
      this.advice = advice;
    }

    Failure(int status, String message, String advice) {
      this(status, message, advice, null);
    }
  }

  private static Failure misuse(String message) {
    return new Failure(2, message, "Run it with --help to see what it takes.");
  }

  /** Thrown when the time is over and an attempt may have been committed. */
  static final class OutcomeUnknown extends Failure {
    private static final long serialVersionUID = 1;

    OutcomeUnknown(String what, Exception cause) {
      super(
          3,
          "it is not known whether this was committed: " + what,
          "Once the database answers again, look for it there.",
          cause);
    }
  }

  /** What to do about an error, by what its chain of causes holds; the first that fits counts. */
  private static final String[][] ADVICE = {
    {"UnknownHostException", "Check the host name in the URL."},
    {"ConnectException", "Start the server, or check the host and the port in the URL."},
    {
      "CertificateException|CertPath",
      "Use the ca.crt of this cluster, in the folder of --certs-dir, or renew what expired."
    },
    {"hostnameverifier", "Put a host name into the URL that the server's certificate is for."},
    {
      "support SSL|secure mode|no encryption",
      "Use BankSecure.java on a secure cluster, BankInsecure.java on an insecure one."
    },
    {
      "SQLSTATE (28...|3D000)|password",
      "Check user, password and certificate; --init makes the user and the database."
    },
    {"SQLSTATE 53300", "Too many connections: try a lower --concurrency, or later."},
    {"SQLSTATE (42501|3F000)", "Grant the user its rights on the database; --init does."},
    {
      "SQLSTATE (42...|23502|55000)",
      "A table of the same name, but of another shape, is in the way: use another database."
    },
    {"SQLSTATE 22003", "A number does not fit: look at the balances, or use another database."},
    {"SQLSTATE 25006", "Connect to a server that takes writes."},
    {
      "SQLSTATE 40...",
      "Others were always faster: try a longer --retry-timeout or a lower --concurrency."
    },
    {
      "ConnectionException",
      "Check that a database answers there, and that it takes this user and certificate."
    },
    {"SQLSTATE (08...|57P..)", "See whether the server runs, and start again."},
    {"", "What failed was rolled back; --verbose shows where it was."}
  };

  private Failure diagnose(Exception e) {
    if (e instanceof ParameterException) {
      // What stands behind may be a password.
      return misuse(e.getMessage().replaceFirst("(?s)(=|://|:(?! )|', ).*", "$1…"));
    }
    String chain = causes(e).map(BankSecure::described).collect(Collectors.joining("\n"));
    String advice =
        Stream.of(ADVICE)
            .filter(each -> Pattern.compile(each[0]).matcher(chain).find())
            .findFirst()
            .orElseThrow()[1];
    if (e instanceof ConnectionException) {
      return new Failure(5, "cannot connect to " + address.hosts() + ": " + reason(e), advice, e);
    }
    if (isConnectionLost(e)) {
      String message = "the connection to " + address.hosts() + " was lost: " + reason(e);
      return new Failure(5, message, advice, e);
    }
    return new Failure(1, reason(e), advice, e);
  }

  private static String described(Throwable cause) {
    return cause instanceof SQLException s
        ? s + " SQLSTATE " + s.getSQLState()
        : cause.getClass().getName();
  }

  /** What the server said or, where it said nothing, the innermost cause. */
  private static String reason(Exception e) {
    return excerpt(words(e));
  }

  private static String words(Exception e) {
    Throwable last = e;
    for (Throwable cause : causes(e).toList()) {
      if (cause instanceof PSQLException server && server.getServerErrorMessage() != null) {
        String message = server.getServerErrorMessage().getMessage();
        return message + " (SQLSTATE " + server.getSQLState() + ")";
      }
      last = cause;
    }
    String message = Objects.toString(last.getMessage(), "the server hung up");
    if (hasCause(e, CertificateException.class)) {
      return "the server's certificate cannot be trusted: " + message;
    }
    return last instanceof UnknownHostException ? "unknown host " + message : message;
  }

  private static String printable(String text) {
    return text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]", " ");
  }

  private static String excerpt(String words) {
    return words.length() > 2_000 ? words.substring(0, 2_000) + "…" : words;
  }

  /** Shows each statement's time and text, if --echo asks for that. */
  private Jdbi withEcho(Jdbi database) {
    if (echo) {
      database.setSqlLogger(
          new SqlLogger() {
            @Override
            public void logAfterExecution(StatementContext context) {
              String sql = context.getRenderedSql().strip().replaceAll("\\s+", " ");
              tell("%8.1f ms  %s".formatted(context.getElapsedTime(ChronoUnit.MICROS) / 1e3, sql));
            }

            @Override
            public void logException(StatementContext context, SQLException e) {
              logAfterExecution(context);
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
                + "(?:/([^@/?&;=]*))?(?:\\?([^@?;]*))?");

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
        throw new CertificateException();
      }
      return all.toArray(X509Certificate[]::new);
    } catch (CertificateException e) {
      throw unusable(file, new CertificateException("it holds no certificate", e));
    } catch (IOException e) {
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
              default -> throw new KeyException(pem.group(1));
            };
      }
      return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(key));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      var unreadable = new KeyException("it must be PKCS#1 or PKCS#8, without a password", e);
      throw unusable(file, unreadable);
    } catch (IOException e) {
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
