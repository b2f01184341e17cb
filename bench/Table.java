import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A table as Markdown that can be read as it is, too; all columns but the first are numbers. */
final class Table {

  static final String NOTHING = "–";

  private final String title;
  private final List<List<String>> rows = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  Table(String title, String... heads) {
    this.title = title;
    rows.add(List.of(heads));
  }

  /** Adds a row; cells it lacks are empty. */
  void row(String... cells) {
    List<String> row = new ArrayList<>(List.of(cells));
    row.addAll(Collections.nCopies(rows.get(0).size() - cells.length, NOTHING));
    rows.add(row);
  }

  /** Adds a line below the table. */
  void note(String line) {
    notes.add(line);
  }

  @Override
  public String toString() {
    int[] widths =
        IntStream.range(0, rows.get(0).size())
            .map(i -> rows.stream().mapToInt(row -> row.get(i).length()).max().orElseThrow())
            .toArray();
    List<String> lines = new ArrayList<>();
    rows.forEach(row -> lines.add(line(row, widths)));
    lines.add(
        1,
        IntStream.range(0, widths.length)
            .mapToObj(i -> "-".repeat(widths[i] + 1) + (i == 0 ? "-" : ":"))
            .collect(Collectors.joining("|", "|", "|")));
    String below = notes.stream().map(note -> "\n- " + note).collect(Collectors.joining());
    return "### "
        + title
        + "\n\n"
        + String.join("\n", lines)
        + "\n"
        + below
        + (below.isEmpty() ? "" : "\n");
  }

  private static String line(List<String> row, int[] widths) {
    return IntStream.range(0, widths.length)
        .mapToObj(i -> ("%" + (i == 0 ? "-" : "") + widths[i] + "s").formatted(row.get(i)))
        .collect(Collectors.joining(" | ", "| ", " |"));
  }
}
