import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/**
 * The transfers of this run as its workers know them: which are under way, and which are known to
 * be committed. Workers write on any thread; one thread, the audit's, reads.
 */
final class TransferJournal {

  /** A transfer; its times are those of System.nanoTime, and without an amount it is under way. */
  record Transfer(UUID id, long source, long target, long beganAt, Long amount, long committedAt) {}

  private final boolean isAudited;
  private final long key = new SecureRandom().nextLong();
  private final AtomicLong begun = new AtomicLong();
  private final LongAdder committed = new LongAdder();
  private final LongAdder fingerprint = new LongAdder();
  private final Map<UUID, Transfer> underWay = new ConcurrentHashMap<>();
  private final Queue<Transfer> unread = new ConcurrentLinkedQueue<>();
  private final List<Transfer> read = new ArrayList<>();

  /** A journal whose single transfers are kept for an audit, or only counted. */
  TransferJournal(boolean isAudited) {
    this.isAudited = isAudited;
  }

  /** Begins a transfer, with an ID that no other transfer has, in this run or another. */
  Transfer begin(long source, long target) {
    long high = mixed(key + begun.getAndIncrement());
    UUID id = new UUID(high, mixed(high ^ key));
    Transfer transfer = new Transfer(id, source, target, System.nanoTime(), null, 0);
    underWay.put(id, transfer);
    return transfer;
  }

  /** Ends a transfer that moved this amount. One that has failed or is unknown never ends. */
  void commit(Transfer transfer, long amount) {
    committed.increment();
    fingerprint.add(fingerprint(transfer.id, transfer.source, transfer.target, amount));
    if (isAudited) {
      unread.add(
          new Transfer(
              transfer.id,
              transfer.source,
              transfer.target,
              transfer.beganAt,
              amount,
              System.nanoTime()));
    }
    // After it is in the queue, so that the audit finds it here or there.
    underWay.remove(transfer.id);
  }

  /** Whether this run has made this ID. */
  boolean isOwn(UUID id) {
    return id.getLeastSignificantBits() == mixed(id.getMostSignificantBits() ^ key);
  }

  /** How many are known to be committed. */
  long committed() {
    return committed.sum();
  }

  /** A sum over all that are known to be committed, in which each of their columns counts. */
  long fingerprint() {
    return fingerprint.sum();
  }

  /** What a row of the ledger adds to the fingerprint. */
  static long fingerprint(UUID id, long source, long target, long amount) {
    long columns = mixed(mixed(mixed(source) + target) + amount);
    return mixed(columns ^ id.getMostSignificantBits());
  }

  /** Removes and returns those that were committed before this time. */
  List<Transfer> settle(long time) {
    readUnread();
    List<Transfer> settled = read.stream().filter(each -> each.committedAt - time < 0).toList();
    read.removeIf(each -> each.committedAt - time < 0);
    return settled;
  }

  /** Those neither settled nor begun after this time: the ledger alone knows of them. */
  List<UUID> unsettled(long time) {
    // First those under way: one that ends meanwhile is found in the queue.
    List<Transfer> all = new ArrayList<>(underWay.values());
    readUnread();
    all.addAll(read);
    return all.stream()
        .filter(each -> each.beganAt - time <= 0)
        .map(Transfer::id)
        .distinct()
        .toList();
  }

  private void readUnread() {
    for (Transfer next = unread.poll(); next != null; next = unread.poll()) {
      read.add(next);
    }
  }

  /** A bijection that looks random: the finalizer of MurmurHash3. */
  private static long mixed(long number) {
    long mixed = (number ^ (number >>> 33)) * 0xff51afd7ed558ccdL;
    mixed = (mixed ^ (mixed >>> 33)) * 0xc4ceb9fe1a85ec53L;
    return mixed ^ (mixed >>> 33);
  }
}
