//SOURCES Contender.java

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/** A contender in Java: its workers are threads, each with a connection of its own. */
abstract class JdbcContender extends Contender {

  /** One thread's connection, and how this contender makes a transfer on it. */
  interface Worker extends AutoCloseable {

    /** Moves half of the source's balance, for certain; returns how many attempts failed first. */
    int transfer(long source, long target) throws SQLException, InterruptedException;

    @Override
    void close() throws SQLException;
  }

  /** What one worker did. */
  private record Share(Histogram latencies, long retries) {}

  /** Connects a worker. */
  abstract Worker connect() throws SQLException;

  /** Connects the workers, warms up, and then measures. */
  @Override
  final Run.Measurement measure() throws Exception {
    long[] ids = accountIds();
    List<Worker> connected = new ArrayList<>();
    for (int worker = 0; worker < workers; worker++) {
      connected.add(connect());
    }
    ExecutorService threads = Executors.newFixedThreadPool(workers);
    if (warmUp > 0) {
      measure(threads, connected, ids, warmUp);
    }
    Run.Measurement result = measure(threads, connected, ids, seconds);
    threads.shutdown();
    for (Worker worker : connected) {
      worker.close();
    }
    return result;
  }

  private static Run.Measurement measure(
      ExecutorService threads, List<Worker> connected, long[] ids, double seconds)
      throws Exception {
    long cpuBefore = cpuNanos();
    long start = System.nanoTime();
    long end = start + (long) (seconds * 1e9);
    List<Future<Share>> shares = new ArrayList<>();
    for (Worker worker : connected) {
      shares.add(threads.submit(() -> work(worker, ids, end)));
    }
    Histogram latencies = histogram();
    long retries = 0;
    for (Future<Share> share : shares) {
      latencies.add(share.get().latencies());
      retries += share.get().retries();
    }
    double took = (System.nanoTime() - start) / 1e9;
    double cpu = (cpuNanos() - cpuBefore) / 1e9;
    return measurement(latencies, retries, took, cpu);
  }

  private static Share work(Worker worker, long[] ids, long end) throws Exception {
    SplittableRandom choices = new SplittableRandom();
    Histogram latencies = histogram();
    long retries = 0;
    while (System.nanoTime() < end) {
      int source = choices.nextInt(ids.length);
      int other = choices.nextInt(ids.length - 1);
      int target = other < source ? other : other + 1;
      long before = System.nanoTime();
      retries += worker.transfer(ids[source], ids[target]);
      latencies.recordValue(System.nanoTime() - before);
    }
    return new Share(latencies, retries);
  }

  /** Whether the database rolled the transaction back to keep it apart from others. */
  static boolean isRolledBack(Exception e) {
    return Stream.iterate((Throwable) e, Objects::nonNull, Throwable::getCause)
        .anyMatch(
            cause ->
                cause instanceof SQLException s
                    && Objects.toString(s.getSQLState()).matches("40001|40P01"));
  }
}
