/* drain.h - DataNodes on their way out of the service and back: decommission and maintenance. Door
 * of namenode/drain. Thread: state. Core: time comes in. */
#pragma once
#include "common/base/base.h"
#include "namenode/nodes/nodes.h"

struct blocks;
struct drain;
struct host_wish; /* hosts/hosts.h */
struct ns;

struct drain_settings {
    int64_t interval_ms;          /* dfs.namenode.decommission.interval, 30 s */
    uint32_t blocks_per_interval; /* dfs.namenode.decommission.blocks.per.interval, 500,000 */
    uint32_t max_tracked; /* dfs.namenode.decommission.max.concurrent.tracked.nodes, 100; 0: all */
};
/* Hadoop's defaults. */
void drain_settings_defaults(struct drain_settings *s);

/* Borrows what it looks at. NULL: no memory. */
struct drain *drain_new(const struct drain_settings *settings, const struct ns *ns,
                        struct blocks *blocks, struct nodes *nodes);
void drain_free(struct drain *d);

/* Told of each move of a node, after it. */
typedef void (*drain_watch_fn)(void *ctx, uint32_t node, enum admin_state from,
                               enum admin_state to);
void drain_watch(struct drain *d, drain_watch_fn moved, void *ctx);

/* What the operator wants of the node from now on (`included` is the caller's business): it starts
 * to leave, or goes at once if it is dead, or is back in service. */
void drain_apply(struct drain *d, uint32_t node, const struct host_wish *wish, int64_t now_ms,
                 int64_t mono_ms);

/* Ends maintenance whose time is over, and once an interval looks at what is left on the nodes that
 * leave: about `budget` blocks in a call, at most blocks_per_interval in an interval. True: call
 * again soon. */
bool drain_tick(struct drain *d, int64_t now_ms, int64_t mono_ms, size_t budget);

/* As the last look found: the inode id of the next open file beyond `after` that keeps some node
 * from leaving; 0: no more. d NULL: none. */
uint64_t drain_next_blocking(const struct drain *d, uint64_t after);
