import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A PgBouncer stands between the doctor and a database. */
@Timeout(60)
class DoctorPoolerTest {

  private static final String OPTIONS = "ignore_startup_parameters = extra_float_digits, options";

  @Test
  void explainsWhatStandsBetween() throws Exception {
    Assumptions.assumeTrue(Pooler.isInstalled(), "no pgbouncer in /usr/sbin");
    Bank bank = Bank.create(SharedServers.insecure());
    int server = bank.server().port();
    DoctorStage.Run refused = diagnose(bank, server, "");
    refused.assertBroken("protocol", "unsupported startup parameter: options", "PgBouncer");
    assertEquals(OPTIONS, refused.command());
    // With that line, the pooler drops the options, and the isolation level with them.
    String set = "ALTER DATABASE " + bank.database() + " SET default_transaction_isolation = ";
    bank.execute(set + "'read committed'");
    diagnose(bank, server, OPTIONS).assertBroken("isolation", "read committed", set);
    bank.execute(set + "'serializable'");
    DoctorStage.Run well = diagnose(bank, server, OPTIONS);
    assertEquals(0, well.status(), well::toString);
    diagnose(bank, Server.freePort(), OPTIONS).assertBroken("login", "", "has none behind it");
  }

  /** Diagnoses a new PgBouncer with this line, for a server on that port. */
  private static DoctorStage.Run diagnose(Bank bank, int serverPort, String line) throws Exception {
    try (Pooler pooler = Pooler.to(bank, serverPort, line);
        DoctorStage stage = new DoctorStage()) {
      return stage.doctor("--url=" + pooler.url() + "&loginTimeout=2");
    }
  }
}
