import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A TCP proxy between a PostgreSQL client and its server that reads along and makes chosen
 * statements go wrong.
 *
 * <pre>{@code
 * try (FaultProxy proxy = FaultProxy.to(server.port())) {
 *   var cuts = proxy.when("INSERT INTO transfers").oncePerTransfer().cutAfterServer();
 *   ... // work through proxy.port()
 *   assertEquals(1000, cuts.injected());
 * }
 * }</pre>
 *
 * <p>It acts on exchanges: what a client sends up to a Sync or a simple Query, and the server's
 * answer up to ReadyForQuery. Faults are tried in the order in which they were made, and the first
 * that chooses an exchange acts on it alone. A connection that turns to TLS passes unread: it can
 * be refused, frozen, cut and slowed down, but its statements cannot be told apart.
 */
public final class FaultProxy implements AutoCloseable {

  private static final int TLS_REQUEST = 80877103;
  private static final int GSS_ENCRYPTION_REQUEST = 80877104;
  private static final int FLUSH_AT_BYTES = 1 << 16;

  private final InetSocketAddress server;
  private final List<Fault> faults = new CopyOnWriteArrayList<>();
  private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
  private final LongAdder connectionsOpened = new LongAdder();
  private final LongAdder roundTrips = new LongAdder();
  private final LongAdder bytesToServer = new LongAdder();
  private final LongAdder bytesToClient = new LongAdder();
  private final Queue<String> statements = new ConcurrentLinkedQueue<>();
  private volatile boolean recordsStatements;
  private volatile boolean freezesNewConnections;
  private volatile long oneWayNanos;
  private volatile ServerSocket door;
  private volatile Thread doorman;

  /**
   * What a client asked in one go: the statements it executed, as the wire carried them, and the
   * values of their parameters, as text where the type is known and in hexadecimal where not.
   */
  public record Exchange(List<String> statements, List<String> parameters) {

    private static final Pattern UUID_TEXT =
        Pattern.compile("\\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\b");

    /** Says whether one of the statements contains these words, whatever the case and blanks. */
    public boolean contains(String words) {
      return statements.stream().anyMatch(statement -> normal(statement).contains(normal(words)));
    }

    /** Says whether one of the statements is this one, whatever the case and blanks. */
    public boolean executes(String statement) {
      return statements.stream().anyMatch(executed -> normal(executed).equals(normal(statement)));
    }

    /** Returns the first UUID among the parameters, else in the statements: a transfer's ID. */
    public Optional<UUID> uuid() {
      return Stream.concat(parameters.stream(), statements.stream())
          .flatMap(text -> UUID_TEXT.matcher(text).results())
          .map(MatchResult::group)
          .map(UUID::fromString)
          .findFirst();
    }

    private static String normal(String statement) {
      return statement.strip().replaceAll("\\s+", " ").toUpperCase(Locale.ROOT);
    }
  }

  /** When a fault may act: as a connection opens, on a whole request, or on a whole answer. */
  private enum Moment {
    CONNECT,
    REQUEST,
    ANSWER
  }

  private interface Action {
    void act(Connection connection, Trip trip, Fault fault) throws IOException;
  }

  /** A fault in force, until it is stopped or the proxy closed. */
  public final class Fault {
    private final Moment moment;
    private final Predicate<Exchange> matches;
    private final Predicate<Exchange> chooses;
    private final Action action;
    private final AtomicInteger injected = new AtomicInteger();

    private Fault(
        Moment moment, Predicate<Exchange> matches, Predicate<Exchange> chooses, Action action) {
      this.moment = moment;
      this.matches = matches;
      this.chooses = chooses;
      this.action = action;
      faults.add(this);
    }

    /** Returns how many times this fault has acted. */
    public int injected() {
      return injected.get();
    }

    /** Lets everything pass from now on; what is frozen stays frozen. */
    public void stop() {
      faults.remove(this);
    }

    private boolean acts(Moment now, Exchange exchange) {
      return moment == now && matches.test(exchange) && chooses.test(exchange);
    }
  }

  /**
   * Chooses among the matching exchanges, then names what is done to them. Choices narrow down in
   * the order in which they are written; without any, every match is chosen.
   */
  public final class Rule {
    private final Predicate<Exchange> matches;
    private Predicate<Exchange> chooses = exchange -> true;

    private Rule(Predicate<Exchange> matches) {
      this.matches = matches;
    }

    /** Chooses the n-th, the 2n-th, the 3n-th match and so on. */
    public Rule everyNth(int n) {
      AtomicInteger seen = new AtomicInteger();
      return only(exchange -> seen.incrementAndGet() % n == 0);
    }

    /** Chooses the first n matches. */
    public Rule first(int n) {
      AtomicInteger seen = new AtomicInteger();
      return only(exchange -> seen.getAndIncrement() < n);
    }

    /** Chooses each match with this probability. */
    public Rule withProbability(double probability, long seed) {
      Random random = new Random(seed);
      return only(exchange -> random.nextDouble() < probability);
    }

    /** Chooses the first match of each key, as {@code oncePer(Exchange::parameters)}. */
    public Rule oncePer(Function<Exchange, ?> key) {
      Set<Object> seen = ConcurrentHashMap.newKeySet();
      return only(exchange -> seen.add(key.apply(exchange)));
    }

    /** Chooses the first match of each UUID; matches without a UUID pass. */
    public Rule oncePerTransfer() {
      return only(exchange -> exchange.uuid().isPresent()).oncePer(Exchange::uuid);
    }

    private Rule only(Predicate<Exchange> choice) {
      chooses = chooses.and(choice);
      return this;
    }

    /** Holds the request back before it reaches the server, and the answer on its way back. */
    public Fault delay(Duration toServer, Duration toClient) {
      return atRequest(
          (connection, trip, fault) -> {
            sleepUntil(System.nanoTime() + toServer.toNanos());
            trip.delayNanos = toClient.toNanos();
            connection.forward(trip);
          });
    }

    /** Cuts the connection; the server never sees the request. */
    public Fault cutBeforeServer() {
      return atRequest((connection, trip, fault) -> connection.cut());
    }

    /** Cuts the connection once the server has done what was asked; its answer is lost. */
    public Fault cutAfterServer() {
      return atAnswer((connection, trip, fault) -> connection.cut());
    }

    /** Cuts the connection at a random byte of the request, before its end reaches the server. */
    public Fault cutInsideRequest(long seed) {
      Random random = new Random(seed);
      return atRequest(
          (connection, trip, fault) -> {
            connection.toServer.write(trip.request, random.nextInt(trip.request.length));
            connection.toServer.finish();
            connection.cut();
          });
    }

    /** Cuts the connection at a random byte of the answer, once the server has done the work. */
    public Fault cutInsideAnswer(long seed) {
      Random random = new Random(seed);
      return atAnswer(
          (connection, trip, fault) -> {
            connection.toClient.write(
                trip.answer.toByteArray(), random.nextInt(trip.answer.size()));
            connection.toClient.finish();
            connection.cut();
          });
    }

    /**
     * Answers with an error; the server never sees the request. A transaction the client is in is
     * really aborted, and rolled back if the request was COMMIT.
     */
    public Fault answerError(String sqlState, String message) {
      return atRequest(
          (connection, trip, fault) -> connection.refuse(trip, error(sqlState, message)));
    }

    /** Answers with an error once the server has done what was asked. */
    public Fault answerErrorAfterServer(String sqlState, String message) {
      return atAnswer(
          (connection, trip, fault) -> connection.answer(trip, error(sqlState, message)));
    }

    /** Never answers on this connection again; the server never sees the request. */
    public Fault freezeBeforeServer() {
      return atRequest((connection, trip, fault) -> connection.frozen = true);
    }

    /** Never answers on this connection again, once the server has done what was asked. */
    public Fault freezeAfterServer() {
      return atAnswer((connection, trip, fault) -> connection.frozen = true);
    }

    private Fault atRequest(Action action) {
      return new Fault(Moment.REQUEST, matches, chooses, action);
    }

    /** The server has done what was asked only where its answer is free of errors. */
    private Fault atAnswer(Action action) {
      return new Fault(Moment.ANSWER, matches, chooses, action);
    }
  }

  private FaultProxy(InetSocketAddress server) {
    this.server = server;
    door = open(0);
  }

  /** Opens a proxy to the server on this port of this machine. */
  public static FaultProxy to(int serverPort) {
    return new FaultProxy(new InetSocketAddress(InetAddress.getLoopbackAddress(), serverPort));
  }

  /** Returns the port to connect to; it stays the same for the proxy's life. */
  public int port() {
    return door.getLocalPort();
  }

  /** Begins a fault for the exchanges with a statement that contains these words. */
  public Rule when(String words) {
    return when(exchange -> exchange.contains(words));
  }

  /** Begins a fault for the exchanges that match, as {@code x -> x.executes("COMMIT")}. */
  public Rule when(Predicate<Exchange> matches) {
    return new Rule(matches);
  }

  /**
   * Cuts each new connection, its start-up included, before a random number of bytes, fewer than
   * {@code limit}, has passed in one direction or the other.
   */
  public Fault cutAtBytes(int limit, long seed) {
    Random random = new Random(seed);
    return new Fault(
        Moment.CONNECT,
        exchange -> true,
        exchange -> true,
        (connection, trip, fault) -> {
          MessageOutput output = random.nextBoolean() ? connection.toServer : connection.toClient;
          output.cutAt(random.nextInt(limit), fault);
        });
  }

  /** Cuts every connection there is now. */
  public void cutAll() {
    connections.forEach(Connection::cut);
  }

  /** Refuses new connections; those there are live on. */
  public void refuseConnections() {
    close(door);
    // The kernel goes on listening for as long as a thread waits at the door.
    await(doorman);
  }

  /** Accepts new connections and never answers them; those there are live on. */
  public void freezeConnections() {
    freezesNewConnections = true;
  }

  /** Accepts and serves new connections again, on the same port. */
  public void acceptConnections() {
    freezesNewConnections = false;
    if (door.isClosed()) {
      door = open(port());
    }
  }

  /** Makes every round trip longer by this, half of it on the way to the server. */
  public FaultProxy latency(Duration roundTrip) {
    oneWayNanos = roundTrip.toNanos() / 2;
    return this;
  }

  /** Counts everything from zero again, and keeps the statements that are sent from now on. */
  public void mark() {
    Stream.of(connectionsOpened, roundTrips, bytesToServer, bytesToClient)
        .forEach(LongAdder::reset);
    statements.clear();
    recordsStatements = true;
  }

  /**
   * Returns how often clients waited for an answer since the mark: the ReadyForQuery messages, a
   * start-up's too, but for those to requests that were sent in one go with the next.
   */
  public long roundTrips() {
    return roundTrips.sum();
  }

  /** Returns the statements that clients sent since the mark, in their order. */
  public List<String> statements() {
    return List.copyOf(statements);
  }

  /** Returns how many connections clients opened since the mark. */
  public long connectionsOpened() {
    return connectionsOpened.sum();
  }

  /** Returns how many bytes were sent to the server since the mark. */
  public long bytesToServer() {
    return bytesToServer.sum();
  }

  /** Returns how many bytes were sent to clients since the mark. */
  public long bytesToClient() {
    return bytesToClient.sum();
  }

  /** Closes the front door and cuts every connection. */
  @Override
  public void close() {
    refuseConnections();
    cutAll();
  }

  private ServerSocket open(int port) {
    try {
      ServerSocket opened = new ServerSocket(port, 1024, InetAddress.getLoopbackAddress());
      doorman = start("fault-proxy-door", () -> welcome(opened));
      return opened;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void welcome(ServerSocket opened) throws IOException {
    while (true) {
      Connection connection = new Connection(opened.accept());
      connections.add(connection);
      connectionsOpened.increment();
      if (opened.isClosed()) {
        connection.cut();
      } else if (!freezesNewConnections) {
        start("fault-proxy-requests", connection::serve);
      }
    }
  }

  /** One client's connection and its counterpart to the server. */
  private final class Connection {
    private final Socket client;
    private final Socket upstream = new Socket();
    private final Map<String, Prepared> prepared = new HashMap<>();
    private final Map<String, String> portals = new HashMap<>();
    private final ByteArrayOutputStream request = new ByteArrayOutputStream();
    private final List<String> executed = new ArrayList<>();
    private final List<String> parameters = new ArrayList<>();
    private String parsed;
    private final Queue<Trip> trips = new ConcurrentLinkedQueue<>();
    private MessageInput fromClient;
    private MessageInput fromServer;
    private MessageOutput toClient;
    private MessageOutput toServer;
    private volatile boolean frozen;
    private volatile boolean inTransaction;

    private Connection(Socket client) {
      this.client = client;
    }

    private void serve() throws IOException {
      try {
        connect();
        if (startUp()) {
          start("fault-proxy-answers", () -> untilCut(this::answers));
          requests();
        } else {
          start("fault-proxy-answers", () -> untilCut(() -> pass(fromServer, toClient)));
          pass(fromClient, toServer);
        }
      } finally {
        cut();
      }
    }

    private void untilCut(Task task) throws IOException {
      try {
        task.run();
      } finally {
        if (!frozen) {
          cut();
        }
      }
    }

    private void connect() throws IOException {
      upstream.connect(server);
      client.setTcpNoDelay(true);
      upstream.setTcpNoDelay(true);
      fromClient = new MessageInput(client.getInputStream());
      fromServer = new MessageInput(upstream.getInputStream());
      toClient = new MessageOutput(this, client.getOutputStream(), bytesToClient);
      toServer = new MessageOutput(this, upstream.getOutputStream(), bytesToServer);
      act(Moment.CONNECT, new Trip(new byte[0], new Exchange(List.of(), List.of())));
    }

    /** Passes the start-up packets on; returns false if the connection turns to encryption. */
    private boolean startUp() throws IOException {
      while (true) {
        byte[] packet = fromClient.startUpPacket();
        toServer.send(packet);
        int code = ByteBuffer.wrap(packet).getInt(4);
        if (code != TLS_REQUEST && code != GSS_ENCRYPTION_REQUEST) {
          return true;
        }
        byte[] answer = fromServer.exactly(1);
        toClient.send(answer);
        if (answer[0] == 'S' || answer[0] == 'G') {
          return false;
        }
      }
    }

    private void pass(MessageInput from, MessageOutput to) throws IOException {
      byte[] bytes = new byte[8192];
      for (int length; (length = from.read(bytes)) >= 0; ) {
        to.write(bytes, length);
        to.flush();
      }
      to.finish();
    }

    private void requests() throws IOException {
      for (byte[] message; (message = fromClient.message()) != null; ) {
        request.writeBytes(message);
        note(message[0], ByteBuffer.wrap(message, 5, message.length - 5));
        switch (message[0]) {
          case 'Q', 'S', 'F' -> request(completed());
          // COPY's data, Flush, a password and Terminate: the request does not end here.
          case 'd', 'c', 'f', 'H', 'p', 'X' -> pass();
          default -> {}
        }
      }
    }

    private void note(byte type, ByteBuffer body) {
      switch (type) {
        case 'P' -> parsed = parse(body);
        case 'B' -> bind(body);
        case 'E' -> executed.add(portals.getOrDefault(text(body), ""));
        case 'C' -> forget(body);
        case 'Q' -> executed.add(text(body));
        default -> {}
      }
    }

    private Trip completed() {
      if (executed.isEmpty() && parsed != null) {
        executed.add(parsed);
      }
      Exchange exchange = new Exchange(List.copyOf(executed), List.copyOf(parameters));
      Trip trip = new Trip(request.toByteArray(), exchange);
      trip.awaited = fromClient.drained();
      request.reset();
      executed.clear();
      parameters.clear();
      parsed = null;
      return trip;
    }

    private String parse(ByteBuffer body) {
      String name = text(body);
      String statement = text(body);
      int[] types = new int[body.getShort()];
      for (int i = 0; i < types.length; i++) {
        types[i] = body.getInt();
      }
      prepared.put(name, new Prepared(statement, types));
      return statement;
    }

    private void bind(ByteBuffer body) {
      String portal = text(body);
      Prepared statement = prepared.getOrDefault(text(body), new Prepared("", new int[0]));
      portals.put(portal, statement.text());
      if (!faults.isEmpty()) {
        parameters.addAll(statement.parameters(body));
      }
    }

    private void forget(ByteBuffer body) {
      boolean statement = body.get() == 'S';
      (statement ? prepared : portals).remove(text(body));
    }

    private void pass() throws IOException {
      if (!frozen) {
        toServer.write(request.toByteArray(), request.size());
        if (fromClient.drained()) {
          toServer.flush();
        }
      }
      request.reset();
    }

    private void request(Trip trip) throws IOException {
      if (frozen || client.isClosed()) {
        return;
      }
      if (recordsStatements) {
        statements.addAll(trip.exchange.statements());
      }
      if (!act(Moment.REQUEST, trip)) {
        forward(trip);
      }
    }

    private boolean act(Moment now, Trip trip) throws IOException {
      for (Fault fault : faults) {
        if (fault.acts(now, trip.exchange)) {
          if (now != Moment.CONNECT) {
            fault.injected.incrementAndGet();
          }
          fault.action.act(this, trip, fault);
          return true;
        }
      }
      return false;
    }

    private void forward(Trip trip) throws IOException {
      for (Fault fault : faults) {
        if (fault.moment == Moment.ANSWER && fault.matches.test(trip.exchange)) {
          trip.held = true;
        }
      }
      send(trip, trip.request);
    }

    /** Sends the server something harmless instead, whose answer gives the error its turn. */
    private void refuse(Trip trip, byte[] error) throws IOException {
      trip.error = error;
      trip.held = true;
      awaitAnswers();
      if (trip.exchange.executes("COMMIT")) {
        send(trip, query("ROLLBACK"));
      } else if (inTransaction) {
        send(trip, query("SELECT 1/0"));
      } else {
        send(trip, message('S'));
      }
    }

    /** Only once a BEGIN sent along has been answered is it known to be a transaction. */
    private void awaitAnswers() {
      while (!trips.isEmpty() && !client.isClosed()) {
        LockSupport.parkNanos(10_000);
      }
    }

    private void send(Trip trip, byte[] request) throws IOException {
      trips.add(trip);
      toServer.send(request);
    }

    private void answers() throws IOException {
      for (byte[] message; (message = fromServer.message()) != null; ) {
        // None while the connection starts up, or when the server speaks unasked.
        Trip trip = trips.peek();
        if (message[0] == 'Z') {
          inTransaction = message[5] == 'T';
          trips.poll();
          if (trip == null || trip.awaited) {
            roundTrips.increment();
          }
        }
        if (frozen) {
          continue;
        }
        if (trip == null || !trip.held) {
          show(trip, message);
        } else {
          hold(trip, message);
        }
      }
      Trip unfinished = trips.peek();
      if (!frozen && unfinished != null && unfinished.error == null) {
        toClient.send(unfinished.answer.toByteArray());
      }
      toClient.finish();
    }

    private void show(Trip trip, byte[] message) throws IOException {
      if (trip != null && trip.delayNanos > 0) {
        sleepUntil(System.nanoTime() + trip.delayNanos);
        trip.delayNanos = 0;
      }
      toClient.write(message, message.length);
      if (fromServer.drained()) {
        toClient.flush();
      }
    }

    private void hold(Trip trip, byte[] message) throws IOException {
      trip.answer.writeBytes(message);
      trip.failed |= message[0] == 'E';
      boolean copyBegins = message[0] == 'G';
      if (message[0] == 'Z') {
        trip.ready = message;
        settle(trip);
      } else if (copyBegins) {
        toClient.send(trip.answer.toByteArray());
        trip.answer.reset();
      }
    }

    private void settle(Trip trip) throws IOException {
      if (trip.error != null) {
        answer(trip, trip.error);
      } else if (trip.failed || !act(Moment.ANSWER, trip)) {
        show(trip, trip.answer.toByteArray());
      }
    }

    private void answer(Trip trip, byte[] error) throws IOException {
      toClient.write(error, error.length);
      toClient.send(trip.ready);
    }

    private void cut() {
      connections.remove(this);
      FaultProxy.close(client);
      FaultProxy.close(upstream);
      if (toClient != null && toServer != null) {
        toClient.stop();
        toServer.stop();
      }
    }
  }

  /** A statement as a client had it parsed, and the types it gave for its parameters. */
  private record Prepared(String text, int[] types) {

    private static final int UUID_TYPE = 2950;

    private List<String> parameters(ByteBuffer bind) {
      short[] formats = new short[bind.getShort()];
      for (int i = 0; i < formats.length; i++) {
        formats[i] = bind.getShort();
      }
      List<String> values = new ArrayList<>();
      int count = bind.getShort();
      for (int i = 0; i < count; i++) {
        int length = bind.getInt();
        int format = formats.length == 0 ? 0 : formats[formats.length == 1 ? 0 : i];
        byte[] value = new byte[Math.max(0, length)];
        bind.get(value);
        if (length < 0) {
          values.add("NULL");
        } else if (format == 0) {
          values.add(new String(value, StandardCharsets.UTF_8));
        } else {
          values.add(readable(value, i < types.length ? types[i] : 0));
        }
      }
      return values;
    }

    private static String readable(byte[] value, int type) {
      ByteBuffer bytes = ByteBuffer.wrap(value);
      // pgjdbc leaves a type open that it has learnt from the server.
      return switch (type == 0 && value.length == 16 ? UUID_TYPE : type) {
        case 20 -> String.valueOf(bytes.getLong());
        case 23 -> String.valueOf(bytes.getInt());
        case 21 -> String.valueOf(bytes.getShort());
        case UUID_TYPE -> new UUID(bytes.getLong(), bytes.getLong()).toString();
        default -> HexFormat.of().formatHex(value);
      };
    }
  }

  /** A request on its way, and what is to become of its answer. */
  private static final class Trip {
    private final byte[] request;
    private final Exchange exchange;
    private final ByteArrayOutputStream answer = new ByteArrayOutputStream(0);
    private boolean awaited;
    private boolean held;
    private boolean failed;
    private byte[] ready;
    private byte[] error;
    private long delayNanos;

    private Trip(byte[] request, Exchange exchange) {
      this.request = request;
      this.exchange = exchange;
    }
  }

  /** Splits what arrives into messages: a type, a length that counts itself, a body. */
  private static final class MessageInput extends BufferedInputStream {

    private MessageInput(InputStream input) {
      super(input, FLUSH_AT_BYTES);
    }

    private boolean drained() {
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

  /** A way out of the proxy, buffered and counted, and late if the proxy has a latency. */
  private final class MessageOutput {
    private final Connection connection;
    private final OutputStream socket;
    private final LongAdder bytes;
    private final ByteArrayOutputStream waiting = new ByteArrayOutputStream();
    private final BlockingQueue<Late> line = new LinkedBlockingQueue<>();
    private Thread postman;
    private long bytesUntilCut = Long.MAX_VALUE;
    private Fault cut;

    private MessageOutput(Connection connection, OutputStream socket, LongAdder bytes) {
      this.connection = connection;
      this.socket = socket;
      this.bytes = bytes;
    }

    private void cutAt(int position, Fault fault) {
      bytesUntilCut = position;
      cut = fault;
    }

    private void send(byte[] message) throws IOException {
      write(message, message.length);
      flush();
    }

    private void write(byte[] message, int length) throws IOException {
      int allowed = (int) Math.min(length, bytesUntilCut);
      waiting.write(message, 0, allowed);
      bytes.add(allowed);
      if (cut != null) {
        bytesUntilCut -= allowed;
        if (allowed < length) {
          finish();
          cut.injected.incrementAndGet();
          connection.cut();
          throw new EOFException("cut");
        }
      }
      if (waiting.size() >= FLUSH_AT_BYTES) {
        flush();
      }
    }

    private void flush() throws IOException {
      // Whoever has been late once stays in line, or he would overtake himself.
      if (oneWayNanos == 0 && postman == null) {
        waiting.writeTo(socket);
      } else if (waiting.size() > 0) {
        post(new Late(System.nanoTime() + oneWayNanos, waiting.toByteArray()));
      }
      waiting.reset();
    }

    /** Returns when everything written is out. */
    private void finish() throws IOException {
      flush();
      if (postman != null) {
        post(new Late(System.nanoTime(), new byte[0]));
        await(postman);
      }
    }

    private synchronized void stop() {
      if (postman != null) {
        postman.interrupt();
      }
    }

    private synchronized void post(Late late) {
      if (postman == null) {
        postman = start("fault-proxy-latency", this::deliver);
      }
      line.add(late);
    }

    private void deliver() throws IOException {
      try {
        for (Late late; (late = line.take()).bytes().length > 0; ) {
          sleepUntil(late.due());
          socket.write(late.bytes());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Bytes that may not leave before their time; none at all are the last. */
  private record Late(long due, byte[] bytes) {}

  private interface Task {
    void run() throws IOException;
  }

  private static Thread start(String name, Task task) {
    Thread thread =
        new Thread(
            () -> {
              try {
                task.run();
              } catch (IOException e) {
                // The client or the server is gone, or this proxy has cut them off.
              }
            },
            name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void await(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void sleepUntil(long due) {
    for (long left; (left = due - System.nanoTime()) > 0; ) {
      LockSupport.parkNanos(left);
    }
  }

  private static void close(Closeable socket) {
    try {
      socket.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
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

  private static byte[] query(String statement) {
    return message('Q', statement);
  }

  private static byte[] message(char type, String... texts) {
    byte[] body =
        Stream.of(texts)
            .map(text -> text + "\0")
            .reduce("", String::concat)
            .getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(5 + body.length)
        .put((byte) type)
        .putInt(4 + body.length)
        .put(body)
        .array();
  }
}
