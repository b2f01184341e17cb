import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.function.Executable;

/** A test that mostly waits, and so can wait together with others. */
record Scenario(String name, Executable act) {

  /** A test for each scenario; all play at the same time. */
  static Stream<DynamicTest> together(Scenario... scenarios) {
    ExecutorService stage = Executors.newFixedThreadPool(scenarios.length);
    List<DynamicTest> tests = new ArrayList<>();
    for (Scenario scenario : scenarios) {
      Future<Executable> end = stage.submit(scenario::play);
      tests.add(DynamicTest.dynamicTest(scenario.name(), () -> end.get().execute()));
    }
    stage.shutdown();
    return tests.stream();
  }

  /** How it ended; JUnit must see it as it is, because a test that was skipped has not failed. */
  private Executable play() {
    try {
      act.execute();
      return () -> {};
    } catch (Throwable e) {
      return () -> {
        throw e;
      };
    }
  }
}
