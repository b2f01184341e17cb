import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * The servers that the samples must run on. A test takes them with {@code @EnumSource}. If there is
 * no cockroach on the PATH, its two kinds are skipped.
 */
enum ServerKind {
  POSTGRESQL_INSECURE,
  POSTGRESQL_SECURE,
  COCKROACHDB_INSECURE,
  COCKROACHDB_SECURE;

  private Server shared;

  /** Whether it demands TLS. */
  boolean isSecure() {
    return this == POSTGRESQL_SECURE || this == COCKROACHDB_SECURE;
  }

  /** Whether it is CockroachDB. */
  boolean isCockroach() {
    return this == COCKROACHDB_INSECURE || this == COCKROACHDB_SECURE;
  }

  /**
   * The server of this kind for all tests that neither stop nor change theirs; each works in a
   * database of its own. It starts when the first test asks for it, and ends with the program.
   */
  synchronized Server shared() {
    try {
      if (shared == null) {
        shared = start();
        if (isSecure()) {
          List.of("clerk", "client").forEach(this::createUser);
        }
      }
      return shared;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Server start() throws IOException {
    return switch (this) {
      case POSTGRESQL_INSECURE -> Postgres.insecure();
      case POSTGRESQL_SECURE ->
          Postgres.secure(
              "hostssl all clerk all scram-sha-256",
              "hostssl all client all password",
              "hostssl all all all cert");
      default -> {
        Cockroach cockroach = Cockroach.start(isSecure());
        Runtime.getRuntime().addShutdownHook(new Thread(cockroach::close));
        yield cockroach;
      }
    };
  }

  /** A user with a password, who may do what maxroach may. */
  private void createUser(String name) {
    shared
        .asSuperuser("defaultdb")
        .useHandle(
            root -> {
              root.execute("CREATE USER " + name + " WITH PASSWORD '" + ErrorForm.PASSWORD + "'");
              root.execute("GRANT maxroach TO " + name);
            });
  }
}
