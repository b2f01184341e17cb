import static java.util.stream.Collectors.joining;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
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
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A client's connection through a {@link FaultProxy}, and its counterpart to the server, in the
 * messages of PostgreSQL's protocol 3 ("Message Formats").
 */
final class ProxiedConnection {

  private static final int TLS_REQUEST = 80877103;
  private static final int GSS_ENCRYPTION_REQUEST = 80877104;
  private static final Pattern UUID_TEXT =
      Pattern.compile("\\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\b");

  private final FaultProxy proxy;
  private final Socket client;
  private final Socket server = new Socket();
  private final Map<String, String> prepared = new HashMap<>();
  private final Map<String, String> portals = new HashMap<>();
  private final Queue<Trip> trips = new ConcurrentLinkedQueue<>();
  private Messages fromClient;
  private Messages fromServer;
  private Output toClient;
  private Output toServer;
  private volatile boolean frozen;
  private volatile boolean inTransaction;

  // The request that is being read.
  private final ByteArrayOutputStream request = new ByteArrayOutputStream();
  private final List<String> executed = new ArrayList<>();
  private String parsed;
  private UUID uuid;

  /** A request on its way, and what is to become of its answer. */
  static final class Trip {
    private final byte[] request;
    private final FaultProxy.Exchange exchange;
    private final boolean awaited;
    private final ByteArrayOutputStream answer = new ByteArrayOutputStream(0);
    private volatile Duration delay = Duration.ZERO;
    private boolean held;
    private boolean failed;
    private byte[] ready;
    private byte[] error;

    private Trip(byte[] request, FaultProxy.Exchange exchange, boolean awaited) {
      this.request = request;
      this.exchange = exchange;
      this.awaited = awaited;
    }

    FaultProxy.Exchange exchange() {
      return exchange;
    }

    /** Makes the answer come so much later. */
    void delay(Duration delay) {
      this.delay = delay;
    }
  }

  ProxiedConnection(FaultProxy proxy, Socket client) {
    this.proxy = proxy;
    this.client = client;
  }

  /** Passes all on until one of the two hangs up. */
  void serve(int serverPort) throws IOException {
    try {
      connect(serverPort);
      if (startUp()) {
        FakeServer.inBackground(() -> untilEnd(this::answers));
        requests();
      } else {
        FakeServer.inBackground(() -> untilEnd(() -> pass(fromServer, toClient)));
        pass(fromClient, toServer);
      }
    } finally {
      cut();
    }
  }

  private void untilEnd(FakeServer.Task task) throws IOException {
    try {
      task.run();
    } finally {
      if (!frozen) {
        cut();
      }
    }
  }

  private void connect(int serverPort) throws IOException {
    server.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), serverPort));
    client.setTcpNoDelay(true);
    server.setTcpNoDelay(true);
    fromClient = new Messages(client.getInputStream());
    fromServer = new Messages(server.getInputStream());
    toClient = new Output(client.getOutputStream());
    toServer = new Output(server.getOutputStream());
    proxy.act(FaultProxy.Moment.CONNECT, this, trip(new byte[0]));
  }

  /** Passes the start-up packets on; returns false if the connection turns to encryption. */
  private boolean startUp() throws IOException {
    while (true) {
      byte[] packet = fromClient.startUpPacket();
      int code = ByteBuffer.wrap(packet).getInt(4);
      if (code != TLS_REQUEST && code != GSS_ENCRYPTION_REQUEST) {
        send(trip(packet), packet);
        return true;
      }
      toServer.send(packet);
      byte[] answer = fromServer.exactly(1);
      toClient.send(answer);
      if (answer[0] == 'S' || answer[0] == 'G') {
        return false;
      }
    }
  }

  private static void pass(Messages from, Output to) throws IOException {
    byte[] bytes = new byte[8192];
    for (int length; (length = from.read(bytes)) >= 0; ) {
      to.write(bytes, length);
      to.flush();
    }
  }

  // ---- Requests ----

  private void requests() throws IOException {
    for (byte[] message; (message = fromClient.message()) != null; ) {
      request.writeBytes(message);
      note(message[0], ByteBuffer.wrap(message, 5, message.length - 5));
      switch (message[0]) {
        case 'Q', 'S' -> request(completed());
        // Flush, a password and Terminate: the request does not end here.
        case 'H', 'p', 'X' -> {
          if (!frozen) {
            toServer.send(request.toByteArray());
          }
          request.reset();
        }
        default -> {}
      }
    }
  }

  private void note(byte type, ByteBuffer body) {
    switch (type) {
      case 'P' -> {
        String name = text(body);
        parsed = text(body);
        prepared.put(name, parsed);
      }
      case 'B' -> {
        portals.put(text(body), prepared.getOrDefault(text(body), ""));
        noteParameters(body);
      }
      case 'E' -> executed.add(portals.getOrDefault(text(body), ""));
      case 'Q' -> {
        executed.add(text(body));
        noteUuid(executed.get(executed.size() - 1));
      }
      default -> {}
    }
  }

  private void noteParameters(ByteBuffer bind) {
    short formats = bind.getShort();
    bind.position(bind.position() + 2 * formats);
    int count = bind.getShort();
    for (int i = 0; i < count && uuid == null; i++) {
      byte[] value = new byte[Math.max(0, bind.getInt())];
      bind.get(value);
      if (value.length == 16) {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        uuid = new UUID(bytes.getLong(), bytes.getLong());
      } else if (value.length == 36) {
        noteUuid(new String(value, StandardCharsets.UTF_8));
      }
    }
  }

  private void noteUuid(String text) {
    Matcher matcher = UUID_TEXT.matcher(text);
    uuid = uuid == null && matcher.find() ? UUID.fromString(matcher.group()) : uuid;
  }

  private Trip completed() {
    if (executed.isEmpty() && parsed != null) {
      executed.add(parsed);
    }
    var exchange = new FaultProxy.Exchange(List.copyOf(executed), Optional.ofNullable(uuid));
    Trip trip = new Trip(request.toByteArray(), exchange, fromClient.isDrained());
    request.reset();
    executed.clear();
    parsed = null;
    uuid = null;
    return trip;
  }

  private static Trip trip(byte[] startUpPacket) {
    return new Trip(startUpPacket, new FaultProxy.Exchange(List.of(), Optional.empty()), true);
  }

  private void request(Trip trip) throws IOException {
    if (frozen || client.isClosed()) {
      return;
    }
    proxy.record(trip.exchange);
    if (!proxy.act(FaultProxy.Moment.REQUEST, this, trip)) {
      forward(trip);
    }
  }

  /** Sends the request to the server, as it came. */
  void forward(Trip trip) throws IOException {
    trip.held = proxy.mayActOnAnswer(trip.exchange);
    send(trip, trip.request);
  }

  /** Sends the server something harmless instead, whose answer gives the error its turn. */
  void refuse(Trip trip, String sqlState, String message) throws IOException {
    trip.error = error(sqlState, message);
    trip.held = true;
    // Only once a BEGIN sent along has been answered is it known to be a transaction.
    while (!trips.isEmpty() && !client.isClosed()) {
      LockSupport.parkNanos(10_000);
    }
    if (trip.exchange.executes("COMMIT")) {
      send(trip, message('Q', "ROLLBACK"));
    } else if (inTransaction) {
      send(trip, message('Q', "SELECT 1/0"));
    } else {
      send(trip, message('S'));
    }
  }

  private void send(Trip trip, byte[] request) throws IOException {
    pause(proxy.oneWay());
    trips.add(trip);
    toServer.send(request);
  }

  // ---- Answers ----

  private void answers() throws IOException {
    for (byte[] message; (message = fromServer.message()) != null; ) {
      // None when the server speaks unasked.
      Trip trip = trips.peek();
      if (message[0] == 'Z') {
        inTransaction = message[5] == 'T';
        trips.poll();
        if (trip == null || trip.awaited) {
          proxy.countRoundTrip();
        }
      }
      if (frozen) {
        continue;
      }
      if (trip != null && trip.held) {
        hold(trip, message);
      } else {
        show(trip, message);
      }
    }
    Trip unfinished = trips.peek();
    if (!frozen && unfinished != null && unfinished.error == null) {
      toClient.send(unfinished.answer.toByteArray());
    }
  }

  private void show(Trip trip, byte[] message) throws IOException {
    if (trip != null && !trip.delay.isNegative()) {
      pause(trip.delay.plus(proxy.oneWay()));
      // Only the answer's first message is late.
      trip.delay = Duration.ofNanos(-1);
    }
    toClient.write(message, message.length);
    if (fromServer.isDrained()) {
      toClient.flush();
    }
  }

  private void hold(Trip trip, byte[] message) throws IOException {
    trip.answer.writeBytes(message);
    trip.failed |= message[0] == 'E';
    if (message[0] != 'Z') {
      return;
    }
    trip.ready = message;
    if (trip.error != null) {
      answer(trip, trip.error);
    } else if (trip.failed || !proxy.act(FaultProxy.Moment.ANSWER, this, trip)) {
      show(trip, trip.answer.toByteArray());
    }
  }

  /** Answers with this error, whatever the server has said. */
  void answerError(Trip trip, String sqlState, String message) throws IOException {
    answer(trip, error(sqlState, message));
  }

  private void answer(Trip trip, byte[] error) throws IOException {
    pause(proxy.oneWay());
    toClient.write(error, error.length);
    toClient.send(trip.ready);
  }

  // ---- Faults ----

  /** Answers nothing and passes nothing on from now on. */
  void freeze() {
    frozen = true;
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

  /** Sends the server only a random part of the request, and hangs up. */
  void cutInsideRequest(Trip trip, Random random) throws IOException {
    toServer.write(trip.request, random.nextInt(trip.request.length));
    toServer.flush();
    cut();
  }

  /** Sends the client only a random part of the answer, and hangs up. */
  void cutInsideAnswer(Trip trip, Random random) throws IOException {
    toClient.write(trip.answer.toByteArray(), random.nextInt(trip.answer.size()));
    toClient.flush();
    cut();
  }

  /** Hangs up before more than so many bytes have passed in one direction, and tells when. */
  void cutAt(boolean onTheWayToServer, int bytes, Runnable onCut) {
    Output output = onTheWayToServer ? toServer : toClient;
    output.bytesUntilCut = bytes;
    output.onCut = onCut;
  }

  static void pause(Duration duration) {
    long due = System.nanoTime() + duration.toNanos();
    for (long left; (left = due - System.nanoTime()) > 0; ) {
      LockSupport.parkNanos(left);
    }
  }

  // ---- Messages ----

  /** Splits what arrives into messages: a type, a length that counts itself, a body. */
  private static final class Messages extends BufferedInputStream {

    private Messages(InputStream input) {
      super(input, 1 << 16);
    }

    private boolean isDrained() {
      return pos >= count;
    }

    /** Returns a message whole, or null if the other side has closed. */
    private byte[] message() throws IOException {
      int type = read();
      return type < 0 ? null : rest(new byte[] {(byte) type});
    }

    private byte[] startUpPacket() throws IOException {
      return rest(new byte[0]);
    }

    private byte[] rest(byte[] type) throws IOException {
      byte[] length = exactly(4);
      int bodyLength = ByteBuffer.wrap(length).getInt() - length.length;
      return ByteBuffer.allocate(type.length + length.length + bodyLength)
          .put(type)
          .put(length)
          .put(exactly(bodyLength))
          .array();
    }

    private byte[] exactly(int length) throws IOException {
      byte[] bytes = readNBytes(length);
      if (bytes.length < length) {
        throw new EOFException();
      }
      return bytes;
    }
  }

  /** A way out of the proxy, buffered, that may end after so many bytes. */
  private final class Output {
    private final OutputStream socket;
    private final ByteArrayOutputStream waiting = new ByteArrayOutputStream();
    private long bytesUntilCut = Long.MAX_VALUE;
    private Runnable onCut;

    private Output(OutputStream socket) {
      this.socket = socket;
    }

    private void send(byte[] message) throws IOException {
      write(message, message.length);
      flush();
    }

    private void write(byte[] message, int length) throws IOException {
      int allowed = (int) Math.min(length, bytesUntilCut);
      waiting.write(message, 0, allowed);
      bytesUntilCut -= allowed;
      if (allowed < length) {
        flush();
        onCut.run();
        cut();
        throw new EOFException("cut");
      }
      if (waiting.size() >= 1 << 16) {
        flush();
      }
    }

    private void flush() throws IOException {
      waiting.writeTo(socket);
      waiting.reset();
    }
  }

  private static String text(ByteBuffer body) {
    int start = body.position();
    while (body.get() != 0) {}
    int length = body.position() - 1 - start;
    return new String(body.array(), start, length, StandardCharsets.UTF_8);
  }

  private static byte[] error(String sqlState, String message) {
    return message('E', "SERROR", "VERROR", "C" + sqlState, "M" + message, "");
  }

  /** A message whose body is these texts, each ended by a NUL. */
  private static byte[] message(char type, String... texts) {
    byte[] body =
        Stream.of(texts)
            .map(text -> text + "\0")
            .collect(joining())
            .getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(5 + body.length)
        .put((byte) type)
        .putInt(4 + body.length)
        .put(body)
        .array();
  }
}
