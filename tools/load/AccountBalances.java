import java.util.ArrayList;
import java.util.List;

/**
 * Accounts and their balances, in the order of their IDs. An account takes twelve bytes, and a
 * change of its balance four, as long as the amounts are below two billion.
 */
final class AccountBalances {

  private static final int CHUNK = 1 << 16;

  private final List<long[]> ids = new ArrayList<>();
  private final Column balances = new Column();
  private Column changes = new Column();
  private int size;

  /** Appends an account, whose ID is greater than those before. */
  void append(long id, long balance) {
    if (size % CHUNK == 0) {
      ids.add(new long[CHUNK]);
    }
    ids.get(size / CHUNK)[size % CHUNK] = id;
    balances.add(size++, balance);
  }

  /** How many accounts there are. */
  int size() {
    return size;
  }

  /** The ID of the account at this place in the order. */
  long id(int index) {
    return ids.get(index / CHUNK)[index % CHUNK];
  }

  /** The place of the account with this ID, or -1 if there is none. */
  int indexOf(long id) {
    int low = 0;
    int high = size - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      long found = id(middle);
      if (found == id) {
        return middle;
      } else if (found < id) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return -1;
  }

  /** Corrects the balance at the start by this amount. */
  void correct(int index, long amount) {
    balances.add(index, amount);
  }

  /** Forgets all changes. */
  void forgetChanges() {
    changes = new Column();
  }

  /** Changes the balance by this amount. */
  void change(int index, long amount) {
    changes.add(index, amount);
  }

  /** The balance at the start and all changes since. */
  long balance(int index) {
    return balances.get(index) + changes.get(index);
  }

  /** Numbers that are 0 at first; those of a chunk are ints until one of them does not fit. */
  private static final class Column {
    private final List<int[]> small = new ArrayList<>();
    private final List<long[]> large = new ArrayList<>();

    long get(int index) {
      int chunk = index / CHUNK;
      if (chunk >= small.size()) {
        return 0;
      }
      int[] ints = small.get(chunk);
      long[] longs = large.get(chunk);
      return longs != null ? longs[index % CHUNK] : ints != null ? ints[index % CHUNK] : 0;
    }

    void add(int index, long amount) {
      int chunk = index / CHUNK;
      while (chunk >= small.size()) {
        small.add(null);
        large.add(null);
      }
      long sum = get(index) + amount;
      if (large.get(chunk) == null && sum != (int) sum) {
        large.set(chunk, longs(small.get(chunk)));
        small.set(chunk, null);
      }
      if (large.get(chunk) != null) {
        large.get(chunk)[index % CHUNK] = sum;
      } else {
        if (small.get(chunk) == null) {
          small.set(chunk, new int[CHUNK]);
        }
        small.get(chunk)[index % CHUNK] = (int) sum;
      }
    }

    private static long[] longs(int[] ints) {
      long[] longs = new long[CHUNK];
      for (int i = 0; ints != null && i < CHUNK; i++) {
        longs[i] = ints[i];
      }
      return longs;
    }
  }
}
