/** BankLoad ends early, with this exit status and this message. */
final class LoadException extends RuntimeException {
  final int status;

  LoadException(int status, String message) {
    super(message);
    this.status = status;
  }
}
