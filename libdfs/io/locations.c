/* locations.c - where the blocks of a file are, as the NameNode and (for a block still being
 * written) the DataNodes say. Thread: any. */
#include "libdfs/io/internal.h"

static int ask(struct io_env *env, const char *path, uint64_t offset, uint64_t length,
               struct rd_page *page, struct err *err)
{
    Cp__GetBlockLocationsRequest request = CP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    request.src = UNCONST(char, path);
    request.offset = offset;
    request.length = length;
    Cp__GetBlockLocationsResponse *response;
    TRY(META_CALL(env->meta, getBlockLocations, &request, &page->arena, &response, err));
    if (response->locations == NULL)
        return fail(err, ERR_NOT_FOUND, "File does not exist: %s", path);
    page->blocks = response->locations;
    return 0;
}

int fetch_page(struct io_env *env, const char *path, uint64_t offset, uint64_t length,
               struct rd_page **ret, struct err *err)
{
    struct rd_page *page = rd_page_new();
    if (page == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the locations of %s", path);
    int rc = ask(env, path, offset, length, page, err);
    if (rc != 0) {
        rd_page_unref(page);
        return rc;
    }
    *ret = page;
    return 0;
}

int open_block_length(struct io_env *env, const Hdfs__LocatedBlock *block, uint64_t *ret,
                      struct err *err)
{
    size_t unknown = 0;
    *ret = 0;
    for (size_t i = 0; i < block->n_locs; i++) {
        struct err e = {0};
        int rc = meta_visible_length(env->meta, block->locs[i]->id, env->use_hostname, block->b,
                                     ret, &e);
        if (rc == 0)
            return 0;
        if (rc == ERR_NO_REPLICA)
            unknown++;
        (void)fail(err, rc, "length of open block %llu: %.600s",
                   (unsigned long long)block->b->block_id, e.text);
    }
    /* nobody has it yet: the writer has asked for the block, but not set its pipeline up */
    return unknown == block->n_locs ? 0 : ERR_BLOCK_MISSING;
}
