/* read.h - what decides in a read: which block, which node, which bytes of a packet go where. Door
 * of libdfs/read. Core: no clock, no sockets, no files, no threads; callers lock. */
#pragma once
#include "common/base/base.h"
#include "common/crc/crc.h"
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
