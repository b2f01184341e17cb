/** Tests on the insecure server that all share. */
abstract class OneServer {

  static final Postgres server = SharedServers.insecure();
}
