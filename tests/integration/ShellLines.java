import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Constructor;
import java.security.PrivilegedExceptionAction;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.tools.DFSAdmin;
import org.apache.hadoop.hdfs.tools.DebugAdmin;
import org.apache.hadoop.hdfs.tools.ECAdmin;
import org.apache.hadoop.hdfs.tools.GetConf;
import org.apache.hadoop.hdfs.tools.GetGroups;
import org.apache.hadoop.hdfs.tools.StoragePolicyAdmin;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ToolRunner;

/**
 * Runs many command lines of Hadoop's shell in one JVM. Arguments: URL, file of lines, folder of results.
 * A line: user, file for standard input, then the arguments, all separated by tabs. Line N leaves N.out, N.err, N.rc.
 * A user "alice/proxy" is alice, for whom proxy acts. Arguments that begin with "dfsadmin", "storagepolicies", "debug",
 * "getconf", "ec" or "groups" are for those tools.
 */
public final class ShellLines {
    public static void main(String[] args) throws Exception {
        try (BufferedReader lines = new BufferedReader(new FileReader(args[1]))) {
            String line;
            for (int n = 1; (line = lines.readLine()) != null; n++)
                run(args[0], line.split("\t", -1), args[2] + "/" + n);
        }
        System.exit(0);
    }

    private static String[] tail(String[] words) {
        return Arrays.copyOfRange(words, 1, words.length);
    }

    private static GetConf getConf(Configuration conf) throws Exception {
        Constructor<GetConf> make = GetConf.class.getDeclaredConstructor(Configuration.class);
        make.setAccessible(true);
        return make.newInstance(conf);
    }

    private static void run(String url, String[] words, String base) throws Exception {
        String[] command = Arrays.copyOfRange(words, 2, words.length);
        String[] names = words[0].split("/");
        UserGroupInformation user = words[0].isEmpty() ? UserGroupInformation.getLoginUser()
            : names.length == 1 ? UserGroupInformation.createRemoteUser(names[0])
            : UserGroupInformation.createProxyUser(names[0], UserGroupInformation.createRemoteUser(names[1]));
        PrintStream out = System.out, err = System.err;
        InputStream in = System.in;
        int rc;
        try (PrintStream newOut = new PrintStream(new FileOutputStream(base + ".out"), true);
             PrintStream newErr = new PrintStream(new FileOutputStream(base + ".err"), true);
             InputStream newIn = new FileInputStream(words[1].isEmpty() ? "/dev/null" : words[1])) {
            System.setOut(newOut);
            System.setErr(newErr);
            System.setIn(newIn);
            rc = user.doAs((PrivilegedExceptionAction<Integer>) () -> {
                Configuration conf = new Configuration();
                conf.set("fs.defaultFS", url);
                if (command[0].equals("dfsadmin"))
                    return ToolRunner.run(new DFSAdmin(new HdfsConfiguration(conf)), tail(command));
                if (command[0].equals("storagepolicies"))
                    return ToolRunner.run(new StoragePolicyAdmin(new HdfsConfiguration(conf)), tail(command));
                if (command[0].equals("ec"))
                    return ToolRunner.run(new ECAdmin(new HdfsConfiguration(conf)), tail(command));
                if (command[0].equals("debug"))
                    return ToolRunner.run(new HdfsConfiguration(conf), new DebugAdmin(conf), tail(command));
                if (command[0].equals("getconf"))
                    return ToolRunner.run(getConf(new HdfsConfiguration(conf)), tail(command));
                if (command[0].equals("groups"))
                    return ToolRunner.run(new GetGroups(new HdfsConfiguration(conf)), tail(command));
                FsShell shell = new FsShell();
                shell.setConf(conf);
                try {
                    return ToolRunner.run(shell, command);
                } finally {
                    shell.close();
                }
            });
        } finally {
            System.setOut(out);
            System.setErr(err);
            System.setIn(in);
        }
        try (PrintWriter w = new PrintWriter(base + ".rc")) {
            w.println(rc & 255);
        }
    }
}
