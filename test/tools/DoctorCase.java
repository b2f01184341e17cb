import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/**
 * A broken environment: how it comes about, which check the doctor must name, what it sees, and how
 * it is fixed. In all texts {port} stands for the port of the place, {database} for the database,
 * {folder} for the folder with {@code certs} and {@code home}; in what is expected, … for anything.
 */
final class DoctorCase {

  /** What is at the port that the URL names. */
  enum Place {
    NOTHING,
    INSECURE,
    SECURE,
    /** The secure server behind a certificate of the case's own, for a user with a password. */
    SHOWING,
    /** No database. */
    FAKE
  }

  /** Writes certificates before. */
  interface Issue {
    void write(Path certs, Certificates authority) throws IOException;
  }

  final String name;
  Place place = Place.SECURE;
  FakeServer.Behavior behavior;
  Function<Certificates, Certificates.Leaf> shown;
  List<String> statements = List.of();
  Issue issue = (certs, authority) -> {};
  String shell = "";
  String url = "postgresql://maxroach@localhost:{port}/{database}";
  String certsDir = "{folder}/certs";
  String check;
  String seen;
  String advice;
  String message;

  /** How often the printed line is pasted until all is well; if never, it is only read. */
  int pastes;

  /** A case of this name, on a secure server unless it says otherwise. */
  DoctorCase(String name) {
    this.name = name;
  }

  DoctorCase at(Place place) {
    this.place = place;
    return this;
  }

  /** Finds this in the place of a database. */
  DoctorCase at(FakeServer.Behavior behavior) {
    this.behavior = behavior;
    return at(Place.FAKE);
  }

  /** Is shown this certificate of a server. */
  DoctorCase showing(Function<Certificates, Certificates.Leaf> shown) {
    this.shown = shown;
    url = "postgresql://client:" + ErrorForm.ENCODED_PASSWORD + "@localhost:{port}/{database}";
    return at(Place.SHOWING);
  }

  /** Is on a server without TLS. */
  DoctorCase insecure() {
    return at(Place.INSECURE).certsDir(null);
  }

  /** Has a database of its own without TLS, in which the superuser did this before. */
  DoctorCase database(String... before) {
    statements = List.of(before);
    return insecure();
  }

  DoctorCase url(String url) {
    this.url = url;
    return this;
  }

  /** Its URL asks for no TLS. */
  DoctorCase plain() {
    return url(url + "?sslmode=disable").certsDir(null);
  }

  DoctorCase certsDir(String folder) {
    certsDir = folder;
    return this;
  }

  /** Issues certificates into the folder of certificates. */
  DoctorCase issuing(Issue issue) {
    this.issue = issue;
    return this;
  }

  /** Runs a line of shell in the folder, after all certificates were issued. */
  DoctorCase after(String shell) {
    this.shell = shell;
    return this;
  }

  /** The doctor must name this check and say this of it. */
  DoctorCase names(String check, String seen) {
    this.check = check;
    this.seen = seen;
    return this;
  }

  /** The advice must be this, with the line that comes after it. */
  DoctorCase advises(String advice) {
    this.advice = advice;
    return this;
  }

  /** The line must be this and, pasted into a shell, fix it. */
  DoctorCase fixedBy(String line) {
    pastes = 1;
    return advises("…" + line);
  }

  /** After the first fix another check is broken, and the line of that one fixes it. */
  DoctorCase twice() {
    pastes = 2;
    return this;
  }

  /** The sample or, if it begins with ✗, the doctor says this, and the page explains it. */
  DoctorCase says(String message) {
    this.message = message;
    return this;
  }
}
