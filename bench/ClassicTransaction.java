///usr/bin/env jbang "$0" "$@" ; exit $?
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS org.slf4j:slf4j-nop:2.0.20
//SOURCES JdbcContender.java

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;

/**
 * The transaction of {@code BankBasic} on a kept connection: lock and read both accounts, decide in
 * Java, update, commit, and the pause of its retry loop. It writes no ledger.
 */
final class ClassicTransaction extends JdbcContender {

  /** A row of the table accounts. */
  public record Account(long id, long balance) {}

  public static void main(String... arguments) {
    run(new ClassicTransaction(), arguments);
  }

  @Override
  Worker connect() {
    Jdbi jdbi = Jdbi.create(url(), properties());
    jdbi.registerRowMapper(ConstructorMapper.factory(Account.class));
    return new Classic(jdbi.open());
  }

  private record Classic(Handle connection) implements Worker {

    @Override
    public int transfer(long source, long target) throws InterruptedException {
      for (int attempt = 1; ; attempt++) {
        try {
          connection.useTransaction(transaction -> moveHalf(transaction, source, target));
          return attempt - 1;
        } catch (JdbiException e) {
          if (!isRolledBack(e)) {
            throw e;
          }
          Thread.sleep(ThreadLocalRandom.current().nextLong(10L * attempt));
        }
      }
    }

    private static void moveHalf(Handle transaction, long source, long target) {
      long amount =
          lock(transaction, source, target).stream()
                  .filter(account -> account.id() == source)
                  .findAny()
                  .orElseThrow()
                  .balance()
              / 2;
      transaction
          .createQuery(
              """
              UPDATE accounts
              SET balance = balance + CASE WHEN id = :source THEN -:amount ELSE :amount END
              WHERE id IN (:source, :target)
              RETURNING id, balance
              """)
          .bind("source", source)
          .bind("target", target)
          .bind("amount", amount)
          .mapTo(Account.class)
          .list();
    }

    private static List<Account> lock(Handle transaction, long one, long other) {
      return transaction
          .select(
              "SELECT id, balance FROM accounts WHERE id IN (?, ?) ORDER BY id FOR UPDATE",
              one,
              other)
          .mapTo(Account.class)
          .list();
    }

    @Override
    public void close() {
      connection.close();
    }
  }
}
