///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Runs all tests, or those of the classes (Class) and methods (Class#method) named
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.junit.platform:junit-platform-console-standalone:6.1.3
//SOURCES ../BankBasic.java
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES ../lessons/LostAnswer.java
//SOURCES ../lessons/LostUpdate.java
//SOURCES ../tools/BankChaos.java
//SOURCES ../tools/BankDoctor.java
//SOURCES ../tools/BankLoad.java
//SOURCES ../tools/LocalCluster.java
//SOURCES cockroach/*.java
//SOURCES faults/*.java
//SOURCES lessons/*.java
//SOURCES project/*.java
//SOURCES scripts/*.java
//SOURCES servers/*.java
//SOURCES site/*.java
//SOURCES tools/*.java

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Constants;
import org.junit.platform.engine.CancellationToken;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.EngineFilter;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.MethodFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherExecutionRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs every test class that its own class path holds, or what the arguments name, two classes at a
 * time, and ends with a line {@code N passed, N failed} and, if no test failed and at least one
 * ran, exit status 0.
 */
public final class BankTest {

  private static final long SECONDS_TO_END = 20;

  /**
   * Two classes run at a time, on two threads even while they wait, each in its own order; first
   * those that must not run together, so that neither is left over at the end.
   */
  private static final Map<String, String> CONFIGURATION =
      Map.of(
          Constants.DEFAULT_TEST_CLASS_ORDER_PROPERTY_NAME,
              "org.junit.jupiter.api.ClassOrderer$OrderAnnotation",
          Constants.PARALLEL_EXECUTION_ENABLED_PROPERTY_NAME, "true",
          Constants.DEFAULT_EXECUTION_MODE_PROPERTY_NAME, "same_thread",
          Constants.DEFAULT_CLASSES_EXECUTION_MODE_PROPERTY_NAME, "concurrent",
          Constants.PARALLEL_CONFIG_EXECUTOR_SERVICE_PROPERTY_NAME, "worker_thread_pool",
          Constants.PARALLEL_CONFIG_STRATEGY_PROPERTY_NAME, "fixed",
          Constants.PARALLEL_CONFIG_FIXED_PARALLELISM_PROPERTY_NAME, "2");

  public static void main(String... arguments)
      throws IOException, URISyntaxException, InterruptedException {
    TemporaryDirectory directory = temporaryDirectory();
    CancellationToken cancellation = CancellationToken.create();
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> cleanUp(cancellation, ended, directory)));
    Report report = new Report(cancellation);
    LauncherFactory.create()
        .execute(
            LauncherExecutionRequestBuilder.request(request(arguments))
                .cancellationToken(cancellation)
                .listeners(report)
                .build());
    int status = report.finish();
    ended.countDown();
    System.exit(status);
  }

  /** Makes one directory the place of all temporary data, those of the tests' processes too. */
  private static TemporaryDirectory temporaryDirectory() throws IOException {
    TemporaryDirectory directory = TemporaryDirectory.create("bank-test-");
    System.setProperty("java.io.tmpdir", directory.path().toString());
    // These keep the user's home, which the tests of the doctor change for a while.
    BankBasic.EmbeddedDatabase.RunFolder.hasHome();
    Objects.requireNonNull(Project.HOME);
    return directory;
  }

  /** On Ctrl-C lets the running test end, with its processes, before it deletes their data. */
  private static void cleanUp(
      CancellationToken cancellation, CountDownLatch ended, TemporaryDirectory directory) {
    try {
      cancellation.cancel();
      ProcessHandle.current().children().forEach(BankTest::end);
      if (!ended.await(SECONDS_TO_END, TimeUnit.SECONDS)) {
        System.err.println("A test does not end; its processes may live on.");
      }
      directory.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void end(ProcessHandle process) {
    process.destroy();
    process.onExit().completeOnTimeout(process, 5, TimeUnit.SECONDS).join();
    process.destroyForcibly();
  }

  /** For the methods of these classes and of those within, or for these methods, or for all. */
  private static LauncherDiscoveryRequest request(String... names) throws URISyntaxException {
    String named =
        Stream.of(names)
            .map(name -> name.contains("#") ? name : name + "(\\$\\w+)*#.*")
            .collect(Collectors.joining("|"));
    var location = BankTest.class.getProtectionDomain().getCodeSource().getLocation();
    return LauncherDiscoveryRequestBuilder.request()
        .selectors(DiscoverySelectors.selectClasspathRoots(Set.of(Path.of(location.toURI()))))
        .configurationParameters(CONFIGURATION)
        .filters(
            EngineFilter.includeEngines("junit-jupiter"),
            MethodFilter.includeMethodNamePatterns(names.length == 0 ? ".*" : named))
        .build();
  }

  /** Prints each failure and skip as it happens, the time of each class, and the sums. */
  private static final class Report implements TestExecutionListener {
    // A test may run a script in this program, and then System.out is the script's.
    private final PrintStream out = System.out;
    private final CancellationToken cancellation;
    private final Map<TestIdentifier, Long> starts = new HashMap<>();
    private TestPlan plan;
    private long passed;
    private long failed;
    private long skipped;

    private Report(CancellationToken cancellation) {
      this.cancellation = cancellation;
    }

    @Override
    public void testPlanExecutionStarted(TestPlan plan) {
      this.plan = plan;
    }

    @Override
    public synchronized void executionStarted(TestIdentifier test) {
      starts.put(test, System.nanoTime());
    }

    @Override
    public synchronized void executionSkipped(TestIdentifier test, String reason) {
      long tests = plan.getDescendants(test).stream().filter(TestIdentifier::isTest).count();
      skip(test, reason, Math.max(1, tests));
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
      Throwable thrown = result.getThrowable().orElse(null);
      switch (result.getStatus()) {
        case FAILED -> fail(test, thrown);
        case ABORTED -> skip(test, thrown == null ? "no reason" : thrown.getMessage(), 1);
        case SUCCESSFUL -> passed += test.isTest() ? 1 : 0;
      }
      if (!name(test).contains(" > ")) {
        long nanoseconds = System.nanoTime() - starts.get(test);
        out.println(name(test) + ": " + TimeUnit.NANOSECONDS.toSeconds(nanoseconds) + " s");
      }
    }

    /** Prints the closing line and answers the exit status. */
    synchronized int finish() {
      if (passed + failed == 0) {
        System.err.println("error: no test ran");
      }
      String sums = passed + " passed, " + failed + " failed";
      out.println(skipped == 0 ? sums : sums + ", " + skipped + " skipped");
      return failed == 0 && passed > 0 ? 0 : 1;
    }

    private void fail(TestIdentifier test, Throwable failure) {
      failed++;
      out.println("FAILED " + name(test));
      if (failure != null) {
        StringWriter trace = new StringWriter();
        failure.printStackTrace(new PrintWriter(trace));
        out.println(trace);
      }
    }

    private void skip(TestIdentifier test, String reason, long tests) {
      skipped += tests;
      if (!cancellation.isCancellationRequested()) {
        out.println("skipped " + name(test) + ": " + reason);
      }
    }

    /** The names from the test's class down to it. */
    private String name(TestIdentifier test) {
      return plan.getParent(test)
          .filter(parent -> parent.getParentId().isPresent())
          .map(parent -> name(parent) + " > " + test.getDisplayName())
          .orElse(test.getDisplayName());
    }
  }
}
