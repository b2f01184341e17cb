import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The proxy does to a client what it says, and the server tells what became of it. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FaultProxyTest extends OneServer {

  private static final String INSERT =
      "INSERT INTO transfers (id, amount) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";

  private final UUID id = UUID.randomUUID();
  private Bank bank;
  private FaultProxy proxy;

  @BeforeEach
  void openProxy() {
    bank = Bank.create(server);
    bank.execute(
        "CREATE TABLE transfers (id UUID PRIMARY KEY, amount INT8)",
        "GRANT ALL ON transfers TO maxroach");
    proxy = FaultProxy.to(server.port());
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  @Test
  void statementsAndRoundTripsAreCounted() throws SQLException {
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      proxy.mark();
      insert(connection, id);
      connection.commit();
      String sent = INSERT.replaceFirst("\\?", "\\$1").replaceFirst("\\?", "\\$2");
      assertEquals(List.of("BEGIN", sent, "COMMIT"), proxy.statements());
      assertEquals(2, proxy.roundTrips(), "BEGIN rides along");
    }
  }

  @Test
  void cutsLeaveTheWorkUndoneBeforeTheServerAndDoneAfterIt() throws SQLException {
    proxy.when("insert  INTO transfers").first(1).cutBeforeServer();
    assertLost();
    proxy.when("INSERT INTO").first(1).cutInsideRequest(1);
    assertLost();
    assertEquals(0, rows());
    FaultProxy.Fault last = proxy.when("INSERT INTO").oncePerTransfer().cutAfterServer();
    assertLost();
    assertEquals(1, rows());
    try (Connection connection = connect()) {
      insert(connection, id);
    }
    assertEquals(1, last.injected());
    proxy.when("INSERT INTO").cutInsideAnswer(1);
    assertLost(UUID.randomUUID());
    assertEquals(2, rows());
  }

  @Test
  void errorsLeaveTheWorkUndoneBeforeTheServerAndDoneAfterIt() throws SQLException {
    proxy.when("INSERT INTO").first(1).answerError("58C00", "range unavailable");
    proxy.when("INSERT INTO").first(1).answerErrorAfterServer("40003", "ambiguous");
    proxy.when(exchange -> exchange.executes("COMMIT")).answerError("40001", "restart");
    try (Connection connection = connect()) {
      assertEquals("58C00", refusal(connection, id));
      assertEquals(0, rows());
      assertEquals("40003", refusal(connection, id));
      assertEquals(1, rows());
      connection.setAutoCommit(false);
      insert(connection, UUID.randomUUID());
      assertEquals("40001", assertThrows(SQLException.class, connection::commit).getSQLState());
      connection.setAutoCommit(true);
    }
    assertEquals(1, rows());
  }

  @Test
  void whatIsFrozenNeverAnswers() throws SQLException {
    proxy.when("INSERT INTO").freezeAfterServer();
    try (Connection connection = connect()) {
      connection.setNetworkTimeout(Runnable::run, 500);
      assertThrows(SQLException.class, () -> insert(connection, id));
    }
    assertEquals(1, rows());
    proxy.freezeConnections();
    assertThrows(SQLException.class, this::connect);
    proxy.refuseConnections();
    assertEquals("08001", assertThrows(SQLException.class, this::connect).getSQLState());
    proxy.acceptConnections();
    connect().close();
  }

  @Test
  void latencyAndDelayMakeAnAnswerLate() throws SQLException {
    try (Connection connection = connect()) {
      proxy.latency(Duration.ofMillis(100));
      proxy.when("INSERT INTO").delay(Duration.ofMillis(50), Duration.ofMillis(50));
      long start = System.nanoTime();
      insert(connection, id);
      assertTrue(System.nanoTime() - start >= Duration.ofMillis(200).toNanos());
    }
  }

  @Test
  void cutAtBytesCutsAnywhere() {
    FaultProxy.Fault cuts = proxy.cutAtBytes(100, 1);
    for (int i = 0; i < 20; i++) {
      assertThrows(SQLException.class, () -> connect().close());
    }
    assertEquals(20, cuts.injected());
  }

  private Connection connect() throws SQLException {
    return DriverManager.getConnection(
        "jdbc:postgresql://localhost:%d/%s?sslmode=disable&loginTimeout=2"
            .formatted(proxy.port(), bank.database()),
        "maxroach",
        "");
  }

  private static void insert(Connection connection, UUID id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
      statement.setObject(1, id);
      statement.setLong(2, 7);
      statement.execute();
    }
  }

  private void assertLost() throws SQLException {
    assertLost(id);
  }

  private void assertLost(UUID id) throws SQLException {
    try (Connection connection = connect()) {
      String state = refusal(connection, id);
      assertTrue(state.startsWith("08"), state);
    }
  }

  private static String refusal(Connection connection, UUID id) {
    return assertThrows(SQLException.class, () -> insert(connection, id)).getSQLState();
  }

  private int rows() {
    return bank.ask(
        root -> root.createQuery("SELECT count(*) FROM transfers").mapTo(int.class).one());
  }
}
