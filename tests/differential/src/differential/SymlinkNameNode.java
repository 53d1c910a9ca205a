package differential;

import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.server.namenode.NameNode;

/** A NameNode that makes symlinks: Hadoop has the code, and only a call to allow it. */
public final class SymlinkNameNode {
  private SymlinkNameNode() {
  }

  public static void main(String[] args) throws Exception {
    FileSystem.enableSymlinks();
    NameNode.main(args);
  }
}
