/* write.c - the life of a file under construction: create, blocks, pipeline, close.
 * Invariants: (1) only the lease holder changes a file that is open; (2) a block is committed with
 * the client's length and stamp before the next one is allocated; (3) a file is closed only when
 * all its blocks are COMPLETE. */
#include <inttypes.h>
#include <stdio.h>

#include "namenode/handlers/internal.h"

enum { CREATE = 1, OVERWRITE = 2, MAX_TARGETS = 512 };

int call_check_replication(struct call *c, uint32_t replication, const char *path,
                           const char *client)
{
    const struct nn_settings *s = c->env->settings;
    const char *with = client != NULL ? ", clientName=" : "";
    client = client != NULL ? client : "";
    if (replication > s->replication_max)
        return fail(&c->err, ERR_IO,
                    "Requested replication factor of %u exceeds maximum of %u for %s%s%s",
                    replication, s->replication_max, path, with, client);
    if (replication < s->replication_min)
        return fail(
            &c->err, ERR_IO,
            "Requested replication factor of %u is less than the required minimum of %u for %s%s%s",
            replication, s->replication_min, path, with, client);
    return 0;
}

/* ---- create ---- */

static int check_create(struct call *c, const Cp__CreateRequest *req, const struct resolved *r)
{
    handle_t last = resolved_last(r);
    TRY(call_check_access(c, r, (struct ns_want){.ancestor = ACCESS_WRITE}));
    if (last != 0 && inode_is_dir(ns_inode(ns_of(c), last)))
        return fail(&c->err, ERR_EXISTS, "%s already exists as a directory", r->text);
    if (last != 0 && (req->create_flag & OVERWRITE) != 0)
        return call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE});
    if (last != 0)
        return 0;
    if (!req->create_parent)
        TRY(ns_check_parent(ns_of(c), r, &c->err));
    if ((req->create_flag & CREATE) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Can't overwrite non-existent %s", r->text);
    return 0;
}

static int check_create_limits(struct call *c, const Cp__CreateRequest *req)
{
    const struct nn_settings *s = c->env->settings;
    if (req->block_size < s->min_block_size)
        return fail(&c->err, ERR_IO,
                    "Specified block size %" PRIu64 " is less than configured minimum value "
                    "dfs.namenode.fs-limits.min-block-size=%" PRIu64,
                    req->block_size, s->min_block_size);
    if (req->block_size > INT64_MAX)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "Specified block size %" PRIu64 " is too large",
                    req->block_size);
    if (req->ec_policy_name != NULL && req->ec_policy_name[0] != '\0')
        return fail(&c->err, ERR_UNSUPPORTED, "erasure coding is not available: policy %s",
                    req->ec_policy_name);
    return call_check_replication(c, req->replication, req->src, c->rpc->peer_host);
}

static int commit_create(struct call *c, const Cp__CreateRequest *req, struct resolved *r)
{
    const struct nn_settings *s = c->env->settings;
    uint16_t mode = (uint16_t)(req->masked->perm & 0777);
    int unmasked = req->unmasked != NULL ? (int)(req->unmasked->perm & 0777) : -1;
    bool overwrite = resolved_last(r) != 0;
    if (!overwrite)
        TRY(ns_check_new(ns_of(c), r, (struct ns_limits){s->max_component_length, s->max_dir_items},
                         &c->err));
    if (r->found < r->depth)
        TRY(call_make_dirs(c, r, r->depth - 1, ns_implied_parent_mode(ns_of(c), r, mode, true),
                           -1));
    struct edit_new_file f = {.now_ms = (uint64_t)c->now_ms,
                              .block_size = req->block_size,
                              .replication = (uint16_t)req->replication,
                              .mode = mode,
                              .unmasked = unmasked,
                              .user = slice_of(c->who.user),
                              .client = slice_of(req->client_name),
                              .machine = slice_of(c->rpc->peer_host),
                              .overwrite = overwrite,
                              .rpc = call_rpc_ids(c)};
    struct edit e;
    if (edit_for_add(nn_of(c), r, &f, arena_of(c), &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    struct resolved made;
    TRY(ns_resolve(ns_of(c), NULL, r->text, PATH_READ_LINK, arena_of(c), &made, &c->err));
    *r = made;
    return 0;
}

int fs_create(struct call *c)
{
    REQUEST(c, Cp__CreateRequest);
    RESPOND(c, Cp__CreateResponse, cp__create_response);
    struct resolved r;
    TRY(path_check_length(req->src, "create", &c->err));
    TRY(call_check_safe_mode(c, "Cannot create file", req->src));
    if (req->client_name[0] == '\0')
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "create of %s without a client name", req->src);
    TRY(call_resolve(c, req->src, PATH_CREATE, &r));
    TRY(check_create(c, req, &r));
    TRY(check_create_limits(c, req));
    if (resolved_last(&r) != 0 && (req->create_flag & OVERWRITE) == 0) {
        TRY(lease_check_other_writer(c, &r, req->client_name, "CREATE_FILE"));
        return fail(&c->err, ERR_EXISTS, "%s for client %s already exists", r.text,
                    c->rpc->peer_host);
    }
    TRY(commit_create(c, req, &r));
    return status_of(c, resolved_last(&r), (struct slice){0}, false, &res->fs);
}

/* ---- the writer's file ---- */

/* "<path> (inode N) [Lease.  Holder: H, pending creates: n]" */
static const char *lease_text(struct call *c, const char *path, uint64_t file_id,
                              const char *holder)
{
    handle_t lease = holder != NULL ? ns_lease_find(ns_of(c), holder) : 0;
    const char *text =
        lease != 0
            ? arena_printf(arena_of(c),
                           "%s (inode %" PRIu64 ") [Lease.  Holder: %s, pending creates: %u]", path,
                           file_id, holder, ns_lease_file_count(ns_of(c), lease))
            : arena_printf(arena_of(c),
                           "%s (inode %" PRIu64 ") Holder %s does not have any open files.", path,
                           file_id, holder != NULL ? holder : "null");
    return text != NULL ? text : path;
}

int writer_file(struct call *c, const char *path, uint64_t file_id, const char *holder,
                struct resolved *ret)
{
    handle_t h;
    if (file_id != 0) {
        h = ns_find_id(ns_of(c), file_id);
        if (h != 0)
            TRY(ns_resolve_inode(ns_of(c), h, arena_of(c), ret, &c->err));
    } else {
        TRY(call_resolve(c, path, PATH_WRITE, ret));
        h = resolved_last(ret);
    }
    if (h == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File does not exist: %s",
                    lease_text(c, path, file_id, holder));
    if (!inode_is_file(ns_inode(ns_of(c), h)))
        return fail(&c->err, ERR_LEASE_EXPIRED, "INode is not a regular file: %s",
                    lease_text(c, ret->text, file_id, holder));
    if (ns_uc(ns_of(c), h) == NULL)
        return fail(&c->err, ERR_LEASE_EXPIRED, "File is not open for writing: %s",
                    lease_text(c, ret->text, file_id, holder));
    if (holder != NULL && strcmp(ns_uc_client(ns_of(c), h), holder) != 0)
        return fail(&c->err, ERR_LEASE_EXPIRED, "Client (=%s) is not the lease owner (=%s: %s",
                    holder, ns_uc_client(ns_of(c), h), lease_text(c, ret->text, file_id, holder));
    return 0;
}

static handle_t block_from_end(const struct call *c, handle_t file, uint32_t back)
{
    uint32_t count = ns_inode(ns_of(c), file)->file.block_count;
    return count > back ? ns_blocks(ns_of(c), file)[count - 1 - back] : 0;
}

static bool same_block(const struct call *c, const Hdfs__ExtendedBlock *named, handle_t block)
{
    struct block_info info;
    if (named == NULL || block == 0)
        return named == NULL && block == 0;
    blocks_get(blocks_of(c), block, &info);
    return info.id == named->block_id && info.generation_stamp == named->generation_stamp;
}

/* Takes the length and stamp that the client tells of its last block. */
static int commit_last(struct call *c, handle_t file, const Hdfs__ExtendedBlock *told)
{
    handle_t last = block_from_end(c, file, 0);
    if (told == NULL || last == 0)
        return 0;
    struct block_info info;
    blocks_get(blocks_of(c), last, &info);
    if (info.id != told->block_id)
        return fail(&c->err, ERR_IO,
                    "Trying to commit inconsistent block: id = %" PRIu64 ", expected id = %" PRIu64,
                    told->block_id, info.id);
    if (info.state == BLOCK_COMPLETE)
        return 0;
    return blocks_commit(blocks_of(c), last, told->generation_stamp, told->num_bytes, &c->err);
}

/* ---- addBlock ---- */

static uint32_t node_named(const struct call *c, const Hdfs__DatanodeInfo *info)
{
    return nodes_find(nn_of(c)->nodes, info->id->datanode_uuid);
}

/* Indices of the nodes that are known; the others can't be chosen anyway. */
static int nodes_named(struct call *c, Hdfs__DatanodeInfo *const *list, size_t count,
                       uint32_t **ret, size_t *ret_count)
{
    uint32_t *out = arena_array(arena_of(c), uint32_t, count);
    size_t n = 0;
    if (out == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++)
        if ((out[n] = node_named(c, list[i])) != 0)
            n++;
    *ret = out;
    *ret_count = n;
    return 0;
}

static int choose_targets(struct call *c, const Cp__AddBlockRequest *req, handle_t file,
                          uint32_t *targets, size_t *ret_count)
{
    const struct inode *inode = ns_inode(ns_of(c), file);
    uint32_t favored[16], *excluded;
    struct place_request place = {.wanted = inode->file.replication,
                                  .block_size = inode->file.block_size,
                                  .favored = favored};
    struct slice machine = ns_uc_machine(ns_of(c), file);
    const char *ip = arena_strndup(arena_of(c), machine.data, machine.size);
    if (ip == NULL)
        return call_no_memory(c);
    place.writer_node = nodes_find_ip(nn_of(c)->nodes, ip);
    TRY(nodes_named(c, req->exclude_nodes, req->n_exclude_nodes, &excluded, &place.excluded_count));
    place.excluded = excluded;
    for (size_t i = 0; i < req->n_favored_nodes && place.favored_count < ARRAY_SIZE(favored); i++) {
        uint32_t node = nodes_find_host(nn_of(c)->nodes, req->favored_nodes[i]);
        if (node != 0)
            favored[place.favored_count++] = node;
    }
    for (size_t i = 0; i < req->n_flags; i++)
        place.flags |= req->flags[i] == HDFS__ADD_BLOCK_FLAG__NO_LOCAL_WRITE
                           ? PLACE_NO_LOCAL_WRITE
                           : PLACE_IGNORE_CLIENT_LOCALITY;
    *ret_count = blocks_place(blocks_of(c), &place, c->mono_ms, c->env->rng, targets);
    if (*ret_count < c->env->settings->replication_min) {
        char count[24] = "no";
        if (req->n_exclude_nodes > 0)
            snprintf(count, sizeof(count), "%zu", req->n_exclude_nodes);
        return fail(&c->err, ERR_IO,
                    "File %s could only be written to %zu of the %u minReplication nodes. There "
                    "are %u datanode(s) running and %s node(s) are excluded in this operation.",
                    req->src, *ret_count, c->env->settings->replication_min,
                    nodes_live_count(nn_of(c)->nodes), count);
    }
    return 0;
}

/* What the client's `previous` says of its last block. *ret_retry: the last block is the answer
 * that got lost. */
static int check_previous(struct call *c, const Cp__AddBlockRequest *req, const struct resolved *r,
                          bool *ret_retry)
{
    handle_t file = resolved_last(r);
    handle_t last = block_from_end(c, file, 0), penultimate = block_from_end(c, file, 1);
    *ret_retry = false;
    if (same_block(c, req->previous, last))
        return 0;
    if (req->previous == NULL && last != 0 && blocks_is_complete(blocks_of(c), last) &&
        blocks_length(blocks_of(c), last) >= ns_inode(ns_of(c), file)->file.block_size)
        return 0; /* an append that starts at a block's end */
    if (last == 0 || !same_block(c, req->previous, penultimate))
        return fail(&c->err, ERR_IO,
                    "Cannot allocate block in %s: passed 'previous' block does not match actual "
                    "last block in file",
                    r->text);
    struct block_info info;
    blocks_get(blocks_of(c), last, &info);
    if (info.length != 0)
        return fail(&c->err, ERR_IO,
                    "Request looked like a retry to allocate block blk_%" PRIu64
                    " but it already contains %" PRIu64 " bytes",
                    info.id, info.length);
    *ret_retry = true;
    return 0;
}

static int answer_block(struct call *c, handle_t file, handle_t block, Hdfs__LocatedBlock **ret)
{
    struct block_info info;
    struct expected_replica expected[MAX_TARGETS];
    uint32_t storages[MAX_TARGETS];
    blocks_get(blocks_of(c), block, &info);
    size_t count = blocks_expected(blocks_of(c), block, expected, MAX_TARGETS);
    if (count > MAX_TARGETS)
        count = MAX_TARGETS;
    for (size_t i = 0; i < count; i++)
        storages[i] = expected[i].storage;
    uint64_t offset = ns_file_length(ns_of(c), file) - info.length;
    return status_located_block(c, &info, offset, storages, count, false, ret);
}

/* A new id, a new stamp and the block itself: three records, as Hadoop writes them. */
static int allocate_block(struct call *c, const struct resolved *r, struct edit_block *ret)
{
    handle_t file = resolved_last(r), last = block_from_end(c, file, 0);
    struct edit_block previous;
    struct edit e = {.code = OP_allocate_block_id};
    e.allocate_block_id.block_id = ret->id = nn_of(c)->last_block_id + 1;
    TRY(call_commit(c, &e));
    e = (struct edit){.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = ret->genstamp = nn_of(c)->generation_stamp + 1;
    TRY(call_commit(c, &e));
    ret->length = 0;
    if (last != 0) {
        struct block_info info;
        blocks_get(blocks_of(c), last, &info);
        previous = (struct edit_block){info.id, info.length, info.generation_stamp};
    }
    if (edit_for_add_block(nn_of(c), r->text, last != 0 ? &previous : NULL, ret, call_rpc_ids(c),
                           arena_of(c), &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}

static int check_may_add(struct call *c, const Cp__AddBlockRequest *req, const struct resolved *r)
{
    handle_t file = resolved_last(r), penultimate = block_from_end(c, file, 1);
    if (penultimate != 0 && !blocks_is_complete(blocks_of(c), penultimate))
        return fail(&c->err, ERR_NOT_REPLICATED, "Not replicated yet: %s", r->text);
    TRY(commit_last(c, file, req->previous));
    if (ns_inode(ns_of(c), file)->file.block_count >= c->env->settings->max_blocks_per_file)
        return fail(&c->err, ERR_IO,
                    "File has reached the limit on maximum number of blocks "
                    "(dfs.namenode.fs-limits.max-blocks-per-file): %u >= %" PRIu64,
                    ns_inode(ns_of(c), file)->file.block_count,
                    c->env->settings->max_blocks_per_file);
    return 0;
}

int fs_addBlock(struct call *c)
{
    REQUEST(c, Cp__AddBlockRequest);
    RESPOND(c, Cp__AddBlockResponse, cp__add_block_response);
    struct resolved r;
    uint32_t targets[MAX_TARGETS];
    size_t count = 0;
    bool retry;
    TRY(call_check_pool(c, req->previous));
    TRY(call_check_safe_mode(c, "Cannot add block to ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r));
    handle_t file = resolved_last(&r);
    TRY(check_previous(c, req, &r, &retry));
    if (retry)
        return answer_block(c, file, block_from_end(c, file, 0), &res->block);
    TRY(check_may_add(c, req, &r));
    TRY(choose_targets(c, req, file, targets, &count));
    struct edit_block made;
    TRY(allocate_block(c, &r, &made));
    handle_t block = blocks_find(blocks_of(c), made.id);
    if (blocks_set_expected(blocks_of(c), block, targets, count) != 0)
        return call_no_memory(c);
    return answer_block(c, file, block, &res->block);
}

int fs_abandonBlock(struct call *c)
{
    REQUEST(c, Cp__AbandonBlockRequest);
    RESPOND(c, Cp__AbandonBlockResponse, cp__abandon_block_response);
    struct resolved r;
    struct edit e;
    (void)res;
    TRY(call_check_pool(c, req->b));
    TRY(call_check_safe_mode(c, "Cannot abandon block for ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->holder, &r));
    handle_t file = resolved_last(&r), last = block_from_end(c, file, 0);
    struct block_info info = {0};
    if (last != 0)
        blocks_get(blocks_of(c), last, &info);
    if (last == 0 || info.id != req->b->block_id)
        return 0; /* gone already */
    if (info.state == BLOCK_COMPLETE)
        return fail(&c->err, ERR_IO, "blk_%" PRIu64 " of %s is complete, it can not be abandoned",
                    info.id, r.text);
    if (edit_for_update_blocks(nn_of(c), r.text, file, NULL, true, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}

/* ---- complete, fsync ---- */

/* A client that missed the answer closes again: right if its last block is the file's. */
static bool closed_already(struct call *c, const Cp__CompleteRequest *req, const struct resolved *r)
{
    handle_t file = req->has_file_id && req->file_id != 0 ? ns_find_id(ns_of(c), req->file_id)
                                                          : resolved_last(r);
    return file != 0 && inode_is_file(ns_inode(ns_of(c), file)) && ns_uc(ns_of(c), file) == NULL &&
           same_block(c, req->last, block_from_end(c, file, 0));
}

static bool all_complete(struct call *c, handle_t file)
{
    const handle_t *list = ns_blocks(ns_of(c), file);
    for (uint32_t i = 0; i < ns_inode(ns_of(c), file)->file.block_count; i++)
        if (!blocks_complete(blocks_of(c), list[i]))
            return false;
    return true;
}

int fs_complete(struct call *c)
{
    REQUEST(c, Cp__CompleteRequest);
    RESPOND(c, Cp__CompleteResponse, cp__complete_response);
    struct resolved r = {0};
    struct edit e;
    TRY(call_check_pool(c, req->last));
    TRY(call_check_safe_mode(c, "Cannot complete file ", req->src));
    int rc = writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r);
    if (rc == ERR_LEASE_EXPIRED && closed_already(c, req, &r)) {
        c->err = (struct err){0};
        res->result = true;
        return 0;
    }
    TRY(rc);
    handle_t file = resolved_last(&r), penultimate = block_from_end(c, file, 1);
    if (penultimate != 0 && !blocks_complete(blocks_of(c), penultimate))
        return 0; /* false: ask again */
    TRY(commit_last(c, file, req->last));
    if (!all_complete(c, file))
        return 0;
    if (edit_for_close(nn_of(c), r.text, file, NULL, (uint64_t)c->now_ms, arena_of(c), &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    res->result = true;
    return 0;
}

int fs_fsync(struct call *c)
{
    REQUEST(c, Cp__FsyncRequest);
    RESPOND(c, Cp__FsyncResponse, cp__fsync_response);
    struct resolved r;
    struct edit e;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot fsync file ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client, &r));
    handle_t file = resolved_last(&r), last = block_from_end(c, file, 0);
    if (last == 0)
        return 0;
    struct block_info info;
    blocks_get(blocks_of(c), last, &info);
    struct edit_block block = {info.id, info.length, info.generation_stamp};
    if (req->has_last_block_length && req->last_block_length > 0 &&
        (uint64_t)req->last_block_length > info.length)
        block.length = (uint64_t)req->last_block_length;
    if (edit_for_update_blocks(nn_of(c), r.text, file, &block, false, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}

/* ---- pipeline changes ---- */

int fs_getAdditionalDatanode(struct call *c)
{
    REQUEST(c, Cp__GetAdditionalDatanodeRequest);
    RESPOND(c, Cp__GetAdditionalDatanodeResponse, cp__get_additional_datanode_response);
    struct resolved r;
    uint32_t storages[MAX_TARGETS], *existing, *excluded;
    size_t n = 0;
    TRY(call_check_pool(c, req->blk));
    TRY(call_check_safe_mode(c, "Cannot add datanode; src=", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r));
    struct place_request place = {.wanted = req->num_additional_nodes,
                                  .block_size =
                                      ns_inode(ns_of(c), resolved_last(&r))->file.block_size};
    if (place.wanted > MAX_TARGETS || req->n_existings > MAX_TARGETS - place.wanted)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%u more DataNodes wanted for a pipeline of %zu",
                    place.wanted, req->n_existings);
    TRY(nodes_named(c, req->existings, req->n_existings, &existing, &place.chosen_count));
    TRY(nodes_named(c, req->excludes, req->n_excludes, &excluded, &place.excluded_count));
    place.chosen = existing;
    place.excluded = excluded;
    for (size_t i = 0; i < req->n_existings && i < req->n_existing_storage_uuids; i++) {
        uint32_t node = node_named(c, req->existings[i]);
        uint32_t storage =
            node == 0 ? 0
                      : nodes_find_storage(nn_of(c)->nodes, node, req->existing_storage_uuids[i]);
        if (storage != 0)
            storages[n++] = storage;
    }
    n += blocks_place(blocks_of(c), &place, c->mono_ms, c->env->rng, storages + n);
    struct block_info info = {.id = req->blk->block_id,
                              .generation_stamp = req->blk->generation_stamp,
                              .length = req->blk->num_bytes};
    return status_located_block(c, &info, 0, storages, n, false, &res->block);
}

/* The block must be under construction, and `client` its file's writer. */
static int check_uc_block(struct call *c, const Hdfs__ExtendedBlock *block, const char *client,
                          handle_t *ret)
{
    TRY(call_check_pool(c, block));
    handle_t h = blocks_find(blocks_of(c), block->block_id);
    if (h == 0)
        return fail(&c->err, ERR_IO, "blk_%" PRIu64 " does not exist.", block->block_id);
    if (blocks_state(blocks_of(c), h) != BLOCK_UNDER_CONSTRUCTION)
        return fail(&c->err, ERR_IO,
                    "Unexpected BlockUCState: blk_%" PRIu64 " is not UNDER_CONSTRUCTION",
                    block->block_id);
    handle_t file = blocks_owner(blocks_of(c), h);
    if (file == 0 || !ns_attached(ns_of(c), file) || ns_uc(ns_of(c), file) == NULL)
        return fail(&c->err, ERR_IO,
                    "The file blk_%" PRIu64
                    " belonged to does not exist or it is not under construction.",
                    block->block_id);
    if (strcmp(client, ns_uc_client(ns_of(c), file)) != 0)
        return fail(&c->err, ERR_LEASE_EXPIRED,
                    "Lease mismatch: blk_%" PRIu64 " is accessed by a non lease holder %s",
                    block->block_id, client);
    *ret = h;
    return 0;
}

int fs_updateBlockForPipeline(struct call *c)
{
    REQUEST(c, Cp__UpdateBlockForPipelineRequest);
    RESPOND(c, Cp__UpdateBlockForPipelineResponse, cp__update_block_for_pipeline_response);
    handle_t block;
    TRY(call_check_safe_mode(c, "Cannot get a new generation stamp and an access token for block",
                             ""));
    TRY(check_uc_block(c, req->block, req->client_name, &block));
    struct edit e = {.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = nn_of(c)->generation_stamp + 1;
    TRY(call_commit(c, &e));
    struct block_info info = {.id = req->block->block_id,
                              .generation_stamp = nn_of(c)->generation_stamp,
                              .length = req->block->num_bytes};
    return status_located_block(c, &info, 0, NULL, 0, false, &res->block);
}

int fs_updatePipeline(struct call *c)
{
    REQUEST(c, Cp__UpdatePipelineRequest);
    RESPOND(c, Cp__UpdatePipelineResponse, cp__update_pipeline_response);
    handle_t block;
    struct resolved r;
    struct block_info info;
    struct edit e;
    (void)res;
    TRY(call_check_safe_mode(c, "Pipeline not updated", ""));
    TRY(check_uc_block(c, req->old_block, req->client_name, &block));
    blocks_get(blocks_of(c), block, &info);
    const Hdfs__ExtendedBlock *new = req->new_block;
    if (new->block_id != info.id || new->generation_stamp <= info.generation_stamp ||
        new->num_bytes < info.length || new->generation_stamp > nn_of(c)->generation_stamp)
        return fail(&c->err, ERR_IO,
                    "Update blk_%" PRIu64 " (size=%" PRIu64 ", stamp %" PRIu64
                    ") to a stale block blk_%" PRIu64 " (size=%" PRIu64 ", stamp %" PRIu64 ")",
                    info.id, info.length, info.generation_stamp, new->block_id, new->num_bytes,
                    new->generation_stamp);
    uint32_t *storages = arena_array(arena_of(c), uint32_t, req->n_new_nodes);
    size_t n = 0;
    if (storages == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_new_nodes && i < req->n_storage_ids; i++) {
        uint32_t node = nodes_find(nn_of(c)->nodes, req->new_nodes[i]->datanode_uuid);
        uint32_t storage =
            node == 0 ? 0 : nodes_find_storage(nn_of(c)->nodes, node, req->storage_ids[i]);
        if (storage != 0)
            storages[n++] = storage;
    }
    handle_t file = blocks_owner(blocks_of(c), block);
    TRY(ns_resolve_inode(ns_of(c), file, arena_of(c), &r, &c->err));
    struct edit_block last = {info.id, new->num_bytes, new->generation_stamp};
    if (edit_for_update_blocks(nn_of(c), r.text, file, &last, false, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    return blocks_set_expected(blocks_of(c), block, storages, n) != 0 ? call_no_memory(c) : 0;
}
