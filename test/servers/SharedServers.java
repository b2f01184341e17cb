import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Two servers for all tests that neither stop nor change theirs; each works in a database of its
 * own. They start when first wanted and end with the program.
 */
final class SharedServers {

  private SharedServers() {}

  /** One that lets everyone in, in the clear. */
  static Postgres insecure() {
    return Insecure.SERVER;
  }

  /**
   * One with TLS, that asks for a certificate. It lets two users in by password: clerk by SCRAM,
   * and client by one that goes over the wire as it is, so that whoever listens in hears it.
   */
  static Postgres secure() {
    return Secure.SERVER;
  }

  /** Who signed the certificates of the secure one. */
  static Certificates authority() {
    return Secure.AUTHORITY;
  }

  private static final class Insecure {
    private static final Postgres SERVER = start(Postgres.builder());
  }

  private static final class Secure {
    private static final Certificates AUTHORITY = new Certificates();
    private static final Postgres SERVER = start();

    private static Postgres start() {
      Postgres server =
          SharedServers.start(
              Postgres.builder()
                  .certs(certificates())
                  .access("hostssl all clerk all scram-sha-256")
                  .access("hostssl all client all password")
                  .access("hostssl all all all cert"));
      for (String user : List.of("clerk", "client")) {
        String role = "CREATE ROLE " + user + " IN ROLE maxroach LOGIN PASSWORD ";
        server.asSuperuser().useHandle(root -> root.execute(role + "'" + ErrorForm.PASSWORD + "'"));
      }
      return server;
    }

    private static Path certificates() {
      try {
        Path folder = TemporaryDirectory.create("shared-certs-").path();
        AUTHORITY.writeAll(folder);
        return folder;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static Postgres start(Postgres.Builder shape) {
    try {
      return shape.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
