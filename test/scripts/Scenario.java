import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** A test that mostly waits, and so can wait together with others. */
record Scenario(String name, Act act) {

  /** What is done and asserted. */
  interface Act {
    void play() throws Exception;
  }

  /** A test for each scenario; all play at the same time. */
  static Stream<DynamicTest> together(Scenario... scenarios) {
    ExecutorService stage = Executors.newFixedThreadPool(scenarios.length);
    List<DynamicTest> tests = new ArrayList<>();
    for (Scenario scenario : scenarios) {
      Callable<Void> play =
          () -> {
            scenario.act().play();
            return null;
          };
      Future<Void> end = stage.submit(play);
      tests.add(DynamicTest.dynamicTest(scenario.name(), () -> await(end)));
    }
    stage.shutdown();
    return tests.stream();
  }

  private static void await(Future<Void> end) throws Throwable {
    try {
      end.get();
    } catch (ExecutionException e) {
      // JUnit must see it as it is: a test that was skipped has not failed.
      throw e.getCause();
    }
  }
}
