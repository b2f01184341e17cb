import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.io.StringWriter;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/** Whether the proxy does to a client what it says, asking the server what became of it. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FaultProxyTest extends OneServer {

  private static final String INSERT =
      "INSERT INTO transfers (id, amount) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";
  private static final String INSERT_SENT =
      "INSERT INTO transfers (id, amount) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

  private FaultProxy proxy;

  @BeforeEach
  void openProxy() {
    proxy = FaultProxy.to(server.port());
    server
        .asSuperuser()
        .useHandle(
            handle -> {
              handle.execute("DROP TABLE IF EXISTS transfers");
              handle.execute("CREATE TABLE transfers (id UUID PRIMARY KEY, amount INT8)");
              handle.execute("GRANT ALL ON transfers TO maxroach");
            });
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void anUpdateInAutocommitIsOneRoundTrip() throws SQLException {
    try (Connection connection = connect()) {
      proxy.mark();
      for (int i = 0; i < 20; i++) {
        insert(connection, UUID.randomUUID());
      }
    }
    assertEquals(20, proxy.roundTrips());
    assertEquals(Collections.nCopies(20, INSERT_SENT), proxy.statements());
    assertEquals(20, rows());
  }

  @Test
  void beginRidesAlongAndCommitGoesAlone() throws SQLException {
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      proxy.mark();
      insert(connection, UUID.randomUUID());
      insert(connection, UUID.randomUUID());
      connection.commit();
    }
    assertEquals(3, proxy.roundTrips());
    assertEquals(List.of("BEGIN", INSERT_SENT, INSERT_SENT, "COMMIT"), proxy.statements());
  }

  @Test
  void simpleQueriesAreRead() throws SQLException {
    try (Connection connection = connect("preferQueryMode=simple")) {
      FaultProxy.Fault cuts = proxy.when("into TRANSFERS").oncePerTransfer().cutAfterServer();
      proxy.mark();
      UUID id = UUID.randomUUID();
      assertLost(() -> insert(connection, id));
      assertEquals(1, cuts.injected());
      assertTrue(proxy.statements().get(0).contains(id.toString()));
      assertEquals(1, rows());
    }
  }

  @Test
  void connectionsAndBytesAreCounted() throws SQLException {
    proxy.mark();
    for (int i = 0; i < 3; i++) {
      try (Connection connection = connect()) {
        execute(connection, "SELECT repeat('x', 10000)");
        execute(connection, "SELECT '" + "y".repeat(100) + "'");
      }
    }
    assertEquals(3, proxy.connectionsOpened());
    assertTrue(proxy.bytesToServer() > 300 && proxy.bytesToServer() < 30_000);
    assertTrue(proxy.bytesToClient() > 30_000 && proxy.bytesToClient() < 60_000);
    proxy.mark();
    assertEquals(0, proxy.connectionsOpened());
    assertEquals(0, proxy.roundTrips());
    assertEquals(0, proxy.bytesToServer());
    assertEquals(0, proxy.bytesToClient());
    assertEquals(List.of(), proxy.statements());
  }

  @Test
  void cutBeforeServerLeavesNothingDone() throws Exception {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutBeforeServer();
    try (Connection connection = connect()) {
      execute(connection, "SELECT 1");
      assertLost(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, cuts.injected());
    awaitQuietServer();
    assertEquals(0, rows());
  }

  @Test
  void cutAfterServerLeavesTheWorkDone() throws SQLException {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutAfterServer();
    try (Connection connection = connect()) {
      assertLost(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, cuts.injected());
    assertEquals(1, rows());
  }

  @Test
  void cutAfterServerOnCommitLosesTheAnswerButNotTheTransaction() throws SQLException {
    FaultProxy.Fault cuts = proxy.when(exchange -> exchange.executes("commit")).cutAfterServer();
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      insert(connection, UUID.randomUUID());
      assertLost(connection::commit);
    }
    assertEquals(1, cuts.injected());
    assertEquals(1, rows());
  }

  @Test
  void cutAfterServerLetsTheServersErrorsPass() throws SQLException {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutAfterServer();
    try (Connection connection = connect()) {
      assertState("22012", () -> execute(connection, "INSERT INTO transfers SELECT NULL, 1/0"));
      assertEquals(0, cuts.injected());
      assertLost(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, cuts.injected());
  }

  @Test
  void eachTransferIsCutOnceWhoeverMakesIt() throws Exception {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").oncePerTransfer().cutAfterServer();
    AtomicInteger lost = new AtomicInteger();
    List<Future<?>> workers = new ArrayList<>();
    for (int worker = 0; worker < 4; worker++) {
      workers.add(inBackground(() -> insertOftenEach(randomIds(25), lost)));
    }
    for (Future<?> worker : workers) {
      worker.get();
    }
    assertEquals(100, lost.get());
    assertEquals(100, cuts.injected());
    assertEquals(100, rows());
  }

  /** Often enough for pgjdbc to turn from the unnamed statement to a named one. */
  private void insertOftenEach(List<UUID> ids, AtomicInteger lost) throws SQLException {
    Connection connection = connect();
    for (UUID id : ids) {
      for (int attempt = 1; attempt <= 12; attempt++) {
        try {
          insert(connection, id);
        } catch (SQLException e) {
          lost.incrementAndGet();
          connection = connect();
        }
      }
    }
    connection.close();
  }

  @Test
  void parametersAreReadInTextAndInBinary() throws SQLException {
    List<List<String>> seen = Collections.synchronizedList(new ArrayList<>());
    UUID id = UUID.randomUUID();
    proxy
        .when(exchange -> exchange.contains("::uuid") && !seen.add(exchange.parameters()))
        .cutBeforeServer();
    try (Connection connection = connect();
        PreparedStatement select =
            connection.prepareStatement("SELECT ?::uuid, ?::int8, ?::int4, ?::text")) {
      for (int i = 0; i < 10; i++) {
        select.setObject(1, i % 2 == 0 ? id : id.toString(), Types.OTHER);
        select.setLong(2, 1L << 40);
        select.setInt(3, -i);
        select.setString(4, i == 0 ? null : "ü");
        select.execute();
      }
    }
    assertEquals(
        IntStream.range(0, 10)
            .mapToObj(
                i ->
                    List.of(
                        id.toString(),
                        String.valueOf(1L << 40),
                        String.valueOf(-i),
                        i == 0 ? "NULL" : "ü"))
            .toList(),
        seen);
  }

  @Test
  void anErrorInAutocommitLeavesNothingDoneAndTheConnectionUsable() throws SQLException {
    FaultProxy.Fault errors =
        proxy.when("INSERT INTO transfers").first(2).answerError("40001", "restart transaction");
    try (Connection connection = connect()) {
      SQLException e = assertState("40001", () -> insert(connection, UUID.randomUUID()));
      assertTrue(e.getMessage().contains("restart transaction"));
      assertState("40001", () -> insert(connection, UUID.randomUUID()));
      assertEquals(0, rows());
      insert(connection, UUID.randomUUID());
    }
    assertEquals(2, errors.injected());
    assertEquals(1, rows());
  }

  @Test
  void anErrorReachesAStatementTheServerHasPrepared() throws SQLException {
    FaultProxy.Fault errors =
        proxy.when("INSERT INTO transfers").everyNth(3).answerError("40001", "restart");
    int failed = 0;
    try (Connection connection = connect();
        PreparedStatement insert = connection.prepareStatement(INSERT)) {
      for (int i = 0; i < 60; i++) {
        try {
          insert.setObject(1, UUID.randomUUID());
          insert.setLong(2, i);
          insert.execute();
        } catch (SQLException e) {
          assertEquals("40001", e.getSQLState());
          failed++;
        }
      }
    }
    assertEquals(20, failed);
    assertEquals(20, errors.injected());
    assertEquals(40, rows());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void anErrorAbortsTheTransactionAsTheServersOwnWould(int failing) throws SQLException {
    proxy.when("INSERT INTO transfers").everyNth(failing).first(1).answerError("40001", "restart");
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      for (int i = 1; i < failing; i++) {
        insert(connection, UUID.randomUUID());
      }
      assertState("40001", () -> insert(connection, UUID.randomUUID()));
      assertState("25P02", () -> insert(connection, UUID.randomUUID()));
      connection.rollback();
      insert(connection, UUID.randomUUID());
      connection.commit();
    }
    assertEquals(1, rows());
  }

  @Test
  void anErrorOnCommitRollsBack() throws SQLException {
    proxy
        .when(exchange -> exchange.executes("COMMIT"))
        .first(1)
        .answerError("40001", "restart transaction");
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      insert(connection, UUID.randomUUID());
      assertState("40001", connection::commit);
      proxy.mark();
      connection.rollback();
      assertEquals(List.of(), proxy.statements(), "the transaction is over for the client too");
      assertEquals(0, rows());
      insert(connection, UUID.randomUUID());
      connection.commit();
    }
    assertEquals(1, rows());
  }

  @Test
  void anErrorAfterServerHidesThatTheWorkIsDone() throws SQLException {
    FaultProxy.Fault errors =
        proxy.when("INSERT INTO transfers").first(1).answerErrorAfterServer("40003", "unknown");
    try (Connection connection = connect()) {
      assertState("40003", () -> insert(connection, UUID.randomUUID()));
      assertEquals(1, rows());
      insert(connection, UUID.randomUUID());
    }
    assertEquals(1, errors.injected());
    assertEquals(2, rows());
  }

  @Test
  void freezeBeforeServerNeverAnswersAndNothingIsDone() throws Exception {
    FaultProxy.Fault freezes = proxy.when("INSERT INTO transfers").freezeBeforeServer();
    try (Connection connection = connect("socketTimeout=1")) {
      execute(connection, "SELECT 1");
      assertTimesOut(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, freezes.injected());
    awaitQuietServer();
    assertEquals(0, rows());
  }

  @Test
  void freezeAfterServerNeverAnswersAndTheWorkIsDone() throws Exception {
    FaultProxy.Fault freezes = proxy.when("INSERT INTO transfers").freezeAfterServer();
    try (Connection connection = connect("socketTimeout=1")) {
      assertTimesOut(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, freezes.injected());
    assertEquals(1, rows());
    awaitQuietServer();
  }

  @Test
  void cutInsideRequestLeavesNothingDone() throws Exception {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutInsideRequest(42);
    for (UUID id : randomIds(30)) {
      try (Connection connection = connect()) {
        assertLost(() -> insert(connection, id));
      }
    }
    assertEquals(30, cuts.injected());
    awaitQuietServer();
    assertEquals(0, rows());
  }

  @Test
  void cutInsideAnswerLeavesTheWorkDone() throws SQLException {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutInsideAnswer(42);
    long whole = 0;
    for (UUID id : randomIds(30)) {
      try (Connection connection = connect()) {
        proxy.mark();
        assertLost(() -> insert(connection, id));
        whole += proxy.bytesToClient();
      }
    }
    assertEquals(30, cuts.injected());
    assertEquals(30, rows());
    assertTrue(whole > 0, "some of the answers had begun");
  }

  @Test
  void cutAtBytesCutsAnywhereAndNothingIsDoneTwice() throws SQLException {
    FaultProxy.Fault cuts = proxy.cutAtBytes(2000, 42);
    int failedStarts = 0;
    int lostInserts = 0;
    Connection connection = null;
    for (UUID id : randomIds(400)) {
      for (boolean done = false; !done; ) {
        try {
          if (connection == null) {
            connection = connect();
          }
          insert(connection, id);
          done = true;
        } catch (SQLException e) {
          if (connection == null) {
            failedStarts++;
          } else {
            lostInserts++;
          }
          connection = null;
        }
      }
    }
    assertEquals(400, rows());
    assertTrue(failedStarts > 0);
    assertTrue(lostInserts > 0);
    assertEquals(failedStarts + lostInserts, cuts.injected());
    cuts.stop();
    try (Connection whole = connect()) {
      execute(whole, "SELECT repeat('x', 10000)");
    }
  }

  @Test
  void everyNthAndFirstNarrowDownInTheirOrder() throws SQLException {
    proxy.when("SELECT").everyNth(3).first(2).answerError("40001", "restart");
    assertEquals(List.of(3, 6), failing(1, 12));
  }

  @Test
  void oncePerAnyKey() throws SQLException {
    proxy.when("SELECT").oncePer(FaultProxy.Exchange::parameters).answerError("40001", "restart");
    assertEquals(List.of(1, 2, 3), failing(1, 3));
    assertEquals(List.of(4), failing(1, 4));
  }

  @Test
  void aSeedChoosesTheSameAgain() throws SQLException {
    FaultProxy.Fault fault =
        proxy.when("SELECT").withProbability(0.3, 7).answerError("40001", "restart");
    List<Integer> chosen = failing(1, 100);
    assertTrue(chosen.size() > 15 && chosen.size() < 45, () -> "chosen: " + chosen);
    assertEquals(chosen.size(), fault.injected());
    fault.stop();
    assertEquals(List.of(), failing(1, 100));
    proxy.when("SELECT").withProbability(0.3, 7).answerError("40001", "restart");
    assertEquals(chosen, failing(1, 100));
  }

  @Test
  void theFirstFaultThatChoosesActsAlone() throws SQLException {
    FaultProxy.Fault first = proxy.when("SELECT").everyNth(2).answerError("40001", "restart");
    FaultProxy.Fault second = proxy.when("SELECT").answerError("40003", "unknown");
    assertEquals(List.of(1, 2, 3, 4), failing(1, 4));
    assertEquals(2, first.injected());
    assertEquals(2, second.injected());
  }

  @Test
  void delayHoldsBackTheRequestAndTheAnswer() throws Exception {
    FaultProxy.Fault delays =
        proxy.when("INSERT INTO transfers").delay(Duration.ofMillis(300), Duration.ofMillis(400));
    try (Connection connection = connect()) {
      long start = System.nanoTime();
      Future<?> insert = inBackground(() -> insert(connection, UUID.randomUUID()));
      while (rows() == 0) {
        Thread.sleep(1);
      }
      assertTrue(System.nanoTime() - start >= 300_000_000);
      insert.get();
      assertTrue(System.nanoTime() - start >= 700_000_000);
    }
    assertEquals(1, delays.injected());
  }

  @Test
  void refusedConnectionsComeInAgainOnTheSamePort() throws SQLException {
    int port = proxy.port();
    try (Connection before = connect()) {
      proxy.refuseConnections();
      SQLException e = assertState("08001", this::connect);
      assertInstanceOf(ConnectException.class, e.getCause());
      insert(before, UUID.randomUUID());
      proxy.acceptConnections();
      assertEquals(port, proxy.port());
      try (Connection after = connect()) {
        insert(after, UUID.randomUUID());
      }
    }
    assertEquals(2, rows());
  }

  @Test
  void frozenConnectionsAreAcceptedButNotAnswered() throws SQLException {
    try (Connection before = connect()) {
      proxy.freezeConnections();
      proxy.mark();
      assertState("08001", () -> connect("loginTimeout=1"));
      assertEquals(1, proxy.connectionsOpened());
      insert(before, UUID.randomUUID());
      proxy.acceptConnections();
      try (Connection after = connect()) {
        insert(after, UUID.randomUUID());
      }
    }
    assertEquals(2, rows());
  }

  @Test
  void cutAllCutsBothSides() throws Exception {
    try (Connection one = connect();
        Connection other = connect()) {
      one.setAutoCommit(false);
      insert(one, UUID.randomUUID());
      proxy.cutAll();
      assertLost(one::commit);
      assertLost(() -> insert(other, UUID.randomUUID()));
    }
    awaitQuietServer();
    assertEquals(0, rows());
  }

  @Test
  void aClosedProxyServesNobody() throws SQLException {
    try (Connection connection = connect()) {
      proxy.close();
      assertLost(() -> insert(connection, UUID.randomUUID()));
    }
    assertState("08001", this::connect);
  }

  @Test
  void aServerThatIsGoneEndsTheConnection() throws Exception {
    try (FaultProxy toNobody = FaultProxy.to(Server.freePort())) {
      assertState("08001", () -> connect(toNobody, "maxroach", "sslmode=disable"));
    }
  }

  @Test
  void latencyIsAddedToEveryRoundTripAndToAllConnectionsAtOnce() throws Exception {
    proxy.latency(Duration.ofMillis(100));
    List<Connection> connections = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      connections.add(connect());
    }
    long start = System.nanoTime();
    List<Future<?>> inserts = new ArrayList<>();
    for (Connection connection : connections) {
      inserts.add(
          inBackground(
              () -> {
                for (int i = 0; i < 5; i++) {
                  insert(connection, UUID.randomUUID());
                }
              }));
    }
    for (Future<?> insert : inserts) {
      insert.get();
    }
    Duration elapsed = Duration.ofNanos(System.nanoTime() - start);
    for (Connection connection : connections) {
      connection.close();
    }
    assertTrue(elapsed.toMillis() >= 500, () -> "took " + elapsed);
    assertTrue(elapsed.toMillis() < 5_000, () -> "one after the other? took " + elapsed);
    assertEquals(100, rows());
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 20})
  void longAnswersAndCopyPassWhole(long latencyMillis) throws Exception {
    proxy.latency(Duration.ofMillis(latencyMillis));
    // Held back or not, an answer must be the same.
    proxy.when("generate_series").first(0).cutAfterServer();
    proxy.when("COPY").first(0).cutAfterServer();
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < 50_000; i++) {
      rows.append(new UUID(0, i)).append('\t').append(i).append('\n');
    }
    try (Connection connection = connect()) {
      for (int length : new int[] {1, 8_000, 65_536, 1_000_000}) {
        try (PreparedStatement echo = connection.prepareStatement("SELECT ? || ''")) {
          String text = "x".repeat(length);
          echo.setString(1, text);
          ResultSet row = echo.executeQuery();
          assertTrue(row.next());
          assertEquals(text, row.getString(1));
        }
      }
      try (Statement statement = connection.createStatement()) {
        ResultSet numbers = statement.executeQuery("SELECT generate_series(1, 100000)");
        for (int i = 1; i <= 100_000; i++) {
          assertTrue(numbers.next());
          assertEquals(i, numbers.getInt(1));
        }
      }
      var copy = connection.unwrap(PGConnection.class).getCopyAPI();
      assertEquals(
          50_000, copy.copyIn("COPY transfers FROM STDIN", new StringReader(rows.toString())));
      StringWriter copied = new StringWriter();
      copy.copyOut("COPY (TABLE transfers ORDER BY id) TO STDOUT", copied);
      assertEquals(rows.toString(), copied.toString());
    }
    assertEquals(50_000, rows());
  }

  @Test
  void aCursorAndABatchPass() throws SQLException {
    proxy.mark();
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
        for (UUID id : randomIds(1_000)) {
          insert.setObject(1, id);
          insert.setLong(2, 1);
          insert.addBatch();
        }
        assertEquals(1_000, IntStream.of(insert.executeBatch()).sum());
      }
      try (Statement statement = connection.createStatement()) {
        statement.setFetchSize(100);
        ResultSet ids = statement.executeQuery("SELECT id FROM transfers");
        int count = 0;
        while (ids.next()) {
          count++;
        }
        assertEquals(1_000, count);
      }
      connection.commit();
    }
    assertEquals(1_000, Collections.frequency(proxy.statements(), INSERT_SENT));
    assertTrue(Collections.frequency(proxy.statements(), "SELECT id FROM transfers") >= 10);
    assertEquals(1_000, rows());
  }

  @Test
  void aRefusedOfferOfTlsLeavesTheStatementsReadable() throws SQLException {
    FaultProxy.Fault cuts = proxy.when("INSERT INTO transfers").cutAfterServer();
    try (Connection connection = connect(proxy, "maxroach", "sslmode=prefer&gssEncMode=prefer")) {
      assertLost(() -> insert(connection, UUID.randomUUID()));
    }
    assertEquals(1, cuts.injected());
  }

  @Test
  void anEncryptedConnectionPassesUnreadAndCanBeCut() throws Exception {
    try (Server secure = LocalCluster.secure();
        FaultProxy toSecure = FaultProxy.to(secure.port())) {
      FaultProxy.Fault errors = toSecure.when(exchange -> true).answerError("40001", "restart");
      toSecure.mark();
      try (Connection connection = connect(toSecure, "postgres", "sslmode=require")) {
        for (int i = 0; i < 100; i++) {
          execute(connection, "SELECT repeat('x', 100000)");
        }
        assertTrue(toSecure.bytesToClient() > 100 * 100_000);
        assertEquals(List.of(), toSecure.statements());
        assertEquals(0, errors.injected());
        toSecure.cutAll();
        assertLost(() -> execute(connection, "SELECT 1"));
      }
    }
  }

  @Test
  void aCancelRequestReachesTheServer() throws SQLException {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1);
      assertState("57014", () -> statement.execute("SELECT pg_sleep(60)"));
    }
  }

  @Test
  void theLastWordsOfAServerReachTheClient() throws Exception {
    proxy.when("pg_sleep").cutAfterServer();
    try (Connection connection = connect()) {
      Future<?> sleep = inBackground(() -> execute(connection, "SELECT pg_sleep(60)"));
      String terminate =
          "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
              + " WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
      while (ask(terminate) == 0) {
        Thread.sleep(1);
      }
      Exception e = assertThrows(Exception.class, sleep::get);
      assertEquals("57P01", assertInstanceOf(SQLException.class, e.getCause()).getSQLState());
    }
  }

  private Connection connect() throws SQLException {
    return connect("");
  }

  private Connection connect(String setting) throws SQLException {
    return connect(proxy, "maxroach", "sslmode=disable&" + setting);
  }

  private static Connection connect(FaultProxy proxy, String user, String settings)
      throws SQLException {
    return DriverManager.getConnection(
        "jdbc:postgresql://localhost:%d/bank?user=%s&%s".formatted(proxy.port(), user, settings));
  }

  private static void insert(Connection connection, UUID id) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
      insert.setObject(1, id);
      insert.setLong(2, 1);
      insert.executeUpdate();
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.execute();
    }
  }

  /** Selects each of these numbers and returns those for which the client was told of an error. */
  private List<Integer> failing(int from, int to) throws SQLException {
    List<Integer> failed = new ArrayList<>();
    try (Connection connection = connect()) {
      for (int i = from; i <= to; i++) {
        try (PreparedStatement select = connection.prepareStatement("SELECT ?")) {
          select.setInt(1, i);
          select.execute();
        } catch (SQLException e) {
          failed.add(i);
        }
      }
    }
    return failed;
  }

  private static List<UUID> randomIds(int count) {
    return Stream.generate(UUID::randomUUID).limit(count).toList();
  }

  private static long rows() {
    return ask("SELECT count(*) FROM transfers");
  }

  private static long ask(String question) {
    return server
        .asSuperuser()
        .withHandle(handle -> handle.createQuery(question).mapTo(Long.class).one());
  }

  /** Waits until the server has done with all that came through the proxy. */
  private static void awaitQuietServer() throws InterruptedException {
    while (ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'maxroach'") > 0) {
      Thread.sleep(1);
    }
  }

  private interface Work {
    void run() throws Exception;
  }

  private static Future<?> inBackground(Work work) {
    ExecutorService executor = Executors.newSingleThreadExecutor();
    Callable<Void> task =
        () -> {
          work.run();
          return null;
        };
    Future<?> future = executor.submit(task);
    executor.shutdown();
    return future;
  }

  private static void assertLost(Work work) {
    assertState("08006", work);
  }

  private static void assertTimesOut(Work work) {
    SQLException e = assertState("08006", work);
    assertInstanceOf(SocketTimeoutException.class, e.getCause());
  }

  private static SQLException assertState(String sqlState, Work work) {
    SQLException e = assertThrows(SQLException.class, work::run);
    assertEquals(sqlState, e.getSQLState(), e::getMessage);
    return e;
  }
}
