/* internal.h - what the files of cli/ec share. */
#pragma once
#include "cli/ec/ec.h"
#include "cli/shell/shell.h"
#include "common/base/base.h"

enum { EXIT_USAGE = 1, EXIT_FAILED = 2, EXIT_SET_FAILED = 3, EXIT_ARGUMENT = 255 };

struct ec_call {
    struct stores *stores;
    const struct ec_command *command;
    struct args args;
    const char *path; /* of -path, as written */
    struct item item; /* that path */
    struct dfs *dfs;  /* its file system, or the default one */
};

struct ec_command {
    const char *name, *operands, *help;
    const char *wants; /* what is told when -path (-policy) is missing; NULL: takes none */
    bool on_path;      /* that is -path, else -policy */
    int (*run)(struct ec_call *c);
};

/* "SomeException: text" on standard error. */
void ec_show_error(const struct dfs_error *e, const char *const *unwrapped);
/* No words are left: 0, else what the process exits with. */
int ec_no_more(struct ec_call *c);

/* convert.c */
int ec_convert(struct ec_call *c);
extern const char ec_convert_help[];
