import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** What BankDoctor has seen of each link from the URL to the tables, and the first broken one. */
final class Examination {

  /** Each hangs on those before it. */
  static final List<String> LINKS =
      List.of(
          "URL host protocol CA server client key login database clock rights tables writes"
              .split(" "));

  /** What was seen of a link, and whether it holds; null where that was not tried. */
  record Check(String link, Boolean holds, String seen) {}

  /** A link does not hold; what to do, and the command that does it, which may be empty. */
  static final class Broken extends RuntimeException {
    private static final long serialVersionUID = 1;
    final String link;
    final String advice;
    final String command;

    Broken(String link, String seen, String advice, String command) {
      super(seen);
      this.link = link;
      this.advice = advice;
      this.command = command;
    }
  }

  private final List<Check> checks = new ArrayList<>();
  private Broken broken;

  /** The link holds, as far as that was seen. */
  void holds(String link, String format, Object... values) {
    checks.add(new Check(link, true, String.format(Locale.ROOT, format, values)));
  }

  /** The link is not needed, or only the login can tell. */
  void untried(String link, String seen) {
    checks.add(new Check(link, null, seen));
  }

  /** Whether a link was found to hold. */
  boolean held(String link) {
    return checks.stream().anyMatch(c -> c.link().equals(link) && Boolean.TRUE.equals(c.holds()));
  }

  /** Forgets what was seen of a link, for it came out otherwise. */
  void forget(String link) {
    checks.removeIf(check -> check.link().equals(link));
  }

  /** Notes that a link is broken; the first one counts. */
  void note(Broken e) {
    if (e != broken) {
      checks.add(new Check(e.link, false, e.getMessage()));
      broken = broken == null ? e : broken;
    }
  }

  /** Answers those of several hosts for which a link holds; throws where it does for none. */
  List<Host> all(List<Host> hosts, Consumer<Host> step) {
    List<Host> good = new ArrayList<>();
    for (Host host : hosts) {
      try {
        step.accept(host);
        good.add(host);
      } catch (Broken e) {
        note(e);
      }
    }
    if (good.isEmpty()) {
      throw broken;
    }
    return good;
  }

  /** The first link found broken, or null. */
  Broken broken() {
    return broken;
  }

  /** What was seen, in the links' order, and those that were not reached. */
  List<Check> checks() {
    List<Check> all = new ArrayList<>(checks);
    for (String link : LINKS) {
      if (checks.stream().noneMatch(check -> check.link().equals(link))) {
        all.add(new Check(link, null, "not reached"));
      }
    }
    all.sort(Comparator.comparing(check -> LINKS.indexOf(check.link())));
    return all;
  }
}
