//DEPS org.commonmark:commonmark:0.32.0

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Code;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.Heading;
import org.commonmark.node.IndentedCodeBlock;
import org.commonmark.node.Node;
import org.commonmark.node.Text;
import org.commonmark.parser.Parser;

/**
 * A command of a Markdown page, the section that it is in, and the output that the page shows,
 * which is the block that directly follows. The script is the command as the page has it, which may
 * have several lines.
 */
record CommandBlock(String section, String script, List<String> output) {

  private static final Set<String> OUTPUT = Set.of("text", "json");

  /** Blocks that no shell runs: code, and the commands for Windows. */
  private static final Set<String> OTHER = Set.of("java", "powershell", "sql");

  /** A line ends with a backslash, or within quotes. */
  private static final Pattern CONTINUES =
      Pattern.compile("(?s)(?:[^'\\\\]|\\\\.|'[^']*')*(?:\\\\|'[^']*)");

  /** The command on one line. */
  String command() {
    return script.replaceAll(" ?\\\\?\n *", " ");
  }

  /** The page's commands, in its order. Throws if a block is neither commands nor output. */
  static List<CommandBlock> read(String page) {
    Blocks blocks = new Blocks();
    Parser.builder().build().parse(page).accept(blocks);
    return blocks.found;
  }

  /** The page's blocks in this language. */
  static List<String> blocks(String page, String language) {
    List<String> found = new ArrayList<>();
    Parser.builder()
        .build()
        .parse(page)
        .accept(
            new AbstractVisitor() {
              @Override
              public void visit(FencedCodeBlock block) {
                if (block.getInfo().equals(language)) {
                  found.add(block.getLiteral());
                }
              }
            });
    return found;
  }

  /** The code in the page's sentences. */
  static List<String> quoted(String page) {
    List<String> quoted = new ArrayList<>();
    Parser.builder()
        .build()
        .parse(page)
        .accept(
            new AbstractVisitor() {
              @Override
              public void visit(Code code) {
                quoted.add(code.getLiteral());
              }
            });
    return quoted;
  }

  private static final class Blocks extends AbstractVisitor {
    private final List<CommandBlock> found = new ArrayList<>();
    private String section = "";

    @Override
    public void visit(Heading heading) {
      if (heading.getLevel() <= 2) {
        section = heading.getFirstChild() instanceof Text text ? text.getLiteral() : "";
      }
    }

    @Override
    public void visit(FencedCodeBlock block) {
      if (block.getInfo().equals("sh")) {
        addCommands(block);
      } else if (!OTHER.contains(block.getInfo().split(" ")[0])
          && (!isOutput(block) || !isCommands(block.getPrevious()))) {
        throw new IllegalArgumentException(
            "neither sh nor its output, but '%s':\n%s"
                .formatted(block.getInfo(), block.getLiteral()));
      }
    }

    @Override
    public void visit(IndentedCodeBlock block) {
      throw new IllegalArgumentException("a block without ``` and a language:\n" + block);
    }

    private void addCommands(FencedCodeBlock block) {
      List<String> scripts = scripts(block.getLiteral());
      List<String> output =
          isOutput(block.getNext())
              ? ((FencedCodeBlock) block.getNext()).getLiteral().lines().toList()
              : List.of();
      if (scripts.size() > 1 && !output.isEmpty()) {
        throw new IllegalArgumentException("output of which of these?\n" + block.getLiteral());
      }
      scripts.forEach(script -> found.add(new CommandBlock(section, script, output)));
    }

    private static List<String> scripts(String block) {
      List<String> scripts = new ArrayList<>();
      String script = "";
      for (String line : block.lines().toList()) {
        if (script.isEmpty() && (line.startsWith("#") || line.isBlank())) {
          continue;
        }
        script += line;
        if (CONTINUES.matcher(script).matches()) {
          script += "\n";
        } else {
          scripts.add(script);
          script = "";
        }
      }
      if (!script.isEmpty()) {
        throw new IllegalArgumentException("the last command does not end:\n" + block);
      }
      return scripts;
    }

    private static boolean isCommands(Node node) {
      return node instanceof FencedCodeBlock block && block.getInfo().equals("sh");
    }

    private static boolean isOutput(Node node) {
      return node instanceof FencedCodeBlock block && OUTPUT.contains(block.getInfo());
    }
  }
}
