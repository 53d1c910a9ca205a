/* pipeline.c - the nodes that take one block, and who is to blame when one of them fails.
 * Pure. Positions count the nodes that remain (0: the one that we talk to); a node leaves by
 * wr_pipeline_drop and never comes back to this block; another one may join by wr_pipeline_adopt.
 * Invariants: (1) nodes[] is a subsequence of block->locs; (2) stages move as `rules` allow; (3)
 * each node that was dropped has said something in the story. */
#include <stdio.h>

#include "libdfs/write/write.h"

#define MAY(stage) (1u << (stage))
static const unsigned rules[] = {
    [WR_NONE] = MAY(WR_SETUP) | MAY(WR_FAILED),
    [WR_SETUP] = MAY(WR_SETUP) | MAY(WR_STREAMING) | MAY(WR_CLOSING) | MAY(WR_DONE) |
                 MAY(WR_FAILED) | MAY(WR_NONE),
    [WR_STREAMING] = MAY(WR_SETUP) | MAY(WR_CLOSING) | MAY(WR_FAILED),
    [WR_CLOSING] = MAY(WR_SETUP) | MAY(WR_DONE) | MAY(WR_FAILED),
    [WR_DONE] = MAY(WR_NONE) | MAY(WR_SETUP) | MAY(WR_FAILED),
    [WR_FAILED] = MAY(WR_FAILED),
};

void wr_pipeline_init(struct wr_pipeline *p)
{
    *p = (struct wr_pipeline){0};
}

void wr_pipeline_move(struct wr_pipeline *p, enum wr_stage stage)
{
    CHECK((rules[p->stage] & MAY(stage)) != 0);
    p->stage = stage;
    if (stage == WR_DONE)
        p->story[0] = '\0';
}

int wr_pipeline_start(struct wr_pipeline *p, const Hdfs__LocatedBlock *block, struct err *err)
{
    if (block->n_locs == 0 || block->n_locs > WR_MAX_NODES)
        return fail(err, ERR_PROTOCOL, "the NameNode gave %zu nodes for block %llu", block->n_locs,
                    (unsigned long long)block->b->block_id);
    p->block = block;
    p->count = (unsigned)block->n_locs;
    for (unsigned i = 0; i < p->count; i++)
        p->nodes[i] = i;
    p->recoveries = 0;
    p->recovery_acked = 0;
    memset(p->slow_acks, 0, sizeof(p->slow_acks));
    wr_pipeline_move(p, WR_SETUP);
    return 0;
}

void wr_node_name(const Hdfs__DatanodeInfo *node, char *out, size_t size)
{
    snprintf(out, size, "%s:%u", node->id->ip_addr, node->id->xfer_port);
}

unsigned wr_blame_response(const struct wr_pipeline *p, const char *first_bad_link)
{
    if (first_bad_link == NULL || first_bad_link[0] == '\0')
        return 0;
    for (unsigned i = 0; i < p->count; i++) {
        char name[300];
        wr_node_name(p->block->locs[p->nodes[i]], name, sizeof(name));
        if (strcmp(name, first_bad_link) == 0)
            return i;
    }
    return 0;
}

int wr_blame_ack(const struct wr_pipeline *p, const struct xfer_ack *ack, int *ret_bad,
                 struct err *err)
{
    /* a node that lost its mirror answers for itself and the next one only */
    if (ack->count == 0 || ack->count > p->count)
        return fail(err, ERR_PROTOCOL, "an acknowledgement of %u nodes from a pipeline of %u",
                    ack->count, p->count);
    *ret_bad = -1;
    for (unsigned i = 0; i < ack->count && *ret_bad < 0; i++)
        if (xfer_ack_status(ack->flags[i]) != XFER__STATUS__SUCCESS)
            *ret_bad = (int)i;
    if (*ret_bad < 0 && ack->count != p->count)
        return fail(err, ERR_PROTOCOL, "only %u of %u nodes acknowledged a packet", ack->count,
                    p->count);
    return 0;
}

enum { FLAG_ECN_SHIFT = 5, FLAG_SLOW_SHIFT = 7, FLAG_SLOW = 2 };

bool wr_ack_congested(const struct xfer_ack *ack)
{
    for (unsigned i = 0; i < ack->count; i++)
        if ((ack->flags[i] >> FLAG_ECN_SHIFT & 3) == XFER_ECN_CONGESTED)
            return true;
    return false;
}

int wr_pipeline_slow(struct wr_pipeline *p, const struct xfer_ack *ack, unsigned threshold)
{
    int found = -1;
    for (unsigned i = 0; i < ack->count && i < p->count; i++) {
        bool slow = (ack->flags[i] >> FLAG_SLOW_SHIFT & 3) == FLAG_SLOW;
        p->slow_acks[i] = slow ? p->slow_acks[i] + 1 : 0;
        if (threshold > 0 && p->slow_acks[i] >= threshold && p->count > 1)
            found = (int)i;
    }
    return found;
}

bool wr_replace_wanted(enum wr_replace policy, const struct wr_pipeline *p, unsigned replication,
                       bool appending, bool flushed)
{
    if (p->count == 0 || p->count >= replication || policy == WR_REPLACE_NEVER)
        return false;
    return policy == WR_REPLACE_ALWAYS ||
           (replication >= 3 && (p->count <= replication / 2 || appending || flushed));
}

static int position_of(const struct wr_pipeline *p, const Hdfs__DatanodeInfo *node)
{
    for (unsigned i = 0; i < p->count; i++)
        if (strcmp(p->block->locs[p->nodes[i]]->id->datanode_uuid, node->id->datanode_uuid) == 0)
            return (int)i;
    return -1;
}

int wr_pipeline_find_new(const struct wr_pipeline *p, const Hdfs__LocatedBlock *located)
{
    for (size_t i = 0; i < located->n_locs; i++)
        if (position_of(p, located->locs[i]) < 0)
            return (int)i;
    return -1;
}

int wr_pipeline_adopt(struct wr_pipeline *p, const Hdfs__LocatedBlock *located, struct err *err)
{
    size_t old = 0;
    for (size_t i = 0; i < located->n_locs; i++)
        old += position_of(p, located->locs[i]) >= 0;
    if (old != p->count || located->n_locs > WR_MAX_NODES)
        return fail(err, ERR_PROTOCOL, "the NameNode forgot nodes of the pipeline: %zu of %u", old,
                    p->count);
    p->block = located;
    p->count = (unsigned)located->n_locs;
    for (unsigned i = 0; i < p->count; i++)
        p->nodes[i] = i;
    memset(p->slow_acks, 0, sizeof(p->slow_acks));
    return 0;
}

void wr_pipeline_drop(struct wr_pipeline *p, unsigned position, const char *what)
{
    CHECK(position < p->count);
    char name[300];
    wr_node_name(p->block->locs[p->nodes[position]], name, sizeof(name));
    size_t used = strlen(p->story);
    snprintf(p->story + used, sizeof(p->story) - used, "%s%s: %.160s", used > 0 ? "; " : "", name,
             what);
    p->count--;
    memmove(p->nodes + position, p->nodes + position + 1,
            (p->count - position) * sizeof(p->nodes[0]));
    memset(p->slow_acks, 0, sizeof(p->slow_acks));
}

bool wr_pipeline_may_recover(struct wr_pipeline *p, uint64_t acked, unsigned max_recoveries)
{
    if (acked > p->recovery_acked) {
        p->recovery_acked = acked;
        p->recoveries = 0;
    }
    return p->count > 0 && p->recoveries++ < max_recoveries;
}
