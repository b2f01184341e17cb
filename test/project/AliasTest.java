import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each alias runs from afar, with all that its script names, where there is no clone. */
@Timeout(300)
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "jbangw is a shell script")
class AliasTest {

  private static Shell shell;
  private static HttpServer host;

  @BeforeAll
  static void serveProject() throws IOException {
    shell = new Shell();
    host = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    host.createContext("/", AliasTest::answer);
    host.start();
  }

  @AfterAll
  static void stop() {
    host.stop(0);
    shell.close();
  }

  static Set<String> names() throws IOException {
    return Catalog.read().aliases().keySet();
  }

  @ParameterizedTest
  @MethodSource("names")
  void runs(String name) throws Exception {
    String script = Catalog.read().aliases().get(name).className();
    String catalog = "http://localhost:" + host.getAddress().getPort() + "/jbang-catalog.json";
    String command = "jbang " + name + "@" + catalog + " --version";
    String version = shell.runQuietly(command, shell.directory(name));
    assertTrue(version.matches(script + " \\d+\\.\\d+\n"), version);
  }

  private static void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      Path file = Project.root().resolve(exchange.getRequestURI().getPath().substring(1));
      boolean isThere = Files.isRegularFile(file);
      exchange.sendResponseHeaders(isThere ? 200 : 404, 0);
      if (isThere) {
        Files.copy(file, exchange.getResponseBody());
      }
    }
  }
}
