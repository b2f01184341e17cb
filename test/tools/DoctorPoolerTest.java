import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A PgBouncer stands between the doctor and a database. */
@Timeout(120)
class DoctorPoolerTest {

  private static DoctorStage stage;
  private static TemporaryDirectory directory;
  private static Server server;

  @BeforeAll
  static void start() throws IOException {
    Assumptions.assumeTrue(
        Stream.of(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(folder -> new File(folder, "pgbouncer").canExecute()),
        "no pgbouncer on the PATH");
    stage = new DoctorStage();
    directory = TemporaryDirectory.create("pooler-");
    server = stage.server(DoctorCase.Place.INSECURE);
  }

  @AfterAll
  static void stop() {
    if (stage != null) {
      stage.close();
      directory.close();
    }
  }

  @Test
  void refusesOptions() throws Exception {
    try (Pooler pooler = new Pooler("", "bank")) {
      DoctorStage.Run run = stage.doctor(pooler.url());
      assertEquals(5, run.status(), run::toString);
      String first = run.checks().get(0);
      assertTrue(first.matches("✗ protocol .*unsupported startup parameter: options.*"), first);
      assertTrue(run.advice().contains("PgBouncer"), run.out());
      String line = run.command();
      assertEquals("ignore_startup_parameters = extra_float_digits, options", line);
      // With that line, the pooler drops the options, and the isolation level with them.
      dropsOptions(line);
    }
  }

  private static void dropsOptions(String line) throws Exception {
    Bank bank = Bank.create(server);
    String set = "ALTER DATABASE " + bank.database() + " SET default_transaction_isolation = ";
    bank.execute(set + "'read committed'");
    try (Pooler pooler = new Pooler(line, bank.database())) {
      DoctorStage.Run run = stage.doctor(pooler.url());
      String first = run.checks().get(0);
      assertTrue(first.startsWith("✗ isolation read committed"), run::toString);
      assertTrue(run.command().contains(set), run.command());
      bank.execute(set + "'serializable'");
    }
    try (Pooler pooler = new Pooler(line, bank.database())) {
      DoctorStage.Run run = stage.doctor(pooler.url());
      assertEquals(0, run.status(), run::toString);
    }
  }

  @Test
  void hasNoServer() throws Exception {
    String line = "ignore_startup_parameters = extra_float_digits, options";
    try (Pooler pooler = new Pooler(line, "bank", Server.freePort())) {
      DoctorStage.Run run = stage.doctor(pooler.url());
      assertEquals(5, run.status(), run::toString);
      assertTrue(run.out().matches("(?s)✗ (database|login|protocol) .*"), run.out());
      assertTrue(run.advice().contains("has none behind it"), run.out());
    }
  }

  /** A PgBouncer that lets everyone in. */
  private static final class Pooler implements AutoCloseable {
    private final int port = Server.freePort();
    private final String database;
    private final Process process;

    Pooler(String line, String database) throws Exception {
      this(line, database, server.port());
    }

    Pooler(String line, String database, int behind) throws Exception {
      this.database = database;
      Path folder = directory.directory("pooler" + port);
      Path settings = folder.resolve("pgbouncer.ini");
      Files.writeString(
          settings,
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
              .formatted(behind, port, line));
      // It refuses to run as root, and reads its settings before it becomes another user.
      boolean isRoot = System.getProperty("user.name").equals("root");
      List<String> command =
          isRoot
              ? List.of("pgbouncer", "-q", "-u", "nobody", settings.toString())
              : List.of("pgbouncer", "-q", settings.toString());
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(folder.resolve("printed").toFile())
              .start();
      await(folder.resolve("printed"));
    }

    private void await(Path printed) throws Exception {
      for (int i = 0; i < 200; i++) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
          return;
        } catch (IOException e) {
          assertTrue(process.isAlive(), () -> read(printed));
          TimeUnit.MILLISECONDS.sleep(50);
        }
      }
      throw new AssertionError("pgbouncer does not listen: " + read(printed));
    }

    private static String read(Path file) {
      try {
        return Files.readString(file);
      } catch (IOException e) {
        return e.toString();
      }
    }

    String url() {
      return "--url=postgresql://maxroach@127.0.0.1:" + port + "/" + database + "?sslmode=disable";
    }

    @Override
    public void close() {
      process.destroy();
      process.onExit().join();
    }
  }
}
