/* hostfiles.h - reads the files that dfs.hosts and dfs.hosts.exclude name and resolves what they
 * say. Door of namenode/hostfiles. Shell: blocks on files and name servers, so never on the state's
 * thread. */
#pragma once
#include "common/base/base.h"

struct conf;
struct hosts;

/* ERR_CONFIG and others: a file can't be read or is bad; the text names file, line and value. */
must_use int hostfiles_load(const struct conf *conf, struct hosts **ret, struct err *err);
