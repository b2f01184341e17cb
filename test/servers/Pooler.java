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

/** A PgBouncer that gives each transaction any of a few connections to a bank. */
final class Pooler implements AutoCloseable {

  /** How many connections it has to the bank. */
  static final int CONNECTIONS = 3;

  private final Bank bank;
  private final int port;
  private final TemporaryDirectory directory;
  private final Process process;

  private Pooler(Bank bank) throws IOException {
    this.bank = bank;
    this.port = Server.freePort();
    this.directory = TemporaryDirectory.create("pooler-");
    String settings =
        """
        [databases]
        * = host=localhost port=%d user=maxroach
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = %d
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = %d
        ignore_startup_parameters = extra_float_digits, options
        """
            .formatted(bank.server().port(), port, CONNECTIONS);
    Path file = Files.writeString(directory.path().resolve("pgbouncer.ini"), settings);
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

  /** Starts one for this bank and returns once it listens. */
  static Pooler to(Bank bank) throws IOException, InterruptedException {
    Pooler pooler = new Pooler(bank);
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
