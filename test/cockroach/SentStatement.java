import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.SqlLogger;
import org.jdbi.v3.core.statement.StatementContext;

/**
 * A statement as the driver sent it: its text, with $1 and so on, and the values for them with
 * their types, such as {@code ('5'::int8)}.
 */
record SentStatement(String text, List<String> values) {

  /** Does the work and returns what it sent, in order. */
  static List<SentStatement> by(Handle handle, Consumer<Handle> work) {
    List<SentStatement> sent = new ArrayList<>();
    SqlLogger recorder =
        new SqlLogger() {
          @Override
          public void logBeforeExecution(StatementContext context) {
            sent.add(of(context.getParsedSql().getSql(), context.getStatement().toString()));
          }
        };
    handle.setSqlLogger(recorder);
    work.accept(handle);
    handle.setSqlLogger(SqlLogger.NOP_SQL_LOGGER);
    return sent;
  }

  /** Pairs the text with question marks with the driver's own, where values stand for them. */
  private static SentStatement of(String marked, String filled) {
    String[] parts = marked.split("\\?", -1);
    Matcher values =
        Pattern.compile(
                Stream.of(parts).map(Pattern::quote).collect(Collectors.joining("(.+?)")),
                Pattern.DOTALL)
            .matcher(filled);
    if (!values.matches()) {
      throw new IllegalStateException(filled + "\nis not like\n" + marked);
    }
    MatchResult found = values.toMatchResult();
    String text =
        IntStream.range(0, parts.length)
            .mapToObj(i -> i == 0 ? parts[0] : "$" + i + parts[i])
            .collect(Collectors.joining());
    return new SentStatement(
        text, IntStream.rangeClosed(1, found.groupCount()).mapToObj(found::group).toList());
  }

  /**
   * Prepares the statement and executes it so many times in this {@code plan_cache_mode}, or in the
   * server's own if it is empty, and returns the output of each EXPLAIN ANALYZE. The connection
   * must have {@code preferQueryMode=simple}.
   */
  List<String> plans(Handle handle, String planCacheMode, int times) {
    List<String> types = values.stream().map(SentStatement::type).toList();
    String parameters = values.isEmpty() ? "" : "(" + String.join(", ", types) + ")";
    String arguments = values.isEmpty() ? "" : "(" + String.join(", ", values) + ")";
    try (Statement statement = handle.getConnection().createStatement()) {
      if (!planCacheMode.isEmpty()) {
        statement.execute("SET plan_cache_mode = " + planCacheMode);
      }
      statement.execute("PREPARE sent " + parameters + " AS " + text);
      List<String> plans = new ArrayList<>();
      for (int i = 0; i < times; i++) {
        plans.add(lines(statement.executeQuery("EXPLAIN ANALYZE EXECUTE sent" + arguments)));
      }
      statement.execute("DEALLOCATE sent");
      return plans;
    } catch (SQLException e) {
      throw new IllegalStateException(this + ": " + e.getMessage(), e);
    }
  }

  /** The driver tells the type of all but arrays, and those here are of whole numbers. */
  private static String type(String value) {
    return value.contains("::") ? value.replaceAll(".*::|\\)$", "") : "INT8[]";
  }

  private static String lines(ResultSet rows) throws SQLException {
    StringBuilder lines = new StringBuilder();
    while (rows.next()) {
      lines.append(rows.getString(1)).append('\n');
    }
    return lines.toString();
  }
}
