import java.io.IOException;

/**
 * The servers that the flow must run on. A test takes them with {@code @EnumSource}; where no
 * cockroach is on the PATH its two kinds are skipped.
 */
enum ServerKind {
  POSTGRESQL_INSECURE(false),
  POSTGRESQL_SECURE(true),
  COCKROACHDB_INSECURE(false),
  COCKROACHDB_SECURE(true);

  private final boolean secure;

  ServerKind(boolean secure) {
    this.secure = secure;
  }

  /** Whether it demands TLS. */
  boolean isSecure() {
    return secure;
  }

  /** Starts one with the user maxroach and the database bank. */
  Server start() throws IOException {
    return switch (this) {
      case POSTGRESQL_INSECURE -> Postgres.insecure();
      case POSTGRESQL_SECURE -> Postgres.secure();
      default -> Cockroach.start(secure);
    };
  }
}
