import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** A port of this machine behind which is no database server, and what happens to who comes. */
record FakeServer(ServerSocket socket, Thread acceptor) implements AutoCloseable {

  /** What is done with a client. */
  interface Behavior {
    void serve(Socket client) throws IOException;
  }

  /** Opens one at any free port of localhost. */
  static FakeServer open(Behavior behavior) throws IOException {
    ServerSocket socket = new ServerSocket(0, 1024, InetAddress.getLoopbackAddress());
    Thread acceptor =
        inBackground(
            () -> {
              while (true) {
                Socket client = socket.accept();
                inBackground(() -> behavior.serve(client));
              }
            });
    return new FakeServer(socket, acceptor);
  }

  /** The port to connect to. */
  int port() {
    return socket.getLocalPort();
  }

  boolean isClosed() {
    return socket.isClosed();
  }

  /** Refuses all who come from now on. */
  @Override
  public void close() {
    try {
      socket.close();
      // The kernel goes on listening for as long as a thread waits at the socket.
      while (acceptor.isAlive()) {
        Thread.onSpinWait();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What may end because a connection was closed. */
  interface Task {
    void run() throws IOException;
  }

  /** Does it on a thread of its own, which keeps no program from its end. */
  static Thread inBackground(Task task) {
    Thread thread =
        new Thread(
            () -> {
              try {
                task.run();
              } catch (IOException e) {
                // One of the two has closed the connection, or the test has closed this server.
              }
            });
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
