import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** A host of the URL, and what answers there. */
final class Host {

  /** The message SSLRequest of PostgreSQL's protocol. */
  private static final byte[] TLS_REQUEST =
      ByteBuffer.allocate(8).putInt(8).putInt(80877103).array();

  private static final byte[] HTTP_REQUEST =
      "GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private static final int CONNECT_MILLIS = 3_000;

  /** As long as pgjdbc waits for the answer to SSLRequest. */
  private static final int ANSWER_MILLIS = 5_000;

  private static final int HTTP_MILLIS = 1_500;
  private static final int MAX_ANSWER = 1_000;

  final String name;
  final int port;
  final Deadline deadline = new Deadline();

  /** The check that is under way, which is broken if the time is over. */
  volatile String check = "host";

  /** How long the host took to accept a connection, in milliseconds; NaN if it did not. */
  volatile double millis = Double.NaN;

  /** What the host answered to SSLRequest: S for yes, N for no, or something else. */
  volatile String answer = "";

  /** The TLS session, which proves nothing about the host; null if the handshake failed. */
  SSLSession session;

  /** The certificates that the host sent, its own first, also if the handshake failed later. */
  private volatile X509Certificate[] chain;

  Host(String name, String port) {
    this.name = name;
    this.port = Integer.parseInt(port);
  }

  /** Whether the name means this machine. */
  boolean isThisMachine() {
    return name.matches("localhost|127[\\d.]*|\\[::1]|\\[0:0:0:0:0:0:0:1]");
  }

  boolean offersTls() {
    return answer.equals("S");
  }

  InetSocketAddress address() {
    return new InetSocketAddress(name, port);
  }

  /** Connects and asks for TLS. A host that stays silent is then asked as a web server. */
  void ask() throws IOException {
    try (Socket socket = connect()) {
      answer = exchange(socket, TLS_REQUEST, ANSWER_MILLIS);
    } catch (SocketTimeoutException e) {
      if (Double.isNaN(millis)) {
        throw e;
      }
      try (Socket socket = connect()) {
        answer = exchange(socket, HTTP_REQUEST, HTTP_MILLIS);
      }
    }
  }

  /** Performs the TLS handshake with the host, whoever it is, to see its certificates. */
  void shakeHands() throws IOException, GeneralSecurityException {
    try (Socket socket = connect()) {
      exchange(socket, TLS_REQUEST, ANSWER_MILLIS);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, new TrustManager[] {new ChainRecorder()}, null);
      SSLSocket tls =
          (SSLSocket) context.getSocketFactory().createSocket(socket, name, port, false);
      tls.startHandshake();
      session = tls.getSession();
    }
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket();
    long start = System.nanoTime();
    socket.connect(address(), CONNECT_MILLIS);
    millis = (System.nanoTime() - start) / 1e6;
    return socket;
  }

  private static String exchange(Socket socket, byte[] request, int timeoutMillis)
      throws IOException {
    socket.setSoTimeout(timeoutMillis);
    socket.getOutputStream().write(request);
    byte[] bytes = new byte[MAX_ANSWER];
    int length = Math.max(0, socket.getInputStream().read(bytes));
    return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
  }

  /** The certificates that the host sent, or null. */
  X509Certificate[] chain() {
    return chain;
  }

  @Override
  public String toString() {
    return name + ":" + port;
  }

  /** Records the certificates. Only pgjdbc decides whether they are trusted. */
  private final class ChainRecorder implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) {
      Host.this.chain = chain;
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
