import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Stands where a script looks for a database server, and keeps what it hears. */
abstract class FalseServer implements AutoCloseable {

  private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
  private final Door door;

  FalseServer() throws IOException {
    door = Door.open(this::meet);
  }

  /** What is done with a client. */
  abstract void meet(Socket client) throws IOException;

  /** The port to send a script to. */
  final int port() {
    return door.port();
  }

  final synchronized void hear(byte[] words, int length) {
    heard.write(words, 0, length);
  }

  /** All that was heard so far. */
  final synchronized String heard() {
    return heard.toString(StandardCharsets.UTF_8);
  }

  @Override
  public final void close() {
    door.close();
  }
}
