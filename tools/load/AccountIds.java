import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.stream.LongStream;
import org.jdbi.v3.core.Handle;

/** The accounts that a load chooses from, which need not be all of a large table. */
final class AccountIds {

  private AccountIds() {}

  /**
   * The IDs of all accounts or, of many more, of about a million from all over the key space: reads
   * the first thousand of a range, and cuts what is left of it into two ranges.
   */
  static long[] read(Handle handle) {
    String page = "SELECT id FROM accounts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1000";
    LongStream.Builder all = LongStream.builder();
    Queue<long[]> ranges = new ArrayDeque<>();
    ranges.add(new long[] {Long.MIN_VALUE, Long.MAX_VALUE});
    for (int read = 0; read < 1_000_000 && !ranges.isEmpty(); ) {
      long[] range = ranges.remove();
      List<Long> ids =
          handle.select(page, range[0], range[1]).map((row, context) -> row.getLong(1)).list();
      ids.forEach(all::add);
      read += ids.size();
      if (ids.size() == 1_000 && ids.get(999) < range[1]) {
        long low = ids.get(999) + 1;
        long middle = (low >> 1) + (range[1] >> 1);
        ranges.add(new long[] {low, middle});
        ranges.add(new long[] {middle + 1, range[1]});
      }
    }
    return all.build().toArray();
  }
}
