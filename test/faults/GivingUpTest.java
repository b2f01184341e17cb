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
import java.util.stream.Stream;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/**
 * When the retry loop gives up, and what it says of a statement then: that it is not known whether
 * it was committed, or, where that is known, what went wrong. Most of each is waiting, so all wait
 * at the same time.
 */
@Timeout(120)
class GivingUpTest extends OneServer {

  private static final String TRANSFER = "INSERT INTO transfers";
  private static final Duration PATIENCE = Duration.ofSeconds(3);
  private static final Duration GRACE = Duration.ofSeconds(5);

  @TestFactory
  Stream<DynamicTest> givesUp() {
    return Scenario.together(
        unknown("the server is gone", "", GivingUpTest::gone),
        unknown("the server answers no more", "", GivingUpTest::frozen),
        unknown(
            "40003 to every attempt",
            "40003",
            stage -> stage.proxy.when(TRANSFER).answerError("40003", "not known")),
        unknown("40001 after an unknown attempt", "40001", GivingUpTest::rolledBackLater),
        unknown("an interrupt after an unknown attempt", "", GivingUpTest::interrupted),
        known("40001 to every attempt", "40001", GivingUpTest::rolledBackEachTime),
        known(
            "an error that would only come back",
            "23514",
            stage -> stage.proxy.when(TRANSFER).first(1).answerError("23514", "no")),
        new Scenario("another exception after an unknown attempt", GivingUpTest::otherException),
        new Scenario("a connection that is not to be had", GivingUpTest::notToBeHad),
        new Scenario("a connection closed before it was used", GivingUpTest::closedBefore),
        new Scenario("a query is never unknown", GivingUpTest::query),
        new Scenario("53300 once a connection has worked", GivingUpTest::tooManyConnections),
        new Scenario("53300 at first", GivingUpTest::tooManyConnectionsAtFirst),
        new Scenario("no connection is left behind", GivingUpTest::connectionsLeft));
  }

  /** Accounts 1000 and 2000, a session through a proxy, and what it told. */
  private static final class Stage implements AutoCloseable {
    private final Bank bank = Watch.bankWithAccounts(server, 2);
    private final FaultProxy proxy = FaultProxy.to(server.port());
    private final List<BankSecure.Retry> told = new ArrayList<>();
    private final BankSecure.Session session;
    private Consumer<BankSecure.Retry> onRetry = told::add;

    Stage() {
      session =
          new BankSecure.Session(
              bank.connect(proxy.port()), PATIENCE, retry -> onRetry.accept(retry));
      BankSecure.createTables(session);
    }

    long transfer(UUID id) {
      return session.commit("transfer " + id, h -> BankSecure.transfer(h, id, 1000, 2000));
    }

    /** The transfer fails, within its time. */
    <E extends Exception> E failure(Class<E> type, UUID id) {
      long start = System.nanoTime();
      E failure = assertThrows(type, () -> transfer(id));
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      assertTrue(took.compareTo(PATIENCE.plus(GRACE)) <= 0, () -> "took " + took);
      return failure;
    }

    @Override
    public void close() {
      session.close();
      proxy.close();
    }
  }

  /** After this trouble it is not known whether the transfer was made, and its ID is named. */
  private static Scenario unknown(String name, String lastState, Consumer<Stage> trouble) {
    return new Scenario(
        name,
        () -> {
          try (Stage stage = new Stage()) {
            trouble.accept(stage);
            assertUnknown(stage, UUID.randomUUID());
            if (!lastState.isEmpty()) {
              assertEquals(lastState, stage.told.get(stage.told.size() - 1).sqlState());
            }
          }
        });
  }

  private static void assertUnknown(Stage stage, UUID id) {
    BankSecure.Failure failure = stage.failure(BankSecure.Failure.class, id);
    assertEquals(3, failure.status);
    assertTrue(failure.getMessage().contains("transfer " + id), failure::getMessage);
  }

  /** After this trouble it is known that nothing happened, and what went wrong is told. */
  private static Scenario known(String name, String state, Consumer<Stage> trouble) {
    return new Scenario(
        name,
        () -> {
          try (Stage stage = new Stage()) {
            trouble.accept(stage);
            JdbiException e = stage.failure(JdbiException.class, UUID.randomUUID());
            assertEquals(state, ((SQLException) e.getCause()).getSQLState());
            assertEquals(List.of(), stage.bank.ledger());
            assertPausesGrow(stage.told);
          }
        });
  }

  /** The pauses are random, below a bound that grows by 10 ms with each attempt. */
  private static void assertPausesGrow(List<BankSecure.Retry> told) {
    for (int i = 0; i < told.size(); i++) {
      assertEquals(i + 1, told.get(i).attempt());
      assertTrue(told.get(i).pause() < 10 * (i + 1), told.get(i)::toString);
    }
  }

  private static void gone(Stage stage) {
    stage.proxy.refuseConnections();
    stage.proxy.cutAll();
  }

  /** The first attempt waits until all the time is over. */
  private static void frozen(Stage stage) {
    stage.proxy.when(TRANSFER).freezeAfterServer();
    stage.proxy.freezeConnections();
  }

  private static void rolledBackLater(Stage stage) {
    AtomicBoolean sent = new AtomicBoolean();
    stage
        .proxy
        .when(exchange -> exchange.contains(TRANSFER) && !sent.compareAndSet(false, true))
        .answerError("40001", "restart it");
    stage.proxy.when(TRANSFER).first(1).cutBeforeServer();
  }

  private static void rolledBackEachTime(Stage stage) {
    stage.proxy.when(TRANSFER).answerError("40001", "restart it");
  }

  /** It comes in the pause, and so ends the attempt after it. */
  private static void interrupted(Stage stage) {
    stage.proxy.when(TRANSFER).cutBeforeServer();
    stage.onRetry =
        retry -> {
          stage.told.add(retry);
          assertEquals(1, stage.told.size(), "went on");
          Thread.currentThread().interrupt();
        };
  }

  private static void otherException() {
    try (Stage stage = new Stage()) {
      stage.proxy.when(TRANSFER).first(1).cutAfterServer();
      BankSecure.Failure failure =
          assertThrows(
              BankSecure.Failure.class,
              () ->
                  stage.session.commit(
                      "the work",
                      handle -> {
                        if (!stage.told.isEmpty()) {
                          throw new IllegalArgumentException("a defect");
                        }
                        return BankSecure.transfer(handle, UUID.randomUUID(), 1000, 2000);
                      }));
      assertEquals(3, failure.status);
      assertTrue(failure.getMessage().contains("the work"), failure::getMessage);
    }
  }

  private static void notToBeHad() {
    try (Stage stage = new Stage()) {
      gone(stage);
      assertThrows(JdbiException.class, () -> stage.session.read(BankSecure::version));
      stage.failure(ConnectionException.class, UUID.randomUUID());
      assertEquals(List.of(), stage.bank.ledger());
    }
  }

  private static void closedBefore() {
    try (Stage stage = new Stage()) {
      stage.session.read(
          handle -> {
            try {
              handle.getConnection().close();
              return null;
            } catch (SQLException e) {
              throw new IllegalStateException(e);
            }
          });
      stage.proxy.refuseConnections();
      stage.failure(ConnectionException.class, UUID.randomUUID());
      assertEquals("08003", stage.told.get(0).sqlState());
      stage.proxy.acceptConnections();
      assertEquals(500_000, stage.transfer(UUID.randomUUID()));
    }
  }

  private static void query() {
    try (Stage stage = new Stage()) {
      stage.proxy.when("SELECT coalesce").cutAfterServer();
      JdbiException e =
          assertThrows(JdbiException.class, () -> stage.session.read(BankSecure::total));
      assertInstanceOf(SQLException.class, e.getCause());
    }
  }

  private static void tooManyConnections() throws Exception {
    try (Stage stage = new Stage()) {
      String limit = "ALTER DATABASE " + stage.bank.database() + " CONNECTION LIMIT ";
      stage.bank.execute(limit + 0);
      stage.proxy.cutAll();
      stage.onRetry =
          retry -> {
            stage.told.add(retry);
            if (retry.sqlState().equals("53300")) {
              stage.bank.execute(limit + -1);
            }
          };
      assertEquals(500_000, stage.transfer(UUID.randomUUID()));
      assertEquals("53300", stage.told.get(stage.told.size() - 1).sqlState());
      assertEquals(1, stage.bank.ledger().size());
    }
  }

  private static void tooManyConnectionsAtFirst() {
    Bank bank = Bank.create(server);
    bank.execute("ALTER DATABASE " + bank.database() + " CONNECTION LIMIT 0");
    List<BankSecure.Retry> told = new ArrayList<>();
    assertThrows(
        ConnectionException.class,
        () -> new BankSecure.Session(bank.connect(server.port()), PATIENCE, told::add));
    assertEquals(List.of(), told);
  }

  /** A connection that is given up is closed, or each retry would leave one more. */
  private static void connectionsLeft() throws Exception {
    try (Stage stage = new Stage()) {
      stage.proxy.when(TRANSFER).everyNth(2).answerErrorAfterServer("40003", "not known");
      for (int i = 0; i < 20; i++) {
        stage.transfer(UUID.randomUUID());
      }
      assertTrue(stage.told.size() >= 10, stage.told::toString);
      Watch.of(stage.bank).awaitConnections(1);
      stage.session.close();
      Watch.of(stage.bank).awaitConnections(0);
    }
  }
}
