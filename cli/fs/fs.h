/* fs.h - the commands on files. Door of cli/fs. */
#pragma once
#include "cli/commands.def"
#include "cli/shell/shell.h"

extern const struct command fs_commands[];
extern const size_t fs_command_count;
