/* listed.c - blocks that are asked for by name, and the list of corrupt files. See fsck.h.
 * Thread: state. */
#include <inttypes.h>
#include <stdlib.h>

#include "namenode/fsck/internal.h"

/* ---- by name ---- */

/* "blk_" and a number, nothing else; else 0, which no block has. */
static uint64_t parse_id(const char *name)
{
    char *end;
    if (strncmp(name, "blk_", 4) != 0 || (name[4] != '-' && (name[4] < '0' || name[4] > '9')))
        return 0;
    errno = 0;
    int64_t id = strtoll(name + 4, &end, 10);
    return *end == '\0' && errno == 0 ? (uint64_t)id : 0;
}

static const char *reason_word(enum corrupt_reason reason)
{
    switch (reason) {
    case CORRUPT_REPORTED:
        return "CORRUPTION_REPORTED";
    case CORRUPT_STAMP:
        return "GENSTAMP_MISMATCH";
    case CORRUPT_LENGTH:
        return "SIZE_MISMATCH";
    case CORRUPT_STATE:
        return "INVALID_STATE";
    }
    return "null";
}

static void say_state(struct fsck *f, const struct replica_info *r)
{
    const struct node *n = nodes_at(f->nn->nodes, nodes_storage(f->nn->nodes, r->storage)->node);
    fsck_say(f, "Block replica on datanode/rack: %s%s ", n->hostname, n->rack);
    if (r->corrupt)
        fsck_say(f, "is CORRUPT\t ReasonCode: %s\n", reason_word(r->reason));
    else if (n->admin == ADMIN_DECOMMISSIONED)
        fsck_say(f, "is DECOMMISSIONED\n");
    else if (n->admin == ADMIN_DECOMMISSION_IN_PROGRESS)
        fsck_say(f, "is DECOMMISSIONING\n");
    else if (f->o.maintenance && n->admin == ADMIN_ENTERING_MAINTENANCE)
        fsck_say(f, "is ENTERING MAINTENANCE\n");
    else if (f->o.maintenance && n->admin == ADMIN_IN_MAINTENANCE)
        fsck_say(f, "is IN MAINTENANCE\n");
    else if (node_is_stale(n, nodes_settings_get(f->nn->nodes), f->now.mono_ms))
        fsck_say(f, "is STALE\n");
    else
        fsck_say(f, "%s\n", r->excess ? "is EXCESS" : "is HEALTHY");
}

static void say_block(struct fsck *f, const char *name, handle_t block, const char *path)
{
    struct replica_info list[FSCK_MAX_REPLICAS];
    struct block_info info;
    struct fsck_counts n;
    blocks_get(f->nn->blocks, block, &info);
    fsck_count(f, block, &n);
    fsck_say(f, "Block Id: %s\nBlock belongs to: %s\nNo. of Expected Replica: %u\n", name, path,
             info.ec != 0 ? blocks_units_wanted(f->nn->blocks, block) : info.replication);
    fsck_say(f,
             "No. of live Replica: %u\nNo. of excess Replica: %u\nNo. of stale Replica: %u\n"
             "No. of decommissioned Replica: %u\nNo. of decommissioning Replica: %u\n",
             n.live, n.excess, n.stale, n.decommissioned, n.decommissioning);
    if (f->o.maintenance)
        fsck_say(f, "No. of entering maintenance Replica: %u\nNo. of in maintenance Replica: %u\n",
                 n.entering, n.maintenance);
    fsck_say(f, "No. of corrupted Replica: %u\n", n.corrupt);
    if (info.ec != 0)
        fsck_say(f, "No. of redundant Replica: %u\n", n.redundant);
    size_t count = blocks_replicas(f->nn->blocks, block, list, FSCK_MAX_REPLICAS);
    for (size_t i = count < FSCK_MAX_REPLICAS ? count : FSCK_MAX_REPLICAS; i > 0; i--)
        say_state(f, &list[i - 1]);
}

static void look_up(struct fsck *f, const char *name, struct arena *arena)
{
    if (strstr(name, "blk_") == NULL) {
        fsck_say(f, "Incorrect blockId format: %s\n", name);
        return;
    }
    uint64_t id = parse_id(name);
    handle_t block = blocks_find(f->nn->blocks, id);
    if (block == 0 && ec_is_striped_id(id)) /* an internal block's */
        block = blocks_find(f->nn->blocks, ec_group_id(id));
    handle_t file = block == 0 ? 0 : blocks_owner(f->nn->blocks, block);
    const char *path =
        file != 0 && ns_attached(f->nn->ns, file) ? ns_path(f->nn->ns, file, arena) : NULL;
    fsck_say(f, "\n");
    if (path == NULL)
        fsck_say(f, "Block %s does not exist\n", name);
    else
        say_block(f, name, block, path);
}

/* The next one of the list. */
void fsck_blocks_by_id(struct fsck *f, size_t *budget)
{
    struct arena arena;
    size_t size = strcspn(f->next_id, " ");
    arena_init(&arena, 0);
    char *name = arena_strndup(&arena, f->next_id, size);
    if (name == NULL)
        f->no_memory = true;
    else
        look_up(f, name, &arena);
    arena_fini(&arena);
    *budget -= *budget > 0;
    f->next_id += size;
    if (f->next_id[strspn(f->next_id, " ")] == '\0')
        f->stage = FSCK_END;
    else
        f->next_id++;
}

/* ---- corrupt files ---- */

static bool is_inside(const struct fsck *f, handle_t h, handle_t top)
{
    while (h != 0 && h != top)
        h = ns_inode(f->nn->ns, h)->parent;
    return h != 0;
}

static int top_of_path(struct fsck *f, handle_t *ret)
{
    struct arena arena;
    struct resolved r;
    arena_init(&arena, 0);
    int rc = ns_resolve(f->nn->ns, NULL, f->o.path, PATH_READ, &arena, &r, &f->err);
    *ret = rc == 0 ? resolved_last(&r) : 0;
    arena_fini(&arena);
    return rc;
}

static int list_block(struct fsck *f, handle_t block, handle_t file)
{
    struct arena arena;
    struct block_info info;
    arena_init(&arena, 0);
    blocks_get(f->nn->blocks, block, &info);
    const char *path = ns_path(f->nn->ns, file, &arena);
    if (path != NULL)
        fsck_put(f, &f->list, "blk_%" PRId64 "\t%u\t%s\n", (int64_t)info.id,
                 ns_inode(f->nn->ns, file)->file.replication, path);
    f->no_memory |= path == NULL;
    arena_fini(&arena);
    f->listed++;
    return 0;
}

static void say_list(struct fsck *f)
{
    fsck_say(f, "Cookie:\t%u\n%.*s\n\nThe filesystem under path '%s' has ", f->cursor,
             (int)buf_size(&f->list),
             buf_size(&f->list) == 0 ? "" : (const char *)buf_head(&f->list), f->o.path);
    if (f->listed > 0)
        fsck_say(f, "%u", f->listed);
    else
        fsck_say(f, f->cursor == 0 ? "no" : "no more");
    fsck_say(f, " CORRUPT files\n\n");
    f->stage = FSCK_END;
}

/* The cookie is the place among the missing blocks where the next page starts. */
int fsck_list_corrupt(struct fsck *f, size_t *budget)
{
    handle_t top, block;
    if (f->cursor == 0 && f->o.after != NULL)
        f->cursor = (uint32_t)strtoul(f->o.after, NULL, 10);
    TRY(top_of_path(f, &top));
    while (*budget > 0) {
        if (f->listed == f->host.corrupt_page ||
            blocks_list_missing(f->nn->blocks, &f->cursor, &block, 1) == 0) {
            say_list(f);
            return 0;
        }
        handle_t file = blocks_owner(f->nn->blocks, block);
        if (top != 0 && is_inside(f, file, top))
            TRY(list_block(f, block, file));
        --*budget;
    }
    return 0;
}
