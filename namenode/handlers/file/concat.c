/* concat.c - the blocks of some files move behind those of another, and the files are gone. */
#include <inttypes.h>
#include <stdlib.h>

#include "namenode/handlers/file/internal.h"

static bool is_reserved(const char *path)
{
    return strncmp(path, "/.reserved/raw", 14) == 0 || strncmp(path, "/.reserved/.inodes", 18) == 0;
}

static int check_paths(struct call *c, const Cp__ConcatRequest *req)
{
    if (req->trg[0] == '\0')
        return fail(&c->err, ERR_CONFIG, "Target file name is empty");
    if (req->n_srcs == 0)
        return fail(&c->err, ERR_CONFIG, "No sources given");
    const char *bad = is_reserved(req->trg) ? req->trg : NULL;
    for (size_t i = 0; i < req->n_srcs && bad == NULL; i++)
        bad = is_reserved(req->srcs[i]) ? req->srcs[i] : NULL;
    if (bad != NULL)
        return fail(&c->err, ERR_IO,
                    "Concat operation doesn't support .reserved relative path : %s", bad);
    return 0;
}

static int check_target(struct call *c, const char *path, struct resolved *ret)
{
    TRY(call_resolve(c, path, PATH_WRITE, ret));
    TRY(call_check_access(c, ret, (struct ns_want){.target = ACCESS_WRITE}));
    struct resolved shown = *ret;
    shown.text = path; /* as the message has it */
    TRY(ns_check_file(ns_of(c), &shown, &c->err));
    if (ns_uc(ns_of(c), resolved_last(ret)) != NULL)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "concat: target file %s is under construction",
                    path);
    return 0;
}

static int check_contents(struct call *c, const char *path, handle_t source,
                          const struct resolved *target)
{
    const struct inode_file *from = &ns_inode(ns_of(c), source)->file,
                            *to = &ns_inode(ns_of(c), resolved_last(target))->file;
    if (from->uc != 0 || from->block_count == 0)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "concat: source file %s is invalid or empty or underConstruction", path);
    if (from->block_size > to->block_size)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "concat: source file %s has preferred block size %" PRIu64
                    " which is greater than the target file's preferred block size %" PRIu64,
                    path, from->block_size, to->block_size);
    if (from->ec != to->ec)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Source file %s and target file %s have different erasure coding policy", path,
                    target->text);
    return 0;
}

static int check_source(struct call *c, const char *path, const struct resolved *target,
                        struct resolved *ret)
{
    TRY(call_resolve(c, path, PATH_WRITE, ret));
    TRY(call_check_access(c, ret, (struct ns_want){.target = ACCESS_READ}));
    TRY(call_check_access(c, ret, (struct ns_want){.parent = ACCESS_WRITE}));
    TRY(ns_check_file(ns_of(c), ret, &c->err));
    if (resolved_parent(ret) != resolved_parent(target))
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Source file %s is not in the same directory with the target %s", path,
                    target->text);
    if (resolved_last(ret) == resolved_last(target))
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "concat: the src file %s is the same with the target file %s", path,
                    target->text);
    return check_contents(c, path, resolved_last(ret), target);
}

static int by_handle(const void *a, const void *b)
{
    const handle_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int check_distinct(struct call *c, handle_t *files, size_t count)
{
    qsort(files, count, sizeof(*files), by_handle);
    for (size_t i = 1; i < count; i++)
        if (files[i] == files[i - 1])
            return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                        "concat: at least two of the source files are the same");
    return 0;
}

/* The blocks of the sources get as many replicas as those of the target. */
static int check_quota(struct call *c, const struct resolved *target, const handle_t *files,
                       size_t count)
{
    uint32_t replication = ns_inode(ns_of(c), resolved_last(target))->file.replication;
    struct ns_usage delta = {0}, old = {0};
    for (size_t i = 0; i < count; i++) {
        const struct inode_file *from = &ns_inode(ns_of(c), files[i])->file;
        int64_t bytes = (int64_t)ns_file_length(ns_of(c), files[i]);
        uint8_t policy = ns_effective_policy(ns_of(c), files[i]);
        if (from->replication == replication)
            continue;
        ns_usage_add(&old, bytes, from->replication, policy);
        ns_usage_add(&delta, bytes, replication, policy);
    }
    ns_usage_subtract(&delta, &old);
    return ns_check_quota(ns_of(c), target, target->depth, &delta, 0, &c->err);
}

int fs_concat(struct call *c)
{
    REQUEST(c, Cp__ConcatRequest);
    RESPOND(c, Cp__ConcatResponse, cp__concat_response);
    struct resolved target, source;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot concat ", req->trg));
    TRY(check_paths(c, req));
    TRY(check_target(c, req->trg, &target));
    struct slice *paths = arena_array(arena_of(c), struct slice, req->n_srcs);
    handle_t *files = arena_array(arena_of(c), handle_t, req->n_srcs);
    if (paths == NULL || files == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_srcs; i++) {
        TRY(check_source(c, req->srcs[i], &target, &source));
        paths[i] = slice_of(source.text);
        files[i] = resolved_last(&source);
    }
    TRY(check_distinct(c, files, req->n_srcs));
    TRY(check_quota(c, &target, files, req->n_srcs));
    struct edit e = {.code = OP_concat_delete};
    e.concat_delete = (struct op_concat_delete){.target = slice_of(target.text),
                                                .sources = {paths, (uint32_t)req->n_srcs},
                                                .time = (uint64_t)c->now_ms,
                                                .rpc = call_rpc_ids(c)};
    return call_commit(c, &e);
}
