import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The table of errors that a user can make. README.md shows some of its rows, in this order. Where
 * BankSecure reads something with the same code as BankInsecure, one of them is tried.
 */
final class UserErrors {

  private static final String BASIC = "BankBasic";
  private static final String INSECURE = "BankInsecure";
  private static final String SECURE = "BankSecure";

  private static final String URL = "--url=postgresql://maxroach@localhost:{port}/{database}";
  private static final String CERTIFICATE = "certs/client.maxroach.crt";
  private static final String KEY = "certs/client.maxroach.key";
  private static final String AUTHORITY = "certs/ca.crt";

  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 CHECK (balance >= 0))";
  private static final String TRANSFERS =
      "CREATE TABLE transfers (id UUID PRIMARY KEY, source INT8, target INT8, amount INT8,"
          + " created_at TIMESTAMPTZ)";
  private static final String TWO_ACCOUNTS =
      "INSERT INTO accounts (id, balance) VALUES (3, 1000), (4, 0)";
  private static final String ALL_GRANTED = "GRANT ALL ON ALL TABLES IN SCHEMA public TO maxroach";
  private static final String OTHER_SHAPE = "tables of the same names, but of another shape";
  private static final String ONLY_READ =
      "ALTER DATABASE {database} SET default_transaction_read_only = on";

  private UserErrors() {}

  /** Every row. */
  static List<UserError> all() {
    return Stream.of(servers(), certificates(), passwords(), databases(), urls(), options())
        .flatMap(List::stream)
        .toList();
  }

  /** The README's table: a line for each cause, with the messages that it shows itself by. */
  static String readmeTable() {
    Map<String, Set<String>> messages = new LinkedHashMap<>();
    for (UserError error : all()) {
      if (error.isInReadme()) {
        messages
            .computeIfAbsent(error.causeAndRemedy(), cause -> new LinkedHashSet<>())
            .add(error.shown());
      }
    }
    StringBuilder table = new StringBuilder();
    table.append("| message | cause | what to do |\n");
    table.append("| --- | --- | --- |\n");
    messages.forEach(
        (cause, shown) -> table.append("| %s | %s |\n".formatted(String.join(", ", shown), cause)));
    return table.toString();
  }

  /** What is at the other end of the line, or is not. */
  static List<UserError> servers() {
    return List.of(
        error("nothing listens")
            .of(INSECURE, SECURE)
            .ends(5, "cannot connect to …: Connection refused", "Start the server")
            .because(
                "nothing listens there",
                "start the server, or correct host and port; without a port the URL means 26257"),
        error("nothing listens").of(BASIC).ends(5, "Connection refused", "the server runs"),
        error(
                "nothing listens on several hosts",
                "--url=postgresql://maxroach@localhost:{port},127.0.0.1:{port}/bank")
            .ends(5, "cannot connect to localhost:…,127.0.0.1:…: Connection refused", "Start"),
        error("an unknown host", "--url=postgresql://maxroach@no-such-host.invalid/bank")
            .of(SECURE)
            .ends(5, "cannot connect to no-such-host.invalid:26257: unknown host …", "host name")
            .shownAs("cannot connect to …: unknown host …")
            .because("the network knows no such name", "correct the host"),
        error("an unknown host", "--url=postgresql://maxroach@no-such-host.invalid/bank")
            .of(BASIC)
            .ends(5, "unknown host no-such-host.invalid", "host"),
        error("never answers")
            .of(INSECURE, SECURE)
            .at(UserError.Place.SILENT)
            .ends(5, "cannot connect to …: … timed out", "a database answers")
            .because(
                "something listens and does not answer",
                "check that it is a database, and the firewall"),
        error("never answers")
            .of(BASIC)
            .at(UserError.Place.SILENT)
            .ends(5, "… timed out…", "the server runs"),
        error("never answers without TLS", URL + "?sslmode=disable")
            .of(BASIC)
            .at(UserError.Place.SILENT)
            .ends(5, "… timed out…", "the server runs"),
        error("hangs up")
            .of(INSECURE, SECURE)
            .at(UserError.Place.RUDE)
            .ends(5, "cannot connect to …: …", "a database answers"),
        error("hangs up").of(BASIC).at(UserError.Place.RUDE).ends(5, "…", "the server runs"),
        noDatabase("Protocol error. … failed."),
        noDatabase("An error occurred while setting up the SSL connection.").of(SECURE),
        error("speaks HTTP").of(BASIC).at(UserError.Place.WEB).ends(5, "…", "the server runs"),
        error("a server without TLS")
            .of(SECURE)
            .at(UserError.Place.WITHOUT_TLS)
            .ends(5, "cannot connect to …: The server does not support SSL.", "BankInsecure")
            .shownAs("The server does not support SSL.")
            .because("an insecure cluster", "BankInsecure.java"),
        error("a server with nothing but TLS")
            .at(UserError.Place.WITH_TLS)
            .ends(5, "cannot connect to …: …no encryption…", "BankSecure")
            .shownAs("… no encryption …")
            .because("a secure cluster; CockroachDB says `secure mode`", "BankSecure.java"),
        error("a server with nothing but TLS", URL + "?sslmode=disable")
            .of(BASIC)
            .at(UserError.Place.WITH_TLS)
            .ends(5, "…no encryption…", "sslmode"),
        error("a server that demands a certificate", URL + "?sslmode=require")
            .of(BASIC)
            .at(UserError.Place.WITH_TLS)
            .ends(5, "…certificate…", "sslmode"),
        error("a server without TLS that is asked for it", URL + "?sslmode=verify-full")
            .of(BASIC)
            .at(UserError.Place.WITHOUT_TLS)
            .ends(5, "The server does not support SSL.", "sslmode"),
        error("too many connections", "--retry-timeout=2")
            .database("ALTER DATABASE {database} CONNECTION LIMIT 0")
            .afterRetries()
            .ends(5, "…too many connections…53300…", "connections")
            .shownAs("… too many connections …")
            .because("the server has no connection left", "a lower `--concurrency`, or later"),
        error("too many connections")
            .of(BASIC)
            .database("ALTER DATABASE {database} CONNECTION LIMIT 0")
            .ends(5, "…too many connections…", "server"));
  }

  /** The folder of certificates, and the files that a URL names. */
  static List<UserError> certificates() {
    List<UserError> errors = new ArrayList<>();
    errors.addAll(authorities());
    errors.addAll(clientCertificates());
    errors.addAll(keys());
    return errors;
  }

  private static List<UserError> authorities() {
    return List.of(
        foreignAuthority("the CA of another cluster")
            .certs((certs, ca) -> new Certificates().writeAuthority(certs)),
        foreignAuthority("no CA, so that it is asked whom Java trusts").without(AUTHORITY),
        foreignAuthority("sslrootcert=system", URL + "?sslrootcert=system"),
        secured("a host that the certificate is not for")
            .at(UserError.Place.OF_ANOTHER_NAME)
            .ends(
                5,
                "cannot connect to …: The hostname localhost could not be verified…",
                "host name")
            .shownAs("The hostname … could not be verified …")
            .because(
                "the server's certificate is not for this host",
                "use a name that was given to `cockroach cert create-node`"),
        unusable("an empty CA", AUTHORITY, "it holds no certificate").with(AUTHORITY, ""),
        unusable("garbage for a CA", AUTHORITY, "…").with(AUTHORITY, "garbage\n"),
        unusable("half a CA", AUTHORITY, "…").edited(AUTHORITY, UserErrors::half),
        unusable("a key for a CA", AUTHORITY, "…").copied(KEY, AUTHORITY),
        unusable("a directory for a CA", AUTHORITY, "…").asDirectory(AUTHORITY),
        unusable("sslrootcert that is not there", "nowhere/ca.crt", "there is no such file")
            .given(URL + "?sslrootcert=nowhere/ca.crt"),
        error("sslrootcert that is not there", URL + "?sslmode=verify-full&sslrootcert=nowhere.crt")
            .of(BASIC)
            .at(UserError.Place.WITH_TLS)
            .ends(5, "…nowhere.crt…", "sslmode"));
  }

  private static List<UserError> clientCertificates() {
    return List.of(
        noCertificate("an empty folder", "certs/client.maxroach.crt").without(CERTIFICATE, KEY),
        noCertificate("a folder that is not there", "nowhere/client.maxroach.crt")
            .given("--certs-dir=nowhere"),
        noCertificate("a ~ that no shell expanded", "~/certs/client.maxroach.crt")
            .given("--certs-dir=~/certs"),
        noCertificate("a file for the folder", "certs/ca.crt/client.maxroach.crt")
            .given("--certs-dir=" + AUTHORITY),
        noCertificate("COCKROACH_CERTS_DIR to nowhere", "nowhere/client.maxroach.crt")
            .environment("COCKROACH_CERTS_DIR", "nowhere"),
        secured("another user than the folder's", "--url=postgresql://carl@localhost:{port}/bank")
            .ends(
                5,
                "no certificate certs/client.carl.crt and no password of carl",
                "create-client carl"),
        secured("--init without root's certificate", "--init")
            .without("certs/client.root.crt", "certs/client.root.key")
            .ends(5, "no certificate certs/client.root.crt and no password of root", "root"),
        unusable("no certificate to the key", CERTIFICATE, "there is no such file")
            .without(CERTIFICATE),
        unusable("sslcert that is not there", "nowhere.crt", "there is no such file")
            .given(URL + "?sslcert=nowhere.crt"),
        unusable("an empty certificate", CERTIFICATE, "it holds no certificate")
            .with(CERTIFICATE, ""),
        unusable("garbage for a certificate", CERTIFICATE, "…").with(CERTIFICATE, "garbage\n"),
        unusable("half a certificate", CERTIFICATE, "…").edited(CERTIFICATE, UserErrors::half),
        unusable("the key for a certificate", CERTIFICATE, "…").copied(KEY, CERTIFICATE),
        unusable("an expired certificate", CERTIFICATE, "NotAfter: …")
            .certs((certs, ca) -> ca.client("maxroach").expired().write(certs))
            .shownAs("… cannot be used: NotAfter: …")
            .because("the client's certificate has expired", "make it anew with `cockroach cert`"),
        unusable("a certificate of tomorrow", CERTIFICATE, "NotBefore: …")
            .certs((certs, ca) -> ca.client("maxroach").notYetValid().write(certs))
            .shownAs("… cannot be used: NotBefore: …")
            .because("the client's certificate is not valid yet", "set the clock right"),
        refusedCertificate("a certificate of another CA")
            .certs(
                (certs, ca) ->
                    new Certificates("O=Other, CN=Other CA").client("maxroach").write(certs)),
        secured("a certificate of another CA of the same name")
            .certs((certs, ca) -> new Certificates().client("maxroach").write(certs))
            .ends(5, "cannot connect to …: …", "certificate"),
        secured("another user's certificate")
            .copied("certs/client.root.crt", CERTIFICATE)
            .copied("certs/client.root.key", KEY)
            .ends(5, "…certificate authentication failed for user \"maxroach\"…", "certificate")
            .shownAs("certificate authentication failed for user …")
            .because(
                "the client's certificate is another user's",
                "use the certificate of the URL's user"));
  }

  private static List<UserError> keys() {
    List<UserError> errors =
        new ArrayList<>(
            List.of(
                secured("a key that others can read")
                    .permitted(KEY, "rw-r--r--")
                    .ends(5, KEY + " may be read by others", "chmod 600 " + KEY)
                    .shownAs("….key may be read by others")
                    .because("the key's permissions", "`chmod 600`"),
                unusableKey("no key to the certificate", "there is no such file").without(KEY),
                unusableKey("an empty key", "…").with(KEY, ""),
                unusableKey("garbage for a key", "…").with(KEY, "garbage\n"),
                unusableKey("half a key", "…").edited(KEY, UserErrors::half),
                unusableKey("a key whose middle is damaged", "…")
                    .edited(KEY, pem -> pem.replaceAll("(?m)^MII.*$", "!!!!")),
                unusableKey("a key that ends too early", "…").with(KEY, pem("RSA PRIVATE KEY")),
                unusableKey("a directory for a key", "…")
                    .asDirectory(KEY)
                    .permitted(KEY, "rwx------"),
                unusableKey("the certificate for a key", "…").copied(CERTIFICATE, KEY),
                unusableKey("a key with a password", "…without a password")
                    .with(KEY, pem("ENCRYPTED PRIVATE KEY")),
                unusableKey("a PKCS#1 key with a password", "…without a password")
                    .with(
                        KEY,
                        pem("RSA PRIVATE KEY")
                            .replace(
                                "MIIB",
                                "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB")),
                unusableKey("a key of an elliptic curve, in SEC1's format", "…PKCS#8…")
                    .certs((certs, ca) -> ca.client("maxroach").ellipticCurve().write(certs)),
                unusableKey("the key of another certificate", "it is not the key of " + CERTIFICATE)
                    .certs((certs, ca) -> ca.client("maxroach").withAnotherKey().write(certs))));
    if (!System.getProperty("user.name").equals("root")) {
      errors.add(
          unusableKey("a key that may not be read", "permission denied")
              .permitted(KEY, "-w-------"));
      errors.add(
          secured("a key that its group can read")
              .permitted(KEY, "rw-r-----")
              .ends(5, KEY + " may be read by others", "chmod 600 " + KEY));
    }
    return errors;
  }

  /** Passwords where they are asked for. */
  static List<UserError> passwords() {
    return List.of(
        noPassword("none, and no terminal to ask at"),
        wrongPassword("in the URL")
            .given("--url=postgresql://maxroach:geheim@localhost:{port}/bank"),
        wrongPassword("in PGPASSWORD").environment("PGPASSWORD", "geheim"),
        wrongPassword("in ~/.pgpass")
            .with("home/.pgpass", "localhost:*:*:maxroach:geheim\n")
            .permitted("home/.pgpass", "rw-------"),
        noPassword("an empty one in PGPASSWORD").environment("PGPASSWORD", ""),
        noPassword("that of another host in ~/.pgpass")
            .with("home/.pgpass", "db.example.com:*:*:*:geheim\n")
            .permitted("home/.pgpass", "rw-------"),
        withPassword("in ~/.pgpass, of a host with an underscore")
            .given("--url=postgresql://maxroach@no_such_host.invalid/bank")
            .with("home/.pgpass", "no_such_host.invalid:*:*:*:geheim\n")
            .permitted("home/.pgpass", "rw-------")
            .ends(5, "cannot connect to no_such_host.invalid:26257: unknown host …", "host name"),
        error("password: none, where a server without TLS asks for it")
            .of(INSECURE, BASIC)
            .at(UserError.Place.WITH_PASSWORD_ALONE)
            .ends(5, "…no password was provided.", "password")
            .shownAs("… no password was provided.")
            .because("the server asks for one", "put it into the URL"),
        error(
                "password: wrong",
                "--url=postgresql://maxroach:geheim@localhost:{port}/bank"
                    + "?sslmode=verify-full&sslrootcert="
                    + AUTHORITY)
            .of(BASIC)
            .at(UserError.Place.WITH_PASSWORD)
            .ends(5, "…password authentication failed for user \"maxroach\"", "user"));
  }

  /** What the database holds, and what it lets the user do. */
  static List<UserError> databases() {
    List<UserError> errors = new ArrayList<>();
    errors.addAll(usersAndDatabases());
    errors.addAll(rights());
    errors.addAll(tables());
    return errors;
  }

  private static List<UserError> usersAndDatabases() {
    String noDatabase = "--url=postgresql://maxroach@localhost:{port}/no_such_database";
    String noUser = "--url=postgresql://no_such_user@localhost:{port}/bank";
    return List.of(
        newCluster("no such database", "database \"…\" does not exist", noDatabase)
            .of(INSECURE, SECURE),
        error("no such database", noDatabase)
            .of(BASIC)
            .at(UserError.Place.ITS_SERVER)
            .ends(5, "…database \"no_such_database\" does not exist", "URL"),
        newCluster("no such user", "role \"…\" does not exist", noUser),
        newCluster("no such user", "role \"…\" does not exist", noUser)
            .of(SECURE)
            .certs((certs, ca) -> ca.client("no_such_user").write(certs)),
        error("no such user", noUser)
            .of(BASIC)
            .at(UserError.Place.ITS_SERVER)
            .ends(5, "…role \"no_such_user\" does not exist", "user"),
        error(
                "a user who may not log in",
                "--url=postgresql://visitor_{database}@localhost:{port}/{database}")
            .database("CREATE ROLE visitor_{database}")
            .ends(5, "…role \"…\" is not permitted to log in…", "user"),
        error("too few accounts", "--accounts=0")
            .database(ACCOUNTS, ALL_GRANTED)
            .afterConnected()
            .ends(2, "a transfer needs two accounts", "--accounts=2")
            .because("there are fewer, and none are created", "`--accounts=2`"),
        error("one account", "--accounts=1", "--transfers=2147483647")
            .database(ACCOUNTS, ALL_GRANTED)
            .afterConnected()
            .ends(2, "a transfer needs two accounts", "--accounts=2"));
  }

  private static List<UserError> rights() {
    return List.of(
        noRight("no right on the database", "database")
            .database(
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "REVOKE ALL ON DATABASE {database} FROM maxroach")
            .ends(5, "cannot connect to …: permission denied for database …", "--init")
            .shownAs("permission denied …"),
        noRight("no right to create tables", "schema public")
            .database("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            .afterConnected(),
        error("no right to use the schema")
            .database("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            .afterConnected()
            .ends(1, "no schema has been selected to create in (SQLSTATE 3F000)", "rights"),
        noRight("no right on the tables", "table accounts")
            .of(INSECURE, SECURE)
            .database(ACCOUNTS, TRANSFERS, TWO_ACCOUNTS)
            .afterConnected(),
        noRight("the right to read accounts alone", "table accounts", "--accounts=0")
            .database(ACCOUNTS, TRANSFERS, TWO_ACCOUNTS, "GRANT SELECT ON accounts TO maxroach")
            .afterConnected(),
        noRight("the right to read alone", "table …", "--accounts=0")
            .database(
                ACCOUNTS,
                TRANSFERS,
                TWO_ACCOUNTS,
                "GRANT SELECT ON accounts, transfers TO maxroach")
            .afterConnected(),
        noRight("no right to write the ledger", "table transfers", "--accounts=0")
            .database(
                ACCOUNTS,
                TRANSFERS,
                TWO_ACCOUNTS,
                "GRANT ALL ON accounts TO maxroach",
                "GRANT SELECT ON transfers TO maxroach")
            .afterConnected(),
        noRight("no right to update accounts", "table accounts", "--accounts=0")
            .database(
                ACCOUNTS,
                TRANSFERS,
                TWO_ACCOUNTS,
                "GRANT SELECT, INSERT ON accounts TO maxroach",
                "GRANT ALL ON transfers TO maxroach")
            .afterConnected(),
        error("no right to update accounts")
            .of(BASIC)
            .database(ACCOUNTS, TWO_ACCOUNTS, "GRANT SELECT, INSERT ON accounts TO maxroach")
            .ends(1, "…permission denied for table accounts", "rolled back"),
        error("a database to read only")
            .of(INSECURE, SECURE)
            .database(ACCOUNTS, TRANSFERS, TWO_ACCOUNTS, ALL_GRANTED, ONLY_READ)
            .afterConnected()
            .ends(1, "cannot execute … in a read-only transaction (SQLSTATE 25006)", "writes")
            .shownAs("cannot execute … in a read-only transaction …")
            .because("a standby, or a database set to read only", "a server that takes writes"),
        error("a database to read only")
            .of(BASIC)
            .database(ACCOUNTS, TWO_ACCOUNTS, ALL_GRANTED, ONLY_READ)
            .ends(1, "…in a read-only transaction", "rolled back"));
  }

  private static List<UserError> tables() {
    return List.of(
        otherShape("accounts without balance", "column \"balance\" does not exist…")
            .of(INSECURE, SECURE)
            .database("CREATE TABLE accounts (id INT8 PRIMARY KEY)", ALL_GRANTED)
            .shownAs("column … does not exist …")
            .because(OTHER_SHAPE, "another database"),
        error("accounts without balance")
            .of(BASIC)
            .database("CREATE TABLE accounts (id INT8 PRIMARY KEY)", ALL_GRANTED)
            .ends(1, "…column \"balance\"… does not exist…", "rolled back"),
        otherShape("accounts without ID", "column \"id\" does not exist…")
            .database("CREATE TABLE accounts (number INT8, balance INT8)", ALL_GRANTED)
            .shownAs("column … does not exist …")
            .because(OTHER_SHAPE, "another database"),
        error("texts for IDs")
            .database(
                "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INT8)",
                "INSERT INTO accounts VALUES ('a', 100), ('b', 50)",
                ALL_GRANTED)
            .afterConnected()
            .ends(1, "Bad value for type long : a", "another database"),
        otherShape("UUIDs for IDs", "…uuid…")
            .database("CREATE TABLE accounts (id UUID PRIMARY KEY, balance INT8)", ALL_GRANTED),
        error("IDs of two bytes")
            .database("CREATE TABLE accounts (id INT2 PRIMARY KEY, balance INT8)", ALL_GRANTED)
            .afterConnected()
            .ends(1, "smallint out of range (SQLSTATE 22003)", "another database"),
        otherShape("texts for balances", "function sum(text) does not exist…")
            .database("CREATE TABLE accounts (id INT8 PRIMARY KEY, balance TEXT)", ALL_GRANTED),
        otherShape("accounts that want an owner", "null value in column \"owner\"…")
            .database(
                "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8, owner TEXT NOT NULL)",
                ALL_GRANTED),
        otherShape("a view of the name accounts", "cannot insert into view \"accounts\"…")
            .database(
                "CREATE VIEW accounts AS SELECT 1::INT8 AS id, 5::INT8 AS balance", ALL_GRANTED),
        otherShape("a sequence of the name accounts", "…")
            .database("CREATE SEQUENCE accounts", ALL_GRANTED),
        otherShape("a ledger without amounts", "column \"source\" of relation…", "--accounts=0")
            .database(
                ACCOUNTS,
                TWO_ACCOUNTS,
                "CREATE TABLE transfers (id UUID PRIMARY KEY)",
                ALL_GRANTED),
        otherShape(
                "a ledger with numbers for IDs", "column \"id\" is of type bigint…", "--accounts=0")
            .database(ACCOUNTS, TWO_ACCOUNTS, TRANSFERS.replace("UUID", "INT8"), ALL_GRANTED),
        error("accounts with a rule of their own")
            .database(
                "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 CHECK (balance < 10))",
                ALL_GRANTED)
            .afterConnected()
            .ends(1, "…violates check constraint…", "rolled back"),
        error("a sum beyond INT8", "--accounts=0")
            .database(
                ACCOUNTS,
                TRANSFERS,
                "INSERT INTO accounts VALUES (3, 9223372036854775807), (4, 9223372036854775807)",
                ALL_GRANTED)
            .afterConnected()
            .ends(1, "bigint out of range (SQLSTATE 22003)", "another database"),
        error("an account without a balance", "--accounts=0")
            .database(
                ACCOUNTS, TRANSFERS, "INSERT INTO accounts VALUES (3, NULL), (4, 100)", ALL_GRANTED)
            .afterConnected()
            .ends(1, "account … is gone, or has no balance", "accounts"));
  }

  /** What is given as a URL, or for one. */
  static List<UserError> urls() {
    List<UserError> errors = new ArrayList<>();
    Stream.of(
            badUrl("no URL at all", "nonsense"),
            badUrl("no scheme", "localhost:26257"),
            badUrl("a scheme of the web", "http://maxroach:geheim@localhost:26257/bank"),
            badUrl("MySQL's scheme", "mysql://maxroach:geheim@localhost/bank"),
            badUrl("MySQL's JDBC scheme", "jdbc:mysql://maxroach:geheim@localhost/bank"),
            badUrl("one slash", "postgresql:/localhost/bank"),
            badUrl("the quotes of a shell", "'postgresql://maxroach:geheim@localhost/bank'"),
            badUrl("a blank in the host", "postgresql://maxroach:geheim@local host/bank"),
            badUrl("words for a port", "postgresql://maxroach:geheim@localhost:port/bank"),
            badUrl("port 0", "postgresql://maxroach:geheim@localhost:0/bank"),
            badUrl("port 65536", "postgresql://maxroach:geheim@localhost:65536/bank"),
            badUrl("port 262570", "postgresql://maxroach:geheim@localhost:262570/bank"),
            badUrl("a negative port", "postgresql://maxroach:geheim@localhost:-1/bank"),
            badUrl("two ports", "postgresql://maxroach:geheim@localhost:1:2/bank"),
            badUrl("an IPv6 address left open", "postgresql://maxroach:geheim@[::1/bank"),
            badUrl("an IPv6 address without brackets", "postgresql://maxroach:geheim@::1/bank"),
            badUrl("an empty host among hosts", "postgresql://maxroach:geheim@a,,b/bank"),
            badUrl("an empty host at the end", "postgresql://maxroach:geheim@localhost,/bank"),
            badUrl("two databases", "postgresql://maxroach:geheim@localhost/bank/more"),
            badUrl("a bare % in the password", "postgresql://maxroach:geheim%@localhost/bank"),
            badUrl("%zz in the password", "postgresql://maxroach:geheim%zz@localhost/bank"),
            badUrl("%zz in the database", "postgresql://maxroach:geheim@localhost/%zz"),
            badUrl("a bare @ in the password", "postgresql://maxroach:geh@geheim@localhost/bank"),
            badUrl("a bare / in the password", "postgresql://maxroach:geheim/x@localhost/bank"),
            badUrl("a bare ? in the password", "postgresql://maxroach:geheim?x@localhost/bank"),
            badUrl("a bare # in the password", "postgresql://maxroach:geheim#x@localhost:0/bank"))
        .forEach(errors::add);
    errors.add(
        error("garbage in DATABASE_URL")
            .of(BASIC, INSECURE)
            .environment("DATABASE_URL", "maxroach:geheim")
            .ends(2, "the URL is not …", ""));
    for (String mode : List.of("disable", "allow", "prefer", "require", "verify-ca", "bogus")) {
      errors.add(
          secured("sslmode=" + mode, URL + "?sslmode=" + mode)
              .ends(2, "sslmode=" + mode + " would not verify who the server is", "BankInsecure")
              .shownAs("sslmode=… would not verify who the server is")
              .because(
                  "BankSecure always verifies it",
                  "leave `sslmode` out of the URL, or BankInsecure.java"));
    }
    for (String mode : List.of("require", "verify-full", "bogus")) {
      errors.add(
          error("sslmode=" + mode, URL + "?sslmode=" + mode)
              .ends(2, "sslmode=" + mode + " asks for encryption…", "BankSecure")
              .shownAs("sslmode=… asks for encryption, …")
              .because("BankInsecure has none", "BankSecure.java"));
    }
    errors.add(
        error("sslmode=bogus", URL + "?sslmode=bogus")
            .of(BASIC)
            .ends(5, "Invalid sslmode value: bogus", "sslmode"));
    return errors;
  }

  /** Options and arguments. */
  static List<UserError> options() {
    List<UserError> errors = new ArrayList<>();
    Stream.of(
            badOption("an option with a typo", "--transfer=5"),
            badOption("an option with one hyphen", "-accounts=5"),
            badOption("an option that there is not", "--no-such-option").of(SECURE),
            badOption("the other script's option", "--certs-dir=certs"),
            badOption("a twin's option", "--accounts=1").of(BASIC),
            badOption("a password as an option", "--password=geheim").of(BASIC, INSECURE),
            badArgument("a stray word", "stray").of(BASIC, INSECURE),
            badArgument("stray words after --init", "--init", "stray", "words"),
            badArgument(
                    "a URL without --url=", "postgresql://maxroach:geheim@localhost:{port}/bank")
                .of(BASIC, INSECURE),
            badOption(
                "no value", "--accounts", "--url=postgresql://maxroach:geheim@localhost:1/bank"),
            badOption("an empty value", "--accounts="),
            badOption("a value where none belongs", "--init=now"),
            badOption("an option twice", "--accounts=1", "--accounts=2"),
            badOption("-1 accounts", "--accounts=-1").of(INSECURE, SECURE),
            badOption("1e6 accounts", "--accounts=1e6"),
            badOption("1,000 accounts", "--accounts=1,000"),
            badOption("too many accounts", "--accounts=10000001"),
            badOption("2^31 accounts", "--accounts=2147483648"),
            badOption("two lines", "--accounts=1\nerror: two lines"),
            badOption("-1 transfers", "--transfers=-1"),
            badOption("many transfers", "--transfers=many"),
            badOption("no workers", "--concurrency=0"),
            badOption("a million workers", "--concurrency=1000000"),
            badOption("a seed of letters", "--seed=x"),
            badOption("a seed beyond INT8", "--seed=99999999999999999999"),
            badOption("-1 forced retries", "--force-retries=-1"),
            badOption("no time to retry", "--retry-timeout=0"),
            badOption("negative time to retry", "--retry-timeout=-5"),
            badOption("a unit where seconds are meant", "--retry-timeout=1m"),
            badOption("a duration of letters", "--duration=abc"),
            badOption("a duration without a unit", "--duration=5 minutes"),
            badOption("a negative duration", "--duration=-5s"),
            badOption("no duration", "--duration=0s"),
            badOption("a duration and a number", "--duration=5s", "--transfers=10"))
        .forEach(errors::add);
    errors.add(error("no value for --url", "--url").of(BASIC).ends(2, "…--url…", "--help"));
    errors.add(
        error("nothing listens, with --json", "--json")
            .ends(5, "cannot connect to …: Connection refused", "Start"));
    errors.add(
        error("no PostgreSQL to be fetched")
            .of(BASIC)
            .environment("DATABASE_URL", "")
            .with(
                "home/.m2/settings.xml",
                "<settings><mirrors><mirror><id>down</id><mirrorOf>*</mirrorOf>"
                    + "<url>http://localhost:1/</url></mirror></mirrors></settings>")
            .ends(1, "Connection refused", "network"));
    return errors;
  }

  private static UserError error(String name, String... arguments) {
    return new UserError(name, arguments);
  }

  private static UserError noDatabase(String message) {
    return error("speaks HTTP")
        .at(UserError.Place.WEB)
        .ends(5, "cannot connect to …: " + message, "a database answers")
        .shownAs(message)
        .because("something listens there that is no database", "correct host and port");
  }

  private static UserError secured(String name, String... arguments) {
    return error(name, arguments).of(SECURE).at(UserError.Place.WITH_TLS);
  }

  private static UserError unusable(String name, String file, String reason) {
    return secured(name)
        .ends(5, file + " cannot be used: " + reason, "cockroach cert")
        .shownAs("….crt cannot be used: …")
        .because(
            "the file is not there, or holds no certificate",
            "name its folder with `--certs-dir`, or make it anew with `cockroach cert`");
  }

  private static UserError unusableKey(String name, String reason) {
    return unusable(name, KEY, reason)
        .shownAs("….key cannot be used: …")
        .because(
            "not a key, encrypted, or not this certificate's",
            "make it anew with `cockroach cert`");
  }

  private static UserError foreignAuthority(String name, String... arguments) {
    return secured(name, arguments)
        .ends(5, "cannot connect to …: the server's certificate cannot be trusted: …", "ca.crt")
        .shownAs("the server's certificate cannot be trusted: …")
        .because(
            "the server's certificate is of another CA, or has expired",
            "use this cluster's `ca.crt`, or renew the certificate");
  }

  private static UserError noCertificate(String name, String file) {
    return secured(name)
        .ends(5, "no certificate " + file + " and no password of maxroach", "--certs-dir")
        .shownAs("no certificate … and no password of …")
        .because(
            "neither is there", "`cockroach cert create-client`, `--certs-dir` or `PGPASSWORD`");
  }

  private static UserError refusedCertificate(String name) {
    return secured(name)
        .ends(5, "…connection requires a valid client certificate…", "certificate")
        .shownAs("connection requires a valid client certificate")
        .because("the client's certificate is of another CA", "use this cluster's folder");
  }

  private static UserError withPassword(String name) {
    return error("password: " + name)
        .of(SECURE)
        .at(UserError.Place.WITH_PASSWORD)
        .without(CERTIFICATE, KEY);
  }

  private static UserError wrongPassword(String name) {
    return withPassword("wrong " + name)
        .ends(5, "…password authentication failed for user \"maxroach\"…", "password")
        .shownAs("password authentication failed …")
        .because("wrong password", "check the URL, `PGPASSWORD` and `~/.pgpass`");
  }

  private static UserError noPassword(String name) {
    return withPassword(name).ends(5, "no certificate … and no password of maxroach", "PGPASSWORD");
  }

  private static UserError newCluster(String name, String message, String... arguments) {
    return error(name, arguments)
        .at(UserError.Place.ITS_SERVER)
        .ends(5, "cannot connect to …: " + message + "…", "--init")
        .shownAs(message)
        .because("a new cluster", "`--init`");
  }

  private static UserError noRight(String name, String what, String... arguments) {
    return error(name, arguments)
        .ends(1, "permission denied for " + what + " (SQLSTATE 42501)", "--init")
        .shownAs("permission denied …")
        .because("the user has no rights on the database", "`--init`, or `GRANT`");
  }

  private static UserError otherShape(String name, String message, String... arguments) {
    return error(name, arguments).afterConnected().ends(1, message, "another shape");
  }

  private static UserError badUrl(String name, String url) {
    return error("URL with " + name, "--url=" + url)
        .of(BASIC, INSECURE)
        .ends(2, "the URL is not …", "")
        .shownAs("the URL is not …")
        .because(
            "it is not like `postgresql://user:password@host:26257/bank`",
            "correct it; in a password `%40` stands for an @, `%2F` for a /, `%25` for a %");
  }

  private static String half(String text) {
    return text.substring(0, text.length() / 2);
  }

  private static String pem(String kind) {
    return "-----BEGIN %1$s-----\nMIIB\n-----END %1$s-----\n".formatted(kind);
  }

  private static UserError badOption(String name, String... arguments) {
    String option = arguments[0].split("=")[0] + "…";
    return error(name, arguments).ends(2, "…" + option, "--help");
  }

  private static UserError badArgument(String name, String... arguments) {
    return error(name, arguments).ends(2, "…argument…", "--help");
  }
}
