import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;

/** When, where and of which commit the benchmark was measured, in one line. */
final class Machine {

  private Machine() {}

  /** The machine that this program runs on, and what of its server's settings matters. */
  static String describe(Postgres server) throws IOException, InterruptedException {
    List<String> git = List.of("git", "describe", "--always", "--dirty", "--abbrev=10");
    var bean = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    String postgres = server.asSuperuser().withHandle(Machine::postgres);
    return "%s: commit %s, %d cores, %d GiB of memory, %s, %s, Java %s, %s"
        .formatted(
            LocalDate.now(),
            Execution.successful(git).out().strip(),
            bean.getAvailableProcessors(),
            Math.round(bean.getTotalMemorySize() / (double) (1L << 30)),
            systemName(),
            System.getProperty("os.arch"),
            System.getProperty("java.version"),
            postgres);
  }

  private static String systemName() throws IOException {
    Path release = Path.of("/etc/os-release");
    if (!Files.exists(release)) {
      return System.getProperty("os.name") + " " + System.getProperty("os.version");
    }
    return Files.readAllLines(release).stream()
        .filter(line -> line.startsWith("PRETTY_NAME="))
        .map(line -> line.replaceAll(".*=|\"", ""))
        .collect(Collectors.joining());
  }

  private static String postgres(Handle handle) {
    String settings =
        Stream.of("default_transaction_isolation", "fsync", "synchronous_commit", "autovacuum")
            .map(name -> name + " " + show(handle, name))
            .collect(Collectors.joining(", "));
    return "PostgreSQL " + show(handle, "server_version") + " (" + settings + ")";
  }

  private static String show(Handle handle, String name) {
    return handle.createQuery("SHOW " + name).mapTo(String.class).one();
  }
}
