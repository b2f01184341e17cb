import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** A port of this machine behind which is no database server, and what happens to who comes. */
record Door(ServerSocket socket) implements AutoCloseable {

  /** What is done with a client. */
  interface Manners {
    void meet(Socket client) throws IOException;
  }

  /** Opens one at any free port of localhost. */
  static Door open(Manners manners) throws IOException {
    return open(InetAddress.getLoopbackAddress(), manners);
  }

  /** Opens one at any free port of this address. */
  static Door open(InetAddress address, Manners manners) throws IOException {
    ServerSocket socket = new ServerSocket(0, 64, address);
    inBackground(
        () -> {
          while (true) {
            Socket client = socket.accept();
            inBackground(() -> manners.meet(client));
          }
        });
    return new Door(socket);
  }

  /** Opens one that passes all on to a port of localhost and back. */
  static Door to(int port, InetAddress address) throws IOException {
    return open(
        address,
        client -> {
          Socket server = new Socket(InetAddress.getLoopbackAddress(), port);
          inBackground(() -> client.getInputStream().transferTo(server.getOutputStream()));
          server.getInputStream().transferTo(client.getOutputStream());
        });
  }

  /** The port to connect to. */
  int port() {
    return socket.getLocalPort();
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What may end because someone has hung up. */
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
                // One of the two has hung up, or the test has closed the door.
              }
            });
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
