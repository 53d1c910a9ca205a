package differential;

/** Who acts. Their groups are set by dfs-independent static mapping on both sides: see tests/integration/differential.sh. */
final class Users {
  static final String SUPER = System.getProperty("user.name");
  /** dan is in the supergroup; alice and bob share staff; bob and carol share dev; eve has no group. */
  static final String[] ALL = {SUPER, SUPER, SUPER, "alice", "alice", "alice", "bob", "bob", "carol", "dan", "eve"};
  static final String[] GROUPS = {"staff", "dev", "nobodys", "supergroup", "root"};

  private Users() {
  }
}
