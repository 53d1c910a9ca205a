/* admin.h - `dfs admin`, as dfsadmin. Door of cli/admin. */
#pragma once
#include "cli/store/store.h"

/* argv[0] is the command ("-report"); returns the exit code of the process. */
int admin_run(struct stores *stores, int argc, char **argv);
