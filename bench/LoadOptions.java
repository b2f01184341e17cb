import java.util.List;
import picocli.CommandLine.Option;

/** What the process of every contender is told. */
final class LoadOptions {

  @Option(names = "--ports", required = true, split = ",")
  List<Integer> ports;

  @Option(names = "--accounts", required = true)
  int accounts;

  @Option(names = "--workers", required = true)
  int workers;

  @Option(names = "--warm-up", required = true)
  double warmUpSeconds;

  @Option(names = "--seconds", required = true)
  double seconds;
}
