import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The time that the checks of one host may take, whatever the host does to hold them up. */
final class Deadline {

  static final Duration PER_HOST = Duration.ofSeconds(10);

  private final long end = System.nanoTime() + PER_HOST.toNanos();

  /** The whole seconds that are left, at least one. */
  long secondsLeft() {
    return Math.max(1, TimeUnit.NANOSECONDS.toSeconds(end - System.nanoTime()));
  }

  /**
   * Runs a step on a thread of its own. A step that is late is left behind, because no single
   * timeout covers name resolution, a slow handshake, and a slow login.
   *
   * @throws TimeoutException if the step was not done in time
   */
  void run(Runnable step) throws TimeoutException {
    FutureTask<Void> task = new FutureTask<>(step, null);
    Thread thread = new Thread(task, "doctor's step");
    thread.setDaemon(true);
    thread.start();
    try {
      task.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException | InterruptedException e) {
      thread.interrupt();
      throw new TimeoutException();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    }
  }
}
