import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;

/** A database on this machine, whose end deletes all that it holds. */
interface Cluster extends AutoCloseable {

  /**
   * It could not be started. The message says why, and the advice, which may be empty, what to do.
   */
  final class StartException extends IOException {
    final String advice;

    StartException(String reason, String advice) {
      super(reason);
      this.advice = advice;
    }
  }

  /** Starts it, with the user maxroach and the database bank, and returns once it answers. */
  void start() throws IOException;

  /** The name and the version that it reports. */
  String version();

  /** One line for each node: its port and its process ID. */
  List<String> nodes();

  /** The URL of its web console, or null if it has none. */
  String console();

  /** The URL for the user maxroach and the database bank. */
  String url();

  @Override
  void close();

  /** A port of localhost that nothing listens on. */
  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Whether a port of localhost can be listened on. */
  static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
