import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jdbi.v3.core.HandleCallback;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.generic.GenericType;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;

/** A database on a test's server, how the scripts get there, and what is really in it. */
record Bank(Server server, String database) {

  private static final AtomicInteger CREATED = new AtomicInteger();

  /** A row of the ledger. */
  record Entry(UUID id, long source, long target, long amount) {}

  /** The server's database bank, there or not. */
  static Bank of(Server server) {
    return new Bank(server, "bank");
  }

  /** A new database, empty, that maxroach may use. */
  static Bank create(Server server) {
    String database = "bank_" + CREATED.incrementAndGet();
    server
        .asSuperuser("defaultdb")
        .useHandle(
            root -> {
              root.execute("CREATE DATABASE " + database);
              root.execute("GRANT ALL ON DATABASE " + database + " TO maxroach");
            });
    return new Bank(server, database);
  }

  /** The URL for maxroach. */
  String url() {
    return urlThrough(server.port());
  }

  /** The URL for maxroach, by way of another port of this machine. */
  String urlThrough(int port) {
    String url = "postgresql://maxroach@localhost:" + port + "/" + database;
    return server.isSecure() ? url : url + "?sslmode=disable";
  }

  /** Connects as the scripts do, by their own code, by way of this port of this machine. */
  Jdbi connect(int port) {
    return server.isSecure()
        ? BankSecure.connect(BankSecure.settings(urlThrough(port)), server.certs())
        : BankInsecure.connect(BankInsecure.settings(urlThrough(port)));
  }

  /** BankInsecure or BankSecure, whichever the server takes, for this database. */
  Script script(String... arguments) {
    return scriptThrough(server.port(), arguments);
  }

  /** The same, by way of another port of this machine. */
  Script scriptThrough(int port, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.add("--url=" + urlThrough(port));
    if (server.isSecure()) {
      all.add("--certs-dir=" + server.certs());
    }
    return Script.of(server.isSecure() ? "BankSecure" : "BankInsecure", all.toArray(String[]::new));
  }

  /** Runs it to its end, which must be a good one, and with nothing on standard error. */
  List<String> runQuietly(String... arguments) throws Exception {
    Script.Result result = script(arguments).run();
    assertEquals("", result.err());
    assertEquals(0, result.status());
    return result.out().lines().toList();
  }

  /** Asks the database as superuser. */
  <R> R ask(HandleCallback<R, RuntimeException> question) {
    return server.asSuperuser(database).withHandle(question);
  }

  /** Changes the database as superuser. */
  void execute(String... statements) {
    server.asSuperuser(database).useHandle(root -> Stream.of(statements).forEach(root::execute));
  }

  /** Every account's balance by its ID. */
  Map<Long, Long> balances() {
    return ask(
        root ->
            root.createQuery("SELECT id, balance FROM accounts")
                .setMapKeyColumn("id")
                .setMapValueColumn("balance")
                .collectInto(new GenericType<Map<Long, Long>>() {}));
  }

  /** The ledger, in the order of its times. */
  List<Entry> ledger() {
    String entries = "SELECT id, source, target, amount FROM transfers ORDER BY created_at";
    return ask(root -> root.createQuery(entries).map(ConstructorMapper.of(Entry.class)).list());
  }

  /** The sum of all balances. */
  long total() {
    String sum = "SELECT sum(balance) FROM accounts";
    return ask(root -> root.createQuery(sum).mapTo(BigDecimal.class).one()).longValueExact();
  }

  /** Each account holds what it held at first and what the ledger moved since. */
  void assertExact(Map<Long, Long> atFirst) {
    Map<Long, Long> expected = new TreeMap<>(atFirst);
    for (Entry entry : ledger()) {
      expected.merge(entry.source(), -entry.amount(), Long::sum);
      expected.merge(entry.target(), entry.amount(), Long::sum);
    }
    assertEquals(expected, balances());
  }
}
