import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A broken environment: how it comes about, which check the doctor must name, what it sees, and how
 * it is fixed. In arguments, statements and expectations {port} stands for the port of the place,
 * {database} for the database, {folder} for the folder with {@code certs} and {@code home}, and in
 * expectations … for anything.
 */
final class DoctorCase {

  /** What is at the port that the URL names. */
  enum Place {
    NOTHING,
    INSECURE,
    SECURE,
    /** A server with TLS that wants maxroach's password and no certificate. */
    WITH_PASSWORD,
    /** A server without TLS that wants maxroach's password. */
    WITH_PASSWORD_ALONE,
    /** A server with TLS that lets everyone in, behind a certificate of the case's own. */
    SHOWING,
    SILENT,
    /** It offers TLS, and sends a byte of the handshake every 1.5 s. */
    SLOW,
    /** It speaks TLS from the start, as a web server does. */
    HTTPS,
    CLOSING,
    /** It speaks HTTP, to whom speaks first. */
    WEB,
    /** It speaks HTTP, to whom ends a line. */
    WAITING_WEB,
    /** It speaks first, like a mail server, and would forge a check. */
    SPEAKING_FIRST
  }

  /** Something done to the folder before, or to the environment to fix it. */
  interface Step {
    void take(Path folder, DoctorStage stage) throws Exception;
  }

  /** A message, its cause and its fix, for the page. */
  record Row(String message, String cause, String fix, String seenOn) {}

  final String name;
  final List<String> arguments = new ArrayList<>();
  final List<Step> steps = new ArrayList<>();
  Place place = Place.SECURE;
  List<String> statements = List.of();
  UnaryOperator<Certificates.Leaf> shown = leaf -> leaf;
  List<String> shownNames = List.of("localhost", "127.0.0.1");
  String check;
  String seen;
  String fix = "";
  String secondFix = "";
  boolean onlyAdvice;
  Step byHand;
  List<String> otherArguments;
  String input = "";
  Row row;

  /** A case of this name; without a URL it has that of its place. */
  DoctorCase(String name, String... arguments) {
    this.name = name;
    this.arguments.addAll(List.of(arguments));
  }

  DoctorCase at(Place place) {
    this.place = place;
    return this;
  }

  /** Has a database of its own on an insecure server, in which the superuser did this before. */
  DoctorCase database(String... statements) {
    this.statements = List.of(statements);
    return at(Place.INSECURE);
  }

  /** Shows a certificate of its own for these names. */
  DoctorCase showing(UnaryOperator<Certificates.Leaf> change, String... names) {
    shown = change;
    shownNames = List.of(names);
    return at(Place.SHOWING);
  }

  DoctorCase before(Step step) {
    steps.add(step);
    return this;
  }

  DoctorCase without(String... files) {
    return before(
        (folder, stage) -> {
          for (String file : files) {
            Files.delete(folder.resolve(file));
          }
        });
  }

  DoctorCase with(String file, String content) {
    return before(
        (folder, stage) -> {
          Files.createDirectories(folder.resolve(file).getParent());
          Files.writeString(folder.resolve(file), content);
        });
  }

  DoctorCase edited(String file, UnaryOperator<String> change) {
    return before(
        (folder, stage) -> {
          Path path = folder.resolve(file);
          Files.writeString(path, change.apply(Files.readString(path)));
        });
  }

  DoctorCase copied(String from, String to) {
    return before(
        (folder, stage) ->
            Files.write(folder.resolve(to), Files.readAllBytes(folder.resolve(from))));
  }

  DoctorCase asDirectory(String file) {
    return without(file).before((folder, stage) -> Files.createDirectory(folder.resolve(file)));
  }

  DoctorCase permitted(String file, String permissions) {
    return before(
        (folder, stage) ->
            Files.setPosixFilePermissions(
                folder.resolve(file), PosixFilePermissions.fromString(permissions)));
  }

  /** Changes the folder of certificates. */
  DoctorCase certs(CertificatesChange change) {
    return before((folder, stage) -> change.make(folder.resolve("certs"), stage.authority));
  }

  interface CertificatesChange {
    void make(Path certs, Certificates authority) throws IOException;
  }

  /** Runs a line of a shell in the folder before. */
  DoctorCase shell(String line) {
    return before((folder, stage) -> stage.requireShell(folder, line));
  }

  /** The doctor must name this check and say this of it. */
  DoctorCase names(String check, String seen) {
    this.check = check;
    this.seen = seen;
    return this;
  }

  /** The printed line must be like this and, passed to a shell, fix it. */
  DoctorCase fixedBy(String line) {
    fix = line;
    byHand = null;
    return this;
  }

  /** The shell is given this text to read. */
  DoctorCase typing(String text) {
    input = text;
    return this;
  }

  /** The advice must be like this and, followed like this, fix it. */
  DoctorCase fixedByHand(String advice, Step step) {
    fix = advice;
    byHand = step;
    return this;
  }

  /** The advice must be like this, and these arguments follow it. */
  DoctorCase fixedWith(String advice, String... arguments) {
    fix = advice;
    otherArguments = List.of(arguments);
    return this;
  }

  /** The superuser does this to follow the advice. */
  DoctorCase fixedByHand(String advice, String statement) {
    return fixedByHand(advice, (folder, stage) -> stage.asSuperuser(statement));
  }

  /** After the first fix another check is broken, and this line mends it. */
  DoctorCase thenFixedBy(String line) {
    secondFix = line;
    return this;
  }

  /** Adds arguments. */
  DoctorCase given(String... more) {
    arguments.addAll(List.of(more));
    return this;
  }

  /** Only the advice is looked at. */
  DoctorCase advises(String advice) {
    fix = advice;
    onlyAdvice = true;
    return this;
  }

  /** Is a row of the page, with what the script or the doctor says, the cause and the fix. */
  DoctorCase row(String message, String cause, String fix) {
    row = new Row(message, cause, fix, "Seen on the PostgreSQL stand-in.");
    return this;
  }

  /** Whether the printed line is passed to a shell, and mends it. */
  boolean isFixedByShell() {
    return byHand == null && otherArguments == null && !onlyAdvice;
  }
}
