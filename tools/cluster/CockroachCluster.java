import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * CockroachDB on this machine: nodes on localhost, run by the {@code cockroach} on the PATH. They
 * end with this program, or with the next one if this one is killed.
 */
final class CockroachCluster implements Cluster {

  private static final Duration START_LIMIT = Duration.ofMinutes(2);
  private static final Duration COMMAND_LIMIT = Duration.ofMinutes(1);

  /** What to do if there is no cockroach. */
  static final String INSTALL =
      "Install it: https://www.cockroachlabs.com/docs/stable/install-cockroachdb";

  /** The design's three statements, which all releases understand. */
  private static final List<String> CREATE_BANK =
      List.of(
          "CREATE USER IF NOT EXISTS maxroach",
          "CREATE DATABASE IF NOT EXISTS bank",
          "ALTER DATABASE bank OWNER TO maxroach");

  private final String binary;
  private final Path certs;
  private final boolean onDisk;
  private final List<Node> nodes = new ArrayList<>();
  private final Set<Process> processes = ConcurrentHashMap.newKeySet();
  private final AtomicInteger commands = new AtomicInteger();
  private final BankBasic.EmbeddedDatabase.RunFolder folder;
  private boolean closed;

  /** A node, and the process that runs it, unless it was killed. */
  private static final class Node {
    private final int number;
    private final int port;
    private final int consolePort;
    private Process process;

    private Node(int number, int port, int consolePort) {
      this.number = number;
      this.port = port;
      this.consolePort = consolePort;
    }

    private boolean isAlive() {
      return process != null && process.isAlive();
    }
  }

  /**
   * Describes a cluster that is not started yet.
   *
   * @param ports where the nodes listen, one for each node
   * @param certs the folder of the certificates, or null for an insecure cluster
   * @param onDisk whether the data is in a temporary folder, so that a node that was killed can
   *     start again, or in memory
   */
  CockroachCluster(String binary, List<Integer> ports, Path certs, boolean onDisk)
      throws IOException {
    this.binary = binary;
    this.certs = certs == null ? null : certs.toAbsolutePath();
    this.onDisk = onDisk;
    for (int port : ports) {
      nodes.add(new Node(nodes.size() + 1, port, Cluster.freePort()));
    }
    this.folder = BankBasic.EmbeddedDatabase.RunFolder.create();
    BankBasic.EmbeddedDatabase.RunFolder.atEnd(this::close);
  }

  /** The cockroach on the PATH. */
  static Optional<String> binary() {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
        .map(directory -> new File(directory, "cockroach"))
        .filter(file -> file.isFile() && file.canExecute())
        .map(File::getPath)
        .findFirst();
  }

  @Override
  public void start() throws IOException {
    startWithRoot();
    List<String> options = new ArrayList<>();
    CREATE_BANK.forEach(statement -> options.add("--execute=" + statement));
    sql(1, options);
  }

  /** Starts it as a new cluster is: with root and defaultdb only. */
  void startWithRoot() throws IOException {
    for (Node node : nodes) {
      startProcess(node);
    }
    if (nodes.size() > 1) {
      await("the nodes do not find each other", this::isInitialized);
    }
    await("the nodes do not answer", () -> nodes.stream().allMatch(this::answers));
  }

  /** Starts a node again that was killed or stopped, on its data; returns once it answers. */
  void startNode(int number) throws IOException {
    Node node = node(number);
    startProcess(node);
    await("node " + number + " does not answer", () -> answers(node));
  }

  private void startProcess(Node node) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(binary);
    command.add(nodes.size() == 1 ? "start-single-node" : "start");
    command.add(security());
    command.add("--listen-addr=localhost:" + node.port);
    command.add("--http-addr=localhost:" + node.consolePort);
    Path files = folder.path.resolve("node" + node.number);
    command.add("--store=" + (onDisk ? files : "type=mem,size=1GiB"));
    // Also tells the next program which processes to end, if this one is killed.
    command.add("--pid-file=" + files + ".pid");
    if (nodes.size() > 1) {
      command.add("--join=" + String.join(",", addresses()));
    }
    node.process = startProcess(command, log(node));
  }

  /** Sends SIGKILL to a node and returns when it is dead. */
  void kill(int number) {
    node(number).process.destroyForcibly().onExit().join();
  }

  /** Moves a node's clients and leases to the others, then stops it. */
  void drain(int number) throws IOException {
    Node node = node(number);
    run(List.of("node", "drain", "--self", security(), "--host=localhost:" + node.port));
    node.process.destroy();
    node.process.onExit().completeOnTimeout(node.process, 1, TimeUnit.MINUTES).join();
    kill(number);
  }

  /**
   * Whether all ranges are served, and all of their copies answer and agree, so that any node may
   * be lost.
   */
  boolean isReplicated() throws IOException {
    String missing =
        """
        SET statement_timeout = '10s';
        SELECT (SELECT count(*) FROM crdb_internal.ranges_no_leases
                WHERE array_length(replicas, 1) < least(3, %d))
          + (SELECT count(*) FROM crdb_internal.check_consistency(true, '', '')
             WHERE status NOT LIKE 'RANGE_CONSISTENT%%')
        """;
    try {
      return single(missing.formatted(nodes.size())).equals("0");
    } catch (StartException e) {
      // Nobody serves some of the ranges.
      return false;
    }
  }

  /** Waits until any node may be lost; false if that takes longer than the limit. */
  boolean awaitReplication(Duration limit) throws IOException {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!isReplicated()) {
      if (System.nanoTime() > deadline) {
        return false;
      }
      pause();
    }
    return true;
  }

  /** The number of nodes, of which each has a number from 1. */
  int size() {
    return nodes.size();
  }

  /** The host and port of each node, as in a URL. */
  List<String> addresses() {
    return nodes.stream().map(node -> "localhost:" + node.port).toList();
  }

  /** The process ID of a node. */
  long processId(int number) {
    return node(number).process.pid();
  }

  /** Runs cockroach with these arguments, and returns what it printed. */
  String run(List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(binary));
    command.addAll(arguments);
    Path printed = folder.path.resolve("command" + commands.incrementAndGet() + ".log");
    Process process = startProcess(command, printed);
    boolean ended =
        process
            .onExit()
            .thenApply(end -> true)
            .completeOnTimeout(false, COMMAND_LIMIT.toSeconds(), TimeUnit.SECONDS)
            .join();
    process.destroyForcibly().onExit().join();
    String text = Files.readString(printed);
    delete(printed);
    if (!ended || process.exitValue() != 0) {
      throw new StartException("cockroach " + arguments.get(0) + ": " + reason(text), "");
    }
    return text;
  }

  @Override
  public String version() {
    try {
      return single("SELECT version()").replaceFirst(" \\(.*", "");
    } catch (IOException e) {
      return "CockroachDB";
    }
  }

  @Override
  public List<String> nodes() {
    return nodes.stream()
        .map(
            node ->
                "node %d   port %d, process %d"
                    .formatted(node.number, node.port, node.process.pid()))
        .toList();
  }

  @Override
  public String console() {
    return (certs == null ? "http" : "https") + "://localhost:" + nodes.get(0).consolePort;
  }

  @Override
  public String url() {
    String url = "postgresql://maxroach@" + String.join(",", addresses()) + "/bank";
    return certs == null ? url + "?sslmode=disable" : url;
  }

  /** Kills the nodes, and the commands that run: what they hold is worth nothing after this. */
  @Override
  public synchronized void close() {
    closed = true;
    List<Process> alive = List.copyOf(processes);
    alive.forEach(Process::destroyForcibly);
    alive.forEach(process -> process.onExit().join());
    folder.close();
  }

  private Node node(int number) {
    return nodes.get(number - 1);
  }

  private String security() {
    return certs == null ? "--insecure" : "--certs-dir=" + certs;
  }

  private boolean isInitialized() {
    try {
      run(List.of("init", security(), "--host=" + addresses().get(0)));
      return true;
    } catch (IOException e) {
      return e.getMessage().contains("already been initialized");
    }
  }

  private boolean answers(Node node) {
    // Without this test, each try would start cockroach. It must not take the port itself.
    try (Socket socket = new Socket("localhost", node.port)) {
      sql(node.number, List.of("--execute=SELECT 1"));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** The one value of the one row that a query returns to root, from the first node that lives. */
  private String single(String query) throws IOException {
    int number =
        nodes.stream().filter(Node::isAlive).map(node -> node.number).findFirst().orElse(1);
    List<String> lines =
        sql(number, List.of("--format=tsv", "--execute=" + query)).strip().lines().toList();
    return lines.get(lines.size() - 1);
  }

  private String sql(int number, List<String> options) throws IOException {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("sql", security(), "--host=localhost:" + node(number).port));
    arguments.addAll(options);
    return run(arguments);
  }

  /** Starts a process that ends with this cluster. */
  private synchronized Process startProcess(List<String> command, Path log) throws IOException {
    if (closed) {
      throw new IOException("the cluster is closed");
    }
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(folder.path.toFile())
            .redirectErrorStream(true)
            .redirectOutput(Redirect.appendTo(log.toFile()));
    builder.environment().keySet().removeIf(name -> name.startsWith("COCKROACH_"));
    builder.environment().put("COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING", "true");
    // Looks at ten ranges a second, not at one, so that new nodes soon have their copies.
    builder.environment().put("COCKROACH_SCAN_MAX_IDLE_TIME", "100ms");
    Process process = builder.start();
    processes.add(process);
    process.onExit().thenAccept(processes::remove);
    return process;
  }

  /** Deletes a file, but not while {@link #close} deletes the folder, which would then stay. */
  private synchronized void delete(Path file) throws IOException {
    if (!closed) {
      Files.delete(file);
    }
  }

  private Path log(Node node) {
    return folder.path.resolve("node" + node.number + ".log");
  }

  /** Something that becomes true. */
  private interface Condition {
    boolean holds() throws IOException;
  }

  private void await(String otherwise, Condition condition) throws IOException {
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (!condition.holds()) {
      for (Node node : nodes) {
        if (node.process != null && !node.isAlive()) {
          String text = Files.readString(log(node));
          throw new StartException("CockroachDB cannot start: " + reason(text), "");
        }
      }
      if (System.nanoTime() > deadline) {
        throw new StartException("CockroachDB cannot start: " + otherwise, "");
      }
      pause();
    }
  }

  /** The first error with the line after it, or the last line, of what cockroach printed. */
  private static String reason(String text) {
    List<String> lines = text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).matches("(?i)(\\* *)?error:.*")) {
        String next = i + 1 < lines.size() ? " " + lines.get(i + 1).replaceFirst("^\\* *", "") : "";
        return lines.get(i).replaceFirst("(?i)^(\\* *)?error: *", "") + next;
      }
    }
    return lines.isEmpty() ? "it printed nothing" : lines.get(lines.size() - 1);
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(100);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }
}
