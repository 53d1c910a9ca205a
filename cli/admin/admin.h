/* admin.h - `dfs admin` (dfsadmin) and its neighbours. Door of cli/admin. */
#pragma once
#include "cli/store/store.h"

/* argv[0] is the command ("-report"); returns the exit code of the process. */
int admin_run(struct stores *stores, int argc, char **argv);
/* `dfs storagepolicies`, `dfs getconf`, `dfs debug`, `dfs groups`: the words behind them. */
int policies_run(struct stores *stores, int argc, char **argv);
int getconf_run(const struct conf *conf, int argc, char **argv);
int debug_run(struct stores *stores, int argc, char **argv);
int groups_run(struct stores *stores, int argc, char **argv);
