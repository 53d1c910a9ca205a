/* help.c - usage, help and man page, all from the table of commands.
 * Thread: the command's. */
#include <ctype.h>
#include <string.h>

#include "cli/shell/shell.h"

static const char prefix[] = "Usage: hadoop fs [generic options]";
enum { HELP_WIDTH = 80 };

static void generic_options(FILE *out)
{
    fputs("\n"
          "Generic options supported are:\n"
          "-conf <configuration file>        read one more configuration file\n"
          "--conf <directory>                read core-site.xml and hdfs-site.xml there instead of "
          "HADOOP_CONF_DIR\n"
          "-D <property=value>               set one property\n"
          "-fs <file:///|hdfs://namenode:port> file system of paths that name none\n"
          "\n"
          "The general command line syntax is:\n"
          "command [genericOptions] [commandOptions]\n\n",
          out);
}

static void signature(const struct command *c, FILE *out)
{
    fprintf(out, "-%s%s%s", c->name, c->usage[0] == '\0' ? "" : " ", c->usage);
}

static void usage_lines(const struct shell *sh, FILE *out)
{
    fprintf(out, "%s\n", prefix);
    for (size_t i = 0; i < sh->table_size; i++) {
        if (sh->table[i].replacement[0] != '\0')
            continue;
        fputs("\t[", out);
        signature(&sh->table[i], out);
        fputs("]\n", out);
    }
}

void help_usage(const struct shell *sh, FILE *out)
{
    usage_lines(sh, out);
    generic_options(out);
}

void help_usage_of(const struct shell *sh, const struct command *c, FILE *out)
{
    (void)sh;
    fprintf(out, "%s ", prefix);
    signature(c, out);
    fputc('\n', out);
}

/* One line of help, wrapped; what follows a wrap is indented like the line's text behind an option.
 */
static void wrapped(const char *line, size_t size, FILE *out)
{
    size_t indent = 2 + strspn(line, " ");
    const char *gap = size > 0 && *line == '-' ? strstr(line, "  ") : NULL;
    if (gap != NULL && gap < line + size)
        indent = 2 + (size_t)(gap - line) + strspn(gap, " ");
    fputs("  ", out);
    size_t room = HELP_WIDTH - 2;
    while (size > room) {
        size_t cut = room;
        while (cut > 0 && line[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        fprintf(out, "%.*s\n%*s", (int)cut, line, (int)indent, "");
        line += cut + 1;
        size -= cut + 1;
        room = HELP_WIDTH - indent;
    }
    fprintf(out, "%.*s\n", (int)size, line);
}

void help_of(const struct command *c, FILE *out)
{
    signature(c, out);
    fputs(" :\n", out);
    if (c->replacement[0] != '\0') {
        fprintf(out, "  (DEPRECATED) Same as '%s'\n", c->replacement);
        return;
    }
    for (const char *p = c->help; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        wrapped(p, n, out);
        p += n + (p[n] == '\n');
    }
}

void help_all(const struct shell *sh, FILE *out)
{
    usage_lines(sh, out);
    for (size_t i = 0; i < sh->table_size; i++) {
        if (sh->table[i].replacement[0] != '\0')
            continue;
        fputc('\n', out);
        help_of(&sh->table[i], out);
    }
    generic_options(out);
}

static int each(struct shell *sh, struct args *args, struct err *err,
                void (*print)(const struct shell *, const struct command *, FILE *))
{
    for (size_t i = 0; i < args->count; i++) {
        const struct command *c = shell_find(sh, args->at[i]);
        if (c == NULL)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "`%s': Unknown command", args->at[i]);
        print(sh, c, sh->out);
    }
    return 0;
}

static void print_help(const struct shell *sh, const struct command *c, FILE *out)
{
    (void)sh;
    help_of(c, out);
}

int cmd_help(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count == 0)
        help_all(sh, sh->out);
    return each(sh, args, err, print_help);
}

int cmd_usage(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count == 0)
        help_usage(sh, sh->out);
    return each(sh, args, err, help_usage_of);
}

/* Text for roff: dashes and dots must not mean anything. */
static void roff(const char *text, size_t size, FILE *out)
{
    if (size > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '-' || text[i] == '\\')
            fputs(text[i] == '-' ? "\\-" : "\\e", out);
        else
            fputc(text[i], out);
    }
    fputc('\n', out);
}

static void man_commands(const struct shell *sh, FILE *out)
{
    for (size_t i = 0; i < sh->table_size; i++) {
        const struct command *c = &sh->table[i];
        if (c->replacement[0] != '\0')
            continue;
        fprintf(out, ".TP\n.B \\-%s\n", c->name);
        if (c->usage[0] != '\0')
            roff(c->usage, strlen(c->usage), out);
        for (const char *p = c->help; *p != '\0';) {
            size_t n = strcspn(p, "\n");
            fputs(".br\n", out);
            roff(p, n, out);
            p += n + (p[n] == '\n');
        }
    }
}

void help_man(const struct shell *sh, FILE *out)
{
    fputs(
        ".\\\" Made by dfs --man from cli/commands.def\n"
        ".TH DFS 1 \"\" \"Hadron " HADRON_VERSION "\" \"User commands\"\n"
        ".SH NAME\ndfs \\- files in HDFS, from the command line\n"
        ".SH SYNOPSIS\n"
        ".B dfs\n[generic options] [\\-]COMMAND [arguments]\n.br\n"
        ".B dfs admin\n[generic options] \\-report|\\-safemode|\\-setQuota|\\-rollEdits|"
        "\\-refreshNodes|\\-printTopology|\\-listOpenFiles|\\-metasave|\\-reconfig|\\-help ... "
        "[arguments]\n.br\n"
        ".B dfs fsck\nPATH [\\-files [\\-blocks [\\-locations|\\-racks|\\-replicaDetails]]] "
        "[\\-openforwrite] [\\-move|\\-delete|\\-list\\-corruptfileblocks] ...\n.br\n"
        ".B dfs storagepolicies\n\\-listPolicies|\\-setStoragePolicy|\\-getStoragePolicy|"
        "\\-unsetStoragePolicy [arguments]\n.br\n"
        ".B dfs ec\n\\-listPolicies|\\-addPolicies|\\-getPolicy|\\-removePolicy|\\-setPolicy|"
        "\\-unsetPolicy|\\-listCodecs|\\-enablePolicy|\\-disablePolicy|\\-verifyClusterSetup|"
        "\\-convert|\\-help [arguments]\n.br\n"
        ".B dfs getconf\n\\-confKey KEY|\\-namenodes|\\-nnRpcAddresses ...\n.br\n"
        ".B dfs balancer\n[\\-threshold PERCENT] [\\-policy datanode|blockpool] "
        "[\\-exclude|\\-include|\\-source HOSTS] ...\n.br\n"
        ".B dfs mover\n[\\-p PATH ... | \\-f FILE]\n.br\n"
        ".B dfs debug\nrecoverLease \\-path PATH [\\-retries N]\n.br\n"
        ".B dfs groups\n[USER ...]\n.br\n"
        ".B dfs mini\n[\\-\\-datanodes N] [\\-\\-dir DIR] [\\-\\-port P] [\\-\\-format] "
        "[\\-\\-conf\\-out DIR] [\\-D key=value]... [\\-\\-run CMD ARGS...]\n.br\n"
        ".B dfs oiv\n\\-p XML|Delimited|FileDistribution \\-i FSIMAGE [\\-o FILE] [options]\n.br\n"
        ".B dfs oev\n[\\-p xml|stats|binary] \\-i EDITS \\-o FILE [\\-f] [\\-r] [\\-v]\n.br\n"
        ".B dfs version\n"
        ".SH DESCRIPTION\n"
        "The commands, their options, output and exit codes are those of Hadoop's\n"
        ".B hdfs dfs\nand\n.BR \"hdfs dfsadmin\" ;\n"
        "the dash in front of a command may be left out. Paths are relative to /user/<user>, "
        "absolute, or URLs (hdfs://host:port/path, file:///path), and may hold the wildcards * ? "
        "[a\\-z] [^a] {a,b}; a backslash takes the meaning from the sign behind it.\n"
        ".PP\n.B dfs balancer\nmoves blocks from full DataNodes to empty ones, until none differs "
        "from "
        "the average by more than the threshold (10);\n.B dfs mover\nmoves replicas to the "
        "storage types of their storage policies. Options (\\-help), output and exit codes are "
        "Hadoop's.\n"
        ".PP\n.B dfs ec\nhas Hadoop's commands for erasure coding policies, and one of its own:\n"
        ".BR \"\\-convert\" \" [\\-policy POLICY | \\-replicate] PATH ...\"\n"
        "writes files anew, those named and all below the folders named: with that policy, "
        "replicated, or (with neither option) as their folder says for new files. A new file is "
        "made beside the old one, read back and compared; then it gets owner, permissions, ACL, "
        "attributes, times and storage policy, and takes the old one's place by one rename, while "
        "writers are kept away. Its id is a new one. Files that are open for writing or are "
        "changed meanwhile are refused, those in the wanted form are passed over; what fails or is "
        "interrupted leaves the old file and nothing else. After a kill \\-9 a file .convert\\-ID "
        "is left, which the next conversion removes. The exit code is 2 when a file failed.\n"
        ".PP\n.B dfs mini\nruns a NameNode and DataNodes in one process and prints its URL and "
        "the folder with the core\\-site.xml for clients.\n"
        ".PP\n.B dfs oiv\nshows what lies in an image,\n.B dfs oev\nwhat lies in a file of edits "
        "(or makes "
        "one from XML), without a NameNode; \\-h lists their options. Output is that of Hadoop's "
        "offline viewers.\n"
        ".SH GENERIC OPTIONS\n"
        ".TP\n.BR \\-conf \" FILE\"\nread one more configuration file\n"
        ".TP\n.BR \\-\\-conf \" DIR\"\nread core\\-site.xml and hdfs\\-site.xml there\n"
        ".TP\n.BR \\-D \" KEY=VALUE\"\nset one property\n"
        ".TP\n.BR \\-fs \" URL\"\nfile system of paths that name none\n"
        ".SH COMMANDS\n",
        out);
    man_commands(sh, out);
    fputs(".SH EXIT STATUS\n0 success, 1 something failed and the rest was done, 255 wrong command "
          "line, 130 interrupted.\n"
          ".SH ENVIRONMENT\n"
          ".TP\n.B HADOOP_CONF_DIR\nfolder of the configuration\n"
          ".TP\n.B HADOOP_USER_NAME\nname to act under\n"
          ".TP\n.B HADRON_LOG\ndebug, info, warn or error: what is told on standard error\n"
          ".SH SEE ALSO\n.BR dfs\\-mount (1),\n.BR dfs\\-namenode (1)\n",
          out);
}
