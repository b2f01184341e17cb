import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Every table's columns and rows, to see that a run has changed nothing. */
final class DatabaseContents {

  private DatabaseContents() {}

  static Map<String, List<String>> of(Bank bank) {
    String names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    String columns =
        "SELECT column_name || ' ' || data_type FROM information_schema.columns"
            + " WHERE table_schema = 'public' AND table_name = '%s' ORDER BY 1";
    Map<String, List<String>> contents = new TreeMap<>();
    for (String table : strings(bank, names)) {
      List<String> content = new ArrayList<>(strings(bank, columns.formatted(table)));
      content.addAll(strings(bank, "SELECT CAST(t AS TEXT) FROM " + table + " t ORDER BY 1"));
      contents.put(table, content);
    }
    return contents;
  }

  private static List<String> strings(Bank bank, String query) {
    return bank.ask(root -> root.createQuery(query).mapTo(String.class).list());
  }
}
