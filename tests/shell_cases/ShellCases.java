import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.hadoop.cli.util.ComparatorBase;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.hdfs.tools.DFSAdmin;
import org.apache.hadoop.util.ToolRunner;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/**
 * Runs Hadoop's own cases of its shell (XML files of its tests) with one of two shells against a running cluster.
 * Arguments: EXCLUDED REPORT SIDE..., a side is "java|PROGRAM DATA (URL XML [key=value]...)..." as one word with tabs.
 * java: Hadoop's shell in this JVM; else the program, as a process. EXCLUDED: lines "SIDE(s) TAB regular expression of
 * FILE: DESCRIPTION TAB reason". REPORT: folder for what failed. A side's line at the end: "SIDE: N passed of M, K excluded".
 */
public final class ShellCases {
    private record Command(boolean admin, String text) {}
    private record Comparison(String type, String expected, int exit) {}
    private record Case(String name, List<Command> commands, List<Command> cleanup, List<Comparison> comparisons) {}
    private record Outcome(String output, int exit) {}
    private record Exclusion(Pattern side, Pattern name, String reason) {}

    private static final PrintStream console = System.out;
    private static final Pattern word = Pattern.compile("'([^']*)'|\"([^\"]*)\"|(\\S+)");
    private static final int COMMAND_SECONDS = 120, SLOW_MS = 3000;
    /** SHELL_CASES_ALL=1: the commands around the compared one are processes, too. */
    private static final boolean everything = "1".equals(System.getenv("SHELL_CASES_ALL"));
    /** SHELL_CASES_ONLY: a regular expression that FILE: DESCRIPTION must contain. */
    private static final Pattern only = Pattern.compile(System.getenv().getOrDefault("SHELL_CASES_ONLY", ""));

    private final String side, data;
    private final List<Exclusion> exclusions;
    private final StringBuilder report = new StringBuilder();
    private int passed, failed, excluded;
    private String url;
    private Configuration conf;
    private List<String> settings;

    private ShellCases(String side, String data, List<Exclusion> exclusions) {
        this.side = side;
        this.data = new File(data).toURI().toString();
        this.exclusions = exclusions;
    }

    public static void main(String[] args) throws Exception {
        List<Exclusion> exclusions = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(args[0]))) {
            String[] part = line.split("\t");
            if (!line.startsWith("#") && part.length == 3)
                exclusions.add(new Exclusion(Pattern.compile(part[0]), Pattern.compile(part[1]), part[2]));
        }
        int bad = 0;
        for (String arg : Arrays.asList(args).subList(2, args.length)) {
            String[] words = arg.split("\t");
            ShellCases s = new ShellCases(words[0], words[1], exclusions);
            s.runFiles(words);
            Files.writeString(Path.of(args[1], s.label() + ".failed"), s.report);
            console.printf("%s: %d passed of %d, %d excluded%n", s.label(), s.passed, s.passed + s.failed, s.excluded);
            bad += s.failed + (s.passed == 0 ? 1 : 0);
        }
        System.exit(bad == 0 ? 0 : 1);
    }

    private String label() {
        return side.equals("java") ? "java" : "dfs";
    }

    private void runFiles(String[] words) {
        try {
            for (int i = 2; i + 1 < words.length; ) {
                url = words[i++];
                Path file = Path.of(words[i++]);
                conf = new Configuration();
                settings = new ArrayList<>();
                for (; i < words.length && words[i].matches("[a-z.]+=.*"); i++) {
                    conf.set(words[i].replaceFirst("=.*", ""), words[i].replaceFirst("[^=]*=", ""));
                    settings.add("-D" + words[i]);
                }
                for (Case c : parse(file))
                    run(c);
            }
        } catch (Exception e) {
            failed++;
            report.append("the runner failed: ").append(e).append("\n");
            for (StackTraceElement at : e.getStackTrace())
                report.append("    ").append(at).append("\n");
        }
    }

    private static List<Element> children(Element e, String name) {
        List<Element> found = new ArrayList<>();
        NodeList nodes = e.getChildNodes();
        for (int i = 0; i < nodes.getLength(); i++) {
            Node n = nodes.item(i);
            if (n instanceof Element && (name == null || n.getNodeName().equals(name)))
                found.add((Element) n);
        }
        return found;
    }

    private static String text(Element e, String name, String missing) {
        List<Element> found = children(e, name);
        return found.isEmpty() ? missing : found.get(0).getTextContent();
    }

    private static List<Command> commands(Element test, String name) {
        List<Command> list = new ArrayList<>();
        for (Element group : children(test, name))
            for (Element c : children(group, null))
                list.add(new Command(c.getNodeName().equals("dfs-admin-command"), c.getTextContent()));
        return list;
    }

    private static List<Case> parse(Path file) throws Exception {
        List<Case> cases = new ArrayList<>();
        Element root = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile()).getDocumentElement();
        for (Element tests : children(root, "tests"))
            for (Element test : children(tests, "test")) {
                List<Comparison> comparisons = new ArrayList<>();
                for (Element group : children(test, "comparators"))
                    for (Element c : children(group, "comparator"))
                        comparisons.add(new Comparison(text(c, "type", "none"), text(c, "expected-output", ""),
                            Integer.parseInt(text(c, "expected-exit-code", "-1"))));
                String name = file.getFileName() + ": " + text(test, "description", "").trim().replaceAll("\\s+", " ");
                cases.add(new Case(name, commands(test, "test-commands"), commands(test, "cleanup-commands"), comparisons));
            }
        return cases;
    }

    private String expand(String s) {
        s = s.replace("NAMENODE", url).replace("#LF#", "\n").replace("CLITEST_DATA", data);
        if (s.startsWith("/tmp/")) // a local target of one case
            s = data.replaceFirst("^file:", "") + s.substring("/tmp/".length());
        return s.replace("USERNAME", System.getProperty("user.name"));
    }

    private String[] words(String command) {
        List<String> list = new ArrayList<>();
        for (Matcher m = word.matcher(command); m.find(); )
            list.add(expand(m.group(1) != null ? m.group(1) : m.group(2) != null ? m.group(2) : m.group(3)));
        return list.toArray(new String[0]);
    }

    private Outcome inThisJvm(Command command) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream both = new PrintStream(bytes), out = System.out, err = System.err;
        System.setOut(both);
        System.setErr(both);
        int exit;
        try {
            Configuration c = new Configuration(conf);
            exit = ToolRunner.run(command.admin ? new DFSAdmin(c) : new FsShell(c), words(command.text));
        } catch (Exception e) {
            both.println(e);
            exit = -1;
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        return new Outcome(bytes.toString(), exit);
    }

    private Outcome asProcess(Command command) throws Exception {
        List<String> line = new ArrayList<>(List.of(side));
        if (command.admin)
            line.add("dfsadmin");
        line.addAll(settings);
        Collections.addAll(line, words(command.text));
        Process p = new ProcessBuilder(line).redirectErrorStream(true).redirectInput(new File("/dev/null")).start();
        try (InputStream in = p.getInputStream()) {
            String output = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            if (!p.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS))
                p.destroyForcibly();
            return new Outcome(output, p.waitFor());
        }
    }

    /** What a case compares is the output of its last command; only that one need be a process. */
    private Outcome execute(Command command, boolean compared) throws Exception {
        return side.equals("java") || !(compared || everything) ? inThisJvm(command) : asProcess(command);
    }

    /** What does not fit, or null. */
    private String compare(Comparison c, Outcome got) throws Exception {
        if (c.type.equalsIgnoreCase("none"))
            return null;
        ComparatorBase comparator = (ComparatorBase) Class.forName("org.apache.hadoop.cli.util." + c.type)
            .getDeclaredConstructor().newInstance();
        if (!comparator.compare(got.output, expand(c.expected)))
            return c.type + " wants [" + expand(c.expected) + "]";
        if (c.exit != -1 && (c.exit & 255) != (got.exit & 255))
            return "wants exit code " + c.exit;
        return null;
    }

    private void run(Case c) throws Exception {
        if (!only.matcher(c.name).find())
            return;
        for (Exclusion e : exclusions)
            if (e.side.matcher(label()).matches() && e.name.matcher(c.name).matches()) {
                excluded++;
                return;
            }
        long start = System.nanoTime();
        Outcome got = null;
        for (int i = 0; i < c.commands.size(); i++)
            got = execute(c.commands.get(i), i == c.commands.size() - 1);
        StringBuilder wrong = new StringBuilder();
        for (Comparison comparison : c.comparisons) {
            String problem = got == null ? "no command" : compare(comparison, got);
            if (problem != null)
                wrong.append("    ").append(problem).append("\n");
        }
        for (Command command : c.cleanup)
            execute(command, false);
        long ms = (System.nanoTime() - start) / 1_000_000;
        if (ms > SLOW_MS)
            console.printf("%s: %d ms: %s%n", label(), ms, c.name);
        if (wrong.length() == 0) {
            passed++;
            return;
        }
        failed++;
        report.append(c.name).append("\n");
        for (Command command : c.commands)
            report.append("    ").append(command.admin ? "dfsadmin " : "").append(expand(command.text)).append("\n");
        report.append(wrong).append("    exit ").append(got == null ? -1 : got.exit).append("\n");
        report.append(got == null ? "" : got.output.replaceAll("(?m)^", "    > ")).append("\n");
    }
}
