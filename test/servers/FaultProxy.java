//SOURCES FakeServer.java
//SOURCES ProxiedConnection.java

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntPredicate;

/**
 * A TCP proxy between a PostgreSQL client and its server, without TLS, that reads along and makes
 * chosen statements go wrong.
 *
 * <pre>{@code
 * try (FaultProxy proxy = FaultProxy.to(server.port())) {
 *   var cuts = proxy.when("INSERT INTO transfers").everyNth(2).cutAfterServer();
 *   ... // work through proxy.port()
 *   assertEquals(100, cuts.injected());
 * }
 * }</pre>
 *
 * <p>It acts on exchanges: the statements that a client sends in one go, up to a Sync or a simple
 * Query, and the server's answer up to ReadyForQuery. Faults are tried in the order in which they
 * were made, and the first that chooses an exchange acts on it alone. COPY does not pass.
 */
final class FaultProxy implements AutoCloseable {

  private final int serverPort;
  private final FakeServer listener;
  private final List<Fault> faults = new CopyOnWriteArrayList<>();
  private final Set<ProxiedConnection> connections = ConcurrentHashMap.newKeySet();
  private final LongAdder connectionsOpened = new LongAdder();
  private final LongAdder roundTrips = new LongAdder();
  private final Queue<String> statements = new ConcurrentLinkedQueue<>();
  private volatile boolean recordsStatements;
  private volatile boolean freezesConnections;
  private volatile Duration latency = Duration.ZERO;

  /** What a fault does to a connection. */
  interface Action {
    void act(ProxiedConnection connection) throws IOException;
  }

  /**
   * Chooses among the matching exchanges, all if nothing else is said, until the proxy is closed. A
   * fault that comes after the server spares an exchange that the server answers with an error.
   */
  final class Fault {
    private final String words;
    private final AtomicInteger matches = new AtomicInteger();
    private final AtomicInteger injected = new AtomicInteger();
    private IntPredicate chooses = match -> true;
    private Action action;

    private Fault(String words) {
      this.words = words;
    }

    /** Chooses the n-th, the 2n-th, the 3n-th match and so on. */
    Fault everyNth(int n) {
      chooses = match -> match % n == 0;
      return this;
    }

    /** Chooses the first n matches. */
    Fault first(int n) {
      chooses = match -> match <= n;
      return this;
    }

    /** Holds the request back before it reaches the server. */
    Fault delay(Duration delay) {
      return beforeServer(
          connection -> {
            ProxiedConnection.pause(delay);
            connection.forward(null);
          });
    }

    /** Cuts the connection; the server never sees the request. */
    Fault cutBeforeServer() {
      return beforeServer(ProxiedConnection::cut);
    }

    /** Cuts the connection once the server has done what was asked; its answer is lost. */
    Fault cutAfterServer() {
      return afterServer(ProxiedConnection::cut);
    }

    /**
     * Answers with an error of any SQLSTATE; the server never sees the request. A transaction the
     * client is in is really aborted, and rolled back if the request was COMMIT.
     */
    Fault answerError(String sqlState, String message) {
      return beforeServer(connection -> connection.refuse(sqlState, message));
    }

    /** Answers with an error once the server has done what was asked. */
    Fault answerErrorAfterServer(String sqlState, String message) {
      return afterServer(connection -> connection.answerError(sqlState, message));
    }

    /** Never answers on this connection again, once the server has done what was asked. */
    Fault freezeAfterServer() {
      return afterServer(ProxiedConnection::freeze);
    }

    private Fault beforeServer(Action act) {
      return with(counting(act));
    }

    private Fault afterServer(Action act) {
      return with(connection -> connection.forward(counting(act)));
    }

    private Action counting(Action act) {
      return connection -> {
        injected.incrementAndGet();
        act.act(connection);
      };
    }

    private Fault with(Action action) {
      this.action = action;
      faults.add(this);
      return this;
    }

    private boolean chooses(List<String> statements) {
      return statements.stream().anyMatch(statement -> statement.contains(words))
          && chooses.test(matches.incrementAndGet());
    }

    /** Returns how often it has acted so far. */
    int injected() {
      return injected.get();
    }
  }

  private FaultProxy(int serverPort) throws IOException {
    this.serverPort = serverPort;
    this.listener = FakeServer.open(this::serve);
  }

  /** Opens a proxy to the server on this port of this machine. */
  static FaultProxy to(int serverPort) {
    try {
      return new FaultProxy(serverPort);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the port to connect to. */
  int port() {
    return listener.port();
  }

  /** Begins a fault for the exchanges with a statement that contains these words. */
  Fault when(String words) {
    return new Fault(words);
  }

  /** Cuts every connection there is now. */
  void cutAll() {
    connections.forEach(ProxiedConnection::cut);
  }

  /** Refuses new connections; those there are live on. */
  void refuseConnections() {
    listener.close();
  }

  /** Accepts new connections and never answers them; those there are live on. */
  void freezeConnections() {
    freezesConnections = true;
  }

  /** Makes every round trip longer by this. */
  FaultProxy latency(Duration roundTrip) {
    latency = roundTrip;
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

  /** Returns how many connections of clients are open now. */
  int openConnections() {
    return connections.size();
  }

  /** Closes the listener and cuts every connection. */
  @Override
  public void close() {
    refuseConnections();
    cutAll();
  }

  private void serve(Socket client) throws IOException {
    ProxiedConnection connection = new ProxiedConnection(this, client);
    connections.add(connection);
    connectionsOpened.increment();
    if (listener.isClosed()) {
      connection.cut();
    } else if (!freezesConnections) {
      connection.serve(serverPort);
    }
  }

  // ---- What a connection asks ----

  /** Notes what a client asks for, and says what becomes of it. */
  Action actionOn(List<String> asked) {
    if (recordsStatements) {
      statements.addAll(asked);
    }
    return faults.stream()
        .filter(fault -> fault.chooses(asked))
        .findFirst()
        .map(fault -> fault.action)
        .orElse(connection -> connection.forward(null));
  }

  Duration latency() {
    return latency;
  }

  void countRoundTrip() {
    roundTrips.increment();
  }

  void forget(ProxiedConnection connection) {
    connections.remove(connection);
  }
}
