import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** The commands of pipeline_writer.c, by Hadoop's own client. */
public class PipelineWriter {
  private static byte at(long i) {
    return (byte) (i * 31 + (i >> 9) * 7 + (i >> 17));
  }

  public static void main(String[] args) throws Exception {
    Configuration conf = new Configuration();
    for (int i = 1; i < args.length; i++) {
      conf.set(args[i].substring(0, args[i].indexOf('=')), args[i].substring(args[i].indexOf('=') + 1));
    }
    DistributedFileSystem fs = (DistributedFileSystem) DistributedFileSystem.newInstance(URI.create(args[0]), conf);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    FSDataOutputStream out = null;
    long end = 0;
    for (String line; (line = in.readLine()) != null; ) {
      String[] w = line.split(" ");
      long start = System.nanoTime();
      String more = "";
      try {
        switch (w[0]) {
          case "create":
            out = fs.create(new Path(w[1]), true, 4096, Short.parseShort(w[2]), Long.parseLong(w[3]));
            end = 0;
            break;
          case "append":
            out = fs.append(new Path(w[1]));
            end = fs.getFileStatus(new Path(w[1])).getLen();
            break;
          case "write":
            byte[] b = new byte[Integer.parseInt(w[1])];
            for (int i = 0; i < b.length; i++) {
              b[i] = at(end + i);
            }
            out.write(b);
            end += b.length;
            break;
          case "hflush":
            out.hflush();
            break;
          case "hsync":
            out.hsync();
            break;
          case "close":
            out.close();
            break;
          case "recover":
            more = " " + fs.recoverLease(new Path(w[1]));
            break;
          case "truncate":
            more = " " + fs.truncate(new Path(w[1]), Long.parseLong(w[2]));
            break;
          case "verify":
            try (FSDataInputStream f = fs.open(new Path(w[1]))) {
              byte[] r = new byte[65536];
              long pos = 0;
              for (int n; (n = f.read(r)) > 0; pos += n) {
                for (int i = 0; i < n; i++) {
                  if (r[i] != at(pos + i)) {
                    throw new IllegalStateException("wrong byte at " + (pos + i));
                  }
                }
              }
              more = " " + pos;
            }
            break;
          default:
            throw new IllegalArgumentException(line);
        }
        System.out.println("ok " + (System.nanoTime() - start) / 1000000 + more);
      } catch (Exception e) {
        System.out.println("error " + (System.nanoTime() - start) / 1000000 + " " + e.toString().replace('\n', ' '));
      }
    }
    Runtime.getRuntime().halt(0);
  }
}
