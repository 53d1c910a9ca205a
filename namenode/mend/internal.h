/* internal.h - what the files of this room share. */
#pragma once
#include "namenode/mend/mend.h"

static inline const struct node *mend_node(const struct nodes *n, uint32_t storage)
{
    return nodes_at(n, nodes_storage(n, storage)->node);
}
static inline uint16_t mend_bit(unsigned index)
{
    return (uint16_t)(1u << (index & 15));
}
static inline unsigned mend_size(uint16_t set)
{
    return (unsigned)__builtin_popcount(set);
}
static inline unsigned mend_lowest(uint16_t set)
{
    return (unsigned)__builtin_ctz(set);
}

/* Its node is heard and the volume works. */
static inline bool mend_usable(const struct nodes *n, uint32_t storage)
{
    return !nodes_storage(n, storage)->failed && mend_node(n, storage)->alive;
}
static inline bool mend_good(const struct mend_replica *r)
{
    return !r->corrupt && !r->excess;
}
