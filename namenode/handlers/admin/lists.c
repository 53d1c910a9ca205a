/* lists.c - corrupt and open files, page by page. */
#include <stdlib.h>

#include "namenode/drain/drain.h"
#include "namenode/handlers/call.h"

static bool is_inside(const struct call *c, handle_t h, handle_t top)
{
    while (h != 0 && h != top)
        h = ns_inode(ns_of(c), h)->parent;
    return h != 0;
}

/* The cookie is the place among the missing blocks where the next page starts. */
int fs_listCorruptFileBlocks(struct call *c)
{
    enum { STEP = 100 };
    REQUEST(c, Cp__ListCorruptFileBlocksRequest);
    RESPOND(c, Cp__ListCorruptFileBlocksResponse, cp__list_corrupt_file_blocks_response);
    uint32_t cursor = req->cookie != NULL ? (uint32_t)strtoul(req->cookie, NULL, 10) : 0;
    uint32_t page = c->env->settings->corrupt_files_page;
    handle_t top = 0;
    size_t count;
    struct resolved r;
    struct err ignored = {0}; /* what isn't there has no files below */
    TRY(call_check_superuser(c));
    if (ns_resolve(ns_of(c), NULL, req->path, PATH_READ_LINK, arena_of(c), &r, &ignored) == 0)
        top = resolved_last(&r);
    NEW(c, Hdfs__CorruptFileBlocks, hdfs__corrupt_file_blocks, list);
    list->files = arena_array(arena_of(c), char *, page);
    if (list->files == NULL)
        return call_no_memory(c);
    do {
        handle_t found[STEP];
        size_t room = page - list->n_files;
        count = blocks_list_missing(blocks_of(c), &cursor, found, room < STEP ? room : STEP);
        for (size_t i = 0; i < count; i++) {
            handle_t file = blocks_owner(blocks_of(c), found[i]);
            if (top == 0 || !is_inside(c, file, top))
                continue; /* of a million missing blocks, only those asked for cost memory */
            char *path = (char *)ns_path(ns_of(c), file, arena_of(c));
            if (path == NULL)
                return call_no_memory(c);
            list->files[list->n_files++] = path;
        }
    } while (count > 0 && top != 0 && list->n_files < page);
    list->cookie = arena_printf(arena_of(c), "%u", cursor);
    if (list->cookie == NULL)
        return call_no_memory(c);
    res->corrupt = list;
    return 0;
}

static int open_entry(struct call *c, handle_t file, Cp__OpenFilesBatchResponse **ret)
{
    NEW(c, Cp__OpenFilesBatchResponse, cp__open_files_batch_response, entry);
    struct slice machine = ns_uc_machine(ns_of(c), file);
    entry->id = (int64_t)ns_inode(ns_of(c), file)->id;
    entry->path = (char *)ns_path(ns_of(c), file, arena_of(c));
    entry->client_name = (char *)ns_uc_client(ns_of(c), file);
    entry->client_machine = arena_strndup(arena_of(c), machine.data, machine.size);
    if (entry->path == NULL || entry->client_machine == NULL)
        return call_no_memory(c);
    *ret = entry;
    return 0;
}

/* The inode that the wanted files are at or below; 0: there is none. */
static int filter_top(struct call *c, const char *path, handle_t *ret)
{
    struct resolved r;
    struct err ignored = {0};
    *ret = 0;
    if (path[0] != '/')
        return fail(&c->err, ERR_ASSERTION, "Absolute path required, but got '%s'", path);
    if (strncmp(path, "/.reserved", 10) == 0)
        return 0; /* files are listed, and compared, by their plain paths */
    if (path[1] == '/' && path[2] != '/' && path[2] != '\0')
        return 0; /* to Hadoop's Path "//a/b" is the path /b of an authority a: no file has it */
    if (ns_resolve(ns_of(c), NULL, path, PATH_READ_LINK, arena_of(c), &r, &ignored) == 0)
        *ret = resolved_last(&r);
    return 0;
}

static bool wants_all(const Cp__ListOpenFilesRequest *req)
{
    for (size_t i = 0; i < req->n_types; i++)
        if (req->types[i] == HDFS__OPEN_FILES_TYPE__ALL_OPEN_FILES)
            return true;
    return req->n_types == 0;
}

/* The next open file beyond that inode id: any, or one that keeps a DataNode from leaving. */
static handle_t next_open(struct call *c, uint64_t id, bool all)
{
    if (all)
        return ns_open_after(ns_of(c), id);
    while ((id = drain_next_blocking(c->env->drain, id)) != 0) {
        handle_t file = ns_open_after(ns_of(c), id - 1);
        if (file != 0 && ns_inode(ns_of(c), file)->id == id)
            return file; /* else it was closed since the DataNodes were looked at */
    }
    return 0;
}

/* In the order of inode ids, which is the cursor. */
int fs_listOpenFiles(struct call *c)
{
    REQUEST(c, Cp__ListOpenFilesRequest);
    RESPOND(c, Cp__ListOpenFilesResponse, cp__list_open_files_response);
    uint32_t page = c->env->settings->open_files_page;
    handle_t top, next;
    TRY(filter_top(c, req->path != NULL ? req->path : "/", &top));
    TRY(call_check_superuser(c));
    res->entries = arena_array(arena_of(c), Cp__OpenFilesBatchResponse *, page);
    res->types = req->types;
    res->n_types = req->n_types;
    if (res->entries == NULL)
        return call_no_memory(c);
    bool all = wants_all(req);
    if (top == 0)
        return 0;
    for (handle_t f = next_open(c, (uint64_t)req->id, all); f != 0; f = next) {
        next = next_open(c, ns_inode(ns_of(c), f)->id, all);
        if (!is_inside(c, f, top))
            continue;
        TRY(open_entry(c, f, &res->entries[res->n_entries++]));
        if (res->n_entries == page) {
            res->has_more = next != 0;
            break;
        }
    }
    return 0;
}
