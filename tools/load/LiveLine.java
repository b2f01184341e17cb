import java.io.IOException;
import java.io.PrintWriter;

/** A line that is put in the place of the one before, where standard error is a terminal. */
final class LiveLine {

  private Boolean terminal;

  /** Shows a line, and nothing of the one before; an empty one leaves nothing. */
  void show(String line, PrintWriter err) {
    if (terminal == null) {
      terminal = isTerminal();
    }
    if (terminal) {
      // Cut off, not wrapped, where the terminal ends.
      err.print("\r\033[K\033[?7l" + line + "\033[?7h");
      err.flush();
    }
  }

  /** Java does not know whether standard error is a terminal, but POSIX's test does. */
  private static boolean isTerminal() {
    try {
      return new ProcessBuilder("test", "-t", "2").inheritIO().start().waitFor() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
