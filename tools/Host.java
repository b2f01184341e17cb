import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import org.postgresql.ssl.NonValidatingFactory;

/** A host of the URL, and what answers there. */
final class Host {

  /** PostgreSQL's "Message Formats", SSLRequest. */
  private static final byte[] TLS_REQUEST =
      ByteBuffer.allocate(8).putInt(8).putInt(80877103).array();

  final String name;
  final int port;

  /** How long it took to accept a connection, in milliseconds; NaN where it did not. */
  double millis = Double.NaN;

  /** What it said when asked for TLS; S for yes, N for no. */
  String answer = "";

  /** The TLS session, which says nothing yet about who it is; null where there is none. */
  SSLSession session;

  Host(String name, String port) {
    this.name = name;
    this.port = Integer.parseInt(port);
  }

  boolean isThisMachine() {
    return name.matches("localhost|127[\\d.]*|\\[::1]");
  }

  boolean offersTls() {
    return answer.equals("S");
  }

  InetSocketAddress address() {
    return new InetSocketAddress(name, port);
  }

  /** Connects and asks for TLS; whom that leaves silent, it greets as a web server. */
  void ask() throws IOException {
    try (Socket socket = connect()) {
      answer = say(socket, TLS_REQUEST);
    } catch (SocketTimeoutException e) {
      if (Double.isNaN(millis)) {
        throw e;
      }
      try (Socket socket = connect()) {
        answer = say(socket, "GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      }
    }
  }

  /** Does the handshake of TLS with whoever it is. */
  void shakeHands() throws IOException, GeneralSecurityException {
    try (Socket socket = connect()) {
      say(socket, TLS_REQUEST);
      SSLSocket tls =
          (SSLSocket) new NonValidatingFactory(null).createSocket(socket, name, port, false);
      tls.startHandshake();
      session = tls.getSession();
    }
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket();
    long start = System.nanoTime();
    socket.connect(address(), 2_000);
    millis = (System.nanoTime() - start) / 1e6;
    socket.setSoTimeout(3_000);
    return socket;
  }

  private static String say(Socket socket, byte[] words) throws IOException {
    socket.getOutputStream().write(words);
    byte[] bytes = new byte[50];
    int length = Math.max(0, socket.getInputStream().read(bytes));
    return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
  }

  /** The certificates that it showed, its own first. */
  X509Certificate[] chain() throws IOException {
    Object[] all = session.getPeerCertificates();
    return Arrays.copyOf(all, all.length, X509Certificate[].class);
  }

  @Override
  public String toString() {
    return name + ":" + port;
  }
}
