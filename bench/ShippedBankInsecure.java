///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES ../BankInsecure.java
//SOURCES Contender.java

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import picocli.CommandLine;

/**
 * BankInsecure as it ships, by its command line, run several times in one process as the others
 * are. Its CPU time is that of a run without that of one that makes no transfers; the audit of the
 * ledger stays in it.
 */
final class ShippedBankInsecure extends Contender {

  /** What a run printed, and the CPU time that it took. */
  private record Ended(JsonObject result, double cpuSeconds) {

    double number(String name) {
      return result.get(name).getAsDouble();
    }
  }

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    run(new ShippedBankInsecure(), arguments);
  }

  @Override
  Measurement measure() throws IOException {
    if (warmUp > 0) {
      bank("--duration=PT" + warmUp + "S");
    }
    Ended idle = bank("--transfers=0");
    Ended load = bank("--duration=PT" + seconds + "S");
    return new Measurement(
        (long) load.number("transfersCommitted"),
        (long) load.number("retries"),
        load.number("seconds"),
        load.number("p50Milliseconds"),
        load.number("p99Milliseconds"),
        load.number("maximumMilliseconds"),
        load.cpuSeconds() - idle.cpuSeconds());
  }

  private Ended bank(String work) throws IOException {
    String address = "postgresql://maxroach@localhost:" + port + "/" + database;
    PrintStream terminal = System.out;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    long cpuBefore = cpuNanos();
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    int status;
    try {
      status =
          new CommandLine(new BankInsecure())
              .execute(
                  "--json",
                  "--accounts=0",
                  work,
                  "--concurrency=" + workers,
                  "--url=" + address + "?sslmode=disable");
    } finally {
      System.setOut(terminal);
    }
    if (status != 0) {
      throw new IOException("BankInsecure ended with status " + status);
    }
    String json = out.toString(StandardCharsets.UTF_8);
    return new Ended(
        JsonParser.parseString(json).getAsJsonObject(), (cpuNanos() - cpuBefore) / 1e9);
  }
}
