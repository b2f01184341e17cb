import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.jdbi.v3.core.Handle;

/**
 * Checks the database, its isolation and clock, the user's rights, and the tables. It only reads.
 */
final class DatabaseChecks {

  /** The columns that the samples need. */
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

  private static final long CLOCK_MILLIS = 60_000;

  private final Examination examination;
  private final Fixes fixes;
  private final Handle handle;
  private final String database;
  private final String user;
  private String schema = "";

  DatabaseChecks(Examination examination, Fixes fixes, Handle handle, Properties settings) {
    this.examination = examination;
    this.fixes = fixes;
    this.handle = handle;
    this.database = settings.getProperty("PGDBNAME");
    this.user = settings.getProperty("user");
  }

  /** Runs all checks; throws the first finding, and what JDBI throws. */
  void check() throws SQLException {
    String count = "SELECT count(*) FROM pg_database WHERE datname = ?";
    if (ask(count, database).equals("0")) {
      throw new SQLException("database " + database + " does not exist", "3D000");
    }
    examination.pass("database", "%s, database %s", BankSecure.version(handle), database);
    checkIsolation();
    checkClock();
    checkSchema();
    List<String> seen = new ArrayList<>();
    for (String table : List.of("accounts", "transfers")) {
      seen.add(table + (checkTable(table) ? " exists" : " will be created"));
    }
    examination.pass("rights", "all that are needed, in schema %s", schema);
    examination.pass("tables", "%s", String.join(", ", seen));
    checkWrites();
  }

  private String ask(String sql, Object... values) {
    return handle.select(sql, values).mapTo(String.class).findOne().orElse("");
  }

  private void checkIsolation() {
    String isolation = ask("SHOW transaction_isolation");
    if (!isolation.equalsIgnoreCase("serializable")) {
      String seen = isolation + ", although the URL's options ask for serializable";
      String advice = "A pooler drops the options. Run as root, then reconnect the pooler:";
      String alter = "ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'";
      throw new Examination.Finding("isolation", seen, advice, fixes.sql("", alter));
    }
    examination.pass("isolation", "%s", isolation);
  }

  private void checkClock() {
    Instant before = Instant.now();
    Instant there = handle.select("SELECT clock_timestamp()").mapTo(Instant.class).one();
    Instant after = Instant.now();
    long ahead =
        Duration.between(before, there).plus(Duration.between(after, there)).toMillis() / 2;
    String seen =
        String.format(Locale.ROOT, "the server's is %,d ms ahead of this machine's", ahead);
    if (Math.abs(ahead) > CLOCK_MILLIS) {
      String advice = "Correct the clock that is wrong, this machine's with:";
      String command = "sudo timedatectl set-ntp true";
      throw new Examination.Finding("clock", seen, advice, command);
    }
    examination.pass("clock", "%s", seen);
  }

  // ---- Rights ----

  /** Finds the schema in which CREATE TABLE creates, and asks for the right to do so. */
  private void checkSchema() {
    schema = ask("SELECT current_schema()");
    if (schema.isEmpty()) {
      throw noSchema();
    }
    requireRight("SELECT has_schema_privilege(current_schema(), 'CREATE')", "CREATE", schemaName());
  }

  private String schemaName() {
    return "SCHEMA " + Fixes.identifier(schema);
  }

  /** The search path names no schema that this user can see: grant it, or create it. */
  private Examination.Finding noSchema() {
    String path = ask("SHOW search_path");
    List<String> named = new ArrayList<>();
    for (String each : path.split(",")) {
      String name = each.strip().replaceFirst("^\"(.*)\"$", "$1");
      named.add(name.equals("$user") ? user : name);
    }
    named.removeIf(String::isEmpty);
    for (String name : named) {
      if (!ask("SELECT nspname FROM pg_namespace WHERE nspname = ?", name).isEmpty()) {
        schema = name;
        return noRight("USAGE", schemaName());
      }
    }
    named.remove(user);
    String seen = "no schema of the search_path exists: " + path;
    String name = Fixes.identifier(named.isEmpty() ? "public" : named.get(0));
    String create = "CREATE SCHEMA IF NOT EXISTS " + name + " AUTHORIZATION {user}";
    String set = "ALTER ROLE {user} IN DATABASE {database} SET search_path = " + name;
    return new Examination.Finding(
        "rights",
        seen,
        "Correct the search_path, or run as root:",
        fixes.sql(database, named.isEmpty() ? set : create));
  }

  private void requireRight(String question, String right, String object) {
    if (!List.of("t", "true").contains(ask(question))) {
      throw noRight(right, object);
    }
  }

  private Examination.Finding noRight(String right, String object) {
    String command = fixes.sql(database, "GRANT ALL ON " + object + " TO {user}");
    String seen = "no right to " + right + " on " + object;
    return new Examination.Finding("rights", seen, "Run as root:", command);
  }

  // ---- Tables ----

  private boolean checkTable(String table) {
    String kind =
        "SELECT relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            + " WHERE nspname = current_schema() AND relname = ?";
    String found = ask(kind, table);
    if (found.isEmpty()) {
      return false;
    }
    if (!found.matches("[rp]")) {
      throw otherTable(table + " is no table");
    }
    String qualified = Fixes.identifier(schema) + "." + table;
    String rights = table.equals("accounts") ? "SELECT INSERT UPDATE" : "SELECT INSERT";
    for (String right : rights.split(" ")) {
      String literal = "'" + qualified.replace("'", "''") + "'";
      String question = "SELECT has_table_privilege(" + literal + ", '" + right + "')";
      requireRight(question, right, "TABLE " + qualified);
    }
    checkColumns(table);
    return true;
  }

  private void checkColumns(String table) {
    String columns =
        """
        SELECT attname || ' ' || format_type(atttypid, -1) AS column, EXISTS (
            SELECT 1 FROM pg_index WHERE indrelid = c.oid AND indisunique AND indimmediate
            AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = attnum) AS single,
          attnotnull AND NOT atthasdef AND attidentity = '' AS needed
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
        throw missing(table, column, found);
      }
    }
    found.forEach(
        (column, needed) -> {
          if (needed) {
            String seen = table + " has a column " + column + ", which must have a value";
            throw otherTable(seen);
          }
        });
  }

  private Examination.Finding missing(String table, String column, Map<String, Boolean> found) {
    String type = column.replaceFirst(" unique$", "");
    return otherTable(
        found.containsKey(type)
            ? table + " has no primary key or unique index on id alone"
            : table + " has no column " + type);
  }

  private Examination.Finding otherTable(String seen) {
    String advice = "Leave it as it is, and use another database:";
    return new Examination.Finding("tables", seen, advice, fixes.otherDatabase());
  }

  private void checkWrites() {
    if (ask("SHOW transaction_read_only").equals("on")) {
      String seen = database + " takes no writes: it is read-only, or the server is a standby";
      String advice = "Use a node that takes writes, or run as root:";
      String alter = "ALTER DATABASE {database} SET default_transaction_read_only = off";
      throw new Examination.Finding("writes", seen, advice, fixes.sql("", alter));
    }
    examination.pass("writes", "the database takes them");
  }
}
