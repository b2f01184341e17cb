//SOURCES ../../BankSecure.java

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Threads that do the same work, each on a session of its own, until all of them have ended. */
final class Workers implements AutoCloseable {

  private static final long NANOS_TO_END = 5_000_000_000L;

  private final List<BankSecure.Session> sessions = new ArrayList<>();
  private volatile boolean halted;
  private volatile boolean interrupted;
  private volatile long haltedAt;

  /** Adds a worker with this session. */
  void add(BankSecure.Session session) {
    sessions.add(session);
  }

  /** How many there are. */
  int size() {
    return sessions.size();
  }

  /** Has them begin nothing new. */
  void halt() {
    if (!halted) {
      haltedAt = System.nanoTime();
      halted = true;
    }
  }

  /** Whether they are to begin nothing new. */
  boolean isHalted() {
    return halted;
  }

  /** When they were halted, as a time of System.nanoTime. */
  long haltedAt() {
    return haltedAt;
  }

  /** Whether the thread that waits for them was interrupted, as it is on Ctrl-C. */
  boolean isInterrupted() {
    return interrupted;
  }

  /**
   * Works and, ten times a second, runs a tick. When one worker fails, or this thread is
   * interrupted, all are halted, and have five seconds to end what is under way.
   *
   * @throws RuntimeException the first failure of a worker
   */
  void work(Consumer<BankSecure.Session> work, Runnable tick) {
    ExecutorService threads = Executors.newFixedThreadPool(sessions.size());
    List<CompletableFuture<Void>> ends = new ArrayList<>();
    for (BankSecure.Session session : sessions) {
      ends.add(CompletableFuture.runAsync(() -> work.accept(session), threads));
    }
    ends.forEach(end -> end.exceptionally(failure -> haltAfter(failure)));
    threads.shutdown();
    boolean ended = false;
    while (!ended) {
      tick.run();
      try {
        ended = threads.awaitTermination(100, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
        halt();
      }
      if (halted && System.nanoTime() - haltedAt >= NANOS_TO_END) {
        threads.shutdownNow();
      }
    }
    ends.forEach(Workers::join);
  }

  private Void haltAfter(Throwable failure) {
    halt();
    return null;
  }

  private static void join(CompletableFuture<Void> end) {
    try {
      end.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  @Override
  public void close() {
    sessions.forEach(BankSecure.Session::close);
  }
}
