import java.io.IOException;
import java.nio.file.Path;
import org.jdbi.v3.core.Jdbi;

/** A running database server on this machine, as the tests see it. */
interface Server extends AutoCloseable {

  /** The port it listens on at localhost. */
  int port();

  /** The folder of certificates for its clients; null if it is insecure. */
  Path certs();

  /** A way in as superuser, whatever the server demands of its users. */
  Jdbi asSuperuser(String database);

  @Override
  void close();

  /** Whether it demands TLS. */
  default boolean isSecure() {
    return certs() != null;
  }

  /** A way in as superuser to the database bank. */
  default Jdbi asSuperuser() {
    return asSuperuser("bank");
  }

  /** The URL to give to a script, for the user maxroach and the database bank. */
  default String url() {
    return url("maxroach");
  }

  /** The URL to give to a script, for this user and the database bank. */
  default String url(String user) {
    String url = "postgresql://" + user + "@localhost:" + port() + "/bank";
    return isSecure() ? url : url + "?sslmode=disable";
  }

  /** A port of localhost that nothing listens on. */
  static int freePort() throws IOException {
    return Cluster.freePort();
  }
}
