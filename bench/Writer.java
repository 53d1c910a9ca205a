// Hadoop's own client, measured as bench_flush and `dfs put` are: Writer URL COUNT SIZE REPLICATION FILE
import java.io.FileInputStream;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.*;

public class Writer {
  static void report(String name, long[] ns) {
    Arrays.sort(ns);
    System.out.printf("%-8s p50 %8d us   p99 %8d us   worst %8d us%n", name, ns[ns.length / 2] / 1000, ns[ns.length * 99 / 100] / 1000, ns[ns.length - 1] / 1000);
  }

  static void flush(FSDataOutputStream out, boolean sync, int count, byte[] record, boolean show) throws Exception {
    long[] ns = new long[count];
    for (int i = 0; i < count; i++) {
      long start = System.nanoTime();
      out.write(record);
      if (sync) out.hsync(); else out.hflush();
      ns[i] = System.nanoTime() - start;
    }
    if (show) report(sync ? "hsync" : "hflush", ns);
  }

  static void put(FileSystem fs, String file, short replication, boolean show) throws Exception {
    var os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long start = System.nanoTime(), cpu = os.getProcessCpuTime(), bytes = 0;
    byte[] buffer = new byte[1 << 20];
    try (FileInputStream in = new FileInputStream(file);
         FSDataOutputStream out = fs.create(new Path("/bench_put"), true, 1 << 20, replication, 128 << 20)) {
      for (int n; (n = in.read(buffer)) > 0; bytes += n) out.write(buffer, 0, n);
    }
    double s = (System.nanoTime() - start) * 1e-9, gib = bytes / (double) (1 << 30);
    if (show) System.out.printf("put      %8.1f MiB/s   %6.2f s CPU/GiB of the client%n", gib * 1024 / s, (os.getProcessCpuTime() - cpu) * 1e-9 / gib);
  }

  public static void main(String[] a) throws Exception {
    FileSystem fs = FileSystem.get(URI.create(a[0]), new Configuration());
    int count = Integer.parseInt(a[1]);
    short replication = Short.parseShort(a[3]);
    byte[] record = new byte[Integer.parseInt(a[2])];
    try (FSDataOutputStream out = fs.create(new Path("/bench_flush"), true, 4096, replication, 128 << 20)) {
      flush(out, false, count, record, false);
      flush(out, false, count, record, true);
      flush(out, true, Math.min(count, 500), record, true);
    }
    put(fs, a[4], replication, false);
    put(fs, a[4], replication, true);
  }
}
