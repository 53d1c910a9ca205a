import java.io.IOException;
import java.util.EnumSet;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ContentSummary;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.QuotaUsage;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.ipc.RemoteException;

/** Seeded random operations in directories with quotas; prints what each did and what is used then. */
public class Quotas {
  private static final long BLOCK = 1 << 20;
  private static final String[] NAMES = {"a", "b", "c", "d"};
  private static final String[] POLICIES = {"COLD", "ONE_SSD", "ALL_SSD"};
  private static DistributedFileSystem fs;
  private static Random random;
  private static boolean policies;

  private static int below(int n) {
    return random.nextInt(n);
  }

  private static Path path() {
    StringBuilder text = new StringBuilder("/q");
    for (int depth = 1 + below(3); depth > 0; depth--) {
      text.append('/').append(NAMES[below(NAMES.length)]);
    }
    return new Path(text.toString());
  }

  private static void write(FSDataOutputStream out, int bytes) throws IOException {
    try {
      out.write(new byte[bytes]);
    } finally {
      out.close();
    }
  }

  private static String create(Path p) throws IOException {
    boolean overwrite = below(3) == 0;
    short replication = (short) (1 + below(3));
    int bytes = below(4) * 70000;
    write(fs.create(p, FsPermission.getFileDefault(), overwrite, 4096, replication, BLOCK, null), bytes);
    return bytes + " x " + replication;
  }

  private static String setQuota(Path p) throws IOException {
    long[] names = {HdfsConstants.QUOTA_DONT_SET, HdfsConstants.QUOTA_RESET, 3 + below(12)};
    long[] spaces = {HdfsConstants.QUOTA_DONT_SET, HdfsConstants.QUOTA_RESET, below(6) * BLOCK + 1};
    if (below(3) == 0) {
      StorageType type = below(2) == 0 ? StorageType.SSD : StorageType.ARCHIVE;
      long space = spaces[1 + below(2)];
      fs.setQuotaByStorageType(p, type, space);
      return type + " " + space;
    }
    long name = names[below(3)];
    long space = spaces[below(3)];
    fs.setQuota(p, name, space);
    return name + " " + space;
  }

  private static String truncate(Path p) throws IOException, InterruptedException {
    long length = below(3) * 50000;
    boolean done = fs.truncate(p, length);
    for (int i = 0; i < 300 && !fs.isFileClosed(p); i++) {
      Thread.sleep(100);
    }
    return length + " " + done + " " + fs.isFileClosed(p);
  }

  private static String append(Path p) throws IOException {
    int bytes = below(3) * 60000;
    write(fs.append(p), bytes);
    return "" + bytes;
  }

  /** A policy is given to empty directories only: Hadoop doesn't recount what is there already. */
  private static String policy(Path parent) throws IOException {
    Path p = new Path(parent, NAMES[below(NAMES.length)]);
    if (fs.exists(p)) {
      return "exists";
    }
    fs.mkdirs(p);
    String name = POLICIES[below(POLICIES.length)];
    fs.setStoragePolicy(p, name);
    if (below(3) == 0) {
      return name;
    }
    long space = (1 + below(4)) * 700000L;
    fs.setQuotaByStorageType(p, name.equals("COLD") ? StorageType.ARCHIVE : StorageType.SSD, space);
    return name + " " + space;
  }

  private static String rename(Path from, Path to) throws IOException {
    if (below(2) == 0) {
      return "" + fs.rename(from, to);
    }
    fs.rename(from, to, below(2) == 0 ? Options.Rename.NONE : Options.Rename.OVERWRITE);
    return "";
  }

  private static String step() throws Exception {
    Path p = path();
    Path other = path();
    switch (below(policies ? 18 : 15)) {
      case 0: case 1: case 2: return "mkdirs " + p + " " + fs.mkdirs(p);
      case 3: case 4: case 5: case 6: return "create " + p + " " + create(p);
      case 7: return "delete " + p + " " + fs.delete(p, true);
      case 8: case 9: return "rename " + p + " " + other + " " + rename(p, other);
      case 10: case 11: return "setQuota " + p + " " + setQuota(p);
      case 12: return "setReplication " + p + " " + fs.setReplication(p, (short) (1 + below(4)));
      case 13: return "append " + p + " " + append(p);
      case 14: return "truncate " + p + " " + truncate(p);
      default: return "policy " + p + " " + policy(p);
    }
  }

  private static String reason(Exception e) {
    Throwable t = e instanceof RemoteException ? ((RemoteException) e).unwrapRemoteException() : e;
    String name = t.getClass().getSimpleName();
    String text = t.getMessage() == null ? "" : t.getMessage().split("\n")[0];
    return name.contains("Quota") || name.contains("Unsupported") ? name + ": " + text : name;
  }

  private static String usage(Path p) {
    try {
      QuotaUsage u = fs.getQuotaUsage(p);
      ContentSummary s = fs.getContentSummary(p);
      StringBuilder out = new StringBuilder();
      out.append(u.getFileAndDirectoryCount()).append('/').append(u.getQuota()).append(' ');
      out.append(u.getSpaceConsumed()).append('/').append(u.getSpaceQuota());
      for (StorageType t : EnumSet.of(StorageType.SSD, StorageType.ARCHIVE)) {
        out.append(' ').append(u.getTypeConsumed(t)).append('/').append(u.getTypeQuota(t));
      }
      out.append(" | ").append(s.getFileCount()).append(' ').append(s.getDirectoryCount()).append(' ');
      out.append(s.getLength()).append(' ').append(s.getSpaceConsumed()).append(' ').append(s.getQuota());
      out.append(' ').append(s.getSpaceQuota()).append(' ').append(s.getErasureCodingPolicy());
      return out.toString();
    } catch (Exception e) {
      return reason(e);
    }
  }

  private static void fixed() throws Exception {
    long[][] bad = {{-5, 1}, {1, -7}, {0, 0}};
    for (long[] q : bad) {
      try {
        fs.getClient().getNamenode().setQuota("/q", q[0], q[1], null);
        System.out.println("set");
      } catch (Exception e) {
        System.out.println(e.getMessage().split("\n")[0]);
      }
    }
    fs.setQuota(new Path("/q"), HdfsConstants.QUOTA_RESET, HdfsConstants.QUOTA_RESET);
    for (String p : new String[] {"/none", "/file"}) {
      try {
        fs.getClient().getNamenode().setQuota(p, 4, 4, null);
      } catch (Exception e) {
        System.out.println(e.getMessage().split("\n")[0]);
      }
    }
  }

  /** One of each refusal, whatever the seed brings. */
  private static void refusals() throws Exception {
    Path dir = new Path("/q/fixed");
    fs.mkdirs(dir);
    if (policies) {
      fs.setStoragePolicy(dir, "ALL_SSD");
    }
    for (int kind = 0; kind < (policies ? 3 : 2); kind++) {
      fs.setQuota(dir, kind == 0 ? 2 : HdfsConstants.QUOTA_RESET, kind == 1 ? BLOCK * 3 / 2 : HdfsConstants.QUOTA_RESET);
      fs.setQuotaByStorageType(dir, StorageType.SSD, kind == 2 ? BLOCK * 3 / 2 : HdfsConstants.QUOTA_RESET);
      for (short replication = 1; replication < 3; replication++) {
        try {
          write(fs.create(new Path(dir, "f" + replication), true, 4096, replication, BLOCK), 1000);
          System.out.println(usage(dir));
        } catch (Exception e) {
          System.out.println(reason(e));
        }
      }
      fs.delete(new Path(dir, "f1"), true);
      fs.delete(new Path(dir, "f2"), true);
    }
    fs.delete(dir, true);
  }

  public static void main(String[] args) throws Exception {
    Configuration conf = new Configuration();
    conf.set("fs.defaultFS", args[0]);
    fs = (DistributedFileSystem) new Path(args[0]).getFileSystem(conf);
    random = new Random(Long.parseLong(args[1]));
    policies = args[3].equals("1");
    fs.mkdirs(new Path("/q"));
    write(fs.create(new Path("/file"), true), 10);
    fixed();
    refusals();
    for (int i = Integer.parseInt(args[2]); i > 0; i--) {
      String what;
      try {
        what = step();
      } catch (Exception e) {
        what = reason(e);
      }
      System.out.println(what);
      Path p = below(3) == 0 ? new Path("/q") : path();
      System.out.println("  " + p + " " + usage(p));
    }
  }
}
