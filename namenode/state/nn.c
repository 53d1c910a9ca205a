/* nn.c - birth and end of the state, slow deletion, and the check of everything against everything.
 * Thread: state. Owns the rooms' objects; the order of ending is blocks before nodes, which they
 * borrow. */
#include <stdlib.h>

#include "namenode/blocks/blocks.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"
#include "namenode/retry/retry.h"
#include "namenode/state/state.h"

static struct nodes_settings nodes_wanted;
static struct blocks_settings blocks_wanted;
static bool configured;

void nn_configure(const struct nodes_settings *nodes, const struct blocks_settings *blocks)
{
    nodes_wanted = *nodes;
    blocks_wanted = *blocks;
    configured = true;
}

static uint64_t block_length(const void *ctx, handle_t block)
{
    return blocks_length(ctx, block);
}

static bool block_complete(const void *ctx, handle_t block)
{
    return blocks_is_complete(ctx, block);
}

static void block_changed(void *ctx, handle_t owner, uint64_t old_length, bool was_complete,
                          uint64_t new_length, bool is_complete)
{
    ns_block_changed(ctx, owner, old_length, was_complete, new_length, is_complete);
}

/* A file of a tree that is being deleted has none. */
static uint8_t policy_of_file(void *ctx, handle_t owner)
{
    const struct ns *ns = ctx;
    return owner != 0 && ns_attached(ns, owner) ? ns_effective_policy(ns, owner) : 0;
}

static const struct ec_policy *ec_policy(void *ctx, uint8_t id)
{
    const struct ec_policy *ec = kept_ec(ctx, id);
    return ec == NULL || ec->data_units == 0 || ec->cell_size == 0 ? NULL : ec;
}

static int make_rooms(struct nn *nn, const char *owner, const char *group)
{
    struct nodes_settings n;
    struct blocks_settings b;
    nodes_settings_defaults(&n);
    blocks_settings_defaults(&b);
    TRY(nodes_new(configured ? &nodes_wanted : &n, &nn->nodes));
    TRY(blocks_new(configured ? &blocks_wanted : &b, nn->nodes, &nn->blocks));
    TRY(ns_new(owner, group, &nn->ns));
    ns_set_block_length(nn->ns, block_length, nn->blocks);
    ns_set_block_complete(nn->ns, block_complete);
    blocks_watch(nn->blocks, block_changed, nn->ns);
    blocks_policy_from(nn->blocks, policy_of_file, nn->ns);
    if ((nn->retry = retry_new()) == NULL)
        return ERR_NO_MEMORY;
    TRY(kept_new(&nn->kept));
    ns_set_ec_policies(nn->ns, nn->kept->ec, KEPT_EC_IDS);
    blocks_ec_from(nn->blocks, ec_policy, nn->kept);
    return 0;
}

int nn_new(const struct nn_identity *identity, const char *owner, const char *group,
           struct nn **ret, struct err *err)
{
    struct nn *nn = calloc(1, sizeof(*nn));
    int rc = nn == NULL ? ERR_NO_MEMORY : make_rooms(nn, owner, group);
    if (rc != 0) {
        nn_free(nn);
        return fail(err, rc, "no memory for the namespace");
    }
    nn->identity = *identity;
    nn->last_block_id = FIRST_BLOCK_ID - 1;
    nn->last_striped_block_id = (uint64_t)INT64_MIN;
    nn->generation_stamp = FIRST_GENERATION_STAMP - 1;
    *ret = nn;
    return 0;
}

void nn_free(struct nn *nn)
{
    if (nn == NULL)
        return;
    ns_free(nn->ns);
    if (nn->blocks != NULL)
        blocks_free(nn->blocks);
    if (nn->nodes != NULL)
        nodes_free(nn->nodes);
    kept_free(nn->kept);
    retry_free(nn->retry);
    free(nn);
}

static void remove_block(void *ctx, handle_t block)
{
    blocks_remove(ctx, block);
}

bool nn_collect(struct nn *nn, uint32_t budget)
{
    return ns_collect(nn->ns, budget, remove_block, nn->blocks);
}

/* ---- verify ---- */

static int verify_block(const struct nn *nn, handle_t file, uint32_t index, struct err *err)
{
    const struct inode *i = ns_inode(nn->ns, file);
    handle_t h = ns_blocks(nn->ns, file)[index];
    bool last = index == i->file.block_count - 1, open = i->file.uc != 0;
    struct block_info b;
    blocks_get(nn->blocks, h, &b);
    const char *what = NULL;
    if (b.owner != file)
        what = "belongs to another file";
    else if (blocks_find(nn->blocks, b.id) != h)
        what = "isn't found by its id";
    else if (b.generation_stamp > nn->generation_stamp && (int64_t)b.id > 0)
        what = "has a stamp that was never given out";
    else if (!open && b.state != BLOCK_COMPLETE)
        what = "isn't complete though its file is closed";
    else if (!last && b.state != BLOCK_COMPLETE && b.state != BLOCK_COMMITTED)
        what = "isn't committed though it isn't the last";
    if (what == NULL)
        return 0;
    return fail(err, ERR_CORRUPT, "block %lld of inode %llu %s", (long long)b.id,
                (unsigned long long)i->id, what);
}

int nn_verify(const struct nn *nn, struct err *err)
{
    if (!ns_verify(nn->ns, err))
        return ERR_CORRUPT;
    uint64_t count = 0;
    struct ns_walk walk = ns_walk_from(nn->ns, ns_root(nn->ns));
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;) {
        const struct inode *i = ns_inode(nn->ns, h);
        for (uint32_t n = 0; inode_is_file(i) && n < i->file.block_count; n++, count++)
            TRY(verify_block(nn, h, n, err));
    }
    struct ns_stats ns;
    struct blocks_stats blocks;
    ns_stats(nn->ns, &ns);
    blocks_stats(nn->blocks, &blocks);
    if (ns.detached_roots == 0 && blocks.blocks != count)
        return fail(err, ERR_CORRUPT, "%llu blocks are known, files have %llu",
                    (unsigned long long)blocks.blocks, (unsigned long long)count);
    return 0;
}
