import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** What BankDoctor found out about each check, from the URL to the tables. */
final class Examination {

  /** The names of the checks. Each one needs those before it. */
  static final List<String> CHECKS =
      List.of(
          "URL",
          "host",
          "protocol",
          "CA",
          "server",
          "client",
          "key",
          "login",
          "database",
          "isolation",
          "clock",
          "rights",
          "tables",
          "writes");

  /** How a check ended. */
  enum Result {
    PASSED,
    BROKEN,
    /** The check does not apply to this connection. */
    NOT_NEEDED,
    NOT_REACHED
  }

  /** A check, how it ended, and what was seen. */
  record Check(String name, Result result, String seen) {}

  /** A broken check: what was seen, what to do, and a command for that, which may be empty. */
  static final class Finding extends RuntimeException {
    final String check;
    final String advice;
    final String command;

    Finding(String check, String seen, String advice, String command) {
      super(seen);
      this.check = check;
      this.advice = advice;
      this.command = command;
    }
  }

  private final List<Check> checks = new ArrayList<>();
  private Finding first;

  /** The check passed. */
  void pass(String name, String format, Object... values) {
    add(new Check(name, Result.PASSED, String.format(Locale.ROOT, format, values)));
  }

  /** The check does not apply. */
  void skip(String name, String reason) {
    add(new Check(name, Result.NOT_NEEDED, reason));
  }

  /** Adds a check, unless this thread's time is over, because then nobody waits for it. */
  private synchronized void add(Check check) {
    if (!Thread.currentThread().isInterrupted() && !checks.contains(check)) {
      checks.add(check);
    }
  }

  /** Whether a check has passed. */
  synchronized boolean hasPassed(String name) {
    return checks.stream().anyMatch(c -> c.name().equals(name) && c.result() == Result.PASSED);
  }

  /** Removes what was seen of a check, because later evidence contradicts it. */
  synchronized void forget(String name) {
    checks.removeIf(check -> check.name().equals(name));
  }

  /** Records a broken check. The first one is the diagnosis. */
  synchronized void record(Finding finding) {
    if (finding != first) {
      checks.add(new Check(finding.check, Result.BROKEN, finding.getMessage()));
      first = first == null ? finding : first;
    }
  }

  /** Returns the hosts that pass a step; throws the first finding if none does. */
  List<Host> hostsThatPass(List<Host> hosts, Consumer<Host> step) {
    List<Host> good = new ArrayList<>();
    for (Host host : hosts) {
      try {
        step.accept(host);
        good.add(host);
      } catch (Finding e) {
        record(e);
      }
    }
    if (good.isEmpty()) {
      throw first;
    }
    return good;
  }

  /** The first broken check, or null. */
  synchronized Finding finding() {
    return first;
  }

  /** All checks in their order, also those that were not reached. */
  synchronized List<Check> checks() {
    List<Check> all = new ArrayList<>(checks);
    for (String name : CHECKS) {
      if (checks.stream().noneMatch(check -> check.name().equals(name))) {
        all.add(new Check(name, Result.NOT_REACHED, "not reached"));
      }
    }
    all.sort(Comparator.comparing(check -> CHECKS.indexOf(check.name())));
    return all;
  }
}
