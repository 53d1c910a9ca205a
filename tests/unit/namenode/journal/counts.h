/* counts.h - the model's files, and what they count: the reference for sums and quotas. */
#pragma once
#include "namenode/journal/journal.h"

enum { MAX_ENTRIES = 400, MAX_BLOCKS = 6, BLOCK_SIZE = 1 << 20, PATH_SIZE = 100 };

struct entry {
    char path[PATH_SIZE];
    enum inode_type type;
    uint64_t id, mtime, atime;
    uint16_t mode, replication;
    char user[8], group[8], client[8];
    bool open, last_open; /* last_open: the last block is being written */
    uint8_t policy;       /* its own; 0: none */
    bool has_quota;
    struct dir_quota quota;
    unsigned blocks;
    struct edit_block block[MAX_BLOCKS];
};

/* Counts everything the simple way and compares each directory's sums with that, and the answer of
 * the quota check for random changes at random places. */
void counts_compare(struct nn *nn, const struct entry *model, unsigned entries, struct rng *rng);
