//SOURCES ../../BankSecure.java
//SOURCES LoadException.java
//SOURCES Threshold.java

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** An error as BankLoad reports it: its exit status and its lines. */
record ErrorReport(int status, List<String> lines) {

  private static final int LONGEST_MESSAGE = 300;

  private static final List<String> NO_DATABASE = List.of("3D000", "3F000", "42602");

  /** Reports a wrong command line, without the values on it, one of which may be a password. */
  static ErrorReport ofUsage(ParameterException e) {
    String problem = e.getMessage().replaceFirst("(?s)(=|: |').*", "");
    if (e instanceof UnmatchedArgumentException unmatched) {
      problem = unmatched(unmatched.getUnmatched().get(0), e.getCommandLine());
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

  private static String unmatched(String argument, CommandLine commandLine) {
    if (!argument.startsWith("--")) {
      return "unexpected argument; a URL with blanks or & in it needs quotes";
    }
    String name = argument.replaceFirst("(?s)[^-\\w].*", "");
    String nearest =
        commandLine.getCommandSpec().options().stream()
            .map(OptionSpec::longestName)
            .min(Comparator.comparingInt(option -> distance(name, option)))
            .orElseThrow();
    boolean isNear = distance(name, nearest) <= 1 + nearest.length() / 4;
    return "unknown option " + name + (isNear ? "; did you mean " + nearest + "?" : "");
  }

  /** How many letters must be changed, added or removed to make one word of the other. */
  private static int distance(String word, String other) {
    int[] row = new int[other.length() + 1];
    for (int j = 0; j <= other.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= word.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= other.length(); j++) {
        int changed = diagonal + (word.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(changed, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[other.length()];
  }

  /** Reports what ended a run. The settings are those of the URL, or null if it was not read. */
  static ErrorReport of(Exception e, Properties settings, boolean isInterrupted) {
    int status = status(e);
    List<String> lines = new ArrayList<>();
    boolean isConnecting = status == 5 && !(e instanceof LoadException) && settings != null;
    lines.add(
        "error: "
            + (isConnecting ? "cannot connect to " + place(settings) + ": " : "")
            + reason(e));
    if (e instanceof LoadException failure && !failure.advice.isEmpty()) {
      lines.add(failure.advice);
    } else if (e instanceof BankSecure.UnknownOutcomeException unknown) {
      lines.add("It was committed if this finds a row: " + unknown.lookup);
    } else if (isInterrupted) {
      return new ErrorReport(status, lines);
    } else if (isConnecting && NO_DATABASE.contains(sqlState(e))) {
      lines.add("To create the database: " + createBank(settings));
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
    boolean refused = sqlState(e).startsWith("28") || NO_DATABASE.contains(sqlState(e));
    return e instanceof ConnectionException || noConnection || refused ? 5 : 1;
  }

  private static String sqlState(Exception e) {
    return causes(e)
        .filter(SQLException.class::isInstance)
        .map(cause -> ((SQLException) cause).getSQLState())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  /** What the innermost cause says, which is the database or the network; in one short line. */
  private static String reason(Exception e) {
    Throwable innermost = causes(e).reduce((outer, inner) -> inner).orElse(e);
    String message =
        Objects.requireNonNullElse(innermost.getMessage(), "the server closed the connection");
    return e instanceof LoadException ? printable(message) : shortened(printable(message));
  }

  private static String shortened(String message) {
    return message.length() <= LONGEST_MESSAGE
        ? message
        : message.substring(0, LONGEST_MESSAGE) + " ...";
  }

  /** Removes what could move the cursor of a terminal. */
  private static String printable(String text) {
    return text.replaceAll("[\\p{C}\\p{Z}]+", " ");
  }

  private static Stream<Throwable> causes(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause);
  }

  private static String place(Properties settings) {
    String place =
        "%s:%s, database %s, user %s"
            .formatted(
                settings.get("PGHOST"),
                settings.get("PGPORT"),
                settings.get("PGDBNAME"),
                settings.get("user"));
    return shortened(printable(place));
  }

  /** The command that creates the user and the database of the URL, which run on all releases. */
  private static String createBank(Properties settings) {
    boolean isInsecure = settings.getProperty("sslmode", "").equals("disable");
    String user = quoted(settings.getProperty("user"));
    String database = quoted(settings.getProperty("PGDBNAME"));
    String address = firstOf(settings, "PGHOST") + ":" + firstOf(settings, "PGPORT");
    return printable(
        "cockroach sql %s --host=%s --execute='CREATE USER IF NOT EXISTS %s;"
                .formatted(isInsecure ? "--insecure" : "--certs-dir=certs", address, user)
            + " CREATE DATABASE IF NOT EXISTS %s; ALTER DATABASE %s OWNER TO %s'"
                .formatted(database, database, user));
  }

  private static String firstOf(Properties settings, String name) {
    return settings.getProperty(name).split(",")[0];
  }

  /** A name as SQL inside single quotes takes it. */
  private static String quoted(String name) {
    return name.matches("[a-z_][a-z0-9_]*") ? name : '"' + name.replaceAll("[\"']", "") + '"';
  }
}
