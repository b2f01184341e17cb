import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.sql.SQLException;
import java.util.Objects;
import org.postgresql.util.PSQLException;

/** What an exception says to a user. */
final class Reason {

  private Reason() {}

  /** The message of the innermost cause. */
  static String of(Throwable e) {
    if (e.getCause() != null && e.getCause() != e) {
      return of(e.getCause());
    }
    if (e instanceof NoSuchFileException) {
      return "there is no such file";
    }
    if (e instanceof AccessDeniedException) {
      return "this user may not read it";
    }
    return Objects.requireNonNullElse(e.getMessage(), "the server closed the connection");
  }

  /** The first SQLSTATE in the chain of causes, or nothing. */
  static String sqlState(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql && sql.getSQLState() != null) {
        return sql.getSQLState();
      }
    }
    return "";
  }

  /** Whether the server itself sent the error, so that the connection stood until then. */
  static boolean isOfServer(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof PSQLException sql && sql.getServerErrorMessage() != null) {
        return true;
      }
    }
    // pgjdbc's own words when the server asks for a password.
    return of(e).matches("(?s)The server requested .*password.*");
  }
}
