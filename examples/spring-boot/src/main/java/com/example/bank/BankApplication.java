package com.example.bank;

import javax.sql.DataSource;
import org.jdbi.v3.core.Jdbi;
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
}
