import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The project's own directory, and commands that are run in it. */
final class Project {

  private static final long SECONDS_TO_RUN = 120;

  private Project() {}

  /** The directory that holds jbangw, at or above the working directory. */
  static Path root() {
    for (Path path = Path.of("").toAbsolutePath(); path != null; path = path.getParent()) {
      if (Files.isExecutable(path.resolve("jbangw"))) {
        return path;
      }
    }
    throw new IllegalStateException("run the tests in the project's directory: no jbangw here");
  }

  /** Reads a file of the project. */
  static String read(String name) throws IOException {
    return Files.readString(root().resolve(name));
  }

  /** Runs jbangw to its end, which must be a good one. */
  static Script.Result jbangw(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("./jbangw"));
    command.addAll(List.of(arguments));
    Script.Result result = run(command.toArray(String[]::new));
    assertEquals(0, result.status(), result::err);
    return result;
  }

  /** Runs a command to its end; one that outlasts its time is killed and fails the test. */
  static Script.Result run(String... command) throws IOException, InterruptedException {
    try (TemporaryDirectory directory = TemporaryDirectory.create("command-")) {
      Path out = directory.path().resolve("out");
      Path err = directory.path().resolve("err");
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(root().toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile());
      builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
      Process process = builder.start();
      process.getOutputStream().close();
      if (!process.waitFor(SECONDS_TO_RUN, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        throw new AssertionError(String.join(" ", command) + " does not end");
      }
      return new Script.Result(process.exitValue(), Files.readString(out), Files.readString(err));
    }
  }
}
