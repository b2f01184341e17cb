import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Why a URL cannot be read. */
final class UrlFindings {

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
      if (isReadable(plain)) {
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
    String advice = "Give the path itself" + (isReadable(expanded) ? ":" : ".");
    String command = isReadable(expanded) ? Fixes.jbang("bank-doctor", expanded, folder) : "";
    return new Examination.Finding("URL", seen, advice, command);
  }

  private static boolean isReadable(DoctorUrl url) {
    try {
      BankSecure.settings(url.toString());
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }
}
