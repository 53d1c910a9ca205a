/* apply_file.c - what the records of files and their blocks do.
 *
 * A block that a record brings is under construction; it is committed when a later record of its
 * file has another block behind it, and complete when the file is closed. On a living NameNode the
 * block room has usually moved it there already, by what the client told and the DataNodes
 * reported; then nothing is left to do. Blocks of closed files are complete even when no replica is
 * known (yet): safe mode and the redundancy work see to those. Thread: state. */
#include "namenode/journal/internal.h"

static struct block_info info_of(const struct nn *nn, handle_t block)
{
    struct block_info b;
    blocks_get(nn->blocks, block, &b);
    return b;
}

static handle_t last_block(const struct nn *nn, handle_t file)
{
    uint32_t count = ns_inode(nn->ns, file)->file.block_count;
    return count == 0 ? 0 : ns_blocks(nn->ns, file)[count - 1];
}

/* Striped files say 0; a block has at least one replica. */
static uint32_t replication_of(const struct nn *nn, handle_t file)
{
    uint32_t r = ns_inode(nn->ns, file)->file.replication;
    return r == 0 ? 1 : r;
}

static int no_memory(struct err *err)
{
    return fail(err, ERR_NO_MEMORY, "no memory for a block");
}

static int add_block(struct nn *nn, handle_t file, const struct edit_block *b,
                     enum block_state state, struct err *err)
{
    handle_t h;
    if (blocks_find(nn->blocks, b->id) != 0)
        return fail(err, ERR_CORRUPT, "block %lld belongs to a file already", (long long)b->id);
    struct block_info info = {.id = b->id,
                              .generation_stamp = b->genstamp,
                              .length = b->length,
                              .owner = file,
                              .replication = replication_of(nn, file),
                              .state = state,
                              .ec = ns_inode(nn->ns, file)->file.ec};
    if (blocks_add(nn->blocks, &info, &h) != 0)
        return no_memory(err);
    if (ns_push_block(nn->ns, file, h) != 0) {
        blocks_remove(nn->blocks, h);
        return no_memory(err);
    }
    return 0;
}

static int drop_last_block(struct nn *nn, handle_t file)
{
    handle_t last = ns_pop_block(nn->ns, file);
    CHECK(last != 0);
    blocks_remove(nn->blocks, last);
    return 0;
}

/* Length and stamp of a block as the record says; a complete block has them already. */
static void set_numbers(struct nn *nn, handle_t h, const struct edit_block *b)
{
    struct block_info info = info_of(nn, h);
    if (info.length != b->length)
        blocks_set_length(nn->blocks, h, b->length);
    if (info.generation_stamp != b->genstamp)
        blocks_set_generation_stamp(nn->blocks, h, b->genstamp);
    if (b->genstamp > nn->generation_stamp)
        nn->generation_stamp = b->genstamp;
}

static bool is_growing(enum block_state state)
{
    return state == BLOCK_UNDER_CONSTRUCTION || state == BLOCK_UNDER_RECOVERY;
}

/* Brings the block list of a file to what the record says: the common part may only get its final
 * numbers, one block less is an abandoned one, more are new. Nothing changes unless all of it is
 * possible. */
static int check_common(const struct nn *nn, handle_t file, const struct edit_block_list *list,
                        struct err *err)
{
    const struct inode_file *f = &ns_inode(nn->ns, file)->file;
    bool same_count = list->count == f->block_count;
    if (list->count + 1 < f->block_count)
        return fail(err, ERR_CORRUPT, "%u blocks where the file has %u", list->count,
                    f->block_count);
    if (list->count < f->block_count && f->uc == 0)
        return fail(err, ERR_CORRUPT, "a block less for a file that isn't open");
    for (uint32_t i = 0; i < f->block_count && i < list->count; i++) {
        struct block_info b = info_of(nn, ns_blocks(nn->ns, file)[i]);
        bool may_differ = same_count && i == list->count - 1;
        if (b.id != list->at[i].id || (b.generation_stamp != list->at[i].genstamp && !may_differ))
            return fail(err, ERR_CORRUPT, "block %u is %lld_%llu, and the record has %lld_%llu", i,
                        (long long)b.id, (unsigned long long)b.generation_stamp,
                        (long long)list->at[i].id, (unsigned long long)list->at[i].genstamp);
        if (b.generation_stamp > list->at[i].genstamp)
            return fail(err, ERR_CORRUPT, "the stamp of block %lld would go back", (long long)b.id);
    }
    return 0;
}

static int update_common(struct nn *nn, handle_t file, const struct edit_block_list *list,
                         bool closing, struct err *err)
{
    uint32_t count = ns_inode(nn->ns, file)->file.block_count;
    for (uint32_t i = 0; i < count && i < list->count; i++) {
        handle_t h = ns_blocks(nn->ns, file)[i];
        set_numbers(nn, h, &list->at[i]);
        if (closing && !blocks_is_complete(nn->blocks, h))
            blocks_force_complete(nn->blocks, h);
        else if (i + 1 < list->count && is_growing(blocks_state(nn->blocks, h)))
            TRY(blocks_commit(nn->blocks, h, list->at[i].genstamp, list->at[i].length, err));
    }
    return 0;
}

static int update_blocks(struct nn *nn, handle_t file, const struct edit_block_list *list,
                         bool closing, struct err *err)
{
    TRY(check_common(nn, file, list, err));
    TRY(update_common(nn, file, list, closing, err));
    if (list->count < ns_inode(nn->ns, file)->file.block_count)
        return drop_last_block(nn, file);
    for (uint32_t i = ns_inode(nn->ns, file)->file.block_count; i < list->count; i++) {
        if (list->at[i].genstamp > nn->generation_stamp)
            nn->generation_stamp = list->at[i].genstamp;
        enum block_state state = closing                ? BLOCK_COMPLETE
                                 : i + 1 == list->count ? BLOCK_UNDER_CONSTRUCTION
                                                        : BLOCK_COMMITTED;
        TRY(add_block(nn, file, &list->at[i], state, err));
    }
    return 0;
}

/* ---- opening ---- */

static int reopen_last(struct nn *nn, handle_t file)
{
    handle_t last = last_block(nn, file);
    return last != 0 && blocks_is_complete(nn->blocks, last) ? blocks_reopen(nn->blocks, last) : 0;
}

/* For append: a last block that is full stays as it is, the next one is new. */
static int open_for_append(struct nn *nn, handle_t file, struct slice client, struct slice machine,
                           bool new_block, struct err *err)
{
    handle_t last = last_block(nn, file);
    if (ns_open_file(nn->ns, file, client, machine) != 0)
        return no_memory(err);
    bool full =
        last == 0 || blocks_length(nn->blocks, last) == ns_inode(nn->ns, file)->file.block_size;
    return new_block || full || reopen_last(nn, file) == 0 ? 0 : no_memory(err);
}

static int make_file(struct nn *nn, const struct op_add *op, const struct target *t, handle_t *ret,
                     struct err *err)
{
    struct ns_new_inode n = {.id = op->inode_id,
                             .mtime_ms = op->mtime,
                             .atime_ms = op->atime,
                             .block_size = op->block_size,
                             .replication = op->replication,
                             .policy = op->policy,
                             .ec = op->ec};
    if (op->ec != 0)
        n.replication = 0;
    TRY(make_inode(nn, INODE_FILE, t, &n, &op->perm, ret, err));
    if (op->acl.count > 0)
        TRY(acl_from_edit(nn->ns, *ret, &op->acl, err));
    return xattrs_from_edit(nn->ns, *ret, &op->xattrs) == 0 &&
                   ns_open_file(nn->ns, *ret, op->client, op->machine) == 0
               ? 0
               : no_memory(err);
}

int apply_add(struct nn *nn, const struct op_add *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find(nn, op->path, &t, err));
    TRY(xattrs_check(&op->xattrs, err));
    handle_t file = t.inode;
    if (file != 0 && !inode_is_file(ns_inode(nn->ns, file)))
        return fail(err, ERR_CORRUPT, "%s exists and is not a file", t.at.text);
    if (file != 0 && op->overwrite) {
        ns_remove(nn->ns, file, op->mtime);
        t.at.inodes[t.at.depth] = t.inode = file = 0;
        t.at.found = t.at.depth;
    }
    if (file == 0)
        TRY(make_file(nn, op, &t, &file, err));
    else if (ns_inode(nn->ns, file)->file.uc == 0)
        TRY(open_for_append(nn, file, op->client, op->machine, false, err));
    ns_set_times(nn->ns, file, op->mtime, op->atime);
    return update_blocks(nn, file, &op->blocks, false, err);
}

int apply_append(struct nn *nn, const struct op_append *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_file(nn, op->path, &t, err));
    if (ns_inode(nn->ns, t.inode)->file.uc != 0)
        return 0;
    return open_for_append(nn, t.inode, op->client, op->machine, op->new_block, err);
}

/* ---- while it is open ---- */

static int find_open_file(struct nn *nn, struct slice path, struct target *t, struct err *err)
{
    TRY(target_find_file(nn, path, t, err));
    if (ns_inode(nn->ns, t->inode)->file.uc == 0)
        return fail(err, ERR_CORRUPT, "%s is not open for write", t->at.text);
    return 0;
}

int apply_add_block(struct nn *nn, const struct op_add_block *op, const struct edit *e,
                    struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_open_file(nn, op->path, &t, err));
    handle_t last = last_block(nn, t.inode);
    uint32_t expected = last == 0 ? 1 : 2;
    if (op->blocks.count != expected)
        return fail(err, ERR_CORRUPT, "%u blocks in the record, not %u", op->blocks.count,
                    expected);
    const struct edit_block *fresh = &op->blocks.at[expected - 1];
    if (blocks_find(nn->blocks, fresh->id) != 0)
        return fail(err, ERR_CORRUPT, "block %lld belongs to a file already", (long long)fresh->id);
    if (last != 0) {
        struct block_info b = info_of(nn, last);
        if (b.id != op->blocks.at[0].id || b.generation_stamp != op->blocks.at[0].genstamp)
            return fail(
                err, ERR_CORRUPT, "the last block is %lld_%llu, and the record has %lld_%llu",
                (long long)b.id, (unsigned long long)b.generation_stamp,
                (long long)op->blocks.at[0].id, (unsigned long long)op->blocks.at[0].genstamp);
        /* a third block was asked for only when the first one was complete; on replay, where no
         * replica is known, it would wait for ever if its replicas are lost */
        uint32_t count = ns_inode(nn->ns, t.inode)->file.block_count;
        if (count > 1) {
            handle_t before = ns_blocks(nn->ns, t.inode)[count - 2];
            if (blocks_state(nn->blocks, before) == BLOCK_COMMITTED)
                blocks_force_complete(nn->blocks, before);
        }
        set_numbers(nn, last, &op->blocks.at[0]);
        if (is_growing(b.state))
            TRY(blocks_commit(nn->blocks, last, op->blocks.at[0].genstamp, op->blocks.at[0].length,
                              err));
    }
    if (fresh->genstamp > nn->generation_stamp)
        nn->generation_stamp = fresh->genstamp;
    return add_block(nn, t.inode, fresh, BLOCK_UNDER_CONSTRUCTION, err);
}

int apply_update_blocks(struct nn *nn, const struct op_update_blocks *op, const struct edit *e,
                        struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_open_file(nn, op->path, &t, err));
    return update_blocks(nn, t.inode, &op->blocks, false, err);
}

int apply_reassign_lease(struct nn *nn, const struct op_reassign_lease *op, const struct edit *e,
                         struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_open_file(nn, op->path, &t, err));
    return ns_reassign_lease(nn->ns, t.inode, op->new_holder) == 0 ? 0 : no_memory(err);
}

int apply_close(struct nn *nn, const struct op_close *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_open_file(nn, op->path, &t, err));
    TRY(update_blocks(nn, t.inode, &op->blocks, true, err));
    ns_set_times(nn->ns, t.inode, op->mtime, op->atime);
    ns_close_file(nn->ns, t.inode);
    return 0;
}

/* ---- closed files ---- */

int apply_set_replication(struct nn *nn, const struct op_set_replication *op, const struct edit *e,
                          struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    const struct inode *i = ns_inode(nn->ns, t.inode);
    if (!inode_is_file(i) || i->file.ec != 0)
        return 0; /* as Hadoop: no error, no effect */
    if (op->replication == 0)
        return fail(err, ERR_CORRUPT, "replication 0");
    ns_set_replication(nn->ns, t.inode, op->replication);
    for (uint32_t n = 0; n < i->file.block_count; n++)
        blocks_set_replication(nn->blocks, ns_blocks(nn->ns, t.inode)[n], op->replication);
    return 0;
}

/* The sources of a concat: closed files of the same directory, each once, none the target. */
static int find_source(struct nn *nn, struct slice path, const struct target *into, handle_t *ret,
                       struct err *err)
{
    auto_target struct target t;
    TRY(target_find_file(nn, path, &t, err));
    if (t.inode == into->inode || resolved_parent(&t.at) != resolved_parent(&into->at) ||
        ns_inode(nn->ns, t.inode)->file.uc != 0)
        return fail(err, ERR_CORRUPT, "%s can't be put behind %s", t.at.text, into->at.text);
    *ret = t.inode;
    return 0;
}

static int take_blocks(struct nn *nn, handle_t into, handle_t from, uint64_t time, struct err *err)
{
    for (uint32_t i = 0; i < ns_inode(nn->ns, from)->file.block_count; i++) {
        handle_t b = ns_blocks(nn->ns, from)[i];
        if (ns_push_block(nn->ns, into, b) != 0)
            return no_memory(err);
        blocks_set_owner(nn->blocks, b, into);
        if (info_of(nn, b).replication != replication_of(nn, into))
            blocks_set_replication(nn->blocks, b, replication_of(nn, into));
    }
    if (ns_set_blocks(nn->ns, from, NULL, 0) != 0)
        return no_memory(err);
    ns_remove(nn->ns, from, time);
    return 0;
}

int apply_concat_delete(struct nn *nn, const struct op_concat_delete *op, const struct edit *e,
                        struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_file(nn, op->target, &t, err));
    if (ns_inode(nn->ns, t.inode)->file.uc != 0)
        return fail(err, ERR_CORRUPT, "%s is open for write", t.at.text);
    for (uint32_t i = 0; i < op->sources.count; i++) {
        handle_t source;
        TRY(find_source(nn, op->sources.at[i], &t, &source, err));
        TRY(take_blocks(nn, t.inode, source, op->time, err));
    }
    ns_set_times(nn->ns, t.inode, op->time, NS_KEEP_TIME);
    return 0;
}

/* The last block is cut inside, in place or as a copy under a new id; the file stays open until the
 * DataNodes have done so. */
static int cut_last_block(struct nn *nn, const struct op_truncate *op, handle_t file,
                          uint64_t too_long, struct err *err)
{
    struct edit_block cut = op->blocks.at[0];
    handle_t last = last_block(nn, file);
    struct block_info b = info_of(nn, last);
    cut.length = b.length - too_long; /* the record may say the old one */
    if (ns_open_file(nn->ns, file, op->client, op->machine) != 0)
        return no_memory(err);
    if (cut.genstamp > nn->generation_stamp)
        nn->generation_stamp = cut.genstamp;
    if (b.id != cut.id) {
        TRY(drop_last_block(nn, file));
        return add_block(nn, file, &cut, BLOCK_UNDER_CONSTRUCTION, err);
    }
    return reopen_last(nn, file) == 0 && blocks_cut(nn->blocks, last, cut.length) == 0
               ? 0
               : no_memory(err);
}

int apply_truncate(struct nn *nn, const struct op_truncate *op, const struct edit *e,
                   struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_file(nn, op->path, &t, err));
    uint64_t length = ns_file_length(nn->ns, t.inode);
    if (ns_inode(nn->ns, t.inode)->file.uc != 0 || length < op->length || op->blocks.count > 1)
        return fail(err, ERR_CORRUPT, "%s can't be cut to %llu bytes", t.at.text,
                    (unsigned long long)op->length);
    for (handle_t last; (last = last_block(nn, t.inode)) != 0;) {
        uint64_t last_length = blocks_length(nn->blocks, last);
        if (length - last_length < op->length)
            break;
        length -= last_length;
        TRY(drop_last_block(nn, t.inode));
    }
    ns_set_times(nn->ns, t.inode, op->time, NS_KEEP_TIME);
    if ((length != op->length) != (op->blocks.count == 1))
        return fail(err, ERR_CORRUPT, "the record of %s has %u blocks to cut", t.at.text,
                    op->blocks.count);
    return length == op->length ? 0 : cut_last_block(nn, op, t.inode, length - op->length, err);
}
