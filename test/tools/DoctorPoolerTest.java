import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A PgBouncer stands between the doctor and a database. */
@Timeout(60)
class DoctorPoolerTest {

  private static final String OPTIONS = "ignore_startup_parameters = extra_float_digits, options";

  @TempDir private Path folder;

  @Test
  void explainsWhatStandsBetween() throws Exception {
    Assumptions.assumeTrue(Pooler.isInstalled(), "no pgbouncer in /usr/sbin");
    Bank bank = Bank.create(SharedServers.insecure());
    int server = bank.server().port();
    DoctorStage.Run refused = diagnose("", server, bank.database());
    refused.assertBroken("protocol", "unsupported startup parameter: options", "PgBouncer");
    assertEquals(OPTIONS, refused.command());
    // With that line, the pooler drops the options, and the isolation level with them.
    String set = "ALTER DATABASE " + bank.database() + " SET default_transaction_isolation = ";
    bank.execute(set + "'read committed'");
    diagnose(OPTIONS, server, bank.database()).assertBroken("isolation", "read committed", set);
    bank.execute(set + "'serializable'");
    DoctorStage.Run well = diagnose(OPTIONS, server, bank.database());
    assertEquals(0, well.status(), well::toString);
    diagnose(OPTIONS, Server.freePort(), "bank").assertBroken("login", "", "has none behind it");
  }

  /** Diagnoses a new PgBouncer with this line, which accepts every user, in front of that port. */
  private DoctorStage.Run diagnose(String line, int behind, String database) throws Exception {
    int port = Server.freePort();
    Path settings =
        Files.writeString(
            folder.resolve("pgbouncer.ini"),
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
    List<String> command = new ArrayList<>(List.of("/usr/sbin/pgbouncer", "" + settings));
    if (System.getProperty("user.name").equals("root")) {
      // It refuses to run as root, and reads its settings before it becomes another user.
      command.add("--user=nobody");
    }
    Path log = folder.resolve("log");
    Process pooler =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try (DoctorStage stage = new DoctorStage()) {
      String url = "--url=postgresql://maxroach@127.0.0.1:%d/%s?sslmode=disable&loginTimeout=2";
      DoctorStage.Run run = stage.doctor(url.formatted(port, database));
      while (pooler.isAlive() && run.out().startsWith("✗ host")) {
        run = stage.doctor(url.formatted(port, database));
      }
      return run;
    } finally {
      pooler.destroy();
      pooler.onExit().join();
    }
  }
}
