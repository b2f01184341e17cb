//FILES BankInsecure.java=../BankInsecure.java
//SOURCES ../tools/TemporaryDirectory.java
//SOURCES Execution.java

import java.io.IOException;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The statement with which {@code BankInsecure} makes a transfer, taken from its source. */
final class TransferStatement {

  private static final Pattern STATEMENT =
      Pattern.compile("static long transfer\\(.*?\"\"\"\\R(.*?)\"\"\"", Pattern.DOTALL);

  private static final Pattern PARAMETER = Pattern.compile(":(id|source|target)\\b");

  private TransferStatement() {}

  /** The names of its parameters, in the order of their places. */
  static List<String> parameters() throws IOException {
    return PARAMETER.matcher(named()).results().map(place -> place.group(1)).toList();
  }

  /** The statement with something else in the place of each parameter, made from its name. */
  static String with(UnaryOperator<String> places) throws IOException {
    return PARAMETER
        .matcher(named())
        .replaceAll(place -> Matcher.quoteReplacement(places.apply(place.group(1))));
  }

  private static String named() throws IOException {
    return STATEMENT
        .matcher(Execution.resource("BankInsecure.java"))
        .results()
        .findFirst()
        .map(found -> found.group(1).stripIndent())
        .orElseThrow(() -> new IllegalStateException("no transfer in BankInsecure.java"));
  }
}
