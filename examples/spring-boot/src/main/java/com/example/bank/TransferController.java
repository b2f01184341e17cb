package com.example.bank;

import com.example.bank.BankInsecure.Failure;
import com.example.bank.BankInsecure.Session;
import com.example.bank.BankInsecure.UnknownOutcomeException;
import java.time.Duration;
import java.util.UUID;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/** Makes transfers. There is no @Transactional: the session owns the transaction and repeats it. */
@RestController
class TransferController {

  private static final Logger LOG = LoggerFactory.getLogger(TransferController.class);

  /** Shorter than the client's own timeout, so that the client learns what is known. */
  private static final Duration TIMEOUT = Duration.ofSeconds(5);

  private final Jdbi jdbi;

  TransferController(Jdbi jdbi) {
    this.jdbi = jdbi;
  }

  record Transfer(long source, long target) {}

  record Answer(String outcome, Long amount) {}

  /** The client has chosen the ID, so that its second request is the same transfer. */
  @PostMapping("/transfers")
  Answer transfer(@RequestHeader("Idempotency-Key") UUID id, @RequestBody Transfer transfer) {
    String lookup = "SELECT * FROM transfers WHERE id = '" + id + "'";
    try (Session session = new Session(jdbi, TIMEOUT, retry -> LOG.info("{}", retry))) {
      long amount =
          session.commit(
              lookup,
              handle -> BankInsecure.transfer(handle, id, transfer.source(), transfer.target()));
      return new Answer("transferred", amount);
    }
  }

  /** Never a 500: the client would take it for a failure, and pay again with a new ID. */
  @ExceptionHandler
  ResponseEntity<Answer> unknown(UnknownOutcomeException e) {
    LOG.warn(e.getMessage(), e);
    return answer(HttpStatus.SERVICE_UNAVAILABLE, "unknown, repeat this request");
  }

  @ExceptionHandler
  ResponseEntity<Answer> notMade(JdbiException e) {
    LOG.warn(e.getMessage(), e);
    return Failure.of(e) == Failure.FINAL
        ? answer(HttpStatus.INTERNAL_SERVER_ERROR, "not made")
        : answer(HttpStatus.SERVICE_UNAVAILABLE, "not made, repeat this request");
  }

  @ExceptionHandler
  ResponseEntity<Answer> missing(IllegalStateException e) {
    return answer(HttpStatus.UNPROCESSABLE_CONTENT, e.getMessage());
  }

  private static ResponseEntity<Answer> answer(HttpStatus status, String outcome) {
    var response = ResponseEntity.status(status);
    if (status == HttpStatus.SERVICE_UNAVAILABLE) {
      response.header("Retry-After", "1");
    }
    return response.body(new Answer(outcome, null));
  }
}
