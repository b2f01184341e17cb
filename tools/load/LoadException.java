/** BankLoad ends, with this exit status, this message and, if it is not empty, this advice. */
final class LoadException extends RuntimeException {
  final int status;
  final String advice;

  LoadException(int status, String message) {
    this(status, message, "");
  }

  LoadException(int status, String message, String advice) {
    super(message);
    this.status = status;
    this.advice = advice;
  }
}
