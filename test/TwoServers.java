import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Tests that share an insecure and a secure server, from before the first to after the last. */
abstract class TwoServers {

  static LocalServer insecure;
  static LocalServer secure;

  @BeforeAll
  static void startServers() throws Exception {
    insecure = LocalServer.insecure();
    secure = LocalServer.secure();
  }

  @AfterAll
  static void stopServers() {
    insecure.close();
    secure.close();
  }
}
