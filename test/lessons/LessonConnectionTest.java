import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How the lessons connect, and what they print if they cannot. */
@Timeout(300)
class LessonConnectionTest {

  @ParameterizedTest
  @EnumSource(
      value = ServerKind.class,
      names = {"POSTGRESQL_SECURE", "COCKROACHDB_SECURE"})
  void aConnectionWithTlsLosesTheAnswerToo(ServerKind kind) throws Exception {
    Server server = kind.shared();
    Script script =
        Script.of(
            "LostAnswer", "--url=" + Bank.create(server).url(), "--certs-dir=" + server.certs());
    assertEquals(LessonTest.ANSWERS, LessonTest.output(script));
  }

  @ParameterizedTest
  @ValueSource(strings = {"LostUpdate", "LostAnswer"})
  void wrongCommandLinesAndMissingServersAreOneLineEach(String lesson) throws Exception {
    for (String wrong : List.of("--url=nonsense", "--ulr=secret", "secret")) {
      LessonTest.assertError(2, "error: (?!.*secret).*", Script.of(lesson, wrong));
    }
    String url = "postgresql://maxroach@localhost:1/bank";
    String line = "error: cannot connect to localhost:1: Connection refused.*";
    LessonTest.assertError(5, line, Script.of(lesson, "--url=" + url));
    LessonTest.assertError(5, line, Script.of(lesson, "--url=" + url + "?sslmode=disable"));
  }

  @Test
  void anInsecureServerNeedsAParameter() throws Exception {
    Server server = SharedServers.insecure();
    LessonTest.assertError(
        5,
        "error: .*does not support SSL.*\nThat cluster is insecure: add \\?sslmode=disable .*",
        Script.of("LostUpdate", "--url=postgresql://maxroach@localhost:" + server.port()));
  }
}
