/* node.h - a whole NameNode as one object. Door of namenode/, used by dfs-namenode and by `dfs
 * mini`. Several may live in one process: no globals, no signal handlers. When no name directory
 * can be written any more the process ends (exit 1): memory that is ahead of the journal must not
 * answer anybody. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct conf;
struct namenode;

struct namenode_format_options {
    bool force;             /* -force: never asks */
    bool non_interactive;   /* -nonInteractive: refuses instead of asking */
    const char *cluster_id; /* NULL: a new one, CID-<uuid> */
};

/* 0, or an error; ERR_EXISTS when there is data and nobody allowed to erase it. Asks on standard
 * input when there is data, neither option is set and standard input is a terminal. */
must_use int namenode_format(const struct conf *conf, const struct namenode_format_options *options,
                             struct err *err);
/* Whether one of the name directories holds a formatted file system. */
must_use int namenode_is_formatted(const struct conf *conf, bool *ret, struct err *err);

/* -rollback: the state before the last upgrade again. No NameNode may run. */
must_use int namenode_rollback(const struct conf *conf, struct err *err);
/* The layout version of the name directories, and the one that this program writes. */
must_use int namenode_layout(const struct conf *conf, int *ret_dirs, int *ret_program,
                             struct err *err);

enum namenode_start_mode {
    NAMENODE_REGULAR,
    NAMENODE_UPGRADE, /* keeps the state of before until finalizeUpgrade */
    NAMENODE_IMPORT,  /* fills empty name directories from dfs.namenode.checkpoint.dir */
};
/* Returns when calls are answered. */
must_use int namenode_start(const struct conf *conf, struct namenode **ret, struct err *err);
must_use int namenode_start_as(const struct conf *conf, enum namenode_start_mode mode,
                               struct namenode **ret, struct err *err);
uint16_t namenode_port(const struct namenode *n);
/* "host:port" as it listens. */
const char *namenode_address(const struct namenode *n);
/* Lets answers leave, writes what is committed, closes the segment, frees. NULL is fine. */
void namenode_stop(struct namenode *take_node);
