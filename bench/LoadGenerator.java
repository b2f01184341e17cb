///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES Contender.java
//SOURCES Measurement.java
//SOURCES Transfers.java

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.LongStream;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/**
 * A contender in Java, in a process of its own: each worker is a thread with its own connection.
 * Prints "ready" after the warm-up, measures once it reads a byte, prints the result, and keeps its
 * connections until its standard input ends. So whoever starts it can look at the database before
 * and after.
 */
final class LoadGenerator implements Callable<Integer> {

  @Option(names = "--contender", required = true)
  private Contender contender;

  @Option(names = "--statement")
  private Path statement;

  @Option(names = "--ports", required = true, split = ",")
  private List<Integer> ports;

  @Option(names = "--accounts", required = true)
  private int accounts;

  @Option(names = "--workers", required = true)
  private int workers;

  @Option(names = "--warm-up", required = true)
  private double warmUpSeconds;

  @Option(names = "--seconds", required = true)
  private double seconds;

  private final List<Transfers> connected = new ArrayList<>();

  public static void main(String... arguments) {
    System.exit(execute(new LoadGenerator(), arguments));
  }

  /** Runs a contender; an error is one line. */
  static int execute(Callable<Integer> contender, String... arguments) {
    return new CommandLine(contender)
        .setExecutionExceptionHandler(
            (e, command, parsed) -> {
              System.err.println(e);
              return 1;
            })
        .execute(arguments);
  }

  @Override
  public Integer call() throws Exception {
    for (int worker = 0; worker < workers; worker++) {
      int port = ports.get(worker % ports.size());
      String url = "postgresql://maxroach@localhost:" + port + "/bank";
      connected.add(Transfers.connect(contender, statement, url));
    }
    ExecutorService threads = Executors.newFixedThreadPool(workers);
    measure(threads, warmUpSeconds);
    System.out.println("ready");
    System.in.read();
    System.out.println(measure(threads, seconds).line());
    threads.shutdown();
    System.in.readAllBytes();
    return 0;
  }

  /** What one worker did. */
  private record Work(long[] latencies, long failedAttempts) {}

  private Measurement measure(ExecutorService threads, double seconds) throws Exception {
    double cpuBefore = cpuSeconds();
    long start = System.nanoTime();
    long end = start + (long) (seconds * 1e9);
    List<Future<Work>> running = new ArrayList<>();
    for (Transfers transfers : connected) {
      running.add(threads.submit(() -> work(transfers, end)));
    }
    LongStream latencies = LongStream.empty();
    long failedAttempts = 0;
    for (Future<Work> worker : running) {
      latencies = LongStream.concat(latencies, LongStream.of(worker.get().latencies()));
      failedAttempts += worker.get().failedAttempts();
    }
    double took = (System.nanoTime() - start) / 1e9;
    double cpu = cpuSeconds() - cpuBefore;
    return Measurement.of(latencies.toArray(), failedAttempts, took, cpu);
  }

  private Work work(Transfers transfers, long end) throws Exception {
    SplittableRandom random = new SplittableRandom();
    LongStream.Builder latencies = LongStream.builder();
    long failedAttempts = 0;
    while (System.nanoTime() < end) {
      int source = random.nextInt(accounts);
      int target = (source + 1 + random.nextInt(accounts - 1)) % accounts;
      long before = System.nanoTime();
      failedAttempts += transfers.transfer(accountId(source), accountId(target));
      latencies.add(System.nanoTime() - before);
    }
    return new Work(latencies.build().toArray(), failedAttempts);
  }

  /** The IDs that every contender counts with. */
  static long accountId(int index) {
    return (index + 1) * 1_000_000_007L;
  }

  private static double cpuSeconds() {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return system.getProcessCpuTime() / 1e9;
  }
}
