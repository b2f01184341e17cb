import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Creates a million accounts with BankLoad, and with COPY by psql into the same table. */
final class AccountCreation {

  private static final int ACCOUNTS = 1_000_000;
  private static final int ROUNDS = 3;
  private static final List<Integer> WORKERS = List.of(1, 2, 4);
  private static final String DATABASE = "million";

  private final Map<String, List<Double>> accountsPerSecond = new LinkedHashMap<>();
  private final Course course;
  private final Path rows;

  private AccountCreation(Course course, Path rows) {
    this.course = course;
    this.rows = rows;
  }

  /** Measures accounts a second in turn, round by round, each time in a new database. */
  static Map<String, List<Double>> measure(Course course)
      throws Contender.Unavailable, IOException, InterruptedException {
    try {
      Execution.successful(List.of("psql", "--version"));
    } catch (IOException e) {
      throw new Contender.Unavailable("there is no psql on PATH");
    }
    try (TemporaryDirectory directory = TemporaryDirectory.create("bench-")) {
      AccountCreation creation = new AccountCreation(course, directory.path().resolve("rows"));
      creation.writeRows();
      for (int round = 0; round < ROUNDS; round++) {
        creation.round();
      }
      return creation.accountsPerSecond;
    }
  }

  private void writeRows() throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    long[] ids = random.longs(1, 1_000_000_000_000L).distinct().limit(ACCOUNTS).toArray();
    try (BufferedWriter writer = Files.newBufferedWriter(rows)) {
      for (long id : ids) {
        writer.write(id + "\t" + random.nextInt(1_000_000) + "\n");
      }
    }
  }

  private void round() throws IOException, InterruptedException {
    newDatabase();
    double emptyPsql = psql("SELECT 1");
    add("psql, \\copy", psql("\\copy accounts FROM '" + rows + "'") - emptyPsql);
    for (int workers : WORKERS) {
      newDatabase();
      String name = "BankLoad, %d worker%s".formatted(workers, workers == 1 ? "" : "s");
      double creating = bankLoad(ACCOUNTS, workers);
      // The audit and the choice of accounts read the table in every run.
      add(name, creating - bankLoad(0, workers));
    }
    course.dropDatabase(DATABASE);
  }

  private void add(String name, double seconds) {
    accountsPerSecond.computeIfAbsent(name, any -> new ArrayList<>()).add(ACCOUNTS / seconds);
  }

  /** New, but with its tables, and nothing of the one before left to be written. */
  private void newDatabase() throws IOException, InterruptedException {
    course.dropDatabase(DATABASE);
    course.fill(DATABASE, 0);
    course.server().asSuperuser().useHandle(handle -> handle.execute("CHECKPOINT"));
  }

  private double bankLoad(int accounts, int workers) throws IOException, InterruptedException {
    return Execution.successful(
            Execution.java(
                "BankLoad",
                List.of(
                    "--url=" + course.url(DATABASE),
                    "--accounts=" + accounts,
                    "--transfers=0",
                    "--concurrency=" + workers,
                    "--json")))
        .seconds();
  }

  private double psql(String command) throws IOException, InterruptedException {
    return Execution.successful(
            List.of("psql", "--no-psqlrc", "--dbname=" + course.url(DATABASE), "-c", command))
        .seconds();
  }
}
