//SOURCES ../tools/TemporaryDirectory.java
//SOURCES Execution.java

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A program that was run to its end, what it printed, and the CPU seconds that it took. */
record Program(String out, double cpuSeconds) {

  /**
   * The shell's {@code times} prints last the time of all its children, which Java cannot count.
   */
  private static final String METERED = "export LC_ALL=C; \"$@\"; status=$?; times; exit $status";

  private static final Pattern MINUTES_SECONDS = Pattern.compile("(\\d+)m([\\d.]+)s");

  /** Runs a command; any end but a good one is an IOException. */
  static Program run(List<String> command) throws IOException, InterruptedException {
    List<String> metered = new ArrayList<>(List.of("/usr/bin/env", "bash", "-c", METERED, "bash"));
    metered.addAll(command);
    String out = Execution.successful(metered).out();
    List<String> lines = out.lines().toList();
    double cpuSeconds =
        MINUTES_SECONDS
            .matcher(lines.get(lines.size() - 1))
            .results()
            .mapToDouble(Program::seconds)
            .sum();
    return new Program(out, cpuSeconds);
  }

  private static double seconds(MatchResult time) {
    return 60 * Double.parseDouble(time.group(1)) + Double.parseDouble(time.group(2));
  }

  /** The number that it printed behind this text. */
  double number(String text) {
    return Pattern.compile(Pattern.quote(text) + "\\s*([\\d.]+)")
        .matcher(out)
        .results()
        .mapToDouble(found -> Double.parseDouble(found.group(1)))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no " + text + " in:\n" + out));
  }
}
