/** Who takes part: each is a program that makes transfers for a while and prints what it did. */
enum Entrant {
  PGBENCH("Pgbench", "pgbench (the floor)"),
  PLAIN_JDBC("PlainJdbc", "plain pgjdbc"),
  BANK_LOAD("ShippedBankLoad", "BankLoad"),
  CLASSIC_TRANSACTION("ClassicTransaction", "BankBasic's transaction"),
  SERIALIZABLE_RUNNER("SerializableRunner", "JDBI's runner"),
  EXPLICIT_COMMIT("ExplicitCommit", "explicit COMMIT"),
  SQLALCHEMY("sqlalchemy_bank.py", "SQLAlchemy");

  private final String program;
  private final String title;

  Entrant(String program, String title) {
    this.program = program;
    this.title = title;
  }

  /** Its main class, or its Python file. */
  String program() {
    return program;
  }

  boolean isPython() {
    return program.endsWith(".py");
  }

  /** What tables and charts call it. */
  String title() {
    return title;
  }
}
