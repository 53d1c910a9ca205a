/* counts.c - what the model's files count, the simple way. See counts.h. */
#include "counts.h"

#include <criterion/criterion.h>

#include "namenode/blocks/blocks.h"

enum { SSD = 1, DISK, ARCHIVE, PROVIDED, NVDIMM };

static const struct entry *model;
static unsigned entries;
static struct ns_usage own[MAX_ENTRIES]; /* of each entry alone */
static uint64_t length_of[MAX_ENTRIES];

static bool at_or_below(const char *path, const char *top)
{
    size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
    return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == path && path[1] == '\0')
        return false;
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

static const struct entry *entry_of(const char *path)
{
    for (unsigned i = 0; i < entries; i++)
        if (strcmp(model[i].path, path) == 0)
            return &model[i];
    return NULL;
}

static uint8_t policy_at(const char *path)
{
    char up[PATH_SIZE];
    strcpy(up, path);
    do {
        const struct entry *e = entry_of(up);
        if (e != NULL && e->policy != 0)
            return e->policy;
    } while (go_up(up));
    return 0;
}

/* The type of the n-th replica. */
static int type_of(uint8_t policy, unsigned n)
{
    switch (policy) {
    case 1:
        return n == 0 ? PROVIDED : DISK;
    case 2:
        return ARCHIVE;
    case 5:
        return n == 0 ? DISK : ARCHIVE;
    case 10:
        return n == 0 ? SSD : DISK;
    case 12:
        return SSD;
    case 14:
        return NVDIMM;
    default:
        return DISK;
    }
}

static void add_bytes(struct ns_usage *u, int64_t bytes, unsigned replication, uint8_t policy)
{
    for (unsigned n = 0; n < replication; n++) {
        u->space += bytes;
        if (policy != 0)
            u->type[type_of(policy, n)] += bytes;
    }
}

static void count_entry(const struct nn *nn, unsigned at)
{
    const struct entry *e = &model[at];
    own[at] = (struct ns_usage){.inodes = 1};
    length_of[at] = 0;
    uint8_t policy = e->blocks == 0 ? 0 : policy_at(e->path);
    for (unsigned i = 0; i < e->blocks; i++) {
        struct block_info b;
        blocks_get(nn->blocks, blocks_find(nn->blocks, e->block[i].id), &b);
        length_of[at] += b.length;
        add_bytes(&own[at], b.state == BLOCK_COMPLETE ? (int64_t)b.length : BLOCK_SIZE,
                  e->replication, policy);
    }
}

static struct ns_usage count_tree(const char *top, struct ns_summary *ret)
{
    struct ns_usage all = {0};
    *ret = (struct ns_summary){0};
    for (unsigned i = 0; i < entries; i++) {
        if (!at_or_below(model[i].path, top))
            continue;
        ret->files += model[i].type == INODE_FILE;
        ret->directories += model[i].type == INODE_DIR;
        ret->symlinks += model[i].type == INODE_SYMLINK;
        ret->length += length_of[i];
        all.inodes++;
        all.space += own[i].space;
        for (int t = 0; t < QUOTA_TYPES; t++)
            all.type[t] += own[i].type[t];
    }
    ret->space = (uint64_t)all.space;
    memcpy(ret->type, all.type, sizeof(ret->type));
    return all;
}

static bool exceeds(uint64_t quota, int64_t used, int64_t delta)
{
    return quota != NS_NO_QUOTA && delta > 0 && (uint64_t)used + (uint64_t)delta > quota;
}

/* What Hadoop's check would say to delta at path: the lowest directory first. */
static int verdict(const char *path, const struct ns_usage *delta)
{
    char up[PATH_SIZE];
    strcpy(up, path);
    while (go_up(up)) {
        const struct entry *e = entry_of(up);
        struct ns_summary ignored;
        if (e == NULL || !e->has_quota)
            continue;
        struct ns_usage used = count_tree(up, &ignored);
        if (exceeds(e->quota.ns, used.inodes, delta->inodes))
            return ERR_NS_QUOTA;
        if (exceeds(e->quota.ds, used.space, delta->space))
            return ERR_DS_QUOTA;
        for (int t = SSD; t < QUOTA_TYPES; t++)
            if (exceeds(e->quota.type[t], used.type[t], delta->type[t]))
                return ERR_TYPE_QUOTA;
    }
    return 0;
}

static void compare_quota(const struct nn *nn, struct rng *rng)
{
    static const uint8_t policies[] = {0, 2, 5, 7, 10, 12};
    const struct entry *e = &model[rng_below(rng, entries)];
    struct ns_usage delta = {.inodes = (int64_t)rng_below(rng, 3)}, theirs = delta;
    struct arena arena;
    struct resolved r;
    struct err err = {0};
    int64_t bytes = (int64_t)rng_below(rng, 2 * BLOCK_SIZE);
    unsigned replication = (unsigned)rng_below(rng, 4);
    uint8_t policy = policies[rng_below(rng, ARRAY_SIZE(policies))];
    add_bytes(&delta, bytes, replication, policy);
    ns_usage_add(&theirs, bytes, replication, policy);
    arena_init(&arena, 0);
    cr_assert_eq(ns_resolve(nn->ns, NULL, e->path, PATH_WRITE_LINK, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_quota(nn->ns, &r, r.depth, &theirs, 0, &err), verdict(e->path, &delta),
                 "%s: %s", e->path, err.text);
    arena_fini(&arena);
}

void counts_compare(struct nn *nn, const struct entry *take_model, unsigned count, struct rng *rng)
{
    model = take_model;
    entries = count;
    for (unsigned i = 0; i < entries; i++)
        count_entry(nn, i);
    for (unsigned i = 0; i < entries; i++) {
        struct ns_summary kept, counted;
        ns_summarize(nn->ns, ns_find_id(nn->ns, model[i].id), &kept);
        count_tree(model[i].path, &counted);
        cr_assert_eq(memcmp(&kept, &counted, sizeof(kept)), 0,
                     "%s: %llu bytes in %llu, model %llu in %llu", model[i].path,
                     (unsigned long long)kept.length, (unsigned long long)kept.space,
                     (unsigned long long)counted.length, (unsigned long long)counted.space);
    }
    for (int i = 0; i < 20; i++)
        compare_quota(nn, rng);
}
