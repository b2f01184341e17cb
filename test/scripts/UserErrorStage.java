import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Sets up what the rows of {@link UserErrors} tell of; a server starts when first wanted. */
final class UserErrorStage implements AutoCloseable {

  private static final Duration TIME_LIMIT = Duration.ofSeconds(10);

  private final Certificates authority = new Certificates();
  private final Map<UserError.Place, Server> servers = new EnumMap<>(UserError.Place.class);
  private final Map<UserError.Place, Door> doors = new EnumMap<>(UserError.Place.class);
  private final TemporaryDirectory directory;
  private final Path certs;
  private final int closedPort;
  private int folders;

  UserErrorStage() throws IOException {
    directory = TemporaryDirectory.create("user-errors-");
    certs = directory.directory("certs");
    authority.writeAll(certs);
    closedPort = Server.freePort();
  }

  /** The cases of these rows, one for each of a row's scripts. */
  List<Case> cases(List<UserError> errors) throws IOException {
    List<Case> cases = new ArrayList<>();
    for (UserError error : errors) {
      for (String script : error.scripts) {
        cases.add(caseOf(error, script));
      }
    }
    return cases;
  }

  /** A new database on the server without TLS. */
  Bank createBank() throws IOException {
    return Bank.create(server(UserError.Place.WITHOUT_TLS));
  }

  private Case caseOf(UserError error, String script) throws IOException {
    UserError.Place place = placeFor(error, script);
    String name = script + ", " + error.name;
    if (error.statements.isEmpty()) {
      return new Case(name, script(error, script, port(place), "bank"), error);
    }
    Bank bank = Bank.create(server(place));
    error.statements.forEach(s -> bank.execute(s.replace("{database}", bank.database())));
    Map<String, List<String>> before = contents(bank);
    return new Case(
        name,
        script(error, script, bank.server().port(), bank.database()),
        result -> {
          error.check(result);
          Map<String, List<String>> after = contents(bank);
          // A script may have made its own tables, as long as they are empty.
          after
              .keySet()
              .removeIf(table -> !before.containsKey(table) && rows(bank, table).isEmpty());
          assertEquals(before, after, result::err);
        });
  }

  private static UserError.Place placeFor(UserError error, String script) {
    if (error.place != UserError.Place.ITS_SERVER) {
      return error.place;
    }
    return script.equals("BankSecure") ? UserError.Place.WITH_TLS : UserError.Place.WITHOUT_TLS;
  }

  private Script script(UserError error, String name, int port, String database)
      throws IOException {
    Path folder = directory.directory("row" + ++folders);
    Path home = Files.createDirectory(folder.resolve("home"));
    TemporaryDirectory.copy(certs, Files.createDirectory(folder.resolve("certs")));
    for (UserError.Preparation preparation : error.preparations) {
      preparation.prepare(folder, authority);
    }
    List<String> arguments = new ArrayList<>(error.arguments);
    if (!error.environment.containsKey("DATABASE_URL")
        && arguments.stream().noneMatch(argument -> argument.startsWith("--url"))) {
      arguments.add("--url=postgresql://maxroach@localhost:{port}/{database}");
    }
    arguments.replaceAll(argument -> filledIn(argument, port, database));
    Script script =
        Script.of(name, arguments.toArray(String[]::new))
            .workingDirectory(folder)
            .home(home)
            .timeLimit(TIME_LIMIT);
    error.environment.forEach(
        (variable, value) -> script.environment(variable, filledIn(value, port, database)));
    return script;
  }

  private static String filledIn(String text, int port, String database) {
    return text.replace("{port}", Integer.toString(port)).replace("{database}", database);
  }

  private int port(UserError.Place place) throws IOException {
    return switch (place) {
      case NOTHING -> closedPort;
      case SILENT, RUDE, WEB -> door(place).port();
      default -> server(place).port();
    };
  }

  private Server server(UserError.Place place) throws IOException {
    if (!servers.containsKey(place)) {
      servers.put(place, builder(place).start());
    }
    return servers.get(place);
  }

  private LocalCluster.Builder builder(UserError.Place place) {
    LocalCluster.Builder server = LocalCluster.builder();
    return switch (place) {
      case WITH_TLS -> server.certs(certs);
      case WITH_PASSWORD -> server.certs(certs).password(ErrorForm.PASSWORD);
      case OF_ANOTHER_NAME -> server.certs(certs).node(authority.node("db.example.com"));
      case WITH_PASSWORD_ALONE ->
          server.access("host all maxroach all scram-sha-256").access("host all all all trust");
      default -> server;
    };
  }

  private Door door(UserError.Place place) throws IOException {
    if (!doors.containsKey(place)) {
      doors.put(
          place,
          switch (place) {
            case RUDE -> Door.open(Socket::close);
            case WEB -> Door.open(UserErrorStage::answerAsWebServer);
            default -> Door.open(UserErrorStage::readOn);
          });
    }
    return doors.get(place);
  }

  private static void answerAsWebServer(Socket client) throws IOException {
    client.getInputStream().read(new byte[8]);
    client
        .getOutputStream()
        .write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    client.shutdownOutput();
    readOn(client);
  }

  private static void readOn(Socket client) throws IOException {
    client.getInputStream().transferTo(OutputStream.nullOutputStream());
  }

  @Override
  public void close() {
    servers.values().forEach(Server::close);
    doors.values().forEach(Door::close);
    directory.close();
  }

  /** Every table's columns and rows. */
  static Map<String, List<String>> contents(Bank bank) {
    String names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    Map<String, List<String>> contents = new TreeMap<>();
    for (String table : strings(bank, names)) {
      List<String> content =
          new ArrayList<>(
              strings(
                  bank,
                  "SELECT column_name || ' ' || data_type FROM information_schema.columns"
                      + " WHERE table_schema = 'public' AND table_name = '%s' ORDER BY 1"
                          .formatted(table)));
      content.addAll(rows(bank, table));
      contents.put(table, content);
    }
    return contents;
  }

  private static List<String> rows(Bank bank, String table) {
    return strings(bank, "SELECT CAST(t AS TEXT) FROM " + table + " t ORDER BY 1");
  }

  private static List<String> strings(Bank bank, String query) {
    return bank.ask(root -> root.createQuery(query).mapTo(String.class).list());
  }
}
