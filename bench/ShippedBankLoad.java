///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES ../tools/BankLoad.java
//SOURCES Contender.java

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Locale;

/**
 * BankLoad as it ships, by its command line, which runs the statements and the retry loop of the
 * samples. Its CPU time is that of a run without that of one that ends after the warm-up; the audit
 * of the ledger stays in it.
 */
final class ShippedBankLoad extends Contender {

  /** What a run printed, and the CPU time that it took. */
  private record Ended(JsonObject result, double cpuSeconds) {

    double number(String name) {
      return result.get(name).getAsDouble();
    }
  }

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    run(new ShippedBankLoad(), arguments);
  }

  @Override
  Run.Measurement measure() throws IOException {
    // The first run compiles what the second, which is taken off, and the third no longer must.
    bank("--duration=0s");
    Ended warmingUp = bank("--duration=0s");
    Ended load = bank("--duration=" + seconds + "s");
    return new Run.Measurement(
        (long) load.number("transfersCommitted"),
        (long) load.number("retries"),
        load.number("seconds"),
        load.number("p50Milliseconds"),
        load.number("p99Milliseconds"),
        load.number("maximumMilliseconds"),
        load.cpuSeconds() - warmingUp.cpuSeconds());
  }

  private Ended bank(String work) throws IOException {
    String address = "postgresql://maxroach@localhost:" + port + "/" + database;
    StringWriter out = new StringWriter();
    long cpuBefore = cpuNanos();
    int status =
        BankLoad.commandLine()
            .setOut(new PrintWriter(out))
            .execute(
                "--json",
                "--warm-up=" + warmUp + "s",
                work,
                "--concurrency=" + workers,
                "--url=" + address + "?sslmode=disable");
    if (status != 0) {
      throw new IOException("BankLoad ended with status " + status);
    }
    double cpuSeconds = (cpuNanos() - cpuBefore) / 1e9;
    return new Ended(JsonParser.parseString(out.toString()).getAsJsonObject(), cpuSeconds);
  }
}
