/* mover.h - `dfs mover`: replicas go to the storage types of their policies. Door of cli/mover. */
#pragma once
#include "cli/store/store.h"

/* The words behind "mover"; returns the exit code of the process. */
int mover_run(struct stores *stores, int argc, char **argv);
