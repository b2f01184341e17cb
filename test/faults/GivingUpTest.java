import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * When the retry loop stops, and what it reports then: an unknown outcome, or, if it is known that
 * nothing happened, the error.
 */
@Timeout(60)
class GivingUpTest extends EachServer {

  private static final String TRANSFER = "INSERT INTO transfers";
  private static final Duration SOON = Duration.ofMillis(500);
  private static final Duration LATE = Duration.ofSeconds(20);

  private final UUID id = UUID.randomUUID();
  private final List<BankSecure.Retry> retries = new ArrayList<>();
  private Consumer<BankSecure.Retry> onRetry = retry -> {};
  private Bank bank;
  private FaultProxy proxy;
  private BankSecure.Session session;

  @BeforeEach
  void openProxy() {
    bank = Watch.bankWithAccounts(server, 2);
    proxy = FaultProxy.to(server.port());
  }

  @AfterEach
  void close() {
    proxy.close();
    if (session != null) {
      session.close();
    }
  }

  /** Opens a session that gives up after this time. */
  private void open(Duration timeout) {
    String url = bank.urlThrough(proxy.port()) + "&socketTimeout=1";
    Jdbi jdbi = BankInsecure.connect(BankInsecure.settings(url));
    session =
        new BankSecure.Session(
            jdbi,
            timeout,
            retry -> {
              retries.add(retry);
              onRetry.accept(retry);
            });
    BankSecure.createTables(session);
  }

  private long transfer(Function<Handle, Long> work) {
    return session.commit("SELECT * FROM transfers WHERE id = '" + id + "'", work);
  }

  private long transfer() {
    return transfer(handle -> BankSecure.transfer(handle, id, 1000, 2000));
  }

  private BankSecure.UnknownOutcomeException assertUnknown() {
    var failure = assertThrows(BankSecure.UnknownOutcomeException.class, this::transfer);
    assertTrue(failure.getMessage().contains("WHERE id = '" + id), failure::getMessage);
    assertTrue(failure.lookup.contains("WHERE id = '" + id), failure.lookup);
    return failure;
  }

  @Test
  void theServerIsGone() {
    open(SOON);
    proxy.when(TRANSFER).first(1).cutAfterServer();
    proxy.refuseConnections();
    String last = BankSecure.sqlState(assertUnknown());
    assertTrue(last.startsWith("08"), last);
  }

  /** It stops at the latest when the last attempt has had its socket timeout. */
  @Test
  void theServerDoesNotAnswer() {
    open(SOON);
    proxy.when(TRANSFER).freezeAfterServer();
    proxy.freezeConnections();
    long start = System.nanoTime();
    assertUnknown();
    assertTrue(System.nanoTime() - start < Duration.ofSeconds(10).toNanos(), "too late");
  }

  /** It is known that nothing happened, and the error is the database's. */
  @Test
  void eachAttemptIsRolledBack() {
    open(SOON);
    proxy.when(TRANSFER).answerError("40001", "restart transaction");
    JdbiException failure = assertThrows(JdbiException.class, this::transfer);
    assertEquals("40001", BankSecure.sqlState(failure));
    assertEquals(List.of(), bank.ledger());
    for (int i = 0; i < retries.size(); i++) {
      BankSecure.Retry retry = retries.get(i);
      assertEquals(i + 1, retry.attempt());
      assertTrue(retry.pauseMillis() < 10 * retry.attempt(), retry::toString);
    }
  }

  /** The interrupt comes during the pause, so the attempt after it is the last. */
  @Test
  void anInterruptAfterAnUnknownAttempt() {
    open(LATE);
    proxy.when(TRANSFER).cutBeforeServer();
    onRetry = retry -> Thread.currentThread().interrupt();
    try {
      assertUnknown();
      assertEquals(1, retries.size());
    } finally {
      Thread.interrupted();
    }
  }

  /** The first attempt may still be in a buffer on its way to the server. */
  @Test
  void anotherExceptionAfterAnUnknownAttempt() {
    open(LATE);
    proxy.when(TRANSFER).first(1).cutAfterServer();
    Function<Handle, Long> work =
        handle -> BankSecure.transfer(handle, id, 1000, retries.isEmpty() ? 2000 : 3000);
    var failure = assertThrows(BankSecure.UnknownOutcomeException.class, () -> transfer(work));
    assertInstanceOf(IllegalStateException.class, failure.getCause());
  }

  /** The SQLSTATE decides, however deep the work has wrapped the exception. */
  @Test
  void anotherExceptionAfterAttemptsWithoutEffect() {
    open(LATE);
    Function<Handle, Long> work =
        handle -> {
          String sqlState = List.of("40001", "08003", "").get(retries.size());
          throw new IllegalStateException(new RuntimeException(new SQLException("no", sqlState)));
        };
    assertThrows(IllegalStateException.class, () -> transfer(work));
    assertEquals(2, retries.size());
  }

  @Test
  void noConnectionOpens() {
    open(SOON);
    session.close();
    proxy.refuseConnections();
    assertThrows(ConnectionException.class, this::transfer);
    assertTrue(retries.size() > 1);
  }

  /** Nothing is sent on a connection that opened too late, so nothing is unknown. */
  @Test
  void aConnectionOpensTooLate() {
    open(SOON);
    session.close();
    proxy.latency(SOON.plusMillis(500));
    proxy.mark();
    assertThrows(ConnectionException.class, this::transfer);
    assertEquals(1, proxy.connectionsOpened());
    assertTrue(proxy.statements().stream().noneMatch(sent -> sent.contains(TRANSFER)));
  }

  @Test
  void aQueryIsNeverUnknown() {
    open(SOON);
    proxy.when("SELECT coalesce").cutAfterServer();
    assertThrows(JdbiException.class, () -> session.run(BankSecure::totalBalance));
  }

  /** A session opens its first connection once, and each later one until its time is over. */
  @Test
  void tooManyConnections() {
    Assumptions.assumeFalse(kind.isCockroach(), "CockroachDB limits the connections of a node");
    open(LATE);
    String limit = "ALTER DATABASE " + bank.database() + " CONNECTION LIMIT ";
    bank.execute(limit + 0);
    assertThrows(ConnectionException.class, () -> TransferClient.sessionOf(bank));
    proxy.cutAll();
    onRetry = retry -> bank.execute(limit + (retry.sqlState().equals("53300") ? -1 : 0));
    assertEquals(500_000, transfer());
    assertEquals("53300", retries.get(retries.size() - 1).sqlState());
    assertEquals(1, bank.ledger().size());
  }

  @Test
  void eachConnectionThatIsReplacedIsClosed() throws Exception {
    open(LATE);
    proxy.when(TRANSFER).first(5).answerError("40003", "result is ambiguous");
    transfer();
    assertEquals(5, retries.size());
    Watch.await(() -> proxy.openConnections() == 1);
    session.close();
    Watch.await(() -> proxy.openConnections() == 0);
  }
}
