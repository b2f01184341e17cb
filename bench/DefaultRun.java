import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The default run of BankInsecure from start to end, beside a script that only prints a line. */
final class DefaultRun {

  private static final int ROUNDS = 8;

  private DefaultRun() {}

  /** Measures CPU seconds of all processes, JBang's too, with warm caches. */
  static Map<String, List<Double>> measure(Course course) throws IOException, InterruptedException {
    List<Double> printing = new ArrayList<>();
    List<Double> bank = new ArrayList<>();
    try (TemporaryDirectory directory = TemporaryDirectory.create("bench-")) {
      String line = Files.writeString(directory.path().resolve("Line.java"), script()).toString();
      String url = "--url=" + course.url("bank");
      for (int round = 0; round < ROUNDS; round++) {
        printing.add(cpuSeconds(line));
        bank.add(cpuSeconds("BankInsecure.java", url));
      }
    }
    // In the first round JBang compiled them.
    printing.remove(0);
    bank.remove(0);
    Map<String, List<Double>> cpuSeconds = new LinkedHashMap<>();
    cpuSeconds.put("script that prints a line", printing);
    cpuSeconds.put("BankInsecure, default run", bank);
    return cpuSeconds;
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
    return Execution.successful(command).cpuSeconds();
  }
}
