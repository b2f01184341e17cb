///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes transfers from several threads, with a HikariCP connection pool
//JAVA 17+
//DEPS com.zaxxer:HikariCP:7.1.0
//SOURCES ../BankInsecure.java

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/**
 * Makes 800 transfers from 20 threads, which share 8 connections. Run BankInsecure first, which
 * creates the accounts:
 *
 * <pre>
 * jbang BankInsecure.java
 * jbang examples/ConnectionPool.java
 * </pre>
 */
public final class ConnectionPool {

  private static final int TRANSFERS = 800;
  private static final int THREADS = 20;
  private static final int CONNECTIONS = 8;

  public static void main(String... args) throws Exception {
    Locale.setDefault(Locale.ROOT);
    try (HikariDataSource pool = pool(System.getenv("DATABASE_URL"))) {
      Jdbi jdbi = Jdbi.create(pool);
      List<Long> ids = jdbi.withHandle(BankInsecure::accountIds);
      System.out.printf(
          "Total balance before: %,.0f%n", jdbi.withHandle(BankInsecure::totalBalance));
      makeTransfers(jdbi, ids);
      System.out.printf(
          "Total balance after: %,.0f%n", jdbi.withHandle(BankInsecure::totalBalance));
    }
  }

  /** A pool of connections to the cluster of the URL. */
  static HikariDataSource pool(String url) {
    Properties settings = BankInsecure.settings(url);
    // With certificates: BankSecure.connect(settings, Path.of("certs"))
    BankInsecure.connect(settings);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl("jdbc:postgresql://");
    config.setDataSourceProperties(settings);
    config.setMaximumPoolSize(CONNECTIONS);
    // How long a thread waits for a connection that others use.
    config.setConnectionTimeout(Duration.ofSeconds(30).toMillis());
    // New connections spread over the nodes, also over one that was started later.
    config.setMaxLifetime(Duration.ofMinutes(5).toMillis());
    return new HikariDataSource(config);
  }

  /** Runs work that is safe to repeat, on a connection that goes back to the pool afterwards. */
  static <R> R commit(Jdbi jdbi, String lookup, Function<Handle, R> work) {
    Duration timeout = Duration.ofMinutes(1);
    try (var session = new BankInsecure.Session(jdbi, timeout, System.err::println)) {
      return session.commit(lookup, work);
    }
  }

  private static void makeTransfers(Jdbi jdbi, List<Long> ids) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<Long>> results = new ArrayList<>();
      for (int i = 0; i < TRANSFERS; i++) {
        long source = ids.get(i % ids.size());
        long target = ids.get((i + 1) % ids.size());
        results.add(threads.submit(() -> transfer(jdbi, source, target)));
      }
      for (Future<Long> result : results) {
        result.get();
      }
      System.out.printf("Made %d transfers on %d connections.%n", TRANSFERS, CONNECTIONS);
    } finally {
      threads.shutdown();
    }
  }

  private static long transfer(Jdbi jdbi, long source, long target) {
    // Chosen before the first attempt, so that every attempt is the same transfer.
    UUID id = UUID.randomUUID();
    String lookup = "SELECT * FROM transfers WHERE id = '" + id + "'";
    return commit(jdbi, lookup, handle -> BankInsecure.transfer(handle, id, source, target));
  }
}
