import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests that run on PostgreSQL and on CockroachDB, each on a node that all tests share. */
@ParameterizedClass
@EnumSource(
    value = ServerKind.class,
    names = {"POSTGRESQL_INSECURE", "COCKROACHDB_INSECURE"})
abstract class EachServer {

  @Parameter ServerKind kind;

  /** The shared server, on which each test creates a database of its own. */
  Server server;

  @BeforeParameterizedClassInvocation
  static void startServer(ServerKind kind) {
    kind.shared();
  }

  @BeforeEach
  void findServer() {
    server = kind.shared();
  }

  /** The shared server of the same database that demands TLS. */
  Server secureServer() {
    return kind.isCockroach()
        ? ServerKind.COCKROACHDB_SECURE.shared()
        : ServerKind.POSTGRESQL_SECURE.shared();
  }
}
