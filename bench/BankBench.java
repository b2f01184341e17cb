///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Measures the samples' transfer and other ways to transfer money, side by side
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS info.picocli:picocli:4.7.7
//SOURCES ../BankBasic.java
//SOURCES ../BankInsecure.java
//SOURCES ../test/servers/FaultProxy.java
//SOURCES ../test/servers/TemporaryDirectory.java
//SOURCES ../tools/LocalCluster.java
//SOURCES BenchDatabase.java
//SOURCES Chart.java
//SOURCES Contender.java
//SOURCES ContenderProcess.java
//SOURCES LoadGenerator.java
//SOURCES LoadOptions.java
//SOURCES Measurement.java
//SOURCES Pgbench.java
//SOURCES Results.java
//SOURCES Run.java
//SOURCES Setting.java
//SOURCES Statistics.java
//SOURCES Transfers.java

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Lets contenders make transfers in turn, round by round, so that whatever else the machine does
 * hits all of them alike, and compares them within each round.
 */
@Command(
    name = "BankBench",
    version = "BankBench 3.0",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Measures the samples' transfer and other ways to transfer money, side by",
      "side, on CockroachDB if cockroach is on the PATH, and on PostgreSQL."
    },
    footer = {
      "%nExamples, to run in the project's directory:%n",
      "  ./jbangw bench/BankBench.java --write",
      "  ./jbangw bench/BankBench.java --databases=cockroach --settings=8/1000/5",
      "  ./jbangw bench/BankBench.java --statements=one.sql,other.sql"
    })
public final class BankBench implements Callable<Integer> {

  @Option(names = "--quick", description = "Only check that it works, in less than a minute.")
  private boolean quick;

  @Option(
      names = "--databases",
      split = ",",
      description = "Of ${COMPLETION-CANDIDATES} (default: those that are here).")
  private Set<BenchDatabase.Kind> databases;

  @Option(
      names = "--settings",
      split = ",",
      paramLabel = "<workers/accounts/milliseconds>",
      description = "Workers, accounts and latency, such as 8/1000/5.")
  private List<Setting> settings;

  @Option(
      names = "--contenders",
      split = ",",
      description = "Of ${COMPLETION-CANDIDATES} (default: all, on PostgreSQL three).")
  private Set<Contender> contenders;

  @Option(
      names = "--statements",
      split = ",",
      description = "Files with other SQL for the samples' transfer, to compare with theirs.")
  private List<Path> statements = List.of();

  @Option(names = "--rounds", description = "How often each one runs (default: 5).")
  private Integer rounds;

  @Option(names = "--seconds", description = "How long each run counts (default: 3).")
  private Double seconds;

  @Option(names = "--write", description = "Write bench/results.md and bench/results.svg.")
  private boolean write;

  /** A contender, with the file of its statement if it has one. */
  record Entry(Contender contender, Path statement) {
    String title() {
      return statement == null ? contender.title() : statement.getFileName().toString();
    }
  }

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    System.exit(
        new CommandLine(new BankBench())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .registerConverter(Setting.class, Setting::parse)
            .execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    if (!Files.isExecutable(Path.of("jbangw"))) {
      System.err.println("error: run the benchmark in the project's directory");
      return 2;
    }
    Results results = new Results();
    for (BenchDatabase.Kind kind : databases()) {
      for (Setting setting : settings(kind)) {
        measure(results, kind, setting);
        System.out.println(results.table(kind, setting));
        if (write) {
          // What took long to measure is not lost if what follows fails.
          results.write(Path.of("bench"));
        }
      }
    }
    System.out.println(results.machine());
    return results.faults().isEmpty() ? 0 : 1;
  }

  /** Starts a new database, so that no setting suffers from what another has left there. */
  private void measure(Results results, BenchDatabase.Kind kind, Setting setting)
      throws IOException, InterruptedException {
    List<ContenderProcess> contenders = new ArrayList<>();
    try (BenchDatabase database = BenchDatabase.start(kind)) {
      results.addVersion(kind, database.version());
      for (Entry entry : entries(kind)) {
        contenders.add(new ContenderProcess(entry, database, setting, seconds()));
      }
      // Java compiles while it runs, so the first round does not count.
      for (int round = quick ? 1 : 0; round <= rounds(); round++) {
        for (ContenderProcess contender : contenders) {
          Run run = contender.run(round);
          System.err.printf("round %d, %s%n", round, Results.line(run));
          if (round > 0) {
            results.add(run);
          }
        }
        // None always runs after the same other one.
        Collections.shuffle(contenders);
      }
    } finally {
      contenders.forEach(ContenderProcess::close);
    }
  }

  private Set<BenchDatabase.Kind> databases() {
    if (databases != null) {
      return databases;
    }
    Set<BenchDatabase.Kind> here = EnumSet.allOf(BenchDatabase.Kind.class);
    here.removeIf(kind -> !kind.isHere() || (quick && kind == BenchDatabase.Kind.COCKROACH3));
    return here;
  }

  private List<Setting> settings(BenchDatabase.Kind kind) {
    if (settings != null) {
      return settings;
    }
    if (quick) {
      return List.of(Setting.TYPICAL);
    }
    return kind == BenchDatabase.Kind.COCKROACH ? Setting.ALL : Setting.MAIN;
  }

  private List<Entry> entries(BenchDatabase.Kind kind) {
    List<Entry> entries = new ArrayList<>();
    contenders(kind).forEach(contender -> entries.add(new Entry(contender, null)));
    statements.forEach(file -> entries.add(new Entry(Contender.SAMPLES, file)));
    return entries;
  }

  private Set<Contender> contenders(BenchDatabase.Kind kind) {
    Set<Contender> chosen = EnumSet.allOf(Contender.class);
    if (contenders != null) {
      chosen.retainAll(contenders);
    } else if (!statements.isEmpty()) {
      chosen = EnumSet.of(Contender.SAMPLES);
    } else if (kind == BenchDatabase.Kind.POSTGRES) {
      chosen = EnumSet.of(Contender.SAMPLES, Contender.CLASSIC, Contender.PGBENCH);
    }
    chosen.remove(kind == BenchDatabase.Kind.POSTGRES ? Contender.SQLALCHEMY : Contender.PGBENCH);
    if (chosen.contains(Contender.SQLALCHEMY) && !ContenderProcess.hasSqlAlchemy()) {
      System.err.println("SQLAlchemy is skipped: install python3-sqlalchemy and python3-psycopg2");
      chosen.remove(Contender.SQLALCHEMY);
    }
    return chosen;
  }

  private int rounds() {
    return rounds != null ? rounds : quick ? 1 : 5;
  }

  private double seconds() {
    return seconds != null ? seconds : quick ? 0.5 : 3;
  }
}
