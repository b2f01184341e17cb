import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The broken environments that the doctor is tried on. */
final class DoctorTable {

  private static final String URL = "postgresql://maxroach@localhost:{port}/{database}";
  private static final String CERTIFICATE = "certs/client.maxroach.crt";
  private static final String KEY = "certs/client.maxroach.key";
  private static final String AUTHORITY = "certs/ca.crt";
  private static final String DIRS =
      " --certs-dir={folder}/certs --ca-key={folder}/my-safe-directory/ca.key";
  private static final String CREATE_CLIENT = "cockroach cert create-client maxroach" + DIRS;
  private static final String CORRECT =
      "Correct the host and the port in the URL: CockroachDB takes SQL on 26257.";
  private static final String WEB_SERVER =
      "That is a web server, such as the DB Console on 8080. " + CORRECT;
  private static final String SQL = "cockroach sql --insecure --host=localhost:{port} ";
  private static final String SQL_IN = SQL + "--database={database} --execute='";

  private static final String ACCOUNTS =
      "CREATE TABLE accounts (id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0))";
  private static final String TRANSFERS =
      "CREATE TABLE transfers (id UUID PRIMARY KEY, source INT8 NOT NULL, target INT8 NOT NULL,"
          + " amount INT8 NOT NULL, created_at TIMESTAMPTZ NOT NULL)";
  private static final String GRANT = "GRANT ALL ON ALL TABLES IN SCHEMA public TO maxroach";

  private DoctorTable() {}

  /** Every case but those that take seconds. */
  static List<DoctorCase> all() {
    return Stream.of(
            hosts(),
            authorities(),
            folders(),
            servers(),
            clients(),
            keys(),
            logins(),
            rightsAndTables(),
            urls())
        .flatMap(List::stream)
        .toList();
  }

  /** What the doctor has to wait for, each at most ten seconds. */
  static List<DoctorCase> slow() {
    return List.of(
        fake("never answers", DoctorTable::readOn, "accepts connections, and says nothing: …")
            .advises("Look at the server: it hangs, or it is not a database.")
            .says("… timed out"),
        fake("takes forever to shake hands", DoctorTable::shakeHandsSlowly, "was not ready…10 s")
            .advises("Look at the server, and at what stands between:…"),
        fake("waits for a request", DoctorTable::answerGet, "speaks HTTP, …: HTTP/1.0 200 OK")
            .advises(WEB_SERVER));
  }

  /** Forms of keys and certificates, which BankSecure can use or not. */
  static List<DoctorCase> forms() {
    String der = "openssl pkcs8 -topk8 -outform DER -in $1.key -out k";
    String pem = "openssl pkcs8 -topk8 -nocrypt -in $1.key -out ";
    String pbes1 = der + " -v1 PBE-SHA1-3DES -passout pass:geheim";
    String p12 = "openssl pkcs12 -export -inkey $1.key -in $1.crt -passout pass:geheim -out ";
    String secret = "&sslpassword=geheim";
    List<DoctorCase> forms = new ArrayList<>();
    for (DoctorCase.Issue issue :
        List.<DoctorCase.Issue>of((certs, ca) -> {}, DoctorTable::issueCurve)) {
      forms.add(form("k", "cp $1.key k", "").issuing(issue));
      forms.add(form("k", pem + "k", "").issuing(issue));
      forms.add(form("k.pem", pem + "k.pem", "").issuing(issue));
      forms.add(form("k", pem + "k", "&pemKeyAlgorithm=EC").issuing(issue));
      forms.add(form("k", der + " -nocrypt", "").issuing(issue));
      forms.add(form("k", pbes1, secret).issuing(issue));
      forms.add(form("k.p12", p12 + "k.p12 -name user", secret).issuing(issue));
    }
    forms.add(form("k", "(echo 'Bag Attributes'; " + pem + "/dev/stdout) >k", ""));
    forms.add(form("k.der", der + ".der -nocrypt", ""));
    forms.add(form("k", der + " -v2 aes-256-cbc -passout pass:geheim", secret));
    forms.add(form("k", pbes1, ""));
    forms.add(form("k", pbes1, "&sslpassword=wrong"));
    forms.add(form("k", "openssl pkcs8 -topk8 -in $1.key -passout pass:geheim -out k", ""));
    forms.add(form("k", "openssl rsa -traditional -outform DER -in $1.key -out k", ""));
    forms.add(form("k.p12", p12 + "k.p12 -name user", ""));
    forms.add(form("k.p12", p12 + "k.p12 -name user", "&sslpassword=wrong"));
    forms.add(form("k.p12", p12 + "k.p12", secret));
    forms.add(form("k.key", p12 + "k.key -name user", secret));
    forms.add(form("k", pem + "k && cat ca.crt >>$1.crt", ""));
    forms.add(
        form("k", pem + "k && openssl x509 -in $1.crt -outform DER -out c && mv c $1.crt", ""));
    return forms;
  }

  /** A form that is made in the folder of certificates from $1.key and $1.crt. */
  private static DoctorCase form(String key, String made, String parameters) {
    String files = "?sslrootcert=%1$sca.crt&sslkey=%1$s%2$s&sslcert=%1$sclient.maxroach.crt%3$s";
    return error(made + " " + parameters)
        .after("set client.maxroach && cd certs && " + made + " && chmod 600 " + key)
        .url(URL + files.formatted("{folder}/certs/", key, parameters))
        .certsDir("/nowhere");
  }

  private static void issueCurve(Path certs, Certificates authority) throws IOException {
    authority.client("maxroach").ellipticCurve().write(certs);
  }

  private static List<DoctorCase> hosts() {
    return List.of(
        error("nothing listens")
            .at(DoctorCase.Place.NOTHING)
            .plain()
            .names("host", "localhost:{port}: Connection refused")
            .advises(
                "Start the server, or correct the host and the port in the URL: cockroach"
                    + " start-single-node --insecure --listen-addr=localhost:{port} --background")
            .says("Connection refused"),
        error("nothing listens, of a secure cluster")
            .at(DoctorCase.Place.NOTHING)
            .names("host", "localhost:{port}: Connection refused")
            .advises("…--certs-dir={folder}/certs --listen-addr=localhost:{port} --background"),
        error("one of two hosts is down")
            .url("postgresql://maxroach@localhost:{port},127.0.0.1:1/{database}")
            .names("host", "127.0.0.1:1: Connection refused")
            .advises("Start the server, or correct the host and the port in the URL:…"),
        error("an unknown host")
            .url("postgresql://maxroach@no-such-host.invalid:{port}/bank")
            .names("host", "no-such-host.invalid:{port}: the name is not known")
            .advises("Correct the host in the URL.")
            .says("✗ host … the name is not known"),
        fake("HTTPS", answering("\025\003\001\000\002\002F"), "speaks TLS from the start, …")
            .advises(WEB_SERVER),
        fake("a load balancer with nothing behind it", Socket::close, "closes each connection…")
            .advises("If it is a load balancer, start the nodes behind it.…" + CORRECT),
        fake("HTTP", answering("HTTP/1.1 400 Bad Request\r\n\r\n"), "speaks HTTP, …: HTTP/1.1 400…")
            .plain()
            .advises(WEB_SERVER)
            .says("Protocol error. …"),
        fake("SMTP", answering("220 mail"), "is no PostgreSQL or CockroachDB: it says 220 mail")
            .advises(CORRECT),
        error("a server without TLS, and a folder of certificates")
            .at(DoctorCase.Place.INSECURE)
            .names("protocol", "localhost:{port} has no TLS: that cluster is insecure")
            .fixedBy("jbang bank-doctor --url='" + URL + "?sslmode=disable'")
            .says("The server does not support SSL."),
        error("a server with nothing but TLS")
            .plain()
            .names("protocol", "…no encryption…")
            .advises(
                "…Ask for encryption: jbang bank-doctor --url='" + URL + "?sslmode=verify-full'")
            .says("… no encryption"));
  }

  private static List<DoctorCase> authorities() {
    return List.of(
        badAuthority("of another cluster", "server", "… by CN=Cockroach CA, …, and not by that CA")
            .issuing((certs, ca) -> new Certificates().writeAuthority(certs))
            .says("Signature does not match."),
        badAuthority(
                "none", "CA", "there is no …ca.crt, and Java does not trust CN=Cockroach CA, …")
            .after("rm " + AUTHORITY)
            .says("unable to find valid certification path to requested target"),
        badAuthority("empty", "CA", "…ca.crt cannot be used: it holds no certificate")
            .after(": >" + AUTHORITY),
        badAuthority("half", "CA", "…ca.crt cannot be used: …")
            .after("truncate --size=500 " + AUTHORITY),
        badAuthority(
                "Java's", "server", "localhost:{port} has a certificate by …, and not by that CA")
            .url(URL + "?sslrootcert=system")
            .fixedBy(
                "jbang bank-doctor --url='%s?sslrootcert={folder}/%s' --certs-dir={folder}/certs"
                    .formatted(URL, AUTHORITY)));
  }

  private static List<DoctorCase> folders() {
    return Stream.of("{folder}/nowhere", "~/certs", "{folder}/home/certs/ca.crt", "{folder}/home")
        .map(
            given ->
                error(given + " for the folder")
                    .certsDir(given)
                    .after("mv certs home")
                    .names("server", "localhost:{port} has a certificate by …, and not by that CA")
                    .fixedBy("jbang bank-doctor --url=" + URL + " --certs-dir={folder}/home/certs"))
        .toList();
  }

  private static List<DoctorCase> servers() {
    return List.of(
        badServer("localhost", "a bad certificate: it expired at …; the clock here says …")
            .showing(ca -> ca.node("localhost").expired())
            .says("NotAfter: …"),
        badServer("localhost", "a bad certificate: it is valid from …; the clock here says …")
            .showing(ca -> ca.node("localhost").notYetValid())
            .says("NotBefore: …"),
        badServer("db.example.com localhost", "a certificate for db.example.com only")
            .showing(ca -> ca.node("db.example.com"))
            .says("The hostname … could not be verified …"),
        error("an address for a certificate of a name")
            .showing(ca -> ca.node("localhost"))
            .url("postgresql://client@127.0.0.1:{port}/{database}")
            .names("server", "127.0.0.1:{port} has a certificate for localhost only")
            .advises(
                "Use a name that it is for: jbang bank-doctor"
                    + " --url=postgresql://client@localhost:{port}/{database}"
                    + " --certs-dir={folder}/certs"));
  }

  private static List<DoctorCase> clients() {
    return List.of(
        badClient("none, and no password", "there is no …client.maxroach.crt, and no password…")
            .after("rm " + CERTIFICATE + " " + KEY)
            .says("… connection requires a valid client certificate"),
        badClient("empty", "…crt cannot be used: it holds no certificate")
            .after(": >" + CERTIFICATE),
        badClient("half", "…crt cannot be used: …").after("truncate --size=500 " + CERTIFICATE),
        badClient("expired", "…crt cannot be used: it expired at …; the clock here says …")
            .issuing((certs, ca) -> ca.client("maxroach").expired().write(certs))
            .says("✗ client … cannot be used: it expired at …"),
        badClient("of another CA of the same name", "…is by CN=Cockroach CA, …, and not by this…")
            .issuing((certs, ca) -> new Certificates().client("maxroach").write(certs)),
        badClient("of another user", "…is for CN=root, O=Cockroach, and not for maxroach…")
            .after("cd certs; for i in crt key; do cp client.root.$i client.maxroach.$i; done")
            .says("… certificate authentication failed for user …"),
        badClient("sslcert that is not there", "/nowhere.crt cannot be used: there is no such file")
            .url(URL + "?sslcert=/nowhere.crt&sslkey=/nowhere.key")
            .fixedBy(CREATE_CLIENT + " && jbang bank-doctor --url=…sslcert={folder}/certs/…"),
        error("another user than the folder's")
            .url("postgresql://carl@localhost:{port}/{database}")
            .names("client", "there is no …client.carl.crt, and no password…")
            .fixedBy("cockroach cert create-client carl" + DIRS)
            .twice());
  }

  private static List<DoctorCase> keys() {
    return List.of(
        badKey("is open to others, as rw-r--r--")
            .after("chmod 644 " + KEY)
            .fixedBy("chmod 600 {folder}/" + KEY)
            .says("… private key file … has group or world access; …"),
        badKey("cannot be used: there is no such file").after("rm " + KEY),
        badKey("cannot be used: it is no key …").after("echo garbage >" + KEY),
        badKey("cannot be used: it is a damaged key …").after("truncate --size=500 " + KEY),
        badKey("cannot be used: it is a folder").after("rm " + KEY + "; mkdir " + KEY),
        badKey("cannot be used: it is a certificate, and no key …")
            .after("cat " + CERTIFICATE + " >" + KEY),
        badKey("cannot be used: it is an OpenSSH key, which pgjdbc does not read…")
            .after("sed -i 's/RSA PRIVATE/OPENSSH PRIVATE/' " + KEY),
        badKey("cannot be used: it is not the key of the certificate")
            .issuing((certs, ca) -> ca.client("maxroach").withAnotherKey().write(certs))
            .says("✗ key … cannot be used: …"),
        badKey("pk8 cannot be used: it is not the key of the certificate")
            .issuing(
                (certs, ca) ->
                    ca.client("maxroach")
                        .withAnotherKey()
                        .write(certs, Certificates.KeyFormat.PKCS8_DER))
            .fixedBy("mv …client.maxroach.key.pk8 …client.maxroach.key.pk8.old"),
        badKey("is SEC1, which pgjdbc does not read")
            .issuing(DoctorTable::issueCurve)
            .fixedBy("openssl pkcs8 -topk8 -nocrypt -in … && chmod 600 …")
            .says("✗ key … is SEC1, which pgjdbc does not read"));
  }

  private static List<DoctorCase> logins() {
    return List.of(
        error("a wrong password")
            .url("postgresql://clerk:geheim@localhost:{port}/{database}")
            .names("login", "…password authentication failed…")
            .advises(
                "Correct the password in the URL, PGPASSWORD or ~/.pgpass. Or the user is"
                    + " missing, or the password has expired (VALID UNTIL).")
            .says("… password authentication failed …"),
        error("no password")
            .url("postgresql://clerk@localhost:{port}/{database}")
            .names("client", "there is no …client.clerk.crt, and no password…")
            .advises("Set PGPASSWORD, or create a certificate for this cluster:…"),
        error("no such database")
            .insecure()
            .url("postgresql://maxroach@localhost:{port}/It%27s")
            .names("database", "…database \"It's\" does not exist…")
            .fixedBy(SQL + "--execute='CREATE USER IF NOT EXISTS maxroach; CREATE DATABASE…")
            .says("… database … does not exist"),
        error("neither user nor database")
            .insecure()
            .url("postgresql://no_such_user@localhost:{port}/no_such_database")
            .names("login", "…role \"no_such_user\" does not exist…")
            .fixedBy(SQL + "--execute='CREATE USER IF NOT EXISTS no_such_user; CREATE…")
            .says("… role … does not exist"),
        error("too many connections")
            .database("ALTER DATABASE {database} CONNECTION LIMIT 0")
            .names("login", "…too many connections…53300…")
            .advises("Close other connections, wait until others close theirs, or raise the limit.")
            .says("… too many connections …"),
        error("no right on the database")
            .database(
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "REVOKE ALL ON DATABASE {database} FROM maxroach")
            .names("login", "…permission denied for database…")
            .fixedBy(SQL + "--execute='GRANT ALL ON DATABASE {database} TO maxroach'")
            .says("… permission denied for …"));
  }

  private static List<DoctorCase> rightsAndTables() {
    String none = "no schema of the search_path exists: ";
    String accounts = "CREATE TABLE accounts ";
    return List.of(
        badRights("no right to USAGE on SCHEMA public", "GRANT ALL ON SCHEMA public TO maxroach")
            .database("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        badRights("no right to CREATE on SCHEMA \"My app\"", "GRANT ALL ON SCHEMA \"My app\" TO …")
            .database(
                "CREATE SCHEMA \"My app\"",
                "GRANT USAGE ON SCHEMA \"My app\" TO maxroach",
                "ALTER DATABASE {database} SET search_path = \"My app\""),
        badRights(none + "app, other", "CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION maxroach")
            .database("ALTER DATABASE {database} SET search_path = app, other")
            .says("… no schema has been selected to create in"),
        badRights(none + "…", "ALTER ROLE maxroach IN DATABASE {database} SET search_path = public")
            .database("ALTER DATABASE {database} SET search_path = ''"),
        badRights(
                "no right to UPDATE on TABLE public.accounts",
                "GRANT ALL ON TABLE public.accounts TO maxroach")
            .database(ACCOUNTS, "GRANT SELECT, INSERT ON accounts TO maxroach"),
        badRights("no right to SELECT on TABLE public.accounts", "GRANT ALL ON TABLE…")
            .database(ACCOUNTS, TRANSFERS)
            .twice(),
        error("to read only")
            .database(
                ACCOUNTS,
                TRANSFERS,
                GRANT,
                "ALTER DATABASE {database} SET default_transaction_read_only = on")
            .names("writes", "{database} takes no writes…")
            .fixedBy(
                SQL + "--execute='ALTER DATABASE {database} SET default_transaction_read_only…")
            .says("… cannot execute … in a read-only transaction"),
        error("a clock that is wrong")
            .database(
                "CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql"
                    + " AS $$ SELECT now() + INTERVAL '1 hour' $$",
                "ALTER DATABASE {database} SET search_path = public, pg_catalog")
            .names("clock", "the server's is 3,… ms ahead of this machine's")
            .advises("Correct the clock that is wrong, …: sudo timedatectl set-ntp true"),
        badTable("accounts has no column balance bigint", accounts + "(id INT8 PRIMARY KEY)")
            .says("… column … does not exist"),
        badTable(
            "accounts has no column id bigint…", accounts + "(id INT2 PRIMARY KEY, balance INT8)"),
        badTable(
            "accounts has no primary key or unique index on id alone",
            accounts + "(id INT8, balance INT8)"),
        badTable(
            "accounts has a column owner text, which must have a value",
            accounts + "(id INT8 PRIMARY KEY, balance INT8, owner TEXT NOT NULL)"),
        badTable(
            "accounts is no table",
            "CREATE VIEW accounts AS SELECT 1::INT8 AS id, 5::INT8 AS balance"),
        badTable("transfers has no column id uuid", TRANSFERS.replace("UUID", "INT8")));
  }

  private static List<DoctorCase> urls() {
    String begin = "it begins with something else";
    String part = "a host, a port or a name cannot be right";
    List<DoctorCase> cases = new ArrayList<>();
    cases.add(badUrl("jdbc:mysql://maxroach:geheim@localhost/bank", begin));
    cases.add(badUrl("host=localhost port=26257 user=maxroach password=geheim", begin));
    cases.add(badUrl("postgresql:///bank", "it names no host"));
    cases.add(badUrl("postgresql://localhost/%zz", "%25 stands for a % in a password"));
    for (String host : List.of("local host", "localhost:x", "localhost:0", "h:65536", "[::1")) {
      cases.add(badUrl("postgresql://maxroach:geheim@" + host + "/bank", part));
    }
    cases.add(badPassword("%zz", "%25 stands for a %"));
    cases.add(badPassword("/x", "%2F stands for a /").says("--url or DATABASE_URL is not like …"));
    cases.add(badPassword("?x", "%3F stands for a ?"));
    cases.add(badPassword("#x", "%23 stands for a #"));
    cases.add(
        error("sslmode=require")
            .url(URL + "?sslmode=require")
            .names("URL", "sslmode=require does not verify who the server is")
            .fixedBy("jbang bank-doctor --url='" + URL + "?sslmode=verify-full' --certs-dir=…")
            .says("the URL's sslmode must be verify-full…"));
    for (String variable : List.of("$HOME", "${HOME}", "%APPDATA%")) {
      cases.add(
          error(variable + ", which the shell did not replace")
              .url("postgresql://localhost/bank?sslrootcert=" + variable + "/certs/ca.crt")
              .names("URL", "…did not replace " + variable + "…")
              .advises("Give the path itself: jbang …sslrootcert=/home/u/certs/ca.crt'…"));
    }
    String secrets = "?PASSWORD=geheim1&Password=geheim2&application_name=a%20b&sslmode=require";
    cases.add(
        error("a URL with all kinds of passwords")
            .url("postgresql://u:geheim3@localhost/b" + secrets + "&sslpassword=geheim")
            .names("URL", "sslmode=require does not verify who the server is")
            .advises(
                "Have it verified (with the password in PGPASSWORD and the key's password in"
                    + " SSLPASSWORD): jbang bank-doctor"
                    + " --url='postgresql://u@localhost/b?application_name=a%20b"
                    + "&sslmode=verify-full&sslpassword='\"$SSLPASSWORD\" …"));
    return cases;
  }

  private static DoctorCase error(String name) {
    return new DoctorCase(name);
  }

  private static DoctorCase fake(String name, FakeServer.Behavior behavior, String seen) {
    return error(name).at(behavior).names("protocol", "localhost:{port} " + seen);
  }

  private static DoctorCase badAuthority(String name, String check, String seen) {
    return error("a CA: " + name)
        .names(check, seen)
        .advises("Copy ca.crt from a node of that cluster to {folder}/certs.");
  }

  private static DoctorCase badServer(String names, String seen) {
    return error("a server with " + seen)
        .names("server", "localhost:{port} has " + seen)
        .advises(
            ("…Create another certificate on the machine of that node: mv %1$s.crt %1$s.crt.old &&"
                    + " mv %1$s.key %1$s.key.old && cockroach cert create-node %2$s%3$s"
                    + " && pkill -HUP -x cockroach")
                .formatted("{folder}/certs/node", names, DIRS));
  }

  private static DoctorCase badClient(String name, String seen) {
    return error("client's certificate: " + name)
        .names("client", seen)
        .fixedBy("…" + CREATE_CLIENT);
  }

  private static DoctorCase badKey(String seen) {
    return error("a key that " + seen)
        .names("key", "{folder}/" + KEY + "…" + seen)
        .fixedBy("…" + CREATE_CLIENT);
  }

  private static DoctorCase badRights(String seen, String fix) {
    return error(seen).names("rights", seen).fixedBy(SQL_IN + fix + "…");
  }

  private static DoctorCase badTable(String seen, String table) {
    return error(table)
        .database(table, GRANT)
        .names("tables", seen)
        .fixedBy(SQL + "… && jbang bank-doctor --url=" + URL + "_2");
  }

  private static DoctorCase badUrl(String url, String why) {
    return error("URL " + url)
        .at(DoctorCase.Place.NOTHING)
        .url(url)
        .names("URL", "not like postgresql://user:p%40ss@host:26257/bank: " + why)
        .advises("Correct the URL.");
  }

  private static DoctorCase badPassword(String end, String why) {
    return badUrl(
            "postgresql://maxroach:geheim" + end + "@localhost:1/bank?sslmode=verify-full",
            why + " in a password")
        .advises(
            "Leave the password out of the URL, and put it, as it is, into PGPASSWORD: jbang"
                + " bank-doctor --url='postgresql://maxroach@localhost:1/bank?sslmode=verify-full'"
                + " --certs-dir={folder}/certs");
  }

  // ---- What is no database ----

  /** Answers the request for TLS with this. */
  static FakeServer.Behavior answering(String words) {
    return client -> {
      client.getInputStream().read(new byte[8]);
      client.getOutputStream().write(words.getBytes(StandardCharsets.UTF_8));
      client.shutdownOutput();
      readOn(client);
    };
  }

  private static void readOn(Socket client) throws IOException {
    client.getInputStream().transferTo(OutputStream.nullOutputStream());
  }

  /** Answers to HTTP's GET only. */
  private static void answerGet(Socket client) throws IOException {
    if (client.getInputStream().read() == 'G') {
      answering("HTTP/1.0 200 OK\r\n\r\n").serve(client);
    }
    readOn(client);
  }

  /** Offers TLS, and sends a byte of the handshake every 1.5 s. */
  private static void shakeHandsSlowly(Socket client) throws IOException {
    client.getInputStream().read(new byte[8]);
    client.getOutputStream().write('S');
    // The start of a record of TLS 1.2 with 16,000 bytes.
    byte[] record = {22, 3, 3, 62, (byte) 128};
    for (int i = 0; ; i++) {
      try {
        Thread.sleep(1_500);
      } catch (InterruptedException e) {
        return;
      }
      client.getOutputStream().write(i < record.length ? record[i] : 0);
    }
  }
}
