/* internal.h - what the files of this room share. */
#pragma once
#include "namenode/blocks/blocks.h"
#include "namenode/drain/drain.h"
#include "namenode/hosts/hosts.h"
#include "namenode/namespace/namespace.h"

/* Inode ids of open files that keep nodes from leaving. */
struct id_list {
    uint64_t *ids;
    size_t count, capacity;
};

enum phase { PHASE_IDLE, PHASE_BEGIN, PHASE_OPEN_FILES, PHASE_NODES };

/* A look at everything, or as far as it has come. */
struct round {
    enum phase phase;
    uint64_t file;  /* open files: the last one seen */
    uint32_t seek;  /* begin, nodes: the last one that was considered */
    bool any;       /* some node leaves */
    uint32_t node;  /* the one that is looked at; 0: none */
    uint32_t tried; /* nodes that were */
    struct storage_walk walk;
    uint32_t changes; /* of all its storages when the look at it began */
    bool spoiled;     /* it moved meanwhile */
    uint32_t blocks, open_blocks, only_here;
};

struct drain {
    struct drain_settings settings;
    const struct ns *ns;
    struct blocks *blocks;
    struct nodes *nodes;
    drain_watch_fn moved;
    void *moved_ctx;
    int64_t next_ms;   /* begin of the next interval */
    uint32_t visited;  /* blocks in this interval */
    uint32_t expiring; /* the next node whose maintenance may be over; 0: none */
    struct round round;
    struct id_list open_now, open_last; /* of this round, so far; of the last one, sorted */
};

/* drain.c */
void finish_node(struct drain *d, uint32_t node); /* nothing keeps it any more */
/* Looks at some nodes; returns what that was worth in blocks. */
size_t expire_maintenance(struct drain *d, int64_t now_ms, size_t budget);
enum { NODES_A_VISIT = 8 }; /* looking at a node is that much cheaper than at a block */
