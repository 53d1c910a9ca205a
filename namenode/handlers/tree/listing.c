/* listing.c - a directory, page by page. */
#include "namenode/handlers/call.h"

static int list_directory(struct call *c, handle_t dir, struct slice start_after, bool locations,
                          Hdfs__DirectoryListing *list)
{
    uint32_t limit = c->env->settings->list_limit, n = 0;
    uint64_t remaining = 0;
    int64_t budget = limit; /* of locations, so that the answer stays of a reasonable size */
    handle_t *children = arena_array(arena_of(c), handle_t, limit);
    list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, limit);
    if (children == NULL || list->partial_listing == NULL)
        return call_no_memory(c);
    uint32_t count = ns_list(ns_of(c), dir, start_after, limit, children, &remaining);
    for (; n < count && budget > 0; n++) {
        Hdfs__HdfsFileStatus *status;
        TRY(status_of(c, children[n], ns_name(ns_of(c), children[n]), locations, &status));
        if (status->symlink.len > 0) /* Hadoop shows the directory's */
            status->storage_policy = ns_effective_policy(ns_of(c), dir);
        if (status->locations != NULL)
            budget -= (int64_t)status->locations->n_blocks * status->block_replication;
        list->partial_listing[n] = status;
    }
    list->n_partial_listing = n;
    list->remaining_entries = (uint32_t)(remaining + count - n);
    return 0;
}

static int list_file(struct call *c, handle_t h, bool locations, Hdfs__DirectoryListing *list)
{
    list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, 1);
    if (list->partial_listing == NULL)
        return call_no_memory(c);
    TRY(status_of(c, h, (struct slice){0}, locations, &list->partial_listing[0]));
    list->n_partial_listing = 1;
    return 0;
}

/* The name after which a page starts. A client whose directory may be renamed meanwhile passes the
 * last entry as /.reserved/.inodes/<id> instead of its name. */
static int start_after_name(struct call *c, struct slice text, struct slice *ret)
{
    static const char reserved[] = "/.reserved/";
    struct resolved r;
    *ret = text;
    if (text.size < sizeof(reserved) - 1 || memcmp(text.data, reserved, sizeof(reserved) - 1) != 0)
        return 0;
    char *path = arena_strndup(arena_of(c), text.data, text.size);
    if (path == NULL)
        return call_no_memory(c);
    if (ns_resolve(ns_of(c), NULL, path, PATH_READ_LINK, arena_of(c), &r, &c->err) != 0)
        return fail(&c->err, ERR_START_AFTER, "Can't find startAfter %s", path);
    *ret = resolved_name(&r);
    return 0;
}

/* ---- what is no inode ---- */

static bool last_is(const struct resolved *r, uint32_t depth, const char *name)
{
    return r->depth == depth && depth > 0 && slice_equal(resolved_name(r), slice_of(name));
}

static int reserved_entry(struct call *c, const char *name, Hdfs__HdfsFileStatus **ret)
{
    NEW(c, Hdfs__HdfsFileStatus, hdfs__hdfs_file_status, status);
    NEW(c, Hdfs__FsPermission, hdfs__fs_permission, permission);
    status->file_type = HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
    status->has_children_num = true;
    status->children_num = 0;
    status->path = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
    permission->perm = 0770;
    status->permission = permission;
    status->owner = (char *)"";
    status->group = (char *)c->env->settings->supergroup;
    status->modification_time = status->access_time = nn_of(c)->identity.ctime_ms;
    *ret = status;
    return 0;
}

static int list_reserved(struct call *c, Hdfs__DirectoryListing *list)
{
    static const char *const names[] = {".inodes", "raw"};
    list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, ARRAY_SIZE(names));
    if (list->partial_listing == NULL)
        return call_no_memory(c);
    for (; list->n_partial_listing < ARRAY_SIZE(names); list->n_partial_listing++)
        TRY(reserved_entry(c, names[list->n_partial_listing],
                           &list->partial_listing[list->n_partial_listing]));
    return 0;
}

static int fail_snapshots(struct call *c, const struct resolved *r)
{
    handle_t parent = resolved_parent(r);
    const char *path = resolved_prefix(r, r->depth - 1, arena_of(c));
    if (path == NULL)
        return call_no_memory(c);
    if (parent == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Directory does not exist: %s", path);
    return fail(&c->err, ERR_SNAPSHOT, "Directory is not a snapshottable directory: %s", path);
}

/* ---- the calls ---- */

/* *ret stays NULL when there is nothing at that path. */
static int list_path(struct call *c, const char *path, struct slice start_after, bool locations,
                     Hdfs__DirectoryListing **ret)
{
    struct resolved r;
    TRY(call_resolve(c, path, PATH_READ, &r));
    handle_t h = resolved_last(&r);
    bool is_dir = h != 0 && inode_is_dir(ns_inode(ns_of(c), h));
    TRY(start_after_name(c, start_after, &start_after));
    if (is_dir)
        TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ | ACCESS_EXECUTE}));
    NEW(c, Hdfs__DirectoryListing, hdfs__directory_listing, list);
    if (last_is(&r, 1, ".reserved"))
        TRY(list_reserved(c, list));
    else if (r.depth > 1 && last_is(&r, r.depth, ".snapshot"))
        return fail_snapshots(c, &r);
    else if (last_is(&r, 1, ".snapshot"))
        list->remaining_entries = 0; /* the root may have snapshots, but has none */
    else if (is_dir)
        TRY(list_directory(c, h, start_after, locations, list));
    else if (h == 0)
        return 0;
    else
        TRY(list_file(c, h, locations, list));
    *ret = list;
    return 0;
}

int fs_getListing(struct call *c)
{
    REQUEST(c, Cp__GetListingRequest);
    RESPOND(c, Cp__GetListingResponse, cp__get_listing_response);
    return list_path(c, req->src, (struct slice){req->start_after.data, req->start_after.len},
                     req->need_location, &res->dir_list);
}

/* ---- many at once ---- */

/* Ties a cursor to the paths that it was made for. */
static uint64_t paths_hash(const Cp__GetBatchedListingRequest *req)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < req->n_paths; i++)
        for (const char *p = req->paths[i];; p++) {
            hash = (hash ^ (uint8_t)*p) * 1099511628211u;
            if (*p == '\0')
                break;
        }
    return hash;
}

static int read_cursor(struct call *c, const Cp__GetBatchedListingRequest *req, size_t *ret_index,
                       struct slice *ret_after)
{
    uint64_t hash = paths_hash(req);
    if (req->start_after.len == 0)
        return 0;
    ProtobufCAllocator *pb = &arena_of(c)->pb;
    Hdfs__BatchedListingKey *key =
        hdfs__batched_listing_key__unpack(pb, req->start_after.len, req->start_after.data);
    if (key == NULL || key->checksum.len != sizeof(hash) ||
        memcmp(key->checksum.data, &hash, sizeof(hash)) != 0)
        return fail(&c->err, ERR_CONFIG, "the cursor belongs to other paths");
    *ret_after = (struct slice){key->start_after.data, key->start_after.len};
    *ret_index = (size_t)key->path_index + (key->start_after.len == 0); /* that was a file */
    return 0;
}

static int write_cursor(struct call *c, const Cp__GetBatchedListingRequest *req, size_t index,
                        const Hdfs__DirectoryListing *last, ProtobufCBinaryData *ret)
{
    uint64_t hash = paths_hash(req);
    Hdfs__BatchedListingKey key = HDFS__BATCHED_LISTING_KEY__INIT;
    key.checksum = (ProtobufCBinaryData){sizeof(hash), (uint8_t *)&hash};
    key.path_index = (uint32_t)index;
    if (last != NULL && last->n_partial_listing > 0)
        key.start_after = last->partial_listing[last->n_partial_listing - 1]->path;
    ret->data = arena_alloc(arena_of(c), hdfs__batched_listing_key__get_packed_size(&key));
    if (ret->data == NULL)
        return call_no_memory(c);
    ret->len = hdfs__batched_listing_key__pack(&key, ret->data);
    return 0;
}

/* One of the paths; what goes wrong with it is part of the answer. *ret_list NULL: it did. */
static int list_one(struct call *c, const char *path, struct slice after, bool locations,
                    Hdfs__BatchedDirectoryListing *one, Hdfs__DirectoryListing **ret_list)
{
    int rc = list_path(c, path, after, locations, ret_list);
    if (rc == ERR_NO_MEMORY || rc == ERR_ASSERTION) /* not an Exception to Hadoop */
        return rc;
    if (rc == 0 && *ret_list == NULL)
        rc = fail(&c->err, ERR_NOT_FOUND, "Path %s does not exist", path);
    if (rc == 0) {
        one->partial_listing = (*ret_list)->partial_listing;
        one->n_partial_listing = (*ret_list)->n_partial_listing;
        return 0;
    }
    NEW(c, Hdfs__RemoteException, hdfs__remote_exception, exception);
    *ret_list = NULL;
    exception->class_name = arena_strdup(arena_of(c), err_class(&c->err));
    exception->message = arena_strdup(arena_of(c), c->err.text);
    if (exception->class_name == NULL || exception->message == NULL)
        return call_no_memory(c);
    c->err = (struct err){0};
    one->exception = exception;
    return 0;
}

int fs_getBatchedListing(struct call *c)
{
    REQUEST(c, Cp__GetBatchedListingRequest);
    RESPOND(c, Cp__GetBatchedListingResponse, cp__get_batched_listing_response);
    uint32_t most = c->env->settings->batched_list_limit;
    if (req->n_paths > most)
        return fail(&c->err, ERR_CONFIG, "Too many source paths (%zu > %u)", req->n_paths, most);
    size_t i = 0, entries = 0;
    struct slice after = {0};
    Hdfs__DirectoryListing *last = NULL;
    TRY(read_cursor(c, req, &i, &after));
    res->listings = arena_array(arena_of(c), Hdfs__BatchedDirectoryListing *, req->n_paths);
    if (res->listings == NULL)
        return call_no_memory(c);
    for (; i < req->n_paths; i++) {
        NEW(c, Hdfs__BatchedDirectoryListing, hdfs__batched_directory_listing, one);
        last = NULL;
        TRY(list_one(c, req->paths[i], after, req->need_location, one, &last));
        after = (struct slice){0};
        one->parent_idx = (uint32_t)i;
        res->listings[res->n_listings++] = one;
        entries += one->n_partial_listing;
        /* a page with locations may end before it has that many entries */
        if (entries >= c->env->settings->list_limit ||
            (last != NULL && last->remaining_entries > 0))
            break;
    }
    bool done = i >= req->n_paths ||
                (i + 1 == req->n_paths && last != NULL && last->remaining_entries == 0);
    res->has_more = !done;
    return done ? 0 : write_cursor(c, req, i, last, &res->start_after);
}
