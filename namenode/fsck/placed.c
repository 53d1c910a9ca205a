/* placed.c - whether replicas lie where they should: racks, and types of storage. See fsck.h.
 * Thread: state. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "namenode/fsck/internal.h"

enum { MAX_COMBINATIONS = 1000, HOT = 7 };

uint32_t fsck_racks_wanted(const struct fsck *f, const uint32_t *storages, size_t count,
                           uint32_t replication)
{
    uint32_t racks = 0, all = nodes_live_rack_count(f->nn->nodes), wanted = replication < 2 ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        uint32_t rack =
            nodes_at(f->nn->nodes, nodes_storage(f->nn->nodes, storages[i])->node)->rack_id;
        size_t k = 0;
        while (k < i &&
               nodes_at(f->nn->nodes, nodes_storage(f->nn->nodes, storages[k])->node)->rack_id !=
                   rack)
            k++;
        racks += k == i;
    }
    return all < 2 || racks >= wanted || racks >= all ? 0 : wanted - racks;
}

/* ---- storage policies ---- */

/* Java's ordinals of StorageType. */
enum { RAM_DISK, SSD, DISK, ARCHIVE, PROVIDED, NVDIMM };
static const char *const type_names[QUOTA_TYPES] = {"RAM_DISK", "SSD",      "DISK",
                                                    "ARCHIVE",  "PROVIDED", "NVDIMM"};

/* The types of a policy in the order of their ordinals. */
static const struct policy {
    uint8_t id;
    const char *name;
    uint8_t count, types[2];
} policies[] = {
    {1, "PROVIDED", 2, {DISK, PROVIDED}}, {2, "COLD", 1, {ARCHIVE}},
    {5, "WARM", 2, {DISK, ARCHIVE}},      {HOT, "HOT", 1, {DISK}},
    {10, "ONE_SSD", 2, {SSD, DISK}},      {12, "ALL_SSD", 1, {SSD}},
    {14, "ALL_NVDIMM", 1, {NVDIMM}},      {15, "LAZY_PERSIST", 2, {RAM_DISK, DISK}},
};

static unsigned ordinal_of(unsigned type)
{
    static const uint8_t ordinals[] = {
        [STORAGE_DISK] = DISK,         [STORAGE_SSD] = SSD,           [STORAGE_ARCHIVE] = ARCHIVE,
        [STORAGE_RAM_DISK] = RAM_DISK, [STORAGE_PROVIDED] = PROVIDED, [STORAGE_NVDIMM] = NVDIMM};
    return type < ARRAY_SIZE(ordinals) ? ordinals[type] : DISK;
}

void fsck_count_types(struct fsck *f, handle_t file, const uint32_t *storages, size_t count)
{
    struct fsck_combination c = {.policy = ns_effective_policy(f->nn->ns, file), .count = 1};
    if (c.policy == 0)
        c.policy = HOT;
    for (size_t i = 0; i < count; i++)
        c.types[ordinal_of(nodes_storage(f->nn->nodes, storages[i])->type)]++;
    f->combined_blocks++;
    for (size_t i = 0; i < f->combination_count; i++) {
        struct fsck_combination *known = &f->combinations[i];
        if (known->policy == c.policy && memcmp(known->types, c.types, sizeof(c.types)) == 0) {
            known->count++;
            return;
        }
    }
    if (f->combinations == NULL)
        f->combinations = calloc(MAX_COMBINATIONS, sizeof(*f->combinations));
    f->no_memory |= f->combinations == NULL;
    if (f->combinations != NULL && f->combination_count < MAX_COMBINATIONS)
        f->combinations[f->combination_count++] = c;
}

/* Exactly the types of the policy, then more of the last one only. */
static bool fits(const struct policy *p, const uint16_t types[QUOTA_TYPES])
{
    uint32_t all = 0, rest = 0;
    for (unsigned t = 0; t < QUOTA_TYPES; t++)
        all += types[t];
    for (unsigned i = 0; i < p->count; i++) {
        if (types[p->types[i]] == 0)
            return false;
        rest += i + 1u < p->count ? 1u : types[p->types[i]];
    }
    return rest == all;
}

static const struct policy *policy_that_fits(const struct fsck_combination *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (fits(&policies[i], c->types))
            return &policies[i];
    return NULL;
}

static const char *policy_name(uint8_t id)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (policies[i].id == id)
            return policies[i].name;
    return "";
}

/* "DISK:3(HOT)" */
static void describe(struct fsck *f, const struct fsck_combination *c, struct buf *to)
{
    const struct policy *p = policy_that_fits(c);
    bool first = true;
    buf_clear(to);
    for (unsigned t = 0; t < QUOTA_TYPES; t++) {
        if (c->types[t] == 0)
            continue;
        fsck_put(f, to, "%s%s:%u", first ? "" : ",", type_names[t], c->types[t]);
        first = false;
    }
    if (p != NULL)
        fsck_put(f, to, "(%s)", p->name);
    f->no_memory |= buf_append(to, "", 1) != 0;
}

static bool is_satisfied(const struct fsck_combination *c)
{
    const struct policy *p = policy_that_fits(c);
    return p != NULL && p->id == c->policy;
}

static void say_combination(struct fsck *f, const struct fsck_combination *c, struct buf *text)
{
    char percent[32];
    snprintf(percent, sizeof(percent), "%.4f%%",
             100.0 * (double)c->count / (double)f->combined_blocks);
    describe(f, c, text);
    const char *what = buf_size(text) == 0 ? "" : (const char *)buf_head(text);
    if (is_satisfied(c))
        fsck_say(f, "%-25s %10" PRIu64 "  %20s\n", what, c->count, percent);
    else
        fsck_say(f, "%-35s %-20s %10" PRIu64 "  %20s\n", what, policy_name(c->policy), c->count,
                 percent);
}

static int more_first(const void *x, const void *y)
{
    const struct fsck_combination *a = x, *b = y;
    return a->count < b->count ? 1 : a->count > b->count ? -1 : 0;
}

void fsck_say_policies(struct fsck *f)
{
    struct buf text = {0};
    bool all = true;
    if (f->combination_count > 0)
        qsort(f->combinations, f->combination_count, sizeof(*f->combinations), more_first);
    fsck_say(f, "\nBlocks satisfying the specified storage policy:\n"
                "Storage Policy                  # of blocks       %% of blocks\n");
    for (size_t i = 0; i < f->combination_count; i++)
        if (is_satisfied(&f->combinations[i]))
            say_combination(f, &f->combinations[i], &text);
    for (size_t i = 0; i < f->combination_count; i++) {
        if (is_satisfied(&f->combinations[i]))
            continue;
        if (all)
            fsck_say(f, "\nBlocks NOT satisfying the specified storage policy:\n"
                        "Storage Policy                  Specified Storage Policy      # of blocks "
                        "      %% of blocks\n");
        all = false;
        say_combination(f, &f->combinations[i], &text);
    }
    if (all)
        fsck_say(f, "\nAll blocks satisfy specified storage policy.\n");
    buf_fini(&text);
}
