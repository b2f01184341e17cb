import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A row of the table of errors that a user can make: what was done, what the script says of it and,
 * if it stands in the README, why that is and what to do.
 *
 * <pre>{@code
 * new UserError("no such database", "--url=postgresql://maxroach@localhost:{port}/other")
 *     .of("BankInsecure", "BankSecure")
 *     .at(Place.ITS_SERVER)
 *     .ends(5, "cannot connect to …: database \"…\" does not exist…", "--init")
 *     .because("a new cluster", "`--init`");
 * }</pre>
 *
 * <p>In arguments and variables {@code {port}} stands for the port of the place and {@code
 * {database}} for the database. Without a URL of its own a row has that of the place. The script
 * runs in a folder that holds {@code certs}, as {@code cockroach cert} leaves it, and an empty
 * {@code home}.
 */
final class UserError implements Case.Check {

  /** What is at the port that the URL names. */
  enum Place {
    NOTHING,
    /** The server that the script is made for: with TLS for BankSecure, else without. */
    ITS_SERVER,
    WITHOUT_TLS,
    WITH_TLS,
    /** A server with TLS that wants maxroach's password and no certificate. */
    WITH_PASSWORD,
    /** A server with TLS whose certificate is for another host. */
    OF_ANOTHER_NAME,
    /** A server without TLS that wants maxroach's password. */
    WITH_PASSWORD_ALONE,
    /** It accepts connections and never says a word. */
    SILENT,
    /** It closes each connection at once. */
    RUDE,
    /** It speaks HTTP. */
    WEB
  }

  /** What is done to the folder that the script runs in. */
  interface Preparation {
    void prepare(Path folder, Certificates authority) throws IOException;
  }

  final String name;
  final List<String> arguments = new ArrayList<>();
  final Map<String, String> environment = new TreeMap<>();
  List<String> scripts = List.of("BankInsecure");
  Place place = Place.NOTHING;
  List<String> statements = List.of();
  final List<Preparation> preparations = new ArrayList<>();
  private int status;
  private String message;
  private String shown;
  private String advice;
  private boolean connected;
  private boolean retried;
  private String cause;
  private String remedy;

  /** A row of this name, with these arguments. */
  UserError(String name, String... arguments) {
    this.name = name;
    given(arguments);
  }

  /** Adds arguments. */
  UserError given(String... more) {
    arguments.addAll(List.of(more));
    return this;
  }

  /** Is tried with these scripts, not with BankInsecure alone. */
  UserError of(String... scripts) {
    this.scripts = List.of(scripts);
    return this;
  }

  /** Sets a variable of the environment. */
  UserError environment(String variable, String value) {
    environment.put(variable, value);
    return this;
  }

  /** Has this at the port of the URL, not nothing. */
  UserError at(Place place) {
    this.place = place;
    return this;
  }

  /** Has a database of its own, in which the superuser did this before; the script must not. */
  UserError database(String... statements) {
    this.statements = List.of(statements);
    return place == Place.NOTHING ? at(Place.ITS_SERVER) : this;
  }

  /** Does this to the certificates before. */
  UserError certs(Preparation change) {
    return folder((folder, authority) -> change.prepare(folder.resolve("certs"), authority));
  }

  /** Deletes these files before. */
  UserError without(String... files) {
    return folder(
        (folder, authority) -> {
          for (String file : files) {
            Files.delete(folder.resolve(file));
          }
        });
  }

  /** Writes this into a file before; one that is there keeps its permissions. */
  UserError with(String file, String content) {
    return folder(
        (folder, authority) -> {
          Files.createDirectories(folder.resolve(file).getParent());
          Files.writeString(folder.resolve(file), content);
        });
  }

  /** Changes what stands in a file before. */
  UserError edited(String file, UnaryOperator<String> change) {
    return folder(
        (folder, authority) -> {
          Path path = folder.resolve(file);
          Files.writeString(path, change.apply(Files.readString(path)));
        });
  }

  /** Puts what stands in a file into another one before, which keeps its permissions. */
  UserError copied(String from, String to) {
    return folder(
        (folder, authority) ->
            Files.write(folder.resolve(to), Files.readAllBytes(folder.resolve(from))));
  }

  /** Has a directory where a file should be. */
  UserError asDirectory(String file) {
    return without(file).folder((folder, authority) -> Files.createDirectory(folder.resolve(file)));
  }

  /** Sets a file's permissions before, such as {@code rw-r--r--}. */
  UserError permitted(String file, String permissions) {
    return folder(
        (folder, authority) ->
            Files.setPosixFilePermissions(
                folder.resolve(file), PosixFilePermissions.fromString(permissions)));
  }

  private UserError folder(Preparation preparation) {
    preparations.add(preparation);
    return this;
  }

  /**
   * Must end like this. In the message, the whole line of error, {@code …} stands for anything; the
   * line of advice must hold the words.
   */
  UserError ends(int status, String message, String advice) {
    this.status = status;
    this.message = message;
    this.shown = message;
    this.advice = advice;
    return this;
  }

  /** Shows itself after "Connected to …", which is then all that standard output holds. */
  UserError afterConnected() {
    this.connected = true;
    return this;
  }

  /** Shows itself after attempts that were told on standard error. */
  UserError afterRetries() {
    this.retried = true;
    return this;
  }

  /** Has this in the README for the message: a part of it, where it does not begin with …. */
  UserError shownAs(String shown) {
    this.shown = shown;
    return this;
  }

  /** Stands in the README with this cause and this remedy. */
  UserError because(String cause, String remedy) {
    this.cause = cause;
    this.remedy = remedy;
    return this;
  }

  /** Whether it stands in the README. */
  boolean isInReadme() {
    return cause != null;
  }

  /** The message as the README shows it. */
  String shown() {
    return "`" + shown + "`";
  }

  /** What stands beside the message in the README. */
  String causeAndRemedy() {
    return cause + " | " + remedy;
  }

  @Override
  public void check(Script.Result result) {
    String told = retried ? result.err().replaceAll("(?m)^attempt \\d.*\\R", "") : result.err();
    new ErrorForm(status).check(new Script.Result(result.status(), result.out(), told));
    List<String> lines = told.lines().toList();
    assertFalse(lines.get(0).contains("Exception"), () -> "Java's words\n" + result);
    assertTrue(
        lines.get(0).matches("error: " + pattern(message)), () -> "not " + message + "\n" + result);
    assertTrue(
        lines.get(0).matches("error: .*" + pattern(shown) + ".*"),
        () -> "not what the README shows, " + shown + "\n" + result);
    assertTrue(lines.get(1).contains(advice), () -> "does not advise " + advice + "\n" + result);
    assertEquals(connected, result.out().startsWith("Connected to "), result::toString);
    assertTrue(connected || result.out().isEmpty(), result::toString);
  }

  private static String pattern(String text) {
    return Stream.of(text.split("…", -1)).map(Pattern::quote).collect(Collectors.joining(".*"));
  }
}
