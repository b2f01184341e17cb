///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes transfers over HTTP, each exactly once
//JAVA 17+
//SOURCES ConnectionPool.java

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;

/**
 * A web service that makes transfers. The client chooses the transfer's ID, and sends it again if
 * it has to repeat the request:
 *
 * <pre>
 * jbang examples/WebService.java
 * curl --request POST --header "Idempotency-Key: $(uuidgen)" \
 *   'http://localhost:8000/transfers?source=1&amp;target=2'
 * </pre>
 */
public final class WebService {

  /** Shorter than the client's own timeout, so that the client learns what is known. */
  private static final Duration TIMEOUT = Duration.ofSeconds(5);

  private static final String UUID_FORM = "\\p{XDigit}{8}(-\\p{XDigit}{4}){3}-\\p{XDigit}{12}";

  private static final Pattern QUERY = Pattern.compile("source=(\\d+)&target=(\\d+)");

  private final Jdbi jdbi;

  WebService(Jdbi jdbi) {
    this.jdbi = jdbi;
  }

  public static void main(String... args) throws IOException {
    HikariDataSource pool = ConnectionPool.pool(System.getenv("DATABASE_URL"));
    Jdbi jdbi = Jdbi.create(pool);
    createAccounts(jdbi);
    HttpServer server = start(new WebService(jdbi), 8000);
    System.out.println("Listening at http://localhost:" + server.getAddress().getPort());
  }

  /** Creates the accounts 1 and 2, unless they exist. */
  private static void createAccounts(Jdbi jdbi) {
    try (var session = new BankInsecure.Session(jdbi, TIMEOUT, System.err::println)) {
      BankInsecure.createTables(session);
      long[] ids = {1, 2};
      long[] balances = {1_000, 250};
      String lookup = "SELECT * FROM accounts WHERE id = 1";
      session.commit(lookup, handle -> BankInsecure.insertAccounts(handle, ids, balances));
    }
  }

  static HttpServer start(WebService service, int port) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    HttpServer server = HttpServer.create(address, 0);
    server.setExecutor(Executors.newFixedThreadPool(20));
    server.createContext(
        "/transfers",
        exchange -> {
          try (exchange) {
            service.answer(exchange);
          }
        });
    server.start();
    return server;
  }

  private void answer(HttpExchange exchange) throws IOException {
    String key = exchange.getRequestHeaders().getFirst("Idempotency-Key");
    Matcher query = QUERY.matcher("" + exchange.getRequestURI().getQuery());
    if (!exchange.getRequestMethod().equals("POST")) {
      send(exchange, 405, "use POST");
    } else if (key == null || !key.matches(UUID_FORM)) {
      send(exchange, 400, "the header Idempotency-Key must be a UUID");
    } else if (!query.matches()) {
      send(exchange, 400, "the query must be like source=1&target=2");
    } else {
      try {
        long source = Long.parseLong(query.group(1));
        long target = Long.parseLong(query.group(2));
        transfer(exchange, UUID.fromString(key), source, target);
      } catch (NumberFormatException e) {
        send(exchange, 400, "the ID of an account is too large");
      }
    }
  }

  /** The client has chosen the ID, so that its second request is the same transfer. */
  private void transfer(HttpExchange exchange, UUID id, long source, long target)
      throws IOException {
    String lookup = "SELECT * FROM transfers WHERE id = '" + id + "'";
    try (var session = new BankInsecure.Session(jdbi, TIMEOUT, System.err::println)) {
      long amount =
          session.commit(lookup, handle -> BankInsecure.transfer(handle, id, source, target));
      send(exchange, 200, "transferred " + amount);
    } catch (IllegalStateException e) {
      send(exchange, 422, e.getMessage());
    } catch (BankInsecure.UnknownOutcomeException e) {
      // Never a 500: the client would take it for a failure, and pay again with a new ID.
      exchange.getResponseHeaders().set("Retry-After", "1");
      send(exchange, 503, "unknown whether transfer " + id + " was made; repeat this request");
    } catch (JdbiException e) {
      boolean isFinal = BankInsecure.Failure.of(e) == BankInsecure.Failure.FINAL;
      exchange.getResponseHeaders().put("Retry-After", isFinal ? List.of() : List.of("1"));
      send(exchange, isFinal ? 500 : 503, "transfer " + id + " was not made");
    }
  }

  private static void send(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = (text + "\n").getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
    exchange.sendResponseHeaders(status, body.length);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(body);
    }
  }
}
