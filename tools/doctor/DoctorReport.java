import com.google.gson.GsonBuilder;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Prints an examination, as text or as JSON. */
final class DoctorReport {

  private static final int WIDTH = 80;
  private static final String INDENT = " ".repeat(12);
  private static final int MAX_TEXT = 600;
  private static final int MAX_COMMAND = 4_000;

  private final PrintStream out;
  private final boolean isColored;
  private final Diagnosis diagnosis;
  private final Examination examination;
  private final Examination.Finding finding;
  private final String command;
  private final String advice;

  DoctorReport(PrintStream out, boolean isColored, Diagnosis diagnosis) {
    this.out = out;
    this.isColored = isColored;
    this.diagnosis = diagnosis;
    this.examination = diagnosis.examination();
    this.finding = examination.finding();
    this.command = finding == null ? diagnosis.sampleCommand() : finding.command;
    this.advice = note(finding == null ? "All is well. Run the sample:" : finding.advice);
  }

  /** The passwords of the URL are in no command, so they have to come from the environment. */
  private String note(String text) {
    if (!command.contains(" --url=")) {
      return text;
    }
    boolean hasKeyPassword = command.contains(DoctorUrl.KEY_PASSWORD);
    String variables =
        (diagnosis.holdsPassword() ? "the password in PGPASSWORD" : "")
            + (diagnosis.holdsPassword() && hasKeyPassword ? " and " : "")
            + (hasKeyPassword ? "the key's password in SSLPASSWORD" : "");
    return variables.isEmpty() ? text : text.replaceFirst(":$", " (with " + variables + "):");
  }

  /** Prints the broken checks first, then those that passed, then the others in a line. */
  void printText() {
    if (finding != null) {
      for (Examination.Check check : with(Examination.Result.BROKEN)) {
        print("✗", "31", check);
      }
      out.println();
      printAdvice();
      out.println();
    }
    for (Examination.Check check : with(Examination.Result.PASSED)) {
      print("✓", "32", check);
      if (check.name().equals("URL")) {
        out.println(INDENT + printable(diagnosis.jdbcUrl(), MAX_TEXT));
        String properties = diagnosis.properties().toString().replaceAll("^.|.$", "");
        wrap(INDENT, printable(properties, MAX_TEXT));
      }
    }
    printOthers();
    if (finding == null) {
      printAdvice();
    }
  }

  private List<Examination.Check> with(Examination.Result result) {
    return examination.checks().stream().filter(check -> check.result() == result).toList();
  }

  private void print(String mark, String color, Examination.Check check) {
    String shown = isColored ? "\033[" + color + "m" + mark + "\033[0m" : mark;
    String first = String.format("%s %-9s ", mark, check.name());
    List<String> lines = wrapped(first, printable(check.seen(), MAX_TEXT));
    out.println(shown + lines.get(0).substring(mark.length()));
    lines.stream().skip(1).forEach(out::println);
  }

  private void printAdvice() {
    wrap("", printable(advice, MAX_TEXT));
    if (!command.isEmpty()) {
      String line = printable(command, MAX_COMMAND);
      out.println(isColored ? "\033[1m" + line + "\033[0m" : line);
    }
  }

  private void printOthers() {
    for (Examination.Check check : with(Examination.Result.NOT_NEEDED)) {
      if (!check.seen().equals("not needed")) {
        print("–", "2", check);
      }
    }
    printNames("not needed", Examination.Result.NOT_NEEDED);
    printNames("not reached", Examination.Result.NOT_REACHED);
  }

  private void printNames(String why, Examination.Result result) {
    String names =
        with(result).stream()
            .filter(check -> check.seen().equals(why))
            .map(Examination.Check::name)
            .collect(Collectors.joining(", "));
    if (!names.isEmpty()) {
      wrap("– ", why + ": " + names);
    }
  }

  private void wrap(String start, String text) {
    wrapped(start, text).forEach(out::println);
  }

  /** Breaks a text between words, so that a line has 80 characters unless a word is longer. */
  private static List<String> wrapped(String start, String text) {
    String indent = start.isEmpty() ? "" : " ".repeat(Math.min(start.length(), INDENT.length()));
    StringBuilder lines = new StringBuilder();
    StringBuilder line = new StringBuilder(start);
    boolean isEmpty = true;
    for (String word : text.split(" ")) {
      if (!isEmpty && line.length() + 1 + word.length() > WIDTH) {
        lines.append(line).append('\n');
        line = new StringBuilder(indent);
        isEmpty = true;
      }
      line.append(isEmpty ? "" : " ").append(word);
      isEmpty = false;
    }
    return lines.append(line).toString().lines().toList();
  }

  /** Prints the same as one JSON object. */
  void printJson() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("well", finding == null);
    all.put("broken", finding == null ? null : finding.check);
    all.put("advice", printable(advice, MAX_TEXT));
    all.put("command", command.isEmpty() ? null : printable(command, MAX_COMMAND));
    if (diagnosis.url() != null) {
      all.put("jdbcUrl", printable(diagnosis.jdbcUrl(), MAX_TEXT));
      Map<String, String> properties = new TreeMap<>();
      diagnosis
          .properties()
          .forEach(
              (name, value) ->
                  properties.put(printable(name, MAX_TEXT), printable(value, MAX_TEXT)));
      all.put("properties", properties);
    }
    all.put("checks", examination.checks().stream().map(DoctorReport::json).toList());
    out.println(
        new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create()
            .toJson(all));
  }

  private static Map<String, Object> json(Examination.Check check) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("check", check.name());
    all.put("result", check.result().name().toLowerCase(Locale.ROOT).replace('_', ' '));
    all.put("seen", printable(check.seen(), MAX_TEXT));
    return all;
  }

  /** Removes what could move the cursor, fill the terminal, or pass for a mark of ours. */
  static String printable(String text, int length) {
    String line = text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]+", " ");
    line = line.replaceAll("[✓✗✔✘☑☒✅❌☐⮽🗸🗴🗹🗵]", "?");
    return line.length() > length ? line.substring(0, length) + "…" : line;
  }
}
