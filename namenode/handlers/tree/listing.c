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
        if (status->locations != NULL)
            budget -= (int64_t)status->locations->n_blocks * status->block_replication;
        list->partial_listing[n] = status;
    }
    list->n_partial_listing = n;
    list->remaining_entries = (uint32_t)(remaining + count - n);
    return 0;
}

/* The name after which a page starts. A client whose directory may be renamed meanwhile passes the
 * last entry as
 * /.reserved/.inodes/<id> instead of its name. */
static int start_after_name(struct call *c, ProtobufCBinaryData text, struct slice *ret)
{
    *ret = (struct slice){text.data, text.len};
    if (text.len == 0 || text.data[0] != '/')
        return 0;
    struct resolved r;
    char *path = arena_strndup(arena_of(c), text.data, text.len);
    if (path == NULL)
        return call_no_memory(c);
    TRY(call_resolve(c, path, PATH_READ_LINK, &r));
    *ret = resolved_name(&r);
    return 0;
}

int fs_getListing(struct call *c)
{
    REQUEST(c, Cp__GetListingRequest);
    RESPOND(c, Cp__GetListingResponse, cp__get_listing_response);
    struct resolved r;
    struct slice start_after;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    handle_t h = resolved_last(&r);
    if (h == 0)
        return 0;
    TRY(start_after_name(c, req->start_after, &start_after));
    NEW(c, Hdfs__DirectoryListing, hdfs__directory_listing, list);
    if (inode_is_dir(ns_inode(ns_of(c), h))) {
        TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ | ACCESS_EXECUTE}));
        TRY(list_directory(c, h, start_after, req->need_location, list));
    } else {
        list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, 1);
        if (list->partial_listing == NULL)
            return call_no_memory(c);
        TRY(status_of(c, h, (struct slice){0}, req->need_location, &list->partial_listing[0]));
        list->n_partial_listing = 1;
    }
    res->dir_list = list;
    return 0;
}
