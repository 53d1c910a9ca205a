/* placed.c - whether replicas lie where they should: racks, and types of storage. See fsck.h.
 * Thread: state. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "namenode/fsck/internal.h"

enum { MAX_COMBINATIONS = 1000 };

uint32_t fsck_racks_wanted(const struct fsck *f, const uint32_t *storages, size_t count,
                           uint32_t replication, bool striped)
{
    uint32_t nodes[FSCK_MAX_REPLICAS];
    struct place_settings place = blocks_settings_get(f->nn->blocks)->place;
    if (striped) /* on as many racks as it has internal blocks, or as there are */
        place.rule = PLACE_BY_RACKS;
    for (size_t i = 0; i < count; i++)
        nodes[i] = nodes_storage(f->nn->nodes, storages[i])->node;
    uint32_t missing = place_missing(f->nn->nodes, &place, nodes, count, replication);
    if (striped && missing > 0 && replication > nodes_live_rack_count(f->nn->nodes))
        missing += replication - nodes_live_rack_count(f->nn->nodes); /* Hadoop tells them, too */
    /* on no rack at all, that is one too few even for a single replica */
    return missing == 0 && count == 0 && nodes_live_rack_count(f->nn->nodes) > 1 ? 1 : missing;
}

/* ---- storage policies ---- */

/* Java's ordinals of StorageType. */
enum { RAM_DISK, SSD, DISK, ARCHIVE, PROVIDED, NVDIMM };
static const char *const type_names[QUOTA_TYPES] = {"RAM_DISK", "SSD",      "DISK",
                                                    "ARCHIVE",  "PROVIDED", "NVDIMM"};

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
        c.policy = STORAGE_POLICY_HOT;
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

/* Exactly the types of the policy, then more of the last one (by ordinal) only. */
static bool fits(const struct storage_policy *p, const uint16_t types[QUOTA_TYPES])
{
    uint32_t wanted = 0; /* bits 1 << ordinal */
    for (size_t i = 0; i < ARRAY_SIZE(p->types) && p->types[i] != 0; i++)
        wanted |= 1u << ordinal_of(p->types[i]);
    for (unsigned t = 0; t < QUOTA_TYPES; t++) {
        bool is_wanted = (wanted & (1u << t)) != 0, is_last = wanted >> t == 1;
        if ((types[t] > 0) != is_wanted || (types[t] > 1 && !is_last))
            return false;
    }
    return true;
}

static const struct storage_policy *policy_that_fits(const struct fsck_combination *c)
{
    const struct storage_policy *p;
    for (size_t i = 0; (p = storage_policy_list(i)) != NULL; i++)
        if (fits(p, c->types))
            return p;
    return NULL;
}

static const char *policy_name(uint8_t id)
{
    const struct storage_policy *p = storage_policy_at(id);
    return p != NULL ? p->name : "";
}

/* "DISK:3(HOT)" */
static void describe(struct fsck *f, const struct fsck_combination *c, struct buf *to)
{
    const struct storage_policy *p = policy_that_fits(c);
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
    const struct storage_policy *p = policy_that_fits(c);
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
