import java.util.Locale;

/** A way to make transfers that takes part in the benchmark. */
enum Contender {
  SAMPLES(
      "BankInsecure",
      true,
      "the samples' transfer: one statement that locks both accounts, writes the ledger and"
          + " updates both balances, in the samples' retry loop. The code is BankInsecure.java's."),
  CLASSIC(
      "classic transaction",
      true,
      "plain pgjdbc: `SELECT … FOR UPDATE` of both accounts, `INSERT` into the ledger, two"
          + " `UPDATE`s, `COMMIT`; the samples' pause before a retry."),
  BANK_BASIC(
      "BankBasic",
      false,
      "the code of BankBasic.java on a connection that is kept: set the isolation level,"
          + " `SELECT … FOR UPDATE` of the source, one `UPDATE` of both accounts, `COMMIT`."),
  JDBI_RUNNER(
      "JDBI's runner",
      true,
      "the classic transaction in JDBI's `SerializableTransactionRunner` and with the"
          + " isolation level as an argument, as JDBI documents it."),
  SQLALCHEMY(
      "SQLAlchemy",
      false,
      "the Python tutorial's transfer: the ORM on psycopg2, two `SELECT`s and two `UPDATE`s inside"
          + " `SAVEPOINT cockroach_restart`, retried as `run_transaction` does it, with"
          + " SQLAlchemy's dialect for PostgreSQL. Threads, as in most Python programs. CockroachDB"
          + " only."),
  ONE_UPDATE(
      "one UPDATE",
      false,
      "the floor: pgjdbc, one `UPDATE` that moves 1 from an account to another. No check of"
          + " funds."),
  PGBENCH(
      "pgbench",
      true,
      "PostgreSQL's own load generator, in C, with the samples' statement; PostgreSQL only.");

  private final String name;
  private final boolean writesLedger;
  final String definition;

  Contender(String name, boolean writesLedger, String definition) {
    this.name = name;
    this.writesLedger = writesLedger;
    this.definition = definition;
  }

  /** What tables and the chart call it; a star marks those without a ledger. */
  String title() {
    return writesLedger ? name : name + " *";
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
