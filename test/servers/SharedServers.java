/** The two PostgreSQL servers of {@link ServerKind} that all tests share. */
final class SharedServers {

  private SharedServers() {}

  /** One that lets everyone in, in the clear. */
  static Postgres insecure() {
    return (Postgres) ServerKind.POSTGRESQL_INSECURE.shared();
  }

  /**
   * One with TLS, that asks for a certificate. It lets two users in by password: clerk by SCRAM,
   * and client by one that goes over the wire as it is, so that whoever listens in hears it.
   */
  static Postgres secure() {
    return (Postgres) ServerKind.POSTGRESQL_SECURE.shared();
  }

  /** Who signed the certificates of the secure one. */
  static Certificates authority() {
    return Postgres.authority();
  }
}
