///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Finds out why a connection to a database fails, and how to fix it
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djdk.console=java.base
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES doctor/Certificate.java
//SOURCES doctor/ClientChecks.java
//SOURCES doctor/ClientIdentity.java
//SOURCES doctor/DatabaseChecks.java
//SOURCES doctor/Deadline.java
//SOURCES doctor/Diagnosis.java
//SOURCES doctor/DoctorReport.java
//SOURCES doctor/DoctorUrl.java
//SOURCES doctor/Examination.java
//SOURCES doctor/Fixes.java
//SOURCES doctor/Host.java
//SOURCES doctor/KeyFile.java
//SOURCES doctor/LoginFindings.java
//SOURCES doctor/ProtocolFindings.java
//SOURCES doctor/Reason.java
//SOURCES doctor/ServerChecks.java
//SOURCES doctor/UrlFindings.java
//DEPS com.google.code.gson:gson:2.15.0

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * Finds out why a connection to a database fails. It checks everything from the URL to the tables,
 * as BankSecure and BankInsecure need it, and prints how to fix the first check that is broken. It
 * changes nothing.
 */
@Command(
    name = "BankDoctor",
    version = "BankDoctor 2.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Finds out why a connection to a database fails, and how to fix it.",
    footer = {
      "%n✗ is broken, ✓ passed, – was not reached or is not needed. It changes nothing.",
      "Exit status: 0 all is well, 2 wrong command line or URL, 5 another check is broken."
    })
public final class BankDoctor implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "The cluster (default: $$DATABASE_URL, or a local cluster).")
  private String url;

  @Option(
      names = "--certs-dir",
      description = "The certificates (default: $$COCKROACH_CERTS_DIR, or certs).")
  private String folder;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  private final PrintStream out;
  private final Map<String, String> environment;
  private final boolean isColored;

  private BankDoctor(PrintStream out, Map<String, String> environment, boolean isTerminal) {
    this.out = out;
    this.environment = environment;
    this.isColored =
        isTerminal
            && environment.getOrDefault("NO_COLOR", "").isEmpty()
            && !environment.getOrDefault("TERM", "dumb").equals("dumb");
  }

  public static void main(String... arguments) {
    LogManager.getLogManager().reset();
    Locale.setDefault(Locale.ROOT);
    var out =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    int status = run(out, System.err, System.getenv(), System.console() != null, arguments);
    if (out.checkError()) {
      System.err.println("error: the output could not be written");
      status = Math.max(status, 1);
    }
    System.exit(status);
  }

  /** Runs with this output and environment, and returns the exit status. */
  static int run(
      PrintStream out,
      PrintStream err,
      Map<String, String> environment,
      boolean isTerminal,
      String... arguments) {
    CommandLine command =
        new CommandLine(new BankDoctor(out, new HashMap<>(environment), isTerminal));
    command.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
    command.setParameterExceptionHandler((e, given) -> reportUsage(err, e));
    command.setExecutionExceptionHandler(
        (e, given, parsed) -> {
          err.println("error: " + DoctorReport.printable(Reason.of(e), 600));
          return 5;
        });
    return command.execute(arguments);
  }

  @Override
  public Integer call() {
    String certificates = folder == null ? environment.get("COCKROACH_CERTS_DIR") : folder;
    boolean isGiven = certificates != null && !certificates.isEmpty();
    Diagnosis diagnosis = new Diagnosis(url, isGiven ? certificates : null, environment);
    diagnosis.run();
    DoctorReport report = new DoctorReport(out, isColored, diagnosis);
    if (json) {
      report.printJson();
    } else {
      report.printText();
    }
    Examination.Finding finding = diagnosis.examination().finding();
    return finding == null ? 0 : finding.check.equals("URL") ? 2 : 5;
  }

  private static int reportUsage(PrintStream err, ParameterException e) {
    err.println("error: " + DoctorReport.printable(BankSecure.problem(e), 600));
    return 2;
  }
}
