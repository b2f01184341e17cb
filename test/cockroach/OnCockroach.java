import java.io.IOException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

/** Tests that share an insecure CockroachDB, and are skipped, each by name, where there is none. */
abstract class OnCockroach {

  static Cockroach server;

  @BeforeAll
  static void startServer() throws IOException {
    if (Cockroach.isInstalled()) {
      server = Cockroach.start(false);
    }
  }

  @BeforeEach
  void skipWithoutCockroach() {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
  }

  @AfterAll
  static void stopServer() {
    if (server != null) {
      server.close();
      server = null;
    }
  }
}
