import static org.junit.jupiter.api.Assertions.assertThrows;

import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jdbi.v3.core.HandleConsumer;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;

/** What the server said, below the exception that came of it. */
record ServerError(String sqlState, String message) {

  /** Connects, which must not work. */
  static ServerError of(Supplier<Jdbi> database) {
    return of(database, handle -> {});
  }

  /** Connects and does what must not work. */
  static ServerError of(Supplier<Jdbi> database, HandleConsumer<RuntimeException> work) {
    return below(assertThrows(JdbiException.class, () -> database.get().useHandle(work)));
  }

  /**
   * Connects until the server says this, because a change of a cluster takes a moment to arrive,
   * and until then it lets in or says something else.
   */
  static ServerError await(Supplier<Jdbi> database, String expected) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    String seen = "nothing";
    while (System.nanoTime() < deadline) {
      try {
        database.get().useHandle(BankSecure::version);
      } catch (JdbiException e) {
        ServerError error = below(e);
        if (error.message().contains(expected)) {
          return error;
        }
        seen = error.toString();
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
    }
    throw new AssertionError("not " + expected + " but " + seen);
  }

  /** The innermost that the driver made of it. */
  static ServerError below(JdbiException e) {
    Throwable cause = e;
    while (cause.getCause() instanceof SQLException) {
      cause = cause.getCause();
    }
    String state = cause instanceof SQLException error ? error.getSQLState() : null;
    return new ServerError(Objects.toString(state), Objects.toString(cause.getMessage()));
  }
}
