import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * The servers that the samples must run on. A test takes them with {@code @EnumSource}. If there is
 * no cockroach on the PATH, its two kinds are skipped.
 */
enum ServerKind {
  POSTGRESQL_INSECURE(false),
  POSTGRESQL_SECURE(true),
  COCKROACHDB_INSECURE(false),
  COCKROACHDB_SECURE(true);

  private final boolean secure;
  private Cockroach shared;

  ServerKind(boolean secure) {
    this.secure = secure;
  }

  /** Whether it demands TLS. */
  boolean isSecure() {
    return secure;
  }

  /** Whether it is CockroachDB. */
  boolean isCockroach() {
    return this == COCKROACHDB_INSECURE || this == COCKROACHDB_SECURE;
  }

  /** Starts one with the user maxroach and the database bank. */
  Server start() throws IOException {
    return switch (this) {
      case POSTGRESQL_INSECURE -> Postgres.insecure();
      case POSTGRESQL_SECURE -> Postgres.secure();
      default -> Cockroach.start(secure);
    };
  }

  /** The server of this kind that all tests share. It starts when the first test asks for it. */
  Server shared() {
    return switch (this) {
      case POSTGRESQL_INSECURE -> SharedServers.insecure();
      case POSTGRESQL_SECURE -> SharedServers.secure();
      default -> sharedCockroach();
    };
  }

  private synchronized Cockroach sharedCockroach() {
    try {
      if (shared == null) {
        shared = Cockroach.start(secure);
        if (secure) {
          createClerk(shared);
        }
        Runtime.getRuntime().addShutdownHook(new Thread(shared::close));
      }
      return shared;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As on the PostgreSQL that all share, clerk has a password. */
  private static void createClerk(Server server) {
    server
        .asSuperuser("defaultdb")
        .useHandle(
            root -> {
              root.execute("CREATE USER clerk WITH PASSWORD '" + ErrorForm.PASSWORD + "'");
              root.execute("GRANT maxroach TO clerk");
            });
  }
}
