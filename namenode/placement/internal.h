/* internal.h - what the files of this room share. */
#pragma once
#include "namenode/placement/placement.h"

/* Load of the nodes in service, summed once for a choice when the settings ask for it. */
struct load_table {
    uint64_t xceivers[STORAGE_TYPES], volumes, total;
    uint32_t nodes[STORAGE_TYPES];
};

/* One choice under way. */
struct place {
    const struct nodes *nodes;
    const struct place_settings *settings;
    const struct place_request *req;
    struct rng *rng;
    int64_t mono_ms;
    uint32_t *storages; /* results */
    size_t count, base; /* base: results that don't count in the order (favored ones) */
    uint32_t need[STORAGE_TYPES];
    uint32_t unavailable; /* types, as bits */
    uint32_t writer;      /* node; 0: none */
    const char *writer_rack;
    uint32_t max_per_rack, not_rack, not_node; /* not_*: 0 none */
    bool avoid_stale, avoid_busy;
    struct load_table load;
};

enum scope { ANYWHERE, ON_RACK, OFF_RACK };

static inline const struct node *place_node(const struct place *p, uint32_t node)
{
    return nodes_at(p->nodes, node);
}

/* The replicas that there are: those of the request first. */
static inline size_t taken_count(const struct place *p)
{
    return p->req->chosen_count + p->count;
}

static inline uint32_t taken_storage(const struct place *p, size_t i)
{
    size_t before = p->req->chosen_count;
    return i < before ? p->req->chosen[i] : p->storages[i - before];
}

static inline uint32_t taken_node(const struct place *p, size_t i)
{
    return nodes_storage(p->nodes, taken_storage(p, i))->node;
}

/* candidate.c */
void load_sum(struct place *p);
/* The storage to use on that node and its type's need; 0: not this node. `near`: the writer's own
 * or a favored one, which may be busy. */
uint32_t candidate_storage(const struct place *p, uint32_t node, bool near);
/* Adds it to the results. */
void take_storage(struct place *p, uint32_t storage);
bool take_node(struct place *p, uint32_t node, bool near);
/* A random storage of the scope that would do, of the first type that has any; 0: none. */
uint32_t random_storage(const struct place *p, enum scope scope, uint32_t rack);
bool take_random(struct place *p, enum scope scope, uint32_t rack);
/* Of two storages the one to take: by the used space of their nodes when the rule asks for it. */
uint32_t by_space(const struct place *p, uint32_t first, uint32_t second, bool first_is_local);
bool same_domain(const struct nodes *n, uint32_t a, uint32_t b);

static inline bool rule_by_racks(const struct place_settings *s)
{
    return s->rule == PLACE_BY_RACKS || s->rule == PLACE_BY_SPACE_AND_RACKS;
}

static inline bool rule_by_space(const struct place_settings *s)
{
    return s->rule == PLACE_BY_SPACE || s->rule == PLACE_BY_SPACE_AND_RACKS;
}
