import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The user's URL: without its passwords, and with one part changed. */
final class DoctorUrl {

  /** What the samples use if no URL is given. */
  static final String DEFAULT = "postgresql://maxroach@localhost:26257/bank";

  /** Takes the place of a key's password in a command; the shell replaces it. */
  static final String KEY_PASSWORD = "$SSLPASSWORD";

  /** A variable of a shell that the shell did not replace, such as $HOME or %APPDATA%. */
  private static final Pattern VARIABLE =
      Pattern.compile("\\$\\{([A-Za-z_]\\w*)}|\\$([A-Za-z_]\\w*)|%([A-Za-z_]\\w*)%");

  private static final Pattern SECRET = Pattern.compile("(?i).*(passw|pwd|secret|token).*");

  /** Scheme, login with its @, hosts, path, and parameters with their ?. */
  private static final Pattern PARTS =
      Pattern.compile("(?s)([^/]*//)([^/?]*@)?([^/?]*)([^?]*)(\\?.*)?");

  private final String text;

  DoctorUrl(String text) {
    this.text = text;
  }

  /** Whether a parameter of this name holds a password. */
  static boolean isSecret(String parameter) {
    return SECRET.matcher(decode(parameter)).matches();
  }

  /** The URL with *** for each password. */
  String masked() {
    String login = part(2).replaceFirst(":.*@", ":***@");
    List<String> shown = parameters();
    shown.replaceAll(each -> isSecret(nameOf(each)) ? nameOf(each) + "=***" : each);
    return join(login, part(3), part(4), shown);
  }

  /** The URL without the user's password, and with a placeholder for the key's. */
  DoctorUrl withoutPasswords() {
    String login = part(2).replaceFirst(":.*@", "@");
    List<String> rest = parameters();
    rest.removeIf(each -> isSecret(nameOf(each)) && !nameOf(each).equals("sslpassword"));
    rest.replaceAll(
        each -> nameOf(each).equals("sslpassword") ? "sslpassword=" + KEY_PASSWORD : each);
    return new DoctorUrl(join(login, part(3), part(4), rest));
  }

  /** Whether the URL holds the user's password. */
  boolean holdsPassword() {
    return part(2).matches("[^:]*:.+@")
        || parameters().stream().anyMatch(each -> nameOf(each).equals("password"));
  }

  /** The URL with another value of a parameter. */
  DoctorUrl with(String parameter, String value) {
    List<String> all = parameters();
    String changed = parameter + "=" + encode(value);
    boolean isThere = all.stream().anyMatch(each -> nameOf(each).equals(parameter));
    all.replaceAll(each -> nameOf(each).equals(parameter) ? changed : each);
    if (!isThere) {
      all.add(changed);
    }
    return new DoctorUrl(join(part(2), part(3), part(4), all));
  }

  /** The URL with another name for a host. */
  DoctorUrl withHost(String given, String other) {
    String quoted = "(?<=^|,)" + Pattern.quote(given) + "(?=$|[:,])";
    String hosts = part(3).replaceAll(quoted, Matcher.quoteReplacement(other));
    return new DoctorUrl(join(part(2), hosts, part(4), parameters()));
  }

  /** The URL with another database. */
  DoctorUrl withDatabase(String name) {
    return new DoctorUrl(join(part(2), part(3), "/" + encode(name), parameters()));
  }

  /** The variables that a shell should have replaced, such as $HOME. */
  static List<String> variables(String text) {
    return VARIABLE.matcher(text).results().map(result -> result.group()).toList();
  }

  /** The text with the values of those variables that have one. */
  static String expand(String text, Map<String, String> environment) {
    return VARIABLE
        .matcher(text)
        .replaceAll(
            match -> {
              String name =
                  match.group(1) != null
                      ? match.group(1)
                      : match.group(2) != null ? match.group(2) : match.group(3);
              return Matcher.quoteReplacement(environment.getOrDefault(name, match.group()));
            });
  }

  @Override
  public String toString() {
    return text;
  }

  private String part(int group) {
    Matcher parts = PARTS.matcher(text);
    String part = parts.matches() ? parts.group(group) : null;
    return part == null ? "" : part;
  }

  private List<String> parameters() {
    List<String> all = new ArrayList<>(List.of(part(5).replaceFirst("^\\?", "").split("&")));
    all.removeIf(String::isEmpty);
    return all;
  }

  private String join(String login, String hosts, String path, List<String> parameters) {
    String rest = parameters.isEmpty() ? "" : "?" + String.join("&", parameters);
    return part(1) + login + hosts + path + rest;
  }

  private static String nameOf(String parameter) {
    return decode(parameter.replaceFirst("(?s)=.*", ""));
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      return text;
    }
  }

  /** Encodes what a URL cannot hold, and leaves a path readable. */
  private static String encode(String value) {
    UnaryOperator<String> escape =
        part ->
            part.matches("[\\w./:,~=-]|\\$")
                ? part
                : URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
    return value
        .codePoints()
        .mapToObj(Character::toString)
        .map(escape)
        .collect(Collectors.joining());
  }
}
