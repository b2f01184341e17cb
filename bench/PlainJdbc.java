///usr/bin/env jbang "$0" "$@" ; exit $?
//SOURCES JdbcContender.java

import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.UUID;

/** pgjdbc with the statement of {@code BankInsecure}, and nothing around it but a bare retry. */
final class PlainJdbc extends JdbcContender {

  private final String statement;
  private final List<String> parameters;

  private PlainJdbc() throws IOException {
    statement = transfer(name -> "?");
    parameters = transferParameters();
  }

  public static void main(String... arguments) throws IOException {
    run(new PlainJdbc(), arguments);
  }

  @Override
  Worker connect() throws SQLException {
    Connection connection = open();
    return new Plain(connection, connection.prepareStatement(statement), parameters);
  }

  private record Plain(Connection connection, PreparedStatement statement, List<String> parameters)
      implements Worker {

    @Override
    public int transfer(long source, long target) throws SQLException {
      UUID id = UUID.randomUUID();
      for (int parameter = 0; parameter < parameters.size(); parameter++) {
        statement.setObject(
            parameter + 1,
            switch (parameters.get(parameter)) {
              case "id" -> id;
              case "source" -> source;
              default -> target;
            });
      }
      for (int failed = 0; ; failed++) {
        try (ResultSet row = statement.executeQuery()) {
          if (!row.next()) {
            throw new SQLException("account " + source + " or " + target + " is gone");
          }
          row.getLong(1);
          return failed;
        } catch (SQLException e) {
          if (!isRolledBack(e)) {
            throw e;
          }
        }
      }
    }

    @Override
    public void close() throws SQLException {
      connection.close();
    }
  }
}
