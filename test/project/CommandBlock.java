//DEPS org.commonmark:commonmark:0.32.0

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Code;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.Heading;
import org.commonmark.node.IndentedCodeBlock;
import org.commonmark.node.Node;
import org.commonmark.node.Text;
import org.commonmark.parser.Parser;

/**
 * A command of a Markdown page, the section it stands in, and what the page shows of its output,
 * which is the block that directly follows.
 */
record CommandBlock(String section, String command, List<String> output) {

  private static final Set<String> OUTPUT = Set.of("text", "json");

  /** The page's commands, in its order. Throws where a block is neither commands nor output. */
  static List<CommandBlock> read(String page) {
    Blocks blocks = new Blocks();
    Parser.builder().build().parse(page).accept(blocks);
    return blocks.found;
  }

  /** What stands in the page's sentences as code. */
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
      } else if (!isOutput(block) || !isCommands(block.getPrevious())) {
        throw new IllegalArgumentException(
            "neither sh nor its output, but '%s':\n%s"
                .formatted(block.getInfo(), block.getLiteral()));
      }
    }

    @Override
    public void visit(IndentedCodeBlock block) {
      throw new IllegalArgumentException("without ``` nobody knows what this is:\n" + block);
    }

    private void addCommands(FencedCodeBlock block) {
      List<String> commands =
          block.getLiteral().lines().filter(line -> !line.startsWith("#")).toList();
      List<String> output =
          isOutput(block.getNext())
              ? ((FencedCodeBlock) block.getNext()).getLiteral().lines().toList()
              : List.of();
      if (commands.size() > 1 && !output.isEmpty()) {
        throw new IllegalArgumentException("output of which of these?\n" + block.getLiteral());
      }
      commands.forEach(command -> found.add(new CommandBlock(section, command, output)));
    }

    private static boolean isCommands(Node node) {
      return node instanceof FencedCodeBlock block && block.getInfo().equals("sh");
    }

    private static boolean isOutput(Node node) {
      return node instanceof FencedCodeBlock block && OUTPUT.contains(block.getInfo());
    }
  }
}
