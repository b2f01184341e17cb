import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** A run of a script, and what must be true of it. */
record Case(String name, Script script, Check check) {

  /** Looks at what the run left; throws if it is not what it must be. */
  interface Check {
    void check(Script.Result result) throws Exception;
  }

  /**
   * A test for each case. Their scripts start two at a time and at once, for most of a short run is
   * waiting for Java.
   */
  static Stream<DynamicTest> tests(List<Case> cases) {
    ExecutorService runs = Executors.newFixedThreadPool(2);
    List<DynamicTest> tests = new ArrayList<>();
    for (Case each : cases) {
      Future<Script.Result> result = runs.submit(each.script()::run);
      tests.add(
          DynamicTest.dynamicTest(
              each.name(),
              () -> {
                each.script().assumeItsEnvironment();
                each.check().check(result.get());
              }));
    }
    runs.shutdown();
    return tests.stream();
  }
}
