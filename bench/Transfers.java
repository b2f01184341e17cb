import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.transaction.SerializableTransactionRunner;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;

/** One way to make transfers in Java, on a connection that one worker keeps. */
abstract class Transfers {

  /** Transfers, again and again until it is committed; returns how many attempts failed. */
  abstract long transfer(long source, long target) throws SQLException, InterruptedException;

  /** Connects as BankInsecure does. */
  static Transfers connect(Contender contender, Path statement, String url)
      throws IOException, SQLException {
    Jdbi jdbi = BankInsecure.connect(BankInsecure.settings(url));
    return switch (contender) {
      case SAMPLES -> new Samples(jdbi, samples(statement));
      case BANK_BASIC -> new Basic(jdbi.open().getConnection());
      case JDBI_RUNNER -> new JdbiRunner(jdbi.open().getConnection());
      case CLASSIC -> new Classic(jdbi.open().getConnection());
      case ONE_UPDATE -> new OneUpdate(jdbi.open().getConnection());
      case SQLALCHEMY, PGBENCH -> throw new IllegalArgumentException(contender + " is no Java");
    };
  }

  /** A transfer in the samples' loop. */
  private interface SampleTransfer {
    long transfer(Handle handle, UUID id, long source, long target);
  }

  /** BankInsecure's own code, or the same with the statement of a file. */
  private static SampleTransfer samples(Path statement) throws IOException {
    if (statement == null) {
      return BankInsecure::transfer;
    }
    String sql = Files.readString(statement);
    return (handle, id, source, target) ->
        handle
            .createQuery(sql)
            .bind("id", id)
            .bind("source", source)
            .bind("target", target)
            .mapTo(Long.class)
            .findFirst()
            .orElseThrow();
  }

  private static final class Samples extends Transfers {
    private final SampleTransfer transfer;
    private final BankInsecure.Session session;
    private long failedAttempts;

    Samples(Jdbi jdbi, SampleTransfer transfer) {
      this.transfer = transfer;
      this.session =
          new BankInsecure.Session(jdbi, Duration.ofMinutes(1), retry -> failedAttempts++);
    }

    @Override
    long transfer(long source, long target) {
      failedAttempts = 0;
      UUID id = UUID.randomUUID();
      String lookup = "SELECT * FROM transfers WHERE id = '" + id + "'";
      session.commit(lookup, handle -> transfer.transfer(handle, id, source, target));
      return failedAttempts;
    }
  }

  /** BankBasic's own code, which has a table of its own. */
  private static final class Basic extends Transfers {
    private final Jdbi jdbi;
    private long attempts;

    Basic(Connection kept) {
      jdbi = Jdbi.create(kept);
    }

    @Override
    long transfer(long source, long target) throws InterruptedException {
      attempts = 0;
      BankBasic.inTransaction(
          jdbi,
          handle -> {
            attempts++;
            return BankBasic.transfer(handle, source, target, 1);
          });
      return attempts - 1;
    }
  }

  private static final class JdbiRunner extends Transfers {
    private final Jdbi jdbi;
    private long attempts;

    JdbiRunner(Connection kept) {
      jdbi = Jdbi.create(kept);
      jdbi.setTransactionHandler(new SerializableTransactionRunner());
    }

    @Override
    long transfer(long source, long target) {
      UUID id = UUID.randomUUID();
      attempts = 0;
      while (true) {
        try {
          jdbi.useTransaction(
              TransactionIsolationLevel.SERIALIZABLE,
              transaction -> moveHalf(transaction, id, source, target));
          return attempts - 1;
        } catch (JdbiException e) {
          // The runner gives up after six attempts.
          requireRolledBack(e);
        }
      }
    }

    private void moveHalf(Handle transaction, UUID id, long source, long target) {
      attempts++;
      Map<Long, Long> balances =
          transaction
              .select(LOCK, source, target)
              .reduceRows(
                  new HashMap<>(),
                  (map, row) -> {
                    map.put(row.getColumn(1, Long.class), row.getColumn(2, Long.class));
                    return map;
                  });
      long amount = balances.get(source) / 2;
      transaction.execute(RECORD, id, source, target, amount);
      transaction.execute(SET_BALANCE, balances.get(source) - amount, source);
      transaction.execute(SET_BALANCE, balances.get(target) + amount, target);
    }
  }

  private static final String LOCK =
      "SELECT id, balance FROM accounts WHERE id IN (?, ?) ORDER BY id FOR UPDATE";

  private static final String RECORD =
      "INSERT INTO transfers (id, source, target, amount, created_at) VALUES (?, ?, ?, ?, now())";

  private static final String SET_BALANCE = "UPDATE accounts SET balance = ? WHERE id = ?";

  private static final class Classic extends Transfers {
    private final Connection connection;
    private final PreparedStatement lock;
    private final PreparedStatement record;
    private final PreparedStatement setBalance;

    Classic(Connection connection) throws SQLException {
      this.connection = connection;
      connection.setAutoCommit(false);
      lock = connection.prepareStatement(LOCK);
      record = connection.prepareStatement(RECORD);
      setBalance = connection.prepareStatement(SET_BALANCE);
    }

    @Override
    long transfer(long source, long target) throws SQLException, InterruptedException {
      UUID id = UUID.randomUUID();
      for (int attempt = 1; ; attempt++) {
        try {
          moveHalf(id, source, target);
          connection.commit();
          return attempt - 1;
        } catch (SQLException e) {
          requireRolledBack(e);
          connection.rollback();
          Thread.sleep(ThreadLocalRandom.current().nextLong(10L * attempt));
        }
      }
    }

    private void moveHalf(UUID id, long source, long target) throws SQLException {
      Map<Long, Long> balances = lock(source, target);
      long amount = balances.get(source) / 2;
      record.setObject(1, id);
      record.setLong(2, source);
      record.setLong(3, target);
      record.setLong(4, amount);
      record.executeUpdate();
      setBalance(source, balances.get(source) - amount);
      setBalance(target, balances.get(target) + amount);
    }

    private Map<Long, Long> lock(long source, long target) throws SQLException {
      lock.setLong(1, source);
      lock.setLong(2, target);
      Map<Long, Long> balances = new HashMap<>();
      try (ResultSet rows = lock.executeQuery()) {
        while (rows.next()) {
          balances.put(rows.getLong(1), rows.getLong(2));
        }
      }
      return balances;
    }

    private void setBalance(long id, long balance) throws SQLException {
      setBalance.setLong(1, balance);
      setBalance.setLong(2, id);
      setBalance.executeUpdate();
    }
  }

  private static final class OneUpdate extends Transfers {
    private final PreparedStatement update;

    OneUpdate(Connection connection) throws SQLException {
      update =
          connection.prepareStatement(
              """
              UPDATE accounts SET balance = balance + CASE id WHEN ? THEN -1 ELSE 1 END
              WHERE id IN (?, ?)
              """);
    }

    @Override
    long transfer(long source, long target) throws SQLException, InterruptedException {
      update.setLong(1, source);
      update.setLong(2, source);
      update.setLong(3, target);
      for (int attempt = 1; ; attempt++) {
        try {
          update.executeUpdate();
          return attempt - 1;
        } catch (SQLException e) {
          requireRolledBack(e);
          Thread.sleep(ThreadLocalRandom.current().nextLong(10L * attempt));
        }
      }
    }
  }

  /** Passes an error on, unless the database rolled the attempt back because of a conflict. */
  private static <E extends Exception> void requireRolledBack(E e) throws E {
    Stream.iterate((Throwable) e, Objects::nonNull, Throwable::getCause)
        .filter(SQLException.class::isInstance)
        .map(cause -> String.valueOf(((SQLException) cause).getSQLState()))
        .filter(sqlState -> sqlState.matches("40001|40P01"))
        .findAny()
        .orElseThrow(() -> e);
  }
}
