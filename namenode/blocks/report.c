/* report.c - what DataNodes tell: full reports in slices, incremental ones, and what each told
 * replica means. See blocks.h and wire.md 3.6 for the forms.
 * Thread: state. The bytes are from outside: only read through `struct reader` or checked counts.
 * Invariants: (1) while a report is taken, the replicas of its storage that it named, or that came
 * since it began, are list->at[0 .. seen); what remains beyond when its end is reached is gone from
 * the node; (2) a report that is malformed or void drops nothing. */
#include <stdlib.h>

#include "namenode/blocks/internal.h"

#define LENGTH_MASK 0xffffffffffffULL /* the upper 16 bits and, */
#define STATE_MASK  0xfU              /* of the state, the upper ones are reserved */

struct told {
    uint64_t id, length, generation_stamp;
    enum replica_state state;
    unsigned index; /* of an internal block */
};

struct block_report {
    struct blocks *b; /* NULL: void */
    struct report_source source;
    uint32_t storage, registration;
    size_t buffer, offset; /* buffer form: next byte */
    size_t at;             /* long form: next replica */
    bool done;
};

/* ---- what a told replica means ---- */

static bool same_length(const struct blocks *b, const struct block *blk, const struct told *t)
{
    uint64_t length;
    if (!blk->striped)
        return t->length == blk->length;
    return !block_stored_length(b, blk, t->index, &length) || t->length == length;
}

static bool same_contents(const struct blocks *b, const struct block *blk, const struct told *t)
{
    return t->generation_stamp == blk->generation_stamp && same_length(b, blk, t);
}

/* Hadoop's rules; 0: not corrupt. */
static enum corrupt_reason judge(const struct blocks *b, const struct block *blk,
                                 const struct told *t)
{
    uint64_t stamp = t->generation_stamp;
    if (t->state == REPLICA_FINALIZED) {
        if (blk->state == BLOCK_COMPLETE || blk->state == BLOCK_COMMITTED) {
            if (stamp != blk->generation_stamp)
                return CORRUPT_STAMP;
            return same_length(b, blk, t) ? 0 : CORRUPT_LENGTH;
        }
        return stamp < blk->generation_stamp ? CORRUPT_STAMP : 0;
    }
    if (blk->state != BLOCK_COMPLETE)
        return stamp < blk->generation_stamp ? CORRUPT_STAMP : 0;
    if (stamp != blk->generation_stamp)
        return CORRUPT_STAMP;
    return t->state == REPLICA_RWR ? CORRUPT_STATE : 0;
}

static void unknown_block(struct blocks *b, uint32_t node, const struct told *t)
{
    bool future = b->last_generation_stamp != 0 && t->generation_stamp > b->last_generation_stamp;
    if (future && b->safemode.startup != SAFEMODE_OFF) {
        b->future_group_bytes += (int64_t)t->id < 0 ? t->length : 0;
        b->future_bytes += t->length; /* the metadata may be the older one: delete nothing */
        return;
    }
    (void)nodes_order_invalidate(b->nodes, node,
                                 (struct node_block){t->id, t->generation_stamp, NO_ACK});
}

static bool being_written(const struct block *blk, const struct told *t)
{
    if (t->state != REPLICA_FINALIZED)
        return blk->state != BLOCK_COMPLETE;
    return blk->state == BLOCK_UNDER_CONSTRUCTION || blk->state == BLOCK_UNDER_RECOVERY;
}

/* What a report said a report can take back. */
static void heal(struct blocks *b, struct block *blk, struct replica *r)
{
    const struct corrupt_note *note = note_find(b, blk, replica_spot(r));
    if (note != NULL && note->reason != CORRUPT_REPORTED)
        replica_clear_corrupt(b, blk, r);
}

/* A finalized replica that matches: recorded, or healed, or, if it was ordered deleted as surplus
 * and is still there, ordered again. */
static int good_replica(struct blocks *b, handle_t h, uint32_t spot)
{
    struct block *blk = block_at(b, h);
    uint32_t node = nodes_storage(b->nodes, spot_storage(spot))->node;
    struct replica *r = replica_add(b, h, spot);
    if (r == NULL)
        return ERR_NO_MEMORY;
    heal(b, blk, r);
    if (r->tag & REPLICA_EXCESS) {
        struct replica_counts n;
        count_replicas(b, blk, &n);
        bool needed = !blk->striped || (n.live_units & 1u << replica_index(r)) == 0;
        if (needed && n.live < expected_live(b, blk, &n))
            replica_set_excess(b, r, false);
        else
            (void)nodes_order_invalidate(b->nodes, node, replica_order(b, blk, r));
    }
    pending_arrived(b, blk, node, spot_index(spot));
    return 0;
}

static int written_replica(struct blocks *b, handle_t h, uint32_t spot, const struct told *t)
{
    if (!construction_note(b, h, spot, t->state, t->generation_stamp, t->length))
        return ERR_NO_MEMORY;
    if (t->state != REPLICA_FINALIZED)
        return 0;
    struct replica *r = replica_add(b, h, spot);
    if (r == NULL)
        return ERR_NO_MEMORY;
    heal(b, block_at(b, h), r);
    return 0;
}

/* Its deletion may yet be taken back, so that counts also while it waits for it. */
static bool turned_bad(const struct blocks *b, const struct block *blk, const struct replica *r,
                       const struct told *t)
{
    return blk->state == BLOCK_COMPLETE && (r->tag & REPLICA_CORRUPT) == 0 && judge(b, blk, t) != 0;
}

/* As nearly every replica of a full report is: recorded, right, and nothing is under way. */
static bool nothing_new(const struct blocks *b, const struct block *blk, const struct replica *r,
                        const struct told *t)
{
    const struct side *side = side_of(b, blk);
    return replica_is_live(r) && blk->state == BLOCK_COMPLETE && t->state == REPLICA_FINALIZED &&
           same_contents(b, blk, t) &&
           (side == NULL ||
            (side->construction == NULL && side->notes == NULL && side->pending == NULL));
}

/* What is told of a block that is known: judged, and recorded for what it is. */
static int record(struct blocks *b, handle_t h, uint32_t spot, const struct told *t)
{
    const struct block *blk = block_at(b, h);
    enum corrupt_reason reason = judge(b, blk, t);
    int rc = 0;
    if (reason != 0)
        rc = replica_set_corrupt(b, h, spot, t->generation_stamp, reason) ? 0 : ERR_NO_MEMORY;
    else if (being_written(blk, t))
        rc = written_replica(b, h, spot, t);
    else if (t->state == REPLICA_FINALIZED)
        rc = good_replica(b, h, spot);
    if (!try_complete(b, h))
        block_refresh(b, h);
    return rc;
}

/* One told replica. */
static int take_replica(struct blocks *b, uint32_t storage, struct told *t, bool full)
{
    const struct node_storage *where = nodes_storage(b->nodes, storage);
    if (t->state > REPLICA_RWR || where->failed)
        return 0; /* copies and recoveries in progress aren't replicas yet */
    handle_t h = block_told(b, t->id, &t->index);
    if (h == 0) {
        unknown_block(b, where->node, t);
        return 0;
    }
    struct block *blk = block_at(b, h);
    uint32_t spot = spot_of(storage, t->index);
    struct replica *r = block_replica_find(b, blk, spot);
    if (full && r != NULL)
        storage_list_mark_seen(b, &b->storages[storage], r, storage);
    bool ordered = nodes_invalidate_ordered(b->nodes, where->node, t->id, t->generation_stamp);
    if (ordered && (r == NULL || !turned_bad(b, blk, r, t)))
        return 0;
    if (r != NULL && nothing_new(b, blk, r, t))
        return 0;
    return record(b, h, spot, t);
}

static void drop_replica(struct blocks *b, handle_t h, uint32_t spot)
{
    construction_forget(b, block_at(b, h), spot);
    block_replica_remove(b, h, spot);
    block_refresh(b, h);
}

/* ---- decoding ---- */

enum { ENTRY_MAX = 4 * 10 };

static struct slice rest_of_buffer(const struct block_report *r)
{
    struct slice s = r->source.buffers[r->buffer];
    return (struct slice){s.data + r->offset, s.size - r->offset};
}

static void skip_bytes(struct block_report *r, size_t size)
{
    while (r->buffer < r->source.buffer_count) {
        size_t left = r->source.buffers[r->buffer].size - r->offset;
        if (size < left) {
            r->offset += size;
            return;
        }
        size -= left;
        r->buffer++;
        r->offset = 0;
    }
}

static bool read_entry(struct reader *in, struct told *t)
{
    t->id = (uint64_t)read_svarint(in);
    t->length = read_varint(in) & LENGTH_MASK;
    t->generation_stamp = read_varint(in);
    t->state = read_varint(in) & STATE_MASK;
    return !in->bad;
}

/* An entry that straddles buffers. */
static bool read_straddling(struct block_report *r, struct told *t)
{
    uint8_t bytes[ENTRY_MAX];
    size_t size = 0;
    for (size_t i = r->buffer, offset = r->offset; i < r->source.buffer_count && size < ENTRY_MAX;
         i++, offset = 0) {
        struct slice s = r->source.buffers[i];
        size_t n = s.size - offset < ENTRY_MAX - size ? s.size - offset : ENTRY_MAX - size;
        if (n > 0)
            memcpy(bytes + size, s.data + offset, n);
        size += n;
    }
    struct reader in = reader_of(bytes, size);
    if (!read_entry(&in, t))
        return false;
    skip_bytes(r, size - reader_left(&in));
    return true;
}

enum next { NEXT_END, NEXT_ENTRY, NEXT_BAD };

static enum next next_of_buffers(struct block_report *r, struct told *t)
{
    skip_bytes(r, 0);
    if (r->buffer == r->source.buffer_count)
        return NEXT_END;
    struct slice rest = rest_of_buffer(r);
    struct reader in = reader_of(rest.data, rest.size);
    if (!read_entry(&in, t))
        return read_straddling(r, t) ? NEXT_ENTRY : NEXT_BAD;
    skip_bytes(r, rest.size - reader_left(&in));
    return NEXT_ENTRY;
}

/* [finalized, others, 3 x finalized, -1 -1 -1, 4 x others]; the delimiter may lack if none follow.
 */
static bool longs_shape(const struct report_source *s, size_t *ret_finalized, size_t *ret_others)
{
    *ret_finalized = *ret_others = 0;
    if (s->long_count == 0)
        return true;
    if (s->long_count < 2)
        return false;
    uint64_t finalized = s->longs[0], others = s->longs[1], rest = s->long_count - 2;
    if (finalized > rest / 3)
        return false;
    rest -= finalized * 3;
    *ret_finalized = (size_t)finalized;
    *ret_others = (size_t)others;
    if (others == 0 && rest == 0)
        return true;
    return rest >= 3 && (rest - 3) % 4 == 0 && (rest - 3) / 4 == others;
}

static enum next next_of_longs(struct block_report *r, struct told *t)
{
    size_t finalized, others, i = r->at;
    if (!longs_shape(&r->source, &finalized, &others))
        return NEXT_BAD;
    if (i == finalized + others)
        return NEXT_END;
    const uint64_t *at = r->source.longs + 2;
    bool final = i < finalized;
    at += final ? 3 * i : 3 * (finalized + 1) + 4 * (i - finalized);
    *t = (struct told){.id = at[0],
                       .length = at[1],
                       .generation_stamp = at[2],
                       .state =
                           final ? REPLICA_FINALIZED : (enum replica_state)(at[3] & STATE_MASK)};
    r->at++;
    return NEXT_ENTRY;
}

static enum next next_entry(struct block_report *r, struct told *t)
{
    return r->source.buffers != NULL ? next_of_buffers(r, t) : next_of_longs(r, t);
}

/* ---- full reports ---- */

void report_void(struct block_report *r)
{
    if (r->b == NULL)
        return;
    struct storage_list *list = &r->b->storages[r->storage];
    CHECK(list->report == r);
    list->report = NULL;
    list->seen = 0;
    r->b = NULL;
}

int blocks_report_start(struct blocks *b, uint32_t storage, const struct report_source *source,
                        struct block_report **ret_report)
{
    struct storage_list *list = storage_list_of(b, storage);
    struct block_report *r = list == NULL ? NULL : calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NO_MEMORY;
    if (list->report != NULL)
        report_void(list->report);
    *r = (struct block_report){.b = b, .source = *source, .storage = storage};
    r->registration = nodes_at(b->nodes, nodes_storage(b->nodes, storage)->node)->registration;
    list->report = r;
    list->seen = 0;
    *ret_report = r;
    return 0;
}

void blocks_report_free(struct block_report *r)
{
    if (r != NULL)
        report_void(r);
    free(r);
}

static int report_end(struct block_report *r, int64_t mono_ms, int64_t now_ms)
{
    struct blocks *b = r->b;
    struct node_storage *storage = nodes_storage_mut(b->nodes, r->storage);
    struct node *node = nodes_at_mut(b->nodes, storage->node);
    storage->reported = storage->reported_once = true;
    node->report_ms = mono_ms;
    node->report_wall_ms = now_ms;
    report_void(r);
    r->done = true;
    safemode_check(b, mono_ms);
    return REPORT_DONE;
}

static void drop_last(struct blocks *b, const struct storage_list *list, uint32_t storage)
{
    handle_t h = list->at[list->count - 1];
    drop_replica(b, h, replica_spot(replica_at_place(b, h, storage, list->count - 1)));
}

/* Keeps (1): the rest isn't on the node any more. */
static bool drop_absent(struct block_report *r, size_t *budget)
{
    struct storage_list *list = &r->b->storages[r->storage];
    for (; list->count > list->seen; --*budget) {
        if (*budget == 0)
            return false;
        drop_last(r->b, list, r->storage);
    }
    return true;
}

static int check_report(struct block_report *r, struct err *err)
{
    if (r->b == NULL)
        return fail(err, ERR_RETRIABLE, "another report of this storage came meanwhile");
    const struct nodes *nodes = r->b->nodes;
    const struct node *node = nodes_at(nodes, nodes_storage(nodes, r->storage)->node);
    if (!node->alive || node->registration != r->registration)
        return fail(err, ERR_RETRIABLE,
                    "DataNode %s died or registered anew while its report was taken", node->uuid);
    return 0;
}

int blocks_report_step(struct block_report *r, size_t budget, int64_t mono_ms, int64_t now_ms,
                       struct err *err)
{
    if (r->done) /* an incremental report had to wait for it */
        return REPORT_DONE;
    TRY(check_report(r, err));
    const struct node_storage *storage = nodes_storage(r->b->nodes, r->storage);
    while (budget > 0) {
        struct told t;
        enum next next = next_entry(r, &t);
        if (next == NEXT_BAD)
            return fail(err, ERR_PROTOCOL, "malformed block report of storage %s", storage->uuid);
        if (next == NEXT_END)
            return drop_absent(r, &budget) ? report_end(r, mono_ms, now_ms) : REPORT_MORE;
        int rc = take_replica(r->b, r->storage, &t, true);
        if (rc != 0)
            return fail(err, rc, "no memory for the replicas of storage %s", storage->uuid);
        budget--;
    }
    return REPORT_MORE;
}

int blocks_report_all(struct blocks *b, uint32_t storage, const struct report_source *source,
                      int64_t mono_ms, int64_t now_ms, struct err *err)
{
    struct block_report *r = NULL;
    TRY(blocks_report_start(b, storage, source, &r));
    int rc;
    do
        rc = blocks_report_step(r, SIZE_MAX, mono_ms, now_ms, err);
    while (rc == REPORT_MORE);
    blocks_report_free(r);
    return rc;
}

/* ---- incremental reports ---- */

/* Old news: a replica with a newer stamp has been told since. */
static bool newer_is_known(const struct blocks *b, handle_t h, uint32_t spot, uint64_t stamp)
{
    struct block *blk = block_at(b, h);
    const struct replica *r = block_replica_find(b, blk, spot);
    return r != NULL && stamp != 0 && stamp < replica_stamp(b, blk, r) &&
           blk->state == BLOCK_COMPLETE;
}

static void deleted(struct blocks *b, uint32_t storage, const struct node_block *block)
{
    unsigned index;
    handle_t h = block_told(b, block->id, &index);
    uint32_t spot = spot_of(storage, index);
    if (h != 0 && newer_is_known(b, h, spot, block->generation_stamp))
        return;
    nodes_cancel_invalidate(b->nodes, nodes_storage(b->nodes, storage)->node, block->id);
    if (h != 0 && block_replica_find(b, block_at(b, h), spot) != NULL)
        drop_replica(b, h, spot);
    else if (h != 0) /* it was being written */
        construction_forget(b, block_at(b, h), spot);
}

static int received(struct blocks *b, uint32_t storage, const struct received_block *item,
                    int64_t mono_ms)
{
    const struct node_block *block = &item->block;
    struct told t = {.id = block->id,
                     .length = block->length & LENGTH_MASK,
                     .generation_stamp = block->generation_stamp,
                     .state = item->status == BLOCK_RECEIVED ? REPLICA_FINALIZED : REPLICA_RBW};
    if (item->status == BLOCK_RECEIVED)
        nodes_unschedule(b->nodes, storage);
    TRY(take_replica(b, storage, &t, false));
    unsigned index;
    handle_t h = item->hint_node == 0 ? 0 : block_told(b, block->id, &index);
    if (h != 0 && block_at(b, h)->queue == Q_EXTRA && !blocks_in_safe_mode(b))
        surplus_process(b, h, item->hint_node, nodes_storage(b->nodes, storage)->node, mono_ms);
    return 0;
}

int blocks_received(struct blocks *b, uint32_t storage, const struct received_block *list,
                    size_t count, int64_t mono_ms, struct err *err)
{
    struct storage_list *own = storage_list_of(b, storage);
    b->seen_ms = mono_ms;
    if (own == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the list of a storage");
    for (int rc = REPORT_MORE; own->report != NULL && rc == REPORT_MORE;) {
        struct block_report *r = own->report;
        rc = blocks_report_step(
            r, SIZE_MAX, mono_ms,
            nodes_at(b->nodes, nodes_storage(b->nodes, storage)->node)->heard_wall_ms, NULL);
        if (rc < 0)
            report_void(r);
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].status == BLOCK_DELETED)
            deleted(b, storage, &list[i].block);
        else if (received(b, storage, &list[i], mono_ms) != 0)
            return fail(err, ERR_NO_MEMORY, "no memory for a replica of blk_%lld",
                        (long long)list[i].block.id);
    }
    safemode_check(b, mono_ms);
    return 0;
}
