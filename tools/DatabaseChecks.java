import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jdbi.v3.core.Handle;

/** BankDoctor's look at the database, its clock, the user's rights, the tables. It only reads. */
final class DatabaseChecks {

  /** The columns that the statements of BankSecure need. */
  private static final Map<String, List<String>> COLUMNS =
      Map.of(
          "accounts", List.of("id bigint unique", "balance bigint"),
          "transfers",
              List.of(
                  "id uuid unique",
                  "source bigint",
                  "target bigint",
                  "amount bigint",
                  "created_at timestamp with time zone"));

  private final Examination examination;
  private final Mends mends;
  private final Handle handle;
  private final String database;

  DatabaseChecks(Examination examination, Mends mends, Handle handle, String database) {
    this.examination = examination;
    this.mends = mends;
    this.handle = handle;
    this.database = database;
  }

  /** Checks all; throws Broken where a link is broken, and what JDBI throws. */
  void check() throws SQLException {
    String there = "SELECT count(*) FROM pg_database WHERE datname = ?";
    if (ask(there, database).equals("0")) {
      throw new SQLException("there is no database " + database, "3D000");
    }
    String version = BankSecure.version(handle);
    String clock = clock();
    String isolation = ask("SHOW transaction_isolation");
    examination.holds("database", "%s, database %s, %s", version, database, isolation);
    examination.holds("clock", "%s", clock);
    String create = "SELECT has_schema_privilege(current_schema(), 'CREATE')";
    requireRight(create, "CREATE", "SCHEMA public");
    List<String> seen = new ArrayList<>();
    for (String table : List.of("accounts", "transfers")) {
      seen.add(table + (isThere(table) ? " is there" : " will be made"));
    }
    examination.holds("rights", "all that are needed");
    examination.holds("tables", "%s", String.join(", ", seen));
    if (ask("SHOW transaction_read_only").equals("on")) {
      String alter = "ALTER DATABASE {database} SET default_transaction_read_only = off";
      String advice = "Use a node that takes writes, or have root do:";
      String standby = database + " takes no writes: it is set to read only, or a standby";
      throw new Examination.Broken("writes", standby, advice, mends.sql("", alter));
    }
    examination.holds("writes", "taken");
  }

  private String ask(String sql, Object... values) {
    return handle.select(sql, values).mapTo(String.class).findOne().orElse("");
  }

  private String clock() {
    Instant before = Instant.now();
    Instant there = handle.select("SELECT clock_timestamp()").mapTo(Instant.class).one();
    Instant after = Instant.now();
    long ahead =
        Duration.between(before, there).plus(Duration.between(after, there)).toMillis() / 2;
    String seen = "the server's is %,d ms ahead of this machine's".formatted(ahead);
    if (Math.abs(ahead) > 60_000) {
      String advice = "Set the one that is wrong, this one by:";
      throw new Examination.Broken("clock", seen, advice, "sudo timedatectl set-ntp true");
    }
    return seen;
  }

  private void requireRight(String question, String right, String object) {
    if (!ask(question).equals("t")) {
      String command = mends.sql(database, "GRANT ALL ON " + object + " TO {user}");
      String seen = "no right to " + right + " on " + object;
      throw new Examination.Broken("rights", seen, "Have root do:", command);
    }
  }

  private boolean isThere(String table) {
    String kind =
        "SELECT relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            + " WHERE nspname = current_schema() AND relname = ?";
    String found = ask(kind, table);
    if (found.isEmpty()) {
      return false;
    }
    if (!found.matches("[rp]")) {
      throw otherShape(table + " is no table");
    }
    String rights = table.equals("accounts") ? "SELECT INSERT UPDATE" : "SELECT INSERT";
    for (String right : rights.split(" ")) {
      String question = "SELECT has_table_privilege('" + table + "', '" + right + "')";
      requireRight(question, right, "TABLE " + table);
    }
    requireShape(table);
    return true;
  }

  private void requireShape(String table) {
    String columns =
        """
        SELECT attname || ' ' || format_type(atttypid, -1) AS column, EXISTS (
            SELECT 1 FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('p', 'u')
            AND array_length(conkey, 1) = 1 AND conkey[1] = attnum) AS single,
          attnotnull AND NOT atthasdef AS needed
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = current_schema() AND relname = ? AND attnum > 0 AND NOT attisdropped
        """;
    Map<String, Boolean> found = new LinkedHashMap<>();
    handle
        .select(columns, table)
        .map(
            (row, context) ->
                found.put(
                    row.getString(1) + (row.getBoolean(2) ? " unique" : ""), row.getBoolean(3)))
        .list();
    for (String column : COLUMNS.get(table)) {
      if (found.remove(column) == null && found.remove(column + " unique") == null) {
        throw otherShape(table + " has no column " + column);
      }
    }
    found.forEach(
        (column, needed) -> {
          if (needed) {
            throw otherShape(table + " has a column " + column + ", which must be given");
          }
        });
  }

  private Examination.Broken otherShape(String seen) {
    String advice = "Leave it as it is, and use another database:";
    return new Examination.Broken("tables", seen, advice, mends.otherDatabase());
  }
}
