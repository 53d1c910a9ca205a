/* dir.c - the tree: list, make, rename, delete.
 * Thread: any; one dfs_dir is used by one thread at a time. */
#include <stdlib.h>

#include "libdfs/api/internal.h"

struct dfs_dir {
    struct dfs *fs;
    struct op page; /* its arena holds the current page */
    Hdfs__DirectoryListing *listing;
    size_t next;
    char path[];
};

/* Asks for what comes behind the last name of the current page. */
static int next_page(struct dfs_dir *d)
{
    struct op op;
    op_begin(&op, d->fs);
    Cp__GetListingRequest request = CP__GET_LISTING_REQUEST__INIT;
    Cp__GetListingResponse *response;
    request.src = d->path;
    if (d->listing != NULL && d->listing->n_partial_listing > 0)
        request.start_after = d->listing->partial_listing[d->listing->n_partial_listing - 1]->path;
    int rc = OP_CALL(&op, getListing, &request, &response);
    if (rc == 0 && response->dir_list == NULL)
        rc = fail(&op.err, ERR_NOT_FOUND, "File does not exist: %s", d->path);
    arena_fini(&d->page.arena);
    d->page = op;
    d->page.arena.pb.allocator_data = &d->page.arena;
    d->listing = rc == 0 ? response->dir_list : NULL;
    d->next = 0;
    return rc;
}

static int do_opendir(struct op *op, const char *path, struct dfs_dir **ret)
{
    TRY(op_path(op, path, &path));
    size_t size = strlen(path) + 1;
    struct dfs_dir *d = calloc(1, sizeof(*d) + size);
    if (d == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory to list %s", path);
    d->fs = op->fs;
    op_begin(&d->page, op->fs);
    memcpy(d->path, path, size);
    int rc = next_page(d);
    if (rc != 0) {
        op->err = d->page.err;
        dfs_closedir(d);
        return rc;
    }
    *ret = d;
    return 0;
}

int dfs_opendir(struct dfs *fs, const char *path, struct dfs_dir **ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_opendir(&op, path, ret), error);
}

/* A file's listing has one entry with an empty name: itself. */
static int fill_entry(struct dfs_dir *d, struct op *op, struct dfs_stat *ret)
{
    const Hdfs__HdfsFileStatus *s = d->listing->partial_listing[d->next];
    if (s->path.len > 0)
        return stat_fill(op, s, (const char *)s->path.data, s->path.len, ret);
    const char *name = last_component(d->path);
    return stat_fill(op, s, name, strlen(name), ret);
}

static int do_readdir(struct dfs_dir *d, struct op *op, struct dfs_stat *ret, bool *ret_filled)
{
    *ret_filled = false;
    if (d->listing != NULL && d->next == d->listing->n_partial_listing) {
        if (d->listing->remaining_entries == 0 || d->listing->n_partial_listing == 0)
            return 0;
        int rc = next_page(d);
        op->err = d->page.err;
        TRY(rc);
    }
    if (d->listing == NULL || d->next == d->listing->n_partial_listing)
        return 0;
    TRY(fill_entry(d, op, ret));
    d->next++;
    *ret_filled = true;
    return 0;
}

int dfs_readdir(struct dfs_dir *dir, struct dfs_stat *ret, struct dfs_error *error)
{
    struct op op;
    bool filled;
    op_begin(&op, dir->fs);
    int rc = op_end(&op, do_readdir(dir, &op, ret, &filled), error);
    return rc != 0 ? rc : filled;
}

void dfs_closedir(struct dfs_dir *dir)
{
    if (dir == NULL)
        return;
    arena_fini(&dir->page.arena);
    free(dir);
}

static int do_mkdirs(struct op *op, const char *path, uint32_t mode, bool parents)
{
    TRY(op_path(op, path, &path));
    PERMISSION(masked, mode & 01777 & ~op->fs->umask);
    PERMISSION(unmasked, mode & 01777);
    Cp__MkdirsRequest request = CP__MKDIRS_REQUEST__INIT;
    Cp__MkdirsResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.masked = &masked;
    request.unmasked = &unmasked;
    request.create_parent = parents;
    TRY(OP_CALL(op, mkdirs, &request, &response));
    return response->result ? 0 : fail(&op->err, ERR_IO, "the NameNode did not make %s", path);
}

int dfs_mkdirs(struct dfs *fs, const char *path, uint32_t mode, bool parents,
               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_mkdirs(&op, path, mode, parents), error);
}

static int do_rename(struct op *op, const char *from, const char *to, unsigned flags)
{
    TRY(op_path(op, from, &from));
    TRY(op_path(op, to, &to));
    Cp__Rename2Request request = CP__RENAME2_REQUEST__INIT;
    Cp__Rename2Response *response;
    request.src = (char *)(uintptr_t)from;
    request.dst = (char *)(uintptr_t)to;
    request.overwrite_dest = (flags & DFS_RENAME_OVERWRITE) != 0;
    request.has_move_to_trash = request.move_to_trash = (flags & DFS_RENAME_TO_TRASH) != 0;
    return OP_CALL(op, rename2, &request, &response);
}

int dfs_rename(struct dfs *fs, const char *from, const char *to, unsigned flags,
               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_rename(&op, from, to, flags), error);
}

static int do_delete(struct op *op, const char *path, bool recursive)
{
    TRY(op_path(op, path, &path));
    Cp__DeleteRequest request = CP__DELETE_REQUEST__INIT;
    Cp__DeleteResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.recursive = recursive;
    TRY(OP_CALL(op, delete, &request, &response));
    if (response->result)
        return 0;
    Hdfs__HdfsFileStatus *status;
    TRY(get_file_info(op, path, &status));
    if (status == NULL)
        return fail(&op->err, ERR_NOT_FOUND, "File does not exist: %s", path);
    return fail(&op->err, ERR_ACCESS, "the NameNode refuses to delete %s", path);
}

int dfs_delete(struct dfs *fs, const char *path, bool recursive, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_delete(&op, path, recursive), error);
}
