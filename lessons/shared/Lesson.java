//SOURCES ../../BankBasic.java
//SOURCES ../../BankInsecure.java
//SOURCES ../../BankSecure.java

import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Jdbi;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

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

  private static int reportUsage(ParameterException e) {
    System.err.println("error: " + BankSecure.problem(e));
    return 2;
  }

  private int report(Exception e) {
    boolean isConnecting = BankSecure.causes(e).anyMatch(ConnectionException.class::isInstance);
    System.err.println(
        "error: " + (isConnecting ? "cannot connect" + place() : "") + BankSecure.reason(e));
    if (e instanceof BankBasic.EmbeddedDatabase.StartException startException) {
      System.err.println(startException.advice);
      return 5;
    }
    if (e instanceof IllegalArgumentException) {
      return 2;
    }
    if (BankSecure.reason(e).contains("does not support SSL")) {
      System.err.println("That cluster is insecure: add ?sslmode=disable to the URL.");
    }
    boolean isLost = BankSecure.Failure.of(e) == BankSecure.Failure.UNKNOWN;
    return isConnecting || isLost || BankSecure.NO_DATABASE.contains(BankSecure.sqlState(e))
        ? 5
        : 1;
  }

  private String place() {
    return " to " + settings.getProperty("PGHOST") + ":" + settings.getProperty("PGPORT") + ": ";
  }
}
