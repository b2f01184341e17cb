//SOURCES ../../BankSecure.java
//SOURCES LoadException.java
//SOURCES Threshold.java

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.jdbi.v3.core.ConnectionException;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** An error as BankLoad reports it: its exit status and its lines. */
record ErrorReport(int status, List<String> lines) {

  private static final int LONGEST_MESSAGE = 300;

  /** Reports a wrong command line, without the values on it, one of which may be a password. */
  static ErrorReport ofUsage(ParameterException e) {
    String problem = e.getMessage().replaceFirst("(?s)(=|: |').*", "");
    if (e instanceof UnmatchedArgumentException unmatched) {
      problem = unmatched(unmatched);
    } else if (e.getArgSpec() instanceof OptionSpec option) {
      problem = option.longestName() + " takes " + form(option);
    }
    return new ErrorReport(2, List.of("error: " + problem));
  }

  private static String form(OptionSpec option) {
    return switch (option.type().getSimpleName()) {
      case "Duration" -> "a time such as 500ms, 30s, 5m or 1h";
      case "int", "long", "Integer" -> "a whole number";
      case "List", "Threshold[]" -> Threshold.FORM;
      default -> "a value";
    };
  }

  /** Names an unknown option, and the option that is most like it. */
  private static String unmatched(UnmatchedArgumentException e) {
    String nearest =
        e.getSuggestions().isEmpty() ? "" : "; did you mean " + e.getSuggestions().get(0) + "?";
    return BankSecure.problem(e) + nearest;
  }

  /** Reports what ended a run. The settings are those of the URL, or null if it was not read. */
  static ErrorReport of(Exception e, Properties settings, boolean isInterrupted) {
    int status = status(e);
    List<String> lines = new ArrayList<>();
    boolean isConnecting = status == 5 && !(e instanceof LoadException) && settings != null;
    lines.add(
        "error: "
            + (isConnecting
                ? "cannot connect to " + shortened(BankSecure.place(settings)) + ": "
                : "")
            + reason(e));
    if (e instanceof LoadException failure && !failure.advice.isEmpty()) {
      lines.add(failure.advice);
    } else if (e instanceof BankSecure.UnknownOutcomeException unknown) {
      lines.add("It was committed if this finds a row: " + unknown.lookup);
    } else if (isInterrupted) {
      return new ErrorReport(status, lines);
    } else if (isConnecting && BankSecure.NO_DATABASE.contains(BankSecure.sqlState(e))) {
      lines.add("To create the database: " + createBank(settings));
    } else if (BankSecure.reason(e).contains("does not support SSL")) {
      lines.add("That cluster is insecure: add ?sslmode=disable to the URL.");
    } else if (status == 5) {
      lines.add("jbang bank-doctor finds out why a connection fails, and how to fix it.");
    }
    return new ErrorReport(status, lines);
  }

  /** The exit status for what ended a run. */
  static int status(Exception e) {
    if (e instanceof LoadException failure) {
      return failure.status;
    } else if (e instanceof BankSecure.UnknownOutcomeException) {
      return 3;
    } else if (e instanceof IllegalArgumentException || e instanceof ParameterException) {
      return 2;
    }
    boolean noConnection =
        List.of(BankSecure.Failure.NOT_SENT, BankSecure.Failure.UNKNOWN)
            .contains(BankSecure.Failure.of(e));
    boolean refused =
        BankSecure.sqlState(e).startsWith("28")
            || BankSecure.NO_DATABASE.contains(BankSecure.sqlState(e));
    return e instanceof ConnectionException || noConnection || refused ? 5 : 1;
  }

  /** What the innermost cause says, which is the database or the network; in one short line. */
  private static String reason(Exception e) {
    String reason = BankSecure.reason(e);
    return e instanceof LoadException ? reason : shortened(reason);
  }

  private static String shortened(String message) {
    return message.length() <= LONGEST_MESSAGE
        ? message
        : message.substring(0, LONGEST_MESSAGE) + " ...";
  }

  /** The command that creates the user and the database of the URL, which run on all releases. */
  private static String createBank(Properties settings) {
    boolean isInsecure = settings.getProperty("sslmode", "").equals("disable");
    String user = BankSecure.quoted(settings.getProperty("user"));
    String database = BankSecure.quoted(settings.getProperty("PGDBNAME"));
    String address = firstOf(settings, "PGHOST") + ":" + firstOf(settings, "PGPORT");
    return BankSecure.printable(
        "cockroach sql %s --host=%s --execute='CREATE USER IF NOT EXISTS %s;"
                .formatted(isInsecure ? "--insecure" : "--certs-dir=certs", address, user)
            + " CREATE DATABASE IF NOT EXISTS %s; ALTER DATABASE %s OWNER TO %s'"
                .formatted(database, database, user));
  }

  private static String firstOf(Properties settings, String name) {
    return settings.getProperty(name).split(",")[0];
  }
}
