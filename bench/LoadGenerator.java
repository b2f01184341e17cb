///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES Contender.java
//SOURCES LoadOptions.java
//SOURCES Measurement.java
//SOURCES Transfers.java

import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
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
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * A contender in Java, in a process of its own: each worker is a thread with its own connection.
 * For each line that it reads it warms up, prints "ready", reads another line, measures, and prints
 * the result. So whoever starts it can look at the database before and after.
 */
final class LoadGenerator implements Callable<Integer> {

  @Option(names = "--contender", required = true)
  private Contender contender;

  @Option(names = "--statement")
  private Path statement;

  @Mixin private LoadOptions options;

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
    for (int worker = 0; worker < options.workers; worker++) {
      int port = options.ports.get(worker % options.ports.size());
      String url = "postgresql://maxroach@localhost:" + port + "/bank";
      connected.add(Transfers.connect(contender, statement, url));
    }
    ExecutorService threads = Executors.newFixedThreadPool(options.workers);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    while (in.readLine() != null) {
      measure(threads, options.warmUpSeconds);
      System.out.println("ready");
      in.readLine();
      System.out.println(measure(threads, options.seconds).line());
    }
    threads.shutdown();
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
      int source = random.nextInt(options.accounts);
      int target = (source + 1 + random.nextInt(options.accounts - 1)) % options.accounts;
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
