///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Creates accounts and moves money on a cluster started with --insecure
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20

import java.math.BigDecimal;
import java.sql.SQLException;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.*;
import java.util.logging.LogManager;
import java.util.regex.*;
import java.util.stream.LongStream;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.statement.*;
import org.postgresql.Driver;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Creates bank accounts and moves money between them on a CockroachDB cluster without encryption.
 * Start one with {@code cockroach start-single-node --insecure}, make the user and the database
 * with {@code cockroach sql --insecure --execute='CREATE USER IF NOT EXISTS maxroach; CREATE
 * DATABASE IF NOT EXISTS bank OWNER maxroach'}, and run {@code jbang BankInsecure.java}.
 */
@Command(
    name = "BankInsecure",
    version = "BankInsecure 2.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Creates bank accounts and moves money between them, without encryption.",
    footer = "%nExit status: 0 done, 1 failed, 2 wrong command line, 3 unknown, 5 no connection")
public final class BankInsecure implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else a local cluster.")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--accounts", description = "Accounts to create; ${DEFAULT-VALUE} by default.")
  private int accounts = 100;

  @Option(names = "--transfers", description = "Transfers to make; ${DEFAULT-VALUE} by default.")
  private int transfers = 1;

  @Option(names = "--echo", description = "Show each SQL statement.")
  private boolean echo;

  private Properties settings;
  private volatile CompletableFuture<Void> ended = CompletableFuture.completedFuture(null);

  @Override
  public Integer call() {
    if (accounts < 0 || accounts > 1_000_000 || transfers < 0) {
      throw new Failure(2, "--accounts takes 0 to 1,000,000, --transfers 0 or more");
    }
    settings = settings(url);
    Jdbi database = connect(settings);
    ended = new CompletableFuture<>();
    database.setSqlLogger(echo ? new Echo() : SqlLogger.NOP_SQL_LOGGER);
    try (Session session = new Session(database, Duration.ofMinutes(1), System.err::println)) {
      String version = session.read(BankInsecure::version);
      System.out.printf("Connected to %s at %s; not encrypted.%n", version, place(settings));
      createTables(session);
      List<Long> ids = session.read(BankInsecure::accountIds);
      if (transfers > 0 && ids.size() + accounts < 2) {
        throw new Failure(2, "a transfer needs two accounts: ask for --accounts=2 or more");
      }
      int found = ids.size();
      createAccounts(session, ids);
      System.out.printf("Accounts: %,d found, %,d created.%n", found, ids.size() - found);
      BigDecimal before = session.read(BankInsecure::total);
      makeTransfers(session, ids);
      BigDecimal after = session.read(BankInsecure::total);
      System.out.printf("Total balance: %,.0f before, %,.0f after.%n", before, after);
    }
    return 0;
  }

  // ---- Accounts ----

  private static final String TABLES =
      """
      CREATE TABLE IF NOT EXISTS accounts (
        id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0)
      );
      CREATE TABLE IF NOT EXISTS transfers (
        id UUID PRIMARY KEY, source INT8 NOT NULL, target INT8 NOT NULL, amount INT8 NOT NULL,
        created_at TIMESTAMPTZ NOT NULL
      )
      """;

  /** CockroachDB wants a change of the schema to stand alone, outside any transaction. */
  static void createTables(Session session) {
    for (String table : TABLES.split(";")) {
      try {
        session.read(handle -> handle.execute(table));
      } catch (UnableToExecuteStatementException e) {
        // Of two first runs at once both find no table, and the slower is told that there is one.
        if (!sqlState(e).matches("42P07|42710|23505")) {
          throw e;
        }
      }
    }
  }

  /** The database's name and version, such as "CockroachDB CCL v26.2.7". */
  static String version(Handle handle) {
    String version = handle.select("SELECT version()").mapTo(String.class).one();
    return printable(version.replaceFirst("(?s)( \\(| on ).*", ""));
  }

  /** The IDs of all accounts, or of a million of them, which are enough to choose from. */
  static List<Long> accountIds(Handle handle) {
    return handle.select("SELECT id FROM accounts LIMIT 1000000").mapTo(Long.class).list();
  }

  /** The sum of all balances in whole units, which may be more than a long holds. */
  static BigDecimal total(Handle handle) {
    String sum = "SELECT coalesce(sum(balance), 0) FROM accounts";
    return handle.select(sum).mapTo(BigDecimal.class).one();
  }

  /** Adds new accounts to those found. Their IDs are random, so that no node gets all of them. */
  private void createAccounts(Session session, List<Long> ids) {
    SplittableRandom random = new SplittableRandom();
    // A transaction that grows too large is refused, so each statement makes at most a thousand.
    for (int left = accounts; left > 0 && !Thread.currentThread().isInterrupted(); left -= 1_000) {
      int size = Math.min(left, 1_000);
      long[] newIds = random.longs(size, 1, Long.MAX_VALUE).toArray();
      long[] balances = random.longs(size, 0, 1_000_000).toArray();
      String name = size + " accounts, the first of them " + newIds[0];
      session.commit(name, handle -> insertAccounts(handle, newIds, balances));
      LongStream.of(newIds).forEach(ids::add);
    }
  }

  /** Inserts accounts and returns how many. Sent again, it leaves those there already alone. */
  static int insertAccounts(Handle handle, long[] ids, long[] balances) {
    String insert =
        """
        INSERT INTO accounts (id, balance)
        SELECT unnest(CAST(? AS INT8[])), unnest(CAST(? AS INT8[]))
        ON CONFLICT (id) DO NOTHING
        """;
    return handle.execute(insert, ids, balances);
  }

  // ---- Transfer ----

  private void makeTransfers(Session session, List<Long> ids) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    int made = 0;
    try {
      while (made < transfers && !Thread.currentThread().isInterrupted()) {
        // Chosen before the first attempt: with a new ID a second one would move money again.
        UUID id = UUID.randomUUID();
        int index = random.nextInt(ids.size());
        long source = ids.get(index);
        long target = ids.get((index + random.nextInt(1, ids.size())) % ids.size());
        long half =
            session.commit("transfer " + id, handle -> transfer(handle, id, source, target));
        if (++made <= 10) {
          System.out.printf("Moved %,d from %d to %d.%n", half, source, target);
        }
      }
    } finally {
      if (made > 10) {
        System.out.printf("Made %,d more transfers.%n", made - 10);
      }
    }
  }

  /**
   * Moves half of the source's balance and returns how much, in whole units. One statement is one
   * round trip, and a transaction that CockroachDB can retry by itself. Where the ledger has the
   * ID, an earlier attempt was committed and its answer lost: nothing is moved again. The accounts
   * are joined because CockroachDB may read a whole table for {@code id IN (...)} in an UPDATE ...
   * FROM.
   */
  static long transfer(Handle handle, UUID id, long source, long target) {
    String moveHalf =
        """
        WITH pair AS (
          SELECT accounts.id, accounts.balance
          FROM (VALUES (CAST(:source AS INT8)), (CAST(:target AS INT8))) AS party (id)
          JOIN accounts ON accounts.id = party.id
          ORDER BY accounts.id FOR UPDATE OF accounts
        ), entry AS (
          INSERT INTO transfers (id, source, target, amount, created_at)
          SELECT CAST(:id AS UUID), s.id, t.id, s.balance >> 1, now()
          FROM pair s JOIN pair t ON s.id = :source AND t.id = :target AND s.id <> t.id
          ON CONFLICT (id) DO NOTHING RETURNING source, target, amount
        ), movement AS (
          UPDATE accounts
          SET balance = accounts.balance + CASE accounts.id WHEN source THEN -amount ELSE amount END
          FROM entry, pair WHERE accounts.id = pair.id RETURNING accounts.id
        )
        SELECT amount FROM entry
        UNION ALL SELECT amount FROM transfers
        WHERE id = CAST(:id AS UUID) AND source = :source AND target = :target
        """;
    return handle
        .createQuery(moveHalf)
        .bind("id", id)
        .bind("source", source)
        .bind("target", target)
        .map((row, context) -> row.getLong(1))
        .findOne()
        .orElseThrow(() -> new Failure(1, "an account is gone, or another transfer has ID " + id));
  }

  // ---- Retry ----

  /** The server rolled it back, for a conflict with others or a deadlock: nothing happened. */
  private static final String ROLLED_BACK = "40001|40P01";

  /** The connection broke or cannot be opened, or CockroachDB itself does not know the outcome. */
  private static final String CONNECTION_LOST = "08...|57P0.|58C0[01]|40003|53300";

  /** A connection for one thread, on which each statement is a transaction, and the retry loop. */
  static final class Session implements AutoCloseable {
    private final Jdbi database;
    private final Duration patience;
    private final Consumer<Retry> told;
    private Handle handle;

    /** Connects, and only once: who mistyped the host or the password wants to know at once. */
    Session(Jdbi database, Duration patience, Consumer<Retry> told) {
      this.database = database;
      this.patience = patience;
      this.told = told;
      handle = database.open();
    }

    /** Runs a change that may be sent twice. Throws Failure 3 if it may be committed or not. */
    <R> R commit(String name, Function<Handle, R> change) {
      return run(name, true, change);
    }

    /** Runs a query or a CREATE ... IF NOT EXISTS, which can be run again whatever happened. */
    <R> R read(Function<Handle, R> query) {
      return run("", false, query);
    }

    /**
     * Runs a statement until it succeeds. Where it was rolled back (CockroachDB's "Transaction
     * Retry Error Reference") or could not be sent, nothing happened. Where the connection broke
     * after that, nobody knows. Both are tried again, after a random pause below 10 ms for each
     * attempt so far, until the patience is over or the thread interrupted. Any other error ends
     * it.
     */
    private <R> R run(String name, boolean changes, Function<Handle, R> statement) {
      long deadline = System.nanoTime() + patience.toNanos();
      boolean unknown = false;
      for (int attempt = 1; ; attempt++) {
        try {
          connect(changes ? 10 : 60, deadline);
          return statement.apply(handle);
        } catch (RuntimeException e) {
          String state = sqlState(e);
          boolean lost = state.matches(CONNECTION_LOST);
          unknown |= changes && lost && !(e instanceof ConnectionException);
          if (lost) {
            close();
          }
          long pause = ThreadLocalRandom.current().nextLong(10L * attempt);
          boolean late = TimeUnit.MILLISECONDS.toNanos(pause) > deadline - System.nanoTime();
          boolean again = lost || state.matches(ROLLED_BACK);
          if (!again || late || Thread.currentThread().isInterrupted()) {
            throw unknown ? new Failure(3, "not known whether it was committed: " + name) : e;
          }
          told.accept(new Retry(attempt, pause, state, reason(e)));
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(pause));
        }
      }
    }

    /** Opens the connection if there is none, and sets how long it may wait for an answer. */
    private void connect(int seconds, long deadline) {
      try {
        handle = handle == null ? database.open() : handle;
        long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        int wait = (int) Math.max(1, Math.min(1_000 * seconds, left));
        handle.getConnection().setNetworkTimeout(Runnable::run, wait);
      } catch (SQLException e) {
        throw new ConnectionException(e);
      }
    }

    @Override
    public void close() {
      try (Handle closing = handle) {
        handle = null;
      } catch (JdbiException e) {
        // It may be broken, which is why it goes.
      }
    }
  }

  /** An attempt that failed, and is made again after a pause in milliseconds. */
  record Retry(int attempt, long pause, String sqlState, String reason) {
    @Override
    public String toString() {
      String text = "attempt %d failed, next in %d ms: %s (SQLSTATE %s)";
      return text.formatted(attempt, pause, reason, sqlState);
    }
  }

  /** An error with its exit status. */
  static final class Failure extends RuntimeException {
    final int status;

    Failure(int status, String message) {
      super(message);
      this.status = status;
    }
  }

  private static String sqlState(Exception e) {
    return e.getCause() instanceof SQLException s ? Objects.toString(s.getSQLState()) : "";
  }

  // ---- Connection ----

  /** Opens nothing yet; each Handle of it is one connection, in the clear. */
  static Jdbi connect(Properties settings) {
    for (String name : List.of("sslmode", "ssl", "sslNegotiation")) {
      if (!settings.getProperty(name, "disable").matches("disable|false|postgres")) {
        throw new Failure(2, name + " asks for encryption, and this has none: use BankSecure.java");
      }
    }
    settings.setProperty("sslmode", "disable");
    if (!settings.getProperty("PGHOST").matches("((^|,)(localhost|127[\\d.]*|\\[::1]))+")) {
      System.err.println(
          "warning: " + place(settings) + " is not this machine; all travels in the clear");
    }
    return Jdbi.create("jdbc:postgresql://", settings);
  }

  private static String advice(String reason, String state) {
    boolean isSecure = reason.matches("(?s).*(no encryption|secure mode).*");
    return switch (isSecure ? "TLS" : state) {
      case "TLS" -> "That cluster is secure: use BankSecure.java.";
      case "08001" -> "Start the cluster, or correct host and port in the URL.";
      case "28000", "28P01", "3D000", "3F000" ->
          "Check user and password, or make user and database as this script's top says.";
      default -> "See whether a database answers there; jbang bank-doctor tells what is wrong.";
    };
  }

  // ---- URL ----

  private static final String HOST = "(?:[\\w.-]+|\\[[\\w:.%]+])(?::\\d{1,5})?";

  /** User, password, hosts, database and parameters, as all print them, or JDBC. */
  private static final Pattern URL =
      Pattern.compile(
          "(?:jdbc:)?(?:postgres(?:ql)?|cockroachdb)://(?:([^:@/?&]+):?([^@/?&]*)@)?"
              + ("(" + HOST + "(?:," + HOST + ")*)(?:/([^@/?&;=]+)?)?(?:\\?([^@?;]*))?"));

  /** What pgjdbc is told. Throws a Failure that does not repeat the URL and its password. */
  static Properties settings(String url) {
    boolean isGiven = url != null && !url.isBlank();
    Matcher parts = URL.matcher(isGiven ? url.strip() : "postgresql://localhost");
    Properties settings = parts.matches() ? Driver.parseURL(jdbcUrl(parts), null) : null;
    if (settings == null) {
      throw new Failure(2, "the URL is not like postgresql://user:p%40ss@host:26257/bank");
    }
    settings.replace("user", "", "maxroach");
    settings.replace("password", "", Objects.toString(System.getenv("PGPASSWORD"), ""));
    settings.remove("password", "");
    // CockroachDB's default, but not PostgreSQL's.
    String isolation = "-c default_transaction_isolation=serializable";
    settings.merge("options", isolation, (given, added) -> given + " " + added);
    // Adds the password that ~/.pgpass has.
    return Driver.parseURL("jdbc:postgresql://", settings);
  }

  /**
   * The parameters of the URL come last and win. The timeouts are seconds for a host to accept, for
   * it to answer, and for all hosts. The minimum version saves a statement with the program's name.
   */
  private static String jdbcUrl(Matcher parts) {
    // Without a port pgjdbc would take PostgreSQL's, and a + for a blank.
    String hosts = parts.group(3).replaceAll("(?<!:\\d{1,5})(?=,|$)", ":26257");
    String database = parts.group(4) == null ? "bank" : "$4";
    return parts
        .replaceFirst(
            ("jdbc:postgresql://" + hosts + "/" + database)
                + "?ApplicationName=BankInsecure&assumeMinServerVersion=9.0&loadBalanceHosts=true"
                + "&connectTimeout=3&socketTimeout=5&loginTimeout=10&user=$1&password=$2&$5")
        .replace("+", "%2B");
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    // Else pgjdbc would log some of the errors that are told below.
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    BankInsecure bank = new BankInsecure();
    CommandLine commandLine = new CommandLine(bank);
    commandLine.setParameterExceptionHandler((e, given) -> bank.report(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> bank.report(e));
    Thread main = Thread.currentThread();
    Runnable stop =
        () -> {
          // On Ctrl-C begin nothing new, and let what is under way end, which takes 20 s at most.
          main.interrupt();
          bank.ended.completeOnTimeout(null, 21, TimeUnit.SECONDS).join();
        };
    Runtime.getRuntime().addShutdownHook(new Thread(stop));
    int status = commandLine.execute(arguments);
    bank.ended.complete(null);
    System.exit(status);
  }

  private int report(Exception e) {
    String reason = reason(e);
    if (e instanceof ParameterException) {
      // What the user typed may be a password.
      reason = printable(e.getMessage()).replaceFirst("(=|://|:(?! )|', ).*", "$1...");
    }
    if (e instanceof ConnectionException || sqlState(e).matches(CONNECTION_LOST + "|3D000|3F000")) {
      System.err.println("error: cannot connect to " + place(settings) + ": " + reason);
      System.err.println(advice(reason, sqlState(e)));
      return 5;
    }
    System.err.println("error: " + reason);
    return e instanceof ParameterException ? 2 : e instanceof Failure f ? f.status : 1;
  }

  private static String place(Properties settings) {
    String database = ", database " + settings.get("PGDBNAME") + ", user " + settings.get("user");
    return printable(settings.get("PGHOST") + ":" + settings.get("PGPORT") + database);
  }

  /** What the innermost cause says, which is the server or the network. */
  private static String reason(Throwable e) {
    String message = Objects.toString(e.getMessage(), "the server hung up");
    return e.getCause() == null ? printable(message) : reason(e.getCause());
  }

  /** Leaves out what could move the cursor of a terminal, and most of what could fill it. */
  private static String printable(String text) {
    return "%.1000s".formatted(text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " "));
  }

  private static final class Echo implements SqlLogger {
    @Override
    public void logBeforeExecution(StatementContext context) {
      System.err.println(context.getRenderedSql().strip().replaceAll("\\s+", " "));
    }
  }
}
