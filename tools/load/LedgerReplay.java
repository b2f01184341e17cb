//SOURCES ../../BankSecure.java
//SOURCES AccountBalances.java
//SOURCES TransferJournal.java

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import org.jdbi.v3.core.Handle;

/**
 * Compares the balances with the ledger: each account must hold what it held at the start, and what
 * the ledger has moved since. All of it is streamed, and only the balances at the start are kept.
 */
final class LedgerReplay {

  /** The maximum of accounts that are kept and compared, those with the lowest IDs. */
  static final int MAXIMUM_ACCOUNTS = 10_000_000;

  private static final int FETCH_SIZE = 10_000;

  /** A comparison: its first fault, or an empty text, and what others did since the start. */
  record Comparison(
      String fault,
      long ownTransfers,
      long transfersOfOthers,
      long accountsOfOthers,
      BigDecimal moneyOfOthers) {}

  /** A row of the ledger. */
  private record Row(UUID id, long source, long target, long amount) {}

  /** The rows that were there before the start. */
  private record OldRows(long count, BigDecimal amount) {}

  private final AccountBalances accounts = new AccountBalances();
  private final OffsetDateTime newSince;
  private final OldRows oldRows;
  private long newRowsAtStart;
  private boolean isPartial;

  /** Reads the balances at the start, in the transaction of this Handle. */
  LedgerReplay(Handle snapshot) {
    // What others began before the start and commit after it is new. So new is what is not old.
    String since = "SELECT CAST(now() - INTERVAL '2 minutes' AS TIMESTAMPTZ)";
    newSince = snapshot.select(since).mapTo(OffsetDateTime.class).one();
    oldRows = oldRows(snapshot);
    snapshot
        .createQuery("SELECT id, balance FROM accounts ORDER BY id LIMIT " + (MAXIMUM_ACCOUNTS + 1))
        .setFetchSize(FETCH_SIZE)
        .map((row, context) -> new long[] {row.getLong(1), row.getLong(2)})
        .forEach(account -> keep(account[0], account[1]));
    // Each comparison replays all new rows, also those that are in these balances already.
    forEachNewRow(snapshot, this::takeBack);
  }

  /** The accounts at the start, from which the load chooses. */
  AccountBalances accounts() {
    return accounts;
  }

  /** Whether there are more accounts than are kept. */
  boolean isPartial() {
    return isPartial;
  }

  private void keep(long id, long balance) {
    isPartial = accounts.size() == MAXIMUM_ACCOUNTS;
    if (!isPartial) {
      accounts.append(id, balance);
    }
  }

  private void takeBack(Row row) {
    newRowsAtStart++;
    int source = accounts.indexOf(row.source);
    int target = accounts.indexOf(row.target);
    if (source >= 0) {
      accounts.correct(source, row.amount);
    }
    if (target >= 0) {
      accounts.correct(target, -row.amount);
    }
  }

  private OldRows oldRows(Handle snapshot) {
    String old = "SELECT count(*), coalesce(sum(amount), 0) FROM transfers WHERE created_at < ?";
    return snapshot
        .select(old, newSince)
        .map((row, context) -> new OldRows(row.getLong(1), row.getBigDecimal(2)))
        .one();
  }

  private void forEachNewRow(Handle snapshot, Consumer<Row> action) {
    snapshot
        .createQuery("SELECT id, source, target, amount FROM transfers WHERE created_at >= ?")
        .bind(0, newSince)
        .setFetchSize(FETCH_SIZE)
        .map(
            (row, context) ->
                new Row(
                    row.getObject(1, UUID.class), row.getLong(2), row.getLong(3), row.getLong(4)))
        .forEach(action);
  }

  /**
   * Compares in the transaction of this Handle.
   *
   * @param known how many transfers of this run must be in the ledger
   * @param fingerprint that of these transfers, or null if not all of their amounts are known
   */
  Comparison compare(Handle snapshot, TransferJournal journal, long known, Long fingerprint) {
    return new Run(journal).compare(snapshot, known, fingerprint);
  }

  /** One comparison. */
  private final class Run {
    private final TransferJournal journal;
    private final Map<Long, Long> changesOfNewAccounts = new HashMap<>();
    private final BitSet found = new BitSet();
    private String fault = "";
    private long ownTransfers;
    private long ownFingerprint;
    private long newRows;
    private long wrongAccounts;
    private long accountsOfOthers;
    private BigDecimal moneyOfOthers = BigDecimal.ZERO;

    private Run(TransferJournal journal) {
      this.journal = journal;
    }

    private Comparison compare(Handle snapshot, long known, Long fingerprint) {
      accounts.forgetChanges();
      forEachNewRow(snapshot, this::replay);
      long last = isPartial ? accounts.id(accounts.size() - 1) : Long.MAX_VALUE;
      snapshot
          .createQuery("SELECT id, balance FROM accounts WHERE id <= ?")
          .bind(0, last)
          .setFetchSize(FETCH_SIZE)
          .map((row, context) -> new long[] {row.getLong(1), row.getLong(2)})
          .forEach(account -> compare(account[0], account[1]));
      accounts.forgetChanges();
      if (found.cardinality() < accounts.size()) {
        report("account %d is gone".formatted(accounts.id(found.nextClearBit(0))));
      }
      if (ownTransfers != known) {
        String message = "the ledger must have %,d transfers of this run and has %,d";
        report(message.formatted(known, ownTransfers));
      }
      changesOfNewAccounts.keySet().stream()
          .filter(id -> id <= last)
          .findFirst()
          .ifPresent(id -> report("the ledger has a transfer of account " + id + ", not there"));
      OldRows nowOld = oldRows(snapshot);
      if (nowOld.count != oldRows.count || nowOld.amount.compareTo(oldRows.amount) != 0) {
        String message =
            "of transfers before this run the ledger had %,d of %,.0f, and has %,d of %,.0f";
        report(message.formatted(oldRows.count, oldRows.amount, nowOld.count, nowOld.amount));
      }
      if (fingerprint != null && fingerprint != ownFingerprint) {
        report("a transfer of this run is in the ledger otherwise than it was confirmed");
      }
      return new Comparison(
          fault(),
          ownTransfers,
          newRows - newRowsAtStart - ownTransfers,
          accountsOfOthers,
          moneyOfOthers);
    }

    private void replay(Row row) {
      newRows++;
      if (journal.isOwn(row.id)) {
        ownTransfers++;
        ownFingerprint += TransferJournal.fingerprint(row.id, row.source, row.target, row.amount);
      }
      if (row.amount < 0 || row.source == row.target) {
        report(
            "no transfer can be of %,d from %d to %d"
                .formatted(row.amount, row.source, row.target));
      }
      change(row.source, -row.amount);
      change(row.target, row.amount);
    }

    private void change(long id, long amount) {
      int index = accounts.indexOf(id);
      if (index >= 0) {
        accounts.change(index, amount);
      } else {
        changesOfNewAccounts.merge(id, amount, Long::sum);
      }
    }

    private void compare(long id, long balance) {
      int index = accounts.indexOf(id);
      if (index < 0) {
        Long change = changesOfNewAccounts.remove(id);
        compareNew(id, balance - (change == null ? 0 : change));
        return;
      }
      found.set(index);
      if (accounts.balance(index) != balance) {
        wrongAccounts++;
        String message = "account %d must hold %,d by the ledger and holds %,d";
        report(message.formatted(id, accounts.balance(index), balance));
      }
    }

    /** What an account of others held at first is not known, but is no less than nothing. */
    private void compareNew(long id, long atFirst) {
      accountsOfOthers++;
      moneyOfOthers = moneyOfOthers.add(BigDecimal.valueOf(atFirst));
      if (atFirst < 0) {
        report("account %d must have held %,d at first by the ledger".formatted(id, atFirst));
      }
    }

    private void report(String message) {
      fault = fault.isEmpty() ? message : fault;
    }

    private String fault() {
      boolean more = wrongAccounts > 1 && fault.startsWith("account");
      return more ? "%s; %,d accounts are wrong".formatted(fault, wrongAccounts) : fault;
    }
  }
}
