//SOURCES FakeServer.java
//SOURCES ProxiedConnection.java

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Predicate;

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
 * be refused, frozen and cut, but its statements cannot be told apart. COPY does not pass.
 */
final class FaultProxy implements AutoCloseable {

  private final int serverPort;
  private final List<Fault> faults = new CopyOnWriteArrayList<>();
  private final Set<ProxiedConnection> connections = ConcurrentHashMap.newKeySet();
  private final LongAdder connectionsOpened = new LongAdder();
  private final LongAdder roundTrips = new LongAdder();
  private final Queue<String> statements = new ConcurrentLinkedQueue<>();
  private volatile boolean recordsStatements;
  private volatile boolean freezesNewConnections;
  private volatile Duration oneWay = Duration.ZERO;
  private volatile Duration connectionDelay = Duration.ZERO;
  private volatile ServerSocket listener;
  private volatile Thread acceptor;

  /**
   * What a client asked in one go: the statements it executed, as the wire carried them, and the
   * first UUID among their parameters or in their text, which is a transfer's ID.
   */
  record Exchange(List<String> statements, Optional<UUID> uuid) {

    /** Says whether one of the statements contains these words, whatever the case and blanks. */
    boolean contains(String words) {
      return statements.stream().anyMatch(statement -> normal(statement).contains(normal(words)));
    }

    /** Says whether one of the statements is this one, whatever the case and blanks. */
    boolean executes(String statement) {
      return statements.stream().anyMatch(executed -> normal(executed).equals(normal(statement)));
    }

    private static String normal(String statement) {
      return statement.strip().replaceAll("\\s+", " ").toUpperCase(Locale.ROOT);
    }
  }

  /** When a fault may act: as a connection opens, on a whole request, or on a whole answer. */
  enum Moment {
    CONNECT,
    REQUEST,
    ANSWER
  }

  private interface Action {
    void act(ProxiedConnection connection, ProxiedConnection.Trip trip, Fault fault)
        throws IOException;
  }

  /** A fault in force, until the proxy is closed. */
  final class Fault {
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
    int injected() {
      return injected.get();
    }
  }

  /**
   * Chooses among the matching exchanges, then names what is done to them. Choices narrow down in
   * the order in which they are written; without any, every match is chosen.
   */
  final class Rule {
    private final Predicate<Exchange> matches;
    private Predicate<Exchange> chooses = exchange -> true;

    private Rule(Predicate<Exchange> matches) {
      this.matches = matches;
    }

    /** Chooses the n-th, the 2n-th, the 3n-th match and so on. */
    Rule everyNth(int n) {
      AtomicInteger seen = new AtomicInteger();
      return only(exchange -> seen.incrementAndGet() % n == 0);
    }

    /** Chooses the first n matches. */
    Rule first(int n) {
      AtomicInteger seen = new AtomicInteger();
      return only(exchange -> seen.getAndIncrement() < n);
    }

    /** Chooses each match with this probability. */
    Rule withProbability(double probability, long seed) {
      Random random = new Random(seed);
      return only(exchange -> random.nextDouble() < probability);
    }

    /** Chooses the first match of each UUID; matches without a UUID pass. */
    Rule oncePerTransfer() {
      Set<UUID> seen = ConcurrentHashMap.newKeySet();
      return only(exchange -> exchange.uuid().filter(seen::add).isPresent());
    }

    private Rule only(Predicate<Exchange> choice) {
      chooses = chooses.and(choice);
      return this;
    }

    /** Holds the request back before it reaches the server, and the answer on its way back. */
    Fault delay(Duration toServer, Duration toClient) {
      return atRequest(
          (connection, trip, fault) -> {
            ProxiedConnection.pause(toServer);
            trip.delay(toClient);
            connection.forward(trip);
          });
    }

    /** Cuts the connection; the server never sees the request. */
    Fault cutBeforeServer() {
      return atRequest((connection, trip, fault) -> connection.cut());
    }

    /** Cuts the connection once the server has done what was asked; its answer is lost. */
    Fault cutAfterServer() {
      return atAnswer((connection, trip, fault) -> connection.cut());
    }

    /** Cuts the connection at a random byte of the request, before its end reaches the server. */
    Fault cutInsideRequest(long seed) {
      Random random = new Random(seed);
      return atRequest((connection, trip, fault) -> connection.cutInsideRequest(trip, random));
    }

    /** Cuts the connection at a random byte of the answer, once the server has done the work. */
    Fault cutInsideAnswer(long seed) {
      Random random = new Random(seed);
      return atAnswer((connection, trip, fault) -> connection.cutInsideAnswer(trip, random));
    }

    /**
     * Answers with an error of any SQLSTATE; the server never sees the request. A transaction the
     * client is in is really aborted, and rolled back if the request was COMMIT.
     */
    Fault answerError(String sqlState, String message) {
      return atRequest((connection, trip, fault) -> connection.refuse(trip, sqlState, message));
    }

    /** Answers with an error once the server has done what was asked. */
    Fault answerErrorAfterServer(String sqlState, String message) {
      return atAnswer((connection, trip, fault) -> connection.answerError(trip, sqlState, message));
    }

    /** Never answers on this connection again; the server never sees the request. */
    Fault freezeBeforeServer() {
      return atRequest((connection, trip, fault) -> connection.freeze());
    }

    /** Never answers on this connection again, once the server has done what was asked. */
    Fault freezeAfterServer() {
      return atAnswer((connection, trip, fault) -> connection.freeze());
    }

    private Fault atRequest(Action action) {
      return new Fault(Moment.REQUEST, matches, chooses, action);
    }

    /** The server has done what was asked only where its answer is free of errors. */
    private Fault atAnswer(Action action) {
      return new Fault(Moment.ANSWER, matches, chooses, action);
    }
  }

  private FaultProxy(int serverPort) {
    this.serverPort = serverPort;
    listener = open(0);
  }

  /** Opens a proxy to the server on this port of this machine. */
  static FaultProxy to(int serverPort) {
    return new FaultProxy(serverPort);
  }

  /** Returns the port to connect to; it stays the same for the proxy's life. */
  int port() {
    return listener.getLocalPort();
  }

  /** Begins a fault for the exchanges with a statement that contains these words. */
  Rule when(String words) {
    return when(exchange -> exchange.contains(words));
  }

  /** Begins a fault for the exchanges that match, as {@code x -> x.executes("COMMIT")}. */
  Rule when(Predicate<Exchange> matches) {
    return new Rule(matches);
  }

  /**
   * Cuts each new connection, its start-up included, before a random number of bytes, fewer than
   * {@code limit}, has passed in one direction or the other.
   */
  Fault cutAtBytes(int limit, long seed) {
    Random random = new Random(seed);
    return new Fault(
        Moment.CONNECT,
        exchange -> true,
        exchange -> true,
        (connection, trip, fault) ->
            connection.cutAt(
                random.nextBoolean(), random.nextInt(limit), fault.injected::incrementAndGet));
  }

  /** Cuts every connection there is now. */
  void cutAll() {
    connections.forEach(ProxiedConnection::cut);
  }

  /** Refuses new connections; those there are live on. */
  void refuseConnections() {
    try {
      listener.close();
      // The kernel goes on listening for as long as a thread waits at the listener.
      acceptor.join();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Accepts new connections and never answers them; those there are live on. */
  void freezeConnections() {
    freezesNewConnections = true;
  }

  /** Accepts new connections and serves each of them after this delay. */
  void delayConnections(Duration delay) {
    connectionDelay = delay;
  }

  /** Returns how many connections of clients are open now. */
  int openConnections() {
    return connections.size();
  }

  /** Accepts and serves new connections again, on the same port. */
  void acceptConnections() {
    freezesNewConnections = false;
    if (listener.isClosed()) {
      listener = open(port());
    }
  }

  /** Makes every round trip longer by this, half of it on the way to the server. */
  FaultProxy latency(Duration roundTrip) {
    oneWay = roundTrip.dividedBy(2);
    return this;
  }

  /** Counts everything from zero again, and keeps the statements that are sent from now on. */
  void mark() {
    connectionsOpened.reset();
    roundTrips.reset();
    statements.clear();
    recordsStatements = true;
  }

  /**
   * Returns how often clients waited for an answer since the mark: the ReadyForQuery messages, a
   * start-up's too, but for those to requests that were sent in one go with the next.
   */
  long roundTrips() {
    return roundTrips.sum();
  }

  /** Returns the statements that clients sent since the mark, in their order. */
  List<String> statements() {
    return List.copyOf(statements);
  }

  /** Returns how many connections clients opened since the mark. */
  long connectionsOpened() {
    return connectionsOpened.sum();
  }

  /** Closes the listener and cuts every connection. */
  @Override
  public void close() {
    refuseConnections();
    cutAll();
  }

  // ---- What a connection asks ----

  /** Lets the first fault that chooses this exchange act on it; says whether there was one. */
  boolean act(Moment now, ProxiedConnection connection, ProxiedConnection.Trip trip)
      throws IOException {
    for (Fault fault : faults) {
      if (fault.moment == now
          && fault.matches.test(trip.exchange())
          && fault.chooses.test(trip.exchange())) {
        if (now != Moment.CONNECT) {
          fault.injected.incrementAndGet();
        }
        fault.action.act(connection, trip, fault);
        return true;
      }
    }
    return false;
  }

  /** Says whether the answer must be held back until it is whole, for a fault may act on it. */
  boolean mayActOnAnswer(Exchange exchange) {
    return faults.stream()
        .anyMatch(fault -> fault.moment == Moment.ANSWER && fault.matches.test(exchange));
  }

  Duration oneWay() {
    return oneWay;
  }

  void countRoundTrip() {
    roundTrips.increment();
  }

  void record(Exchange exchange) {
    if (recordsStatements) {
      statements.addAll(exchange.statements());
    }
  }

  void forget(ProxiedConnection connection) {
    connections.remove(connection);
  }

  private ServerSocket open(int port) {
    try {
      ServerSocket opened = new ServerSocket(port, 1024, InetAddress.getLoopbackAddress());
      acceptor = FakeServer.inBackground(() -> accept(opened));
      return opened;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void accept(ServerSocket opened) throws IOException {
    while (true) {
      ProxiedConnection connection = new ProxiedConnection(this, opened.accept());
      connections.add(connection);
      connectionsOpened.increment();
      if (opened.isClosed()) {
        connection.cut();
      } else if (!freezesNewConnections) {
        FakeServer.inBackground(
            () -> {
              ProxiedConnection.pause(connectionDelay);
              connection.serve(serverPort);
            });
      }
    }
  }
}
