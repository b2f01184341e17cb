//DEPS org.hdrhistogram:HdrHistogram:2.2.2
//SOURCES ../../BankSecure.java

import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.HdrHistogram.Recorder;

/**
 * What a load did since this was made, second by second, in the names and units of BankLoad's JSON.
 * Its workers count on any thread; all else is for one thread.
 */
final class LoadStatistics {

  private static final long LONGEST_NANOS = 200_000_000_000_000L;

  /** CockroachDB's own words for why, as its "Transaction Retry Error Reference" has them. */
  private static final Pattern WORD =
      Pattern.compile(
          "RETRY_[A-Z_]+|ABORT_REASON_[A-Z_]+|WriteTooOld|ReadWithinUncertaintyInterval");

  private final long start = System.nanoTime();
  private final Instant startedAt = Instant.now();
  private final double shortestGap;
  private final AtomicLong lastCommit = new AtomicLong(start);
  private final Queue<double[]> gaps = new ConcurrentLinkedQueue<>();
  private final LongAdder committed = new LongAdder();
  private final Recorder recorder = new Recorder(LONGEST_NANOS, 3);
  private final Map<String, LongAdder> retries = new ConcurrentHashMap<>();
  private final Histogram allLatencies = new Histogram(LONGEST_NANOS, 3);
  private final Map<String, Long> allRetries = new TreeMap<>();
  private final List<Map<String, Object>> series = new ArrayList<>();
  private double rowAt;

  /** Begins now, for a load of this many transfers a second, or of the maximum if that is 0. */
  LoadStatistics(int rate) {
    shortestGap = rate == 0 ? 0.5 : Math.max(0.5, 5.0 / rate);
  }

  /** Counts a transfer that was due at this time of System.nanoTime and is committed now. */
  void committed(long due) {
    recorder.recordValue(endGap() - due);
    committed.increment();
  }

  /** Ends the time without a commit, which is a gap if it was long, and returns the time. */
  private long endGap() {
    long last;
    long now;
    do {
      last = lastCommit.get();
      // Read after the last commit's time: a thread that waits here cannot invent a gap.
      now = System.nanoTime();
    } while (!lastCommit.compareAndSet(last, now));
    if ((now - last) / 1e9 >= shortestGap) {
      gaps.add(new double[] {second(last), second(now)});
    }
    return now;
  }

  /** Counts a retry by its reason: CockroachDB's word for it, else the SQLSTATE. */
  void retried(BankSecure.Retry retry) {
    Matcher word = WORD.matcher(retry.reason());
    String state = retry.sqlState().replaceFirst("08...|^$", "connection lost");
    String reason =
        word.find() ? word.group() : state.replaceFirst("57P0.", "draining or starting");
    retries.computeIfAbsent(reason, any -> new LongAdder()).increment();
  }

  /** The transfers committed so far. */
  long committed() {
    return committed.sum();
  }

  /** The retries counted so far, without those of the row that is not complete. */
  long retries() {
    return allRetries.values().stream().mapToLong(each -> each).sum();
  }

  /** The seconds since it began. */
  double seconds() {
    return (System.nanoTime() - start) / 1e9;
  }

  /** Adds a row if it is time for one, and returns whether it was. */
  boolean tick() {
    double now = seconds();
    // The rows of a run of many hours become longer.
    boolean isRow = now - rowAt >= Math.max(1, now / 3_600);
    if (isRow) {
      addRow(now);
    }
    return isRow;
  }

  /** Ends the last gap and the last row. */
  void end() {
    addRow(second(endGap()));
  }

  /** When it began. */
  Instant startedAt() {
    return startedAt;
  }

  /** The times without a commit: from which second to which. */
  List<double[]> gaps() {
    return List.copyOf(gaps);
  }

  /** The second at which it ended. */
  double endedAtSecond() {
    return rounded(rowAt);
  }

  /** The second at which this time of System.nanoTime was, which may be before the first. */
  double second(long nanoTime) {
    return rounded((nanoTime - start) / 1e9);
  }

  private void addRow(double now) {
    Histogram latencies = recorder.getIntervalHistogram();
    allLatencies.add(latencies);
    Map<String, Long> reasons = new TreeMap<>();
    retries.forEach((reason, count) -> reasons.put(reason, count.sumThenReset()));
    reasons.values().removeIf(count -> count == 0);
    reasons.forEach((reason, count) -> allRetries.merge(reason, count, Long::sum));
    series.add(row(now, now - rowAt, latencies, reasons));
    rowAt = now;
  }

  /** The last row. */
  Map<String, Object> last() {
    return series.get(series.size() - 1);
  }

  /** All rows in one, with the rows themselves, the gaps and the curve of the percentiles. */
  Map<String, Object> whole() {
    Map<String, Object> whole = row(rowAt, rowAt, allLatencies, allRetries);
    whole.put("measuredFrom", startedAt.toString());
    whole.put("gaps", gaps());
    whole.put("percentiles", percentiles());
    whole.put("histogram", histogram());
    whole.put("series", series);
    return whole;
  }

  /** So many percent of the transfers took no longer than so many milliseconds. */
  private List<double[]> percentiles() {
    IntStream steps = IntStream.rangeClosed(0, 70);
    DoubleStream percents = steps.mapToDouble(step -> 100 - 100 * Math.pow(10, -step / 10.0));
    return DoubleStream.concat(percents, DoubleStream.of(100))
        .mapToObj(percent -> new double[] {percent, milliseconds(allLatencies, percent)})
        .toList();
  }

  /**
   * From so many milliseconds up to so many: how many transfers; ten steps for each power of 10.
   */
  private List<double[]> histogram() {
    Map<Integer, Long> counts = new TreeMap<>();
    for (HistogramIterationValue value : allLatencies.recordedValues()) {
      double milliseconds = value.getValueIteratedTo() / 1e6;
      counts.merge(
          (int) Math.floor(10 * Math.log10(milliseconds)),
          value.getCountAtValueIteratedTo(),
          Long::sum);
    }
    return counts.entrySet().stream()
        .map(
            step ->
                new double[] {
                  rounded(Math.pow(10, step.getKey() / 10.0)),
                  rounded(Math.pow(10, (step.getKey() + 1) / 10.0)),
                  step.getValue()
                })
        .toList();
  }

  private static Map<String, Object> row(
      double at, double seconds, Histogram latencies, Map<String, Long> reasons) {
    Map<String, Object> row = new LinkedHashMap<>();
    long count = latencies.getTotalCount();
    row.put("atSecond", rounded(at));
    row.put("seconds", rounded(seconds));
    row.put("transfersCommitted", count);
    row.put("transfersPerSecond", rounded(count / Math.max(seconds, 1e-9)));
    row.put("p50Milliseconds", count == 0 ? null : milliseconds(latencies, 50));
    row.put("p95Milliseconds", count == 0 ? null : milliseconds(latencies, 95));
    row.put("p99Milliseconds", count == 0 ? null : milliseconds(latencies, 99));
    row.put("p999Milliseconds", count == 0 ? null : milliseconds(latencies, 99.9));
    row.put("maximumMilliseconds", count == 0 ? null : milliseconds(latencies, 100));
    row.put("retries", reasons.values().stream().mapToLong(each -> each).sum());
    row.put("retriesByReason", reasons);
    return row;
  }

  private static Double milliseconds(Histogram latencies, double percent) {
    return rounded(latencies.getValueAtPercentile(percent) / 1e6);
  }

  /** A number with three places behind the point. */
  static double rounded(double number) {
    return Math.round(number * 1_000) / 1e3;
  }
}
