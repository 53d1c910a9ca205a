/* model.c - random operations on a real state and on a small model of a file system; both must
 * agree, whatever happens.
 *
 * The model is a flat list of paths. Each step picks an operation on random paths; the model says
 * whether it is possible. If so a record is made, encoded and applied, and both must show the same
 * afterwards. If not, the check of that operation must refuse it. Now and then the state is
 * compared with a replay of all the bytes, and with itself saved and loaded. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "counts.h"
#include "namenode/blocks/blocks.h"
#include "namenode/image/image.h"
#include "namenode/journal/journal.h"

static struct entry model[MAX_ENTRIES];
static unsigned entries;
static struct nn *nn;
static struct buf log_bytes;
static struct arena arena;
static struct rng rng;
static uint64_t now;
static const struct ns_limits unlimited;

static const struct nn_identity identity = {.namespace_id = 77, .cluster_id = "CID-model"};

/* ---- the model ---- */

static struct entry *find(const char *path)
{
    for (unsigned i = 0; i < entries; i++)
        if (strcmp(model[i].path, path) == 0)
            return &model[i];
    return NULL;
}

static void parent_of(const char *path, char *out)
{
    strcpy(out, path);
    char *slash = strrchr(out, '/');
    slash[slash == out ? 1 : 0] = '\0';
}

static struct entry *parent_entry(const char *path)
{
    char parent[PATH_SIZE];
    parent_of(path, parent);
    return find(parent);
}

static bool is_below(const char *path, const char *top)
{
    size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
    return strncmp(path, top, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

static bool has_children(const char *path)
{
    for (unsigned i = 0; i < entries; i++)
        if (is_below(model[i].path, path))
            return true;
    return false;
}

static void drop(struct entry *e)
{
    *e = model[--entries];
}

static void drop_tree(const char *top)
{
    char path[PATH_SIZE];
    strcpy(path, top);
    for (unsigned i = entries; i-- > 0;)
        if (strcmp(model[i].path, path) == 0 || is_below(model[i].path, path))
            drop(&model[i]);
}

static void touch(struct entry *e, uint64_t time)
{
    if (e->mtime < time)
        e->mtime = time;
}

/* Whether a file or link stands in the way of the path. */
static bool blocked(const char *path)
{
    char up[PATH_SIZE];
    strcpy(up, path);
    while (strcmp(up, "/") != 0) {
        char next[PATH_SIZE];
        parent_of(up, next);
        strcpy(up, next);
        const struct entry *e = find(up);
        if (e != NULL && e->type != INODE_DIR)
            return true;
    }
    return false;
}

static void random_path(char *out)
{
    static const char *const names[] = {
        "a", "b", "c", "\xc3\xa9", "\xf0\x9f\x98\x80", "long name with spaces"};
    unsigned depth = 1 + (unsigned)rng_below(&rng, 3);
    out[0] = '\0';
    while (depth-- > 0) {
        strcat(out, "/");
        strcat(out, names[rng_below(&rng, ARRAY_SIZE(names))]);
    }
}

static struct entry *random_entry(enum inode_type type)
{
    unsigned start = (unsigned)rng_below(&rng, entries);
    for (unsigned i = 0; i < entries; i++)
        if (model[(start + i) % entries].type == type)
            return &model[(start + i) % entries];
    return NULL;
}

static struct entry *random_file(bool open)
{
    unsigned start = (unsigned)rng_below(&rng, entries);
    for (unsigned i = 0; i < entries; i++) {
        struct entry *e = &model[(start + i) % entries];
        if (e->type == INODE_FILE && e->open == open)
            return e;
    }
    return NULL;
}

/* ---- the state ---- */

static void commit(struct edit *e)
{
    struct err err = {0};
    struct edit copy = *e;
    copy.txid = nn->last_txid + 1;
    cr_assert_eq(edit_encode(&log_bytes, &copy, &err), 0, "%s", err.text);
    cr_assert_eq(edit_apply(nn, &copy, &err), 0, "%s", err.text);
}

static struct resolved at(const char *path)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(nn->ns, NULL, path, PATH_WRITE_LINK, &arena, &r, &err), 0, "%s",
                 err.text);
    return r;
}

static struct slice borrowed(const char *text)
{
    return slice_of(arena_strdup(&arena, text));
}

static void add_entry(const char *path, enum inode_type type, const struct edit_permission *perm)
{
    touch(parent_entry(path), now); /* before `model` may move */
    struct entry *e = &model[entries++];
    *e = (struct entry){
        .type = type, .id = ns_last_inode_id(nn->ns), .mtime = now, .mode = perm->mode};
    strcpy(e->path, path);
    snprintf(e->user, sizeof(e->user), "%.*s", (int)perm->user.size, perm->user.data);
    snprintf(e->group, sizeof(e->group), "%.*s", (int)perm->group.size, perm->group.data);
}

/* ---- operations; each leaves state and model alike ---- */

static void op_mkdir(void)
{
    char path[PATH_SIZE];
    struct edit e;
    random_path(path);
    const struct entry *parent = parent_entry(path);
    if (find(path) != NULL || parent == NULL || parent->type != INODE_DIR || entries == MAX_ENTRIES)
        return;
    struct resolved r = at(path);
    uint16_t mode = (uint16_t)rng_below(&rng, 01000);
    cr_assert_eq(edit_for_mkdir(nn, &r, r.depth, slice_of("alice"), mode, -1, now, &arena, &e), 0);
    commit(&e);
    add_entry(path, INODE_DIR, &e.mkdir.perm);
}

static void op_create(void)
{
    char path[PATH_SIZE];
    random_path(path);
    struct entry *old = find(path), *parent = parent_entry(path);
    if (parent == NULL || parent->type != INODE_DIR || entries == MAX_ENTRIES ||
        (old != NULL && (old->type != INODE_FILE || rng_below(&rng, 2) == 0)))
        return;
    struct resolved r = at(path);
    struct edit_new_file f = {.now_ms = now,
                              .block_size = BLOCK_SIZE,
                              .replication = (uint16_t)(1 + rng_below(&rng, 5)),
                              .mode = 0644,
                              .unmasked = -1,
                              .user = slice_of("bob"),
                              .client = slice_of(rng_below(&rng, 2) ? "cli1" : "cli2"),
                              .machine = slice_of("10.1.2.3"),
                              .overwrite = old != NULL};
    struct edit e;
    cr_assert_eq(edit_for_add(nn, &r, &f, &arena, &e), 0);
    if (old != NULL)
        drop(old);
    commit(&e);
    add_entry(path, INODE_FILE, &e.add.perm);
    struct entry *new = find(path);
    new->atime = now;
    new->replication = f.replication;
    new->open = true;
    memcpy(new->client, f.client.data, f.client.size + 1);
}

static void op_add_block(void)
{
    struct entry *f = random_file(true);
    if (f == NULL || f->blocks == MAX_BLOCKS)
        return;
    struct edit e = {.code = OP_allocate_block_id};
    e.allocate_block_id.block_id = nn->last_block_id + 1;
    commit(&e);
    e = (struct edit){.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = nn->generation_stamp + 1;
    commit(&e);
    struct edit_block fresh = {nn->last_block_id, 0, nn->generation_stamp};
    struct edit_block *last = f->blocks == 0 ? NULL : &f->block[f->blocks - 1];
    if (last != NULL && f->last_open)
        last->length = BLOCK_SIZE;
    cr_assert_eq(
        edit_for_add_block(nn, f->path, last, &fresh, (struct edit_rpc_ids){0}, &arena, &e), 0);
    commit(&e);
    f->block[f->blocks++] = fresh;
    f->last_open = true;
}

static void op_abandon_block(void)
{
    struct entry *f = random_file(true);
    struct edit e;
    if (f == NULL || f->blocks == 0 || !f->last_open)
        return;
    struct resolved r = at(f->path);
    cr_assert_eq(edit_for_update_blocks(nn, f->path, resolved_last(&r), NULL, true,
                                        (struct edit_rpc_ids){0}, &arena, &e),
                 0);
    commit(&e);
    f->blocks--;
    f->last_open = false;
}

/* A pipeline was repaired: new stamp and some length of the last block. */
static void op_update_pipeline(void)
{
    struct entry *f = random_file(true);
    struct edit e = {.code = OP_set_genstamp_v2};
    if (f == NULL || f->blocks == 0 || !f->last_open)
        return;
    struct resolved r = at(f->path);
    e.set_genstamp_v2.genstamp = nn->generation_stamp + 1;
    commit(&e);
    struct edit_block *last = &f->block[f->blocks - 1];
    last->genstamp = nn->generation_stamp;
    last->length += 100;
    cr_assert_eq(edit_for_update_blocks(nn, f->path, resolved_last(&r), last, false,
                                        (struct edit_rpc_ids){0}, &arena, &e),
                 0);
    commit(&e);
}

static void op_close(void)
{
    struct entry *f = random_file(true);
    struct edit e;
    if (f == NULL)
        return;
    struct resolved r = at(f->path);
    struct edit_block *last = f->blocks > 0 ? &f->block[f->blocks - 1] : NULL;
    if (last != NULL && f->last_open)
        last->length = 1000 + rng_below(&rng, 1000);
    cr_assert_eq(edit_for_close(nn, f->path, resolved_last(&r), last, now, &arena, &e), 0);
    commit(&e);
    f->open = f->last_open = false;
    f->mtime = now;
    f->client[0] = '\0';
}

static void op_append(void)
{
    struct entry *f = random_file(false);
    struct edit e = {.code = OP_append};
    if (f == NULL)
        return;
    bool new_block = rng_below(&rng, 3) == 0;
    e.append = (struct op_append){.path = slice_of(f->path),
                                  .client = slice_of("cli3"),
                                  .machine = slice_of("h"),
                                  .new_block = new_block};
    commit(&e);
    f->open = true;
    f->last_open = !new_block && f->blocks > 0 && f->block[f->blocks - 1].length != BLOCK_SIZE;
    strcpy(f->client, "cli3");
}

static void op_delete(void)
{
    char path[PATH_SIZE];
    bool recursive = rng_below(&rng, 2) != 0, ok;
    struct err err = {0};
    random_path(path);
    if (blocked(path))
        return;
    struct resolved r = at(path);
    bool refused = find(path) != NULL && has_children(path) && !recursive;
    cr_assert_eq(ns_check_delete(nn->ns, &r, recursive, &ok, &err), refused ? ERR_NOT_EMPTY : 0);
    if (refused)
        return;
    cr_assert_eq(ok, find(path) != NULL);
    if (!ok)
        return;
    struct edit e = {.code = OP_delete};
    e.delete = (struct op_delete){.path = slice_of(r.text), .time = now};
    commit(&e);
    touch(parent_entry(path), now);
    drop_tree(path);
}

static int rename_verdict(const char *src, const char *dst, bool overwrite)
{
    const struct entry *from = find(src), *to = find(dst), *parent = parent_entry(dst);
    if (from == NULL)
        return ERR_NOT_FOUND;
    if (strcmp(src, dst) == 0)
        return ERR_EXISTS;
    if (is_below(dst, src))
        return ERR_IO;
    if (to != NULL && (from->type == INODE_DIR) != (to->type == INODE_DIR))
        return ERR_IO;
    if (to != NULL && !overwrite)
        return ERR_EXISTS;
    if (to != NULL && has_children(dst))
        return ERR_IO;
    return parent == NULL ? ERR_NOT_FOUND : 0;
}

static void move_entries(const char *src, const char *dst)
{
    size_t n = strlen(src);
    for (unsigned i = 0; i < entries; i++) {
        char moved[PATH_SIZE * 2];
        if (strcmp(model[i].path, src) != 0 && !is_below(model[i].path, src))
            continue;
        snprintf(moved, sizeof(moved), "%s%s", dst, model[i].path + n);
        strcpy(model[i].path, moved);
    }
}

static bool too_deep(const char *src, const char *dst)
{
    for (unsigned i = 0; i < entries; i++)
        if (is_below(model[i].path, src) &&
            strlen(model[i].path) - strlen(src) + strlen(dst) >= PATH_SIZE)
            return true;
    return false;
}

static void op_rename(void)
{
    char src[PATH_SIZE], dst[PATH_SIZE];
    struct err err = {0};
    bool overwrite = rng_below(&rng, 2) != 0;
    random_path(src);
    random_path(dst);
    if (blocked(src) || blocked(dst) || too_deep(src, dst))
        return;
    struct resolved from = at(src), to = at(dst);
    int verdict = rename_verdict(src, dst, overwrite);
    cr_assert_eq(ns_check_rename(nn->ns, &from, &to, overwrite, unlimited, &err), verdict,
                 "%s to %s: %s", src, dst, err.text);
    if (verdict != 0)
        return;
    static const uint8_t over[] = {RENAME_OVERWRITE};
    struct edit e = {.code = OP_rename};
    e.rename =
        (struct op_rename){.src = slice_of(from.text), .dst = slice_of(to.text), .time = now};
    if (overwrite)
        e.rename.options = (struct slice){over, 1};
    commit(&e);
    uint64_t moved_mtime = find(src)->mtime;
    drop_tree(dst);
    touch(parent_entry(src), now);
    touch(parent_entry(dst), moved_mtime);
    touch(parent_entry(dst), now);
    move_entries(src, dst);
}

static void op_attributes(void)
{
    struct entry *f = &model[1 + rng_below(&rng, entries)];
    if (f >= model + entries)
        return;
    struct edit e = {.code = OP_set_permissions};
    e.set_permissions.path = slice_of(f->path);
    e.set_permissions.mode = f->mode = (uint16_t)rng_below(&rng, 02000);
    commit(&e);
    e = (struct edit){.code = OP_set_owner};
    e.set_owner.path = slice_of(f->path);
    e.set_owner.user = slice_of(rng_below(&rng, 2) ? "carl" : "");
    e.set_owner.group = slice_of(rng_below(&rng, 2) ? "grp" : "");
    commit(&e);
    if (e.set_owner.user.size > 0)
        strcpy(f->user, "carl");
    if (e.set_owner.group.size > 0)
        strcpy(f->group, "grp");
    e = (struct edit){.code = OP_times};
    e.times.path = slice_of(f->path);
    e.times.mtime = rng_below(&rng, 2) ? now - 50 : UINT64_MAX;
    e.times.atime = rng_below(&rng, 2) ? now - 30 : UINT64_MAX;
    commit(&e);
    if (e.times.mtime != UINT64_MAX)
        f->mtime = e.times.mtime;
    if (e.times.atime != UINT64_MAX && f->type != INODE_DIR)
        f->atime = e.times.atime;
}

static void op_set_replication(void)
{
    struct entry *f = random_entry(INODE_FILE);
    struct edit e = {.code = OP_set_replication};
    if (f == NULL)
        return;
    e.set_replication.path = slice_of(f->path);
    e.set_replication.replication = f->replication = (uint16_t)(1 + rng_below(&rng, 9));
    commit(&e);
}

static void op_symlink(void)
{
    char path[PATH_SIZE];
    random_path(path);
    const struct entry *parent = parent_entry(path);
    if (find(path) != NULL || parent == NULL || parent->type != INODE_DIR || entries == MAX_ENTRIES)
        return;
    struct edit e = {.code = OP_symlink};
    e.symlink = (struct op_symlink){.inode_id = ns_last_inode_id(nn->ns) + 1,
                                    .path = slice_of(path),
                                    .target = slice_of("../somewhere"),
                                    .mtime = now,
                                    .atime = now,
                                    .perm = {slice_of("eve"), slice_of("g"), 0777}};
    commit(&e);
    add_entry(path, INODE_SYMLINK, &e.symlink.perm);
    find(path)->atime = now;
}

static void op_concat(void)
{
    struct entry *target = random_file(false), *source = random_file(false);
    char a[PATH_SIZE], b[PATH_SIZE];
    if (target == NULL || source == NULL || target == source ||
        target->blocks + source->blocks > MAX_BLOCKS)
        return;
    parent_of(target->path, a);
    parent_of(source->path, b);
    if (strcmp(a, b) != 0)
        return;
    struct edit e = {.code = OP_concat_delete};
    struct slice sources[] = {borrowed(source->path)};
    e.concat_delete = (struct op_concat_delete){
        .target = borrowed(target->path), .sources = {sources, 1}, .time = now};
    commit(&e);
    memcpy(target->block + target->blocks, source->block,
           source->blocks * sizeof(source->block[0]));
    target->blocks += source->blocks;
    target->mtime = now;
    touch(parent_entry(target->path), now);
    drop(source);
}

/* At the end of a block, so that nothing has to be cut. */
static void op_truncate(void)
{
    struct entry *f = random_file(false);
    struct edit e = {.code = OP_truncate};
    if (f == NULL || f->blocks == 0)
        return;
    unsigned keep = (unsigned)rng_below(&rng, f->blocks);
    uint64_t length = 0;
    for (unsigned i = 0; i < keep; i++)
        length += f->block[i].length;
    e.truncate = (struct op_truncate){.path = slice_of(f->path),
                                      .client = slice_of("cli4"),
                                      .machine = slice_of("h"),
                                      .length = length,
                                      .time = now};
    commit(&e);
    f->blocks = keep;
    f->mtime = now;
}

static void op_reassign(void)
{
    struct entry *f = random_file(true);
    struct edit e = {.code = OP_reassign_lease};
    if (f == NULL)
        return;
    e.reassign_lease.holder = borrowed(f->client);
    e.reassign_lease.path = slice_of(f->path);
    e.reassign_lease.new_holder = slice_of("nn");
    commit(&e);
    strcpy(f->client, "nn");
}

/* What the model doesn't know of, but digest and image must carry. */
static void op_unmodelled(void)
{
    struct entry *d = random_entry(INODE_DIR), *f = random_entry(INODE_FILE);
    struct edit e;
    struct edit_xattr x = {XATTR_USER, slice_of(rng_below(&rng, 2) ? "k1" : "k2"),
                           slice_of("value")};
    e = (struct edit){.code = rng_below(&rng, 3) != 0 ? OP_set_xattr : OP_remove_xattr};
    e.set_xattr.xattrs = (struct edit_xattr_list){slice_of(d->path), &x, 1};
    commit(&e);
    e = (struct edit){.code = OP_update_master_key};
    e.update_master_key.key = (edit_master_key){.id = (uint32_t)rng_below(&rng, 9),
                                                .expiry = now,
                                                .has_key = true,
                                                .key = slice_of("secret")};
    commit(&e);
    if (f == NULL || rng_below(&rng, 4) != 0)
        return;
    struct edit_acl_entry acl[] = {{0, ACL_USER, 7, {0}},
                                   {0, ACL_USER, 5, slice_of("dave")},
                                   {0, ACL_GROUP, 4, {0}},
                                   {0, ACL_MASK, 5, {0}},
                                   {0, ACL_OTHER, 1, {0}}};
    e = (struct edit){.code = OP_set_acl};
    e.set_acl.acl = (struct edit_acl_record){slice_of(f->path), {acl, 5}};
    commit(&e);
    f->mode = (f->mode & 01000) | 0751;
}

/* Numbers that are exceeded now and then. */
static void op_quota(void)
{
    struct entry *d = random_entry(INODE_DIR);
    struct edit e = {.code = OP_set_quota};
    uint32_t type = (uint32_t)rng_below(&rng, QUOTA_TYPES);
    if (!d->has_quota)
        memset(&d->quota, 0xff, sizeof(d->quota)); /* NS_NO_QUOTA */
    d->has_quota = true;
    d->quota.ns = rng_below(&rng, 2) != 0 ? rng_below(&rng, 60) : NS_NO_QUOTA;
    d->quota.ds = rng_below(&rng, 2) != 0 ? rng_below(&rng, 100) * BLOCK_SIZE : NS_NO_QUOTA;
    d->quota.type[type] = rng_below(&rng, 2) != 0 ? rng_below(&rng, 40) * BLOCK_SIZE : NS_NO_QUOTA;
    e.set_quota =
        (struct op_set_quota){.path = slice_of(d->path), .ns = d->quota.ns, .ds = d->quota.ds};
    commit(&e);
    e = (struct edit){.code = OP_set_quota_by_storage_type};
    e.set_quota_by_storage_type.path = slice_of(d->path);
    e.set_quota_by_storage_type.type = type;
    e.set_quota_by_storage_type.quota = d->quota.type[type];
    commit(&e);
}

static void op_policy(void)
{
    static const uint8_t policies[] = {0, 0, 1, 2, 5, 7, 10, 12, 14, 15};
    struct entry *e = random_entry(rng_below(&rng, 2) != 0 ? INODE_DIR : INODE_FILE);
    struct edit edit = {.code = OP_set_storage_policy};
    if (e == NULL)
        return;
    e->policy = policies[rng_below(&rng, ARRAY_SIZE(policies))];
    edit.set_storage_policy.path = slice_of(e->path);
    edit.set_storage_policy.policy = e->policy;
    commit(&edit);
}

static void (*const operations[])(void) = {
    op_mkdir,           op_mkdir,     op_mkdir,      op_create,     op_create,          op_create,
    op_add_block,       op_add_block, op_close,      op_append,     op_delete,          op_rename,
    op_rename,          op_rename,    op_attributes, op_symlink,    op_abandon_block,   op_concat,
    op_update_pipeline, op_truncate,  op_reassign,   op_unmodelled, op_set_replication, op_close,
    op_concat,          op_quota,     op_policy,     op_policy,
};

/* ---- comparing ---- */

static void compare_blocks(const struct entry *m, handle_t h)
{
    const struct inode *i = ns_inode(nn->ns, h);
    cr_assert_eq(i->file.block_count, m->blocks, "%s", m->path);
    for (unsigned n = 0; n < m->blocks; n++) {
        struct block_info b;
        blocks_get(nn->blocks, ns_blocks(nn->ns, h)[n], &b);
        cr_assert(b.id == m->block[n].id && b.generation_stamp == m->block[n].genstamp &&
                  b.owner == h);
        cr_assert_eq(b.replication, m->replication);
        bool growing = m->last_open && n == m->blocks - 1;
        if (!growing)
            cr_assert_eq(b.length, m->block[n].length, "%s block %u", m->path, n);
        cr_assert_eq(b.state == BLOCK_UNDER_CONSTRUCTION, growing);
    }
}

static void compare_entry(const struct entry *m)
{
    struct resolved r = at(m->path);
    handle_t h = resolved_last(&r);
    cr_assert_neq(h, 0, "%s is missing", m->path);
    const struct inode *i = ns_inode(nn->ns, h);
    cr_assert(i->type == m->type && i->id == m->id, "%s", m->path);
    cr_assert_eq(ns_find_id(nn->ns, m->id), h);
    cr_assert_eq(i->mtime_ms, m->mtime, "%s", m->path);
    cr_assert_eq(perm_mode(i->perm), m->mode, "%s", m->path);
    cr_assert_str_eq(ns_user(nn->ns, h), m->user);
    cr_assert_str_eq(ns_group(nn->ns, h), m->group);
    cr_assert_str_eq(ns_uc_client(nn->ns, h), m->client);
    if (m->type == INODE_FILE) {
        cr_assert(i->file.atime_ms == m->atime && i->file.replication == m->replication, "%s",
                  m->path);
        cr_assert_eq(i->file.uc != 0, m->open);
        compare_blocks(m, h);
    }
}

static int into_buf(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_append(ctx, data, size);
}

static void check_image(uint64_t digest)
{
    struct buf image = {0};
    struct nn *loaded = NULL;
    struct err err = {0};
    uint8_t md5[IMAGE_MD5_SIZE], again[IMAGE_MD5_SIZE];
    cr_assert_eq(image_save(nn, into_buf, &image, md5, &err), 0, "%s", err.text);
    image_md5(buf_head(&image), buf_size(&image), again);
    cr_assert_eq(memcmp(md5, again, sizeof(md5)), 0);
    cr_assert_eq(image_load(buf_head(&image), buf_size(&image), &identity, &loaded, &err), 0, "%s",
                 err.text);
    cr_assert_eq(nn_digest(loaded), digest);
    cr_assert_eq(nn_verify(loaded, &err), 0, "%s", err.text);
    nn_free(loaded);
    buf_fini(&image);
}

static void check_replay(uint64_t digest)
{
    struct nn *fresh = NULL;
    struct err err = {0};
    struct edit_reader r;
    struct edit e;
    struct arena scratch;
    int rc;
    arena_init(&scratch, 0);
    cr_assert_eq(nn_new(&identity, "root", "supergroup", &fresh, &err), 0);
    cr_assert_eq(edit_reader_init(&r, buf_head(&log_bytes), buf_size(&log_bytes), 1, &err), 0);
    while ((rc = edit_read(&r, &scratch, &e, &err)) == EDIT_READ_ONE) {
        cr_assert_eq(edit_apply(fresh, &e, &err), 0, "%s", err.text);
        arena_reset(&scratch);
    }
    cr_assert_eq(rc, EDIT_READ_END, "%s", err.text);
    while (nn_collect(fresh, 1000))
        ;
    cr_assert_eq(nn_digest(fresh), digest);
    cr_assert_eq(nn_verify(fresh, &err), 0, "%s", err.text);
    nn_free(fresh);
    arena_fini(&scratch);
}

static void compare(bool thoroughly)
{
    struct err err = {0};
    struct ns_summary sum;
    for (unsigned i = 0; i < entries; i++)
        compare_entry(&model[i]);
    ns_summarize(nn->ns, ns_root(nn->ns), &sum);
    cr_assert_eq(sum.files + sum.directories + sum.symlinks, entries);
    counts_compare(nn, model, entries, &rng);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
    uint64_t digest = nn_digest(nn);
    check_image(digest);
    if (thoroughly)
        check_replay(digest);
}

static void run(uint64_t seed, unsigned steps)
{
    struct err err = {0};
    unsigned most = 0;
    arena_init(&arena, 0);
    rng.state = seed;
    now = 1000000;
    entries = 1;
    model[0] = (struct entry){
        .path = "/", .type = INODE_DIR, .id = ROOT_INODE_ID, .mode = 0755, .user = "root"};
    cr_assert_eq(nn_new(&identity, "root", "supergro", &nn, &err), 0);
    nn_free(nn);
    cr_assert_eq(nn_new(&identity, "root", "supergroup", &nn, &err), 0);
    cr_assert_eq(edit_encode_header(&log_bytes), 0);
    struct edit start = {.code = OP_set_owner}; /* a group that fits the model's field */
    start.set_owner.path = slice_of("/");
    start.set_owner.group = slice_of("top");
    commit(&start);
    strcpy(model[0].group, "top");
    for (unsigned step = 1; step <= steps; step++) {
        now += rng_below(&rng, 20);
        operations[rng_below(&rng, ARRAY_SIZE(operations))]();
        most = entries > most ? entries : most;
        if (rng_below(&rng, 4) == 0)
            nn_collect(nn, (uint32_t)rng_below(&rng, 5));
        if (step % 100 == 0)
            compare(step % 500 == 0);
        arena_reset(&arena);
    }
    while (nn_collect(nn, 100))
        ;
    compare(true);
    cr_assert(nn->last_txid > steps / 2 && most > 12, "little has happened: %llu edits, %u entries",
              (unsigned long long)nn->last_txid, most);
    nn_free(nn);
    buf_fini(&log_bytes);
    arena_fini(&arena);
}

/* HADRON_MODEL_SEEDS, HADRON_MODEL_STEPS, HADRON_MODEL_FIRST: a longer run, or one seed again. */
static unsigned from_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : (unsigned)strtoul(text, NULL, 10);
}

Test(model, agrees_with_the_state_whatever_happens)
{
    unsigned first = from_environment("HADRON_MODEL_FIRST", 1);
    unsigned seeds = from_environment("HADRON_MODEL_SEEDS", 20);
    unsigned steps = from_environment("HADRON_MODEL_STEPS", 2000);
    for (unsigned seed = first; seed < first + seeds; seed++) {
        run(seed, steps);
        if (seeds > 100 && seed % 100 == 0)
            printf("%u seeds\n", seed);
    }
}
