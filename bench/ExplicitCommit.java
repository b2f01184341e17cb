///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES JdbcContender.java

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The shape of CockroachDB's JDBC sample: one statement moves the money, an explicit commit makes
 * it last, and after a rollback comes a pause that doubles. Unlike the sample it keeps its
 * connection. It writes no ledger.
 */
final class ExplicitCommit extends JdbcContender {

  private static final int MOST_RETRIES = 3;

  public static void main(String... arguments) {
    run(new ExplicitCommit(), arguments);
  }

  @Override
  Worker connect() throws SQLException {
    Connection connection = open();
    connection.setAutoCommit(false);
    return new Explicit(connection);
  }

  private record Explicit(Connection connection) implements Worker {

    @Override
    public int transfer(long source, long target) throws SQLException, InterruptedException {
      for (int failed = 0; ; failed++) {
        try {
          moveHalf(source, target);
          connection.commit();
          return failed;
        } catch (SQLException e) {
          if (!isRolledBack(e)) {
            throw e;
          }
          connection.rollback();
          pause(failed);
        }
      }
    }

    private void moveHalf(long source, long target) throws SQLException {
      try (PreparedStatement statement =
          connection.prepareStatement(
              """
              UPDATE accounts
              SET balance = balance + CASE WHEN id = ? THEN -half ELSE half END
              FROM (SELECT balance >> 1 AS half FROM accounts WHERE id = ?) AS source
              WHERE id IN (?, ?)
              """)) {
        statement.setLong(1, source);
        statement.setLong(2, source);
        statement.setLong(3, source);
        statement.setLong(4, target);
        if (statement.executeUpdate() != 2) {
          throw new SQLException("account " + source + " or " + target + " is gone");
        }
      }
    }

    /** The sample gives up after three retries; whoever needs the transfer made begins again. */
    private static void pause(int failed) throws InterruptedException {
      int retry = failed % (MOST_RETRIES + 1) + 1;
      if (retry <= MOST_RETRIES) {
        Thread.sleep((100L << retry) + ThreadLocalRandom.current().nextInt(100));
      }
    }

    @Override
    public void close() throws SQLException {
      connection.close();
    }
  }
}
