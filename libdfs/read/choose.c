/* choose.c - which replica to ask next.
 * Pure. Dead nodes are remembered per file, so that one lost node costs one time-out, not one a
 * block. */
#include "libdfs/read/read.h"

static uint64_t hash_of(const Hdfs__DatanodeInfo *node)
{
    uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */
    for (const char *c = node->id->datanode_uuid; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3ULL;
    return h ^ ((uint64_t)node->id->xfer_port << 48);
}

bool rd_dead_has(const struct rd_dead *d, const Hdfs__DatanodeInfo *node)
{
    uint64_t h = hash_of(node);
    for (size_t i = 0; i < d->count; i++)
        if (d->nodes[i] == h)
            return true;
    return false;
}

void rd_dead_add(struct rd_dead *d, const Hdfs__DatanodeInfo *node)
{
    if (d->count < RD_MAX_DEAD && !rd_dead_has(d, node))
        d->nodes[d->count++] = hash_of(node);
}

void rd_dead_remove(struct rd_dead *d, const Hdfs__DatanodeInfo *node)
{
    uint64_t h = hash_of(node);
    for (size_t i = 0; i < d->count; i++)
        if (d->nodes[i] == h)
            d->nodes[i--] = d->nodes[--d->count];
}

void rd_dead_clear(struct rd_dead *d)
{
    d->count = 0;
}

int rd_choose(const Hdfs__LocatedBlock *block, const struct rd_dead *dead, uint64_t tried)
{
    size_t count = block->n_locs < RD_MAX_REPLICAS ? block->n_locs : RD_MAX_REPLICAS;
    for (size_t i = 0; i < count; i++)
        if ((tried >> i & 1) == 0 && !rd_dead_has(dead, block->locs[i]))
            return (int)i;
    return -1;
}
