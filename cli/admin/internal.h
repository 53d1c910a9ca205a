/* internal.h - the commands of an administrator that have a file of their own. */
#pragma once
#include "cli/admin/admin.h"
#include "common/base/base.h"

/* argv[0] is "-report"; 0 or what libdfs answered. */
int admin_report(struct dfs *fs, int argc, char **argv, struct dfs_error *error);
