import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;

/**
 * A server without TLS and without a database, that answers whatever it was told to. It hears what
 * scripts say after the start of a connection, password and all.
 */
final class FakeDatabase extends RecordingServer {

  /** Lets everyone in, and says who it is. */
  static final byte[] WELCOME =
      all(
          message('R', ByteBuffer.allocate(4).array()),
          message('S', "server_version\00017.6\000"),
          message('S', "client_encoding\000UTF8\000"),
          message('S', "DateStyle\000ISO\000"),
          message('S', "integer_datetimes\000on\000"),
          message('S', "standard_conforming_strings\000on\000"),
          message('Z', "I"));

  private final byte[] welcome;
  private final byte[] answer;

  private FakeDatabase(byte[] welcome, byte[] answer) throws IOException {
    this.welcome = welcome;
    this.answer = answer;
  }

  /**
   * Answers the start of a connection with one of these, and all that comes after with the other.
   */
  static FakeDatabase answering(byte[] welcome, byte[] answer) throws IOException {
    return new FakeDatabase(welcome, answer);
  }

  /** A message of PostgreSQL's protocol. */
  static byte[] message(char type, String body) {
    return message(type, body.getBytes(StandardCharsets.UTF_8));
  }

  /** A message of PostgreSQL's protocol. */
  static byte[] message(char type, byte[] body) {
    return ByteBuffer.allocate(body.length + 5)
        .put((byte) type)
        .putInt(body.length + 4)
        .put(body)
        .array();
  }

  /** An error or a notice; its text must be free of NUL. */
  static byte[] complaint(char type, String sqlState, String text) {
    return message(type, "SFATAL\000VFATAL\000C" + sqlState + "\000M" + text + "\000\000");
  }

  /** One message after the other. */
  static byte[] all(byte[]... messages) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    Stream.of(messages).forEach(all::writeBytes);
    return all.toByteArray();
  }

  @Override
  void serve(Socket client) throws IOException {
    try (client) {
      DataInputStream in = new DataInputStream(client.getInputStream());
      in.readNBytes(in.readInt() - 4);
      client.getOutputStream().write(welcome);
      if (answer.length > 0 && hears(in)) {
        client.getOutputStream().write(answer);
      }
      // If this closed the connection before it has read all, the client would lose what it was
      // sent.
      client.shutdownOutput();
      while (hears(in)) {}
    }
  }

  private boolean hears(InputStream in) throws IOException {
    byte[] buffer = new byte[1 << 16];
    int length = in.read(buffer);
    hear(buffer, Math.max(0, length));
    return length >= 0;
  }
}
