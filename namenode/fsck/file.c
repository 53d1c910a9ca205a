/* file.c - one file: its blocks one by one, in slices; then what is wrong with it. See fsck.h.
 * Thread: state. The file may change between two slices: it is known by its inode id, a block by
 * its place. Invariant: file.id is 0 or names the file whose blocks are being counted. */
#include <inttypes.h>
#include <stdlib.h>

#include "namenode/fsck/internal.h"
#include "namenode/state/state.h"

/* In the name space security; forbids reading to the superuser. */
#define UNREADABLE "hdfs.unreadable.by.superuser"
enum { FILES_A_DOT = 100, BLOCK_COST = 3 };

/* The path, for %.*s. */
#define PATH(f) (int)buf_size(&(f)->path), (const char *)buf_head(&(f)->path)

static struct fsck_sums *sums_of(struct fsck *f, const struct inode *file)
{
    return file->file.ec != 0 ? &f->striped : &f->replicated;
}

/* Those of the file that is being looked at. */
static struct fsck_sums *file_sums(struct fsck *f)
{
    return f->file.striped ? &f->striped : &f->replicated;
}

static int check_readable(struct fsck *f, handle_t file)
{
    const struct ns_caller *who = fsck_who(f);
    struct slice value;
    struct arena arena;
    struct resolved r;
    if (who == NULL)
        return 0;
    if (who->superuser) {
        if (ns_inode(f->nn->ns, file)->features == 0 ||
            !ns_xattr_get(f->nn->ns, file, XATTR_SECURITY, UNREADABLE, &value))
            return 0;
        return fail(&f->err, ERR_ACCESS,
                    "Access is denied for %s since the superuser is not allowed to perform this "
                    "operation.",
                    who->user);
    }
    if (ns_may(f->nn->ns, who, file, ACCESS_READ))
        return 0;
    arena_init(&arena, 0);
    int rc = ns_resolve_inode(f->nn->ns, file, &arena, &r, &f->err);
    if (rc == 0)
        rc = ns_check_access(f->nn->ns, who, &r, (struct ns_want){.target = ACCESS_READ}, &f->err);
    arena_fini(&arena);
    return rc;
}

/* The blocks that a reader of the whole file is told of: an empty one at the end is left out,
 * unless it is the only one. */
static void listed_blocks(struct fsck *f, const struct inode *file, const handle_t *blocks,
                          uint64_t length)
{
    uint32_t count = file->file.block_count, i = 0;
    uint64_t position = 0;
    while (i < count && (i == 0 || position < length))
        position += blocks_length(f->nn->blocks, blocks[i++]);
    f->file.end = i;
}

static void say_file(struct fsck *f, handle_t h, uint64_t length, uint32_t count)
{
    const struct inode *file = ns_inode(f->nn->ns, h);
    fsck_say(f, "%.*s %" PRIu64 " bytes, ", PATH(f), length);
    if (file->file.ec != 0) {
        const struct kept_ec_policy *policy = kept_find_policy_id(f->nn->kept, file->file.ec);
        fsck_say(f, "erasure-coded: policy=%s,", policy == NULL ? "" : policy->name);
    } else {
        fsck_say(f, "replicated: replication=%u,", file->file.replication);
    }
    fsck_say(f, " %u block(s)%s: ", count,
             f->o.open_files && f->file.is_open ? ", OPENFORWRITE" : "");
}

int fsck_file_begin(struct fsck *f, handle_t h, size_t *budget)
{
    const struct inode *file = ns_inode(f->nn->ns, h);
    struct fsck_sums *s = sums_of(f, file);
    uint64_t length = ns_file_length(f->nn->ns, h);
    TRY(check_readable(f, h));
    f->file = (struct fsck_file){
        .is_open = file->file.uc != 0, .striped = file->file.ec != 0, .report = f->file.report};
    buf_clear(&f->file.report);
    listed_blocks(f, file, ns_blocks(f->nn->ns, h), length);
    uint32_t count = f->file.end - f->file.at, cost = count / 16;
    *budget -= cost < *budget ? cost : *budget;
    if (f->file.is_open && !f->o.open_files) {
        s->open_size += length;
        s->open_blocks += count;
        s->open_files++;
        return 0;
    }
    s->files++;
    s->size += length;
    s->blocks += count;
    f->file.id = file->id;
    if (f->o.files || (f->o.open_files && f->file.is_open))
        say_file(f, h, length, count);
    else if (s->files % FILES_A_DOT == 0)
        fsck_say(f, ".");
    return 0;
}

/* ---- blocks ---- */

static void add_counts(struct fsck_sums *s, const struct fsck_counts *n, uint32_t wanted,
                       uint32_t replication_min)
{
    uint32_t total = fsck_total(n);
    s->decommissioned += n->decommissioned;
    s->decommissioning += n->decommissioning;
    s->entering += n->entering;
    s->maintenance += n->maintenance;
    s->replicas += total;
    s->expected += wanted;
    *(total < replication_min ? &s->under_min : &s->min) += 1;
    s->over += n->live > wanted;
}

static void say_under(struct fsck *f, const struct block_info *b, const struct fsck_counts *n,
                      uint32_t wanted)
{
    struct fsck_sums *s = file_sums(f);
    s->missing_replicas += wanted - fsck_total(n);
    s->under++;
    f->file.under++;
    if (!f->o.files)
        fsck_say(f, "\n%.*s: ", PATH(f));
    fsck_say(f,
             " Under replicated %s:blk_%" PRId64 "_%" PRIu64
             ". Target Replicas is %u but found %u live replica(s), %u decommissioned "
             "replica(s), %u decommissioning replica(s)",
             f->nn->identity.block_pool_id, (int64_t)b->id, b->generation_stamp, wanted, n->live,
             n->decommissioned, n->decommissioning);
    if (f->o.maintenance)
        fsck_say(f, "%u, entering maintenance replica(s) and %u in maintenance replica(s).\n",
                 n->entering, n->maintenance);
    else
        fsck_say(f, ".\n");
}

static void say_misplaced(struct fsck *f, handle_t block, const struct block_info *b,
                          uint32_t racks)
{
    file_sums(f)->misplaced++;
    f->file.misplaced++;
    if (!f->o.files)
        fsck_say(f, "%s%.*s: ", f->file.under == 0 ? "\n" : "", PATH(f));
    fsck_say(f,
             " Replica placement policy is violated for %s:blk_%" PRId64 "_%" PRIu64
             ". Block should be additionally replicated on %u more rack(s). Total number of racks "
             "in the cluster: %u\n",
             f->nn->identity.block_pool_id, (int64_t)b->id, b->generation_stamp, racks,
             nodes_live_rack_count(f->nn->nodes));
    if (f->o.replicate && !blocks_in_safe_mode(f->nn->blocks)) {
        blocks_look_again(f->nn->blocks, block);
        file_sums(f)->queued++;
    }
}

static void put_block(struct fsck *f, const struct block_info *b)
{
    fsck_put(f, &f->file.report, "%u. %s:blk_%" PRId64 "_%" PRIu64 " len=%" PRIu64, f->file.number,
             f->nn->identity.block_pool_id, (int64_t)b->id, b->generation_stamp, b->length);
}

static void report_block(struct fsck *f, handle_t block, const struct block_info *b, bool missing,
                         const struct fsck_counts *n)
{
    bool wanted = f->o.files && f->o.blocks;
    if (missing) {
        file_sums(f)->missing++;
        file_sums(f)->missing_size += b->length;
        f->file.missing++;
        f->file.missing_size += b->length;
    }
    if (wanted) {
        put_block(f, b);
        if (missing)
            fsck_put(f, &f->file.report, " MISSING!");
        if (!missing || f->file.striped)
            fsck_put(f, &f->file.report, " Live_repl=%u", n->live);
        if (!missing || f->file.striped)
            fsck_put_replicas(f, block, &f->file.report);
        fsck_put(f, &f->file.report, "\n");
    }
    f->file.number++;
}

static void check_block(struct fsck *f, handle_t h, handle_t block)
{
    struct block_info b;
    struct fsck_counts n;
    uint32_t storages[FSCK_MAX_REPLICAS], minimum = f->host.replication_min;
    uint32_t wanted = ns_inode(f->nn->ns, h)->file.replication;
    bool corrupt;
    blocks_get(f->nn->blocks, block, &b);
    fsck_count(f, block, &n);
    size_t count = fsck_locations(f, block, storages, FSCK_MAX_REPLICAS, &corrupt);
    struct fsck_sums *s = file_sums(f);
    if (f->file.striped) {
        wanted = blocks_units_wanted(f->nn->blocks, block);
        minimum = blocks_units_minimum(f->nn->blocks, block);
        if (blocks_ec_policy(f->nn->blocks, block) == NULL) { /* nobody knows what it should have */
            wanted = n.live;
            minimum = 0;
        }
        corrupt = n.corrupt > 0 && n.live < minimum;
    }
    add_counts(s, &n, wanted, minimum);
    if (corrupt) {
        s->corrupt++;
        s->corrupt_size += b.length;
        f->file.corrupt++;
        f->file.corrupt_size += b.length;
        fsck_say(f, "\n%.*s: CORRUPT blockpool %s block blk_%" PRId64 "\n", PATH(f),
                 f->nn->identity.block_pool_id, (int64_t)b.id);
    }
    uint32_t total = fsck_total(&n);
    bool missing = f->file.striped ? total < minimum : total == 0;
    if (total < wanted && !missing)
        say_under(f, &b, &n, wanted);
    uint32_t racks = fsck_racks_wanted(f, storages, count, wanted, f->file.striped);
    if (racks > 0)
        say_misplaced(f, block, &b, racks);
    if (f->o.policies)
        fsck_count_types(f, h, storages, count);
    report_block(f, block, &b, missing && !corrupt, &n);
}

/* The last block while it is being written. */
static void report_open(struct fsck *f, const handle_t *blocks, uint32_t count)
{
    struct block_info b;
    enum { NONE = 0 };
    if (count == 0 || blocks_is_complete(f->nn->blocks, blocks[count - 1]) ||
        !(f->o.files && f->o.blocks))
        return;
    handle_t last = blocks[count - 1];
    blocks_get(f->nn->blocks, last, &b);
    fsck_put(f, &f->file.report, "\nUnder Construction Block:\n");
    put_block(f, &b);
    fsck_put(f, &f->file.report, " Expected_repl=%zu",
             blocks_expected(f->nn->blocks, last, NULL, NONE));
    fsck_put_replicas(f, last, &f->file.report);
}

void fsck_file_blocks(struct fsck *f, size_t *budget)
{
    handle_t h = ns_find_id(f->nn->ns, f->file.id);
    const struct inode *file = h == 0 ? NULL : ns_inode(f->nn->ns, h);
    if (file == NULL || !inode_is_file(file)) { /* deleted meanwhile */
        f->file.id = 0;
        return;
    }
    const handle_t *blocks = ns_blocks(f->nn->ns, h);
    uint32_t count = file->file.block_count;
    if (f->file.end > count)
        f->file.end = count;
    for (bool first = true; f->file.at < f->file.end && (first || *budget > 0); f->file.at++) {
        handle_t block = blocks[f->file.at];
        first = false; /* the smallest budget gets on, too */
        *budget -= *budget < BLOCK_COST ? *budget : BLOCK_COST;
        if (f->file.at + 1 == count && !blocks_is_complete(f->nn->blocks, block))
            continue; /* it is being written */
        check_block(f, h, block);
    }
    if (f->file.at < f->file.end)
        return;
    report_open(f, blocks, count);
    fsck_file_end(f);
}

/* ---- the end of a file ---- */

static int salvage(struct fsck *f, handle_t h)
{
    const struct inode *file = ns_inode(f->nn->ns, h);
    const handle_t *blocks = ns_blocks(f->nn->ns, h);
    uint32_t storages[FSCK_MAX_REPLICAS];
    struct arena arena;
    arena_init(&arena, 0);
    struct fsck_remains r = {.path = arena_strndup(&arena, buf_head(&f->path), buf_size(&f->path)),
                             .mode = perm_mode(file->perm)};
    struct fsck_piece *pieces = arena_array(&arena, struct fsck_piece, file->file.block_count + 1);
    int rc = r.path == NULL || pieces == NULL ? ERR_NO_MEMORY : 0;
    uint64_t offset = 0;
    for (uint32_t i = 0; rc == 0 && i < file->file.block_count; i++) {
        struct fsck_piece *p = &pieces[r.count++];
        *p = (struct fsck_piece){.offset = offset,
                                 .length = blocks_length(f->nn->blocks, blocks[i])};
        size_t count = fsck_locations(f, blocks[i], storages, FSCK_MAX_REPLICAS, &p->corrupt);
        p->readable =
            count >= (f->file.striped ? blocks_units_minimum(f->nn->blocks, blocks[i]) : 1);
        offset += p->length;
    }
    r.pieces = pieces;
    if (rc == 0)
        rc = f->host.salvage(f->host.ctx, &r);
    arena_fini(&arena);
    return rc;
}

static void say_damage(struct fsck *f, const char *kind, uint32_t count, uint64_t size)
{
    if (count == 0)
        return;
    if (f->o.files)
        fsck_say(f, " %s %u blocks of total size %" PRIu64 " B\n", kind, count, size);
    else
        fsck_say(f, "\n%.*s: %s %u blocks of total size %" PRIu64 " B.", PATH(f), kind, count,
                 size);
}

void fsck_file_end(struct fsck *f)
{
    handle_t h = ns_find_id(f->nn->ns, f->file.id);
    bool damaged = f->file.missing > 0 || f->file.corrupt > 0;
    f->stage = FSCK_CLOSE_FILE;
    if (!damaged)
        return;
    if (!f->o.files) {
        say_damage(f, "MISSING", f->file.missing, f->file.missing_size);
        say_damage(f, "CORRUPT", f->file.corrupt, f->file.corrupt_size);
    }
    file_sums(f)->corrupt_files++;
    if (!f->o.move || f->file.is_open || h == 0)
        return;
    if (salvage(f, h) == 0)
        f->stage = FSCK_SALVAGE;
    else
        f->internal_error = true;
}

static void delete_file(struct fsck *f)
{
    char *path = arena_strndup(&f->arena, buf_head(&f->path), buf_size(&f->path));
    if (path == NULL || f->host.delete(f->host.ctx, path) != 0)
        f->internal_error = true;
}

void fsck_file_close(struct fsck *f)
{
    bool damaged = f->file.missing > 0 || f->file.corrupt > 0;
    f->stage = FSCK_WALK;
    f->file.id = 0;
    if (damaged && f->o.delete &&!f->file.is_open)
        delete_file(f);
    if (!f->o.files)
        return;
    say_damage(f, "MISSING", f->file.missing, f->file.missing_size);
    say_damage(f, "CORRUPT", f->file.corrupt, f->file.corrupt_size);
    if (!damaged && f->file.under == 0 && f->file.misplaced == 0)
        fsck_say(f, " OK\n");
    if (f->o.blocks)
        fsck_say(f, "%.*s\n", (int)buf_size(&f->file.report),
                 buf_size(&f->file.report) == 0 ? "" : (const char *)buf_head(&f->file.report));
}
