import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLSocketFactory;
import org.postgresql.ssl.NonValidatingFactory;

/**
 * An attacker between a script and a server with TLS: whoever lets it has its words passed on to
 * the server, and back. It hears what is said in the clear, or in TLS with the attacker, but for
 * requests for TLS.
 *
 * <pre>{@code
 * try (var attacker = ManInTheMiddle.showing(authority.node("other.host"), server)) {
 *   ... // a script is sent to attacker.port()
 *   assertEquals("", attacker.heard());
 * }
 * }</pre>
 */
final class ManInTheMiddle extends RecordingServer {

  private static final int TLS_REQUEST = 80877103;
  private static final int KERBEROS_REQUEST = 80877104;
  private static final int TLS_HANDSHAKE = 22;

  private final Server server;
  private final SSLSocketFactory tls;
  private final char answerToTls;
  private final AtomicInteger visitors = new AtomicInteger();
  private final AtomicInteger passedOn = new AtomicInteger();

  private ManInTheMiddle(Server server, SSLSocketFactory tls, char answerToTls) throws IOException {
    this.server = server;
    this.tls = tls;
    this.answerToTls = answerToTls;
  }

  /** Takes part in TLS, with this certificate. */
  static ManInTheMiddle showing(Certificates.Leaf certificate, Server server) throws IOException {
    return new ManInTheMiddle(server, certificate.identity(), 'S');
  }

  /** Claims that the server has no TLS, but would do Kerberos. */
  static ManInTheMiddle withoutTls(Server server) throws IOException {
    return new ManInTheMiddle(server, null, 'N');
  }

  /** How many connections scripts have opened. */
  int visitors() {
    return visitors.get();
  }

  /** How many connections it was given something to open to the server for. */
  int passedOn() {
    return passedOn.get();
  }

  @Override
  void serve(Socket client) throws IOException {
    try (client) {
      visitors.incrementAndGet();
      byte[] opening = client.getInputStream().readNBytes(8);
      while (opening.length == 8 && ByteBuffer.wrap(opening).getInt(4) == KERBEROS_REQUEST) {
        client.getOutputStream().write('G');
        opening = client.getInputStream().readNBytes(8);
      }
      if (opening.length < 8) {
        return;
      }
      if (ByteBuffer.wrap(opening).getInt(4) == TLS_REQUEST) {
        client.getOutputStream().write(answerToTls);
        opening = new byte[0];
      }
      var already = new ByteArrayInputStream(opening);
      if (tls != null && (opening.length == 0 || opening[0] == TLS_HANDSHAKE)) {
        Socket encrypted = tls.createSocket(client, already, true);
        passOn(encrypted.getInputStream(), encrypted.getOutputStream());
      } else {
        passOn(new SequenceInputStream(already, client.getInputStream()), client.getOutputStream());
      }
    }
  }

  private void passOn(InputStream fromClient, OutputStream toClient) throws IOException {
    byte[] buffer = new byte[1 << 16];
    int length = fromClient.read(buffer);
    if (length < 0) {
      return;
    }
    try (Socket real = connectToServer()) {
      FakeServer.inBackground(() -> real.getInputStream().transferTo(toClient));
      for (; length >= 0; length = fromClient.read(buffer)) {
        hear(buffer, length);
        real.getOutputStream().write(buffer, 0, length);
      }
    }
  }

  /** Trusts whoever answers. */
  private Socket connectToServer() throws IOException {
    passedOn.incrementAndGet();
    Socket plain = new Socket(InetAddress.getLoopbackAddress(), server.port());
    plain.getOutputStream().write(ByteBuffer.allocate(8).putInt(8).putInt(TLS_REQUEST).array());
    if (plain.getInputStream().read() != 'S') {
      throw new IOException("the server has no TLS");
    }
    try {
      return new NonValidatingFactory(null).createSocket(plain, "localhost", server.port(), true);
    } catch (GeneralSecurityException e) {
      throw new IOException(e);
    }
  }
}
