/* fsck.h - `dfs fsck`: checks files and blocks. Door of cli/fsck. */
#pragma once
#include "cli/store/store.h"

/* argv[0] is the first word behind "fsck"; returns the exit code of the process. */
int fsck_run(struct stores *stores, int argc, char **argv);
/* Words that are fsck's alone although they look like generic options: the usage is wanted. */
bool fsck_wants_usage(int argc, char **argv);
int fsck_usage(void);
