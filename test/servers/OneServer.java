import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * Tests on an insecure server, which all such classes share, two of them at a time: each test works
 * in a database of its own. The server ends with the program.
 */
abstract class OneServer {

  static final Server server = start();

  private static Server start() {
    try {
      return LocalCluster.insecure();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
