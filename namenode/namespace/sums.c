/* sums.c - what a tree holds: counted in directories, so that asking, moving and deleting cost the
 * depth of a path and not the size of a tree; and quotas, which limit it. Thread: state.
 *
 * A directory that has subdirectories or many children has a record of everything below it. A small
 * one without subdirectories has none: its few files are counted when somebody asks. Whatever
 * changes adds its difference to the records of all directories above it.
 *
 * Space by storage type follows the storage policy of a file, which mostly comes from a directory
 * above. So space is "free" until, on the way up, a policy is met: the record of a directory holds
 * what is free below it beside what has its types already, and giving a directory another policy
 * changes its ancestors only. Two numbers of the free part are enough for each policy: bytes, and
 * bytes times replicas.
 *
 * A block that isn't complete counts as a full one, in length as what is known of it (as Hadoop's
 * quota usage and content summary do). The room of blocks tells of each change (ns_block_changed).
 *
 * Lengths may lie in an image, and a client may name any size of a block. So one that isn't
 * complete counts as at most MOST_OF_A_BLOCK, and all sums wrap around, as Java's do: what is added
 * goes away again. Only what a check of quotas is asked to add saturates.
 *
 * Invariants: (1) a directory with a subdirectory, or in the big form, has a record; (2) a record
 * is the sum of what its children contribute; ns_verify recounts. */
#include <stdio.h>

#include "common/ec/ec.h"
#include "namenode/namespace/internal.h"

enum { RAM_DISK, SSD, DISK, ARCHIVE, PROVIDED, NVDIMM }; /* Java's ordinals */
enum {
    POLICY_PROVIDED = 1,
    POLICY_COLD = 2,
    POLICY_WARM = 5,
    POLICY_HOT = 7,
    POLICY_ONE_SSD = 10,
    POLICY_ALL_SSD = 12,
    POLICY_ALL_NVDIMM = 14,
    POLICY_LAZY_PERSIST = 15,
};
#define MOST_OF_A_BLOCK (UINT64_C(1) << 44) /* no disk is as large */

void ns_set_block_length(struct ns *ns, uint64_t (*length)(const void *ctx, handle_t block),
                         const void *ctx)
{
    ns->block_length = length;
    ns->block_length_ctx = ctx;
}

void ns_set_block_complete(struct ns *ns, bool (*complete)(const void *ctx, handle_t block))
{
    ns->block_complete = complete;
}

void ns_set_ec_policies(struct ns *ns, const struct ec_policy *policies, uint32_t count)
{
    ns->ec_policies = policies;
    ns->ec_policy_count = count;
}

uint64_t ns_file_length(const struct ns *ns, handle_t file)
{
    const struct inode_file *f = &at_inode(ns, file)->file;
    const handle_t *blocks = ns_blocks(ns, file);
    uint64_t length = 0;
    for (uint32_t i = 0; i < f->block_count && ns->block_length != NULL; i++)
        length += ns->block_length(ns->block_length_ctx, blocks[i]);
    return length;
}

/* ---- arithmetic ---- */

/* *to + sign * n, around the end. */
static void count(int64_t *to, int64_t n, int64_t sign)
{
    *to = (int64_t)((uint64_t)*to + (uint64_t)sign * (uint64_t)n);
}

static int64_t replicated(int64_t bytes, uint32_t replication)
{
    return (int64_t)((uint64_t)bytes * replication);
}

static int64_t saturated_sum(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : b < 0 ? INT64_MIN : INT64_MAX;
}

static void plus(struct sums *to, const struct sums *s, int64_t sign)
{
    count(&to->files, s->files, sign);
    count(&to->directories, s->directories, sign);
    count(&to->symlinks, s->symlinks, sign);
    count(&to->length, s->length, sign);
    count(&to->space, s->space, sign);
    count(&to->free_bytes, s->free_bytes, sign);
    count(&to->free_space, s->free_space, sign);
    for (int i = 0; i < QUOTA_TYPES; i++)
        count(&to->type[i], s->type[i], sign);
}

/* Replicas of `bytes` by the types of a policy: the first goes to its first type, the others to its
 * last one; memory counts as what it is written to in the end. */
static void by_type(int64_t type[QUOTA_TYPES], int64_t bytes, int64_t space, uint8_t policy)
{
    static const struct {
        uint8_t known, first, last;
    } types[16] = {
        [POLICY_PROVIDED] = {1, PROVIDED, DISK},   [POLICY_COLD] = {1, ARCHIVE, ARCHIVE},
        [POLICY_WARM] = {1, DISK, ARCHIVE},        [POLICY_HOT] = {1, DISK, DISK},
        [POLICY_ONE_SSD] = {1, SSD, DISK},         [POLICY_ALL_SSD] = {1, SSD, SSD},
        [POLICY_ALL_NVDIMM] = {1, NVDIMM, NVDIMM}, [POLICY_LAZY_PERSIST] = {1, DISK, DISK},
    };
    if (policy >= ARRAY_SIZE(types) || !types[policy].known)
        return;
    count(&type[types[policy].first], bytes, 1);
    count(&type[types[policy].last], space, 1);
    count(&type[types[policy].last], bytes, -1);
}

/* Ends the free part, unless there is no policy. */
static void assign(struct sums *s, uint8_t policy)
{
    if (policy == 0)
        return;
    by_type(s->type, s->free_bytes, s->free_space, policy);
    s->free_bytes = s->free_space = 0;
}

static int64_t full_block(const struct inode_file *f)
{
    return (int64_t)(f->block_size < MOST_OF_A_BLOCK ? f->block_size : MOST_OF_A_BLOCK);
}

/* The data and its parity; an unfinished group may get full. */
static int64_t striped_space(const struct ns *ns, const struct inode_file *f, uint64_t length,
                             bool complete)
{
    const struct ec_policy *p = f->ec < ns->ec_policy_count ? &ns->ec_policies[f->ec] : NULL;
    if (p == NULL || p->codec == EC_CODEC_NONE)
        return (int64_t)length;
    if (!complete)
        return replicated(full_block(f), ec_units(p));
    return (int64_t)ec_group_space(p, length);
}

/* A block of a file, before policies. All internal blocks of a group go to one type of storage. */
static void add_block(const struct ns *ns, struct sums *s, const struct inode_file *f,
                      uint64_t length, bool complete, int64_t sign)
{
    count(&s->length, (int64_t)length, sign);
    if (f->ec != 0) {
        int64_t space = striped_space(ns, f, length, complete);
        count(&s->space, space, sign);
        count(&s->free_space, space, sign);
        return;
    }
    int64_t bytes = complete ? (int64_t)length : full_block(f);
    int64_t space = replicated(bytes, f->replication);
    count(&s->space, space, sign);
    count(&s->free_bytes, f->replication > 0 ? bytes : 0, sign);
    count(&s->free_space, space, sign);
}

static void add_block_of(const struct ns *ns, struct sums *s, const struct inode_file *f,
                         handle_t block, int64_t sign)
{
    if (ns->block_length == NULL)
        return;
    bool complete = ns->block_complete == NULL || ns->block_complete(ns->block_length_ctx, block);
    add_block(ns, s, f, ns->block_length(ns->block_length_ctx, block), complete, sign);
}

static struct sums sums_of_file(const struct ns *ns, handle_t h)
{
    const struct inode_file *f = &at_inode(ns, h)->file;
    const handle_t *blocks = ns_blocks(ns, h);
    struct sums s = {.files = 1};
    for (uint32_t i = 0; i < f->block_count; i++)
        add_block_of(ns, &s, f, blocks[i], 1);
    assign(&s, f->policy);
    return s;
}

/* ---- records ---- */

static struct dir_sums *record_of(const struct ns *ns, const struct inode *d)
{
    return d->dir.sums == 0 ? NULL : pool_at(&ns->sums, d->dir.sums);
}

static void add_types(struct ns *ns, struct dir_sums *r, const struct sums *s)
{
    bool any = false;
    for (int i = 0; i < QUOTA_TYPES; i++)
        any |= s->type[i] != 0;
    if (!any)
        return;
    if (r->types == 0) /* little, rare, and too deep to go back: without memory this is the end */
        CHECK((r->types = pool_take(&ns->type_sums)) != 0);
    uint64_t *type = pool_at(&ns->type_sums, r->types);
    for (int i = 0; i < QUOTA_TYPES; i++)
        type[i] += (uint64_t)s->type[i];
}

static void add_record(struct ns *ns, struct dir_sums *r, const struct sums *s)
{
    r->files += (uint32_t)s->files;
    r->directories += (uint32_t)s->directories;
    r->symlinks += (uint32_t)s->symlinks;
    r->length += (uint64_t)s->length;
    r->space += (uint64_t)s->space;
    r->free_bytes += (uint64_t)s->free_bytes;
    r->free_space += (uint64_t)s->free_space;
    add_types(ns, r, s);
}

static struct sums read_record(const struct ns *ns, const struct dir_sums *r)
{
    struct sums s = {.files = r->files,
                     .directories = r->directories,
                     .symlinks = r->symlinks,
                     .length = (int64_t)r->length,
                     .space = (int64_t)r->space,
                     .free_bytes = (int64_t)r->free_bytes,
                     .free_space = (int64_t)r->free_space};
    if (r->types != 0)
        memcpy(s.type, pool_at(&ns->type_sums, r->types), sizeof(s.type));
    return s;
}

static struct sums sums_of(const struct ns *ns, handle_t h);

static struct sums scan(const struct ns *ns, handle_t dir)
{
    struct sums all = {0};
    uint32_t count;
    const handle_t *at;
    for (uint32_t k = 0; (at = ns_children(ns, dir, k, &count)) != NULL; k++)
        for (uint32_t i = 0; i < count; i++) {
            struct sums s = sums_of(ns, at[i]);
            plus(&all, &s, 1);
        }
    return all;
}

/* Everything below a directory, free as far as no policy below says otherwise. */
static struct sums below(const struct ns *ns, handle_t dir)
{
    const struct dir_sums *r = record_of(ns, at_inode(ns, dir));
    return r != NULL ? read_record(ns, r) : scan(ns, dir);
}

/* What h gives to its parent. */
static struct sums sums_of(const struct ns *ns, handle_t h)
{
    const struct inode *i = at_inode(ns, h);
    if (i->type == INODE_FILE)
        return sums_of_file(ns, h);
    if (i->type == INODE_SYMLINK)
        return (struct sums){.symlinks = 1};
    struct sums s = below(ns, h);
    s.directories++;
    if (i->features != 0)
        assign(&s, ns_local_policy(ns, h));
    return s;
}

/* Adds to dir and all above it. */
static void add_upwards(struct ns *ns, handle_t dir, struct sums s)
{
    for (; dir != 0 && !ns->sums_off; dir = at_inode(ns, dir)->parent) {
        const struct inode *d = at_inode(ns, dir);
        struct dir_sums *r = record_of(ns, d);
        if (r != NULL)
            add_record(ns, r, &s);
        if (d->features != 0)
            assign(&s, ns_local_policy(ns, dir));
    }
}

static bool needs_record(const struct ns *ns, const struct inode *d)
{
    const struct dir_sums *r = record_of(ns, d);
    return (d->flags & INODE_BIG_DIR) != 0 || (r != NULL && r->directories > 0);
}

static int make_record(struct ns *ns, handle_t dir)
{
    struct inode *d = at_inode(ns, dir);
    if (d->dir.sums != 0)
        return 0;
    struct sums s = ns->sums_off ? (struct sums){0} : scan(ns, dir);
    handle_t h = pool_take(&ns->sums);
    if (h == 0)
        return ERR_NO_MEMORY;
    add_record(ns, pool_at(&ns->sums, h), &s);
    d->dir.sums = h;
    return 0;
}

void sums_drop(struct ns *ns, struct inode *d)
{
    struct dir_sums *r = record_of(ns, d);
    if (r == NULL)
        return;
    if (r->types != 0)
        pool_give(&ns->type_sums, r->types);
    pool_give(&ns->sums, d->dir.sums);
    d->dir.sums = 0;
}

/* ---- what the other files tell ---- */

int sums_before_link(struct ns *ns, handle_t parent, handle_t child)
{
    if (ns->sums_off || (at_inode(ns, child)->type != INODE_DIR &&
                         at_inode(ns, parent)->dir.child_count < DIR_SMALL_MAX))
        return 0;
    return make_record(ns, parent);
}

void sums_linked(struct ns *ns, handle_t child)
{
    if (!ns->sums_off)
        add_upwards(ns, at_inode(ns, child)->parent, sums_of(ns, child));
}

void sums_unlinked(struct ns *ns, handle_t parent, handle_t child)
{
    if (ns->sums_off)
        return;
    struct sums gone = {0}, s = sums_of(ns, child);
    plus(&gone, &s, -1);
    add_upwards(ns, parent, gone);
    if (!needs_record(ns, at_inode(ns, parent)))
        sums_drop(ns, at_inode(ns, parent));
}

struct sums sums_before(const struct ns *ns, handle_t h)
{
    return ns->sums_off ? (struct sums){0} : sums_of(ns, h);
}

void sums_after(struct ns *ns, handle_t h, const struct sums *before)
{
    if (ns->sums_off)
        return;
    struct sums s = sums_of(ns, h);
    plus(&s, before, -1);
    add_upwards(ns, at_inode(ns, h)->parent, s);
}

void sums_of_block(struct ns *ns, handle_t file, handle_t block, int sign)
{
    const struct inode *i = at_inode(ns, file);
    struct sums s = {0};
    if (ns->sums_off || i->parent == 0)
        return;
    add_block_of(ns, &s, &i->file, block, sign);
    assign(&s, i->file.policy);
    add_upwards(ns, i->parent, s);
}

void ns_block_changed(struct ns *ns, handle_t file, uint64_t old_length, bool was_complete,
                      uint64_t new_length, bool is_complete)
{
    const struct inode *i = at_inode(ns, file);
    struct sums s = {0};
    if (ns->sums_off || i->parent == 0)
        return;
    add_block(ns, &s, &i->file, old_length, was_complete, -1);
    add_block(ns, &s, &i->file, new_length, is_complete, 1);
    assign(&s, i->file.policy);
    add_upwards(ns, i->parent, s);
}

/* ---- after an image ---- */

void ns_sums_off(struct ns *ns)
{
    ns->sums_off = true;
}

/* In the order of the table, which is mostly that of the tree: what one parent's children have is
 * gathered before it goes up. */
static void count_all(struct ns *ns)
{
    struct sums gathered = {0};
    handle_t parent = 0;
    for (handle_t h = 1; h <= ns->inodes.used; h++) {
        const struct inode *i = at_inode(ns, h);
        if (i->type == 0 || i->parent == 0)
            continue;
        struct sums one = i->type == INODE_FILE      ? sums_of_file(ns, h)
                          : i->type == INODE_SYMLINK ? (struct sums){.symlinks = 1}
                                                     : (struct sums){.directories = 1};
        if (i->parent != parent) {
            add_upwards(ns, parent, gathered);
            gathered = (struct sums){0};
            parent = i->parent;
        }
        plus(&gathered, &one, 1);
    }
    add_upwards(ns, parent, gathered);
}

int ns_sums_on(struct ns *ns)
{
    for (handle_t h = 1; h <= ns->inodes.used; h++) {
        const struct inode *i = at_inode(ns, h);
        if (i->type != INODE_DIR)
            continue;
        if ((i->flags & INODE_BIG_DIR) != 0)
            TRY(make_record(ns, h));
        if (i->parent != 0)
            TRY(make_record(ns, i->parent));
    }
    ns->sums_off = false;
    count_all(ns);
    return 0;
}

/* ---- questions ---- */

/* Everything at and below h; what is free gets the types of `policy`, if that isn't 0. */
static struct sums total(const struct ns *ns, handle_t h, uint8_t policy)
{
    struct sums s = sums_of(ns, h);
    assign(&s, policy);
    return s;
}

static uint8_t policy_above(const struct ns *ns, handle_t h)
{
    handle_t parent = at_inode(ns, h)->parent;
    return parent == 0 ? 0 : ns_effective_policy(ns, parent);
}

void ns_summarize(const struct ns *ns, handle_t h, struct ns_summary *ret)
{
    struct sums s = total(ns, h, policy_above(ns, h));
    *ret = (struct ns_summary){.files = (uint64_t)s.files,
                               .directories = (uint64_t)s.directories,
                               .symlinks = (uint64_t)s.symlinks,
                               .length = (uint64_t)s.length,
                               .space = (uint64_t)s.space};
    memcpy(ret->type, s.type, sizeof(ret->type));
}

void ns_usage_under(const struct ns *ns, handle_t h, uint8_t policy, struct ns_usage *ret)
{
    struct sums s = total(ns, h, policy);
    *ret = (struct ns_usage){.inodes = s.files + s.directories + s.symlinks, .space = s.space};
    memcpy(ret->type, s.type, sizeof(ret->type));
}

void ns_usage(const struct ns *ns, handle_t h, struct ns_usage *ret)
{
    ns_usage_under(ns, h, policy_above(ns, h), ret);
}

void ns_usage_add(struct ns_usage *u, int64_t bytes, uint32_t replication, uint8_t policy)
{
    struct ns_usage one = {0};
    if (__builtin_mul_overflow(bytes, (int64_t)replication, &one.space))
        one.space = bytes < 0 ? INT64_MIN : INT64_MAX;
    by_type(one.type, replication > 0 ? bytes : 0, one.space, policy);
    u->space = saturated_sum(u->space, one.space);
    for (int i = 0; i < QUOTA_TYPES; i++)
        u->type[i] = saturated_sum(u->type[i], one.type[i]);
}

void ns_usage_subtract(struct ns_usage *u, const struct ns_usage *less)
{
    count(&u->inodes, less->inodes, -1);
    count(&u->space, less->space, -1);
    for (int i = 0; i < QUOTA_TYPES; i++)
        count(&u->type[i], less->type[i], -1);
}

bool ns_has_subdirs(const struct ns *ns, handle_t dir)
{
    const struct dir_sums *r = record_of(ns, at_inode(ns, dir));
    return r != NULL && r->directories > 0;
}

/* ---- quotas ---- */

/* As Java's tools show sizes: "1.50 KB"; whole numbers without a fraction. */
static const char *size_text(int64_t n, char out[40])
{
    static const char prefixes[] = "KMGTPE";
    const char *sign = n < 0 ? "-" : "";
    uint64_t v = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (v < 1024) {
        snprintf(out, 40, "%s%llu B", sign, (unsigned long long)v);
        return out;
    }
    int p = 0;
    while (p < 5 && v >= 1024ull << (10 * (p + 1)))
        p++;
    if ((v & ((1024ull << (10 * p)) - 1)) == 0) {
        snprintf(out, 40, "%s%llu %cB", sign, (unsigned long long)(v >> (10 * (p + 1))),
                 prefixes[p]);
        return out;
    }
    double scaled = (double)v / (double)(1024ull << (10 * p));
    if (scaled >= 1023.995 && p < 5)
        scaled = (double)v / (double)(1024ull << (10 * ++p));
    snprintf(out, 40, "%s%.2f %cB", sign, scaled, prefixes[p]);
    return out;
}

static bool violates(uint64_t quota, int64_t usage, int64_t delta)
{
    return (int64_t)quota >= 0 && delta > 0 && usage > (int64_t)quota - delta;
}

static int check_types(const struct dir_quota *q, const struct ns_usage *used,
                       const struct ns_usage *delta, const char *path, struct err *err)
{
    static const char *const names[QUOTA_TYPES] = {"RAM_DISK", "SSD",      "DISK",
                                                   "ARCHIVE",  "PROVIDED", "NVDIMM"};
    char quota[40], total[40];
    for (int i = 0; i < QUOTA_TYPES; i++)
        if (i != RAM_DISK && violates(q->type[i], used->type[i], delta->type[i]))
            return fail(err, ERR_TYPE_QUOTA,
                        "Quota by storage type : %s on path : %s is exceeded. quota = %s but space "
                        "consumed = %s",
                        names[i], path, size_text((int64_t)q->type[i], quota),
                        size_text(saturated_sum(used->type[i], delta->type[i]), total));
    return 0;
}

static int exceeded(const struct dir_quota *q, const struct ns_usage *used,
                    const struct ns_usage *delta, const char *path, struct err *err)
{
    char quota[40], total[40];
    int64_t space = saturated_sum(used->space, delta->space);
    if (violates(q->ns, used->inodes, delta->inodes))
        return fail(err, ERR_NS_QUOTA,
                    "The NameSpace quota (directories and files) of directory %s is exceeded: "
                    "quota=%lld file count=%lld",
                    path, (long long)q->ns, (long long)(used->inodes + delta->inodes));
    if (violates(q->ds, used->space, delta->space))
        return fail(err, ERR_DS_QUOTA,
                    "The DiskSpace quota of %s is exceeded: quota = %lld B = %s but diskspace "
                    "consumed = %lld B = %s",
                    path, (long long)q->ds, size_text((int64_t)q->ds, quota), (long long)space,
                    size_text(space, total));
    return check_types(q, used, delta, path, err);
}

static int check_at(const struct ns *ns, handle_t dir, const struct dir_quota *q,
                    const struct ns_usage *delta, struct err *err)
{
    struct ns_usage used;
    struct arena scratch;
    ns_usage(ns, dir, &used);
    bool fits =
        !violates(q->ns, used.inodes, delta->inodes) && !violates(q->ds, used.space, delta->space);
    for (int i = 0; i < QUOTA_TYPES; i++)
        fits = fits && !violates(q->type[i], used.type[i], delta->type[i]);
    if (fits)
        return 0;
    arena_init(&scratch, 0);
    const char *path = ns_path(ns, dir, &scratch);
    int rc = exceeded(q, &used, delta, path == NULL ? "" : path, err);
    arena_fini(&scratch);
    return rc;
}

static bool consumes(const struct ns_usage *delta)
{
    for (int i = 0; i < QUOTA_TYPES; i++)
        if (delta->type[i] > 0)
            return true;
    return delta->inodes > 0 || delta->space > 0;
}

int ns_check_quota(const struct ns *ns, const struct resolved *r, uint32_t count,
                   const struct ns_usage *delta, handle_t stop, struct err *err)
{
    if (!consumes(delta))
        return 0;
    for (uint32_t i = count; i-- > 0;) {
        handle_t h = r->inodes[i];
        if (h == 0 || at_inode(ns, h)->type != INODE_DIR)
            continue;
        if (h == stop)
            return 0;
        const struct dir_quota *q = ns_quota(ns, h);
        if (q != NULL)
            TRY(check_at(ns, h, q, delta, err));
    }
    return 0;
}

int ns_check_rename_quota(const struct ns *ns, const struct resolved *src,
                          const struct resolved *dst, struct err *err)
{
    handle_t from = resolved_last(src), to = resolved_last(dst), common = 0;
    struct ns_usage delta, freed;
    for (uint32_t i = 0; i < src->depth && i < dst->depth && src->inodes[i] == dst->inodes[i]; i++)
        common = src->inodes[i];
    ns_usage_under(ns, from, ns_effective_policy(ns, resolved_parent(dst)), &delta);
    if (to != 0) {
        ns_usage(ns, to, &freed);
        ns_usage_subtract(&delta, &freed);
    }
    return ns_check_quota(ns, dst, dst->depth, &delta, common, err);
}

/* ---- verify ---- */

bool sums_verify(const struct ns *ns, handle_t dir, struct err *err)
{
    const struct inode *d = at_inode(ns, dir);
    const struct dir_sums *r = record_of(ns, d);
    const char *what = NULL;
    struct sums counted = scan(ns, dir), kept = r == NULL ? counted : read_record(ns, r);
    if (r == NULL && ((d->flags & INODE_BIG_DIR) != 0 || counted.directories > 0))
        what = "has no record of its sums";
    else if (memcmp(&counted, &kept, sizeof(kept)) != 0)
        what = "has wrong sums";
    if (what == NULL)
        return true;
    (void)fail(err, ERR_CORRUPT,
               "inode %llu: %s: files %lld/%lld directories %lld/%lld length %lld/%lld space "
               "%lld/%lld (kept/counted)",
               (unsigned long long)d->id, what, (long long)kept.files, (long long)counted.files,
               (long long)kept.directories, (long long)counted.directories, (long long)kept.length,
               (long long)counted.length, (long long)kept.space, (long long)counted.space);
    return false;
}
