//SOURCES ClusterEvents.java

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The result of a load in words: the lines that BankLoad prints, and the report's verdict. */
final class LoadSummary {

  private static final int COLUMNS = 80;

  private final Map<String, Object> result;

  /** A summary of a result in the names of BankLoad's JSON, of which not all need be there yet. */
  LoadSummary(Map<String, Object> result) {
    this.result = result;
  }

  /** The result in lines; the last one is its summary in one sentence. */
  List<String> lines(boolean hasRate) {
    List<String> lines = new ArrayList<>();
    if (number("transfersToWarmUp") > 0) {
      lines.add("Warm-up: {transfersToWarmUp} transfers in {warmUpSeconds} s, not counted below.");
    }
    String late = hasRate ? " {transfersNotBegun} not begun in time," : "";
    lines.add(
        "Transfers: {transfersCommitted} committed, {transfersUnknown} unknown,"
            + late
            + " {transfersPerSecond} a second for {seconds} s.");
    if (number("transfersCommitted") > 0) {
      lines.add(
          "Latency: p50 {p50Milliseconds} ms, p95 {p95Milliseconds} ms, p99 {p99Milliseconds} ms,"
              + " p99.9 {p999Milliseconds} ms, maximum {maximumMilliseconds} ms.");
    }
    lines.add("Retries: {retries}{retriesByReason}.");
    if (!gaps().isEmpty()) {
      lines.add(gapSentence());
    }
    if (result.get("totalAfter") != null) {
      lines.add("Total balance: {totalBefore} before, {totalAfter} after.");
      lines.add(
          "Audit {audit}; checks while it ran: {checks}, smallest balance: {smallestBalance},"
              + " transfers of this run in the ledger: {transfersInLedger}.");
    } else {
      lines.add("Audit {audit}; checks while it ran: {checks}.");
    }
    lines.add("Longest time without a check: {longestSecondsWithoutCheck} s.");
    losses().ifPresent(lines::add);
    strings("notChecked").forEach(lines::add);
    if (number("transfersOfOthers") > 0) {
      lines.add("Others made {transfersOfOthers} transfers, which the balances agree with.");
    }
    thresholds().forEach(each -> lines.add(threshold(each)));
    lines.add(sentence());
    return lines.stream().map(this::filled).map(LoadSummary::wrapped).toList();
  }

  /** The result in one sentence. */
  String sentence() {
    String transfers =
        number("transfersCommitted") == 0
            ? "No transfers, "
            : "{transfersCommitted} transfers, {transfersPerSecond}/s, p99 {p99Milliseconds} ms, ";
    int unknown = strings("transfersUnknown").size();
    String outcomes = unknown == 0 ? "" : "%,d of unknown outcome, ".formatted(unknown);
    return filled(transfers) + outcomes + money() + ".";
  }

  private String money() {
    return switch (String.valueOf(result.get("audit"))) {
      case "passed" -> "no money lost";
      case "failed" -> "audit failed";
      default -> "not audited";
    };
  }

  /** What happened, in sentences for a reader who was not there. */
  List<String> verdict() {
    List<String> verdict = new ArrayList<>();
    switch (String.valueOf(result.get("audit"))) {
      case "passed" ->
          verdict.add(
              "No money was lost: "
                  + counted(((Collection<?>) result.get("checks")).size(), "check")
                  + " while it ran and the comparison of all balances with the ledger"
                  + " found {totalAfter} in {accountsAfter} accounts.");
      case "failed" -> verdict.add("The audit failed: {fault}.");
      default -> verdict.add("No audit was made: only what was confirmed is known.");
    }
    int unknown = strings("transfersUnknown").size();
    if (unknown > 0) {
      verdict.add("The outcome of %,d transfers is unknown.".formatted(unknown));
    }
    if (!gaps().isEmpty()) {
      verdict.add(gapSentence());
    }
    losses().ifPresent(verdict::add);
    if (number("transfersCommitted") > 0) {
      verdict.add("The slowest transfer took " + duration(number("maximumMilliseconds")) + ".");
    }
    thresholds().stream()
        .filter(each -> each.get("failed").equals(true))
        .forEach(each -> verdict.add(threshold(each)));
    verdict.addAll(strings("notChecked"));
    return verdict.stream().map(this::filled).toList();
  }

  /** How often nodes were lost, and the longest gap after that. */
  private Optional<String> losses() {
    List<ClusterEvents.Event> losses =
        result.get("events") instanceof Collection<?> all
            ? all.stream()
                .map(ClusterEvents.Event.class::cast)
                .filter(ClusterEvents.Event::isLoss)
                .toList()
            : List.of();
    double longest = losses.stream().mapToDouble(ClusterEvents.Event::gapSeconds).max().orElse(0);
    String after =
        longest == 0
            ? "No gap followed."
            : "The longest gap after that took %.1f s.".formatted(longest);
    return losses.isEmpty()
        ? Optional.empty()
        : Optional.of("A node was lost " + counted(losses.size(), "time") + ". " + after);
  }

  private String gapSentence() {
    String times =
        gaps().stream()
            .limit(3)
            .map(gap -> "%.1f and %.1f s".formatted(gap[0], gap[1]))
            .collect(Collectors.joining(", "));
    int more = gaps().size() - 3;
    String others = more <= 0 ? "" : ", and " + counted(more, "more time");
    return "Between " + times + others + " nothing was committed.";
  }

  /** A number and what it counts, such as "1 check" or "2 checks". */
  static String counted(long number, String noun) {
    return "%,d %s%s".formatted(number, noun, number == 1 ? "" : "s");
  }

  private static String duration(double milliseconds) {
    return milliseconds < 1_000
        ? "%.1f ms".formatted(milliseconds)
        : "%.1f s".formatted(milliseconds / 1_000);
  }

  private String threshold(Map<String, Object> threshold) {
    boolean failed = threshold.get("failed").equals(true);
    String unit = threshold.get("unit").equals("") ? "" : " " + threshold.get("unit");
    Object value = threshold.get("value");
    return "Threshold %s: --fail-if='%s', measured %s."
        .formatted(
            failed ? "failed" : "passed",
            threshold.get("condition"),
            value == null ? "nothing" : text(value) + unit);
  }

  /** The condition on which the load has failed, and what was measured; an empty text if none. */
  String failedThreshold() {
    return thresholds().stream()
        .filter(each -> each.get("failed").equals(true))
        .map(each -> threshold(each).replaceFirst("^T(.*)\\.$", "t$1"))
        .collect(Collectors.joining("; "));
  }

  // ---- Text ----

  /** Replaces names in braces by what the result has for them. */
  String filled(String template) {
    Matcher names = Pattern.compile("\\{(\\w+)}").matcher(template);
    return names.replaceAll(name -> Matcher.quoteReplacement(text(result.get(name.group(1)))));
  }

  /** Breaks a line at blanks, so that it fits 80 columns. */
  static String wrapped(String line) {
    StringBuilder wrapped = new StringBuilder();
    int column = 0;
    // A number stays with its unit.
    for (String word : line.split(" (?!m?s\\b)")) {
      if (column > 0 && column + 1 + word.length() > COLUMNS) {
        wrapped.append(System.lineSeparator()).append("  ").append(word);
        column = 2 + word.length();
      } else {
        wrapped.append(column == 0 ? "" : " ").append(word);
        column += word.length() + (column == 0 ? 0 : 1);
      }
    }
    return wrapped.toString();
  }

  private static String text(Object value) {
    if (value instanceof Collection<?> many) {
      return text(many.size());
    } else if (value instanceof Number number) {
      boolean isSmall = value instanceof Double && number.doubleValue() < 100;
      return String.format(isSmall ? "%,.1f" : "%,.0f", new BigDecimal("" + number));
    } else if (value instanceof Map<?, ?> reasons) {
      return reasons.isEmpty() ? "" : reasons.toString().replaceAll("^\\{(.*)}", " ($1)");
    }
    return value == null ? "unknown" : value.toString();
  }

  private double number(String name) {
    return result.get(name) instanceof Number number ? number.doubleValue() : 0;
  }

  private List<String> strings(String name) {
    return result.get(name) instanceof Collection<?> all
        ? all.stream().map(Object::toString).toList()
        : List.of();
  }

  private List<double[]> gaps() {
    return result.get("gaps") instanceof Collection<?> all
        ? all.stream().map(gap -> (double[]) gap).toList()
        : List.of();
  }

  @SuppressWarnings("unchecked")
  private List<Map<String, Object>> thresholds() {
    return (List<Map<String, Object>>) result.getOrDefault("thresholds", List.of());
  }
}
