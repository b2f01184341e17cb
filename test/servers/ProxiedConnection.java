import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;

/**
 * A client's connection through a {@link FaultProxy}, and its counterpart to the server, in the
 * messages of PostgreSQL's protocol 3 ("Message Formats").
 */
final class ProxiedConnection {

  private static final int TLS_REQUEST = 80877103;
  private static final int GSS_ENCRYPTION_REQUEST = 80877104;

  private final FaultProxy proxy;
  private final Socket client;
  private final Socket server = new Socket();
  private final Map<String, String> prepared = new HashMap<>();
  private final Queue<Trip> trips = new ConcurrentLinkedQueue<>();
  private DataInputStream fromClient;
  private DataInputStream fromServer;

  // The request that is being read.
  private final ByteArrayOutputStream request = new ByteArrayOutputStream();
  private final List<String> statements = new ArrayList<>();

  // The answer that is being read, and its last message.
  private final ByteArrayOutputStream answer = new ByteArrayOutputStream();
  private byte[] ready;
  private boolean failed;

  /** What is done once an answer is whole, in place of passing it on. */
  private record Trip(boolean isAwaited, FaultProxy.Action end) {}

  ProxiedConnection(FaultProxy proxy, Socket client) {
    this.proxy = proxy;
    this.client = client;
  }

  /** Passes all on until one of the two hangs up. */
  void serve(int serverPort) throws IOException {
    try {
      server.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), serverPort));
      fromClient = input(client);
      fromServer = input(server);
      startUp();
      FakeServer.inBackground(this::answers);
      requests();
    } finally {
      cut();
    }
  }

  private static DataInputStream input(Socket socket) throws IOException {
    socket.setTcpNoDelay(true);
    return new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 16));
  }

  /** Refuses encryption, and passes on the packet that has no type. */
  private void startUp() throws IOException {
    byte[] packet = packet(fromClient, new byte[0]);
    int code = ByteBuffer.wrap(packet).getInt(4);
    if (code == TLS_REQUEST || code == GSS_ENCRYPTION_REQUEST) {
      client.getOutputStream().write('N');
      startUp();
    } else {
      request.writeBytes(packet);
      forward(null);
    }
  }

  // ---- Requests ----

  private void requests() throws IOException {
    while (true) {
      byte[] message = message(fromClient);
      request.writeBytes(message);
      ByteBuffer body = ByteBuffer.wrap(message, 5, message.length - 5);
      switch (message[0]) {
        case 'P' -> prepared.put(text(body), text(body));
        case 'B' -> {
          text(body); // the portal
          statements.add(prepared.getOrDefault(text(body), ""));
        }
        case 'Q' -> {
          statements.add(text(body));
          request();
        }
        case 'S' -> request();
        // Flush, a password and Terminate: the request does not end here.
        case 'H', 'p', 'X' -> send(request.toByteArray());
        default -> {}
      }
    }
  }

  private void request() throws IOException {
    proxy.actionOn(statements).act(this);
    statements.clear();
  }

  /**
   * Sends the server the request, as it came.
   *
   * @param end what is done, in place of passing it on, once an answer without an error is whole;
   *     or null
   */
  void forward(FaultProxy.Action end) throws IOException {
    FaultProxy.Action passOn = ProxiedConnection::passOn;
    FaultProxy.Action ifDone = connection -> (failed ? passOn : end).act(this);
    ask(request.toByteArray(), end == null ? null : ifDone);
  }

  /** Sends the server something harmless instead, whose answer gives the error its turn. */
  void refuse(String sqlState, String message) throws IOException {
    String query = statements.contains("COMMIT") ? "ROLLBACK" : "SELECT 1/0";
    ask(message('Q', query + "\0"), connection -> answerError(sqlState, message));
  }

  private void ask(byte[] request, FaultProxy.Action end) throws IOException {
    boolean isAwaited = fromClient.available() == 0;
    if (isAwaited) {
      pause(proxy.latency());
    }
    trips.add(new Trip(isAwaited, end));
    send(request);
  }

  private void send(byte[] bytes) throws IOException {
    server.getOutputStream().write(bytes);
    request.reset();
  }

  // ---- Answers ----

  private void answers() throws IOException {
    try {
      while (true) {
        byte[] message = message(fromServer);
        answer.writeBytes(message);
        failed |= message[0] == 'E';
        // None when the server speaks unasked.
        Trip trip = message[0] == 'Z' ? trips.poll() : trips.peek();
        boolean isHeld = trip != null && trip.end != null;
        if (message[0] == 'Z') {
          ready = message;
          answered(trip, isHeld);
        } else if (!isHeld && fromServer.available() == 0) {
          passOn();
        }
      }
    } finally {
      cut();
    }
  }

  private void answered(Trip trip, boolean isHeld) throws IOException {
    if (trip == null || trip.isAwaited) {
      proxy.countRoundTrip();
    }
    if (isHeld) {
      trip.end.act(this);
    } else {
      passOn();
    }
    failed = false;
  }

  /** Sends the client what the server has answered so far. */
  void passOn() throws IOException {
    answer.writeTo(client.getOutputStream());
    answer.reset();
  }

  /** Answers with this error, whatever the server has said. */
  void answerError(String sqlState, String message) throws IOException {
    answer.reset();
    String fields = "SERROR\0VERROR\0C%s\0M%s\0\0".formatted(sqlState, message);
    answer.writeBytes(message('E', fields));
    answer.writeBytes(ready);
    passOn();
  }

  // ---- Faults ----

  /** Answers nothing until the client gives up. */
  void freeze() {
    while (!client.isClosed()) {
      pause(Duration.ofMillis(10));
    }
  }

  /** Hangs up on both sides. */
  void cut() {
    proxy.forget(this);
    // The client first, or it could get CockroachDB's error about half a message.
    try (server;
        client) {
      // Closing is all.
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void pause(Duration duration) {
    long due = System.nanoTime() + duration.toNanos();
    for (long left; (left = due - System.nanoTime()) > 0; ) {
      LockSupport.parkNanos(left);
    }
  }

  // ---- Messages: a type, a length that counts itself, a body ----

  private static byte[] message(DataInputStream in) throws IOException {
    return packet(in, new byte[] {in.readByte()});
  }

  private static byte[] packet(DataInputStream in, byte[] type) throws IOException {
    int length = in.readInt();
    byte[] packet = ByteBuffer.allocate(type.length + length).put(type).putInt(length).array();
    in.readFully(packet, type.length + 4, length - 4);
    return packet;
  }

  private static byte[] message(char type, String body) {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(5 + bytes.length)
        .put((byte) type)
        .putInt(4 + bytes.length)
        .put(bytes)
        .array();
  }

  private static String text(ByteBuffer body) {
    int start = body.position();
    while (body.get() != 0) {}
    int length = body.position() - 1 - start;
    return new String(body.array(), start, length, StandardCharsets.UTF_8);
  }
}
