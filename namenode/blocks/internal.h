/* internal.h - the records of this room and what its files call of each other. */
#pragma once
#include "namenode/blocks/blocks.h"
#include "namenode/mend/mend.h"

/* Queues of blocks that need work; a block is in at most one. Q_HIGHEST .. Q_BADLY are Hadoop's
 * priorities 0 .. 3, Q_MISSING its 4. */
enum queue_id {
    Q_NONE,
    Q_HIGHEST,  /* one live replica, more wanted */
    Q_VERY_LOW, /* less than a third of those wanted */
    Q_LOW,
    Q_BADLY,   /* enough, but on too few racks */
    Q_MISSING, /* no live one */
    Q_EXTRA,   /* too many, or corrupt ones that aren't needed any more */
    Q_COUNT,
};

enum {
    INLINE_REPLICAS = 3,
    REPLICAS_MAX = 1000, /* more are not recorded */
    REPLICA_CORRUPT = 1u << 31,
    REPLICA_EXCESS = 1 << 30,
    REPLICA_STORAGE = (1 << 24) - 1, /* replicas on storages beyond aren't recorded */
    REPLICA_INDEX_SHIFT = 24,
    REPLICA_SPOT = (1 << 28) - 1,
};
/* A "spot" tells one replica of a block from its others: the storage in bits 0..23, the index of
 * the internal block of a group in bits 24..27 (0 for replicated blocks, so that their spot is
 * simply the storage). A node has a spot's index of a block at most once. */
#define NO_ACK 0x7fffffffffffffffULL /* length of a deletion order: don't report back */

struct replica {
    uint32_t tag; /* spot and flags */
    uint32_t pos; /* in the storage's list */
};

struct block {
    uint64_t id, generation_stamp, length;
    handle_t owner, side;
    struct replica few[INLINE_REPLICAS]; /* unless side->many */
    uint32_t queue_pos;
    uint32_t replication : 10; /* of a group: the id of its policy */
    uint32_t replica_count : 10;
    uint32_t state : 3;
    uint32_t queue : 3;
    uint32_t safe : 1;        /* counted in safe_count */
    uint32_t has_corrupt : 1; /* counted in corrupt_count */
    uint32_t striped : 1;     /* a group; its replicas are internal blocks */
};
_Static_assert(sizeof(struct block) <= 64, "20M blocks must fit the memory budget");

struct corrupt_note {
    uint32_t spot;
    enum corrupt_reason reason;
    uint64_t generation_stamp;
};

struct pending_target {
    uint32_t spot;   /* that will have it */
    uint32_t source; /* the node that was told to send it; 0: a pipeline does */
};

/* Copies (and internal blocks that are being decoded) under way; in one list, oldest first. */
struct pending {
    struct pending *prev, *next;
    handle_t block;
    int64_t since_ms;
    uint32_t target_count;
    struct pending_target targets[];
};

struct construction {
    uint64_t recovery_id;
    uint32_t count, capacity;
    struct expected_replica *expected;
    struct construction *prev, *next; /* of the recoveries, oldest attempt first */
    handle_t block;                   /* 0: not among them */
    uint32_t leader;                  /* node */
    uint32_t attempts;
    int64_t until_ms;
    bool cut;
    uint64_t cut_length; /* what it is being cut to */
};

/* What few blocks have. */
struct side {
    struct replica *many;
    struct construction *construction;
    struct corrupt_note *notes;
    struct pending *pending;
    uint32_t many_capacity, note_count;
};

/* The replicas on a storage, in no order. While a full report is taken, those that it named (or
 * that came since) are the first `seen`. */
struct storage_list {
    handle_t *at;
    uint32_t count, capacity, seen;
    struct block_report *report;
    uint32_t renew;   /* the first so many are to be refreshed: the node's admin state changed */
    uint32_t changes; /* counts what came or moved down, for walks */
};

struct queue {
    handle_t *at;
    uint32_t count, capacity, cursor;
    uint32_t groups; /* so many of them are groups */
};

struct handle_fifo {
    handle_t *at;
    size_t head, count, capacity;
};

struct safemode_state {
    enum safemode startup; /* OFF, PENDING, EXTENSION */
    bool manual, low_resources;
    int64_t reached_ms;
};

struct blocks {
    struct blocks_settings settings;
    struct nodes *nodes;
    block_watch_fn changed;
    void *changed_ctx;
    block_policy_fn policy_of; /* NULL: all have the default */
    void *policy_ctx;
    block_ec_fn ec_of; /* NULL: no policy is known */
    void *ec_ctx;
    struct place_settings place_groups; /* settings.place, with the rule for groups */
    struct pool pool, sides;
    struct idmap by_id;
    struct storage_list *storages; /* by storage index */
    uint32_t storage_capacity;
    struct queue queues[Q_COUNT]; /* Q_NONE unused */
    struct handle_fifo doomed, completed;
    struct pending *pendings, *sweep; /* the next one to sweep; NULL: none */
    bool sweep_again;                 /* another node died meanwhile */
    struct construction *recoveries;
    int64_t started_ms, seen_ms; /* the latest time that came in */
    uint64_t pending_count;      /* blocks */
    uint64_t total, complete_count, safe_count, corrupt_count, excess_count, missing_one_count;
    uint64_t group_count, corrupt_groups;
    uint64_t last_generation_stamp, future_bytes, future_group_bytes;
    struct safemode_state safemode;
    bool populating;       /* queues are kept */
    uint32_t scan_cursor;  /* next handle to classify; 0: nothing to scan */
    uint32_t renewing;     /* storages whose `renew` isn't 0 */
    uint32_t renew_cursor; /* the storage to look at next */
    struct {
        uint32_t node;   /* the next to look at; 0: the round is over */
        uint32_t losses; /* nodes_losses when it began */
        int64_t since_ms;
    } patrol;
    uint32_t topology_seen; /* the one that the queues follow */
    int64_t redundancy_ms;  /* of the last iteration */
    struct {
        size_t work;   /* blocks that it may still look at; 0: it is done */
        int queue;     /* the one it is at, and */
        uint32_t left; /* how many of that it has yet to see */
    } redundancy;
};

static inline struct block *block_at(const struct blocks *b, handle_t h)
{
    return pool_at(&b->pool, h);
}

/* What a DataNode means by an id: the block, or the group of an internal block and its index.
 * Handle 0: unknown; an index that the group's policy doesn't have is unknown, too. */
handle_t block_told(const struct blocks *b, uint64_t id, unsigned *ret_index);

/* The id under which DataNodes know the internal block (of a replicated block: index 0, its id). */
static inline uint64_t internal_id(const struct block *blk, unsigned index)
{
    return blk->id + index;
}

static inline struct side *side_of(const struct blocks *b, const struct block *blk)
{
    return blk->side == 0 ? NULL : pool_at(&b->sides, blk->side);
}

static inline struct replica *replicas_of(const struct blocks *b, struct block *blk)
{
    struct side *side = side_of(b, blk);
    return side != NULL && side->many != NULL ? side->many : blk->few;
}

static inline uint32_t replica_storage(const struct replica *r)
{
    return r->tag & REPLICA_STORAGE;
}

static inline unsigned replica_index(const struct replica *r)
{
    return r->tag >> REPLICA_INDEX_SHIFT & 15u;
}

static inline uint32_t replica_spot(const struct replica *r)
{
    return r->tag & REPLICA_SPOT;
}

static inline uint32_t spot_of(uint32_t storage, unsigned index)
{
    return storage | (index & 15u) << REPLICA_INDEX_SHIFT;
}

static inline uint32_t spot_storage(uint32_t spot)
{
    return spot & REPLICA_STORAGE;
}

static inline unsigned spot_index(uint32_t spot)
{
    return spot >> REPLICA_INDEX_SHIFT & 15u;
}

static inline uint32_t replica_node(const struct blocks *b, const struct replica *r)
{
    return nodes_storage(b->nodes, replica_storage(r))->node;
}

static inline bool replica_is_live(const struct replica *r)
{
    return (r->tag & (REPLICA_CORRUPT | REPLICA_EXCESS)) == 0;
}

/* Live as counted: also on a node that is to stay. */
static inline bool replica_in_service(const struct blocks *b, const struct replica *r)
{
    return replica_is_live(r) && node_in_service(nodes_at(b->nodes, replica_node(b, r)));
}

/* Its node is heard and the volume works; dead ones lose their replicas by and by. */
static inline bool storage_usable(const struct blocks *b, uint32_t storage)
{
    const struct node_storage *s = nodes_storage(b->nodes, storage);
    return !s->failed && nodes_at(b->nodes, s->node)->alive;
}

static inline uint8_t block_policy(const struct blocks *b, const struct block *blk)
{
    return b->policy_of == NULL ? 0 : b->policy_of(b->policy_ctx, blk->owner);
}

/* group.c: what follows from the policy; all of it is for replicated blocks, too, where that makes
 * sense. */
/* NULL: replicated, or nobody knows its policy: then nothing is wanted of it and nothing done. */
const struct ec_policy *block_ec(const struct blocks *b, const struct block *blk);
static inline bool block_is_strange(const struct blocks *b, const struct block *blk)
{
    return blk->striped && block_ec(b, blk) == NULL;
}
/* Data units that hold bytes: fewer than the policy's in a short group whose length is settled. */
uint32_t group_data_units(const struct block *blk, const struct ec_policy *ec);
/* The indices of the internal blocks that it is to have, as bits; empty ones aren't wanted. */
uint16_t group_units(const struct block *blk, const struct ec_policy *ec);
/* Replicas wanted: the replication, or the internal blocks that aren't empty. 0: strange. */
uint32_t block_wanted(const struct blocks *b, const struct block *blk);
/* So many make it complete and, of a group, readable: replication_min, or its data units.
 * UINT32_MAX: strange, so never. */
uint32_t block_minimum(const struct blocks *b, const struct block *blk);
/* What a replica of it has on disk; false: can't be said (strange). */
bool block_stored_length(const struct blocks *b, const struct block *blk, unsigned index,
                         uint64_t *ret);
/* As orders to DataNodes name a replica: with its own id, stamp and length. */
struct node_block replica_order(const struct blocks *b, struct block *blk, const struct replica *r);
struct node_block unit_order(const struct blocks *b, const struct block *blk, unsigned index,
                             uint64_t generation_stamp);
/* live .. maintenance, duplicate, live_units, good_units of a group. */
void group_count_units(const struct blocks *b, struct block *blk, struct replica_counts *ret);
/* Indices that need a live replica which isn't under way. */
uint16_t group_lacks(const struct blocks *b, const struct block *blk,
                     const struct replica_counts *n);
/* As namenode/mend sees it; not for strange ones. */
enum { VIEW_REPLICAS = 128, VIEW_PENDING = 64 }; /* more of one group aren't looked at */
struct group_view {
    struct mend_group group;
    struct mend_replica replicas[VIEW_REPLICAS], pending[VIEW_PENDING];
};
void group_describe(const struct blocks *b, struct block *blk, struct group_view *ret);
bool group_corrupt_removable(const struct blocks *b, const struct block *blk,
                             const struct replica_counts *n, const struct corrupt_note *note);
/* The rule about racks for it: groups are spread over as many as there are. */
const struct place_settings *block_place(const struct blocks *b, const struct block *blk);

/* map.c */
struct side *side_need(struct blocks *b, struct block *blk); /* NULL: no memory */
void side_trim(struct blocks *b, struct block *blk);         /* frees it when it holds nothing */
bool fifo_push(struct handle_fifo *f, handle_t h);
handle_t fifo_pop(struct handle_fifo *f);
void set_state(struct blocks *b, struct block *blk, enum block_state state);
void set_length(struct blocks *b, struct block *blk, uint64_t length);
/* Orders all replicas deleted and frees the record. Returns the replicas visited. */
size_t block_dispose(struct blocks *b, handle_t h);

/* replica.c */
struct replica *block_replica_find(const struct blocks *b, struct block *blk, uint32_t spot);
struct replica *replica_find_node(const struct blocks *b, struct block *blk, uint32_t node,
                                  unsigned index);
/* The one that storages[storage].at[pos] means. */
struct replica *replica_at_place(const struct blocks *b, handle_t h, uint32_t storage,
                                 uint32_t pos);
/* Records it (moves it when the node had it on another storage). NULL: no memory, or too many. */
struct replica *replica_add(struct blocks *b, handle_t h, uint32_t spot);
/* Callers refresh afterwards. */
void block_replica_remove(struct blocks *b, handle_t h, uint32_t spot);
bool replica_set_corrupt(struct blocks *b, handle_t h, uint32_t spot, uint64_t generation_stamp,
                         enum corrupt_reason reason);
void replica_clear_corrupt(struct blocks *b, struct block *blk, struct replica *r);
void replica_set_excess(struct blocks *b, struct replica *r, bool excess);
struct corrupt_note *note_find(const struct blocks *b, const struct block *blk, uint32_t spot);
struct storage_list *storage_list_of(struct blocks *b, uint32_t storage); /* NULL: no memory */
void storage_list_mark_seen(struct blocks *b, struct storage_list *list, struct replica *r,
                            uint32_t storage);
void storage_list_renew(struct blocks *b, struct storage_list *list, uint32_t count);
uint64_t replica_stamp(const struct blocks *b, struct block *blk, const struct replica *r);

/* construct.c */
void construction_free(struct construction *c);
struct construction *construction_need(struct blocks *b, struct block *blk);
void construction_end(struct blocks *b, struct block *blk);
void recovery_drop(struct blocks *b, struct block *blk); /* no attempt is waited for any more */
/* A report about a block under construction. */
bool construction_note(struct blocks *b, handle_t h, uint32_t spot, enum replica_state state,
                       uint64_t generation_stamp, uint64_t length);
void construction_forget(struct blocks *b, struct block *blk, uint32_t spot);
/* COMMITTED and enough replicas: COMPLETE. */
bool try_complete(struct blocks *b, handle_t h);

/* queues.c */
void queue_leave(struct blocks *b, struct block *blk);
/* Puts the block where it belongs now and corrects the counters; after every change of its record
 * or replicas. */
void block_refresh(struct blocks *b, handle_t h);
void count_replicas(const struct blocks *b, struct block *blk, struct replica_counts *ret);
/* One replica that is neither corrupt nor excess, by what its node is about. */
void count_good(const struct node *node, struct replica_counts *ret);
bool corrupt_removable(const struct blocks *b, struct block *blk, const struct replica_counts *n);
uint32_t topology_now(const struct blocks *b);
/* How many live ones the block is to have: those in maintenance come back. */
uint32_t expected_live(const struct blocks *b, const struct block *blk,
                       const struct replica_counts *n);

/* redundancy.c */
void pending_drop(struct blocks *b, struct block *blk); /* and its orders */
/* What the pipeline of a block that is about to be COMPLETE has yet to report counts as under way.
 */
void pending_expected(struct blocks *b, handle_t h);
void pending_arrived(struct blocks *b, struct block *blk, uint32_t node, unsigned index);
void pending_source_bad(struct blocks *b, struct block *blk, uint32_t node, unsigned index);
/* Some node died: what it was to send or get won't arrive. pending_sweep looks, in slices. */
void pending_node_died(struct blocks *b);
size_t pending_sweep(struct blocks *b, size_t budget);
size_t pending_expire(struct blocks *b, int64_t mono_ms, size_t budget);
void redundancy_begin(struct blocks *b);
size_t redundancy_run(struct blocks *b, int64_t mono_ms, struct rng *rng, size_t budget);
size_t surplus_run(struct blocks *b, int64_t mono_ms, size_t budget);
/* hint_node: the one that the replica on added_node shall replace; 0: none. */
void surplus_process(struct blocks *b, handle_t h, uint32_t hint_node, uint32_t added_node,
                     int64_t mono_ms);

/* report.c */
void report_void(struct block_report *r);

/* safemode.c */
void safemode_check(struct blocks *b, int64_t mono_ms);
