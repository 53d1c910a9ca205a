import java.io.FileOutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.XAttrSetFlag;
import org.apache.hadoop.fs.permission.AclEntry;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream;
import org.apache.hadoop.hdfs.protocol.CachePoolInfo;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.security.token.Token;
import org.apache.hadoop.util.ToolRunner;

/**
 * What a name directory goes through in interchange.sh. Arguments: URL, then steps:
 *   populate          one of everything that an image keeps
 *   more              the same in another place, for the journal
 *   storm SEED COUNT  random changes below /storm
 *   tree FILE         what Hadoop's shell shows of the whole tree
 *   policies FILE     erasure coding and storage policies of the whole tree
 *   save              saveNamespace in safe mode
 *   settle            waits until no file below /storm is open
 * or "namenode" instead of a URL: a NameNode with symbolic links switched on.
 */
public final class Interchange {
    private final String url;
    private final Configuration conf = new Configuration();
    private final DistributedFileSystem fs;
    private final Map<String, Integer> outcomes = new TreeMap<>();

    private Interchange(String url) throws Exception {
        this.url = url;
        conf.set("fs.defaultFS", url);
        conf.setInt("dfs.replication", 1);
        conf.setInt("dfs.namenode.fs-limits.min-block-size", 1);
        conf.set("fs.permissions.umask-mode", "022");
        fs = (DistributedFileSystem) FileSystem.newInstance(conf);
    }

    public static void main(String[] args) throws Exception {
        FileSystem.enableSymlinks();
        if (args[0].equals("namenode")) {
            NameNode.main(Arrays.copyOfRange(args, 1, args.length));
            return;
        }
        Interchange it = new Interchange(args[0]);
        for (int i = 1; i < args.length; i++) {
            switch (args[i]) {
            case "populate":
                it.populate(new Path("/image"));
                break;
            case "more":
                it.populate(new Path("/journal"));
                break;
            case "storm":
                it.storm(Long.parseLong(args[i + 1]), Integer.parseInt(args[i + 2]));
                i += 2;
                break;
            case "tree":
                it.tree(args[++i]);
                break;
            case "policies":
                it.policies(args[++i]);
                break;
            case "settle":
                it.settle();
                break;
            case "save":
                it.fs.setSafeMode(org.apache.hadoop.fs.SafeModeAction.ENTER);
                it.fs.saveNamespace();
                it.fs.setSafeMode(org.apache.hadoop.fs.SafeModeAction.LEAVE);
                break;
            default:
                throw new IllegalArgumentException(args[i]);
            }
        }
        // an open file must stay open: no close(), no shutdown hook
        Runtime.getRuntime().halt(0);
    }

    // ---- one of everything ----

    private void write(Path p, int bytes, int blockSize, short replication) throws Exception {
        try (FSDataOutputStream out = fs.create(p, FsPermission.getFileDefault(), true, 4096, replication, blockSize, null)) {
            byte[] data = new byte[bytes];
            new Random(bytes).nextBytes(data);
            out.write(data);
        }
    }

    private Path dir(Path parent, String name) throws Exception {
        Path p = new Path(parent, name);
        fs.mkdirs(p);
        return p;
    }

    private void populate(Path top) throws Exception {
        fs.mkdirs(top);
        files(top);
        attributes(top);
        quotas(top);
        policiesOf(top);
        striped(top);
        openFiles(top);
        attempt("token", () -> {
            Token<?> token = fs.getDelegationToken(System.getProperty("user.name"));
            token.renew(conf);
            fs.getDelegationToken("somebody").cancel(conf);
        });
        attempt("cache pool", () -> fs.addCachePool(new CachePoolInfo("pool" + top.getName()).setLimit(1L << 30)));
        outcomes();
    }

    private void files(Path top) throws Exception {
        Path d = dir(top, "files");
        write(new Path(d, "one-block"), 1000, 1 << 20, (short) 1);
        write(new Path(d, "four-blocks"), 4096 * 3 + 17, 4096, (short) 1);
        write(new Path(d, "two-replicas"), 5000, 1 << 20, (short) 2);
        write(new Path(d, "empty"), 0, 1 << 20, (short) 3);
        write(new Path(d, "gr\u00fc\u00dfe \u4f60\u597d \ud83d\ude00"), 10, 1 << 20, (short) 1);
        write(new Path(d, "a&b<c>'d'\"e\""), 10, 1 << 20, (short) 1);
        Path a = new Path(d, "appended"), t = new Path(d, "truncated"), c = new Path(d, "joined");
        write(a, 5000, 4096, (short) 1);
        attempt("append", () -> {
            try (FSDataOutputStream out = fs.append(a)) {
                out.write(new byte[3000]);
            }
        });
        write(t, 9000, 4096, (short) 1);
        attempt("truncate", () -> fs.truncate(t, 4096));
        write(c, 4096, 4096, (short) 1);
        Path p1 = new Path(d, "part1");
        write(p1, 8192, 4096, (short) 1);
        attempt("concat", () -> fs.concat(c, new Path[] {p1}));
        fs.setTimes(new Path(d, "empty"), 1234567890123L, 1345678901234L);
        fs.setReplication(new Path(d, "one-block"), (short) 2);
        attempt("symlink", () -> FileContext.getFileContext(conf).createSymlink(new Path("one-block"), new Path(d, "link"), false));
        attempt("symlink", () -> FileContext.getFileContext(conf).createSymlink(new Path("/no/where"), new Path(d, "dangling"), false));
        Path deep = d;
        for (int i = 0; i < 20; i++)
            deep = new Path(deep, "level" + i);
        fs.mkdirs(deep);
        Path gone = dir(top, "gone");
        write(new Path(gone, "x"), 100, 4096, (short) 1);
        fs.delete(gone, true);
        Path from = dir(d, "from");
        fs.rename(from, new Path(d, "to"));
        write(new Path(d, "old"), 1, 4096, (short) 1);
        write(new Path(d, "new"), 2, 4096, (short) 1);
        rename2(new Path(d, "new"), new Path(d, "old"), Options.Rename.OVERWRITE);
    }

    @SuppressWarnings("deprecation")
    private void rename2(Path src, Path dst, Options.Rename... options) throws Exception {
        fs.rename(src, dst, options);
    }

    private void attributes(Path top) throws Exception {
        Path d = dir(top, "attributes"), f = new Path(d, "file");
        write(f, 10, 4096, (short) 1);
        fs.setPermission(d, new FsPermission((short) 01777));
        fs.setOwner(f, "somebody", "some group");
        fs.setOwner(d, null, "staff");
        fs.modifyAclEntries(f, AclEntry.parseAclSpec("user:bob:rw-,user:amy:---,group:staff:r-x", true));
        Path inherit = dir(d, "inherit");
        fs.modifyAclEntries(inherit, AclEntry.parseAclSpec("user:bob:rwx,default:user:bob:r-x,default:group:staff:rwx", true));
        write(new Path(inherit, "child"), 10, 4096, (short) 1);
        dir(inherit, "sub");
        fs.setXAttr(f, "user.plain", "value".getBytes("UTF-8"));
        fs.setXAttr(f, "user.empty", new byte[0]);
        fs.setXAttr(f, "user.none", null);
        fs.setXAttr(f, "user.binary", new byte[] {0, 1, (byte) 0xff, (byte) 0xfe, 0});
        fs.setXAttr(f, "trusted.kept", "x".getBytes("UTF-8"));
        fs.setXAttr(f, "user.gone", "x".getBytes("UTF-8"));
        fs.removeXAttr(f, "user.gone");
        fs.setXAttr(d, "user.d\u00fcr", "\u4f60".getBytes("UTF-8"), EnumSet.of(XAttrSetFlag.CREATE));
        fs.setXAttr(new Path(inherit, "child"), "security.hdfs.unreadable.by.superuser", null);
    }

    private void quotas(Path top) throws Exception {
        Path d = dir(top, "quotas"), n = dir(d, "names"), s = dir(d, "space"), t = dir(d, "type");
        fs.setQuota(n, 1000, HdfsConstants.QUOTA_DONT_SET);
        fs.setQuota(s, HdfsConstants.QUOTA_DONT_SET, 1L << 40);
        // a directory with nothing but these would show another name quota after a restart of Java's
        fs.setQuota(t, 500, HdfsConstants.QUOTA_DONT_SET);
        fs.setQuotaByStorageType(t, StorageType.SSD, 1L << 30);
        fs.setQuotaByStorageType(t, StorageType.ARCHIVE, 1L << 31);
        fs.setQuotaByStorageType(t, StorageType.DISK, 1L << 41);
        write(new Path(s, "f"), 10000, 4096, (short) 1);
        write(new Path(t, "f"), 10000, 4096, (short) 1);
        dir(n, "a");
    }

    private void policiesOf(Path top) throws Exception {
        Path d = dir(top, "policies");
        for (String policy : new String[] {"HOT", "COLD", "WARM", "ALL_SSD", "ONE_SSD", "ALL_NVDIMM"}) {
            fs.setStoragePolicy(dir(d, policy), policy);
            write(new Path(d, policy + "/file"), 0, 4096, (short) 1);
        }
        write(new Path(d, "file"), 0, 4096, (short) 1);
        fs.setStoragePolicy(new Path(d, "file"), "COLD");
        fs.setStoragePolicy(dir(d, "unset"), "COLD");
        fs.unsetStoragePolicy(new Path(d, "unset"));
    }

    private void striped(Path top) throws Exception {
        Path d = dir(top, "striped");
        attempt("ec", () -> fs.enableErasureCodingPolicy("XOR-2-1-1024k"));
        attempt("ec", () -> {
            fs.setErasureCodingPolicy(d, "XOR-2-1-1024k");
            try (FSDataOutputStream out = fs.create(new Path(d, "file"))) {
                out.write(new byte[3 << 20]);
            }
            fs.create(new Path(d, "empty")).close();
            try (FSDataOutputStream out = fs.createFile(new Path(d, "replicated")).replicate().build()) {
                out.write(1);
            }
        });
        attempt("ec", () -> fs.addErasureCodingPolicies(new org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy[] {
            new org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy(
                new org.apache.hadoop.io.erasurecode.ECSchema("rs", 4, 2), 512 * 1024)}));
    }

    private final List<FSDataOutputStream> held = new ArrayList<>();

    private void openFiles(Path top) throws Exception {
        Path d = dir(top, "open");
        FSDataOutputStream out = fs.create(new Path(d, "nothing"), (short) 1);
        held.add(out);
        out = fs.create(new Path(d, "flushed"), true, 4096, (short) 1, 4096);
        out.write(new byte[5000]);
        ((HdfsDataOutputStream) out).hsync(EnumSet.of(HdfsDataOutputStream.SyncFlag.UPDATE_LENGTH));
        held.add(out);
        out = fs.create(new Path(d, "renamed-while-open"), true, 4096, (short) 1, 4096);
        out.write(new byte[100]);
        out.hflush();
        fs.rename(new Path(d, "renamed-while-open"), new Path(d, "renamed"));
        held.add(out);
    }

    // ---- random changes ----

    private interface Step {
        void run() throws Exception;
    }

    private void attempt(String what, Step step) {
        String outcome = "done";
        try {
            step.run();
        } catch (Exception e) {
            outcome = e.getClass().getSimpleName();
            if (e instanceof org.apache.hadoop.ipc.RemoteException)
                outcome = ((org.apache.hadoop.ipc.RemoteException) e).getClassName();
        }
        outcomes.merge(what + " " + outcome, 1, Integer::sum);
    }

    private static final String[] WORDS = {"a", "b", "c", "d", "e", "f0", "f1", "f2", "f3", "f4"};

    private Path random(Random r) {
        StringBuilder s = new StringBuilder("/storm");
        for (int depth = 1 + r.nextInt(4); depth > 0; depth--)
            s.append('/').append(WORDS[r.nextInt(depth == 1 ? WORDS.length : 5)]);
        return new Path(s.toString());
    }

    private void outcomes() {
        for (Map.Entry<String, Integer> e : outcomes.entrySet())
            System.out.println(e.getValue() + " " + e.getKey());
        outcomes.clear();
    }

    private void storm(long seed, int count) throws Exception {
        Random r = new Random(seed);
        fs.mkdirs(new Path("/storm"));
        for (int i = 0; i < count; i++)
            change(r);
        outcomes();
    }

    private void erasureCoding(Path p, int number) {
        if (number % 6 == 0)
            attempt("addErasureCodingPolicies", () -> fs.addErasureCodingPolicies(new org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy[] {
                new org.apache.hadoop.hdfs.protocol.ErasureCodingPolicy(new org.apache.hadoop.io.erasurecode.ECSchema("rs", 2, 1), 4096 * (1 + number % 4))}));
        else if (number % 6 < 3)
            attempt("enableErasureCodingPolicy", () -> fs.enableErasureCodingPolicy("RS-2-1-4k"));
        else if (number % 6 == 3 && number % 5 == 0)
            attempt("disableErasureCodingPolicy", () -> fs.disableErasureCodingPolicy("RS-2-1-4k"));
        else if (number % 6 == 3 && number % 5 == 1)
            attempt("removeErasureCodingPolicy", () -> fs.removeErasureCodingPolicy("RS-2-1-8k"));
        else
            attempt("unsetErasureCodingPolicy", () -> fs.unsetErasureCodingPolicy(p));
    }

    private void change(Random r) {
        Path p = random(r), q = random(r);
        int number = r.nextInt(1000);
        switch (r.nextInt(29)) {
        case 0: case 1: case 2: case 3:
            attempt("mkdirs", () -> fs.mkdirs(p, new FsPermission((short) (0700 | number & 077))));
            break;
        case 4: case 5: case 6: case 7:
            attempt("create", () -> fs.create(p, number % 2 == 0, 4096, (short) (1 + number % 3), 4096L).close());
            break;
        case 8:
            attempt("write", () -> write(p, 1 + number * 10, 4096, (short) 1));
            break;
        case 9: case 10:
            attempt("rename", () -> { if (!fs.rename(p, q)) throw new IllegalStateException("false"); });
            break;
        case 11:
            attempt("rename2", () -> rename2(p, q, number % 2 == 0 ? Options.Rename.OVERWRITE : Options.Rename.NONE));
            break;
        case 12:
            attempt("delete", () -> fs.delete(p, number % 3 == 0));
            break;
        case 13:
            attempt("setPermission", () -> fs.setPermission(p, new FsPermission((short) (number | 0400))));
            break;
        case 14:
            attempt("setOwner", () -> fs.setOwner(p, number % 3 == 0 ? null : "user" + number % 7, number % 3 == 1 ? null : "group" + number % 5));
            break;
        case 15:
            attempt("setTimes", () -> fs.setTimes(p, 1000000000000L + number, -1)); // no image keeps a directory's access time
            break;
        case 16:
            attempt("setReplication", () -> fs.setReplication(p, (short) (1 + number % 4)));
            break;
        case 17:
            attempt("modifyAcl", () -> fs.modifyAclEntries(p, AclEntry.parseAclSpec("user:u" + number % 9 + ":rw-,group:g" + number % 4 + ":r-x", true)));
            break;
        case 18:
            attempt("defaultAcl", () -> fs.modifyAclEntries(p, AclEntry.parseAclSpec("default:user:u" + number % 9 + ":rwx", true)));
            break;
        case 19:
            if (number % 3 == 0)
                attempt("removeAcl", () -> fs.removeAcl(p));
            else if (number % 3 == 1)
                attempt("removeDefaultAcl", () -> fs.removeDefaultAcl(p));
            else
                attempt("setAcl", () -> fs.setAcl(p, AclEntry.parseAclSpec("user::rwx,group::r--,other::---,user:x" + number % 5 + ":r--", true)));
            break;
        case 20:
            attempt("setXAttr", () -> fs.setXAttr(p, "user.x" + number % 6, new byte[number % 50]));
            break;
        case 21:
            attempt("removeXAttr", () -> fs.removeXAttr(p, "user.x" + number % 6));
            break;
        case 22:
            attempt("setQuota", () -> fs.setQuota(p, number % 4 == 0 ? HdfsConstants.QUOTA_RESET : 500 + number, number % 4 == 1 ? HdfsConstants.QUOTA_RESET : 1L << 40));
            if (number % 5 == 0)
                attempt("setQuotaByStorageType", () -> fs.setQuotaByStorageType(p, StorageType.SSD, 1L << 40));
            break;
        case 23:
            attempt("setStoragePolicy", () -> fs.setStoragePolicy(p, new String[] {"HOT", "COLD", "WARM", "ONE_SSD"}[number % 4]));
            break;
        case 24:
            attempt("append", () -> {
                try (FSDataOutputStream out = fs.append(p)) {
                    out.write(new byte[1 + number]);
                }
            });
            break;
        case 25:
            Path next = new Path(p.getParent(), WORDS[5 + number % 5]);
            attempt("concat", () -> fs.concat(p, new Path[] {next}));
            break;
        case 26:
            attempt("setErasureCodingPolicy", () -> fs.setErasureCodingPolicy(p, new String[] {"RS-2-1-4k", "RS-2-1-4k", "replication", null}[number % 4]));
            break;
        case 27:
            erasureCoding(p, number);
            break;
        default:
            if (number % 2 == 0)
                attempt("truncate", () -> fs.truncate(p, number));
            else
                attempt("unsetStoragePolicy", () -> fs.unsetStoragePolicy(p));
        }
    }

    /** The end of a cut block comes later; a file whose DataNodes can't agree on one is deleted. */
    private void settle() throws Exception {
        for (int i = 0; i < 100; i++) {
            boolean open = false;
            org.apache.hadoop.fs.RemoteIterator<org.apache.hadoop.hdfs.protocol.OpenFileEntry> files = fs.listOpenFiles(
                EnumSet.of(org.apache.hadoop.hdfs.protocol.OpenFilesIterator.OpenFilesType.ALL_OPEN_FILES), "/storm");
            while (files.hasNext()) {
                Path p = new Path(files.next().getFilePath());
                if (i % 20 == 19)
                    attempt("recoverLease", () -> fs.recoverLease(p));
                if (i >= 80)
                    fs.delete(p, false);
                open = true;
            }
            if (!open)
                return;
            Thread.sleep(100);
        }
        throw new IllegalStateException("files below /storm stay open");
    }

    // ---- what it looks like ----

    private void collect(Path p, List<String> all, List<String> dirs) throws Exception {
        for (FileStatus s : fs.listStatus(p)) {
            String path = s.getPath().toUri().getPath();
            (s.isSymlink() ? new ArrayList<String>() : all).add(path);
            if (s.isDirectory()) {
                dirs.add(path);
                collect(s.getPath(), all, dirs);
            }
        }
    }

    private int shell(List<String> words) throws Exception {
        FsShell shell = new FsShell();
        shell.setConf(conf);
        try {
            return ToolRunner.run(shell, words.toArray(new String[0]));
        } finally {
            shell.close();
        }
    }

    private static String quoted(String path) { // a path is a pattern to the shell
        return path.replaceAll("([\\\\*?\\[\\]{}])", "\\\\$1");
    }

    private void each(List<String> paths, String... command) throws Exception {
        System.out.println("== " + String.join(" ", command));
        for (int i = 0; i < paths.size(); i += 200) {
            List<String> words = new ArrayList<>(Arrays.asList(command));
            for (String p : paths.subList(i, Math.min(i + 200, paths.size())))
                words.add(quoted(p));
            int rc = shell(words);
            if (rc != 0)
                System.out.println("rc " + rc);
        }
    }

    private void tree(String file) throws Exception {
        List<String> all = new ArrayList<>(), dirs = new ArrayList<>(), root = Arrays.asList("/");
        dirs.add("/");
        collect(new Path("/"), all, dirs);
        PrintStream out = System.out, err = System.err;
        try (PrintStream to = new PrintStream(new FileOutputStream(file), false, "UTF-8")) {
            System.setOut(to);
            System.setErr(to);
            each(root, "-ls", "-R");
            each(root, "-getfacl", "-R");
            each(root, "-getfattr", "-R", "-d", "-e", "hex");
            each(dirs, "-count", "-q");
            each(root, "-count", "-q", "-t");
            each(all, "-stat", "%A %a %b %F %g %n %o %r %u %x %y");
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    private void policies(String file) throws Exception {
        List<String> all = new ArrayList<>(), dirs = new ArrayList<>();
        collect(new Path("/"), all, dirs);
        try (PrintStream to = new PrintStream(file, "UTF-8")) {
            for (String path : all) {
                Path p = new Path(path);
                to.println(path + " " + fs.getStoragePolicy(p).getName() + " " + fs.getErasureCodingPolicy(p));
            }
            to.println(fs.getAllErasureCodingPolicies());
        }
    }
}
