///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES ../BankInsecure.java
//SOURCES Contender.java
//SOURCES Program.java

import java.io.IOException;
import java.util.List;
import java.util.Locale;

/**
 * BankInsecure as it ships, in a process of its own. Its CPU time is that of the process without
 * that of a run that makes no transfers; the audit of the ledger stays in it, and so does opening
 * the connections of all workers but the first.
 */
final class ShippedBankInsecure extends Contender {

  public static void main(String... arguments) {
    run(new ShippedBankInsecure(), arguments);
  }

  @Override
  Result measure() throws IOException, InterruptedException {
    Program idle = bank("--transfers=0");
    Program load = bank(String.format(Locale.ROOT, "--duration=%.3fs", seconds));
    return new Result(
        (long) load.number("\"transfersCommitted\":"),
        (long) load.number("\"retries\":"),
        load.number("\"seconds\":"),
        load.number("\"p50Milliseconds\":"),
        load.number("\"p99Milliseconds\":"),
        load.cpuSeconds() - idle.cpuSeconds());
  }

  private Program bank(String work) throws IOException, InterruptedException {
    String address = "postgresql://maxroach@localhost:" + port + "/" + database;
    return Program.run(
        Execution.java(
            "BankInsecure",
            List.of(
                "--json",
                "--accounts=0",
                work,
                "--concurrency=" + workers,
                "--url=" + address + "?sslmode=disable")));
  }
}
