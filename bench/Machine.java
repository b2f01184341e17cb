import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;

/** Where and when the benchmark ran. */
record Machine(
    LocalDate date,
    int cores,
    long memoryGibibytes,
    String system,
    String java,
    String server,
    Map<String, String> settings) {

  /** The machine that this program runs on, and its server's settings that matter. */
  static Machine of(LocalCluster server) throws IOException {
    var bean = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new Machine(
        LocalDate.now(),
        bean.getAvailableProcessors(),
        Math.round(bean.getTotalMemorySize() / (double) (1L << 30)),
        systemName() + ", " + System.getProperty("os.arch"),
        System.getProperty("java.vendor") + " " + Runtime.version(),
        server.asSuperuser().withHandle(h -> show(h, "server_version")),
        server.asSuperuser().withHandle(Machine::settings));
  }

  private static String systemName() throws IOException {
    Path release = Path.of("/etc/os-release");
    String name = System.getProperty("os.name");
    if (!Files.exists(release)) {
      return name + " " + System.getProperty("os.version");
    }
    return Files.readAllLines(release).stream()
        .filter(line -> line.startsWith("PRETTY_NAME="))
        .map(line -> line.replaceAll(".*=|\"", ""))
        .findFirst()
        .orElse(name);
  }

  private static Map<String, String> settings(Handle handle) {
    Map<String, String> settings = new TreeMap<>();
    for (String name :
        new String[] {
          "autovacuum",
          "default_transaction_isolation",
          "fsync",
          "full_page_writes",
          "max_connections",
          "shared_buffers",
          "synchronous_commit"
        }) {
      settings.put(name, show(handle, name));
    }
    return settings;
  }

  private static String show(Handle handle, String name) {
    return handle.createQuery("SHOW " + name).mapTo(String.class).one();
  }

  @Override
  public String toString() {
    return "%s: %d cores, %d GiB of memory, %s, Java %s, PostgreSQL %s (%s).\n"
        .formatted(
            date,
            cores,
            memoryGibibytes,
            system,
            java,
            server,
            settings.entrySet().stream()
                .map(each -> each.getKey() + " " + each.getValue())
                .collect(Collectors.joining(", ")));
  }
}
