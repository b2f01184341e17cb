///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Creates accounts and moves money over verified TLS, by certificate or password
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
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
import org.postgresql.ssl.BaseX509KeyManager;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Creates bank accounts and moves money between them on a CockroachDB cluster with certificates.
 * Have {@code ca.crt}, {@code client.maxroach.crt} and {@code client.maxroach.key}, as {@code
 * cockroach cert} makes them, in the folder {@code certs}, make the user and the database with
 * {@code cockroach sql --certs-dir=certs --execute='CREATE USER IF NOT EXISTS maxroach; CREATE
 * DATABASE IF NOT EXISTS bank OWNER maxroach'}, and run {@code jbang BankSecure.java} as often as
 * you like.
 */
@Command(
    name = "BankSecure",
    version = "BankSecure 2.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Creates bank accounts and moves money between them, over verified TLS.",
    footer = "%nExit status: 0 done, 1 failed, 2 wrong command line, 3 unknown, 5 no connection")
public final class BankSecure implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else a local cluster.")
  private String url = System.getenv("DATABASE_URL");

  @Option(names = "--certs-dir", description = "Default: $$COCKROACH_CERTS_DIR, else certs.")
  private Path certificates =
      Path.of(Objects.requireNonNullElse(System.getenv("COCKROACH_CERTS_DIR"), "certs"));

  @Option(names = "--accounts", description = "Accounts to create; ${DEFAULT-VALUE} by default.")
  private int accounts = 100;

  @Option(names = "--transfers", description = "Transfers to make; ${DEFAULT-VALUE} by default.")
  private int transfers = 1;

  @Option(names = "--echo", description = "Show each SQL statement.")
  private boolean echo;

  private Properties settings;

  @Override
  public Integer call() {
    if (accounts < 0 || accounts > 1_000_000 || transfers < 0) {
      throw new Failure(2, "--accounts takes 0 to 1,000,000, --transfers 0 or more");
    }
    settings = settings(url);
    Jdbi database = connect(settings, certificates);
    database.setSqlLogger(echo ? new Echo() : SqlLogger.NOP_SQL_LOGGER);
    try (Session session = new Session(database, Duration.ofMinutes(1), System.err::println)) {
      String version = session.read(BankSecure::version);
      System.out.printf("Connected to %s at %s; certificate verified.%n", version, place(settings));
      createTables(session);
      List<Long> ids = session.read(BankSecure::accountIds);
      if (transfers > 0 && ids.size() + accounts < 2) {
        throw new Failure(2, "a transfer needs two accounts: ask for --accounts=2 or more");
      }
      int found = ids.size();
      createAccounts(session, ids);
      System.out.printf("Accounts: %,d found, %,d created.%n", found, ids.size() - found);
      BigDecimal before = session.read(BankSecure::total);
      makeTransfers(session, ids);
      BigDecimal after = session.read(BankSecure::total);
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
        // Two first runs at once both find no table, and the slower one is told that there is one.
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

  /** Adds new accounts to those found. Random IDs spread over the ranges of a cluster. */
  private void createAccounts(Session session, List<Long> ids) {
    SplittableRandom random = new SplittableRandom();
    // CockroachDB refuses a transaction that grows too large, so a statement makes a thousand.
    for (int left = accounts; left > 0 && !Thread.currentThread().isInterrupted(); left -= 1_000) {
      int size = Math.min(left, 1_000);
      long[] newIds = random.longs(size, 1, Long.MAX_VALUE).toArray();
      long[] balances = random.longs(size, 0, 1_000_000).toArray();
      String name = size + " accounts, the first of them " + newIds[0];
      session.commit(name, handle -> insertAccounts(handle, newIds, balances));
      LongStream.of(newIds).forEach(ids::add);
    }
  }

  /** Inserts accounts and returns how many; one that is there already stays as it is. */
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
        // All that is random is chosen before the first attempt, so that each attempt is alike.
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
   * round trip, and a transaction that CockroachDB can retry by itself. Where the ledger has the ID
   * already, an earlier attempt whose answer was lost has moved the money, and this moves none. The
   * accounts are joined, for with {@code id IN (…)} CockroachDB would read the whole table.
   */
  static long transfer(Handle handle, UUID id, long source, long target) {
    String halve =
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
          ON CONFLICT (id) DO NOTHING
          RETURNING source, target, amount
        ), movement AS (
          UPDATE accounts
          SET balance = accounts.balance + CASE accounts.id WHEN source THEN -amount ELSE amount END
          FROM entry, pair WHERE accounts.id = pair.id
          RETURNING accounts.id
        )
        SELECT amount FROM entry
        UNION ALL SELECT amount FROM transfers
        WHERE id = CAST(:id AS UUID) AND source = :source AND target = :target
        """;
    return handle
        .createQuery(halve)
        .bind("id", id)
        .bind("source", source)
        .bind("target", target)
        .map((row, context) -> row.getLong(1))
        .findOne()
        .orElseThrow(() -> new Failure(1, "an account is gone, or another transfer has ID " + id));
  }

  // ---- Retry ----

  /** The server undid it, to keep it apart from others or to end a deadlock: nothing happened. */
  private static final String ROLLED_BACK = "40001|40P01";

  /** The connection is lost or not to be had, or CockroachDB itself does not know the outcome. */
  private static final String CONNECTION_LOST = "08...|57P0.|58C0[01]|40003|53300";

  /** A connection for one thread, and the loop that each statement on it goes through. */
  static final class Session implements AutoCloseable {
    private final Jdbi database;
    private final Duration patience;
    private final Consumer<Retry> told;
    private Handle handle;

    /** Connects, and only once, for a wrong password would not get better. */
    Session(Jdbi database, Duration patience, Consumer<Retry> told) {
      this.database = database;
      this.patience = patience;
      this.told = told;
      handle = database.open();
    }

    /**
     * Runs a statement until it is known to be committed. Where it was rolled back (CockroachDB's
     * "Transaction Retry Error Reference") or not sent, nothing has happened; where the connection
     * was lost after that nobody knows, but it may be sent twice. In both cases it is, after a
     * random pause below a bound that doubles. Throws Failure 3 where the outcome stays unknown.
     */
    <R> R commit(String name, Function<Handle, R> statement) {
      long deadline = System.nanoTime() + patience.toNanos();
      boolean unknown = false;
      for (int attempt = 1; ; attempt++) {
        try {
          connect(name.isEmpty() ? 60 : 10, deadline);
          return statement.apply(handle);
        } catch (RuntimeException e) {
          String state = sqlState(e);
          boolean lost = state.matches(CONNECTION_LOST);
          unknown |= lost && !(e instanceof ConnectionException) && !name.isEmpty();
          if (lost) {
            close();
          }
          long pause = ThreadLocalRandom.current().nextLong(10L << Math.min(attempt, 6));
          boolean late = TimeUnit.MILLISECONDS.toNanos(pause) > deadline - System.nanoTime();
          boolean over = late || Thread.currentThread().isInterrupted();
          if (over || !(lost || state.matches(ROLLED_BACK))) {
            throw unknown ? new Failure(3, "not known whether it was committed: " + name) : e;
          }
          told.accept(new Retry(attempt, pause, state, reason(e)));
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(pause));
        }
      }
    }

    /** Does the same for a query, or a change of the schema, whose outcome is never unknown. */
    <R> R read(Function<Handle, R> query) {
      return commit("", query);
    }

    /** Opens the connection if there is none, and waits for no answer on it longer than that. */
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
        // It was broken, which is why it goes.
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

  /** What ends the program, with its exit status. */
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

  /** Opens nothing yet; each Handle of it is one connection, encrypted, to a verified server. */
  static Jdbi connect(Properties settings, Path certificates) {
    if (!settings.getProperty("sslmode", "verify-full").equals("verify-full")) {
      throw new Failure(2, "sslmode must be verify-full, or nobody checks who the server is");
    }
    settings.setProperty("sslmode", "verify-full");
    settings.setProperty("gssEncMode", "disable");
    // These could take the verification back.
    List.of("sslfactory", "sslfactoryarg", "sslhostnameverifier", "socketFactory")
        .forEach(settings::remove);
    try {
      useCertificates(settings, certificates);
    } catch (IOException | IllegalArgumentException | SQLException e) {
      throw new Failure(5, "cannot use a certificate or a key: " + e.getMessage());
    }
    // pgjdbc looks into ~/.pgpass too.
    Properties all = Driver.parseURL("jdbc:postgresql://", settings);
    if (!all.containsKey("sslcert") && !all.containsKey("password")) {
      if (System.console() == null) {
        throw new Failure(
            5, "neither a client's certificate in " + certificates + " nor PGPASSWORD");
      }
      char[] typed = System.console().readPassword("Password of %s: ", settings.get("user"));
      settings.setProperty("password", typed == null ? "" : new String(typed));
    }
    return Jdbi.create("jdbc:postgresql://", settings);
  }

  /** Names the files that the URL does not name, as cockroach cert calls them. */
  private static void useCertificates(Properties settings, Path folder)
      throws IOException, SQLException {
    String client = "client." + settings.get("user");
    String key = Files.exists(folder.resolve(client + ".key.pk8")) ? ".key.pk8" : ".key";
    useIfThere(settings, "sslrootcert", folder.resolve("ca.crt"));
    useIfThere(settings, "sslcert", folder.resolve(client + ".crt"));
    useIfThere(settings, "sslkey", folder.resolve(client + key));
    if (settings.containsKey("sslkey")) {
      settings.setProperty("sslkey", pkcs8(Path.of(settings.getProperty("sslkey"))).toString());
    }
    Path root = Path.of(System.getProperty("user.home"), ".postgresql", "root.crt");
    boolean hasNone = !settings.containsKey("sslcert") && !Files.exists(root);
    if (settings.getProperty("sslrootcert", hasNone ? "system" : "").equals("system")) {
      // A public authority, as a cloud has it: Java knows those.
      settings.setProperty("sslfactory", "org.postgresql.ssl.DefaultJavaSSLFactory");
    }
  }

  private static void useIfThere(Properties settings, String name, Path file) {
    if (Files.exists(file)) {
      settings.putIfAbsent(name, file.toString());
    }
  }

  /** Puts the PKCS#1 key that cockroach cert writes into the form that pgjdbc reads (RFC 5208). */
  private static Path pkcs8(Path key) throws IOException, SQLException {
    BaseX509KeyManager.validateKeyFilePermissions(key);
    String pem = Files.readString(key, StandardCharsets.ISO_8859_1);
    String[] parts = pem.split("-----(BEGIN|END) RSA PRIVATE KEY-----");
    if (parts.length < 2) {
      return key;
    }
    byte[] pkcs1 = Base64.getMimeDecoder().decode(parts[1]);
    String envelope = "3082%04x020100300d06092a864886f70d01010105000482%04x";
    envelope = envelope.formatted(pkcs1.length + 22, pkcs1.length);
    // Only its owner can read it, and it goes with this program.
    Path readable = Files.createTempFile("client", ".key.pk8");
    readable.toFile().deleteOnExit();
    Files.write(readable, HexFormat.of().parseHex(envelope));
    return Files.write(readable, pkcs1, StandardOpenOption.APPEND);
  }

  private static String advice(String reason, String state) {
    boolean lacks = reason.matches(".*(no password|client certif|certificate auth|peer certif).*");
    boolean isInsecure = reason.contains("does not support SSL");
    return switch (isInsecure ? "insecure" : lacks ? "certificate" : state) {
      case "insecure" -> "That cluster is insecure: use BankInsecure.java.";
      case "certificate" -> "Have the user's certificate and key in the folder of --certs-dir.";
      case "08001" -> "Start the cluster, or correct host and port in the URL.";
      case "28000", "28P01", "3D000", "3F000" ->
          "Make the user and the database as the top of this script says.";
      default -> "Use the certificates of this cluster; jbang bank-doctor tells what is wrong.";
    };
  }

  // ---- URL ----

  /** User, password, hosts, database and parameters. */
  private static final Pattern URL =
      Pattern.compile(
          "(?:jdbc:)?(?:postgres(?:ql)?|cockroachdb)://(?:([^:@/?&]+):?([^@/?&]*)@)?"
              + "([\\w.,:%\\[\\]-]+)(?:/([^@/?&;=]*))?(?:\\?([^@?;]*))?");

  /** Reads a URL. Throws a Failure that does not repeat it, for it may hold a password. */
  static Properties settings(String url) {
    Matcher parts =
        URL.matcher(url == null || url.isBlank() ? "postgres://localhost" : url.strip());
    // What comes later wins. The timeouts are seconds for a host to accept, for it to answer, and
    // for all hosts; the minimum version spares a statement that sends the application's name.
    String jdbcUrl =
        parts.replaceFirst(
            "jdbc:postgresql://$3/$4?ApplicationName=BankSecure&assumeMinServerVersion=9.0"
                + "&connectTimeout=2&socketTimeout=4&loginTimeout=5&loadBalanceHosts=true"
                + "&user=$1&password=$2&$5");
    // A + would be a blank.
    Properties settings = Driver.parseURL(jdbcUrl.replace("+", "%2B"), null);
    if (settings == null || !parts.matches()) {
      throw new Failure(2, "the URL is not like postgresql://user:p%40ss@host:26257/bank");
    }
    // Without a port pgjdbc has taken PostgreSQL's.
    String port = parts.group(3).contains(":5432") ? "5432" : "26257";
    settings.put("PGPORT", settings.getProperty("PGPORT").replaceAll("\\b5432\\b", port));
    settings.replace("user", "", "maxroach");
    settings.replace("PGDBNAME", "", "bank");
    settings.replace("password", "", Objects.toString(System.getenv("PGPASSWORD"), ""));
    // With an empty one pgjdbc would not look into ~/.pgpass.
    settings.remove("password", "");
    // PostgreSQL, unlike CockroachDB, is not SERIALIZABLE until asked.
    String isolation = "-c default_transaction_isolation=serializable";
    settings.merge("options", isolation, (own, ours) -> own + " " + ours);
    return settings;
  }

  private static String place(Properties settings) {
    String database = ", database " + settings.get("PGDBNAME") + ", user " + settings.get("user");
    return printable(settings.get("PGHOST") + ":" + settings.get("PGPORT") + database);
  }

  // ---- Command line ----

  public static void main(String... arguments) {
    // pgjdbc would log what is told in one line.
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    BankSecure bank = new BankSecure();
    CommandLine commandLine = new CommandLine(bank);
    commandLine.setParameterExceptionHandler((e, given) -> bank.report(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> bank.report(e));
    Thread main = Thread.currentThread();
    CompletableFuture<Integer> status = new CompletableFuture<>();
    Runnable stop =
        () -> {
          // On Ctrl-C begin nothing new, and let what is under way end, which takes 10 s at most.
          main.interrupt();
          status.completeOnTimeout(1, 12, TimeUnit.SECONDS).join();
        };
    Runtime.getRuntime().addShutdownHook(new Thread(stop));
    status.complete(commandLine.execute(arguments));
    System.exit(status.join());
  }

  private int report(Exception e) {
    String reason = reason(e);
    if (e instanceof ParameterException) {
      // What stands behind may be a password.
      reason = printable(e.getMessage()).replaceFirst("(=|://|:(?! )|', ).*", "$1…");
    }
    if (e instanceof ConnectionException || sqlState(e).matches(CONNECTION_LOST + "|3D000|3F000")) {
      System.err.println("error: cannot connect to " + place(settings) + ": " + reason);
      System.err.println(advice(reason, sqlState(e)));
      return 5;
    }
    System.err.println("error: " + reason);
    return e instanceof ParameterException ? 2 : e instanceof Failure f ? f.status : 1;
  }

  /** What the server said or, where it said nothing, the innermost cause. */
  private static String reason(Throwable e) {
    String message = Objects.toString(e.getMessage(), "the server hung up");
    return e.getCause() == null ? printable(message) : reason(e.getCause());
  }

  /** Lets no server move the cursor of a terminal, or fill it. */
  private static String printable(String text) {
    String line = text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " ");
    return line.length() > 1_000 ? line.substring(0, 1_000) + "…" : line;
  }

  private static final class Echo implements SqlLogger {
    @Override
    public void logBeforeExecution(StatementContext context) {
      System.err.println(context.getRenderedSql().strip().replaceAll("\\s+", " "));
    }
  }
}
