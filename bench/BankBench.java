///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Measures the scripts against their peers, side by side, on a PostgreSQL of its own
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//JAVA_OPTIONS -XX:+UseSerialGC -Djava.awt.headless=true
//DEPS com.google.code.gson:gson:2.15.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.jfree:jfreechart:1.5.6
//DEPS de.erichseifert.vectorgraphics2d:VectorGraphics2D:0.13
//SOURCES ../BankBasic.java
//SOURCES ../BankInsecure.java
//SOURCES ../BankSecure.java
//SOURCES ../test/servers/Certificates.java
//SOURCES ../test/servers/FaultProxy.java
//SOURCES ../test/servers/Postgres.java
//SOURCES ../test/servers/Server.java
//SOURCES ../test/servers/TemporaryDirectory.java
//SOURCES ../tools/BankLoad.java
//SOURCES ../tools/LocalCluster.java
//SOURCES AccountCreation.java
//SOURCES Chart.java
//SOURCES ClassicTransaction.java
//SOURCES Contender.java
//SOURCES Course.java
//SOURCES DefaultRun.java
//SOURCES Execution.java
//SOURCES ExplicitCommit.java
//SOURCES JdbcContender.java
//SOURCES Machine.java
//SOURCES Pgbench.java
//SOURCES PlainJdbc.java
//SOURCES Results.java
//SOURCES Run.java
//SOURCES SerializableRunner.java
//SOURCES ShippedBankLoad.java
//SOURCES Table.java
//FILES BankInsecure.java=../BankInsecure.java
//FILES sqlalchemy_bank.py

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Lets the scripts and their peers make the same transfers in turn, round by round, so that what
 * else the machine does hits all alike, and compares them within each round.
 */
@Command(
    name = "BankBench",
    version = "BankBench 1.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Measures the scripts against their peers, side by side.",
    footerHeading = "%nExamples, to run in the project's directory:%n",
    footer = {
      "  ./jbangw bench/BankBench.java",
      "  ./jbangw bench/BankBench.java --quick",
      "  ./jbangw bench/BankBench.java --settings=8/1000/0 --contenders=pgbench,bank_load"
    })
public final class BankBench implements Callable<Integer> {

  @Option(names = "--quick", description = "Only see that it works, in less than a minute.")
  private boolean quick;

  @Option(names = "--rounds", description = "Rounds that count, after one that does not; 5.")
  private Integer rounds;

  @Option(names = "--seconds", description = "How long a contender makes transfers; 2.")
  private Double seconds;

  @Option(
      names = "--contenders",
      split = ",",
      description = "Only these: ${COMPLETION-CANDIDATES}.")
  private Set<Run.Entrant> contenders = Set.of(Run.Entrant.values());

  @Option(
      names = "--settings",
      split = ",",
      description = "Only these: workers/accounts/milliseconds of latency added, as 8/1000/5.")
  private List<Run.Setting> settings;

  @Option(names = "--only-extras", description = "No transfers: accounts and the default run.")
  private boolean onlyExtras;

  @Option(names = "--write", description = "Write bench/results.*, as the full run does anyway.")
  private boolean write;

  private Results results;

  @Override
  public Integer call() throws Exception {
    boolean full = !quick && !onlyExtras && settings == null;
    if (!Files.isExecutable(Path.of("jbangw"))) {
      System.err.println("error: there is no jbangw here");
      System.err.println("Run the benchmark in the project's directory.");
      return 2;
    }
    try (Course course = new Course()) {
      String machine = Machine.describe(course.server());
      System.out.println(machine + ".\n");
      results = new Results(machine);
      if (!onlyExtras) {
        measureTransfers(course);
        // What took long to measure is not lost if what follows fails.
        writeResults(full);
      }
      if (full || onlyExtras) {
        measureCreation(course);
        String title = "One run from start to end, JBang included";
        System.out.println(results.add(title, "CPU seconds", "%.2f", DefaultRun.measure(course)));
      }
    }
    writeResults(full);
    return results.areWithoutFault() ? 0 : 1;
  }

  private void writeResults(boolean full) throws IOException {
    if (write || (full && contenders.size() == Run.Entrant.values().length)) {
      results.write(Path.of("bench"));
    }
  }

  private void measureCreation(Course course) throws IOException, InterruptedException {
    try {
      String title =
          "Creating 1,000,000 accounts: the start, connecting and the audit are not counted";
      Map<String, List<Double>> rates = AccountCreation.measure(course);
      System.out.println(results.add(title, "accounts/s", "%,.0f", rates));
    } catch (Contender.Unavailable e) {
      System.out.println("The creation of accounts was not measured: " + e.getMessage());
    }
  }

  private void measureTransfers(Course course) throws IOException, InterruptedException {
    Map<Run.Entrant, Double> roundTrips = new EnumMap<>(Run.Entrant.class);
    for (Run.Entrant entrant : Run.Entrant.values()) {
      if (contenders.contains(entrant)) {
        roundTrips.put(entrant, course.roundTrips(entrant));
      }
    }
    roundTrips.keySet().removeAll(course.absent().keySet());
    results.begin(roundTrips, course.absent());
    course.absent().forEach((entrant, reason) -> System.out.println(entrant.title + ": " + reason));
    for (Run.Setting setting : settings()) {
      List<Run> runs = new ArrayList<>();
      for (int round = quick ? 1 : Run.WARM_UP; round <= rounds(); round++) {
        for (Run.Entrant entrant : roundTrips.keySet()) {
          runs.add(course.run(setting, round, entrant, seconds()));
        }
      }
      System.out.println(results.add(setting, runs));
    }
  }

  private List<Run.Setting> settings() {
    return settings != null ? settings : quick ? List.of(Run.Setting.TYPICAL) : Run.Setting.all();
  }

  private int rounds() {
    return rounds != null ? rounds : quick ? 1 : 5;
  }

  private double seconds() {
    return seconds != null ? seconds : quick ? 0.5 : 2;
  }

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(
        new CommandLine(new BankBench())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .registerConverter(Run.Setting.class, Run.Setting::parse)
            .execute(arguments));
  }
}
