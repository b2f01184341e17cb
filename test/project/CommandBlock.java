import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A block of commands, the page and the section that it is in, and the outputs that pages show of
 * it: of the block that directly follows.
 */
record CommandBlock(String section, String script, List<String> outputs) {

  /** A heading, or a block of commands and its output. */
  private static final Pattern PARTS =
      Pattern.compile("(?ms)^##? ([^\n]*)$|^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?");

  /** The blocks of a page, in its order. */
  static List<CommandBlock> read(String name, String page) {
    List<CommandBlock> blocks = new ArrayList<>();
    String section = name;
    for (MatchResult part : PARTS.matcher(page).results().toList()) {
      if (part.group(1) != null) {
        section = name + ", " + part.group(1);
      } else {
        List<String> output = Stream.ofNullable(part.group(3)).toList();
        blocks.add(new CommandBlock(section, part.group(2), output));
      }
    }
    return blocks;
  }

  /** This block, which is also to print what another page shows of it. */
  CommandBlock and(CommandBlock same) {
    List<String> all = Stream.of(outputs, same.outputs).flatMap(List::stream).distinct().toList();
    return new CommandBlock(section, script, all);
  }

  /** Its commands, each on one line. */
  List<String> commands() {
    return script.replaceAll(" *\\\\\n *", " ").lines().toList();
  }
}
