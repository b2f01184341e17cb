import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/**
 * When the retry loop stops, and what it reports then: an unknown outcome, or, if it is known that
 * nothing happened, the error. The scenarios mostly wait, so all run at the same time.
 */
@Timeout(120)
class GivingUpTest extends EachServer {

  private static final String TRANSFER = "INSERT INTO transfers";
  private static final Duration TIMEOUT = Duration.ofSeconds(2);
  private static final Duration SOCKET_TIMEOUT = Duration.ofSeconds(3);
  private static final Duration GRACE = Duration.ofSeconds(5);

  @TestFactory
  Stream<DynamicTest> givesUp() {
    return Scenario.together(
        unknown("the server is gone", "08001", GivingUpTest::refuseAll),
        unknown("the server does not answer", "08006", GivingUpTest::freezeAll),
        unknown("40003 to every attempt", "40003", stage -> stage.answerEach("40003")),
        unknown("57014 to every attempt", "57014", stage -> stage.answerEach("57014")),
        unknown("40001 after an unknown attempt", "40001", GivingUpTest::rollBackLater),
        unknown("an interrupt after an unknown attempt", "", GivingUpTest::interrupt),
        known("40001 to every attempt", "40001", stage -> stage.answerEach("40001")),
        known(
            "an error that would come again",
            "23514",
            stage -> stage.proxy.when(TRANSFER).first(1).answerError("23514", "no")),
        new Scenario("another exception after an unknown attempt", this::otherException),
        new Scenario("an account is missing after an unknown attempt", this::missingAccount),
        new Scenario("an SQLException that the work has wrapped", this::wrappedException),
        new Scenario("connections are refused", this::connectionsRefused),
        new Scenario("a connection is closed before it is used", this::closedBefore),
        new Scenario("reconnecting takes longer than the timeout", this::slowReconnect),
        new Scenario("a query is never unknown", this::query),
        new Scenario("53300 on a later connection", this::tooManyConnections),
        new Scenario("53300 on the first connection", this::tooManyConnectionsAtFirst),
        new Scenario("no connection is left open", this::connectionsLeft));
  }

  /** Accounts 1000 and 2000, a session through a proxy, and the retries that it reported. */
  private final class Stage implements AutoCloseable {
    private final Bank bank = Watch.bankWithAccounts(server, 2);
    private final FaultProxy proxy = FaultProxy.to(server.port());
    private final List<BankSecure.Retry> retries = new ArrayList<>();
    private final BankSecure.Session session;
    private Consumer<BankSecure.Retry> onRetry = retries::add;

    Stage() {
      String url = bank.urlThrough(proxy.port()) + "&socketTimeout=" + SOCKET_TIMEOUT.toSeconds();
      Jdbi jdbi = BankInsecure.connect(BankInsecure.settings(url));
      session = new BankSecure.Session(jdbi, TIMEOUT, retry -> onRetry.accept(retry));
      BankSecure.createTables(session);
    }

    void answerEach(String sqlState) {
      proxy.when(TRANSFER).answerError(sqlState, "no");
    }

    long transfer(UUID id) {
      return commit(id, handle -> BankSecure.transfer(handle, id, 1000, 2000));
    }

    <R> R commit(UUID id, Function<Handle, R> work) {
      return session.commit("SELECT * FROM transfers WHERE id = '" + id + "'", work);
    }

    /** The transfer fails, at the latest when the last attempt has had its socket timeout. */
    <E extends Exception> E failure(Class<E> type, UUID id) {
      long start = System.nanoTime();
      E failure = assertThrows(type, () -> transfer(id));
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      Duration limit = TIMEOUT.plus(SOCKET_TIMEOUT).plus(GRACE);
      assertTrue(took.compareTo(limit) <= 0, () -> "took " + took);
      return failure;
    }

    String lastSqlState() {
      return retries.get(retries.size() - 1).sqlState();
    }

    @Override
    public void close() {
      session.close();
      proxy.close();
    }
  }

  /** The outcome is unknown: the exception names the transfer, and has the last error as cause. */
  private Scenario unknown(String name, String lastState, Consumer<Stage> trouble) {
    return new Scenario(
        name,
        () -> {
          try (Stage stage = new Stage()) {
            trouble.accept(stage);
            UUID id = UUID.randomUUID();
            var failure = stage.failure(BankSecure.UnknownOutcomeException.class, id);
            assertTrue(failure.getMessage().contains("WHERE id = '" + id), failure::getMessage);
            assertTrue(failure.lookup.contains("WHERE id = '" + id), failure.lookup);
            // If the timeout passed while the loop connected again, that is the last error.
            String last =
                failure.getCause().toString().contains("connected too late")
                    ? stage.lastSqlState()
                    : sqlState(failure);
            assertTrue(last.startsWith(lastState), () -> failure.getCause() + "");
          }
        });
  }

  /** It is known that nothing happened, and the error is the database's. */
  private Scenario known(String name, String sqlState, Consumer<Stage> trouble) {
    return new Scenario(
        name,
        () -> {
          try (Stage stage = new Stage()) {
            trouble.accept(stage);
            assertEquals(sqlState, sqlState(stage.failure(JdbiException.class, UUID.randomUUID())));
            assertEquals(List.of(), stage.bank.ledger());
            assertPausesGrow(stage.retries);
          }
        });
  }

  private static String sqlState(Throwable failure) {
    Throwable cause = failure.getCause();
    while (!(cause instanceof SQLException)) {
      cause = cause.getCause();
    }
    return ((SQLException) cause).getSQLState();
  }

  /** The pauses are random, below a bound that grows by 10 ms with each attempt. */
  private static void assertPausesGrow(List<BankSecure.Retry> retries) {
    for (int i = 0; i < retries.size(); i++) {
      assertEquals(i + 1, retries.get(i).attempt());
      assertTrue(retries.get(i).pauseMillis() < 10 * (i + 1), retries.get(i)::toString);
    }
  }

  private static void refuseAll(Stage stage) {
    stage.proxy.when(TRANSFER).first(1).cutAfterServer();
    stage.proxy.refuseConnections();
  }

  /** The first attempt waits for longer than the timeout. */
  private static void freezeAll(Stage stage) {
    stage.proxy.when(TRANSFER).freezeAfterServer();
    stage.proxy.freezeConnections();
  }

  private static void rollBackLater(Stage stage) {
    AtomicBoolean sent = new AtomicBoolean();
    stage
        .proxy
        .when(exchange -> exchange.contains(TRANSFER) && !sent.compareAndSet(false, true))
        .answerError("40001", "restart transaction");
    stage.proxy.when(TRANSFER).first(1).cutBeforeServer();
  }

  /** The interrupt comes during the pause, so the attempt after it is the last. */
  private static void interrupt(Stage stage) {
    stage.proxy.when(TRANSFER).cutBeforeServer();
    stage.onRetry =
        retry -> {
          stage.retries.add(retry);
          assertEquals(1, stage.retries.size(), "it did not stop");
          Thread.currentThread().interrupt();
        };
  }

  private void otherException() {
    assertUnknownAfterFirstAttempt(
        handle -> {
          throw new IllegalArgumentException("a defect of the work");
        });
  }

  /** The first attempt may still be in a buffer on its way to the server. */
  private void missingAccount() {
    assertUnknownAfterFirstAttempt(
        handle -> BankSecure.transfer(handle, UUID.randomUUID(), 1000, 3000));
  }

  private void assertUnknownAfterFirstAttempt(Function<Handle, Long> laterWork) {
    try (Stage stage = new Stage()) {
      stage.proxy.when(TRANSFER).first(1).cutAfterServer();
      UUID id = UUID.randomUUID();
      assertThrows(
          BankSecure.UnknownOutcomeException.class,
          () ->
              stage.commit(
                  id,
                  handle ->
                      stage.retries.isEmpty()
                          ? BankSecure.transfer(handle, id, 1000, 2000)
                          : laterWork.apply(handle)));
    }
  }

  /** The SQLSTATE decides, however deep the work has wrapped the exception. */
  private void wrappedException() {
    try (Stage stage = new Stage()) {
      UUID id = UUID.randomUUID();
      long amount =
          stage.commit(
              id,
              handle -> {
                if (stage.retries.isEmpty()) {
                  SQLException conflict = new SQLException("restart transaction", "40001");
                  throw new IllegalStateException(new RuntimeException(conflict));
                }
                return BankSecure.transfer(handle, id, 1000, 2000);
              });
      assertEquals(500_000, amount);
      assertEquals("40001", stage.lastSqlState());
    }
  }

  private void connectionsRefused() {
    try (Stage stage = new Stage()) {
      stage.proxy.refuseConnections();
      stage.proxy.cutAll();
      assertThrows(JdbiException.class, () -> stage.session.run(BankSecure::version));
      stage.failure(ConnectionException.class, UUID.randomUUID());
      assertEquals(List.of(), stage.bank.ledger());
    }
  }

  private void closedBefore() {
    try (Stage stage = new Stage()) {
      closeConnection(stage);
      stage.proxy.refuseConnections();
      stage.failure(ConnectionException.class, UUID.randomUUID());
      assertEquals("08003", stage.retries.get(0).sqlState());
      stage.proxy.acceptConnections();
      assertEquals(500_000, stage.transfer(UUID.randomUUID()));
    }
  }

  /** Nothing is sent on a connection that opened too late, so nothing is unknown. */
  private void slowReconnect() {
    try (Stage stage = new Stage()) {
      closeConnection(stage);
      stage.proxy.delayConnections(TIMEOUT.plusMillis(500));
      stage.proxy.mark();
      stage.failure(ConnectionException.class, UUID.randomUUID());
      assertEquals(1, stage.proxy.connectionsOpened());
      assertTrue(
          stage.proxy.statements().stream().noneMatch(sent -> sent.contains(TRANSFER)),
          "sent after the deadline");
      assertEquals(List.of(), stage.bank.ledger());
    }
  }

  private static void closeConnection(Stage stage) {
    stage.session.run(
        handle -> {
          try {
            handle.getConnection().close();
            return null;
          } catch (SQLException e) {
            throw new IllegalStateException(e);
          }
        });
  }

  private void query() {
    try (Stage stage = new Stage()) {
      stage.proxy.when("SELECT coalesce").cutAfterServer();
      JdbiException e =
          assertThrows(JdbiException.class, () -> stage.session.run(BankSecure::totalBalance));
      assertInstanceOf(SQLException.class, e.getCause());
    }
  }

  private void tooManyConnections() throws Exception {
    assumeConnectionLimit();
    try (Stage stage = new Stage()) {
      String limit = "ALTER DATABASE " + stage.bank.database() + " CONNECTION LIMIT ";
      stage.bank.execute(limit + 0);
      stage.proxy.cutAll();
      stage.onRetry =
          retry -> {
            stage.retries.add(retry);
            if (retry.sqlState().equals("53300")) {
              stage.bank.execute(limit + -1);
            }
          };
      assertEquals(500_000, stage.transfer(UUID.randomUUID()));
      assertEquals("53300", stage.lastSqlState());
      assertEquals(1, stage.bank.ledger().size());
    }
  }

  private void tooManyConnectionsAtFirst() {
    assumeConnectionLimit();
    Bank bank = Bank.create(server);
    bank.execute("ALTER DATABASE " + bank.database() + " CONNECTION LIMIT 0");
    List<BankSecure.Retry> retries = new ArrayList<>();
    assertThrows(
        ConnectionException.class,
        () -> new BankSecure.Session(bank.connect(server.port()), TIMEOUT, retries::add));
    assertEquals(List.of(), retries);
  }

  private void assumeConnectionLimit() {
    Assumptions.assumeFalse(kind.isCockroach(), "CockroachDB limits the connections of a node");
  }

  /** Each connection that the loop replaces is closed. */
  private void connectionsLeft() throws Exception {
    try (Stage stage = new Stage()) {
      stage.proxy.when(TRANSFER).everyNth(2).answerErrorAfterServer("40003", "unknown");
      for (int i = 0; i < 20; i++) {
        stage.transfer(UUID.randomUUID());
      }
      assertTrue(stage.retries.size() >= 10, stage.retries::toString);
      Watch.await(() -> stage.proxy.openConnections() == 1);
      stage.session.close();
      Watch.await(() -> stage.proxy.openConnections() == 0);
    }
  }
}
