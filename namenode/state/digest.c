/* digest.c - one number for everything that image and journal keep, the same for states that were
 * reached on different ways. The tree is walked in its own order, names stand for ids of names, and
 * handles never enter. Lengths and stamps of blocks that are being written count only as far as the
 * journal knows them: not the length of an open file's last. */
#include "namenode/blocks/blocks.h"
#include "namenode/namespace/namespace.h"
#include "namenode/state/state.h"

static uint64_t mix(uint64_t digest, uint64_t v)
{
    uint64_t z = (digest ^ v) * 0x9e3779b97f4a7c15ULL;
    z ^= z >> 29;
    return z * 0xbf58476d1ce4e5b9ULL + 1;
}

static uint64_t mix_slice(uint64_t digest, struct slice s)
{
    digest = mix(digest, s.size);
    uint64_t word = 0;
    for (size_t i = 0; i < s.size; i++) {
        word = word << 8 | s.data[i];
        if (i % 8 == 7)
            digest = mix(digest, word);
    }
    return mix(digest, word);
}

static uint64_t mix_text(uint64_t digest, const char *text)
{
    return mix_slice(digest, slice_of(text));
}

static uint64_t mix_blocks(uint64_t digest, const struct nn *nn, handle_t h,
                           const struct inode_file *f)
{
    const handle_t *blocks = ns_blocks(nn->ns, h);
    digest = mix(digest, f->block_count);
    for (uint32_t i = 0; i < f->block_count; i++) {
        struct block_info b;
        blocks_get(nn->blocks, blocks[i], &b);
        bool growing = f->uc != 0 && i == f->block_count - 1;
        digest = mix(digest, b.id);
        digest = mix(digest, b.generation_stamp);
        digest = mix(digest, growing ? 0 : b.length);
        digest = mix(digest, b.replication);
    }
    return digest;
}

static uint64_t mix_file(uint64_t digest, const struct nn *nn, handle_t h,
                         const struct inode_file *f)
{
    digest = mix(digest, f->atime_ms);
    digest = mix(digest, f->block_size);
    digest = mix(digest, (uint64_t)f->replication << 16 | (uint64_t)f->policy << 8 | f->ec);
    digest = mix_text(digest, ns_uc_client(nn->ns, h));
    digest = mix_slice(digest, ns_uc_machine(nn->ns, h));
    return mix_blocks(mix(digest, f->uc != 0), nn, h, f);
}

static uint64_t mix_dir(uint64_t digest, const struct nn *nn, handle_t h, const struct inode_dir *d)
{
    digest = mix(digest, d->child_count);
    const struct dir_quota *q = ns_quota(nn->ns, h);
    if (q == NULL)
        return digest;
    digest = mix(mix(digest, q->ns), q->ds);
    for (int i = 0; i < QUOTA_TYPES; i++)
        digest = mix(digest, q->type[i]);
    return digest;
}

static uint64_t mix_features(uint64_t digest, const struct nn *nn, handle_t h)
{
    uint32_t count, cursor = 0;
    const uint32_t *acl = ns_acl(nn->ns, h, &count);
    digest = mix(digest, count);
    for (uint32_t i = 0; i < count; i++) {
        enum name_kind kind = acl_type(acl[i]) == ACL_USER ? NAME_USER : NAME_GROUP;
        digest = mix(digest, acl[i] & 63);
        digest = mix_text(digest, ns_interned(nn->ns, kind, acl_name(acl[i])));
    }
    for (struct xattr x; ns_xattr_next(nn->ns, h, &cursor, &x);) {
        digest = mix(digest, x.space);
        digest = mix_text(digest, ns_interned(nn->ns, NAME_XATTR, x.name));
        digest = mix_slice(digest, x.value);
    }
    return digest;
}

static uint64_t mix_inode(uint64_t digest, const struct nn *nn, handle_t h)
{
    const struct inode *i = ns_inode(nn->ns, h);
    digest = mix(digest, i->id);
    digest = mix(digest, i->type);
    digest = mix(digest, i->parent == 0 ? 0 : ns_inode(nn->ns, i->parent)->id);
    digest = mix_slice(digest, ns_name(nn->ns, h));
    digest = mix(digest, i->mtime_ms);
    digest = mix(digest, perm_mode(i->perm));
    digest = mix_text(digest, ns_user(nn->ns, h));
    digest = mix_text(digest, ns_group(nn->ns, h));
    digest = mix_features(digest, nn, h);
    if (i->type == INODE_FILE)
        return mix_file(digest, nn, h, &i->file);
    if (i->type == INODE_DIR)
        return mix_dir(digest, nn, h, &i->dir);
    return mix_slice(mix(digest, i->link.atime_ms), ns_symlink_target(nn->ns, h));
}

static uint64_t mix_kept(uint64_t digest, const struct kept *k)
{
    digest = mix(mix(digest, k->legacy_genstamp), k->legacy_genstamp_limit);
    digest = mix(mix(digest, k->snapshot_counter), k->next_cache_directive);
    digest = mix(mix(digest, k->master_key_id), k->token_sequence);
    for (uint32_t i = 0; i < k->key_count; i++) {
        digest = mix(mix(digest, k->keys[i].id), k->keys[i].expiry);
        digest = mix_slice(digest, k->keys[i].key);
    }
    for (uint32_t i = 0; i < k->token_count; i++) {
        const struct kept_token *t = &k->tokens[i];
        digest = mix_text(mix_text(mix_text(digest, t->owner), t->renewer), t->real_user);
        digest = mix(mix(mix(digest, t->issue_date), t->max_date), t->expiry);
        digest = mix(mix(digest, t->sequence), t->master_key);
    }
    for (uint32_t i = 0; i < k->policy_count; i++) {
        const struct kept_ec_policy *p = &k->policies[i];
        digest = mix_text(mix_text(digest, p->name), p->codec);
        digest = mix(mix(digest, (uint64_t)p->id << 8 | p->state), p->cell_size);
        digest = mix(mix(digest, p->data_units), p->parity_units);
        for (uint32_t n = 0; n < p->option_count; n++)
            digest = mix_text(digest, p->options[n]);
    }
    for (uint32_t i = 0; i < k->cache_pool_count; i++) {
        const struct kept_cache_pool *p = &k->cache_pools[i];
        digest = mix_slice(mix_slice(mix_slice(digest, slice_of(p->name)), slice_of(p->owner)),
                           slice_of(p->group));
        digest = mix(mix(mix(digest, p->limit), p->max_expiry),
                     (uint64_t)p->mode << 16 | p->replication);
    }
    for (uint32_t i = 0; i < k->directive_count; i++) {
        const struct kept_directive *d = &k->directives[i];
        digest = mix_slice(mix_slice(digest, slice_of(d->path)), slice_of(d->pool));
        digest = mix(mix(mix(digest, d->id), d->expiry), d->replication);
    }
    return digest;
}

uint64_t nn_digest(const struct nn *nn)
{
    uint64_t digest = mix(0, nn->last_txid);
    digest = mix(mix(digest, nn->last_block_id), nn->last_striped_block_id);
    digest = mix(mix(digest, nn->generation_stamp), ns_last_inode_id(nn->ns));
    digest = mix_kept(digest, nn->kept);
    struct ns_walk walk = ns_walk_from(nn->ns, ns_root(nn->ns));
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;)
        digest = mix_inode(digest, nn, h);
    return digest;
}
