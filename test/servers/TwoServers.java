import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Tests that share an insecure and a secure server, from before the first to after the last. */
abstract class TwoServers {

  static LocalCluster insecure;
  static LocalCluster secure;

  @BeforeAll
  static void startServers() throws Exception {
    insecure = LocalCluster.insecure();
    secure = LocalCluster.secure();
  }

  @AfterAll
  static void stopServers() {
    insecure.close();
    secure.close();
  }
}
