/* ec.h - `dfs ec`: erasure coding policies, and files brought from one form to another. Door of
 * cli/ec. */
#pragma once
#include "cli/store/store.h"

/* The words behind `ec`; returns the exit code of the process. */
int ec_run(struct stores *stores, int argc, char **argv);

/* The policies of an XML file (<configuration> with layoutversion, schemas and policies), named as
 * the server will name them. `name` is for messages. ERR_ILLEGAL_ARGUMENT: a value that can't be;
 * ERR_CONFIG: the file isn't what it should be. */
must_use int policy_file_parse(const char *name, const void *data, size_t size,
                               struct dfs_ec_policies *ret, struct err *err);
