/* lists.c - corrupt and open files, page by page. */
#include <stdlib.h>

#include "namenode/handlers/call.h"

int fs_listCorruptFileBlocks(struct call *c)
{
    enum { PAGE = 100 };
    REQUEST(c, Cp__ListCorruptFileBlocksRequest);
    RESPOND(c, Cp__ListCorruptFileBlocksResponse, cp__list_corrupt_file_blocks_response);
    uint32_t cursor = req->cookie != NULL ? (uint32_t)strtoul(req->cookie, NULL, 10) : 0;
    handle_t found[PAGE];
    TRY(call_check_superuser(c));
    size_t count = blocks_list_missing(blocks_of(c), &cursor, found, PAGE);
    size_t prefix = strcmp(req->path, "/") == 0 ? 0 : strlen(req->path);
    NEW(c, Hdfs__CorruptFileBlocks, hdfs__corrupt_file_blocks, list);
    list->files = arena_array(arena_of(c), char *, PAGE);
    list->cookie = arena_printf(arena_of(c), "%u", cursor);
    if (list->files == NULL || list->cookie == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        const char *path = ns_path(ns_of(c), blocks_owner(blocks_of(c), found[i]), arena_of(c));
        if (path == NULL)
            return call_no_memory(c);
        if (strncmp(path, req->path, prefix) == 0 &&
            (prefix == 0 || path[prefix] == '/' || path[prefix] == '\0'))
            list->files[list->n_files++] = (char *)path;
    }
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

/* In the order of inode ids, which is the cursor; a page at a time, so the scan of all leases stays
 * short enough for what an administrator asks now and then. */
int fs_listOpenFiles(struct call *c)
{
    enum { PAGE = 1000 };
    REQUEST(c, Cp__ListOpenFilesRequest);
    RESPOND(c, Cp__ListOpenFilesResponse, cp__list_open_files_response);
    TRY(call_check_superuser(c));
    res->entries = arena_array(arena_of(c), Cp__OpenFilesBatchResponse *, PAGE);
    if (res->entries == NULL)
        return call_no_memory(c);
    uint64_t after = (uint64_t)req->id;
    for (;;) {
        handle_t best = 0;
        uint64_t best_id = UINT64_MAX;
        for (handle_t lease = ns_lease_next_expired(ns_of(c), 0, INT64_MAX, 0); lease != 0;
             lease = ns_lease_next_expired(ns_of(c), lease, INT64_MAX, 0))
            for (handle_t f = ns_lease_next_file(ns_of(c), lease, 0); f != 0;
                 f = ns_lease_next_file(ns_of(c), lease, f)) {
                uint64_t id = ns_inode(ns_of(c), f)->id;
                if (id > after && id < best_id) {
                    best = f;
                    best_id = id;
                }
            }
        if (best == 0)
            return 0;
        if (res->n_entries == PAGE) {
            res->has_more = true;
            return 0;
        }
        TRY(open_entry(c, best, &res->entries[res->n_entries++]));
        after = best_id;
    }
}
