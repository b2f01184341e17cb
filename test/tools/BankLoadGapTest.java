import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The gaps that BankLoad reports are the times in which the database committed no transfer. */
@Timeout(120)
class BankLoadGapTest {

  /** What the client saw may end this much earlier or later than what the database did. */
  private static final double TOLERANCE = 0.15;

  private record Pause(double from, double to) {
    double length() {
      return to - from;
    }

    boolean isNear(Pause other) {
      return Math.abs(from - other.from) <= TOLERANCE && Math.abs(to - other.to) <= TOLERANCE;
    }
  }

  @Test
  void onABusyMachineGapsArePausesBetweenCommits() throws Exception {
    AtomicBoolean ended = new AtomicBoolean();
    List<Thread> busy =
        Stream.generate(() -> new Thread(() -> spin(ended)))
            .limit(Runtime.getRuntime().availableProcessors())
            .toList();
    try (Postgres server = Postgres.builder().setting("track_commit_timestamp", "on").start()) {
      Bank bank = Watch.bankWithAccounts(server, 1_000);
      busy.forEach(Thread::start);
      String[] arguments = {
        "--json", "--warm-up=1s", "--duration=15s", "--concurrency=4", "--url=" + bank.url()
      };
      try (Script.Running running = Script.of("BankLoad", arguments).start()) {
        Watch.of(bank).awaitTransfers(20);
        // After the warm-up.
        Thread.sleep(4_000);
        lockAccounts(bank, 1_200);
        Script.Result result = running.await();
        assertEquals(0, result.status(), result::toString);
        JsonObject json = JsonParser.parseString(result.out()).getAsJsonObject();
        assertSame(pauses(bank, json), gaps(json));
      }
    } finally {
      ended.set(true);
    }
  }

  private static void spin(AtomicBoolean ended) {
    while (!ended.get()) {
      Thread.onSpinWait();
    }
  }

  private static void lockAccounts(Bank bank, long milliseconds) throws InterruptedException {
    try (Handle lock = bank.server().asSuperuser(bank.database()).open()) {
      lock.begin();
      lock.execute("LOCK TABLE accounts IN EXCLUSIVE MODE");
      Thread.sleep(milliseconds);
      lock.commit();
    }
  }

  private static List<Pause> gaps(JsonObject json) {
    List<Pause> gaps = new ArrayList<>();
    for (JsonElement gap : json.getAsJsonArray("gaps")) {
      double from = gap.getAsJsonArray().get(0).getAsDouble();
      gaps.add(new Pause(from, gap.getAsJsonArray().get(1).getAsDouble()));
    }
    return gaps;
  }

  /** The times between two commits, in seconds since the measured part of the load began. */
  private static List<Pause> pauses(Bank bank, JsonObject json) {
    Instant start = Instant.parse(json.get("measuredFrom").getAsString());
    String times = "SELECT pg_xact_commit_timestamp(xmin) FROM transfers ORDER BY 1";
    List<Double> seconds =
        bank.ask(root -> root.createQuery(times).mapTo(Instant.class).list()).stream()
            .map(time -> (time.toEpochMilli() - start.toEpochMilli()) / 1e3)
            .toList();
    List<Pause> pauses = new ArrayList<>();
    for (int i = 1; i < seconds.size(); i++) {
      pauses.add(new Pause(seconds.get(i - 1), seconds.get(i)));
    }
    return pauses;
  }

  private static void assertSame(List<Pause> pauses, List<Pause> gaps) {
    String both =
        "gaps " + gaps + ", pauses " + pauses.stream().filter(p -> p.length() > 0.3).toList();
    for (Pause gap : gaps) {
      assertTrue(pauses.stream().anyMatch(gap::isNear), both);
    }
    for (Pause pause : pauses) {
      boolean isLong = pause.length() >= 0.5 + TOLERANCE;
      assertTrue(!isLong || gaps.stream().anyMatch(pause::isNear), both);
    }
    assertTrue(gaps.stream().anyMatch(gap -> gap.length() >= 1.2 - TOLERANCE), both);
  }
}
