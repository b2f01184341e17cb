import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Stands where a script looks for a database server, and keeps what it hears. */
abstract class RecordingServer implements AutoCloseable {

  private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
  private final FakeServer fakeServer;

  RecordingServer() throws IOException {
    fakeServer = FakeServer.open(this::serve);
  }

  /** What is done with a client. */
  abstract void serve(Socket client) throws IOException;

  /** The port to send a script to. */
  final int port() {
    return fakeServer.port();
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
    fakeServer.close();
  }
}
