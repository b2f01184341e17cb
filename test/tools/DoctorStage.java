import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;

/**
 * Sets up a {@link DoctorCase}, runs the doctor, and pastes the lines that it prints into a shell.
 * What is called there by the names of {@code recorded} only writes down how it was called. It is
 * done afterwards: {@code jbang bank-doctor} in this JVM, and {@code cockroach} with the CA and the
 * superuser of the stand-in.
 */
final class DoctorStage implements AutoCloseable {

  /** What a run printed, and its exit status. */
  record Run(int status, String out, String err) {

    /** What comes first: the broken checks, the advice, and the rest, without line breaks. */
    private List<String> parts() {
      return Stream.of(out.strip().split("\n\n")).map(p -> p.replaceAll("\n {12}", " ")).toList();
    }

    /** A line for each check that was reached, without line breaks. */
    List<String> checks() {
      return parts().stream().flatMap(String::lines).filter(l -> l.matches("[✗✓–] .*")).toList();
    }

    /** The advice with its command. */
    String advice() {
      return parts().get(1).replace('\n', ' ');
    }

    /** The command that fixes it or, if all is well, runs the sample. */
    String command() {
      String part = out.startsWith("✗") ? parts().get(1) : out;
      return part.lines().reduce((before, last) -> last).orElse("");
    }

    /** Finds this check broken, sees these words, and has these in the advice. */
    void assertBroken(String check, String seen, String advised) {
      assertEquals(5, status, this::toString);
      String first = checks().get(0);
      assertTrue(first.startsWith("✗ " + check + " ") && first.contains(seen), this::toString);
      assertTrue(advice().contains(advised), this::toString);
    }
  }

  private final TemporaryDirectory directory = TemporaryDirectory.create("doctor-");
  private final Path tools = directory.directory("tools");
  private final Path record = directory.path().resolve("record");
  private final Path printed = directory.path().resolve("printed");
  private final Path input = directory.path().resolve("input");
  private final Map<String, String> environment = new HashMap<>(System.getenv());
  private final Map<Server, Bank> banks = new HashMap<>();
  private final List<Runnable> toClose = new ArrayList<>();
  private int folders;

  DoctorStage(String... recorded) throws IOException {
    environment.remove("DATABASE_URL");
    environment.remove("COCKROACH_CERTS_DIR");
    environment.putAll(Map.of("HOME", "/home/u", "APPDATA", "/home/u"));
    environment.merge("PATH", tools + ":", (path, first) -> first + path);
    for (String tool : recorded) {
      String script = "#!/bin/sh\n{ printf '%s\\0' \"${0##*/}\" \"$@\"; echo; } >>" + record + "\n";
      Path file = Files.writeString(tools.resolve(tool), script);
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  /** A case, with its folder, its port and its database. */
  final class Scene {
    final DoctorCase played;
    final Path folder = directory.directory("case" + ++folders);
    private final Server server;
    private final Bank bank;
    private final int port;
    private final String url;
    private final String certs;

    private Scene(DoctorCase played) throws Exception {
      this.played = played;
      boolean secure = played.place != DoctorCase.Place.INSECURE;
      server = secure ? SharedServers.secure() : SharedServers.insecure();
      bank = bankOf(played, server);
      port = portOf(played);
      url = filledIn(played.url);
      certs = played.certsDir == null ? "" : filledIn(played.certsDir);
      for (String sub : List.of("certs", "home", "my-safe-directory")) {
        Files.createDirectory(folder.resolve(sub));
      }
      TemporaryDirectory.copy(SharedServers.secure().certs(), folder.resolve("certs"));
      played.issue.write(folder.resolve("certs"), SharedServers.authority());
      DoctorStage.this.paste(folder, played.shell, "");
    }

    String filledIn(String text) {
      return text.replace("{port}", Integer.toString(port))
          .replace("{database}", bank.database())
          .replace("{folder}", folder.toString());
    }

    /** Runs the doctor, which takes the folder's home for the user's. */
    Run diagnose(String... more) throws Exception {
      return Project.withHome(folder.resolve("home"), () -> diagnoseAtHome(more));
    }

    /** Runs the doctor, which finds the home of who runs this. */
    Run diagnoseAtHome(String... more) {
      List<String> arguments = new ArrayList<>(List.of(more));
      arguments.add("--url=" + url);
      if (!certs.isEmpty()) {
        arguments.add("--certs-dir=" + certs);
      }
      return doctor(arguments.toArray(String[]::new));
    }

    /** Pastes a line, and does what it recorded; returns what the doctor says then. */
    Run paste(String line, String typed) throws Exception {
      Run last = null;
      for (List<String> call : DoctorStage.this.paste(folder, line, typed)) {
        last = null;
        if (call.get(0).equals("jbang")) {
          last = Project.withHome(folder.resolve("home"), () -> again(call));
        } else if (call.get(1).equals("cert")) {
          SharedServers.authority().client(call.get(3)).write(folder.resolve("certs"));
        } else {
          sql(call);
        }
      }
      return last == null ? diagnose() : last;
    }

    /** What BankSecure or BankInsecure would say, with the same code. */
    String scriptSays() {
      try {
        Properties settings = BankSecure.settings(url);
        Jdbi jdbi =
            certs.isEmpty()
                ? BankInsecure.connect(settings)
                : BankSecure.connect(settings, Path.of(certs));
        try (var session = new BankSecure.Session(jdbi, Duration.ofSeconds(1), retry -> {})) {
          BankSecure.createTables(session);
          long[] id = {System.nanoTime()};
          session.commit("", h -> BankSecure.insertAccounts(h, id, new long[] {1}));
        }
        return "";
      } catch (RuntimeException e) {
        return Reason.of(e);
      }
    }

    /** What is in the folder's files, byte by byte. */
    Map<String, String> files() throws IOException {
      Map<String, String> contents = new TreeMap<>();
      try (Stream<Path> all = Files.walk(folder)) {
        for (Path file : all.toList()) {
          boolean isFile = Files.isRegularFile(file);
          contents.put(
              "" + file, isFile ? Files.readString(file, StandardCharsets.ISO_8859_1) : "");
        }
      }
      return contents;
    }

    /** Runs SQL as root, and what only CockroachDB has as PostgreSQL has it. */
    private void sql(List<String> call) {
      String database = option(call, "--database=");
      Bank there = new Bank(server, database.isEmpty() ? "defaultdb" : database);
      for (String statement : option(call, "--execute=").split("; ")) {
        try {
          there.execute(
              statement.replaceFirst("^CREATE (USER|DATABASE) IF NOT EXISTS", "CREATE $1"));
        } catch (UnableToExecuteStatementException e) {
          assertTrue(e.getMessage().contains(" already exists"), e.getMessage());
        }
      }
    }
  }

  Scene set(DoctorCase played) throws Exception {
    return new Scene(played);
  }

  private int portOf(DoctorCase played) throws IOException {
    return switch (played.place) {
      case NOTHING -> Server.freePort();
      case INSECURE -> SharedServers.insecure().port();
      case SECURE -> SharedServers.secure().port();
      case SHOWING -> {
        Certificates.Leaf leaf = played.shown.apply(SharedServers.authority());
        ManInTheMiddle front = ManInTheMiddle.showing(leaf, SharedServers.secure());
        toClose.add(front::close);
        yield front.port();
      }
      case FAKE -> {
        FakeServer fakeServer = FakeServer.open(played.behavior);
        toClose.add(fakeServer::close);
        yield fakeServer.port();
      }
    };
  }

  private Bank bankOf(DoctorCase played, Server server) {
    if (played.statements.isEmpty()) {
      return banks.computeIfAbsent(server, Bank::create);
    }
    Bank bank = Bank.create(server);
    played.statements.forEach(s -> bank.execute(s.replace("{database}", bank.database())));
    return bank;
  }

  Run doctor(String... arguments) {
    return doctor(environment, false, arguments);
  }

  /** Runs the doctor with these variables. */
  static Run doctor(Map<String, String> environment, boolean isTerminal, String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int status =
        BankDoctor.run(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8),
            environment,
            isTerminal,
            arguments);
    return new Run(
        status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** Runs the doctor as a line called it. */
  Run again(List<String> call) {
    return doctor(call.subList(2, call.size()).toArray(String[]::new));
  }

  // ---- Lines that were pasted ----

  /**
   * Passes a line and what is typed to a shell, with SSLPASSWORD set; it must succeed. Returns the
   * calls that were recorded, each a list of words.
   */
  List<List<String>> paste(Path folder, String line, String typed) throws Exception {
    Files.deleteIfExists(record);
    // Without a terminal, so that openssl reads a password from the standard input.
    ProcessBuilder builder = new ProcessBuilder("setsid", "--wait", "sh", "-c", line);
    builder.directory(folder.toFile()).redirectErrorStream(true).redirectOutput(printed.toFile());
    builder.environment().put("PATH", environment.get("PATH"));
    builder.environment().put("SSLPASSWORD", "geheim");
    Files.writeString(input, typed);
    int status = builder.redirectInput(input.toFile()).start().waitFor();
    if (status != 0) {
      throw new AssertionError(line + "\n" + Files.readString(printed));
    }
    String calls = Files.exists(record) ? Files.readString(record) : "";
    return calls.lines().map(call -> List.of(call.split("\0"))).toList();
  }

  private static String option(List<String> call, String name) {
    String word = call.stream().filter(each -> each.startsWith(name)).findFirst().orElse(name);
    return word.substring(name.length());
  }

  @Override
  public void close() {
    toClose.forEach(Runnable::run);
    directory.close();
  }
}
