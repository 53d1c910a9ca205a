/* cli.h - the program dfs: generic options, then a word that says what to do. Door of cli. */
#pragma once
#include "cli/store/store.h"

/* What the generic options say. */
struct generic {
    struct conf *conf;
    char **settings; /* "key=value", NULL-terminated, for libdfs */
    size_t count;
};

/* Takes generic options from the front of argv: returns how many words, or -1 with a message on
 * standard error. May be called again for words further on. */
int generic_parse(struct generic *g, int argc, char **argv);
/* Loads the configuration that the options ask for; false: message on standard error. */
bool generic_load(struct generic *g);
void generic_fini(struct generic *g);

/* The whole program. */
int cli_main(int argc, char **argv);
