/* writer.c - which file a writer means, and the last blocks of it.
 * Invariant: only the lease holder changes a file that is open. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"
#include "namenode/state/state.h"

/* "<path> (inode N) [Lease.  Holder: H, pending creates: n]" */
static const char *lease_text(struct call *c, const char *path, uint64_t file_id,
                              const char *holder)
{
    handle_t lease = holder != NULL ? ns_lease_find(ns_of(c), holder) : 0;
    const char *text =
        lease != 0
            ? arena_printf(arena_of(c),
                           "%s (inode %" PRId64 ") [Lease.  Holder: %s, pending creates: %u]", path,
                           (int64_t)file_id, holder, ns_lease_file_count(ns_of(c), lease))
            : arena_printf(arena_of(c),
                           "%s (inode %" PRId64 ") Holder %s does not have any open files.", path,
                           (int64_t)file_id, holder != NULL ? holder : "null");
    return text != NULL ? text : path;
}

/* A path as messages show it: single slashes, none at the end. */
static const char *normal_path(struct call *c, const char *path)
{
    char *text = arena_strdup(arena_of(c), path);
    size_t n = 0;
    if (text == NULL)
        return path;
    for (const char *p = path; *p != '\0'; p++)
        if (*p != '/' || (p[1] != '/' && p[1] != '\0'))
            text[n++] = *p;
    text[n] = '\0';
    return n == 0 ? "/" : text;
}

int writer_file(struct call *c, const char *path, uint64_t file_id, const char *holder,
                struct resolved *ret)
{
    handle_t h;
    if (file_id != 0) {
        h = ns_find_id(ns_of(c), file_id);
        if (h != 0)
            TRY(ns_resolve_inode(ns_of(c), h, arena_of(c), ret, &c->err));
        else if (path[0] != '/')
            return fail(&c->err, ERR_ASSERTION, "Absolute path required, but got '%s'", path);
    } else {
        TRY(call_resolve(c, path, PATH_WRITE, ret));
        h = resolved_last(ret);
    }
    if (h == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File does not exist: %s",
                    lease_text(c, normal_path(c, path), file_id, holder));
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

handle_t block_from_end(const struct call *c, handle_t file, uint32_t back)
{
    uint32_t count = ns_inode(ns_of(c), file)->file.block_count;
    return count > back ? ns_blocks(ns_of(c), file)[count - 1 - back] : 0;
}

bool same_block(const struct call *c, const Hdfs__ExtendedBlock *named, handle_t block)
{
    struct block_info info;
    if (named == NULL || block == 0)
        return named == NULL && block == 0;
    blocks_get(blocks_of(c), block, &info);
    return info.id == named->block_id && info.generation_stamp == named->generation_stamp;
}

/* Longer than a block of the file no writer makes one; a group has a block of data a data unit. */
int check_told_length(struct call *c, handle_t file, uint64_t block_id, uint64_t length)
{
    const struct inode_file *f = &ns_inode(ns_of(c), file)->file;
    const struct ec_policy *ec = f->ec == 0 ? NULL : kept_ec(nn_of(c)->kept, f->ec);
    uint64_t most;
    if (__builtin_mul_overflow(f->block_size, ec == NULL ? 1 : ec->data_units, &most) ||
        most > INT64_MAX)
        most = INT64_MAX;
    if (length <= most)
        return 0;
    return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                "blk_%" PRId64 " can not have %" PRIu64 " bytes: the block size is %" PRIu64,
                (int64_t)block_id, length, most);
}

/* Takes the length and stamp that the client tells of its last block. */
int commit_last(struct call *c, handle_t file, const Hdfs__ExtendedBlock *told)
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
    if (info.state == BLOCK_COMPLETE || info.state == BLOCK_COMMITTED)
        return 0;
    if (info.state == BLOCK_UNDER_RECOVERY)
        return fail(&c->err, ERR_IO,
                    "Commit or complete block blk_%" PRId64 "_%" PRIu64
                    ", whereas it is under recovery.",
                    (int64_t)told->block_id, told->generation_stamp);
    if (told->generation_stamp != info.generation_stamp)
        return fail(&c->err, ERR_IO,
                    "Commit block with mismatching GS. NN has blk_%" PRId64 "_%" PRIu64
                    ", client submits blk_%" PRId64 "_%" PRIu64,
                    (int64_t)info.id, info.generation_stamp, (int64_t)told->block_id,
                    told->generation_stamp);
    TRY(check_told_length(c, file, told->block_id, told->num_bytes));
    return blocks_commit(blocks_of(c), last, told->generation_stamp, told->num_bytes, &c->err);
}
