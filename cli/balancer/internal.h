/* internal.h - what the files of cli/balancer share. */
#pragma once
#include "cli/balancer/balancer.h"
#include "cli/moves/moves.h"

/* options.c */
struct host_list {
    char **items; /* name or address, or with :port */
    size_t count;
};
struct balancer_options {
    double threshold; /* percent */
    bool by_pool;     /* only what the block pool uses counts */
    struct host_list excluded, included, sources, pools;
    bool has_excluded, has_included;
    int64_t idle_iterations; /* -1: for ever */
    int64_t hot_ms;
    bool during_upgrade, as_service, sort_top, help;
};
/* Hadoop's message on standard error and ERR_ILLEGAL_ARGUMENT when it is wrong. */
must_use int balancer_parse(int argc, char **argv, struct balancer_options *ret, struct err *err);
void balancer_fini(struct balancer_options *o);
/* A node of that name, address or one of them with the data port is in the list. */
bool host_list_has(const struct host_list *list, const struct move_node *node);
void balancer_usage(FILE *out);

/* plan.c: pure */
enum plan_class { PLAN_OVER, PLAN_ABOVE, PLAN_BELOW, PLAN_UNDER };
struct plan_group { /* the volumes of one type of a node */
    size_t node;
    int type;
    enum plan_class class;
    double utilization; /* percent */
    uint64_t capacity;
    uint64_t max, scheduled; /* bytes to give (OVER, ABOVE) or to get */
};
struct plan_task {
    size_t source, target; /* groups */
    uint64_t size;         /* that are still to be moved */
};
struct plan_settings {
    double threshold;
    bool by_pool, sort_top;
    uint64_t max_to_move; /* of a group in one iteration */
};
struct plan {
    struct plan_group *groups;
    size_t group_count;
    struct plan_task *tasks;
    size_t task_count, task_room;
    uint64_t bytes_left; /* outside of the threshold */
};
/* order: the nodes that take part, as they shall be looked at. is_source: by index of node. */
void plan_make(const struct plan_settings *s, const struct move_nodes *nodes, const size_t *order,
               size_t count, const bool *is_source, struct plan *ret);
/* Pairs of sources and targets; returns the bytes that they shall move. */
uint64_t plan_match(struct plan *p, const struct move_nodes *nodes);
void plan_fini(struct plan *p);
/* The group of a node's volumes, SIZE_MAX: it takes no part. */
size_t plan_find(const struct plan *p, size_t node, int type);

/* candidates.c: pure */
enum { CANDIDATE_PLACES = 32 };
struct candidate {
    uint64_t id, generation_stamp, length; /* of a group of an erasure coded file: the group's */
    size_t nodes[CANDIDATE_PLACES];
    uint8_t types[CANDIDATE_PLACES];
    uint8_t indices[CANDIDATE_PLACES]; /* of internal blocks */
    uint32_t count;
    uint32_t data_blocks, cell_size; /* 0: replicated */
};
/* Nodes that take no part are left out as places, but for racks and for "has it" they count: they
 * must be in nodes. False: more places than we keep. */
bool candidate_of(const Np__BlockWithLocations *b, const struct move_nodes *nodes,
                  struct candidate *ret);
bool candidate_fits(const struct candidate *c, const struct move_nodes *nodes,
                    const struct plan_group *source, const struct plan_group *target);
/* What stands on the source: the block itself or one of the group. False: nothing. */
bool candidate_block(const struct candidate *c, const struct plan_group *source,
                     struct move_order *ret);

/* dispatch.c */
struct dispatch_settings {
    uint64_t blocks_size, min_block, hot_ms;
    unsigned calls_per_second;
    int64_t no_move_ms, iteration_ms; /* iteration_ms < 0: no limit */
};
/* Moves what the plan says, as far as there are blocks for it. */
must_use int dispatch(struct cluster *c, const struct dispatch_settings *s, struct plan *p,
                      const struct move_nodes *nodes, struct moves *moves, struct err *err);
/* The user wants it to end. */
bool balancer_interrupted(void);
