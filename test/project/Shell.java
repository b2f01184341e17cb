import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A shell as a reader has it: with a jbang, which is jbangw where none is on the PATH, and without
 * settings for the scripts. All shells share a JBang that had nothing in its caches at first, so
 * that it compiles each script once. A class with a shell locks {@link #JBANG}, because one cache
 * does not bear two first runs at the same time.
 */
final class Shell implements AutoCloseable {

  /** Names the lock. */
  static final String JBANG = "JBang";

  private static final long SECONDS_TO_RUN = 300;

  private final TemporaryDirectory temporary = TemporaryDirectory.create("shell-");
  private final Path tools = temporary.directory("tools");

  /** Opens one; what is done in it is gone once it is closed. */
  Shell() throws IOException {
    if (!isOnThePath("jbang")) {
      Files.createSymbolicLink(tools.resolve("jbang"), Project.root().resolve("jbangw"));
    }
  }

  /** Whether a program of this name is on the PATH. */
  static boolean isOnThePath(String program) {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(folder -> new File(folder, program).canExecute());
  }

  /** A new and empty directory. */
  Path directory(String name) throws IOException {
    return temporary.directory(name);
  }

  /** Runs a command in this directory to its good end, with nothing on standard error. */
  String runQuietly(String command, Path directory) throws IOException, InterruptedException {
    Script.Result result = run(command, directory);
    assertEquals("", result.err(), result::toString);
    assertEquals(0, result.status(), result::toString);
    return result.out();
  }

  /** Runs a command to its end; one that outlasts its time is ended and fails the test. */
  Script.Result run(String command, Path directory) throws IOException, InterruptedException {
    Running running = start(command, directory);
    try {
      return running.await();
    } finally {
      running.end();
    }
  }

  /** Starts a command and returns while it runs. */
  Running start(String command, Path directory) throws IOException {
    return new Running(command, directory);
  }

  @Override
  public void close() {
    temporary.close();
  }

  /** A command that runs. */
  final class Running {
    private final String command;
    private final Process process;
    private final Path files = Files.createTempDirectory(temporary.path(), "run-");
    private final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_TO_RUN);

    private Running(String command, Path directory) throws IOException {
      this.command = command;
      ProcessBuilder shell =
          new ProcessBuilder("bash", "-c", command).directory(directory.toFile());
      Map<String, String> environment = shell.environment();
      environment.keySet().removeIf(name -> name.matches("DATABASE_URL|PG.*|COCKROACH_.*"));
      // As in a container, where Java 17 takes what is not ASCII in a source for an error.
      environment.put("LC_ALL", "C");
      environment.put("JAVA_HOME", System.getProperty("java.home"));
      Path jbang = Path.of(System.getProperty("java.io.tmpdir"), "jbang");
      environment.put("JBANG_DIR", jbang.toString());
      environment.put("JBANG_CACHE_DIR", jbang.resolve("cache").toString());
      environment.merge("PATH", tools.toString(), (path, added) -> added + ":" + path);
      process =
          shell
              .redirectInput(new File("/dev/null"))
              .redirectOutput(files.resolve("out").toFile())
              .redirectError(files.resolve("err").toFile())
              .start();
    }

    /** Waits until it has written this text. */
    void awaitText(String text) throws IOException, InterruptedException {
      // A cockroach without a folder for its log writes to standard error.
      while (!(read("out") + read("err")).contains(text)) {
        if (!process.isAlive() || System.nanoTime() > deadline) {
          fail(command + " does not say \"" + text + "\":\n" + result(-1));
        }
        Thread.sleep(50);
      }
    }

    /** Waits for its end. */
    Script.Result await() throws IOException, InterruptedException {
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        fail(command + " does not end:\n" + result(-1));
      }
      return result(process.exitValue());
    }

    /** Asks first, so that it can clean up behind itself. */
    void end() throws InterruptedException {
      List<ProcessHandle> children = process.descendants().toList();
      process.destroy();
      process.waitFor(20, TimeUnit.SECONDS);
      children.forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }

    /** Without what JBang tells of its own work. */
    private Script.Result result(int status) throws IOException {
      String err =
          read("err")
              .lines()
              .filter(line -> !line.startsWith("[jbang]") || line.contains("[ERROR]"))
              .map(line -> line + "\n")
              .collect(Collectors.joining());
      return new Script.Result(status, read("out"), err);
    }

    private String read(String file) throws IOException {
      return Files.readString(files.resolve(file));
    }
  }
}
