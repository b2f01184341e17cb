///usr/bin/env jbang "$0" "$@" ; exit $?
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS org.slf4j:slf4j-nop:2.0.20
//SOURCES JdbcContender.java

import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.transaction.SerializableTransactionRunner;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;

/**
 * JDBI's own retry in the shape of roach-data's JDBI sample: for each transfer a Jdbi and so a
 * connection, the isolation level as an argument, both balances read and both written. It writes no
 * ledger.
 */
final class SerializableRunner extends JdbcContender {

  public static void main(String... arguments) {
    run(new SerializableRunner(), arguments);
  }

  @Override
  Worker connect() {
    return new Serializable();
  }

  private final class Serializable implements Worker {
    private int attempts;

    @Override
    public int transfer(long source, long target) {
      attempts = 0;
      while (true) {
        try {
          Jdbi jdbi = Jdbi.create(url(), properties());
          jdbi.setTransactionHandler(new SerializableTransactionRunner());
          jdbi.useTransaction(
              TransactionIsolationLevel.SERIALIZABLE,
              transaction -> moveHalf(transaction, source, target));
          return attempts - 1;
        } catch (JdbiException e) {
          // The runner gives up after six attempts; whoever needs the transfer made calls again.
          if (!isRolledBack(e)) {
            throw e;
          }
        }
      }
    }

    private void moveHalf(Handle transaction, long source, long target) {
      attempts++;
      long sourceBalance = balance(transaction, source);
      long targetBalance = balance(transaction, target);
      long amount = sourceBalance / 2;
      setBalance(transaction, source, sourceBalance - amount);
      setBalance(transaction, target, targetBalance + amount);
    }

    private static long balance(Handle transaction, long id) {
      return transaction
          .createQuery("SELECT balance FROM accounts WHERE id = :id")
          .bind("id", id)
          .mapTo(Long.class)
          .one();
    }

    private static void setBalance(Handle transaction, long id, long balance) {
      transaction
          .createUpdate("UPDATE accounts SET balance = :balance WHERE id = :id")
          .bind("id", id)
          .bind("balance", balance)
          .execute();
    }

    @Override
    public void close() {
      // Each transfer has closed its connection.
    }
  }
}
