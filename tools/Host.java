import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
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

  private static final int PATIENCE_MILLIS = 4_000;

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

  /** Connects, and asks for TLS as each client does (PostgreSQL's "Message Formats"). */
  void ask() throws IOException {
    try (Socket socket = new Socket()) {
      long start = System.nanoTime();
      socket.connect(address(), PATIENCE_MILLIS / 2);
      millis = (System.nanoTime() - start) / 1e6;
      socket.setSoTimeout(PATIENCE_MILLIS);
      socket.getOutputStream().write(ByteBuffer.allocate(8).putInt(8).putInt(80877103).array());
      byte[] bytes = new byte[50];
      int length = Math.max(0, socket.getInputStream().read(bytes));
      answer = new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
    }
  }

  /** Does the handshake of TLS with whoever it is, on a connection of its own. */
  void shakeHands() throws IOException, GeneralSecurityException {
    try (Socket socket = new Socket()) {
      socket.connect(address(), PATIENCE_MILLIS / 2);
      socket.setSoTimeout(PATIENCE_MILLIS);
      socket.getOutputStream().write(ByteBuffer.allocate(8).putInt(8).putInt(80877103).array());
      socket.getInputStream().read();
      SSLSocket tls =
          (SSLSocket) new NonValidatingFactory(null).createSocket(socket, name, port, false);
      tls.startHandshake();
      session = tls.getSession();
    }
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
