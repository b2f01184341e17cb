import java.util.List;

/** What CockroachDB itself says. {@code DoctorOnCockroachTest} provokes those that were seen. */
final class CockroachMessages {

  static final List<DoctorCase.Row> ROWS = List.of();

  private CockroachMessages() {}
}
