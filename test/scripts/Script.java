import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;

/**
 * One of the scripts, run as a user runs it: in a process of its own, with the very main that JBang
 * starts, in an empty working directory, with an empty home and a clean environment.
 */
final class Script {

  /** What a finished run left. */
  record Result(int status, String out, String err) {}

  /** The classes of a first run, in a form that Java loads in a third less time. */
  private static final Path CLASSES = archiveClasses();

  private final String name;
  private final List<String> arguments;
  private final List<String> javaOptions = new ArrayList<>();
  private final Map<String, String> environment = new TreeMap<>();
  private Path workingDirectory;
  private Path home;
  private String input = "";
  private Duration timeLimit = Duration.ofSeconds(60);
  private boolean terminal;
  private Path output;

  private Script(String name, List<String> arguments) {
    this.name = name;
    this.arguments = arguments;
  }

  private static Path archiveClasses() {
    try {
      Path archive = TemporaryDirectory.create("classes-").path().resolve("archive");
      of("BankSecure", "--url=postgresql://localhost:1/bank")
          .javaOption("-XX:ArchiveClassesAtExit=" + archive)
          .timeLimit(Duration.ofMinutes(3))
          .run();
      return archive;
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The script of this name, with these arguments. */
  static Script of(String name, String... arguments) {
    return new Script(name, List.of(arguments));
  }

  /** Sets a variable; of this program's own only PATH is handed on. */
  Script environment(String variable, String value) {
    environment.put(variable, value);
    return this;
  }

  /** Adds an option for java itself. */
  Script javaOption(String option) {
    javaOptions.add(option);
    return this;
  }

  /** Runs in this directory. */
  Script workingDirectory(Path directory) {
    this.workingDirectory = directory;
    return this;
  }

  /** Takes this directory for the user's home. */
  Script home(Path directory) {
    this.home = directory;
    return this;
  }

  /** Sends this text to its standard input, which otherwise is empty. */
  Script input(String text) {
    this.input = text;
    return this;
  }

  /** Sends its standard output to this file, not to where the test reads it. */
  Script output(Path file) {
    this.output = file;
    return this;
  }

  /** Gives it a terminal, what it writes there being its standard output; takes util-linux. */
  Script terminal() {
    this.terminal = true;
    return this;
  }

  /** Gives it this long, not 60 seconds. */
  Script timeLimit(Duration limit) {
    this.timeLimit = limit;
    return this;
  }

  /** In a POSIX locale Java hands on neither names of files nor variables that are not ASCII. */
  static void assumeThatJavaHandsOn(String text) {
    Charset charset = Charset.forName(System.getProperty("sun.jnu.encoding"));
    Assumptions.assumeTrue(charset.newEncoder().canEncode(text), "this locale has ASCII only");
  }

  /** Runs it to its end; one that outlasts its time is killed and fails the test. */
  Result run() throws IOException, InterruptedException {
    try (Running running = start()) {
      return running.await();
    }
  }

  /** Starts it and returns while it runs. */
  Running start() throws IOException {
    environment.values().forEach(Script::assumeThatJavaHandsOn);
    TemporaryDirectory directory = TemporaryDirectory.create("script-");
    Path homeDirectory = home == null ? directory.directory("home") : home;
    ProcessBuilder builder = new ProcessBuilder(command(homeDirectory));
    builder.environment().keySet().retainAll(List.of("PATH"));
    builder.environment().put("HOME", homeDirectory.toString());
    builder.environment().put("LANG", "C.UTF-8");
    builder.environment().putAll(environment);
    Path work = workingDirectory == null ? directory.directory("work") : workingDirectory;
    builder.directory(work.toFile());
    // Files take all that is written, however fast, where an unread pipe would stop the script.
    builder.redirectInput(Files.writeString(directory.path().resolve("in"), input).toFile());
    Path printed = Files.createFile(directory.path().resolve("out"));
    builder.redirectOutput(output == null ? printed.toFile() : output.toFile());
    builder.redirectError(directory.path().resolve("err").toFile());
    return new Running(builder.start(), directory);
  }

  private List<String> command(Path homeDirectory) {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    // The run that writes the archive would warn of each class that it leaves out.
    command.add(CLASSES == null ? "-Xlog:disable" : "-XX:SharedArchiveFile=" + CLASSES);
    command.add("-Duser.home=" + homeDirectory);
    command.add("-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"));
    command.addAll(javaOptions);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), name));
    command.addAll(arguments);
    return terminal ? onTerminal(command) : command;
  }

  private static List<String> onTerminal(List<String> command) {
    String line =
        command.stream()
            .map(word -> "'" + word.replace("'", "'\\''") + "'")
            .collect(Collectors.joining(" ", "exec ", ""));
    return List.of("script", "--quiet", "--return", "--command", line, "/dev/null");
  }

  /** A script that runs; closing it ends it. */
  final class Running implements AutoCloseable {
    private final Process process;
    private final TemporaryDirectory directory;
    private final long deadline = System.nanoTime() + timeLimit.toNanos();

    private Running(Process process, TemporaryDirectory directory) {
      this.process = process;
      this.directory = directory;
    }

    /** What it has written to standard output so far. */
    String out() {
      return read("out");
    }

    /** What it has written to standard error so far. */
    String err() {
      return read("err");
    }

    /** Sends it a signal, such as INT or TERM. */
    void signal(String signal) throws IOException, InterruptedException {
      String pid = Long.toString(process.pid());
      if (new ProcessBuilder("kill", "-" + signal, pid).start().waitFor() != 0) {
        throw new AssertionError("cannot send " + signal + " to " + name + printed());
      }
    }

    /** Waits until it has written this text, to standard output or standard error. */
    void awaitText(String text) throws InterruptedException {
      while (!out().contains(text) && !err().contains(text)) {
        if (!process.isAlive()) {
          throw new AssertionError(name + " ended without saying \"" + text + "\"" + printed());
        }
        requireTime();
        Thread.sleep(20);
      }
    }

    /** Waits for its end; one that outlasts its time is killed and fails the test. */
    Result await() throws InterruptedException {
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        requireTime();
      }
      return new Result(process.exitValue(), out(), err());
    }

    @Override
    public void close() {
      end();
      directory.close();
    }

    private void requireTime() {
      if (System.nanoTime() >= deadline) {
        String printed = printed();
        end();
        throw new AssertionError(
            name + " still ran after " + timeLimit.toSeconds() + " s" + printed);
      }
    }

    /** Asks first, so that it can clean up behind itself. */
    private void end() {
      process.destroy();
      process.onExit().completeOnTimeout(process, 5, TimeUnit.SECONDS).join();
      process.destroyForcibly().onExit().join();
    }

    private String printed() {
      return "\nstandard output:\n" + out() + "\nstandard error:\n" + err();
    }

    private String read(String file) {
      try {
        return Files.readString(directory.path().resolve(file));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
