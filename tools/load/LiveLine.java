import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A line on standard error that shows what happens now. On a terminal each line replaces the one
 * before; elsewhere there is a line each ten seconds.
 */
final class LiveLine {

  private static final long NANOS_BETWEEN_LINES = 10_000_000_000L;

  private Boolean terminal;
  private long shownAt = System.nanoTime();
  private boolean isShown;

  /** Shows these parts, without the last of them if the terminal is too narrow. */
  void show(PrintWriter err, List<String> parts) {
    if (isTerminal()) {
      err.print("\r\033[K" + fitting(parts, width() - 1));
      err.flush();
      isShown = true;
    } else if (System.nanoTime() - shownAt >= NANOS_BETWEEN_LINES) {
      err.println(String.join(", ", parts));
      shownAt = System.nanoTime();
    }
  }

  /** Removes the line, so that other text can follow. */
  void clear(PrintWriter err) {
    if (isShown) {
      err.print("\r\033[K");
      err.flush();
      isShown = false;
    }
  }

  private static String fitting(List<String> parts, int width) {
    String line = "";
    for (String part : parts) {
      String longer = line.isEmpty() ? part : line + ", " + part;
      if (longer.length() > width) {
        break;
      }
      line = longer;
    }
    return line;
  }

  /** Java does not know whether standard error is a terminal, but POSIX's test does. */
  private boolean isTerminal() {
    if (terminal == null) {
      try {
        terminal = new ProcessBuilder("test", "-t", "2").inheritIO().start().waitFor() == 0;
      } catch (IOException e) {
        terminal = false;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }
    return terminal;
  }

  /** The terminal's columns, asked for each time because its window may change; 80 if unknown. */
  private static int width() {
    try {
      Process stty =
          new ProcessBuilder("stty", "size")
              .redirectInput(new File("/dev/tty"))
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String size = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      int columns = Integer.parseInt(size.strip().replaceFirst(".* ", ""));
      return columns > 0 ? columns : 80;
    } catch (IOException | NumberFormatException e) {
      return 80;
    }
  }
}
