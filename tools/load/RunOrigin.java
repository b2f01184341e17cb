import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Where a result comes from: the command, the URL, the machine and the code, without a password.
 */
final class RunOrigin {

  private RunOrigin() {}

  /** The origin of a run that this alias started, in the names of BankLoad's JSON. */
  static Map<String, Object> of(String alias, List<String> arguments, String url) {
    Map<String, Object> origin = new LinkedHashMap<>();
    origin.put("command", command(alias, arguments));
    origin.put("url", withoutPassword(url));
    origin.put("machine", machine());
    origin.put("commit", commit());
    return origin;
  }

  private static String command(String alias, List<String> arguments) {
    return Stream.concat(Stream.of("jbang", alias), arguments.stream())
        .map(RunOrigin::withoutPassword)
        .map(RunOrigin::quoted)
        .collect(Collectors.joining(" "));
  }

  /** An argument as a shell takes it. */
  private static String quoted(String argument) {
    if (argument.matches("[\\w@%+=:,./-]+")) {
      return argument;
    }
    // The name of an option stays outside of the quotes, where readers look for it.
    int equals = argument.startsWith("--") ? argument.indexOf('=') + 1 : 0;
    String value = argument.substring(equals).replace("'", "'\\''");
    return argument.substring(0, equals) + "'" + value + "'";
  }

  /** A URL without the passwords in it. It was read before this, so it has the form of one. */
  static String withoutPassword(String url) {
    int authority = url.indexOf("://") + 3;
    if (authority < 3) {
      return url;
    }
    int end = authority;
    while (end < url.length() && "/?".indexOf(url.charAt(end)) < 0) {
      end++;
    }
    int at = url.lastIndexOf('@', end - 1);
    int colon = url.indexOf(':', authority);
    String login =
        at < authority ? "" : url.substring(authority, colon >= 0 && colon < at ? colon : at) + "@";
    String rest = url.substring(Math.max(at + 1, authority));
    return url.substring(0, authority)
        + login
        + rest.replaceAll("(?i)(?<=[?&])[^&=]*password=[^&]*&?", "").replaceFirst("[?&]$", "");
  }

  private static String machine() {
    int processors = Runtime.getRuntime().availableProcessors();
    String model = firstMatch(Path.of("/proc/cpuinfo"), "model name\\s*: (.+)", "processor");
    String kibibytes = firstMatch(Path.of("/proc/meminfo"), "MemTotal:\\s+(\\d+) kB", "0");
    String memory =
        kibibytes.equals("0") ? "" : ", " + Long.parseLong(kibibytes) / 1_048_576 + " GiB";
    String system = String.join(" ", property("os.name"), property("os.version"));
    return "%d x %s%s, %s, %s".formatted(processors, model, memory, system, property("os.arch"));
  }

  private static String property(String name) {
    return System.getProperty(name, "unknown");
  }

  private static String firstMatch(Path file, String pattern, String otherwise) {
    try (Stream<String> lines = Files.lines(file, StandardCharsets.ISO_8859_1)) {
      return lines
          .map(Pattern.compile(pattern)::matcher)
          .filter(Matcher::matches)
          .map(matcher -> matcher.group(1).strip())
          .findFirst()
          .orElse(otherwise);
    } catch (IOException e) {
      return otherwise;
    }
  }

  /** The commit of the clone in which BankLoad was started; null if it was started elsewhere. */
  private static String commit() {
    if (!Files.exists(Path.of("tools", "BankLoad.java"))) {
      return null;
    }
    try {
      Process git =
          new ProcessBuilder("git", "describe", "--always", "--dirty", "--abbrev=12")
              .redirectInput(new File("/dev/null"))
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String commit = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return commit.isBlank() ? null : commit.strip();
    } catch (IOException e) {
      return null;
    }
  }
}
