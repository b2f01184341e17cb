import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Serves a folder on this machine, as any web server would. */
final class SiteServer implements AutoCloseable {

  private static final Map<String, String> TYPES =
      Map.of(
          "html", "text/html",
          "js", "text/javascript",
          "css", "text/css",
          "svg", "image/svg+xml");

  private final HttpServer server;
  private final Path folder;

  SiteServer(Path folder) throws IOException {
    this.folder = folder;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.start();
  }

  /** Its URL, without a slash at the end. */
  String url() {
    return "http://localhost:" + server.getAddress().getPort();
  }

  /** The file that a URL of this server stands for, there or not. */
  Path file(URI url) {
    Path file = folder.resolve(url.getPath().substring(1));
    return Files.isDirectory(file) ? file.resolve("index.html") : file;
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      Path file = file(exchange.getRequestURI());
      if (!Files.isRegularFile(file)) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      String type = file.getFileName().toString().replaceFirst(".*\\.", "");
      exchange
          .getResponseHeaders()
          .set("Content-Type", TYPES.getOrDefault(type, "application/octet-stream"));
      exchange.sendResponseHeaders(200, Files.size(file));
      Files.copy(file, exchange.getResponseBody());
    }
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
