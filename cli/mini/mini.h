/* mini.h - `dfs mini`: a whole cluster in one process. Door of cli/mini. */
#pragma once

/* argv[0] is "mini"; returns the exit code of the process. */
int mini_run(int argc, char **argv);
