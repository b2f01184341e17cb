import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Why a URL cannot be read. */
final class UrlFindings {

  private static final int MAX_PORT = 65_535;

  /** A name, or an address of IPv6. */
  private static final Pattern HOST = Pattern.compile("[^:@/\\s\\[\\]]+|\\[[\\p{XDigit}:.%\\w]+]");

  /** What is wrong with a URL that matches; the first match counts. */
  private record Problem(String pattern, String text) {}

  private static final List<Problem> PROBLEMS =
      List.of(
          new Problem(
              "(?!(jdbc:)?(postgres(ql)?|cockroachdb)://).*", "it begins with something else"),
          new Problem(".*%(?!\\p{XDigit}{2}).*", "%25 stands for a % in a password"),
          new Problem("[^@]*#.*@.*", "%23 stands for a # in a password"),
          new Problem("[^@]*@[^@]*@.*", "%40 stands for an @ in a password"),
          new Problem("[^/]*//[^@]*/[^@]*@.*", "%2F stands for a / in a password"),
          new Problem("[^/]*//[^@]*\\?[^@]*@.*", "%3F stands for a ? in a password"),
          new Problem("[^@]*\\s[^@]*@.*", "%20 stands for a blank in a password"),
          new Problem("[^/]*//([^@]*@)?(/.*)?", "it names no host"),
          new Problem(".*", "a host, a port or a name cannot be right"));

  /** The parts of a URL whose password may hold anything up to the last @. */
  private static final Pattern PARTS =
      Pattern.compile(
          "(?s)(?:jdbc:)?postgres\\w*://([\\w.-]+):.*@([\\w.,:-]+(?:/[\\w-]*)?)(\\?.*)?");

  private UrlFindings() {}

  /** Reads a URL as the samples do, unless it cannot be meant like that. */
  static Optional<Properties> read(DoctorUrl url) {
    try {
      Properties settings = BankSecure.settings(url.toString());
      String hosts = settings.getProperty("PGHOST");
      String ports = settings.getProperty("PGPORT");
      boolean isPlausible =
          Stream.of(hosts.split(",", -1)).allMatch(host -> HOST.matcher(host).matches())
              && Stream.of(ports.split(",", -1)).allMatch(UrlFindings::isPort)
              // A password with a ? in it would end the host.
              && !url.toString().matches("(?s)[^?@]*\\?[^=]*@.*");
      return isPlausible ? Optional.of(settings) : Optional.empty();
    } catch (RuntimeException e) {
      return Optional.empty();
    }
  }

  private static boolean isPort(String text) {
    return text.matches("\\d{1,5}")
        && Integer.parseInt(text) >= 1
        && Integer.parseInt(text) <= MAX_PORT;
  }

  /** Explains why the samples cannot read a URL. */
  static Examination.Finding explain(
      DoctorUrl url, String folder, Map<String, String> environment) {
    String text = url.toString();
    String parameters = text.replaceFirst("(?s)^[^?]*", "");
    List<String> variables = DoctorUrl.variables(parameters);
    if (!variables.isEmpty()) {
      return notExpanded(url, variables, folder, environment);
    }
    String problem =
        PROBLEMS.stream()
            .filter(each -> text.matches("(?s)" + each.pattern))
            .map(Problem::text)
            .findFirst()
            .orElseThrow();
    String seen = "not like postgresql://user:p%40ss@host:26257/bank: " + problem;
    Matcher parts = PARTS.matcher(text);
    if (parts.matches()) {
      String rest = Objects.requireNonNullElse(parts.group(3), "");
      DoctorUrl plain =
          new DoctorUrl("postgresql://" + parts.group(1) + "@" + parts.group(2) + rest)
              .withoutPasswords();
      if (read(plain).isPresent()) {
        String advice = "Leave the password out of the URL, and put it, as it is, into PGPASSWORD:";
        String command = Fixes.jbang("bank-doctor", plain, folder);
        return new Examination.Finding("URL", seen, advice, command);
      }
    }
    return new Examination.Finding("URL", seen, "Correct the URL.", "");
  }

  private static Examination.Finding notExpanded(
      DoctorUrl url, List<String> variables, String folder, Map<String, String> environment) {
    String seen = "the shell did not replace " + String.join(", ", variables) + " in it";
    DoctorUrl expanded =
        new DoctorUrl(DoctorUrl.expand(url.toString(), environment).replace('\\', '/'))
            .withoutPasswords();
    String advice = "Give the path itself" + (read(expanded).isPresent() ? ":" : ".");
    String command = read(expanded).isPresent() ? Fixes.jbang("bank-doctor", expanded, folder) : "";
    return new Examination.Finding("URL", seen, advice, command);
  }
}
