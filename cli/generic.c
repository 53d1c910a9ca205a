/* generic.c - options that every command takes: where the configuration is, and single settings.
 * Order of strength: files of the folder, files given by -conf, then -D and -fs as they come.
 * Thread: main's. */
#include <stdlib.h>

#include "cli/cli.h"
#include "common/base/base.h"

static void add_setting(struct generic *g, char *take_setting)
{
    g->settings = text_grow(g->settings, (g->count + 2) * sizeof(*g->settings));
    g->settings[g->count++] = take_setting;
    g->settings[g->count] = NULL;
}

static void add_property(void *ctx, const char *name, const char *value)
{
    add_setting(ctx, text_printf("%s=%s", name, value));
}

/* The properties of one more file become settings, so that libdfs sees them as well. */
static bool add_file(struct generic *g, const char *path)
{
    struct err err = {0};
    struct conf *c = conf_new();
    if (c == NULL || conf_add_file(c, path, &err) != 0) {
        fprintf(stderr, "dfs: %s\n", c == NULL ? "out of memory" : err.text);
        conf_free(c);
        return false;
    }
    conf_each(c, add_property, g);
    conf_free(c);
    return true;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static bool take_option(struct generic *g, const char *name, const char *value)
{
    static const char *const ignored[] = {"-jt", "-files", "-libjars", "-archives", NULL};
    if (value == NULL) {
        fprintf(stderr, "dfs: Missing argument for option: %s\n", name + 1);
        return false;
    }
    if (strcmp(name, "-D") == 0)
        add_setting(g, text_dup(value));
    else if (strcmp(name, "-fs") == 0)
        add_setting(g, text_printf("fs.defaultFS=%s", value));
    else if (strcmp(name, "-conf") == 0)
        return add_file(g, value);
    else if (!is_one_of(name, ignored)) /* --conf, --config */
        return setenv("HADOOP_CONF_DIR", value, 1) == 0;
    return true; /* what is for MapReduce alone is let pass, as Hadoop's shell does */
}

int generic_parse(struct generic *g, int argc, char **argv)
{
    static const char *const with_value[] = {"-D",  "-fs",    "-conf",    "--conf",    "--config",
                                             "-jt", "-files", "-libjars", "-archives", NULL};
    int i = 0;
    while (i < argc) {
        const char *word = argv[i];
        if (strncmp(word, "-D", 2) == 0 && strchr(word, '=') != NULL) {
            add_setting(g, text_dup(word + 2));
            i++;
        } else if (is_one_of(word, with_value)) {
            if (!take_option(g, word, argv[i + 1]))
                return -1;
            i += 2;
        } else {
            break;
        }
    }
    return i;
}

bool generic_load(struct generic *g)
{
    struct err err = {0};
    g->conf = conf_new();
    int rc = g->conf == NULL ? fail(&err, ERR_NO_MEMORY, "out of memory")
                             : conf_add_dir(g->conf, NULL, &err);
    for (size_t i = 0; rc == 0 && i < g->count; i++)
        rc = conf_set_pair(g->conf, g->settings[i], &err);
    if (rc == 0)
        rc = conf_finish(g->conf, &err);
    if (rc != 0)
        fprintf(stderr, "dfs: %s\n", err.text);
    return rc == 0;
}

void generic_fini(struct generic *g)
{
    for (size_t i = 0; i < g->count; i++)
        text_free(g->settings[i]);
    text_free(g->settings);
    conf_free(g->conf);
}
