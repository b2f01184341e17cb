///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Creates accounts and transfers money on a cluster started with --insecure
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20

import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.logging.LogManager;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.statement.SqlLogger;
import org.jdbi.v3.core.statement.StatementContext;
import org.postgresql.Driver;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Creates bank accounts in CockroachDB and transfers money between them, without encryption.
 *
 * <ol>
 *   <li>Connects, and creates the tables {@code accounts} and {@code transfers} if they are
 *       missing.
 *   <li>Reads the IDs of existing accounts, and adds accounts with random IDs and balances.
 *   <li>Transfers half of one random account's balance to another, in a single SQL statement.
 *   <li>Prints the total balance before and after, which is the same unless others add accounts.
 * </ol>
 *
 * Every statement runs in a retry loop: CockroachDB may ask a client to repeat a transaction that
 * conflicts with others, and a connection may break at any time. To run it, start a cluster, create
 * a user and a database:
 *
 * <pre>
 * cockroach start-single-node --insecure --store=type=mem,size=1GiB --listen-addr=localhost
 * cockroach sql --insecure --execute='CREATE USER IF NOT EXISTS maxroach;
 *   CREATE DATABASE IF NOT EXISTS bank; ALTER DATABASE bank OWNER TO maxroach'
 * jbang BankInsecure.java
 * </pre>
 */
@Command(
    name = "BankInsecure",
    version = "BankInsecure 3.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Creates bank accounts and transfers money between them, without encryption.",
    footer = "%nExit status: 0 done, 1 failed, 2 usage, 3 outcome unknown, 5 no connection")
public final class BankInsecure implements Callable<Integer> {

  @Option(names = "--url", description = "The cluster (default: DATABASE_URL, or a local cluster).")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--accounts", description = "Accounts to create (default: ${DEFAULT-VALUE}).")
  private int accounts = 100;

  @Option(names = "--transfers", description = "Transfers to make (default: ${DEFAULT-VALUE}).")
  private int transfers = 1;

  @Option(names = "--echo", description = "Print each SQL statement.")
  private boolean echo;

  private Properties settings;

  public static void main(String... args) {
    // Numbers look the same everywhere, and pgjdbc does not log the errors that we print.
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    BankInsecure bank = new BankInsecure();
    CommandLine commandLine = new CommandLine(bank);
    commandLine.setParameterExceptionHandler((e, given) -> reportUsage(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> bank.report(e));
    int status = commandLine.execute(args);
    if (status == 0 && System.out.checkError()) {
      System.err.println("error: everything was done, but the output could not be written");
      status = 1;
    }
    System.exit(status);
  }

  @Override
  public Integer call() {
    checkOptions();
    this.settings = settings(url);
    Jdbi jdbi = connect(settings);
    if (echo) {
      jdbi.setSqlLogger(new Echo());
    }
    // A failed statement is repeated for up to a minute, and each retry is printed.
    try (Session session = new Session(jdbi, Duration.ofMinutes(1), System.err::println)) {
      String version = session.run(BankInsecure::version);
      System.out.printf("Connected to %s at %s; not encrypted.%n", version, place(settings));
      createTables(session);

      List<Long> ids = session.run(BankInsecure::accountIds);
      int found = ids.size();
      requireTwoAccounts(found + accounts);
      ids.addAll(createAccounts(session, accounts));
      System.out.printf("Accounts: %,d found, %,d created.%n", found, ids.size() - found);

      BigDecimal before = session.run(BankInsecure::totalBalance);
      makeTransfers(session, ids, transfers);
      BigDecimal after = session.run(BankInsecure::totalBalance);
      System.out.printf("Total balance: %,.0f before, %,.0f after.%n", before, after);
    }
    return 0;
  }

  // ---- Accounts ----

  static final String CREATE_ACCOUNTS =
      """
      CREATE TABLE IF NOT EXISTS accounts (
        id INT8 PRIMARY KEY,
        balance INT8 NOT NULL CHECK (balance >= 0)
      )
      """;

  /** The ledger: one row for each transfer that was ever committed. */
  static final String CREATE_TRANSFERS =
      """
      CREATE TABLE IF NOT EXISTS transfers (
        id UUID PRIMARY KEY,
        source INT8 NOT NULL,
        target INT8 NOT NULL,
        amount INT8 NOT NULL,
        created_at TIMESTAMPTZ NOT NULL
      )
      """;

  /** Creates each table in a statement of its own: CockroachDB wants no transaction around DDL. */
  static void createTables(Session session) {
    session.run(handle -> handle.execute(CREATE_ACCOUNTS));
    session.run(handle -> handle.execute(CREATE_TRANSFERS));
  }

  /** The IDs of all accounts, or of a million of them, which are enough to choose from. */
  static List<Long> accountIds(Handle handle) {
    return handle.select("SELECT id FROM accounts LIMIT 1000000").mapTo(Long.class).list();
  }

  /** The sum of all balances in whole units, which may not fit into a long. */
  static BigDecimal totalBalance(Handle handle) {
    return handle
        .select("SELECT coalesce(sum(balance), 0) FROM accounts")
        .mapTo(BigDecimal.class)
        .one();
  }

  /** Creates accounts with random IDs, which spread over the cluster, and returns the IDs. */
  private static List<Long> createAccounts(Session session, int count) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    List<Long> created = new ArrayList<>();
    // CockroachDB refuses a transaction that grows too large, so each one creates 1,000 at most.
    for (int left = count; left > 0; left -= 1_000) {
      int size = Math.min(left, 1_000);
      // Chosen before the first attempt, so that every attempt creates the same accounts.
      long[] ids = random.longs(size, 1, Long.MAX_VALUE).toArray();
      long[] balances = random.longs(size, 0, 1_000_000).toArray();
      // Printed, not executed, if the outcome stays unknown.
      String lookup = "SELECT * FROM accounts WHERE id = " + ids[0] + " -- first of " + size;
      session.commit(lookup, handle -> insertAccounts(handle, ids, balances));
      for (long id : ids) {
        created.add(id);
      }
    }
    return created;
  }

  /**
   * Inserts accounts and returns how many. The first ID gets the first balance, the second ID the
   * second balance, and so on. Safe to repeat: existing accounts stay as they are.
   */
  static int insertAccounts(Handle handle, long[] ids, long[] balances) {
    return handle.execute(
        """
        INSERT INTO accounts (id, balance)
        SELECT unnest(CAST(? AS INT8[])), unnest(CAST(? AS INT8[]))
        ON CONFLICT (id) DO NOTHING
        """,
        ids,
        balances);
  }

  // ---- Transfers ----

  private static void makeTransfers(Session session, List<Long> ids, int count) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    for (int i = 0; i < count; i++) {
      // Two different accounts: the second is 1 to size - 1 places after the first.
      int first = random.nextInt(ids.size());
      int second = (first + random.nextInt(1, ids.size())) % ids.size();
      long source = ids.get(first);
      long target = ids.get(second);
      // Chosen before the first attempt, so that every attempt is the same transfer.
      UUID id = UUID.randomUUID();
      // Printed, not executed, if the outcome stays unknown.
      String lookup = "SELECT * FROM transfers WHERE id = '" + id + "'";
      long amount = session.commit(lookup, handle -> transfer(handle, id, source, target));
      System.out.printf("Transferred %,d from %d to %d.%n", amount, source, target);
    }
  }

  /**
   * Transfers half of the source's balance and returns the amount, in whole units.
   *
   * <p>Safe to repeat: money moves only if the ledger does not have the ID yet. A second attempt
   * waits for the locks of a first one that still runs. A single statement needs one round trip,
   * and is a transaction by itself, which CockroachDB can often retry without asking the client.
   *
   * @throws IllegalStateException if an account is missing, both are the same, or the ID is another
   *     transfer's
   */
  static long transfer(Handle handle, UUID id, long source, long target) {
    try {
      return handle
          .createQuery(
              """
              WITH pair AS (
                -- Lock both accounts, always in the same order, so that no deadlock can arise.
                SELECT id, balance FROM accounts
                WHERE id IN (:source, :target)
                ORDER BY id
                FOR UPDATE
              ), entry AS (
                -- Record the transfer. If an earlier attempt did, the ID is there, and the whole
                -- statement fails. If an account is missing, or both are the same, nothing is
                -- recorded. The amount, balance >> 1, is half of the source's balance as an
                -- integer. On CockroachDB, balance / 2 would be a DECIMAL.
                INSERT INTO transfers (id, source, target, amount, created_at)
                SELECT :id, source.id, target.id, source.balance >> 1, now()
                FROM pair AS source, pair AS target
                WHERE source.id = :source AND target.id = :target AND source.id <> target.id
                RETURNING amount
              )
              -- Move the money if the transfer was recorded. Both accounts return the amount.
              UPDATE accounts
              SET balance = balance + CASE accounts.id WHEN :source THEN -amount ELSE amount END
              FROM entry
              WHERE accounts.id IN (:source, :target)
              RETURNING amount
              """)
          .bind("id", id)
          .bind("source", source)
          .bind("target", target)
          .mapTo(Long.class)
          .findFirst()
          .orElseThrow(() -> new IllegalStateException("no two accounts with these IDs"));
    } catch (JdbiException e) {
      // 23505: the ledger has the ID, because an earlier attempt was committed.
      if (sqlState(e).equals("23505")) {
        return recordedAmount(handle, id, source, target);
      }
      throw e;
    }
  }

  /** The amount of a transfer that was committed, although its answer was lost. */
  private static long recordedAmount(Handle handle, UUID id, long source, long target) {
    return handle
        .select(
            "SELECT amount FROM transfers WHERE id = ? AND source = ? AND target = ?",
            id,
            source,
            target)
        .mapTo(Long.class)
        .findOne()
        .orElseThrow(() -> new IllegalStateException("the ID is another transfer's: " + id));
  }

  // ---- Retry ----

  /** What is known after a failed attempt. The SQLSTATEs are compared from top to bottom. */
  enum Failure {
    /** The database rolled it back, because of a conflict or a deadlock. Nothing happened. */
    ROLLED_BACK("40001|40P01"),

    /** There was no connection on which to send it. Nothing happened. */
    NOT_SENT("08003"),

    /**
     * It may be committed, or not: the connection broke (08...), the server shuts down (57P0.), the
     * statement was cancelled, perhaps too late (57014), data cannot be reached (58C0.), a node of
     * CockroachDB lost another (XXUUU, an error without a code of its own), or it does not know
     * itself (40003).
     */
    UNKNOWN("08...|57P0.|57014|58C0[01]|XXUUU|40003"),

    /** The database or this program refused it, and would do so again. Nothing happened. */
    FINAL(".*");

    private final String sqlStates;

    Failure(String sqlStates) {
      this.sqlStates = sqlStates;
    }

    static Failure of(Exception e) {
      // JDBI could not open a connection.
      if (e instanceof ConnectionException) {
        return NOT_SENT;
      }
      String sqlState = sqlState(e);
      return Stream.of(values())
          .filter(failure -> sqlState.matches(failure.sqlStates))
          .findFirst()
          .orElseThrow();
    }
  }

  /**
   * One connection, for one thread, and the loop that repeats what failed. The connection is in
   * autocommit mode: each statement is a transaction of its own. A web service opens a session for
   * each request, on a connection pool.
   */
  static final class Session implements AutoCloseable {
    private final Jdbi jdbi;
    private final Duration timeout;
    private final Consumer<Retry> onRetry;
    private Handle handle;

    /** Connects, without a retry, so that a wrong host or password is reported at once. */
    Session(Jdbi jdbi, Duration timeout, Consumer<Retry> onRetry) {
      this.jdbi = jdbi;
      this.timeout = timeout;
      this.onRetry = onRetry;
      this.handle = jdbi.open();
    }

    /** Runs a query, or a change that nobody needs to look up: CREATE TABLE IF NOT EXISTS. */
    <R> R run(Function<Handle, R> work) {
      try {
        return commit("", work);
      } catch (UnknownOutcomeException e) {
        throw (RuntimeException) e.getCause();
      }
    }

    /**
     * Runs a change until it succeeds, fails for good, or the time is over. See "Transaction Retry
     * Error Reference" in CockroachDB's documentation.
     *
     * @param lookup the query that finds a row if the change was committed, for the error message
     * @param work one statement that changes something; or several in one transaction: {@code
     *     handle -> handle.inTransaction(h -> ...)}. The whole work may run twice, so each
     *     statement must be safe to repeat.
     * @throws UnknownOutcomeException if it failed, and one of the attempts may be committed
     */
    <R> R commit(String lookup, Function<Handle, R> work) {
      long deadline = System.nanoTime() + timeout.toNanos();
      boolean maybeCommitted = false;
      for (int attempt = 1; ; attempt++) {
        try {
          connect(deadline);
          return work.apply(handle);
        } catch (RuntimeException e) {
          Failure failure = Failure.of(e);
          if (failure == Failure.UNKNOWN) {
            maybeCommitted = true;
          }
          if (failure == Failure.UNKNOWN || failure == Failure.NOT_SENT) {
            // The connection may be broken: the next attempt opens a new one.
            close();
          }
          // Random, so that transactions that collided do not collide again.
          long pause = ThreadLocalRandom.current().nextLong(10L * attempt);
          boolean isLate = TimeUnit.MILLISECONDS.toNanos(pause) > deadline - System.nanoTime();
          if (failure == Failure.FINAL || isLate || Thread.currentThread().isInterrupted()) {
            // If one attempt may be committed, this stays so whatever a later one says.
            throw maybeCommitted ? new UnknownOutcomeException(lookup, e) : e;
          }
          onRetry.accept(new Retry(attempt, pause, sqlState(e), reason(e)));
          // An interrupt ends the pause, and the next attempt is the last.
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(pause));
        }
      }
    }

    /** Opens a connection if there is none. After the deadline, nothing is sent on it. */
    private void connect(long deadline) {
      if (handle == null) {
        handle = jdbi.open();
        if (System.nanoTime() - deadline > 0) {
          throw new ConnectionException(new SQLTimeoutException("connected too late"));
        }
      }
    }

    @Override
    public void close() {
      Handle closing = handle;
      handle = null;
      try {
        if (closing != null) {
          closing.close();
        }
      } catch (JdbiException e) {
        // A broken connection may fail to close.
      }
    }
  }

  /** A failed attempt, which is repeated after a pause. */
  record Retry(int attempt, long pauseMillis, String sqlState, String reason) {
    @Override
    public String toString() {
      String text = "attempt %d failed, retrying in %d ms: %s (SQLSTATE %s)";
      return text.formatted(attempt, pauseMillis, reason, sqlState);
    }
  }

  /**
   * A change failed, and one of its attempts may be committed, or may still be under way. The last
   * error is the cause. A web service answers 503 (Service Unavailable), and its client sends the
   * request again with the same ID.
   */
  static final class UnknownOutcomeException extends RuntimeException {
    final String lookup;

    UnknownOutcomeException(String lookup, RuntimeException lastError) {
      super("it is unknown whether this was committed: " + lookup, lastError);
      this.lookup = lookup;
    }
  }

  // ---- Connection ----

  /**
   * Translates a URL such as postgresql://user:password@host:26257/bank into pgjdbc's properties.
   *
   * @throws IllegalArgumentException if the URL is wrong; the message does not have it, because it
   *     may hold a password
   */
  static Properties settings(String url) {
    boolean isGiven = url != null && !url.isBlank();
    URI uri = parse(isGiven ? url.strip() : "postgresql://maxroach@localhost:26257/bank");
    // The host (PGHOST), the port (PGPORT), the database (PGDBNAME), and the URL's parameters.
    Properties settings = Driver.parseURL(jdbcUrl(uri), null);
    if (settings == null) {
      throw badUrl();
    }
    // A parameter without a value counts as not given, except ssl, which means ssl=true.
    settings.entrySet().removeIf(e -> e.getValue().equals("") && !e.getKey().equals("ssl"));

    // What is given first counts: a parameter, then the part before the @, then a default.
    String[] login = userAndPassword(uri);
    setDefault(settings, "user", decode(login[0]));
    setDefault(settings, "user", "maxroach");
    setDefault(settings, "password", login.length == 2 ? decode(login[1]) : "");
    setDefault(settings, "password", System.getenv("PGPASSWORD"));
    // SERIALIZABLE is CockroachDB's default, but not PostgreSQL's. It wins over the URL's own
    // options, because the last one counts.
    String isolation = "-c default_transaction_isolation=serializable";
    settings.merge("options", isolation, (given, added) -> given + " " + added);
    setDefault(settings, "ApplicationName", "BankInsecure");
    // With several hosts, each connection goes to a random one that works.
    setDefault(settings, "loadBalanceHosts", "true");
    // The longest wait, in seconds: for one host to accept the connection,
    setDefault(settings, "connectTimeout", "5");
    // for one of the hosts to log us in,
    setDefault(settings, "loginTimeout", "25");
    // and for the answer to a statement.
    setDefault(settings, "socketTimeout", "20");
    return settings;
  }

  private static void setDefault(Properties settings, String name, String value) {
    if (value != null && !value.isEmpty()) {
      settings.putIfAbsent(name, value);
    }
  }

  private static URI parse(String url) {
    try {
      if (!url.matches("(jdbc:)?(postgresql|postgres|cockroachdb)://[^/?#].*")) {
        throw badUrl();
      }
      URI uri = new URI(url.replaceFirst("^jdbc:", ""));
      // A # in a password would start a fragment, a / the path, and a ? the parameters, as in
      // user:pa/ss@host. A forgotten ? would make the parameters a part of the database's name, as
      // in bank&sslmode=disable.
      if (uri.getRawFragment() != null
          || uri.getRawPath().matches(".*[@&;].*")
          || Objects.requireNonNullElse(uri.getRawQuery(), "").matches("[^=]*@.*")) {
        throw badUrl();
      }
      return uri;
    } catch (URISyntaxException e) {
      throw badUrl();
    }
  }

  private static IllegalArgumentException badUrl() {
    return new IllegalArgumentException(
        "--url or DATABASE_URL is not like postgresql://user:p%40ss@host:26257/bank");
  }

  /** The part of the URL before the @, which may hold a user, or a user and a password. */
  private static String[] userAndPassword(URI uri) {
    String authority = uri.getRawAuthority();
    return authority.substring(0, Math.max(0, authority.lastIndexOf('@'))).split(":", 2);
  }

  /** The URL as pgjdbc takes it: without the user, and with CockroachDB's port and our database. */
  private static String jdbcUrl(URI uri) {
    String authority = uri.getRawAuthority();
    String hosts =
        Stream.of(authority.substring(authority.lastIndexOf('@') + 1).split(","))
            .map(BankInsecure::withPort)
            .collect(Collectors.joining(","));
    String database = uri.getRawPath().length() > 1 ? uri.getRawPath() : "/bank";
    // pgjdbc would read a + as a blank.
    String parameters = Objects.requireNonNullElse(uri.getRawQuery(), "").replace("+", "%2B");
    return "jdbc:postgresql://" + hosts + database + "?" + parameters;
  }

  private static String withPort(String host) {
    // In user:pa?ss@host, the host would end at the ?, and user:pa would look like host:port.
    if (!host.matches("([^:]*|\\[.*])(:\\d+)?")) {
      throw badUrl();
    }
    return host.matches(".*:\\d+") ? host : host + ":26257";
  }

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  static String place(Properties settings) {
    return printable(
        "%s, database %s, user %s"
            .formatted(hosts(settings), settings.get("PGDBNAME"), settings.get("user")));
  }

  /** The hosts with their ports, which pgjdbc keeps in two lists. */
  static String hosts(Properties settings) {
    String[] hosts = settings.getProperty("PGHOST").split(",");
    String[] ports = settings.getProperty("PGPORT").split(",");
    return IntStream.range(0, hosts.length)
        .mapToObj(i -> hosts[i] + ":" + ports[i])
        .collect(Collectors.joining(", "));
  }

  /** The name and version of the database, such as "CockroachDB CCL v26.2.7". */
  static String version(Handle handle) {
    String version = handle.select("SELECT version()").mapTo(String.class).one();
    return printable(version.split(" \\(| on ")[0]);
  }

  // ---- Encryption ----

  /**
   * Prepares unencrypted connections, and opens none yet.
   *
   * @throws IllegalArgumentException if the URL asks for encryption
   */
  static Jdbi connect(Properties settings) {
    boolean isUnencrypted =
        settings.getProperty("sslmode", "disable").equals("disable")
            && settings.getProperty("ssl", "false").equals("false")
            && settings.getProperty("sslNegotiation", "postgres").equals("postgres");
    if (!isUnencrypted) {
      throw new IllegalArgumentException("the URL asks for encryption: use BankSecure.java");
    }
    settings.setProperty("sslmode", "disable");
    // CockroachDB 22.1 stored passwords with 119,680 iterations, and pgjdbc's limit is 100,000.
    setDefault(settings, "scramMaxIterations", "200000");
    List<String> thisMachine = List.of("localhost", "127.0.0.1", "[::1]");
    if (!thisMachine.containsAll(List.of(settings.getProperty("PGHOST").split(",")))) {
      System.err.println("warning: " + place(settings) + " is not this machine; not encrypted");
    }
    // The URL is empty, because the settings name the host and the database.
    return Jdbi.create("jdbc:postgresql://", settings);
  }

  /** What to do after this error, or an empty text if we do not know. */
  private String advice(Exception e) {
    String reason = reason(e);
    String sqlState = sqlState(e);
    if (reason.contains("secure mode") || reason.contains("no encryption")) {
      return "That cluster is secure: use BankSecure.java.";
    }
    if (sqlState.equals("08001")) {
      return "Start the cluster, or correct the host and the port in the URL.";
    }
    if (REFUSED.contains(sqlState) || NO_DATABASE.contains(sqlState)) {
      return "If the user or the database is missing: " + createBank("--insecure");
    }
    return "";
  }

  // ---- Checks ----

  private void checkOptions() {
    if (accounts < 0 || accounts > 1_000_000) {
      throw new IllegalArgumentException("--accounts must be from 0 to 1,000,000");
    }
    if (transfers < 0) {
      throw new IllegalArgumentException("--transfers must be 0 or more");
    }
  }

  private void requireTwoAccounts(int available) {
    if (transfers > 0 && available < 2) {
      throw new IllegalArgumentException("a transfer needs two accounts: use --accounts=2 or more");
    }
  }

  // ---- Errors ----

  /** SQLSTATEs of a user or password that the server does not accept. */
  private static final List<String> REFUSED = List.of("28000", "28P01");

  /** SQLSTATEs of a database that does not exist. CockroachDB's CREATE TABLE fails with 42602. */
  static final List<String> NO_DATABASE = List.of("3D000", "3F000", "42602");

  private static int reportUsage(ParameterException e) {
    System.err.println("error: " + problem(e));
    return 2;
  }

  /** What is wrong with a command line, without its values, one of which may be a password. */
  static String problem(ParameterException e) {
    if (e instanceof UnmatchedArgumentException unmatched) {
      String argument = unmatched.getUnmatched().get(0);
      return argument.startsWith("--")
          ? "unknown option " + argument.replaceFirst("(?s)[^-\\w].*", "")
          : "unexpected argument; a URL with blanks or & in it needs quotes";
    }
    return e.getMessage().replaceFirst("(?s): .*", "");
  }

  private int report(Exception e) {
    if (e instanceof UnknownOutcomeException unknown) {
      System.err.println("error: the outcome of a transaction is unknown: " + reason(e));
      System.err.println("It was committed if this finds a row: " + unknown.lookup);
      return 3;
    }
    if (e instanceof IllegalArgumentException) {
      System.err.println("error: " + e.getMessage());
      return 2;
    }
    boolean isConnecting = e instanceof ConnectionException;
    String where = isConnecting ? "cannot connect to " + place(settings) + ": " : "";
    System.err.println("error: " + where + reason(e));
    String advice = advice(e);
    if (!advice.isEmpty()) {
      System.err.println(printable(advice));
    }
    // A change with an unknown outcome was reported above. This is a query, or connecting.
    boolean noDatabase = NO_DATABASE.contains(sqlState(e));
    boolean noConnection = List.of(Failure.NOT_SENT, Failure.UNKNOWN).contains(Failure.of(e));
    return noDatabase || noConnection ? 5 : 1;
  }

  /** The command that creates the user and the database of the URL. */
  private String createBank(String security) {
    return """
    cockroach sql %1$s --host=%2$s:%3$s --execute='CREATE USER IF NOT EXISTS %4$s; \
    CREATE DATABASE IF NOT EXISTS %5$s; ALTER DATABASE %5$s OWNER TO %4$s'\
    """
        .formatted(
            security,
            firstOf("PGHOST"),
            firstOf("PGPORT"),
            quoted(settings.getProperty("user")),
            quoted(settings.getProperty("PGDBNAME")));
  }

  private String firstOf(String setting) {
    return settings.getProperty(setting).split(",")[0];
  }

  /** A name, in double quotes if SQL needs them. Quotes in it are removed, for the shell. */
  static String quoted(String name) {
    return name.matches("[a-z_][a-z0-9_]*") ? name : '"' + name.replaceAll("[\"']", "") + '"';
  }

  static String sqlState(Exception e) {
    return causes(e)
        .filter(SQLException.class::isInstance)
        .map(cause -> ((SQLException) cause).getSQLState())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  /** What the innermost cause says, which is the database or the network. */
  static String reason(Exception e) {
    Throwable innermost = causes(e).reduce((outer, inner) -> inner).orElse(e);
    return printable(
        Objects.requireNonNullElse(innermost.getMessage(), "the server closed the connection"));
  }

  static Stream<Throwable> causes(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause);
  }

  /** Removes what could move the cursor of a terminal. */
  static String printable(String text) {
    return text.replaceAll("[\\p{C}\\p{Z}]+", " ");
  }

  private static final class Echo implements SqlLogger {
    @Override
    public void logBeforeExecution(StatementContext context) {
      System.err.println(context.getRenderedSql());
    }
  }
}
