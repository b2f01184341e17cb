import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/**
 * Sets up what {@check DoctorTable} tells of, runs the doctor, and runs the lines that it prints.
 * There is no {@code cockroach} here: what stands in for it in those lines makes certificates with
 * the cluster's authority, starts servers, and runs SQL as superuser.
 */
final class DoctorStage implements AutoCloseable {

  static final String PASSWORD = "geheim/%+\u00fc@?";

  /** The same in a URL. */
  static final String ENCODED_PASSWORD = "geheim%2F%25+%C3%BC%40%3F";

  /** What a run printed, and its exit status. */
  record Run(int status, String out, String err) {

    /** What comes first: the broken checks, the advice, and the rest, without line breaks. */
    private List<String> parts() {
      return List.of(out.strip().split("\n\n")).stream()
          .map(part -> part.replaceAll("\n {12}", " "))
          .toList();
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
  }

  final Certificates authority = new Certificates();
  private final TemporaryDirectory directory = TemporaryDirectory.create("doctor-");
  private final Path certs = directory.directory("certs");
  private final Path tools = directory.directory("tools");
  private final Map<DoctorCase.Place, Postgres> servers = new EnumMap<>(DoctorCase.Place.class);
  private final Map<DoctorCase.Place, FakeServer> fakeServers =
      new EnumMap<>(DoctorCase.Place.class);
  private final Map<Integer, Server> serversByPort = new HashMap<>();
  private final List<AutoCloseable> toClose = new ArrayList<>();
  private AtomicReference<ManInTheMiddle> front;
  private Certificates.Leaf nextNode;
  private Map<String, String> environment = new HashMap<>(System.getenv());
  private Scene last;
  private int folders;

  DoctorStage() throws IOException {
    environment.remove("DATABASE_URL");
    environment.merge("PATH", tools + ":", (path, first) -> first + path);
    authority.writeAll(certs);
    FakeServer standIn = FakeServer.open(this::standIn);
    toClose.add(standIn);
    for (String tool : List.of("cockroach", "jbang", "pkill")) {
      Path script =
          Files.writeString(
              tools.resolve(tool),
              """
              #!/usr/bin/env bash
              exec 3<>/dev/tcp/127.0.0.1/%d
              printf '%%s\\0' "${0##*/}" "$@" '' >&3
              read -r -u 3 status
              exit "$status"
              """
                  .formatted(standIn.port()));
      Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  /** A case, with its folder, its port and its database. */
  final class Scene {
    final DoctorCase played;
    final Path folder;
    final int port;
    final String database;
    private final List<String> arguments;
    private final int webPort = fakeServer(DoctorCase.Place.WEB).port();

    private Scene(DoctorCase played) throws Exception {
      this.played = played;
      folder = directory.directory("case" + ++folders);
      Files.createDirectories(folder.resolve("home"));
      Files.createDirectories(folder.resolve("my-safe-directory"));
      Files.createFile(folder.resolve("my-safe-directory/ca.key"));
      TemporaryDirectory.copy(certs, Files.createDirectory(folder.resolve("certs")));
      port = port(played);
      database = database(played);
      arguments = new ArrayList<>(played.arguments.stream().map(this::filledIn).toList());
      for (DoctorCase.Step step : played.steps) {
        step.take(folder, DoctorStage.this);
      }
      if (arguments.stream().noneMatch(argument -> argument.startsWith("--url"))) {
        arguments.add(filledIn("--url=postgresql://maxroach@localhost:{port}/{database}"));
      }
      boolean insecure =
          List.of(DoctorCase.Place.INSECURE, DoctorCase.Place.WITH_PASSWORD_ALONE)
              .contains(played.place);
      if (!insecure && arguments.stream().noneMatch(a -> a.matches("--certs-dir.*|.*=disable.*"))) {
        arguments.add(filledIn("--certs-dir={folder}/certs"));
      }
    }

    String filledIn(String text) {
      return text.replace("{port}", Integer.toString(port))
          .replace("{database}", database)
          .replace("{folder}", folder.toString())
          .replace("{web}", Integer.toString(webPort));
    }

    Run diagnose(String... more) throws Exception {
      List<String> all = new ArrayList<>(arguments);
      all.addAll(List.of(more));
      return run(all);
    }

    Run diagnoseOtherwise() throws Exception {
      List<String> others = Stream.of(played.otherArguments).flatMap(List::stream).toList();
      List<String> all = new ArrayList<>(arguments);
      for (String other : others) {
        all.removeIf(argument -> argument.startsWith(other.replaceFirst("=.*", "=")));
        all.add(filledIn(other));
      }
      return run(all);
    }

    private Run run(List<String> all) throws Exception {
      return Project.withHome(home(), () -> doctor(all.toArray(String[]::new)));
    }

    private Path home() {
      return folder.resolve("home");
    }

    /** Passes the line to a shell unchanged, and answers its exit status. */
    int shell(String line) throws Exception {
      return DoctorStage.this.shell(folder, line, played.input);
    }

    /** What BankSecure or BankInsecure would say, with the same code. */
    String scriptSays() throws Exception {
      String url =
          arguments.stream()
              .filter(argument -> argument.startsWith("--url="))
              .findFirst()
              .orElseThrow()
              .substring(6);
      Path files =
          Path.of(
              arguments.stream()
                  .filter(argument -> argument.startsWith("--certs-dir="))
                  .findFirst()
                  .map(argument -> argument.substring(12))
                  .orElse(""));
      return Project.withHome(home(), () -> scriptSays(url, files));
    }

    private static String scriptSays(String url, Path files) {
      try {
        Properties settings = BankSecure.settings(url);
        boolean secure = !files.toString().isEmpty();
        Jdbi bank = secure ? BankSecure.connect(settings, files) : BankInsecure.connect(settings);
        try (var session = new BankSecure.Session(bank, Duration.ofSeconds(1), retry -> {})) {
          session.run(BankSecure::version);
          BankSecure.createTables(session);
          session.run(BankSecure::accountIds);
          session.commit("", h -> BankSecure.insertAccounts(h, new long[] {1}, new long[] {1}));
          session.run(BankSecure::totalBalance);
        }
        return "";
      } catch (RuntimeException e) {
        Throwable last = e;
        while (last.getCause() != null) {
          last = last.getCause();
        }
        return Objects.toString(last.getMessage(), "the server closed the connection");
      }
    }

    /** What the database holds, if the case has one of its own. */
    Map<String, List<String>> contents() {
      return played.statements.isEmpty()
          ? Map.of()
          : DatabaseContents.of(new Bank(serversByPort.get(port), database));
    }
  }

  Scene set(DoctorCase played) throws Exception {
    last = new Scene(played);
    return last;
  }

  /** Does this in the database of the last scene. */
  void asSuperuser(String statement) {
    new Bank(serversByPort.get(last.port), last.database)
        .execute(statement.replace("{database}", last.database));
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

  /** A server that lets in by certificate or, insecure, anyone. */
  Postgres server(DoctorCase.Place place) throws IOException {
    if (!servers.containsKey(place)) {
      Postgres.Builder shape = Postgres.builder();
      Postgres server =
          switch (place) {
            case SECURE -> shape.certs(certs).start();
            case WITH_PASSWORD -> shape.certs(certs).password(PASSWORD).start();
            case SHOWING -> shape.certs(certs).withoutClientCertificates().start();
            case WITH_PASSWORD_ALONE ->
                shape
                    .access("host all maxroach all scram-sha-256")
                    .access("host all all all trust")
                    .start();
            default -> shape.start();
          };
      servers.put(place, server);
      serversByPort.put(server.port(), server);
    }
    return servers.get(place);
  }

  void requireShell(Path folder, String line) throws Exception {
    if (shell(folder, line, "") != 0) {
      throw new AssertionError("the shell could not do: " + line);
    }
  }

  /** Passes a command and what is typed to a shell, with SSLPASSWORD set. */
  int paste(Path folder, String line, String typed) throws Exception {
    return shell(folder, "export SSLPASSWORD=geheim; " + line, typed);
  }

  private int shell(Path folder, String line, String input) throws Exception {
    // Without a terminal, so that openssl reads a password from the standard input.
    ProcessBuilder builder = new ProcessBuilder("setsid", "--wait", "sh", "-c", line);
    builder.directory(folder.toFile());
    builder.environment().put("PATH", environment.get("PATH"));
    builder.environment().put("HOME", folder.resolve("home").toString());
    builder.redirectErrorStream(true);
    Process process = builder.start();
    try (OutputStream in = process.getOutputStream()) {
      in.write(input.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      // It did not want to read it.
    }
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    if (status != 0) {
      System.out.println(line + "\n" + printed);
    }
    return status;
  }

  private int port(DoctorCase played) throws IOException {
    return switch (played.place) {
      case NOTHING -> Server.freePort();
      case SILENT, SLOW, HTTPS, CLOSING, WEB, WAITING_WEB, SPEAKING_FIRST ->
          fakeServer(played.place).port();
      case SHOWING -> front(played);
      default -> server(played.place).port();
    };
  }

  private String database(DoctorCase played) throws IOException {
    if (played.statements.isEmpty()) {
      return "bank";
    }
    Bank bank = Bank.create(server(played.place));
    played.statements.forEach(s -> bank.execute(s.replace("{database}", bank.database())));
    return bank.database();
  }

  private FakeServer fakeServer(DoctorCase.Place place) throws IOException {
    if (!fakeServers.containsKey(place)) {
      fakeServers.put(
          place,
          switch (place) {
            case SLOW -> FakeServer.open(DoctorStage::shakeHandsSlowly);
            case HTTPS -> FakeServer.open(client -> say(client, "\025\003\001\000\002\002F", true));
            case CLOSING -> FakeServer.open(Socket::close);
            case WEB ->
                FakeServer.open(client -> say(client, "HTTP/1.1 400 Bad Request\r\n\r\n", true));
            case WAITING_WEB -> FakeServer.open(DoctorStage::answerLine);
            case SPEAKING_FIRST ->
                FakeServer.open(client -> say(client, DoctorTable.HOSTILE, false));
            default -> FakeServer.open(DoctorStage::readOn);
          });
    }
    return fakeServers.get(place);
  }

  private static void say(Socket client, String words, boolean afterwards) throws IOException {
    if (afterwards) {
      client.getInputStream().read(new byte[8]);
    }
    client.getOutputStream().write(words.getBytes(StandardCharsets.UTF_8));
    client.shutdownOutput();
    readOn(client);
  }

  private static void shakeHandsSlowly(Socket client) throws IOException {
    client.getInputStream().read(new byte[8]);
    client.getOutputStream().write('S');
    // The start of a record of TLS 1.2 with 16,000 bytes.
    byte[] record = {22, 3, 3, 62, (byte) 128};
    for (int i = 0; ; i++) {
      try {
        Thread.sleep(1_500);
      } catch (InterruptedException e) {
        return;
      }
      client.getOutputStream().write(i < record.length ? record[i] : 0);
    }
  }

  private static void answerLine(Socket client) throws IOException {
    int next = client.getInputStream().read();
    while (next != -1 && next != '\n') {
      next = client.getInputStream().read();
    }
    say(client, "HTTP/1.0 200 OK\r\n\r\n", false);
  }

  private static void readOn(Socket client) throws IOException {
    client.getInputStream().transferTo(OutputStream.nullOutputStream());
  }

  /** A port where a certificate of the case's own is shown, until another takes its place. */
  private int front(DoctorCase played) throws IOException {
    Postgres server = server(DoctorCase.Place.SHOWING);
    Certificates.Leaf leaf = authority.node(played.shownNames.toArray(String[]::new));
    var shown = new AtomicReference<>(ManInTheMiddle.showing(played.shown.apply(leaf), server));
    front = shown;
    FakeServer fakeServer =
        FakeServer.open(
            client -> {
              Socket behind = new Socket(InetAddress.getLoopbackAddress(), shown.get().port());
              FakeServer.inBackground(
                  () -> client.getInputStream().transferTo(behind.getOutputStream()));
              behind.getInputStream().transferTo(client.getOutputStream());
            });
    toClose.add(fakeServer);
    serversByPort.put(fakeServer.port(), server);
    return fakeServer.port();
  }

  // ---- What stands in ----

  private void standIn(Socket client) throws IOException {
    try (client) {
      DataInputStream in = new DataInputStream(client.getInputStream());
      List<String> words = new ArrayList<>();
      for (String word = word(in); !word.isEmpty(); word = word(in)) {
        words.add(word);
      }
      int status = 1;
      try {
        status = act(words);
      } catch (Exception e) {
        System.out.println(words + ": " + e);
      }
      client.getOutputStream().write((status + "\n").getBytes(StandardCharsets.US_ASCII));
    }
  }

  private static String word(DataInputStream in) throws IOException {
    ByteArrayOutputStream word = new ByteArrayOutputStream();
    for (int next = in.readByte(); next != 0; next = in.readByte()) {
      word.write(next);
    }
    return word.toString(StandardCharsets.UTF_8);
  }

  private int act(List<String> words) throws Exception {
    String what = String.join(" ", words);
    if (what.startsWith("jbang bank-doctor ")) {
      String[] arguments = words.subList(2, words.size()).toArray(String[]::new);
      Path home = last == null ? Project.HOME : last.home();
      Run run = Project.withHome(home, () -> doctor(arguments));
      if (run.status() != 0) {
        System.out.println(run.out() + run.err());
      }
      return run.status();
    }
    if (what.startsWith("cockroach cert create-")) {
      return createCertificate(words);
    }
    if (what.startsWith("cockroach sql ")) {
      return sql(words);
    }
    if (what.matches("(cockroach start-single-node|jbang local-cluster) .*")) {
      return start(words);
    }
    if (what.equals("pkill -HUP -x cockroach")) {
      front.set(ManInTheMiddle.showing(nextNode, server(DoctorCase.Place.SHOWING)));
      return 0;
    }
    return 127;
  }

  private static String option(List<String> words, String name) {
    return words.stream()
        .filter(word -> word.startsWith(name + "="))
        .map(word -> word.substring(name.length() + 1))
        .findFirst()
        .orElse("");
  }

  /** As cockroach does, refuses without ca.crt and the authority's key. */
  private int createCertificate(List<String> words) throws IOException {
    Path folder = Path.of(option(words, "--certs-dir"));
    boolean ready =
        Files.isReadable(folder.resolve("ca.crt"))
            && Files.isReadable(Path.of(option(words, "--ca-key")));
    List<String> names =
        words.subList(3, words.size()).stream().filter(word -> !word.startsWith("--")).toList();
    if (!ready || names.isEmpty()) {
      return 1;
    }
    String file = words.get(2).equals("create-node") ? "node" : "client." + names.get(0);
    if (Files.exists(folder.resolve(file + ".crt"))
        || Files.exists(folder.resolve(file + ".key"))) {
      return 1;
    }
    if (words.get(2).equals("create-node")) {
      nextNode = authority.node(names.toArray(String[]::new));
      return 0;
    }
    Certificates.Leaf client = authority.client(names.get(0));
    client.write(folder);
    return 0;
  }

  private int start(List<String> words) throws IOException {
    String address = option(words, "--listen-addr") + option(words, "--port");
    int port = Integer.parseInt(address.replaceFirst(".*:", ""));
    Postgres.Builder shape = Postgres.builder().port(port);
    if (!option(words, "--certs-dir").isEmpty()) {
      shape.certs(Path.of(option(words, "--certs-dir")));
    }
    Postgres server = shape.start();
    toClose.add(server);
    serversByPort.put(port, server);
    return 0;
  }

  /** Runs SQL as root, in the place of what only CockroachDB has what PostgreSQL has. */
  private int sql(List<String> words) {
    int port = Integer.parseInt(option(words, "--host").replaceFirst(".*:", ""));
    Server server = serversByPort.get(port);
    Path root = Path.of(option(words, "--certs-dir")).resolve("client.root.crt");
    if (server.isSecure() ? !Files.exists(root) : !words.contains("--insecure")) {
      return 1;
    }
    String database = option(words, "--database");
    server
        .asSuperuser(database.isEmpty() ? "defaultdb" : database)
        .useHandle(
            handle ->
                Stream.of(option(words, "--execute").split("; ")).forEach(s -> run(handle, s)));
    return 0;
  }

  private static void run(Handle handle, String statement) {
    Matcher creation =
        Pattern.compile("CREATE (USER|DATABASE) IF NOT EXISTS (\\S+)").matcher(statement);
    if (!creation.matches()) {
      handle.execute(statement);
      return;
    }
    boolean user = creation.group(1).equals("USER");
    String name = creation.group(2).replaceFirst("^\"(.*)\"$", "$1");
    String there =
        user
            ? "SELECT count(*) FROM pg_roles WHERE rolname = ?"
            : "SELECT count(*) FROM pg_database WHERE datname = ?";
    if (handle.select(there, name).mapTo(Integer.class).one() == 0) {
      handle.execute("CREATE " + creation.group(1) + " " + creation.group(2));
    }
  }

  /** What lies in the folders for temporary files and of a case, to see that nothing is added. */
  static List<String> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.map(Path::toString).sorted().toList();
    }
  }

  @Override
  public void close() {
    List<AutoCloseable> all = new ArrayList<>(toClose);
    all.addAll(servers.values());
    all.addAll(fakeServers.values());
    all.add(directory);
    for (AutoCloseable each : all) {
      try {
        each.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
