/* shell.h - how a file command runs: its row of the table, its options, its walk over paths, its
 * errors. Door of cli/shell. The rules are those of Hadoop's shell: a bad path is reported and the
 * next one is done, the exit code is 1 then; a bad command line is reported with the usage, and the
 * exit code is 255. */
#pragma once
#include <pthread.h>

#include "cli/store/store.h"

struct shell;
struct args {
    char **at; /* borrowed strings */
    size_t count;
};

/* A row of commands.def. options: words split by blanks; "f" a flag, "t=" one with a value, "*" as
 * the last one: unknown options are left for the command. */
struct command {
    const char *name;
    const char *replacement; /* of a deprecated command, else "" */
    unsigned min, max;       /* operands */
    const char *options;
    const char *usage;
    const char *help;
    int (*run)(struct shell *sh, struct args *args, struct err *err);
};

struct shell {
    struct stores *stores;
    FILE *out, *err;
    const struct command *table;
    size_t table_size;
    const struct command *command; /* that runs */
    pthread_mutex_t lock;          /* guards errors and the writing of messages */
    unsigned errors;
    int exit_code; /* when there were no errors */
};

void shell_init(struct shell *sh, struct stores *stores, const struct command *table,
                size_t table_size);
void shell_fini(struct shell *sh);
/* Runs argv[0] ("-ls" or "ls"); returns the exit code of the process. */
int shell_run(struct shell *sh, int argc, char **argv);
/* "<command>: <text>" on standard error; counts. */
void shell_error(struct shell *sh, const struct err *err);
/* The same without counting. */
void shell_warn(struct shell *sh, const char *text);
const struct command *shell_find(const struct shell *sh, const char *name);
/* Set by a signal: stop soon, tidy up. */
void shell_interrupt(void);
bool shell_interrupted(void);

/* Help. */
void help_usage(const struct shell *sh, FILE *out);                             /* all */
void help_usage_of(const struct shell *sh, const struct command *c, FILE *out); /* one */
void help_all(const struct shell *sh, FILE *out);
void help_of(const struct command *c, FILE *out);
void help_man(const struct shell *sh, FILE *out); /* roff of the commands' section */
int cmd_help(struct shell *sh, struct args *args, struct err *err);
int cmd_usage(struct shell *sh, struct args *args, struct err *err);

/* Options. */
enum { OPTIONS_MAX = 12 };
struct options {
    struct {
        const char *name;
        size_t size;
        bool on;
        const char *value; /* NULL: not given; "" given without */
    } at[OPTIONS_MAX];
    size_t count;
};
/* Takes the options of the command that runs out of args and checks the count of operands. */
must_use int options_parse(struct shell *sh, struct args *args, struct options *ret,
                           struct err *err);
bool option_on(const struct options *o, const char *name);
const char *option_value(const struct options *o, const char *name);
/* A flag anywhere before "--". */
bool args_pop(struct args *args, const char *name);
/* The same with a value; *ret stays if it isn't given. */
must_use int args_pop_value(struct args *args, const char *name, const char **ret, struct err *err);
/* The first or last operand. */
char *args_first(struct args *args);
char *args_last(struct args *args);

/* The walk over arguments and, if recursive, what is below. Hooks return 0 or an error, which is
 * reported and ends the item; ERR_ILLEGAL_ARGUMENT and ERR_INTERRUPTED end everything. NULL hooks
 * do what Hadoop's shell does. */
struct walk {
    struct shell *sh;
    void *data;
    bool recursive, sorted;
    int depth; /* 0: an argument */
    int (*expand)(struct walk *w, const char *arg, struct items *ret, struct err *err);
    int (*argument)(struct walk *w, struct item *item, struct err *err);
    int (*missing)(struct walk *w, struct item *item, struct err *err);
    /* Before the items of a folder (in groups), parent NULL for an argument. */
    int (*group)(struct walk *w, const struct item *parent, struct items *items, struct err *err);
    int (*path)(struct walk *w, struct item *item, struct err *err);
    int (*recurse)(struct walk *w, struct item *item, struct err *err);
    int (*after)(struct walk *w, struct item *item, struct err *err);
};
must_use int walk_expand(struct walk *w, const struct args *args, struct items *ret,
                         struct err *err);
must_use int walk_items(struct walk *w, struct items *items, struct err *err);
/* Both. */
must_use int walk_args(struct walk *w, const struct args *args, struct err *err);
/* One argument that exists. */
must_use int walk_argument(struct walk *w, struct item *item, struct err *err);
/* The children of a folder. */
must_use int walk_children(struct walk *w, struct item *item, struct err *err);
/* Expanders: the path as written, a glob (the default), the local disk. */
int expand_plain(struct walk *w, const char *arg, struct items *ret, struct err *err);
int expand_glob(struct walk *w, const char *arg, struct items *ret, struct err *err);
int expand_local(struct walk *w, const char *arg, struct items *ret, struct err *err);

/* Errors with the texts of Hadoop's shell: "`x': Is a directory". */
int fail_missing(struct err *err, const char *text);
/* With the full path behind. */
int fail_missing_full(struct err *err, const struct item *item);
int fail_exists(struct err *err, const char *text);
int fail_is_dir(struct err *err, const char *text);
int fail_not_dir(struct err *err, const char *text);
int fail_not_empty(struct err *err, const char *text);
int fail_path(struct err *err, const char *text, const char *why);
