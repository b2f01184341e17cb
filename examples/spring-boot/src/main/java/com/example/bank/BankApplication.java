package com.example.bank;

import com.example.bank.BankInsecure.Session;
import java.time.Duration;
import javax.sql.DataSource;
import org.jdbi.v3.core.Jdbi;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** A web service that makes transfers, on the connection pool that Spring Boot configures. */
@SpringBootApplication
public class BankApplication {

  public static void main(String... args) {
    SpringApplication.run(BankApplication.class, args);
  }

  @Bean
  Jdbi jdbi(DataSource dataSource) {
    return Jdbi.create(dataSource);
  }

  /** Creates the accounts 1 and 2, unless they exist. */
  @Bean
  ApplicationRunner createAccounts(Jdbi jdbi) {
    return arguments -> {
      try (Session session = new Session(jdbi, Duration.ofMinutes(1), System.err::println)) {
        BankInsecure.createTables(session);
        long[] ids = {1, 2};
        long[] balances = {1_000, 250};
        String lookup = "SELECT * FROM accounts WHERE id = 1";
        session.commit(lookup, handle -> BankInsecure.insertAccounts(handle, ids, balances));
      }
    };
  }
}
