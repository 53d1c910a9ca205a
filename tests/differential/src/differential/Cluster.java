package differential;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.DFSClient;
import org.apache.hadoop.hdfs.NameNodeProxiesClient;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.hdfs.protocol.HdfsFileStatus;
import org.apache.hadoop.security.UserGroupInformation;

/** One of the two file systems, seen by several users: raw calls without retries, and a client for file contents. */
final class Cluster {
  final String name;
  private final InetSocketAddress address;
  private final Configuration conf;
  private final Map<String, ClientProtocol> proxies = new HashMap<>();
  private final Map<String, DFSClient> clients = new HashMap<>();

  Cluster(String name, String url, Configuration base) {
    this.name = name;
    URI uri = URI.create(url);
    address = new InetSocketAddress(uri.getHost(), uri.getPort());
    conf = new Configuration(base);
    conf.set("fs.defaultFS", url);
  }

  private static UserGroupInformation user(String who) throws IOException {
    return who.equals(Users.SUPER) ? UserGroupInformation.getLoginUser() : UserGroupInformation.createRemoteUser(who);
  }

  ClientProtocol rpc(String who) throws IOException {
    ClientProtocol p = proxies.get(who);
    if (p == null) {
      p = NameNodeProxiesClient.createNonHAProxyWithClientProtocol(address, conf, user(who), false, null);
      proxies.put(who, p);
    }
    return p;
  }

  DFSClient client(String who) throws Exception {
    DFSClient c = clients.get(who);
    if (c == null) {
      ClientProtocol p = rpc(who);
      c = user(who).doAs((java.security.PrivilegedExceptionAction<DFSClient>) () -> new DFSClient(null, p, conf, null));
      clients.put(who, c);
    }
    return c;
  }

  /** The superuser's view of the inode at path; a number that no inode has when there is none. */
  long inode(String path) {
    try {
      HdfsFileStatus s = rpc(Users.SUPER).getFileLinkInfo(path);
      return s == null ? 999999999L : s.getFileId();
    } catch (IOException e) {
      return 999999998L;
    }
  }
}
