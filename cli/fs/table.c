/* table.c - the table of the commands on files, out of commands.def. */
#include "cli/fs/internal.h"
#include "cli/meta/meta.h"

const struct command fs_commands[] = {
#define C(name, fn, replacement, min, max, options, usage, help) \
    {name, replacement, min, max, options, usage, help, fn},
    FS_COMMANDS(C)
#undef C
};

const size_t fs_command_count = ARRAY_SIZE(fs_commands);
