//SOURCES ../../BankBasic.java
//SOURCES ../../BankInsecure.java
//SOURCES ../../BankSecure.java

import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Jdbi;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What the lessons share: the database on which they run, and how they report an error. */
@Command(
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = "%nExit status: 0 done, 1 failed, 2 usage, 5 no connection")
abstract class Lesson implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "The database (default: DATABASE_URL, or an embedded PostgreSQL).")
  private String url = System.getenv("DATABASE_URL");

  @Option(
      names = "--certs-dir",
      description = "The certificates (default: COCKROACH_CERTS_DIR, or certs).")
  private Path certsDir = defaultCertsDir();

  private Properties settings = new Properties();

  /** Runs the lesson. Settings that it changes hold for each connection opened after that. */
  abstract void teach(Jdbi jdbi, Properties settings) throws Exception;

  /** Runs a lesson with the arguments of its command line, and returns the exit status. */
  static int run(Lesson lesson, String... args) {
    // Numbers look the same everywhere, and pgjdbc does not log the errors that we print.
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    CommandLine commandLine = new CommandLine(lesson);
    commandLine.setParameterExceptionHandler((e, given) -> reportUsage(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> lesson.report(e));
    int status = commandLine.execute(args);
    if (System.out.checkError()) {
      System.err.println("error: the output could not be written");
      return Math.max(status, 1);
    }
    return status;
  }

  @Override
  public Integer call() throws Exception {
    if (url == null || url.isBlank()) {
      try (var database = BankBasic.EmbeddedDatabase.start()) {
        teachOn(database.url());
      }
    } else {
      teachOn(url);
    }
    return 0;
  }

  private void teachOn(String url) throws Exception {
    this.settings = BankSecure.settings(url);
    boolean isInsecure = settings.getProperty("sslmode", "").equals("disable");
    Jdbi jdbi =
        isInsecure ? BankInsecure.connect(settings) : BankSecure.connect(settings, certsDir);
    // A wrong URL is reported before the lesson prints anything.
    jdbi.open().close();
    teach(jdbi, settings);
  }

  private static Path defaultCertsDir() {
    String folder = System.getenv("COCKROACH_CERTS_DIR");
    return Path.of(folder == null || folder.isEmpty() ? "certs" : folder);
  }

  // ---- Errors ----

  /** SQLSTATEs of a database that does not exist. CockroachDB's CREATE TABLE fails with 42602. */
  private static final List<String> NO_DATABASE = List.of("3D000", "3F000", "42602");

  /** Reports a wrong command line, without the values on it, one of which may be a password. */
  private static int reportUsage(ParameterException e) {
    String problem = e.getMessage().replaceFirst("(?s): .*", "");
    if (e instanceof UnmatchedArgumentException unmatched) {
      String argument = unmatched.getUnmatched().get(0);
      problem =
          argument.startsWith("--")
              ? "unknown option " + argument.replaceFirst("(?s)[^-\\w].*", "")
              : "unexpected argument; a URL with blanks or & in it needs quotes";
    }
    System.err.println("error: " + problem);
    return 2;
  }

  private int report(Exception e) {
    boolean isConnecting = causes(e).anyMatch(ConnectionException.class::isInstance);
    System.err.println("error: " + (isConnecting ? "cannot connect" + place() : "") + reason(e));
    if (e instanceof BankBasic.EmbeddedDatabase.StartException startException) {
      System.err.println(startException.advice);
      return 5;
    }
    if (e instanceof IllegalArgumentException) {
      return 2;
    }
    if (reason(e).contains("does not support SSL")) {
      System.err.println("That cluster is insecure: add ?sslmode=disable to the URL.");
    }
    boolean isLost = BankSecure.Failure.of(e) == BankSecure.Failure.UNKNOWN;
    return isConnecting || isLost || NO_DATABASE.contains(sqlState(e)) ? 5 : 1;
  }

  private String place() {
    return " to " + settings.getProperty("PGHOST") + ":" + settings.getProperty("PGPORT") + ": ";
  }

  private static String sqlState(Exception e) {
    return causes(e)
        .filter(SQLException.class::isInstance)
        .map(cause -> ((SQLException) cause).getSQLState())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  /** What the innermost cause says, which is the database or the network. */
  private static String reason(Exception e) {
    Throwable innermost = causes(e).reduce((outer, inner) -> inner).orElse(e);
    boolean isClosed = innermost instanceof IOException && innermost.getMessage() == null;
    return printable(isClosed ? "the server closed the connection" : message(innermost));
  }

  private static String message(Throwable e) {
    return Objects.requireNonNullElse(e.getMessage(), e.toString());
  }

  private static Stream<Throwable> causes(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause);
  }

  /** Removes what could move the cursor of a terminal. */
  private static String printable(String text) {
    return text.replaceAll("[\\p{C}\\p{Z}]+", " ");
  }
}
