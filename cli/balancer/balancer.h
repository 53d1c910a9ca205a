/* balancer.h - `dfs balancer`: data go from full DataNodes to empty ones. Door of cli/balancer. */
#pragma once
#include "cli/store/store.h"

/* The words behind "balancer"; returns the exit code of the process. */
int balancer_run(struct stores *stores, int argc, char **argv);
