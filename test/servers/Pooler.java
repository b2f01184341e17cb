import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/** A PgBouncer in front of a bank, which accepts every user. */
final class Pooler implements AutoCloseable {

  /** How many connections it has to the bank. */
  private static final int CONNECTIONS = 3;

  private static final String TRANSACTION_POOLING =
      """
      pool_mode = transaction
      default_pool_size = %d
      ignore_startup_parameters = extra_float_digits, options
      """
          .formatted(CONNECTIONS);

  private final Bank bank;
  private final int port;
  private final TemporaryDirectory directory;
  private final Process process;

  private Pooler(Bank bank, int serverPort, String settings) throws IOException {
    this.bank = bank;
    this.port = Server.freePort();
    this.directory = TemporaryDirectory.create("pooler-");
    String all =
        """
        [databases]
        * = host=localhost port=%d user=maxroach
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = %d
        unix_socket_dir =
        auth_type = any
        %s
        """
            .formatted(serverPort, port, settings);
    Path file = Files.writeString(directory.path().resolve("pgbouncer.ini"), all);
    List<String> command = new ArrayList<>(List.of("/usr/sbin/pgbouncer", "-q", "" + file));
    if (System.getProperty("user.name").equals("root")) {
      // It reads its settings before it becomes another user.
      command.addAll(1, List.of("-u", "nobody"));
    }
    process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
  }

  /** Whether Debian's PgBouncer is installed. */
  static boolean isInstalled() {
    return Files.isExecutable(Path.of("/usr/sbin/pgbouncer"));
  }

  /** Starts one that gives each transaction any of a few connections to this bank. */
  static Pooler to(Bank bank) throws IOException, InterruptedException {
    return to(bank, bank.server().port(), TRANSACTION_POOLING);
  }

  /** Starts one with these settings, for a server on this port, and returns once it listens. */
  static Pooler to(Bank bank, int serverPort, String settings)
      throws IOException, InterruptedException {
    Pooler pooler = new Pooler(bank, serverPort, settings);
    Watch.await(pooler::listens);
    return pooler;
  }

  /** The URL of the bank by way of it. */
  String url() {
    return bank.urlThrough(port);
  }

  /** Asks on each of its connections, and returns the answers. */
  List<String> askOnEach(String question) {
    String login = "&user=maxroach&prepareThreshold=0";
    Jdbi jdbi = Jdbi.create("jdbc:" + url().replace("maxroach@", "") + login);
    List<Handle> handles = Stream.generate(jdbi::open).limit(CONNECTIONS).toList();
    // In a transaction each, so that none gets the connection of another.
    handles.forEach(Handle::begin);
    List<String> answers =
        handles.stream().map(handle -> handle.select(question).mapTo(String.class).one()).toList();
    for (Handle handle : handles) {
      handle.rollback();
      handle.close();
    }
    return answers;
  }

  private boolean listens() {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Override
  public void close() {
    process.destroy();
    process.onExit().join();
    directory.close();
  }
}
