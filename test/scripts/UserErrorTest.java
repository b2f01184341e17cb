//FILES README.md=../../README.md

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;

/** Every row of {@link UserErrors}, tried, and that README.md shows what they say. */
@Timeout(180)
class UserErrorTest {

  private static UserErrorStage stage;

  @BeforeAll
  static void openStage() throws IOException {
    stage = new UserErrorStage();
  }

  @AfterAll
  static void closeStage() {
    stage.close();
  }

  @TestFactory
  Stream<DynamicTest> servers() throws IOException {
    return tests(UserErrors.servers());
  }

  @TestFactory
  Stream<DynamicTest> certificates() throws IOException {
    return tests(UserErrors.certificates());
  }

  @TestFactory
  Stream<DynamicTest> passwords() throws IOException {
    return tests(UserErrors.passwords());
  }

  @TestFactory
  Stream<DynamicTest> databases() throws IOException {
    return tests(UserErrors.databases());
  }

  @TestFactory
  Stream<DynamicTest> urls() throws IOException {
    return tests(UserErrors.urls());
  }

  @TestFactory
  Stream<DynamicTest> options() throws IOException {
    return tests(UserErrors.options());
  }

  @Test
  void readmeShowsThisTable() throws IOException {
    String table = UserErrors.readmeTable();
    String section = readme().replaceFirst("(?s).*\n## Troubleshooting\n\n(.*?)\n## .*", "$1");
    assertEquals(table, section, () -> "README.md's troubleshooting must be this:\n" + table);
  }

  /** So that the look at the database is known to see a change. */
  @Test
  void everyChangeShows() throws IOException {
    Bank bank = stage.createBank();
    for (String statement :
        List.of(
            "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL)",
            "INSERT INTO accounts (id, balance) VALUES (3, 1000), (4, 0)",
            "UPDATE accounts SET balance = balance + id",
            "ALTER TABLE accounts ADD COLUMN owner TEXT",
            "CREATE TABLE transfers (id UUID)",
            "INSERT INTO transfers (id) VALUES (gen_random_uuid())")) {
      Map<String, List<String>> before = UserErrorStage.contents(bank);
      bank.execute(statement);
      assertNotEquals(before, UserErrorStage.contents(bank), statement);
    }
  }

  private static Stream<DynamicTest> tests(List<UserError> errors) throws IOException {
    return Case.tests(stage.cases(errors));
  }

  private static String readme() throws IOException {
    try (InputStream readme = UserErrorTest.class.getResourceAsStream("/README.md")) {
      return new String(readme.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
