import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;

/** Tests on the insecure CockroachDB that all tests share. Without a cockroach they are skipped. */
abstract class OnCockroach {

  Server server;

  @BeforeEach
  void findServer() {
    Assumptions.assumeTrue(Cockroach.isInstalled(), "no cockroach on the PATH");
    server = ServerKind.COCKROACHDB_INSECURE.shared();
  }
}
