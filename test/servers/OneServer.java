import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Tests that share an insecure server, started before the first and stopped after the last. */
abstract class OneServer {

  static Server server;

  @BeforeAll
  static void startServer() throws Exception {
    server = LocalCluster.insecure();
  }

  @AfterAll
  static void stopServer() {
    server.close();
  }
}
