import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;

/** The project's own directory. */
final class Project {

  /** The user's home; the tests of the doctor change the property for a while. */
  static final Path HOME = Path.of(System.getProperty("user.home"));

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

  /** Does something while this JVM takes this folder for the user's home, one at a time. */
  static <T> T withHome(Path home, Callable<T> work) throws Exception {
    synchronized (HOME) {
      String before = System.setProperty("user.home", home.toString());
      try {
        return work.call();
      } finally {
        System.setProperty("user.home", before);
      }
    }
  }
}
