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
    return "### `%s`\n\n%s\n\n**Fix:** %s\n\n%s\n"
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
                "Nothing listens on that port.",
                "Start the server, or correct the host and the port. A URL without a port means"
                    + " 26257."),
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
            .advises("Look at the server: it hangs, or it is not a database.")
            .row(
                "… timed out",
                "Something listens there, and does not answer.",
                "Check that it is a database, and the firewall."),
        error("takes forever to shake hands")
            .at(DoctorCase.Place.SLOW)
            .names("protocol", "localhost:{port} was not ready after 10 s")
            .advises("Look at the server, and at what stands between:…"),
        error("speaks TLS from the start", PLAIN)
            .at(DoctorCase.Place.HTTPS)
            .names("protocol", "localhost:{port} speaks TLS from the start, as HTTPS does")
            .advises("…DB Console on 8080…"),
        error("hangs up", PLAIN)
            .at(DoctorCase.Place.CLOSING)
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
                "Something listens there that is not a database.",
                "Correct the port. The DB Console is on 8080, SQL on 26257."),
        error("speaks HTTP, and waits for more", PLAIN)
            .at(DoctorCase.Place.WAITING_WEB)
            .names(
                "protocol",
                "localhost:{port} speaks HTTP, not PostgreSQL's protocol: HTTP/1.0 200 OK…")
            .advises("…orrect the…URL: CockroachDB takes SQL on 26257."),
        error("speaks first, and would forge a check", PLAIN)
            .at(DoctorCase.Place.SPEAKING_FIRST)
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
                "The cluster was started with `--insecure`.",
                "Use `BankInsecure.java`, or a URL with `?sslmode=disable` for `bank-load`."),
        error("a server with nothing but TLS", PLAIN)
            .names("protocol", "…no encryption…")
            .fixedWith(
                "That cluster is secure. Ask for encryption:…", URL, "--certs-dir={folder}/certs")
            .row("… no encryption", "The cluster is secure.", "Use `BankSecure.java`."),
        error("too many connections")
            .database("ALTER DATABASE {database} CONNECTION LIMIT 0")
            .names("login", "…too many connections…53300…")
            .fixedByHand(
                "Close other connections, wait until others close theirs, or raise the limit.",
                "ALTER DATABASE {database} CONNECTION LIMIT -1")
            .row(
                "… too many connections …",
                "The server has reached its connection limit.",
                "Close other connections, wait until others close theirs, or raise the limit."));
  }

  private static List<DoctorCase> authorities() {
    List<DoctorCase> cases = new ArrayList<>();
    cases.add(
        missingAuthority(
                "the CA of another cluster", "server", "… by CN=Cockroach CA, O=Cockroach, and…")
            .certs((certs, ca) -> new Certificates().writeAuthority(certs))
            .row(
                "Signature does not match.",
                "The server's certificate was signed by another CA than `ca.crt`.",
                "Copy `ca.crt` from a node of that cluster."));
    cases.add(
        missingAuthority(
                "no CA",
                "CA",
                "there is no …ca.crt, and Java does not trust CN=Cockroach CA, O=Cockroach")
            .without(AUTHORITY)
            .row(
                "unable to find valid certification path to requested target",
                "There is no `ca.crt` in the folder of certificates.",
                "Correct `--certs-dir`, or copy `ca.crt` from a node of that cluster."));
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
                "jbang bank-doctor --url='postgresql://maxroach@localhost:{port}/bank"
                    + "?sslrootcert={folder}/certs/ca.crt' --certs-dir={folder}/certs"));
    cases.add(
        error(
                "sslrootcert that is not there",
                URL + "?sslrootcert=/nowhere/ca.crt",
                "--certs-dir={folder}/certs")
            .names("CA", "/nowhere/ca.crt cannot be used: there is no such file")
            .fixedBy(
                "jbang bank-doctor --url='postgresql://maxroach@localhost:{port}/bank"
                    + "?sslrootcert={folder}/certs/ca.crt' --certs-dir={folder}/certs"));
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
                "The server's certificate has expired, or is not valid yet.",
                "Run `cockroach cert create-node`, or correct the clock."),
        badServer(
                "a certificate of tomorrow of the server",
                "bad certificate: it is valid from …; the clock here says …")
            .showing(leaf -> leaf.notYetValid(), "localhost")
            .row(
                "NotBefore: …",
                "The server's certificate has expired, or is not valid yet.",
                "Run `cockroach cert create-node`, or correct the clock."),
        error("a self-signed certificate of the server")
            .showing(leaf -> leaf.selfSigned(), "localhost")
            .names("server", "localhost:{port} has a certificate by …, and not by that CA")
            .advises("Copy ca.crt from a node of that cluster to {folder}/certs."),
        badServer("a certificate for another host", "certificate for db.example.com only")
            .showing(leaf -> leaf, "db.example.com")
            .row(
                "The hostname … could not be verified …",
                "The server's certificate is not for this host name.",
                "Use a name that was given to `cockroach cert create-node`."),
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
                "… connection requires a valid client certificate",
                "There is no client certificate, or another CA than the cluster's signed it.",
                "Run `cockroach cert create-client` with this cluster's CA, correct"
                    + " `--certs-dir`, or set `PGPASSWORD`."));
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
                "✗ client … cannot be used: it expired at …",
                "The client's certificate has expired. The server only closes the connection.",
                "Run `cockroach cert create-client`, after you rename the old files."));
    cases.add(
        badClient("of tomorrow", "…crt cannot be used: it is valid from …; the clock here says …")
            .certs((certs, ca) -> ca.client("maxroach").notYetValid().write(certs)));
    cases.add(
        badClient("of another CA", "…is by CN=Other CA, O=Other, and not by this CA…")
            .certs(
                (certs, ca) ->
                    new Certificates("O=Other, CN=Other CA").client("maxroach").write(certs)));
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
                "The client's certificate is another user's.",
                "Use the certificate of the URL's user."));
    cases.add(
        badClient("sslcert that is not there", "/nowhere.crt cannot be used: there is no such file")
            .given(URL + "?sslcert=/nowhere.crt&sslkey=/nowhere.key", "--certs-dir={folder}/certs")
            .fixedBy(
                CERT
                    + DIRS
                    + " && jbang bank-doctor --url=…sslcert={folder}/"
                    + CERTIFICATE
                    + "…--certs-dir={folder}/certs"));
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
                  "Other users can read the key.",
                  "Run `chmod 600`."));
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
                "The file holds no key, a damaged one, or another certificate's.",
                "Run `cockroach cert create-client`, after you rename the old files."));
    cases.add(
        badKey("left from before, in PKCS#8", "…key.pk8 cannot be used: it is not the key of…")
            .certs(
                (certs, ca) ->
                    ca.client("maxroach")
                        .withAnotherKey()
                        .write(certs, Certificates.KeyFormat.PKCS8_DER))
            .fixedBy("mv …client.maxroach.key.pk8 …client.maxroach.key.pk8.old"));
    cases.add(
        badKey("of an elliptic curve, in SEC1's form", "…key is SEC1, which pgjdbc does not read")
            .certs((certs, ca) -> ca.client("maxroach").ellipticCurve().write(certs))
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …")
            .row(
                "✗ key … is SEC1, which pgjdbc does not read",
                "The key is in a form that pgjdbc does not read, or has a password.",
                "Convert it: `openssl pkcs8 -topk8 -nocrypt -outform DER`, into another file."));
    cases.add(
        badKey(
                "of an elliptic curve, in PKCS#8",
                "…key is PKCS#8 (EC in PEM), which pgjdbc does not read")
            .certs(
                (certs, ca) ->
                    ca.client("maxroach")
                        .ellipticCurve()
                        .write(certs, Certificates.KeyFormat.PKCS8_PEM))
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …"));
    cases.add(
        badKey(
                "with a password",
                "…key is encrypted (PEM with a password), which pgjdbc does not read")
            .shell(
                "cd certs && openssl pkcs8 -topk8 -in client.maxroach.key -passout pass:geheim"
                    + " -out new && cat new > client.maxroach.key && rm new")
            .typing("geheim\n")
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …"));
    cases.add(
        badKey(
                "with a password, in PKCS#1",
                "…key is encrypted (PEM with a password), which pgjdbc does not read")
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
                "Correct the password in the URL, PGPASSWORD or ~/.pgpass. Or the user is"
                    + " missing,…",
                "--url=postgresql://maxroach:"
                    + DoctorStage.ENCODED_PASSWORD
                    + "@localhost:{port}/bank")
            .row(
                "… password authentication failed …",
                "The password is wrong. CockroachDB says the same if the user is missing or the"
                    + " password has expired.",
                "Correct it in the URL, `PGPASSWORD` or `~/.pgpass`."),
        withPassword("wrong in ~/.pgpass", "login", "…password authentication failed…")
            .with("home/.pgpass", "localhost:*:*:maxroach:geheim\n")
            .permitted("home/.pgpass", "rw-------")
            .fixedByHand(
                "Correct the password in the URL, PGPASSWORD or ~/.pgpass.…",
                (folder, stage) ->
                    Files.writeString(
                        folder.resolve("home/.pgpass"),
                        "localhost:*:*:maxroach:" + DoctorStage.PASSWORD + "\n")),
        withPassword("none", "client", "there is no …client.maxroach.crt, and no password…")
            .fixedWith(
                "Set PGPASSWORD, or create a certificate for this cluster:…",
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
                "The user or the database is missing, as on a new cluster.",
                "Run `CREATE USER` and `CREATE DATABASE` as root."),
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
                "The user or the database is missing, as on a new cluster.",
                "Run `CREATE USER` and `CREATE DATABASE` as root."),
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
            .row(
                "… permission denied for …",
                "The user lacks a privilege there.",
                "Run `GRANT` as root."),
        noRight("to create tables", "no right to CREATE on SCHEMA public")
            .database("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        noRight("to use the schema", "no right to USAGE on SCHEMA public")
            .database("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        noRight("in another schema", "no right to CREATE on SCHEMA \"My app\"")
            .database(
                "CREATE SCHEMA \"My app\"",
                "GRANT USAGE ON SCHEMA \"My app\" TO maxroach",
                "ALTER DATABASE {database} SET search_path = \"My app\""),
        noRight(
                "because of a search_path without a schema",
                "no schema of the search_path exists: app, other")
            .database("ALTER DATABASE {database} SET search_path = app, other")
            .row(
                "… no schema has been selected to create in",
                "The search_path names no schema that exists.",
                "Create the schema, or correct the search_path of the URL, the user or the"
                    + " database."),
        noRight("because of an empty search_path", "no schema of the search_path exists: …")
            .database("ALTER DATABASE {database} SET search_path = ''"),
        noRight("on a table in another schema", "no right to SELECT on TABLE app.accounts")
            .database(
                "CREATE SCHEMA app",
                "GRANT ALL ON SCHEMA app TO maxroach",
                "CREATE TABLE app." + ACCOUNTS.substring("CREATE TABLE ".length()),
                "ALTER DATABASE {database} SET search_path = app, public"),
        noRight("on accounts", "no right to SELECT on TABLE public.accounts").database(ACCOUNTS),
        noRight("to write accounts", "no right to INSERT on TABLE public.accounts")
            .database(ACCOUNTS, "GRANT SELECT ON accounts TO maxroach"),
        noRight("to update accounts", "no right to UPDATE on TABLE public.accounts")
            .database(ACCOUNTS, "GRANT SELECT, INSERT ON accounts TO maxroach"),
        noRight("to write the ledger", "no right to INSERT on TABLE public.transfers")
            .database(ACCOUNTS, TRANSFERS, GRANTED, "REVOKE INSERT ON transfers FROM maxroach"),
        noRight("on both tables", "no right to SELECT on TABLE public.accounts")
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
                "The server is a standby, or the database is read-only.",
                "Use a server that takes writes."),
        error("a clock that is wrong")
            .database(
                "CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql"
                    + " AS $$ SELECT now() + INTERVAL '1 hour' $$",
                "ALTER DATABASE {database} SET search_path = public, pg_catalog")
            .names(
                "clock", "the server's is 3,5… ms ahead of this machine's|the server's is 3,6… ms…")
            .fixedByHand(
                "Correct the clock that is wrong, this machine's with:…",
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
                "There are tables with these names, but with other columns.",
                "Use another database."),
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
            "accounts has no primary key or unique index on id alone",
            "CREATE TABLE accounts (id INT8, balance INT8)"),
        otherShape(
            "texts for balances",
            "accounts has no column balance bigint",
            "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance TEXT)"),
        otherShape(
            "accounts that want an owner",
            "accounts has a column owner text, which must have a value",
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
            "transfers has no column id uuid",
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
    String again = "…jbang bank-doctor --url=…postgresql://maxroach@localhost:1/bank…";
    for (String[] bad :
        new String[][] {
          {"%", "%25 stands for a %…"},
          {"%zz", "%25 stands for a %…"},
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
                "postgresql://maxroach:geheim/x@localhost:1/bank?sslmode=verify-full",
                "%2F stands for a /…")
            .advises(again)
            .row(
                "--url or DATABASE_URL is not like …",
                "The URL is wrong, or a character in its password is not encoded.",
                "Write `%2F` for a /, `%25` for a %, `%23` for a #, or use `PGPASSWORD`."));
    for (String mode : List.of("allow", "prefer", "require", "verify-ca", "bogus")) {
      cases.add(
          error("sslmode=" + mode, URL + "?sslmode=" + mode, "--certs-dir={folder}/certs")
              .names("URL", "sslmode=" + mode + " does not verify who the server is")
              .fixedBy(
                  "jbang bank-doctor --url='postgresql://maxroach@localhost:{port}/bank"
                      + "?sslmode=verify-full' --certs-dir={folder}/certs")
              .row(
                  "the URL's sslmode must be verify-full…",
                  "Any other mode does not verify who the server is.",
                  "Use `sslmode=verify-full`, or no `sslmode`."));
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
