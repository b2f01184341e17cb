import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;

/** The default run of BankInsecure from start to end, beside a script that only prints a line. */
final class DefaultRun {

  private static final int ROUNDS = 7;

  private DefaultRun() {}

  /** Measures CPU seconds of all processes, JBang's too, with warm caches. */
  static Comparison measure(Course course) throws IOException, InterruptedException {
    Comparison comparison =
        new Comparison("One run from start to end, JBang included", "CPU seconds");
    try (TemporaryDirectory directory = TemporaryDirectory.create("bench-")) {
      String line = Files.writeString(directory.path().resolve("Line.java"), script()).toString();
      String url = "--url=" + course.url("bank");
      for (int round = Run.WARM_UP; round <= ROUNDS; round++) {
        double printing = cpuSeconds(line);
        double bank = cpuSeconds("BankInsecure.java", url);
        if (round != Run.WARM_UP) {
          comparison.add("script that prints a line", printing);
          comparison.add("BankInsecure, default run", bank);
        }
      }
    }
    return comparison;
  }

  private static String script() throws IOException {
    return """
    ///usr/bin/env jbang "$0" "$@" ; exit $?
    //%s 17+
    //%s %s

    public class Line {
      public static void main(String... arguments) {
        System.out.println("a line");
      }
    }
    """
        .formatted("JAVA", "JAVA_OPTIONS", String.join(" ", Execution.javaOptions()));
  }

  private static double cpuSeconds(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("./jbangw"));
    command.addAll(List.of(arguments));
    return Program.run(command).cpuSeconds();
  }
}
