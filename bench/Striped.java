// Hadoop's own client on an erasure coded directory, measured as `dfs put` and `dfs get` are: Striped put|get URL FILE
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.*;

public class Striped {
  static long copy(InputStream in, OutputStream out) throws Exception {
    byte[] buffer = new byte[1 << 20];
    long bytes = 0;
    for (int n; (n = in.read(buffer)) > 0; bytes += n) out.write(buffer, 0, n);
    return bytes;
  }

  static void once(FileSystem fs, String what, String file, boolean show) throws Exception {
    var os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long start = System.nanoTime(), cpu = os.getProcessCpuTime(), bytes;
    Path path = new Path("/ec/bench");
    try (InputStream in = what.equals("put") ? new FileInputStream(file) : fs.open(path);
         OutputStream out = what.equals("put") ? fs.create(path, true) : new FileOutputStream("/dev/null")) {
      bytes = copy(in, out);
    }
    double s = (System.nanoTime() - start) * 1e-9, gib = bytes / (double) (1 << 30);
    if (show) System.out.printf("%.3f %.3f%n", gib * 1024 / s, (os.getProcessCpuTime() - cpu) * 1e-9 / gib);
  }

  // The first pass warms the JVM up and doesn't count; prints MiB/s and the client's CPU seconds a GiB.
  public static void main(String[] a) throws Exception {
    FileSystem fs = FileSystem.get(URI.create(a[1]), new Configuration());
    once(fs, a[0], a[2], false);
    once(fs, a[0], a[2], true);
  }
}
