package differential;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;

import org.apache.hadoop.crypto.CryptoProtocolVersion;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.XAttr;
import org.apache.hadoop.fs.XAttrSetFlag;
import org.apache.hadoop.fs.permission.AclEntry;
import org.apache.hadoop.fs.permission.AclEntryScope;
import org.apache.hadoop.fs.permission.AclEntryType;
import org.apache.hadoop.fs.permission.FsAction;
import org.apache.hadoop.fs.permission.FsCreateModes;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.protocol.AddErasureCodingPolicyResponse;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;
import org.apache.hadoop.hdfs.protocol.ECTopologyVerifierResult;
import org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.protocol.HdfsFileStatus;
import org.apache.hadoop.hdfs.protocol.LocatedBlock;
import org.apache.hadoop.hdfs.protocol.OpenFileEntry;
import org.apache.hadoop.hdfs.protocol.OpenFilesIterator.OpenFilesType;
import org.apache.hadoop.io.EnumSetWritable;
import org.apache.hadoop.io.erasurecode.ECSchema;

/** The next operation from a seeded source: what it will be depends on nothing else, so a seed repeats a sequence. */
final class Maker {
  private static final String[] NAMES = {"a", "b", "c", "d", "f1", "f2", "f3", "g"};
  private static final String[] ODD = {"é", "日本語", "😀", " ", "two words", "a:b", ".", "..", "", ".snapshot", ".reserved", "%41", "a+b", "a\\b", "\"q\"",
      "a\nb", "~", "-", "_x", "ÿ", "\u0001", "*", "[a-z]", "{a,b}", "a=b", "'", "A", "zz", ".hidden", "\uffff", "Z\u0301", "#", "a;b", "<x>", ".inodes", "raw"};
  private static final int[] MODES = {0777, 0755, 0700, 0750, 0644, 0640, 0600, 0, 01777, 01755, 0444, 0111, 0333, 0775, 0070, 0007};
  private static final String[] XNAMES = {"x", "y", "Zed", "", "a.b", "é", "hdfs.x", "hdfs.unreadable.by.superuser", "long" + repeat("n", 60)};
  private static final String[] POLICIES = {"HOT", "COLD", "WARM", "ONE_SSD", "ALL_SSD", "LAZY_PERSIST", "PROVIDED", "ALL_NVDIMM", "hot", "NONE", ""};

  private static final String[] EC = {"RS-6-3-1024k", "RS-6-3-1024k", "RS-3-2-1024k", "XOR-2-1-1024k", "RS-2-1-1k", "RS-2-1-1k", "RS-2-1-1k", "XOR-3-1-4k",
      "RS-LEGACY-4-2-8k", "replication", "Replication", "nosuch", "rs-6-3-1024k", ""};

  private final Random random;
  private final String base;

  Maker(long seed, String base) {
    this.random = new Random(seed);
    this.base = base;
  }

  static String repeat(String s, int n) {
    return String.join("", java.util.Collections.nCopies(n, s));
  }

  private int pick(int n) {
    return random.nextInt(n);
  }

  private boolean chance(int percent) {
    return random.nextInt(100) < percent;
  }

  @SafeVarargs
  private final <T> T any(T... of) {
    return of[random.nextInt(of.length)];
  }

  // ---- paths ----

  private String component() {
    int p = pick(200);
    return p < 186 ? any(NAMES) : p < 198 ? any(ODD) : p == 198 ? repeat("n", any(254, 255, 256, 300)) : repeat("é", any(127, 128, 255));
  }

  private String plain() {
    StringBuilder s = new StringBuilder(base);
    for (int n = any(0, 1, 1, 1, 2, 2, 2, 3, 3, 4); n > 0; n--) {
      s.append('/').append(component());
    }
    return s.toString();
  }

  /** Paths of the kinds that need care, by the cluster when ids are in them. */
  private Path path() {
    int p = pick(1000);
    if (p < 900) {
      return new Path(plain());
    } else if (p < 925) {
      return new Path("/.reserved/raw" + plain());
    } else if (p < 950) {
      String of = plain();
      String rest = chance(50) ? "" : "/" + component() + (chance(30) ? "/" + component() : "");
      return new Path("/.reserved/.inodes/<" + of + ">" + rest) {
        @Override
        String on(Cluster c) {
          return "/.reserved/.inodes/" + c.inode(of) + rest;
        }
      };
    } else if (p < 975) {
      return new Path(any(base + "//a", base + "/a/", "/" + base, base + "/./a", base + "/a/../b", plain() + "/"));
    } else if (p < 985) {
      return new Path(any("/.reserved", "/.reserved/", "/.reserved/raw", "/.reserved/raw/", "/.reserved/.inodes", "/.reserved/x", "/.reserved/raw/.reserved",
          "/.reserved/.inodes/1", "/.reserved/.inodes/16385", "/.reserved/.inodes/abc", "/.reserved/raw/.reserved/raw", "/.reserved/.inodes/16385/..",
          "/.reserved/raw/.reserved/.inodes", "/.reserved/.inodes/16385" + base));
    } else if (p < 993) {
      return new Path(any("/", "", "relative", "a/b", "/nothere", "/nothere/x", "/.snapshot", "/.snapshot/s", "//", "/..", "/.", ":", "/:", base.substring(1)));
    }
    return new Path(any(base + repeat("/d", 998), base + repeat("/d", 1001), base + "/" + repeat("x", 7990), base + "/" + repeat("x", 8001)));
  }

  private static class Path {
    final String text;

    Path(String text) {
      this.text = text;
    }

    String on(Cluster c) {
      return text;
    }

    @Override
    public String toString() {
      return text.length() > 300 ? text.substring(0, 60) + "...(" + text.length() + ")" : text.replace("\n", "\\n");
    }
  }

  // ---- other arguments ----

  private FsPermission mode() {
    return new FsPermission((short) (int) MODES[pick(MODES.length)]);
  }

  private String user() {
    return any("alice", "bob", "carol", "dan", "eve", Users.SUPER, "stranger");
  }

  private List<AclEntry> acl(boolean withAccess) {
    List<AclEntry> l = new ArrayList<>();
    AclEntryScope only = chance(60) ? any(AclEntryScope.values()) : null;
    if (chance(70) && withAccess) { // a complete one
      for (AclEntryType t : new AclEntryType[] {AclEntryType.USER, AclEntryType.GROUP, AclEntryType.OTHER}) {
        l.add(entry(only == null ? AclEntryScope.ACCESS : only, t, null, withAccess));
      }
    }
    for (int n = any(0, 1, 1, 2, 3, chance(3) ? 40 : 2); n > 0; n--) {
      AclEntryType t = any(AclEntryType.USER, AclEntryType.USER, AclEntryType.GROUP, AclEntryType.MASK, AclEntryType.OTHER);
      boolean named = chance(t == AclEntryType.USER || t == AclEntryType.GROUP ? 90 : 3);
      String name = !named ? null : t == AclEntryType.GROUP ? any(Users.GROUPS) : n > 4 ? "u" + n : user();
      l.add(entry(only == null ? any(AclEntryScope.values()) : only, t, name, withAccess));
    }
    return l;
  }

  private AclEntry entry(AclEntryScope scope, AclEntryType type, String name, boolean withAccess) {
    AclEntry.Builder b = new AclEntry.Builder().setScope(scope).setType(type).setName(name);
    return withAccess ? b.setPermission(any(FsAction.values())).build() : b.build();
  }

  private XAttr xattr(boolean value) {
    XAttr.NameSpace space = any(XAttr.NameSpace.USER, XAttr.NameSpace.USER, XAttr.NameSpace.USER, XAttr.NameSpace.TRUSTED, XAttr.NameSpace.SECURITY,
        XAttr.NameSpace.SYSTEM, XAttr.NameSpace.RAW);
    String name = space == XAttr.NameSpace.SECURITY && chance(50) ? "hdfs.unreadable.by.superuser" : chance(85) ? any(XNAMES) : "n" + pick(40);
    byte[] v = new byte[value ? any(0, 0, 1, 5, 100, chance(5) ? 16384 : 3, chance(5) ? 20000 : 2) : 0];
    random.nextBytes(v);
    return new XAttr.Builder().setNameSpace(space).setName(name).setValue(value && v.length > 0 ? v : null).build();
  }

  private static String show(XAttr x) {
    return x.getNameSpace() + "." + x.getName() + "=" + (x.getValue() == null ? "null" : x.getValue().length + " bytes");
  }

  private Op op(String name, String text, Call call) {
    String who = any(Users.ALL);
    return new Op(name, who, text, c -> call.on(c, who));
  }

  private interface Call {
    Object on(Cluster c, String who) throws Exception;
  }

  private interface Void {
    void on(Cluster c, String who) throws Exception;
  }

  private Op act(String name, String text, Void call) {
    return op(name, text, (c, who) -> {
      call.on(c, who);
      return "done";
    });
  }

  // ---- operations ----

  /** In the beginning mostly what makes a tree to work on. */
  Op next(boolean beginning) {
    if (beginning && chance(80)) {
      Path a = new Path(plain());
      return chance(60) ? mkdirs(a) : chance(70) ? create(a) : files(0);
    }
    int p = pick(1000);
    Op o = p < 330 ? tree(pick(100)) : p < 560 ? ask(pick(100)) : p < 740 ? attributes(pick(100)) : p < 775 ? erasureCoding(pick(100)) : p < 900 ? aclAndXattr(pick(100)) : p < 950 ? files(pick(100)) : admin(pick(100));
    return o;
  }

  private Op tree(int p) {
    Path a = path();
    Path b = chance(85) ? new Path(plain()) : path();
    if (p < 28) {
      return mkdirs(a);
    } else if (p < 50) {
      return create(a);
    } else if (p < 64) {
      return op("rename", a + ", " + b, (c, u) -> c.rpc(u).rename(a.on(c), b.on(c)));
    } else if (p < 80) {
      Options.Rename[] o = any(new Options.Rename[] {}, new Options.Rename[] {Options.Rename.NONE}, new Options.Rename[] {Options.Rename.OVERWRITE},
          new Options.Rename[] {Options.Rename.OVERWRITE}, new Options.Rename[] {Options.Rename.TO_TRASH},
          new Options.Rename[] {Options.Rename.OVERWRITE, Options.Rename.TO_TRASH});
      return act("rename2", a + ", " + b + ", " + Arrays.toString(o), (c, u) -> c.rpc(u).rename2(a.on(c), b.on(c), o));
    } else if (p < 92) {
      boolean recursive = chance(60);
      return op("delete", a + ", " + recursive, (c, u) -> c.rpc(u).delete(a.on(c), recursive));
    }
    String target = chance(60) ? plain() : any("a", "b/c", "../x", "hdfs://other:1/x", "", ".", "file:///tmp", "/", "/.reserved/raw/x", "a//b");
    boolean parents = chance(50);
    FsPermission m = mode();
    return act("createSymlink", target + ", " + a + ", " + m + ", " + parents, (c, u) -> c.rpc(u).createSymlink(target, a.on(c), m, parents));
  }

  private Op mkdirs(Path a) {
    boolean parents = chance(75);
    FsPermission masked = mode(), unmasked = mode();
    FsPermission m = chance(60) ? masked : FsCreateModes.create(masked, unmasked);
    return op("mkdirs", a + ", " + m + " " + m.getUnmasked() + ", " + parents, (c, u) -> c.rpc(u).mkdirs(a.on(c), m, parents));
  }

  private Op create(Path a) {
    EnumSet<CreateFlag> flags = any(EnumSet.of(CreateFlag.CREATE), EnumSet.of(CreateFlag.CREATE), EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE),
        EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE), EnumSet.of(CreateFlag.OVERWRITE), EnumSet.of(CreateFlag.CREATE, CreateFlag.APPEND),
        EnumSet.of(CreateFlag.CREATE, CreateFlag.LAZY_PERSIST), EnumSet.of(CreateFlag.CREATE, CreateFlag.SHOULD_REPLICATE),
        EnumSet.of(CreateFlag.CREATE, CreateFlag.IGNORE_CLIENT_LOCALITY, CreateFlag.NEW_BLOCK), EnumSet.noneOf(CreateFlag.class),
        EnumSet.of(CreateFlag.CREATE, CreateFlag.NO_LOCAL_WRITE, CreateFlag.SYNC_BLOCK));
    boolean parents = chance(70);
    short replication = any((short) 1, (short) 1, (short) 2, (short) 3, (short) 0, (short) 512, (short) 513, (short) -1);
    long blockSize = any(1024L, 1024L, 4096L, 1L, 0L, -1L, 1000L, 1L << 40);
    String ec = chance(6) ? any(EC) : null;
    String policy = chance(5) ? any(POLICIES) : null;
    String client = any("c1", "c2", "c3", chance(5) ? "" : "c1");
    FsPermission masked = mode(), unmasked = mode();
    FsPermission m = chance(60) ? masked : FsCreateModes.create(masked, unmasked);
    boolean close = chance(75);
    return op("create", a + ", " + m + " " + m.getUnmasked() + ", " + client + ", " + flags + ", parents " + parents + ", r " + replication + ", bs " + blockSize + ", ec " + ec + ", sp "
        + policy + (close ? ", closed" : ""), (c, u) -> {
          String src = a.on(c);
          HdfsFileStatus s = c.rpc(u).create(src, m, client, new EnumSetWritable<>(flags, CreateFlag.class), parents, replication, blockSize,
              CryptoProtocolVersion.supported(), ec, policy);
          return Show.of(s) + (close ? " " + c.rpc(u).complete(src, client, null, s.getFileId()) : "");
        });
  }

  private Op ask(int p) {
    Path a = path();
    if (p < 14) {
      return op("getFileInfo", a + "", (c, u) -> c.rpc(u).getFileInfo(a.on(c)));
    } else if (p < 20) {
      return op("getFileLinkInfo", a + "", (c, u) -> c.rpc(u).getFileLinkInfo(a.on(c)));
    } else if (p < 26) {
      return op("getLocatedFileInfo", a + "", (c, u) -> c.rpc(u).getLocatedFileInfo(a.on(c), false));
    } else if (p < 41) {
      String after = chance(70) ? "" : chance(85) ? component() : any("/.reserved/.inodes/16385", "/.reserved/.inodes/1", "/x/y", "/");
      boolean locations = chance(40);
      return op("getListing", a + ", '" + after + "', " + locations, (c, u) -> c.rpc(u).getListing(a.on(c), after.getBytes(StandardCharsets.UTF_8), locations));
    } else if (p < 49) {
      return batched();
    } else if (p < 57) {
      long offset = any(0L, 0L, 1L, 1000L, 1024L, 1500L, 1L << 40, -1L);
      long length = any(0L, 1L, 1024L, 5000L, Long.MAX_VALUE, -1L);
      return op("getBlockLocations", a + ", " + offset + ", " + length, (c, u) -> c.rpc(u).getBlockLocations(a.on(c), offset, length));
    } else if (p < 62) {
      return op("getContentSummary", a + "", (c, u) -> c.rpc(u).getContentSummary(a.on(c)));
    } else if (p < 67) {
      return op("getQuotaUsage", a + "", (c, u) -> c.rpc(u).getQuotaUsage(a.on(c)));
    } else if (p < 72) {
      FsAction m = any(FsAction.values());
      return act("checkAccess", a + ", " + m, (c, u) -> c.rpc(u).checkAccess(a.on(c), m));
    } else if (p < 75) {
      return op("getPreferredBlockSize", a + "", (c, u) -> c.rpc(u).getPreferredBlockSize(a.on(c)));
    } else if (p < 78) {
      return op("isFileClosed", a + "", (c, u) -> c.rpc(u).isFileClosed(a.on(c)));
    } else if (p < 82) {
      return op("getLinkTarget", a + "", (c, u) -> c.rpc(u).getLinkTarget(a.on(c)));
    } else if (p < 86) {
      return op("getEnclosingRoot", a + "", (c, u) -> c.rpc(u).getEnclosingRoot(a.on(c)));
    } else if (p < 90) {
      return op("getStoragePolicy", a + "", (c, u) -> c.rpc(u).getStoragePolicy(a.on(c)));
    } else if (p < 93) {
      return op("getErasureCodingPolicy", a + "", (c, u) -> c.rpc(u).getErasureCodingPolicy(a.on(c)));
    } else if (p < 96) {
      return op("getEZForPath", a + "", (c, u) -> c.rpc(u).getEZForPath(a.on(c)));
    } else if (p < 97) {
      return op("listCorruptFileBlocks", a + "", (c, u) -> c.rpc(u).listCorruptFileBlocks(a.on(c), null).getFiles());
    }
    return openFiles(a);
  }

  private Op batched() {
    Path[] paths = new Path[any(0, 1, 2, 3, 5, chance(5) ? 101 : 2)];
    for (int i = 0; i < paths.length; i++) {
      paths[i] = path();
    }
    boolean locations = chance(30);
    String shown = paths.length > 10 ? paths.length + " paths" : Arrays.toString(paths);
    return op("getBatchedListing", shown + ", " + locations, (c, u) -> {
      String[] srcs = new String[paths.length];
      for (int i = 0; i < srcs.length; i++) {
        srcs[i] = paths[i].on(c);
      }
      StringBuilder all = new StringBuilder();
      byte[] cookie = new byte[0];
      org.apache.hadoop.hdfs.protocol.BatchedDirectoryListing l;
      int pages = 0;
      do {
        l = c.rpc(u).getBatchedListing(srcs, cookie, locations);
        all.append(Show.of(l)).append(';');
        cookie = l.getStartAfter();
      } while (l.hasMore() && ++pages < 30);
      return all.toString();
    });
  }

  private Op openFiles(Path a) {
    EnumSet<OpenFilesType> types = any(EnumSet.of(OpenFilesType.ALL_OPEN_FILES), EnumSet.of(OpenFilesType.BLOCKING_DECOMMISSION));
    return op("listOpenFiles", a + ", " + types, (c, u) -> {
      List<String> l = new ArrayList<>();
      for (long prev = 0;;) {
        org.apache.hadoop.fs.BatchedRemoteIterator.BatchedEntries<OpenFileEntry> b = c.rpc(u).listOpenFiles(prev, types, a.on(c));
        for (int i = 0; i < b.size(); i++) {
          prev = b.get(i).getId();
          l.add(b.get(i).getFilePath() + " " + b.get(i).getClientName() + " " + b.get(i).getClientMachine());
        }
        if (!b.hasMore()) {
          return l;
        }
      }
    });
  }

  private Op attributes(int p) {
    Path a = path();
    if (p < 22) {
      FsPermission m = mode();
      return act("setPermission", a + ", " + m, (c, u) -> c.rpc(u).setPermission(a.on(c), m));
    } else if (p < 42) {
      String owner = chance(30) ? null : user(); // an empty one counts in Hadoop until the next restart
      String group = chance(30) ? null : any(Users.GROUPS);
      return act("setOwner", a + ", " + owner + ", " + group, (c, u) -> c.rpc(u).setOwner(a.on(c), owner, group));
    } else if (p < 54) {
      long m = any(-1L, 0L, 1000L, 5000L, 123456L, -2L), t = any(-1L, 0L, 1000L, 7000L, 654321L);
      return act("setTimes", a + ", " + m + ", " + t, (c, u) -> c.rpc(u).setTimes(a.on(c), m, t));
    } else if (p < 66) {
      short r = any((short) 1, (short) 1, (short) 2, (short) 3, (short) 0, (short) 513, (short) -1);
      return op("setReplication", a + ", " + r, (c, u) -> c.rpc(u).setReplication(a.on(c), r));
    } else if (p < 80) {
      long ns = any(Long.MAX_VALUE, -1L, -1L, 1L, 3L, 10L, 100L, 0L, -2L);
      long ds = any(Long.MAX_VALUE, -1L, -1L, 1024L, 4096L, 100000L, 0L, -2L);
      StorageType type = chance(80) ? null : any(StorageType.values());
      return act("setQuota", a + ", " + ns + ", " + ds + ", " + type, (c, u) -> c.rpc(u).setQuota(a.on(c), ns, ds, type));
    } else if (p < 93) {
      String policy = any(POLICIES);
      return act("setStoragePolicy", a + ", " + policy, (c, u) -> c.rpc(u).setStoragePolicy(a.on(c), policy));
    } else if (p < 98) {
      return act("unsetStoragePolicy", a + "", (c, u) -> c.rpc(u).unsetStoragePolicy(a.on(c)));
    }
    return act("satisfyStoragePolicy", a + "", (c, u) -> c.rpc(u).satisfyStoragePolicy(a.on(c)));
  }

  private Op erasureCoding(int p) {
    Path a = path();
    String name = any(EC);
    if (p < 35) {
      String policy = chance(20) ? null : name;
      return act("setErasureCodingPolicy", a + ", " + policy, (c, u) -> c.rpc(u).setErasureCodingPolicy(a.on(c), policy));
    } else if (p < 50) {
      return act("unsetErasureCodingPolicy", a + "", (c, u) -> c.rpc(u).unsetErasureCodingPolicy(a.on(c)));
    } else if (p < 62) {
      ErasureCodingPolicy[] policies = new ErasureCodingPolicy[any(0, 1, 1, 2, 3)];
      for (int i = 0; i < policies.length; i++) {
        int units = chance(90) ? any(2, 3, 4) : any(1, 12, 15, 16);
        String codec = any("rs", "rs", "xor", "rs-legacy", chance(20) ? "RS" : "rs", chance(20) ? "none" : "rs");
        policies[i] = new ErasureCodingPolicy(new ECSchema(codec, units, codec.equals("xor") ? 1 : any(1, 1, 2)), any(1024, 1024, 4096, 8192, chance(10) ? 8 << 20 : 1024));
      }
      return op("addErasureCodingPolicies", Arrays.toString(policies), (c, u) -> {
        StringBuilder all = new StringBuilder();
        for (AddErasureCodingPolicyResponse r : c.rpc(u).addErasureCodingPolicies(policies)) {
          all.append(r).append(' ').append(r.getPolicy()).append(';');
        }
        return all.toString();
      });
    } else if (p < 75) {
      return act("enableErasureCodingPolicy", name, (c, u) -> c.rpc(u).enableErasureCodingPolicy(name));
    } else if (p < 83) {
      return act("disableErasureCodingPolicy", name, (c, u) -> c.rpc(u).disableErasureCodingPolicy(name));
    } else if (p < 86) {
      return act("removeErasureCodingPolicy", name, (c, u) -> c.rpc(u).removeErasureCodingPolicy(name));
    } else if (p < 93) {
      String[] names = chance(50) ? new String[0] : new String[] {name};
      return op("getECTopologyResultForPolicies", Arrays.toString(names), (c, u) -> {
        ECTopologyVerifierResult r = c.rpc(u).getECTopologyResultForPolicies(names);
        return r.isSupported() + " " + r.getResultMessage();
      });
    }
    return op("getErasureCodingPolicies", "", (c, u) -> c.rpc(u).getErasureCodingPolicies());
  }

  private Op aclAndXattr(int p) {
    Path a = path();
    if (p < 16) {
      List<AclEntry> l = acl(true);
      return act("modifyAclEntries", a + ", " + l, (c, u) -> c.rpc(u).modifyAclEntries(a.on(c), l));
    } else if (p < 30) {
      List<AclEntry> l = acl(true);
      return act("setAcl", a + ", " + l, (c, u) -> c.rpc(u).setAcl(a.on(c), l));
    } else if (p < 36) {
      List<AclEntry> l = acl(false);
      return act("removeAclEntries", a + ", " + l, (c, u) -> c.rpc(u).removeAclEntries(a.on(c), l));
    } else if (p < 40) {
      return act("removeDefaultAcl", a + "", (c, u) -> c.rpc(u).removeDefaultAcl(a.on(c)));
    } else if (p < 44) {
      return act("removeAcl", a + "", (c, u) -> c.rpc(u).removeAcl(a.on(c)));
    } else if (p < 54) {
      return op("getAclStatus", a + "", (c, u) -> c.rpc(u).getAclStatus(a.on(c)));
    } else if (p < 74) {
      XAttr x = xattr(true);
      EnumSet<XAttrSetFlag> f = any(EnumSet.of(XAttrSetFlag.CREATE), EnumSet.of(XAttrSetFlag.REPLACE), EnumSet.allOf(XAttrSetFlag.class),
          EnumSet.allOf(XAttrSetFlag.class), EnumSet.noneOf(XAttrSetFlag.class));
      return act("setXAttr", a + ", " + show(x) + ", " + f, (c, u) -> c.rpc(u).setXAttr(a.on(c), x, f));
    } else if (p < 84) {
      List<XAttr> l = chance(50) ? new ArrayList<>() : Arrays.asList(chance(50) ? new XAttr[] {xattr(false)} : new XAttr[] {xattr(false), xattr(false)});
      StringBuilder shown = new StringBuilder();
      l.forEach(x -> shown.append(' ').append(show(x)));
      return op("getXAttrs", a + "," + shown, (c, u) -> c.rpc(u).getXAttrs(a.on(c), l));
    } else if (p < 91) {
      return op("listXAttrs", a + "", (c, u) -> c.rpc(u).listXAttrs(a.on(c)));
    }
    XAttr x = xattr(false);
    return act("removeXAttr", a + ", " + show(x), (c, u) -> c.rpc(u).removeXAttr(a.on(c), x));
  }

  private static byte[] bytes(int seed, int n) {
    byte[] b = new byte[n];
    new Random(seed).nextBytes(b);
    return b;
  }

  private Op files(int p) {
    Path a = path();
    String client = any("c1", "c2", "c3");
    int n = any(0, 1, 511, 512, 513, 1024, 1500, 2048, 3000), seed = pick(1000);
    if (p < 30) {
      boolean overwrite = chance(60);
      return op("write", a + ", " + n + ", overwrite " + overwrite, (c, u) -> {
        try (OutputStream o = c.client(u).create(a.on(c), overwrite, (short) 1, 1024)) {
          o.write(bytes(seed, n));
        }
        return n;
      });
    } else if (p < 45) {
      return op("read", a + "", (c, u) -> {
        CRC32 crc = new CRC32();
        try (InputStream i = c.client(u).open(a.on(c))) {
          byte[] b = new byte[5000];
          for (int k; (k = i.read(b)) > 0;) {
            crc.update(b, 0, k);
          }
        }
        return crc.getValue() + " " + c.client(u).getFileChecksumWithCombineMode(a.on(c), Long.MAX_VALUE);
      });
    } else if (p < 57) {
      return op("appendBytes", a + ", " + n, (c, u) -> {
        try (OutputStream o = c.client(u).append(a.on(c), 4096, EnumSet.of(CreateFlag.APPEND), null, null)) {
          o.write(bytes(seed, n));
        }
        return n;
      });
    } else if (p < 66) {
      long to = any(0L, 1L, 512L, 1000L, 1024L, 1500L, 100000L, -1L);
      return op("truncate", a + ", " + to, (c, u) -> {
        boolean done = c.rpc(u).truncate(a.on(c), to, client);
        for (int i = 0; i < 200 && !done && !c.rpc(Users.SUPER).isFileClosed(a.on(c)); i++) {
          Thread.sleep(50); // what the DataNode has to do takes as long as it takes
        }
        return done;
      });
    } else if (p < 74) {
      String[] srcs = new String[any(0, 1, 1, 2, 3)];
      for (int i = 0; i < srcs.length; i++) {
        srcs[i] = plain();
      }
      return act("concat", a + ", " + Arrays.toString(srcs), (c, u) -> c.rpc(u).concat(a.on(c), srcs));
    } else if (p < 80) {
      return op("complete", a + ", " + client, (c, u) -> c.rpc(u).complete(a.on(c), client, null, chance0(c, a)));
    } else if (p < 86) {
      return op("recoverLease", a + ", " + client, (c, u) -> c.rpc(u).recoverLease(a.on(c), client));
    } else if (p < 90) {
      return act("renewLease", client, (c, u) -> c.rpc(u).renewLease(client, null));
    } else if (p < 95) {
      return op("addBlock", a + ", " + client, (c, u) -> {
        LocatedBlock b = c.rpc(u).addBlock(a.on(c), client, null, new DatanodeInfo[0], chance0(c, a), null, null);
        String shown = Show.block(b);
        c.rpc(u).abandonBlock(b.getBlock(), chance0(c, a), a.on(c), client);
        return shown;
      });
    }
    return act("fsync", a + ", " + client, (c, u) -> c.rpc(u).fsync(a.on(c), chance0(c, a), client, -1));
  }

  /** The id of the file, as the clients of today send it. */
  private static long chance0(Cluster c, Path a) {
    return c.inode(a.on(c));
  }

  private Op admin(int p) {
    if (p < 10) {
      return op("getStoragePolicies", "", (c, u) -> c.rpc(u).getStoragePolicies());
    } else if (p < 20) {
      return op("getServerDefaults", "", (c, u) -> c.rpc(u).getServerDefaults());
    } else if (p < 28) {
      return op("getErasureCodingPolicies", "", (c, u) -> c.rpc(u).getErasureCodingPolicies());
    } else if (p < 36) {
      return op("getErasureCodingCodecs", "", (c, u) -> c.rpc(u).getErasureCodingCodecs());
    } else if (p < 44) {
      HdfsConstants.DatanodeReportType t = any(HdfsConstants.DatanodeReportType.values());
      return op("getDatanodeReport", t + "", (c, u) -> c.rpc(u).getDatanodeReport(t).length);
    } else if (p < 50) {
      HdfsConstants.DatanodeReportType t = any(HdfsConstants.DatanodeReportType.values());
      return op("getDatanodeStorageReport", t + "", (c, u) -> c.rpc(u).getDatanodeStorageReport(t).length);
    } else if (p < 56) {
      return op("getSlowDatanodeReport", "", (c, u) -> c.rpc(u).getSlowDatanodeReport().length);
    } else if (p < 62) {
      return act("msync", "", (c, u) -> c.rpc(u).msync());
    } else if (p < 68) {
      return op("getHAServiceState", "", (c, u) -> c.rpc(u).getHAServiceState());
    } else if (p < 74) {
      return op("setSafeMode", "get", (c, u) -> c.rpc(u).setSafeMode(HdfsConstants.SafeModeAction.SAFEMODE_GET, false));
    } else if (p < 80) {
      return op("listEncryptionZones", "", (c, u) -> c.rpc(u).listEncryptionZones(0).size());
    } else if (p < 86) {
      return op("upgradeStatus", "", (c, u) -> c.rpc(u).upgradeStatus());
    } else if (p < 90) {
      return op("getStats", "", (c, u) -> c.rpc(u).getStats().length);
    } else if (p < 94) {
      return act("setBalancerBandwidth", "1048576", (c, u) -> c.rpc(u).setBalancerBandwidth(1048576));
    } else if (p < 97) {
      return op("getDelegationToken", "", (c, u) -> c.rpc(u).getDelegationToken(new org.apache.hadoop.io.Text("x")));
    }
    return act("refreshNodes", "", (c, u) -> c.rpc(u).refreshNodes());
  }
}
