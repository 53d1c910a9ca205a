/* read.h - what decides in a read: which block, which node, which bytes of a packet go where. Door
 * of libdfs/read. Core: no clock, no sockets, no files, no threads; callers lock. */
#pragma once
#include "common/base/base.h"
#include "common/crc/crc.h"
#include "common/ec/ec.h"
#include "common/xfer/xfer.h"
#include "hdfs.pb-c.h"

/* plan.c: a sorted cover of the file by blocks, as far as the NameNode has told. Messages live in
 * ref-counted pages (one answer of the NameNode each), so that a thread can read by an entry while
 * another thread renews the plan. */
struct rd_page {
    unsigned refs;
    struct arena arena;
    Hdfs__LocatedBlocks *blocks;
};
/* One reference; takes nothing. NULL: no memory. Decode the NameNode's answer into page->arena. */
struct rd_page *rd_page_new(void);
struct rd_page *rd_page_ref(struct rd_page *page);
void rd_page_unref(struct rd_page *page);

struct rd_entry {
    uint64_t offset, length; /* in the file */
    const Hdfs__LocatedBlock *block;
    struct rd_page *page;
    bool open; /* the block still being written */
};
struct rd_plan {
    struct rd_entry *items; /* ascending, never overlapping */
    size_t count, capacity;
    uint64_t length; /* of the file as readers may see it */
};
void rd_plan_fini(struct rd_plan *p);
/* Takes in the blocks of page (references it); entries that overlap new ones are dropped. An answer
 * that can't be (overlaps, overflow, beyond the file) is ERR_PROTOCOL and changes nothing. */
must_use int rd_plan_merge(struct rd_plan *p, struct rd_page *page, struct err *err);
/* The block still being written: readers may see `visible` bytes of it. Extends p->length. */
must_use int rd_plan_add_open_block(struct rd_plan *p, struct rd_page *page, uint64_t visible,
                                    struct err *err);
/* NULL: not known yet. */
const struct rd_entry *rd_plan_find(const struct rd_plan *p, uint64_t offset);
/* 0, or ERR_UNSUPPORTED with a text for files that need a codec or a key we don't have. */
must_use int rd_check_supported(const Hdfs__LocatedBlocks *blocks, struct err *err);

/* choose.c: the next replica to ask. The server's order is the order of preference (nearest first).
 */
enum { RD_MAX_REPLICAS = 64, RD_MAX_DEAD = 256 };
struct rd_dead {
    uint64_t
        nodes[RD_MAX_DEAD]; /* hashes of DataNode uuids: a false hit costs a detour, nothing else */
    size_t count;
};
void rd_dead_add(struct rd_dead *d, const Hdfs__DatanodeInfo *node);
bool rd_dead_has(const struct rd_dead *d, const Hdfs__DatanodeInfo *node);
void rd_dead_remove(struct rd_dead *d, const Hdfs__DatanodeInfo *node); /* it works after all */
void rd_dead_clear(struct rd_dead *d);
/* Index in block->locs of the first node that is neither tried (bit set) nor dead; -1: none. */
int rd_choose(const Hdfs__LocatedBlock *block, const struct rd_dead *dead, uint64_t tried);

/* verify.c: the packets of one OP_READ_BLOCK. Wanted are the bytes [position, end) of the block;
 * the server starts at a chunk border before and may end behind. */
struct rd_flow {
    struct crc_kind kind;
    uint64_t position, end; /* wanted bytes that are not delivered yet */
    uint64_t next_offset;   /* in the block: where the next byte from the socket belongs */
    uint64_t packet_end;    /* in the block: end of the packet's data */
    uint64_t packet_start;
    int64_t next_seqno;
    bool done; /* the last, empty packet has come */
};
must_use int rd_flow_start(struct rd_flow *f, struct crc_kind kind, uint64_t chunk_offset,
                           uint64_t position, uint64_t end, struct err *err);
/* A packet header came. Afterwards f->packet_end - f->next_offset bytes of data follow its sums. */
must_use int rd_flow_packet(struct rd_flow *f, const struct xfer_packet *p, struct err *err);

/* What to take from the socket next when the caller has room for `space` bytes (> 0). */
struct rd_take {
    size_t direct; /* whole chunks, straight into the caller's memory */
    size_t bounce; /* else: so many through the bounce buffer, of which */
    size_t skip;   /* this many at its front are not wanted, and */
    size_t wanted; /* this many after them are */
};
enum { RD_BOUNCE_SIZE = 64 * 1024 };
/* bounce_size: capacity of the bounce buffer, at least one chunk. Only while packet data is left.
 */
struct rd_take rd_flow_take(const struct rd_flow *f, size_t space, size_t bounce_size);
/* `size` bytes of the packet came to `data`: checks them against their sums (of the whole packet)
 * and moves on. The wanted ones count as delivered only by rd_flow_deliver. */
must_use int rd_flow_verify(struct rd_flow *f, const void *data, size_t size, const uint8_t *sums,
                            struct err *err);
void rd_flow_deliver(struct rd_flow *f, size_t size);

/* stripe.c: a block group, and one stripe of it on its way to the caller. Columns are offsets in
 * the cells of a stripe. */
struct rd_group {
    struct ec_policy policy;
    uint64_t length; /* data bytes, as the cells lie */
    uint64_t coded;  /* so many at its front are whole stripes or have their last parity */
    uint64_t locs[EC_MAX_UNITS]; /* bits of the locations that have the internal block */
};
/* True: the entry is a group, and *ret what it is. ERR_PROTOCOL for one that can't be. */
must_use int rd_group_init(struct rd_group *g, const struct ec_policy *policy,
                           const struct rd_entry *entry, struct err *err);
/* The internal block as DataNodes know it; borrows the pool's name. */
Hdfs__ExtendedBlock rd_internal_block(const struct rd_group *g, const Hdfs__LocatedBlock *block,
                                      unsigned index);
/* Where a reader of the group's bytes before `end` stops reading the internal block; coded: he also
 * needs what the other units have in the same columns. */
uint64_t rd_unit_end(const struct rd_group *g, unsigned index, uint64_t end, bool coded);

struct rd_span {
    uint32_t from, to; /* columns; from == to: none */
};
static inline uint32_t rd_span_size(struct rd_span s)
{
    return s.to - s.from;
}
struct rd_stripe {
    uint64_t start;                    /* in the group */
    uint64_t row;                      /* in each internal block */
    uint32_t size[EC_MAX_UNITS];       /* of each unit's cell */
    struct rd_span want[EC_MAX_UNITS]; /* of the caller */
    struct rd_span need[EC_MAX_UNITS]; /* to be read: what is wanted and not lost, and what
                                          rebuilding the rest takes */
    uint32_t wanted;                   /* bits of units */
    uint32_t missing;                  /* wanted ones that are rebuilt unless they come after all */
    uint32_t inputs;                   /* the k units that this takes; may have empty cells */
    uint32_t relied;                   /* units that must come; missing ones don't */
    struct rd_span rebuild;            /* the columns of it */
};
/* The bytes [position, end) of the group, which lie in one stripe. */
void rd_stripe_init(struct rd_stripe *s, const struct rd_group *g, uint64_t position, uint64_t end);
/* Decides what to read. lost: units that can't be had; avoid: only when there is no other way;
 * slow: of those, the ones to take last. got: columns that are there already. ERR_BLOCK_MISSING:
 * too little is left. */
must_use int rd_stripe_plan(struct rd_stripe *s, const struct rd_group *g, uint32_t lost,
                            uint32_t avoid, uint32_t slow, const struct rd_span got[EC_MAX_UNITS],
                            struct err *err);
/* How many units, none of `out`, aren't relied on and could be. */
unsigned rd_stripe_spares(const struct rd_stripe *s, const struct rd_group *g, uint32_t out);
/* True: all is there, but for *ret_decode (bits), which can be rebuilt. done: units read as far as
 * needed. */
bool rd_stripe_ready(const struct rd_stripe *s, uint32_t done, uint32_t *ret_decode);
