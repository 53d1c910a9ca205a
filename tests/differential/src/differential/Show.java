package differential;

import java.lang.reflect.UndeclaredThrowableException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.hadoop.fs.ContentSummary;
import org.apache.hadoop.fs.FsServerDefaults;
import org.apache.hadoop.fs.QuotaUsage;
import org.apache.hadoop.fs.StorageType;
import org.apache.hadoop.fs.XAttr;
import org.apache.hadoop.fs.permission.AclStatus;
import org.apache.hadoop.hdfs.protocol.BatchedDirectoryListing;
import org.apache.hadoop.hdfs.protocol.BlockStoragePolicy;
import org.apache.hadoop.hdfs.protocol.DirectoryListing;
import org.apache.hadoop.hdfs.protocol.ErasureCodingPolicyInfo;
import org.apache.hadoop.hdfs.protocol.HdfsFileStatus;
import org.apache.hadoop.hdfs.protocol.HdfsLocatedFileStatus;
import org.apache.hadoop.hdfs.protocol.HdfsPartialListing;
import org.apache.hadoop.hdfs.protocol.LocatedBlock;
import org.apache.hadoop.hdfs.protocol.LocatedBlocks;
import org.apache.hadoop.ipc.RemoteException;

/** Results as text in which only what both sides must agree on remains: no ids, no ports, no moments of time. */
final class Show {
  private static final long DAWN = 1_000_000_000_000L; // times before this were set by a test, later ones are clocks

  private Show() {
  }

  static String error(Throwable t) {
    while (t instanceof UndeclaredThrowableException && t.getCause() != null) {
      t = t.getCause();
    }
    String kind = t instanceof RemoteException ? ((RemoteException) t).getClassName() : "(client) " + t.getClass().getName();
    String text = String.valueOf(t.getMessage());
    int trace = text.indexOf("\n\tat ");
    return "!" + kind + ": " + cut(steady(trace < 0 ? text : text.substring(0, trace)).trim());
  }

  /** Ours keeps the beginning of a very long text. */
  private static String cut(String text) {
    return text.length() < 300 ? text : text.substring(0, 200);
  }

  /** Without what differs between any two runs. */
  static String steady(String text) {
    return text.replaceAll("blk_-?\\d+_\\d+", "blk_N").replaceAll("127\\.0\\.0\\.1:\\d+", "127.0.0.1:PORT")
        .replaceAll("BP-[0-9a-z.-]+", "BP-N").replaceAll("(?i)(inode ?(id)? ?=? ?|fileId=|inodes/)\\d+", "$1N")
        .replaceAll("DS-[0-9a-f-]+", "DS-N").replaceAll("\\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b", "UUID")
        .replaceAll("DFSClient_NONMAPREDUCE_-?\\d+_\\d+", "CLIENT").replaceAll("\\(inode \\d+\\)", "(inode N)");
  }

  static String of(Object o) {
    if (o == null) {
      return "null";
    } else if (o instanceof HdfsLocatedFileStatus) {
      return status((HdfsFileStatus) o) + " " + blocks(((HdfsLocatedFileStatus) o).getLocatedBlocks());
    } else if (o instanceof HdfsFileStatus) {
      return status((HdfsFileStatus) o);
    } else if (o instanceof LocatedBlocks) {
      return blocks((LocatedBlocks) o);
    } else if (o instanceof DirectoryListing) {
      DirectoryListing l = (DirectoryListing) o;
      return "remaining=" + l.getRemainingEntries() + " " + list(Arrays.asList(l.getPartialListing()));
    } else if (o instanceof BatchedDirectoryListing) {
      return batched((BatchedDirectoryListing) o);
    } else if (o instanceof AclStatus) {
      AclStatus a = (AclStatus) o;
      return a.getOwner() + ":" + a.getGroup() + " sticky=" + a.isStickyBit() + " " + a.getPermission() + " " + a.getEntries();
    } else if (o instanceof ContentSummary || o instanceof QuotaUsage) {
      return usage((QuotaUsage) o);
    } else if (o instanceof BlockStoragePolicy) {
      return o.toString();
    } else if (o instanceof FsServerDefaults) {
      FsServerDefaults d = (FsServerDefaults) o;
      return d.getBlockSize() + " " + d.getBytesPerChecksum() + " " + d.getWritePacketSize() + " " + d.getReplication() + " " + d.getFileBufferSize()
          + " " + d.getEncryptDataTransfer() + " " + d.getTrashInterval() + " " + d.getChecksumType() + " " + d.getKeyProviderUri() + " "
          + d.getDefaultStoragePolicyId() + " " + d.getSnapshotTrashRootEnabled();
    } else if (o instanceof ErasureCodingPolicyInfo) {
      return ((ErasureCodingPolicyInfo) o).getPolicy() + " " + ((ErasureCodingPolicyInfo) o).getState();
    } else if (o instanceof XAttr) {
      return xattr((XAttr) o);
    } else if (o instanceof Object[]) {
      return list(Arrays.asList((Object[]) o));
    } else if (o instanceof List) {
      return list((List<?>) o);
    } else if (o instanceof Map) {
      return new TreeMap<>((Map<?, ?>) o).toString();
    } else if (o instanceof byte[]) {
      return new String((byte[]) o, StandardCharsets.UTF_8);
    }
    return steady(o.toString());
  }

  private static String list(List<?> l) {
    List<String> out = new ArrayList<>();
    for (Object o : l) {
      out.add(of(o));
    }
    return out.toString();
  }

  private static String xattr(XAttr x) {
    return x.getNameSpace() + "." + x.getName() + "=" + Arrays.toString(x.getValue());
  }

  private static String time(long ms) {
    return ms > DAWN ? "now" : Long.toString(ms);
  }

  private static String status(HdfsFileStatus s) {
    byte[] link = s.isSymlink() ? s.getSymlinkInBytes() : null;
    return "'" + s.getLocalName() + "' " + (s.isDirectory() ? "d" : s.isSymlink() ? "l" : "-") + s.getPermission() + (s.hasAcl() ? "+" : "")
        + (s.isEncrypted() ? " crypt" : "") + (s.isErasureCoded() ? " ec" : "") + (s.isSnapshotEnabled() ? " snap" : "") + " " + s.getOwner() + ":"
        + s.getGroup() + " len=" + s.getLen() + " r=" + s.getReplication() + " bs=" + s.getBlockSize() + " m=" + time(s.getModificationTime())
        + (s.isDirectory() ? "" : " a=" + time(s.getAccessTime())) + " n=" + s.getChildrenNum() + " p=" + s.getStoragePolicy() + (link == null ? "" : " -> " + of(link))
        + (s.getErasureCodingPolicy() == null ? "" : " " + s.getErasureCodingPolicy().getName());
  }

  private static String blocks(LocatedBlocks b) {
    if (b == null) {
      return "no blocks";
    }
    StringBuilder s = new StringBuilder("len=" + b.getFileLength() + (b.isUnderConstruction() ? " uc" : "") + " complete=" + b.isLastBlockComplete());
    for (LocatedBlock l : b.getLocatedBlocks()) {
      s.append(' ').append(block(l));
    }
    return s + " last=" + (b.getLastLocatedBlock() == null ? "null" : block(b.getLastLocatedBlock()));
  }

  static String block(LocatedBlock l) {
    return l.getStartOffset() + "+" + l.getBlockSize() + "@" + l.getLocations().length + (l.isCorrupt() ? " corrupt" : "");
  }

  private static String batched(BatchedDirectoryListing l) {
    StringBuilder s = new StringBuilder("more=" + l.hasMore() + (l.getStartAfter() == null || l.getStartAfter().length == 0 ? "" : " cookie"));
    for (HdfsPartialListing p : l.getListings()) {
      s.append(" [").append(p.getParentIdx()).append(": ");
      s.append(p.getException() != null ? error(p.getException()) : list(p.getPartialListing())).append(']');
    }
    return s.toString();
  }

  private static String usage(QuotaUsage q) {
    StringBuilder s = new StringBuilder("n=" + q.getFileAndDirectoryCount() + " q=" + q.getQuota() + " space=" + q.getSpaceConsumed() + " sq=" + q.getSpaceQuota());
    for (StorageType t : StorageType.values()) {
      // a directory with a quota keeps in Hadoop what it counted under a policy that was changed since
      s.append(' ').append(t).append('=').append(q instanceof ContentSummary ? q.getTypeConsumed(t) : 0).append('/').append(q.getTypeQuota(t));
    }
    if (q instanceof ContentSummary) {
      ContentSummary c = (ContentSummary) q;
      s.append(" len=").append(c.getLength()).append(" f=").append(c.getFileCount()).append(" d=").append(c.getDirectoryCount()).append(" ec=")
          .append(c.getErasureCodingPolicy()).append(" snap=").append(c.getSnapshotLength()).append(',').append(c.getSnapshotFileCount())
          .append(',').append(c.getSnapshotDirectoryCount()).append(',').append(c.getSnapshotSpaceConsumed());
    }
    return s.toString();
  }
}
