/* options.c - the command line of `dfs mini`.
 * Thread: main's. Strings are borrowed from argv. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mini/internal.h"

static const char usage[] =
    "Usage: dfs mini [--datanodes N] [--dir DIR] [--port P] [--format] [--conf-out DIR]\n"
    "                [-D key=value]... [--run CMD ARGS...]\n"
    "One process with a NameNode and N DataNodes (3) on the loopback address, until it is\n"
    "interrupted or CMD has ended.\n"
    "  --datanodes N    how many DataNodes, 0 to 64\n"
    "  --dir DIR        where the data is kept; without it in a temporary folder, removed at the "
    "end\n"
    "  --port P         port of the NameNode; any free one without it\n"
    "  --format         begin with an empty file system\n"
    "  --conf-out DIR   write core-site.xml there instead of <data>/conf\n"
    "  -D key=value     a setting of the servers\n"
    "  --run CMD ARGS   run this with HADOOP_CONF_DIR set, and exit with its code\n";

static bool number(const char *text, long max, unsigned *ret)
{
    char *end;
    if (text == NULL || *text == '\0')
        return false;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 0 || value > max)
        return false;
    *ret = (unsigned)value;
    return true;
}

static bool bad(const char *word)
{
    fprintf(stderr, "dfs mini: %s: unknown, or its value is missing or wrong\n%s", word, usage);
    return false;
}

static bool add_setting(struct mini_options *o, const char *setting)
{
    if (o->setting_count == MINI_SETTINGS_MAX) {
        fprintf(stderr, "dfs mini: more than %d settings\n", MINI_SETTINGS_MAX);
        return false;
    }
    o->settings[o->setting_count++] = setting;
    return true;
}

/* One option with a value. */
static bool take(struct mini_options *o, const char *word, const char *value)
{
    if (strcmp(word, "--datanodes") == 0)
        return number(value, MINI_DATANODES_MAX, &o->datanodes) || bad(word);
    if (strcmp(word, "--port") == 0)
        return number(value, 65535, &o->port) || bad(word);
    if (value == NULL)
        return bad(word);
    if (strcmp(word, "--dir") == 0)
        o->dir = value;
    else if (strcmp(word, "--conf-out") == 0)
        o->conf_out = value;
    else if (strcmp(word, "-D") == 0)
        return add_setting(o, value);
    else
        return bad(word);
    return true;
}

bool mini_parse(int argc, char **argv, struct mini_options *ret)
{
    *ret = (struct mini_options){.datanodes = 3};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--run") == 0) {
            ret->command = argv + i + 1;
            return ret->command[0] != NULL || bad(word);
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(usage, stdout);
            ret->help = true;
            return true;
        }
        if (strcmp(word, "--format") == 0) {
            ret->format = true;
        } else if (strncmp(word, "-D", 2) == 0 && word[2] != '\0') {
            if (!add_setting(ret, word + 2))
                return false;
        } else if (!take(ret, word, argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}
