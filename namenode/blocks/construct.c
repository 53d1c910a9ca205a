/* construct.c - blocks that are being written: where, what was heard of it, commit, completion. See
 * blocks.h.
 * Thread: state.
 * Invariants: (1) a COMPLETE block has no construction; (2) an expected list names a node at most
 * once, that of a group a node and index; (3) a replica of a COMMITTED block that isn't corrupt was
 * reported with its stamp and length. */
#include <stdlib.h>
#include <utlist.h>

#include "namenode/blocks/internal.h"

enum { EXPECTED_MAX = 512, ATTEMPTS_MAX = 6 };

void construction_free(struct construction *c)
{
    if (c != NULL)
        free(c->expected);
    free(c);
}

static struct construction *construction_of(const struct blocks *b, const struct block *blk)
{
    const struct side *side = side_of(b, blk);
    return side == NULL ? NULL : side->construction;
}

struct construction *construction_need(struct blocks *b, struct block *blk)
{
    struct side *side = side_need(b, blk);
    if (side == NULL)
        return NULL;
    if (side->construction == NULL)
        side->construction = calloc(1, sizeof(*side->construction));
    struct construction *c = side->construction;
    side_trim(b, blk);
    return c;
}

void construction_end(struct blocks *b, struct block *blk)
{
    struct side *side = side_of(b, blk);
    if (side == NULL)
        return;
    recovery_drop(b, blk);
    construction_free(side->construction);
    side->construction = NULL;
    side_trim(b, blk);
}

static bool expected_reserve(struct construction *c, uint32_t count)
{
    if (count <= c->capacity)
        return true;
    struct expected_replica *expected = realloc(c->expected, count * sizeof(*expected));
    if (expected == NULL)
        return false;
    c->expected = expected;
    c->capacity = count;
    return true;
}

static uint32_t expected_spot(const struct expected_replica *e)
{
    return spot_of(e->storage, e->index);
}

static struct expected_replica *expected_find(struct construction *c, uint32_t spot)
{
    for (uint32_t i = 0; c != NULL && i < c->count; i++)
        if (expected_spot(&c->expected[i]) == spot)
            return &c->expected[i];
    return NULL;
}

static struct expected_replica *expected_find_node(const struct blocks *b, struct construction *c,
                                                   uint32_t node, unsigned index)
{
    for (uint32_t i = 0; c != NULL && i < c->count; i++)
        if (c->expected[i].index == index &&
            nodes_storage(b->nodes, c->expected[i].storage)->node == node)
            return &c->expected[i];
    return NULL;
}

/* ---- the expected locations ---- */

/* What was recorded of nodes that left the pipeline is of an older stamp: out of date. */
static void discard_unexpected(struct blocks *b, handle_t h, struct construction *old,
                               const struct construction *new)
{
    struct block *blk = block_at(b, h);
    for (uint32_t i = 0; i < blk->replica_count; i++) {
        const struct replica *r = &replicas_of(b, blk)[i];
        uint32_t spot = replica_spot(r);
        bool kept = false;
        for (uint32_t k = 0; k < new->count; k++)
            kept |= expected_spot(&new->expected[k]) == spot;
        const struct expected_replica *e = expected_find(old, spot);
        if (!kept && replica_is_live(r))
            (void)replica_set_corrupt(b, h, spot, e == NULL ? 0 : e->generation_stamp,
                                      CORRUPT_STAMP);
    }
}

static void fill_expected(struct blocks *b, const struct block *blk, struct construction *old,
                          struct construction *new, const uint32_t *storages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned index = blk->striped ? (unsigned)i : 0;
        if (storages[i] == 0 || storages[i] > REPLICA_STORAGE ||
            expected_find_node(b, new, nodes_storage(b->nodes, storages[i])->node, index) != NULL)
            continue; /* keeps (2) */
        const struct expected_replica *before = expected_find(old, spot_of(storages[i], index));
        if (before == NULL)
            nodes_schedule(b->nodes, storages[i]);
        new->expected[new->count++] = before != NULL
                                          ? *before
                                          : (struct expected_replica){.storage = storages[i],
                                                                      .index = (uint8_t)index,
                                                                      .state = REPLICA_RBW};
    }
}

/* More than a block can have are passed over. */
static size_t expected_most(const struct block *blk, size_t count)
{
    size_t most = blk->striped ? EC_MAX_UNITS : EXPECTED_MAX;
    return count < most ? count : most;
}

int blocks_set_expected(struct blocks *b, handle_t block, const uint32_t *storages, size_t count)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE && blk->state != BLOCK_COMPLETE);
    count = expected_most(blk, count);
    struct construction *c = construction_need(b, blk);
    struct construction new = {0};
    if (c == NULL || !expected_reserve(&new, (uint32_t)count + 1))
        return ERR_NO_MEMORY;
    fill_expected(b, blk, c, &new, storages, count);
    if (c->count > 0)
        discard_unexpected(b, block, c, &new);
    free(c->expected);
    c->expected = new.expected;
    c->count = new.count;
    c->capacity = new.capacity;
    block_refresh(b, block);
    return 0;
}

size_t blocks_expected(const struct blocks *b, handle_t block, struct expected_replica *ret,
                       size_t max)
{
    const struct construction *c = construction_of(b, block_at(b, block));
    if (c == NULL)
        return 0;
    for (uint32_t i = 0; i < c->count && i < max; i++)
        ret[i] = c->expected[i];
    return c->count;
}

bool construction_note(struct blocks *b, handle_t h, uint32_t spot, enum replica_state state,
                       uint64_t generation_stamp, uint64_t length)
{
    struct block *blk = block_at(b, h);
    struct construction *c = construction_need(b, blk);
    if (c == NULL)
        return false;
    uint32_t storage = spot_storage(spot), node = nodes_storage(b->nodes, storage)->node;
    struct expected_replica *e = expected_find_node(b, c, node, spot_index(spot));
    if (e == NULL) {
        if (c->count >= EXPECTED_MAX || !expected_reserve(c, c->count + 1))
            return false;
        e = &c->expected[c->count++];
        *e = (struct expected_replica){0};
    }
    bool same = e->reported && e->storage == storage;
    bool older = same && (e->generation_stamp > generation_stamp ||
                          (e->generation_stamp == generation_stamp && /* news out of order */
                           e->state == REPLICA_FINALIZED && state == REPLICA_RBW));
    if (!older)
        *e = (struct expected_replica){.storage = storage,
                                       .index = (uint8_t)spot_index(spot),
                                       .reported = true,
                                       .state = state,
                                       .generation_stamp = generation_stamp,
                                       .length = length,
                                       .led = e->led};
    return true;
}

void construction_forget(struct blocks *b, struct block *blk, uint32_t spot)
{
    struct expected_replica *e = expected_find(construction_of(b, blk), spot);
    if (e != NULL)
        *e = (struct expected_replica){
            .storage = e->storage, .index = e->index, .state = REPLICA_RBW};
}

/* ---- commit and completion ---- */

/* Establishes (3) by what was reported while the block was written. A node of the pipeline that has
 * told only an older stamp (it had the replica before an append), or that it writes, isn't wrong:
 * its report is on the way, and it is unknown until then. */
static void judge_replicas(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    struct construction *c = construction_of(b, blk);
    for (uint32_t i = blk->replica_count; i-- > 0;) { /* a removal fills the gap with the last */
        struct replica *r = &replicas_of(b, blk)[i];
        uint32_t spot = replica_spot(r);
        uint64_t length = 0;
        if (r->tag & REPLICA_CORRUPT)
            continue;
        const struct expected_replica *e = expected_find(c, spot);
        if (e != NULL &&
            (e->generation_stamp < blk->generation_stamp || e->state != REPLICA_FINALIZED))
            block_replica_remove(b, h, spot);
        else if (e == NULL || !e->reported || e->generation_stamp != blk->generation_stamp)
            (void)replica_set_corrupt(b, h, spot, e == NULL ? 0 : e->generation_stamp,
                                      CORRUPT_STAMP);
        else if (block_stored_length(b, blk, replica_index(r), &length) && e->length != length)
            (void)replica_set_corrupt(b, h, spot, e->generation_stamp, CORRUPT_LENGTH);
    }
}

static int check_commit(const struct block *blk, uint64_t stamp, uint64_t length, struct err *err)
{
    bool written = blk->state == BLOCK_COMMITTED || blk->state == BLOCK_COMPLETE;
    bool same = stamp == blk->generation_stamp && length == blk->length;
    if (stamp < blk->generation_stamp)
        return fail(
            err, ERR_ILLEGAL_ARGUMENT,
            "Commit block with mismatching GS. NN has blk_%lld_%llu, client submits GS %llu",
            (long long)blk->id, (unsigned long long)blk->generation_stamp,
            (unsigned long long)stamp);
    if ((written && length < blk->length) || (blk->state == BLOCK_COMPLETE && !same))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Commit block blk_%lld_%llu of length %llu that is already committed with %llu",
                    (long long)blk->id, (unsigned long long)stamp, (unsigned long long)length,
                    (unsigned long long)blk->length);
    return 0;
}

int blocks_commit(struct blocks *b, handle_t block, uint64_t generation_stamp, uint64_t length,
                  struct err *err)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE);
    TRY(check_commit(blk, generation_stamp, length, err));
    if (blk->state == BLOCK_COMPLETE)
        return 0;
    recovery_drop(b, blk);
    bool same = blk->state == BLOCK_COMMITTED && generation_stamp == blk->generation_stamp &&
                length == blk->length;
    if (!same) {
        blk->generation_stamp = generation_stamp;
        set_length(b, blk, length);
        set_state(b, blk, BLOCK_COMMITTED);
        judge_replicas(b, block);
    }
    if (!blocks_complete(b, block))
        block_refresh(b, block);
    return 0;
}

bool blocks_min_replicated(const struct blocks *b, handle_t block)
{
    struct replica_counts n;
    blocks_count(b, block, &n);
    return replica_counts_usable(&n) >= blocks_units_minimum(b, block);
}

bool blocks_sufficient(const struct blocks *b, handle_t block)
{
    struct replica_counts n;
    blocks_count(b, block, &n);
    return n.live >= expected_live(b, block_at(b, block), &n);
}

bool blocks_complete(struct blocks *b, handle_t block)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE);
    if (blk->state == BLOCK_COMMITTED && blocks_min_replicated(b, block)) {
        pending_expected(b, block);
        blocks_force_complete(b, block);
    }
    return blk->state == BLOCK_COMPLETE;
}

bool try_complete(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    if (blk->state != BLOCK_COMMITTED || !blocks_complete(b, h))
        return false;
    (void)fifo_push(&b->completed, h); /* without memory the file's lease finds it later */
    return true;
}

void blocks_force_complete(struct blocks *b, handle_t block)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE);
    if (blk->state == BLOCK_UNDER_CONSTRUCTION || blk->state == BLOCK_UNDER_RECOVERY)
        judge_replicas(b, block);
    set_state(b, blk, BLOCK_COMPLETE);
    construction_end(b, blk); /* keeps (1) */
    block_refresh(b, block);
}

/* ---- append and recovery ---- */

/* A good replica, as if it had just been reported. */
static struct expected_replica expected_of(const struct blocks *b, const struct block *blk,
                                           const struct replica *r)
{
    struct expected_replica e = {.storage = replica_storage(r),
                                 .index = (uint8_t)replica_index(r),
                                 .reported = true,
                                 .state = REPLICA_FINALIZED,
                                 .generation_stamp = blk->generation_stamp};
    (void)block_stored_length(b, blk, e.index, &e.length);
    return e;
}

int blocks_reopen(struct blocks *b, handle_t block)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state == BLOCK_COMPLETE);
    struct construction *c = construction_need(b, blk);
    if (c == NULL || !expected_reserve(c, blk->replica_count + 1u))
        return ERR_NO_MEMORY;
    pending_drop(b, blk);
    const struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (replica_is_live(&r[i]))
            c->expected[c->count++] = expected_of(b, blk, &r[i]);
    set_state(b, blk, BLOCK_UNDER_CONSTRUCTION);
    block_refresh(b, block);
    return 0;
}

int blocks_begin_recovery(struct blocks *b, handle_t block, uint64_t recovery_id)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE && blk->state != BLOCK_COMPLETE);
    struct construction *c = construction_need(b, blk);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->recovery_id = recovery_id;
    set_state(b, blk, BLOCK_UNDER_RECOVERY);
    block_refresh(b, block);
    return 0;
}

uint64_t blocks_recovery_id(const struct blocks *b, handle_t block)
{
    const struct construction *c = construction_of(b, block_at(b, block));
    return c == NULL ? 0 : c->recovery_id;
}

static const struct node *expected_node(const struct blocks *b, const struct expected_replica *e)
{
    return nodes_at(b->nodes, nodes_storage(b->nodes, e->storage)->node);
}

/* The next in turn; when all live ones had theirs, it begins anew. */
static struct expected_replica *choose_leader(const struct blocks *b, struct construction *c)
{
    struct expected_replica *best = NULL;
    for (int round = 0; round < 2 && best == NULL; round++) {
        for (uint32_t i = 0; i < c->count; i++) {
            struct expected_replica *e = &c->expected[i];
            const struct node *node = expected_node(b, e);
            if (node->alive && !e->led &&
                (best == NULL || node->heard_ms > expected_node(b, best)->heard_ms))
                best = e;
        }
        for (uint32_t i = 0; i < c->count && best == NULL; i++)
            c->expected[i].led = false;
    }
    return best;
}

int blocks_start_recovery(struct blocks *b, handle_t block, uint64_t recovery_id, int64_t mono_ms,
                          int64_t limit_ms, uint32_t *ret_node)
{
    TRY(blocks_begin_recovery(b, block, recovery_id));
    struct block *blk = block_at(b, block);
    struct construction *c = construction_of(b, blk);
    recovery_drop(b, blk);
    c->block = block;
    c->attempts += c->attempts < ATTEMPTS_MAX;
    c->until_ms = mono_ms + limit_ms * c->attempts;
    DL_APPEND(b->recoveries, c);
    struct expected_replica *leader = choose_leader(b, c);
    if (leader != NULL) {
        leader->led = true;
        c->leader = nodes_storage(b->nodes, leader->storage)->node;
        if (!nodes_order_recovery(b->nodes, c->leader, blk->id))
            return ERR_NO_MEMORY; /* the next attempt comes when this one's time is over */
    }
    *ret_node = c->leader;
    return 0;
}

void recovery_drop(struct blocks *b, struct block *blk)
{
    struct construction *c = construction_of(b, blk);
    if (c == NULL || c->block == 0)
        return;
    DL_DELETE(b->recoveries, c);
    c->block = 0;
    c->leader = 0;
}

bool blocks_recovery_due(const struct blocks *b, handle_t block, int64_t mono_ms)
{
    const struct construction *c = construction_of(b, block_at(b, block));
    return c == NULL || c->block == 0 || mono_ms > c->until_ms;
}

uint32_t blocks_recovery_leader(const struct blocks *b, handle_t block)
{
    const struct construction *c = construction_of(b, block_at(b, block));
    return c == NULL ? 0 : c->leader;
}

handle_t blocks_next_overdue(const struct blocks *b, handle_t block, int64_t mono_ms)
{
    const struct construction *c =
        block == 0 ? b->recoveries : construction_of(b, block_at(b, block))->next;
    return c != NULL && mono_ms > c->until_ms ? c->block : 0;
}

void blocks_end_recovery(struct blocks *b, handle_t block)
{
    struct block *blk = block_at(b, block);
    struct construction *c = construction_of(b, blk);
    CHECK(blk->state == BLOCK_UNDER_RECOVERY && c != NULL);
    recovery_drop(b, blk);
    c->recovery_id = 0;
    c->cut = false;
    set_state(b, blk, BLOCK_UNDER_CONSTRUCTION);
    block_refresh(b, block);
}

int blocks_recovered(struct blocks *b, handle_t block, const uint32_t *storages, size_t count)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state == BLOCK_COMPLETE);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (storages[i] == 0 || (blk->striped && i >= EC_MAX_UNITS))
            continue;
        uint32_t spot = spot_of(storages[i], blk->striped ? (unsigned)i : 0);
        struct replica *r = replica_add(b, block, spot);
        if (r == NULL)
            rc = ERR_NO_MEMORY; /* the node's own report brings it */
        else if ((r->tag & REPLICA_CORRUPT) != 0 &&
                 note_find(b, blk, spot)->reason != CORRUPT_REPORTED)
            replica_clear_corrupt(b, blk, r);
    }
    block_refresh(b, block);
    return rc;
}

int blocks_cut(struct blocks *b, handle_t block, uint64_t length)
{
    struct block *blk = block_at(b, block);
    CHECK(blk->state != BLOCK_NONE && blk->state != BLOCK_COMPLETE && length < blk->length);
    struct construction *c = construction_need(b, blk);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->cut = true;
    c->cut_length = length;
    if (c->block == 0) {
        c->block = block;
        c->until_ms = INT64_MIN;
        DL_PREPEND(b->recoveries, c);
    }
    return 0;
}

bool blocks_being_cut(const struct blocks *b, handle_t block, uint64_t *ret_length)
{
    const struct construction *c = construction_of(b, block_at(b, block));
    if (c == NULL || !c->cut)
        return false;
    *ret_length = c->cut_length;
    return true;
}
