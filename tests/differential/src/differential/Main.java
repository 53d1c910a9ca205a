package differential;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.XAttr;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.hdfs.protocol.DirectoryListing;
import org.apache.hadoop.hdfs.protocol.HdfsFileStatus;

/**
 * Main THEIR_URL OUR_URL: the same seeded sequence of operations on both; prints each difference, last the totals.
 * The sequence is cut into rounds; each has a tree of its own, so that one difference can't cause others for ever, and
 * ends with a comparison of all that is in the tree. -Ddiff.ops, -Ddiff.seed, -Ddiff.round=N (only that one),
 * -Ddiff.excluded=FILE (lines: operation TAB pattern of "theirs | ours" TAB reason).
 */
public final class Main {
  private static final int ROUND = 200;
  private static final int SHOWN_PER_KIND = Integer.getInteger("diff.shown", 3);

  private final Cluster theirs;
  private final Cluster ours;
  private final long seed = Long.getLong("diff.seed", 1);
  private final PrintStream out = new PrintStream(System.out, true, "UTF-8");
  private final List<String[]> excluded = new ArrayList<>();
  private final Map<String, Integer> kinds = new TreeMap<>();
  private final Map<String, Integer> set_aside = new TreeMap<>();
  private long operations;
  private long succeeded;
  private long differences;
  private int round;

  private Main(String a, String b) throws Exception {
    Configuration conf = new Configuration();
    conf.set("dfs.replication", "1");
    conf.setLong("dfs.namenode.fs-limits.min-block-size", 1);
    conf.setInt("ipc.client.connect.max.retries", 0);
    conf.setInt("ipc.client.rpc-timeout.ms", 10000);
    conf.setInt("dfs.client.block.write.locateFollowingBlock.retries", 8);
    theirs = new Cluster("theirs", a, conf);
    ours = new Cluster("ours", b, conf);
    String file = System.getProperty("diff.excluded");
    if (file != null) {
      for (String line : Files.readAllLines(Paths.get(file), StandardCharsets.UTF_8)) {
        if (!line.isEmpty() && !line.startsWith("#")) {
          excluded.add(line.split("\t+"));
        }
      }
    }
  }

  private static String run(Op op, Cluster c) {
    try {
      return Show.of(op.deed.on(c));
    } catch (Throwable t) {
      return Show.error(t);
    }
  }

  private static String brief(String s) {
    String t = s.replace("\n", "\\n");
    return t.length() > 900 ? t.substring(0, 900) + "..." : t;
  }

  /** Whether what follows can still be the same: both did it, or neither. */
  private boolean compare(Op op, String a, String b) {
    if (a.equals(b)) {
      return true;
    }
    for (String[] e : excluded) {
      if ((op.name.matches(e[0]) || op.toString().matches(e[0])) && Pattern.compile(e[1], Pattern.DOTALL).matcher(a + " | " + b).find()) {
        set_aside.merge(e[0] + ": " + (e.length > 2 ? e[2] : ""), 1, Integer::sum);
        return a.startsWith("!") == b.startsWith("!");
      }
    }
    differences++;
    String kind = op.name + ": " + kind(a) + " | " + kind(b);
    int seen = kinds.merge(kind, 1, Integer::sum);
    if (seen <= SHOWN_PER_KIND) {
      out.println("DIFFERENT #" + operations + " seed " + seed + " round " + round + ": " + brief(op.toString()) + "\n  theirs: " + brief(a) + "\n  ours:   " + brief(b));
    }
    return a.startsWith("!") == b.startsWith("!");
  }

  /** A NameNode of Java that refuses a name has already made the missing parents; ours hasn't. */
  private static boolean leavesParents(Op op, String a) {
    return (op.name.equals("mkdirs") || op.name.equals("create") || op.name.equals("createSymlink") || op.name.equals("write"))
        && (a.contains("PathComponentTooLong") || a.contains("is a reserved name") || a.contains("QuotaExceeded") || a.contains("Cannot find a block policy") || a.contains("is reserved and cannot be created"));
  }

  private static String kind(String s) {
    return s.startsWith("!") ? s.substring(1, Math.max(1, s.indexOf(':') < 0 ? s.length() : s.indexOf(':'))) : "a result";
  }

  /** Operations on "/" are part of the test, but each round starts with the same root. */
  private static void resetRoot(ClientProtocol rpc) throws Exception {
    rpc.removeAcl("/");
    rpc.setOwner("/", Users.SUPER, "supergroup");
    rpc.setPermission("/", new FsPermission((short) 0755));
    rpc.setTimes("/", 1, -1);
    for (XAttr x : rpc.listXAttrs("/.reserved/raw")) {
      rpc.removeXAttr("/.reserved/raw", x);
    }
    ask(() -> rpc.unsetStoragePolicy("/"));
    ask(() -> rpc.setQuota("/", Long.MAX_VALUE - 1, -1, null));
    for (StorageType t : StorageType.values()) {
      ask(() -> rpc.setQuota("/", Long.MAX_VALUE, -1, t));
    }
  }

  private interface Step {
    void run() throws Exception;
  }

  private static void ask(Step s) {
    try {
      s.run();
    } catch (Exception e) {
      return; // what one side can't do is found by the comparison
    }
  }

  private void round() throws Exception {
    String base = "/t" + round;
    Maker maker = new Maker(seed * 1_000_003 + round, base);
    for (Cluster c : new Cluster[] {theirs, ours}) {
      resetRoot(c.rpc(Users.SUPER));
      c.rpc(Users.SUPER).mkdirs(base, new FsPermission((short) (round % 3 == 0 ? 01777 : 0777)), true);
      c.rpc(Users.SUPER).setPermission(base, new FsPermission((short) (round % 3 == 0 ? 01777 : 0777)));
    }
    boolean same = true;
    for (int i = 0; i < ROUND && same; i++) {
      Op op = maker.next(i < 40);
      operations++;
      String a = run(op, theirs);
      String b = run(op, ours);
      succeeded += a.startsWith("!") ? 0 : 1;
      same = compare(op, a, b) && !leavesParents(op, a);
      if (Boolean.getBoolean("diff.trace")) {
        out.println("#" + operations + " " + brief(op.toString()) + " -> " + brief(a));
      }
    }
    if (same) {
      Map<String, String> a = new TreeMap<>(), b = new TreeMap<>();
      walk(theirs, base, a, 0);
      walk(ours, base, b, 0);
      for (String path : a.keySet()) {
        compare(new Op("tree", Users.SUPER, path, null), a.get(path), b.getOrDefault(path, "nothing"));
      }
      for (String path : b.keySet()) {
        if (!a.containsKey(path)) {
          compare(new Op("tree", Users.SUPER, path, null), "nothing", b.get(path));
        }
      }
    }
    for (Cluster c : new Cluster[] {theirs, ours}) {
      c.rpc(Users.SUPER).delete(base, true);
      c.rpc(Users.SUPER).delete("/nothere", true);
    }
  }

  private static String ask(Cluster c, String path) {
    StringBuilder s = new StringBuilder();
    Op.Deed[] questions = {x -> x.rpc(Users.SUPER).getFileLinkInfo(path), x -> x.rpc(Users.SUPER).getAclStatus(path), x -> x.rpc(Users.SUPER).listXAttrs(path),
        x -> x.rpc(Users.SUPER).getXAttrs(path, new ArrayList<>()), x -> x.rpc(Users.SUPER).getContentSummary(path),
        x -> x.rpc(Users.SUPER).getQuotaUsage(path), x -> x.rpc(Users.SUPER).getStoragePolicy(path)};
    for (Op.Deed q : questions) {
      s.append(run(new Op("", "", "", q), c)).append("; ");
    }
    return s.toString();
  }

  private static void walk(Cluster c, String path, Map<String, String> to, int depth) throws Exception {
    ClientProtocol rpc = c.rpc(Users.SUPER);
    to.put(path, ask(c, path));
    HdfsFileStatus s = rpc.getFileLinkInfo(path);
    if (s == null || !s.isDirectory() || depth > 12) {
      return;
    }
    byte[] after = new byte[0];
    DirectoryListing l;
    do {
      l = rpc.getListing(path, after, false);
      for (HdfsFileStatus child : l.getPartialListing()) {
        walk(c, path + "/" + child.getLocalName(), to, depth + 1);
      }
      after = l.getPartialListing().length == 0 ? after : l.getLastName();
    } while (l.hasMore());
  }

  /** What an earlier run that was stopped left behind. */
  private static void empty(Cluster c) throws Exception {
    ClientProtocol rpc = c.rpc(Users.SUPER);
    DirectoryListing l;
    do {
      l = rpc.getListing("/", new byte[0], false);
      for (HdfsFileStatus child : l.getPartialListing()) {
        rpc.delete("/" + child.getLocalName(), true);
      }
    } while (l.hasMore());
  }

  private int all() throws Exception {
    empty(theirs);
    empty(ours);
    long wanted = Long.getLong("diff.ops", 3000);
    int only = Integer.getInteger("diff.round", -1);
    for (round = Math.max(only, 0); only >= 0 ? round == only : operations < wanted; round++) {
      round();
    }
    kinds.forEach((k, n) -> out.println("kind " + n + " times: " + k));
    set_aside.forEach((k, n) -> out.println("set aside " + n + " times: " + k));
    out.println(operations + " operations (" + succeeded + " successful), " + differences + " differences");
    return differences == 0 ? 0 : 1;
  }

  public static void main(String[] args) throws Exception {
    System.exit(new Main(args[0], args[1]).all());
  }
}
