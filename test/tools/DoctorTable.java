import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The table of broken environments. The doctor is tried on all of them, and those with a row are
 * what {@code docs/doctor-table.md} and the README show, in this order.
 */
final class DoctorTable {

  /** What must reach no terminal: colours, titles, forged lines, text that runs backwards. */
  static final String HOSTILE =
      "gone\033[2J\033]0;title\007\b\r\n✓ login    forged\nAll is well. forged\u009b31m\u0085\u202e"
          + "\u2066\u200b\u2028✓ forged\u2029\ufeff\udb40\udc41\177\f\013";

  private static final String URL = "--url=postgresql://maxroach@localhost:{port}/{database}";
  private static final String PLAIN = URL + "?sslmode=disable";
  private static final String CERTIFICATE = "certs/client.maxroach.crt";
  private static final String KEY = "certs/client.maxroach.key";
  private static final String AUTHORITY = "certs/ca.crt";
  private static final String CERT = "…cockroach cert create-client maxroach ";
  private static final String DIRS =
      "--certs-dir={folder}/certs --ca-key={folder}/my-safe-directory/ca.key";
  private static final String SQL = "cockroach sql --insecure --host=localhost:{port} …";
  private static final String SECURE_SQL =
      "cockroach sql --certs-dir={folder}/certs --host=localhost:{port} …";
  private static final String AGAIN = "jbang bank-doctor --url=…";

  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0))";
  private static final String TRANSFERS =
      "CREATE TABLE transfers (id UUID PRIMARY KEY, source INT8 NOT NULL, target INT8 NOT NULL,"
          + " amount INT8 NOT NULL, created_at TIMESTAMPTZ NOT NULL)";
  private static final String GRANTED = "GRANT ALL ON ALL TABLES IN SCHEMA public TO maxroach";

  private DoctorTable() {}

  /** Every case. */
  static List<DoctorCase> all() {
    return Stream.of(
            servers(),
            authorities(),
            servers2(),
            clients(),
            keys(),
            passwords(),
            users(),
            rights(),
            tables(),
            urls())
        .flatMap(List::stream)
        .toList();
  }

  /** The page: a heading for each message, which a search engine finds, with cause and fix. */
  static String page() {
    Map<String, DoctorCase.Row> rows = new LinkedHashMap<>();
    Stream.concat(all().stream().map(each -> each.row), CockroachMessages.ROWS.stream())
        .filter(Objects::nonNull)
        .forEach(row -> rows.putIfAbsent(row.message(), row));
    return rows.values().stream().map(DoctorTable::section).collect(Collectors.joining("\n"));
  }

  private static String section(DoctorCase.Row row) {
    return "### `%s`\n\n%s\n\n**Fix:** %s\n\n*%s*\n"
        .formatted(row.message(), row.cause(), row.fix(), row.seenOn());
  }

  private static List<DoctorCase> servers() {
    return List.of(
        error("nothing listens", PLAIN)
            .at(DoctorCase.Place.NOTHING)
            .names("host", "localhost:{port}: Connection refused")
            .fixedBy(
                "cockroach start-single-node --insecure --listen-addr=localhost:{port}"
                    + " --background")
            .row(
                "Connection refused",
                "nothing listens there",
                "start the server, or correct host and port; without a port the URL means 26257"),
        error("nothing listens, of a secure cluster")
            .at(DoctorCase.Place.NOTHING)
            .names("host", "localhost:{port}: Connection refused")
            .fixedBy(
                "cockroach start-single-node --certs-dir={folder}/certs"
                    + " --listen-addr=localhost:{port} --background"),
        error(
                "one of two hosts is down",
                "--url=postgresql://maxroach@localhost:{port},127.0.0.1:1/bank")
            .names("host", "127.0.0.1:1: Connection refused")
            .fixedWith("Start the server, or correct the host and the port in the URL:…", URL),
        error(
                "one of two hosts is unknown",
                "--url=postgresql://maxroach@no-such-host.invalid,localhost:{port}/bank")
            .names("host", "no-such-host.invalid:26257: the name is not known")
            .fixedWith("Correct the host in the URL.", URL),
        error(
                "one of two hosts is no database",
                "--url=postgresql://maxroach@localhost:{port},localhost:{web}/bank")
            .names("protocol", "localhost:{web} speaks HTTP, not PostgreSQL's protocol: HTTP/1.1…")
            .fixedWith("…orrect the…URL: CockroachDB takes SQL on 26257.", URL),
        error("an unknown host", "--url=postgresql://maxroach@no-such-host.invalid:{port}/bank")
            .names("host", "no-such-host.invalid:{port}: the name is not known")
            .fixedWith("Correct the host in the URL.", URL)
            .row(
                "✗ host … the name is not known",
                "The network does not know the host's name.",
                "Correct the host in the URL."),
        error("never answers")
            .at(DoctorCase.Place.SILENT)
            .names(
                "protocol",
                "localhost:{port} accepts connections, and says nothing: Read timed out")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257.")
            .row(
                "… timed out",
                "something listens and does not answer",
                "check that it is a database, and the firewall"),
        error("hangs up", PLAIN)
            .at(DoctorCase.Place.RUDE)
            .names("protocol", "localhost:{port} closes each connection…")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257."),
        error("speaks HTTP", PLAIN)
            .at(DoctorCase.Place.WEB)
            .names(
                "protocol",
                "localhost:{port} speaks HTTP, not PostgreSQL's protocol: HTTP/1.1 400 Bad"
                    + " Request…")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257.")
            .row(
                "Protocol error. …",
                "something listens there that is no database",
                "correct host and port; the web console is at 8080, SQL at 26257"),
        error("speaks HTTP, and waits for more", PLAIN)
            .at(DoctorCase.Place.PATIENT_WEB)
            .names(
                "protocol",
                "localhost:{port} speaks HTTP, not PostgreSQL's protocol: HTTP/1.0 200 OK…")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257."),
        error("speaks first, and would forge a check", PLAIN)
            .at(DoctorCase.Place.TALKATIVE)
            .names("protocol", "localhost:{port} is no PostgreSQL or CockroachDB: it says gone…")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257."),
        error("a server without TLS, and a URL that wants it", URL + "?sslmode=verify-full")
            .at(DoctorCase.Place.INSECURE)
            .names("protocol", "localhost:{port} has no TLS: that cluster is insecure")
            .fixedBy(
                "jbang bank-doctor"
                    + " --url='postgresql://maxroach@localhost:{port}/bank?sslmode=disable'"),
        error("a server without TLS, and a folder of certificates", "--certs-dir={folder}/certs")
            .at(DoctorCase.Place.INSECURE)
            .names("protocol", "localhost:{port} has no TLS: that cluster is insecure")
            .fixedBy(AGAIN + "?sslmode=disable'")
            .row(
                "The server does not support SSL.",
                "an insecure cluster",
                "`BankInsecure.java`; for `bank-load` a URL with `?sslmode=disable`"),
        error("a server with nothing but TLS", PLAIN)
            .names("protocol", "…no encryption…")
            .fixedWith(
                "That cluster is secure. Ask for encryption:…", URL, "--certs-dir={folder}/certs")
            .row(
                "… no encryption",
                "a secure cluster; CockroachDB says `secure mode`",
                "`BankSecure.java`"),
        error("too many connections")
            .database("ALTER DATABASE {database} CONNECTION LIMIT 0")
            .names("login", "…too many connections…53300…")
            .fixedByHand(
                "Close other connections, wait for that, or allow more.",
                "ALTER DATABASE {database} CONNECTION LIMIT -1")
            .row(
                "… too many connections …",
                "the server has no connection left",
                "end what holds them, or wait"));
  }

  private static List<DoctorCase> authorities() {
    List<DoctorCase> cases = new ArrayList<>();
    cases.add(
        missingAuthority(
                "the CA of another cluster", "server", "… by CN=Cockroach CA, O=Cockroach, and…")
            .certs((certs, ca) -> new Certificates().writeAuthority(certs))
            .row(
                "Signature does not match.",
                "the server's certificate is of another CA than `ca.crt`",
                "this cluster's `ca.crt`"));
    cases.add(
        missingAuthority(
                "no CA",
                "CA",
                "there is no …ca.crt, and Java does not trust CN=Cockroach CA, O=Cockroach")
            .without(AUTHORITY)
            .row(
                "….postgresql/root.crt (No such file or directory)",
                "there is no `ca.crt` in the folder",
                "the right folder for `--certs-dir`, or this cluster's `ca.crt`"));
    cases.add(
        missingAuthority("an empty CA", "CA", "…ca.crt cannot be used: it holds no certificate")
            .with(AUTHORITY, ""));
    cases.add(
        missingAuthority("garbage for a CA", "CA", "…ca.crt cannot be used: …")
            .with(AUTHORITY, "garbage\n"));
    cases.add(
        missingAuthority("half a CA", "CA", "…ca.crt cannot be used: …")
            .edited(AUTHORITY, DoctorTable::half));
    cases.add(
        missingAuthority("a key for a CA", "CA", "…ca.crt cannot be used: …")
            .copied(KEY, AUTHORITY));
    cases.add(
        missingAuthority("the CA's certificate lies elsewhere", "server", "…and not by that CA")
            .before(
                (folder, stage) ->
                    stage.authority.writeAll(Files.createDirectory(folder.resolve("home/certs"))))
            .before((folder, stage) -> new Certificates().writeAuthority(folder.resolve("certs")))
            .fixedBy("jbang bank-doctor --url=… --certs-dir={folder}/home/certs"));
    for (String given :
        List.of("{folder}/nowhere", "~/certs", "{folder}/home/certs/ca.crt", "{folder}/home")) {
      cases.add(
          error(given + " for the folder", "--certs-dir=" + given)
              .before((folder, stage) -> stage.authority.writeAll(folder.resolve("home/certs")))
              .names("server", "localhost:{port} has a certificate by …, and not by that CA")
              .fixedBy("jbang bank-doctor --url=… --certs-dir={folder}/home/certs"));
    }
    cases.add(
        error("sslrootcert=system", URL + "?sslrootcert=system", "--certs-dir={folder}/certs")
            .names("server", "localhost:{port} has a certificate by …, and not by that CA")
            .fixedBy(
                "jbang bank-doctor --url=postgresql://maxroach@localhost:{port}/bank"
                    + " --certs-dir={folder}/certs"));
    cases.add(
        error(
                "sslrootcert that is not there",
                URL + "?sslrootcert=/nowhere/ca.crt",
                "--certs-dir={folder}/certs")
            .names("CA", "/nowhere/ca.crt cannot be used: there is no such file")
            .fixedBy(
                "jbang bank-doctor --url=postgresql://maxroach@localhost:{port}/bank"
                    + " --certs-dir={folder}/certs"));
    return cases;
  }

  private static List<DoctorCase> servers2() {
    return List.of(
        badServer(
                "an expired certificate of the server",
                "bad certificate: it expired at …; the clock here says …")
            .showing(leaf -> leaf.expired(), "localhost")
            .row(
                "NotAfter: …",
                "the server's certificate has ended, or not begun",
                "`cockroach cert create-node`, or the clock set right"),
        badServer(
                "a certificate of tomorrow of the server",
                "bad certificate: it is valid from …; the clock here says …")
            .showing(leaf -> leaf.notYetValid(), "localhost")
            .row(
                "NotBefore: …",
                "the server's certificate has ended, or not begun",
                "`cockroach cert create-node`, or the clock set right"),
        badServer("a self-signed certificate of the server", "…")
            .showing(leaf -> leaf.selfSigned(), "localhost"),
        badServer("a certificate for another host", "…for db.example.com only")
            .showing(leaf -> leaf, "db.example.com")
            .row(
                "The hostname … could not be verified …",
                "the server's certificate is not for this host",
                "a name that was given to `cockroach cert create-node`"),
        error(
                "an address for a certificate of a name",
                "--url=postgresql://maxroach@127.0.0.1:{port}/bank")
            .showing(leaf -> leaf, "localhost")
            .names("server", "127.0.0.1:{port} has a certificate for localhost only")
            .fixedBy(
                "jbang bank-doctor --url=postgresql://maxroach@localhost:{port}/bank"
                    + " --certs-dir={folder}/certs"));
  }

  private static List<DoctorCase> clients() {
    List<DoctorCase> cases = new ArrayList<>();
    cases.add(
        badClient("none, and no password", "there is no …client.maxroach.crt, and no password…")
            .without(CERTIFICATE, KEY)
            .row(
                "no certificate, and no PGPASSWORD",
                "neither is there, nor a terminal to ask at",
                "`cockroach cert create-client`, `--certs-dir` or `PGPASSWORD`"));
    cases.add(
        badClient("no certificate to the key", "…crt cannot be used: there is no such file")
            .without(CERTIFICATE));
    cases.add(
        badClient("empty", "…crt cannot be used: it holds no certificate").with(CERTIFICATE, ""));
    cases.add(badClient("garbage", "…crt cannot be used: …").with(CERTIFICATE, "garbage\n"));
    cases.add(badClient("half", "…crt cannot be used: …").edited(CERTIFICATE, DoctorTable::half));
    cases.add(badClient("the key", "…crt cannot be used: …").copied(KEY, CERTIFICATE));
    cases.add(
        badClient("a folder", "…crt cannot be used: …")
            .asDirectory(CERTIFICATE)
            .fixedBy(CERT + DIRS));
    cases.add(
        badClient("expired", "…crt cannot be used: it expired at …; the clock here says …")
            .certs((certs, ca) -> ca.client("maxroach").expired().write(certs))
            .row(
                "✗ client … cannot be used: it ended at …",
                "the client's certificate has ended; the server just hangs up",
                "`cockroach cert create-client`"));
    cases.add(
        badClient("of tomorrow", "…crt cannot be used: it is valid from …; the clock here says …")
            .certs((certs, ca) -> ca.client("maxroach").notYetValid().write(certs)));
    cases.add(
        badClient("of another CA", "…is by CN=Other CA, O=Other, and not by this CA…")
            .certs(
                (certs, ca) ->
                    new Certificates("O=Other, CN=Other CA").client("maxroach").write(certs))
            .row(
                "… valid client certificate",
                "the client's certificate is of another CA",
                "the certificates of this cluster"));
    cases.add(
        badClient(
                "of another CA of the same name", "…is by CN=Cockroach CA, …, and not by this CA…")
            .certs((certs, ca) -> new Certificates().client("maxroach").write(certs)));
    cases.add(
        badClient("self-signed", "…is by CN=maxroach, …, and not by this CA…")
            .certs((certs, ca) -> ca.client("maxroach").selfSigned().write(certs)));
    cases.add(
        badClient("of another user", "…is for CN=root, O=Cockroach, and not for maxroach…")
            .copied("certs/client.root.crt", CERTIFICATE)
            .copied("certs/client.root.key", KEY)
            .row(
                "… certificate authentication failed for user …",
                "the client's certificate is another user's",
                "the certificate of the URL's user"));
    cases.add(
        badClient("sslcert that is not there", "/nowhere.crt cannot be used: there is no such file")
            .given(URL + "?sslcert=/nowhere.crt&sslkey=/nowhere.key", "--certs-dir={folder}/certs")
            .fixedBy(
                CERT + DIRS + " && jbang bank-doctor --url=…/bank --certs-dir={folder}/certs"));
    cases.add(
        error("another user than the folder's", "--url=postgresql://carl@localhost:{port}/bank")
            .names("client", "there is no …client.carl.crt, and no password…")
            .fixedBy("cockroach cert create-client carl " + DIRS)
            .thenFixedBy(SECURE_SQL));
    return cases;
  }

  private static List<DoctorCase> keys() {
    List<DoctorCase> cases = new ArrayList<>();
    for (String permissions : List.of("rw-r--r--", "rw-rw-rw-", "rw-----w-")) {
      cases.add(
          badKey("for others too, " + permissions, "…key is open to others, as " + permissions)
              .permitted(KEY, permissions)
              .fixedBy("chmod 600 {folder}/" + KEY)
              .row(
                  "… private key file … has group or world access; …",
                  "others can read the key",
                  "`chmod 600`"));
    }
    if (!System.getProperty("user.name").equals("root")) {
      cases.add(
          badKey("not to be read", "…key is not to be read by this user")
              .permitted(KEY, "-w-------")
              .fixedBy("chmod 600 {folder}/" + KEY));
    }
    cases.add(
        badKey("none to the certificate", "…key cannot be used: there is no such file")
            .without(KEY));
    cases.add(badKey("empty", "…key cannot be used: …").with(KEY, ""));
    cases.add(badKey("garbage", "…key cannot be used: …").with(KEY, "garbage\n"));
    cases.add(badKey("half", "…key cannot be used: …").edited(KEY, DoctorTable::half));
    cases.add(
        badKey("damaged in the middle", "…key cannot be used: …")
            .edited(KEY, pem -> pem.replaceAll("(?m)^MII.*$", "!!!!")));
    cases.add(badKey("too short", "…key cannot be used: …").with(KEY, pem("RSA PRIVATE KEY")));
    cases.add(
        badKey("a folder", "…key cannot be used: it is a folder")
            .asDirectory(KEY)
            .fixedBy(CERT + DIRS));
    cases.add(badKey("the certificate", "…key cannot be used: …").copied(CERTIFICATE, KEY));
    cases.add(badKey("OpenSSH's", "…key cannot be used: …").with(KEY, pem("OPENSSH PRIVATE KEY")));
    cases.add(
        badKey("another certificate's", "…key cannot be used: it is not the key of the certificate")
            .certs((certs, ca) -> ca.client("maxroach").withAnotherKey().write(certs))
            .row(
                "✗ key … cannot be used: …",
                "it is no key, damaged, or not that certificate's",
                "`cockroach cert create-client`"));
    cases.add(
        badKey("left from before, in PKCS#8", "…key.pk8 cannot be used: it is not the key of…")
            .certs(
                (certs, ca) ->
                    ca.client("maxroach")
                        .withAnotherKey()
                        .write(certs, Certificates.KeyFormat.PKCS8_DER))
            .fixedBy("cockroach cert create-client maxroach --also-generate-pkcs8-key " + DIRS));
    cases.add(
        badKey("of an elliptic curve, in SEC1's form", "…key is SEC1, which pgjdbc does not read")
            .certs((certs, ca) -> ca.client("maxroach").ellipticCurve().write(certs))
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …")
            .row(
                "✗ key … is SEC1, which pgjdbc does not read",
                "the key is in a form that pgjdbc does not read, or has a password",
                "`openssl pkcs8 -topk8 -nocrypt -outform DER` into a file `….key.pk8` beside it"));
    cases.add(
        badKey("of an elliptic curve, in PKCS#8", "…key is PKCS#8, which pgjdbc does not read")
            .certs(
                (certs, ca) ->
                    ca.client("maxroach")
                        .ellipticCurve()
                        .write(certs, Certificates.KeyFormat.PKCS8_PEM))
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …"));
    cases.add(
        badKey("with a password", "…key is encrypted, which pgjdbc does not read")
            .shell(
                "cd certs && openssl pkcs8 -topk8 -in client.maxroach.key -passout pass:geheim"
                    + " -out new && cat new > client.maxroach.key && rm new")
            .typing("geheim\n")
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …"));
    cases.add(
        badKey("with a password, in PKCS#1", "…key is encrypted, which pgjdbc does not read")
            .shell(
                "cd certs && openssl rsa -traditional -aes128 -in client.maxroach.key"
                    + " -passout pass:geheim -out new && cat new > client.maxroach.key && rm new")
            .typing("geheim\n")
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …"));
    cases.add(
        badKey("sslkey, of an elliptic curve", "…key is SEC1, which pgjdbc does not read")
            .given(
                URL
                    + "?sslcert={folder}/certs/client.maxroach.crt&sslkey={folder}/certs/client.maxroach.key",
                "--certs-dir={folder}/certs")
            .certs((certs, ca) -> ca.client("maxroach").ellipticCurve().write(certs))
            .fixedBy("openssl pkcs8 … && chmod 600 … && jbang bank-doctor --url=…"));
    return cases;
  }

  private static List<DoctorCase> passwords() {
    return List.of(
        withPassword("wrong in the URL", "login", "…password authentication failed…")
            .given("--url=postgresql://maxroach:geheim@localhost:{port}/bank")
            .fixedWith(
                "Correct the password in the URL, PGPASSWORD or ~/.pgpass.",
                "--url=postgresql://maxroach:"
                    + DoctorStage.ENCODED_PASSWORD
                    + "@localhost:{port}/bank")
            .row(
                "… password authentication failed …",
                "a wrong password, or on CockroachDB no such user",
                "correct it in the URL, `PGPASSWORD` or `~/.pgpass`"),
        withPassword("wrong in ~/.pgpass", "login", "…password authentication failed…")
            .with("home/.pgpass", "localhost:*:*:maxroach:geheim\n")
            .permitted("home/.pgpass", "rw-------")
            .fixedByHand(
                "Correct the password in the URL, PGPASSWORD or ~/.pgpass.",
                (folder, stage) ->
                    Files.writeString(
                        folder.resolve("home/.pgpass"),
                        "localhost:*:*:maxroach:" + DoctorStage.PASSWORD + "\n")),
        withPassword("none", "client", "there is no …client.maxroach.crt, and no password…")
            .fixedWith(
                "Make one for this cluster, or have a password in PGPASSWORD:…",
                "--url=postgresql://maxroach:"
                    + DoctorStage.ENCODED_PASSWORD
                    + "@localhost:{port}/bank"),
        error("password: none, where a server without TLS asks for it", PLAIN)
            .at(DoctorCase.Place.WITH_PASSWORD_ALONE)
            .names("login", "…password…")
            .advises("Correct the password in the URL, PGPASSWORD or ~/.pgpass."));
  }

  private static List<DoctorCase> users() {
    String noDatabase = "--url=postgresql://maxroach@localhost:{port}/no_such_database_";
    String noUser = "--url=postgresql://no_such_user_";
    return List.of(
        error("no such database", noDatabase + "1?sslmode=disable")
            .at(DoctorCase.Place.INSECURE)
            .names("database", "…database \"no_such_database_1\" does not exist…")
            .fixedBy(SQL)
            .row(
                "… database … does not exist",
                "a new cluster",
                "`CREATE USER` and `CREATE DATABASE`, as at the top of each script"),
        error("no such database on a secure cluster", noDatabase + "2")
            .names("database", "…database \"no_such_database_2\" does not exist…")
            .fixedBy(SECURE_SQL),
        error(
                "a database's name that wants quotes",
                "--url=postgresql://maxroach@localhost:{port}/It%27s")
            .at(DoctorCase.Place.INSECURE)
            .names("database", "…database \"It's\" does not exist…")
            .fixedBy(SQL),
        error("no such user", noUser + "1@localhost:{port}/bank?sslmode=disable")
            .at(DoctorCase.Place.INSECURE)
            .names("login", "…role \"no_such_user_1\" does not exist…")
            .fixedBy(SQL)
            .row(
                "… role … does not exist",
                "a new cluster",
                "`CREATE USER` and `CREATE DATABASE`, as at the top of each script"),
        error("no such user on a secure cluster", noUser + "2@localhost:{port}/bank")
            .certs((certs, ca) -> ca.client("no_such_user_2").write(certs))
            .names("login", "…role \"no_such_user_2\" does not exist…")
            .fixedBy(SECURE_SQL),
        error(
                "neither user nor database",
                noUser + "3@localhost:{port}/no_such_database_3?sslmode=disable")
            .at(DoctorCase.Place.INSECURE)
            .names("login", "…role \"no_such_user_3\" does not exist…")
            .fixedBy(SQL),
        error(
                "a user who may not log in",
                "--url=postgresql://visitor_{database}@localhost:{port}/{database}")
            .database("CREATE ROLE visitor_{database}")
            .names("login", "…not permitted to log in…")
            .fixedBy(SQL + "'ALTER USER visitor_{database} WITH LOGIN'"));
  }

  private static List<DoctorCase> rights() {
    return List.of(
        error("no right on the database")
            .database(
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "REVOKE ALL ON DATABASE {database} FROM maxroach")
            .names("login", "…permission denied for database…")
            .fixedBy(SQL)
            .row("… permission denied for …", "the user has no rights there", "`GRANT`, as root"),
        noRight("to create tables", "no right to CREATE on SCHEMA public")
            .database("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        noRight("to use the schema", "no right to CREATE on SCHEMA public")
            .database("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        noRight("on accounts", "no right to SELECT on TABLE accounts").database(ACCOUNTS),
        noRight("to write accounts", "no right to INSERT on TABLE accounts")
            .database(ACCOUNTS, "GRANT SELECT ON accounts TO maxroach"),
        noRight("to update accounts", "no right to UPDATE on TABLE accounts")
            .database(ACCOUNTS, "GRANT SELECT, INSERT ON accounts TO maxroach"),
        noRight("to write the ledger", "no right to INSERT on TABLE transfers")
            .database(ACCOUNTS, TRANSFERS, GRANTED, "REVOKE INSERT ON transfers FROM maxroach"),
        noRight("on both tables", "no right to SELECT on TABLE accounts")
            .database(ACCOUNTS, TRANSFERS)
            .thenFixedBy(SQL),
        error("to read only")
            .database(
                ACCOUNTS,
                TRANSFERS,
                GRANTED,
                "ALTER DATABASE {database} SET default_transaction_read_only = on")
            .names("writes", "{database} takes no writes…")
            .fixedBy(SQL)
            .row(
                "… cannot execute … in a read-only transaction",
                "a standby, or a database set to read only",
                "a server that takes writes"),
        error("a clock that is wrong")
            .database(
                "CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql"
                    + " AS $$ SELECT now() + INTERVAL '1 hour' $$",
                "ALTER DATABASE {database} SET search_path = public, pg_catalog")
            .names(
                "clock", "the server's is 3,5… ms ahead of this machine's|the server's is 3,6… ms…")
            .fixedByHand(
                "Set the one that is wrong, this one by:…",
                "DROP FUNCTION public.clock_timestamp()"));
  }

  private static List<DoctorCase> tables() {
    return List.of(
        otherShape(
                "accounts without balance",
                "accounts has no column balance bigint",
                "CREATE TABLE accounts (id INT8 PRIMARY KEY)")
            .row(
                "… column … does not exist",
                "tables of the same names, but of another shape",
                "another database"),
        otherShape(
            "accounts without ID",
            "accounts has no column id bigint…",
            "CREATE TABLE accounts (number INT8, balance INT8)"),
        otherShape(
            "texts for IDs",
            "accounts has no column id bigint…",
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INT8)"),
        otherShape(
            "UUIDs for IDs",
            "accounts has no column id bigint…",
            "CREATE TABLE accounts (id UUID PRIMARY KEY, balance INT8)"),
        otherShape(
            "IDs of two bytes",
            "accounts has no column id bigint…",
            "CREATE TABLE accounts (id INT2 PRIMARY KEY, balance INT8)"),
        otherShape(
            "IDs that may come twice",
            "accounts has no column id bigint unique",
            "CREATE TABLE accounts (id INT8, balance INT8)"),
        otherShape(
            "texts for balances",
            "accounts has no column balance bigint",
            "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance TEXT)"),
        otherShape(
            "accounts that want an owner",
            "accounts has a column owner text, which must be given",
            "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8, owner TEXT NOT NULL)"),
        otherShape(
            "a view of the name accounts",
            "accounts is no table",
            "CREATE VIEW accounts AS SELECT 1::INT8 AS id, 5::INT8 AS balance"),
        otherShape(
            "a sequence of the name accounts", "accounts is no table", "CREATE SEQUENCE accounts"),
        otherShape(
            "a ledger without amounts",
            "transfers has no column source bigint",
            "CREATE TABLE transfers (id UUID PRIMARY KEY)"),
        otherShape(
            "a ledger with numbers for IDs",
            "transfers has no column id uuid unique",
            TRANSFERS.replace("UUID", "INT8")));
  }

  private static List<DoctorCase> urls() {
    List<DoctorCase> cases = new ArrayList<>();
    String begin = "it begins with something else";
    String part = "a host, a port or a name cannot be right";
    for (String[] bad :
        new String[][] {
          {"nonsense", begin},
          {"localhost:26257", begin},
          {"http://maxroach:geheim@localhost:26257/bank", begin},
          {"mysql://maxroach:geheim@localhost/bank", begin},
          {"jdbc:mysql://maxroach:geheim@localhost/bank", begin},
          {"host=localhost port=26257 user=maxroach password=geheim", begin},
          {"'postgresql://maxroach:geheim@localhost/bank'", begin},
          {"postgresql:/localhost/bank", begin},
          {"postgresql:///bank", "it names no host"},
          {"postgresql://maxroach:geheim@local host/bank", part},
          {"postgresql://maxroach:geheim@localhost:port/bank", part},
          {"postgresql://maxroach:geheim@localhost:0/bank", part},
          {"postgresql://maxroach:geheim@localhost:65536/bank", part},
          {"postgresql://maxroach:geheim@localhost:-1/bank", part},
          {"postgresql://maxroach:geheim@localhost:1:2/bank", part},
          {"postgresql://maxroach:geheim@[::1/bank", part},
          {"postgresql://maxroach:geheim@localhost/bank/more", part},
          {"postgresql://maxroach:geheim@localhost/%zz", "%25 stands for a %…"}
        }) {
      cases.add(badUrl(bad[0], bad[1]).fixedWith("…", URL));
    }
    String again = "jbang bank-doctor --url=postgresql://maxroach@localhost:1/bank";
    for (String[] bad :
        new String[][] {
          {"%", "%25 stands for a %…"},
          {"%zz", "%25 stands for a %…"},
          {"@geheim", "%40 stands for an @…"},
          {"/x", "%2F stands for a /…"},
          {"?x", "%3F stands for a ?…"},
          {"/@:?#%", "%25 stands for a %…"}
        }) {
      cases.add(
          badUrl("postgresql://maxroach:geheim" + bad[0] + "@localhost:1/bank", bad[1])
              .advises(again));
    }
    cases.add(
        badUrl(
                "postgresql://maxroach:geheim@x@localhost:1/bank?sslmode=verify-full",
                "%40 stands for an @…")
            .advises(again)
            .row(
                "the URL is not like …",
                "it is not, or a password in it is not encoded",
                "`%40` for an @, `%2F` for a /, `%25` for a %, or the password in `PGPASSWORD`"));
    for (String mode : List.of("allow", "prefer", "require", "verify-ca", "bogus")) {
      cases.add(
          error("sslmode=" + mode, URL + "?sslmode=" + mode, "--certs-dir={folder}/certs")
              .names("URL", "sslmode=" + mode + ", by which nobody checks who the server is")
              .fixedBy(
                  "jbang bank-doctor --url='postgresql://maxroach@localhost:{port}/bank"
                      + "?sslmode=verify-full' --certs-dir={folder}/certs")
              .row(
                  "sslmode must be verify-full…",
                  "with any other mode nobody checks who the server is",
                  "`sslmode=verify-full`, or none"));
    }
    return cases;
  }

  private static DoctorCase error(String name, String... arguments) {
    return new DoctorCase(name, arguments);
  }

  private static DoctorCase missingAuthority(String name, String check, String seen) {
    return error(name)
        .names(check, seen)
        .fixedByHand(
            "Copy ca.crt from a node of that cluster to {folder}/certs.",
            (folder, stage) -> stage.authority.writeAuthority(folder.resolve("certs")));
  }

  private static DoctorCase badServer(String name, String seen) {
    return error(name)
        .names("server", "localhost:{port} has a " + seen)
        .fixedBy("mv … && cockroach cert create-node … " + DIRS + " && pkill -HUP -x cockroach");
  }

  private static DoctorCase badClient(String name, String seen) {
    return error("client's certificate: " + name).names("client", seen).fixedBy(CERT + DIRS);
  }

  private static DoctorCase badKey(String name, String seen) {
    return error("key: " + name).names("key", seen).fixedBy(CERT + DIRS);
  }

  private static DoctorCase withPassword(String name, String check, String seen) {
    return error("password: " + name)
        .at(DoctorCase.Place.WITH_PASSWORD)
        .without(CERTIFICATE, KEY)
        .names(check, seen);
  }

  private static DoctorCase noRight(String name, String seen) {
    return error("no right " + name).names("rights", seen).fixedBy(SQL);
  }

  private static DoctorCase otherShape(String name, String seen, String table) {
    return error(name)
        .database(table, GRANTED)
        .names("tables", seen)
        .fixedBy("cockroach sql … && jbang bank-doctor --url=…_2");
  }

  private static DoctorCase badUrl(String url, String why) {
    return error("URL " + url, "--url=" + url)
        .at(DoctorCase.Place.INSECURE)
        .names("URL", "not like postgresql://user:p%40ss@host:26257/bank: " + why);
  }

  private static String half(String text) {
    return text.substring(0, text.length() / 2);
  }

  private static String pem(String kind) {
    return "-----BEGIN %1$s-----\nMIIB\n-----END %1$s-----\n".formatted(kind);
  }
}
