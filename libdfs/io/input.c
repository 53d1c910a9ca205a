/* input.c - a file open for reading: finds blocks, chooses replicas, goes on elsewhere when one
 * fails. Thread: input_pread any number at once; the rest one at a time. `lock` guards plan, pages
 * and dead. A `cursor` is one walk over the bytes: the sequential one lives in the input, each
 * pread has its own. Invariants: (1) bytes given to the caller were checked and lie at consecutive
 * offsets, whatever node they came from; (2) a cursor's entry holds a reference of its page; (3)
 * `tried` is about the replicas of that very entry. Failure: a node that failed is tried no more
 * for this file until all are used up; then the locations are asked for again, at most
 * max_acquire_failures times for the same byte, with waits in between. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "libdfs/io/internal.h"

enum {
    PREFETCH_BLOCKS = 10,
    FIRST_WINDOW =
        256 * 1024, /* asked from a node after a seek, doubled while reads go on from there */
    SKIP_MAX = 128 * 1024, /* a forward seek by so little reads on instead of asking anew */
    RETRY_WINDOW_MS = 3000,
    STORY_SIZE = 640
};

struct cursor {
    struct block_in *stream; /* at most one of these two */
    struct group_in *group;
    struct rd_group layout; /* of group */
    struct rd_entry entry;  /* valid if entry.page != NULL */
    uint64_t tried;
    uint64_t bad_sums; /* replicas of the entry whose checksums didn't match */
    unsigned rounds;
    uint64_t window;        /* bytes to ask for at once */
    char story[STORY_SIZE]; /* what each node that failed has said */
};

struct input {
    struct io_env *env;
    pthread_mutex_t lock; /* guards plan, references of pages, dead */
    struct rd_plan plan;
    struct rd_dead dead;
    _Atomic uint64_t length; /* never shrinks */
    bool growing;            /* a writer may be at work; guarded by lock */
    uint64_t prefetch;
    struct ec_policy policy; /* of coder */
    struct ec_coder *coder;  /* from the first block group on; guarded by lock until it is there */
    struct group_owner owner;
    uint64_t position;
    struct cursor cursor;
    char path[];
};

static int merge(struct input *in, struct rd_page *page, uint64_t visible, struct err *err)
{
    const Hdfs__LocatedBlocks *blocks = page->blocks;
    int rc = rd_plan_merge(&in->plan, page, err);
    if (rc == 0 && !blocks->is_last_block_complete && blocks->last_block != NULL)
        rc = rd_plan_add_open_block(&in->plan, page, visible, err);
    return rc;
}

/* Asks where the blocks from offset on are. */
static int fetch(struct input *in, uint64_t offset, struct err *err)
{
    struct rd_page *page;
    uint64_t visible = 0;
    TRY(fetch_page(in->env, in->path, offset, in->prefetch, &page, err));
    const Hdfs__LocatedBlocks *blocks = page->blocks;
    int rc = rd_check_supported(blocks, err);
    if (rc == 0 && !blocks->is_last_block_complete && blocks->last_block != NULL)
        rc = open_block_length(in->env, blocks->last_block, &visible, err);
    pthread_mutex_lock(&in->lock);
    if (rc == 0)
        rc = merge(in, page, visible, err);
    if (rc == 0) {
        in->growing = blocks->under_construction;
        if (in->length < in->plan.length)
            in->length = in->plan.length;
    }
    rd_page_unref(page);
    pthread_mutex_unlock(&in->lock);
    return rc;
}

static bool stream_is_open(const struct cursor *c)
{
    return c->stream != NULL || c->group != NULL;
}

static uint64_t stream_position(const struct cursor *c)
{
    return c->group != NULL ? group_in_position(c->group) : block_in_position(c->stream);
}

static uint64_t stream_end(const struct cursor *c)
{
    return c->group != NULL ? group_in_end(c->group) : block_in_end(c->stream);
}

static void stream_close(struct cursor *c)
{
    block_in_close(take_ptr(&c->stream));
    group_in_close(take_ptr(&c->group));
}

static void cursor_leave(struct input *in, struct cursor *c)
{
    stream_close(c);
    if (c->entry.page == NULL)
        return;
    pthread_mutex_lock(&in->lock);
    rd_page_unref(take_ptr(&c->entry.page));
    pthread_mutex_unlock(&in->lock);
    c->tried = c->bad_sums = 0;
}

static bool take_entry(struct input *in, struct cursor *c, uint64_t offset)
{
    pthread_mutex_lock(&in->lock);
    const struct rd_entry *e = rd_plan_find(&in->plan, offset);
    if (e != NULL) {
        c->entry = *e;
        (void)rd_page_ref(e->page);
    }
    pthread_mutex_unlock(&in->lock);
    return e != NULL;
}

/* Makes c->entry the block that holds offset. */
static int cursor_enter(struct input *in, struct cursor *c, uint64_t offset, struct err *err)
{
    if (c->entry.page != NULL && offset >= c->entry.offset &&
        offset - c->entry.offset < c->entry.length)
        return 0;
    cursor_leave(in, c);
    if (take_entry(in, c, offset))
        return 0;
    TRY(fetch(in, offset, err));
    if (take_entry(in, c, offset))
        return 0;
    return fail(err, ERR_BLOCK_MISSING, "the NameNode names no block for byte %llu of %s",
                (unsigned long long)offset, in->path);
}

/* b: the block, or the internal one of a group. */
static void report_bad(struct input *in, const Hdfs__LocatedBlock *block,
                       const Hdfs__ExtendedBlock *b, unsigned node)
{
    Hdfs__LocatedBlock one = *block;
    Hdfs__LocatedBlock *list[] = {&one};
    one.b = UNCONST(Hdfs__ExtendedBlock, b);
    one.has_block_indices = false;
    one.n_block_tokens = 0;
    one.n_locs = 1;
    one.locs = &block->locs[node];
    one.n_is_cached = 0;
    one.n_storage_types = node < block->n_storage_types ? 1 : 0;
    one.storage_types = one.n_storage_types > 0 ? &block->storage_types[node] : NULL;
    one.n_storage_ids = node < block->n_storage_ids ? 1 : 0;
    one.storage_ids = one.n_storage_ids > 0 ? &block->storage_ids[node] : NULL;
    Cp__ReportBadBlocksRequest request = CP__REPORT_BAD_BLOCKS_REQUEST__INIT;
    request.n_blocks = 1;
    request.blocks = list;
    Cp__ReportBadBlocksResponse *response;
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, 64 * 1024);
    if (META_CALL(in->env->meta, reportBadBlocks, &request, &arena, &response, &err) != 0)
        log_warn("corrupt replica not reported block=%llu error=%s",
                 (unsigned long long)b->block_id, log_quote(err.text));
    arena_fini(&arena);
}

static bool is_dead(void *input, const Hdfs__DatanodeInfo *node)
{
    struct input *in = input;
    pthread_mutex_lock(&in->lock);
    bool dead = rd_dead_has(&in->dead, node);
    pthread_mutex_unlock(&in->lock);
    return dead;
}

static void unit_worked(void *input, const Hdfs__DatanodeInfo *node)
{
    struct input *in = input;
    pthread_mutex_lock(&in->lock);
    rd_dead_remove(&in->dead, node);
    pthread_mutex_unlock(&in->lock);
}

/* A location of a group didn't deliver; the group lives on, perhaps. */
static void unit_failed(void *input, const Hdfs__LocatedBlock *group,
                        const Hdfs__ExtendedBlock *internal, unsigned location,
                        const struct err *why)
{
    struct input *in = input;
    log_debug("unit failed path=%s block=%lld node=%s:%u error=%s", log_quote(in->path),
              (long long)internal->block_id, group->locs[location]->id->ip_addr,
              group->locs[location]->id->xfer_port, log_quote(why->text));
    if (why->code == ERR_CHECKSUM)
        report_bad(in, group, internal, location);
    pthread_mutex_lock(&in->lock);
    rd_dead_add(&in->dead, group->locs[location]);
    pthread_mutex_unlock(&in->lock);
}

/* The node didn't deliver: remembers that and what it said. */
static void node_failed(struct input *in, struct cursor *c, unsigned node, const struct err *why)
{
    const Hdfs__LocatedBlock *block = c->entry.block;
    char name[300];
    node_address(block->locs[node]->id, in->env->use_hostname, name, sizeof(name));
    size_t used = strlen(c->story);
    snprintf(c->story + used, sizeof(c->story) - used, "%s%s: %.160s", used > 0 ? "; " : "", name,
             why->text);
    log_debug("replica failed path=%s block=%llu node=%s error=%s", log_quote(in->path),
              (unsigned long long)block->b->block_id, name, log_quote(why->text));
    c->tried |= 1ULL << node;
    if (why->code == ERR_CHECKSUM) {
        c->bad_sums |= 1ULL << node;
        /* when every replica seems bad the fault may be ours */
        if (block->n_locs == 1 || (size_t)__builtin_popcountll(c->bad_sums) < block->n_locs)
            report_bad(in, block, block->b, node);
    }
    pthread_mutex_lock(&in->lock);
    rd_dead_add(&in->dead, block->locs[node]);
    pthread_mutex_unlock(&in->lock);
}

static int missing(const struct input *in, struct cursor *c, struct err *err)
{
    const Hdfs__ExtendedBlock *b = c->entry.block->b;
    return fail(err, ERR_BLOCK_MISSING, "Could not obtain block: %s:blk_%lld_%llu file=%s. %s",
                b->pool_id, (long long)b->block_id, (unsigned long long)b->generation_stamp,
                in->path, c->story[0] != '\0' ? c->story : "No live nodes contain it");
}

/* Nobody is left to ask: waits and begins another round with fresh locations. */
static int next_round(struct input *in, struct cursor *c, uint64_t offset, struct err *err)
{
    if (c->rounds >= in->env->max_acquire_failures)
        return missing(in, c, err);
    int64_t wait = RETRY_WINDOW_MS * (int64_t)c->rounds;
    wait += (int64_t)(random_u64() % RETRY_WINDOW_MS) * (c->rounds + 1) / 2;
    c->rounds++;
    clock_sleep_ms(wait);
    pthread_mutex_lock(&in->lock);
    rd_dead_clear(&in->dead);
    pthread_mutex_unlock(&in->lock);
    cursor_leave(in, c);
    return fetch(in, offset, err);
}

static uint64_t range_end(const struct cursor *c, uint64_t offset)
{
    uint64_t start = offset - c->entry.offset, left = c->entry.length - start;
    return start + (c->window < left ? c->window : left);
}

/* All groups of a file have one policy. */
static int need_coder(struct input *in, const struct ec_policy *policy, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&in->lock);
    if (in->coder == NULL) {
        in->policy = *policy;
        rc = ec_coder_new(policy, &in->coder, err);
    } else if (in->policy.id != policy->id) {
        rc = fail(err, ERR_UNSUPPORTED, "%s has changed its erasure coding policy", in->path);
    }
    pthread_mutex_unlock(&in->lock);
    return rc;
}

static int open_group(struct input *in, struct cursor *c, uint64_t offset, struct err *err)
{
    struct ec_policy policy;
    TRY(ec_policy_take(c->entry.page->blocks->ec_policy, &policy, err));
    TRY(need_coder(in, &policy, err));
    TRY(rd_group_init(&c->layout, &policy, &c->entry, err));
    return group_in_open(in->env, &c->layout, c->entry.block, in->coder, &in->owner,
                         offset - c->entry.offset, range_end(c, offset), &c->group, err);
}

/* Opens a stream at offset, of a group or on the first replica that answers. */
static int cursor_open(struct input *in, struct cursor *c, uint64_t offset, struct err *err)
{
    for (;;) {
        TRY(cursor_enter(in, c, offset, err));
        if (c->entry.page->blocks->ec_policy != NULL)
            return open_group(in, c, offset, err);
        pthread_mutex_lock(&in->lock);
        int node = rd_choose(c->entry.block, &in->dead, c->tried);
        pthread_mutex_unlock(&in->lock);
        if (node < 0) {
            TRY(next_round(in, c, offset, err));
            continue;
        }
        struct err e = {0};
        int rc = block_in_open(in->env, c->entry.block, (unsigned)node, offset - c->entry.offset,
                               range_end(c, offset), &c->stream, &e);
        if (rc == 0)
            return 0;
        node_failed(in, c, (unsigned)node, &e);
    }
}

/* The stream has failed: gives it up, and asks for locations again where that is due. */
static int stream_failed(struct input *in, struct cursor *c, uint64_t offset, const struct err *why,
                         struct err *err)
{
    if (c->group == NULL) {
        unsigned node = block_in_node(c->stream);
        stream_close(c);
        node_failed(in, c, node, why);
        return 0;
    }
    stream_close(c);
    if (why->code != ERR_BLOCK_MISSING) {
        *err = *why;
        return why->code;
    }
    snprintf(c->story, sizeof(c->story), "%.600s", why->text);
    return next_round(in, c, offset, err);
}

/* At least one byte at offset, which is before the end of the file. */
static int cursor_read(struct input *in, struct cursor *c, uint64_t offset, void *data, size_t size,
                       size_t *ret, struct err *err)
{
    for (;;) {
        if (stream_is_open(c) &&
            (c->entry.offset + stream_position(c) != offset || stream_position(c) == stream_end(c)))
            stream_close(c);
        if (!stream_is_open(c))
            TRY(cursor_open(in, c, offset, err));
        struct err e = {0};
        int rc = c->group != NULL ? group_in_read(c->group, data, size, ret, &e)
                                  : block_in_read(c->stream, data, size, ret, &e);
        if (rc == 0) {
            c->rounds = 0;
            c->story[0] = '\0';
            return 0;
        }
        TRY(stream_failed(in, c, offset, &e, err));
    }
}

static int first_fetch(struct input *in, struct err *err)
{
    in->prefetch = in->env->prefetch_bytes;
    if (in->prefetch == 0)
        in->prefetch = PREFETCH_BLOCKS * in->env->block_size;
    return fetch(in, 0, err);
}

int input_open(struct io_env *env, const char *path, struct input **ret, struct err *err)
{
    size_t size = strlen(path) + 1;
    struct input *in = calloc(1, sizeof(*in) + size);
    if (in == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to open %s", path);
    in->env = env;
    memcpy(in->path, path, size);
    pthread_mutex_init(&in->lock, NULL);
    in->owner = (struct group_owner){in, is_dead, unit_failed, unit_worked};
    in->cursor.window = UINT64_MAX;
    int rc = first_fetch(in, err);
    if (rc != 0) {
        input_close(in);
        return rc;
    }
    *ret = in;
    return 0;
}

uint64_t input_length(const struct input *in)
{
    return in->length;
}

uint64_t input_tell(const struct input *in)
{
    return in->position;
}

int input_refresh(struct input *in, struct err *err)
{
    uint64_t length = in->length;
    return fetch(in, length > 0 ? length - 1 : 0, err);
}

/* At the known end of a file that is being written: looks whether there is more. */
static int look_for_more(struct input *in, uint64_t offset, struct err *err)
{
    if (offset < in->length)
        return 0;
    pthread_mutex_lock(&in->lock);
    bool growing = in->growing;
    pthread_mutex_unlock(&in->lock);
    return growing ? input_refresh(in, err) : 0;
}

/* True: the open stream goes on `ahead` (huge when backwards) bytes further. */
static bool skip_to(struct cursor *c, uint64_t ahead)
{
    if (!stream_is_open(c) || ahead > SKIP_MAX || ahead > stream_end(c) - stream_position(c))
        return false;
    if (c->group == NULL)
        return block_in_skip(c->stream, ahead, NULL) == 0;
    group_in_skip(c->group, ahead);
    return true;
}

int input_seek(struct input *in, uint64_t offset, struct err *err)
{
    struct cursor *c = &in->cursor;
    if (offset > in->length)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "seek to %llu, but %s has %llu bytes",
                    (unsigned long long)offset, in->path, (unsigned long long)in->length);
    if (offset == in->position)
        return 0;
    if (!skip_to(c, offset - in->position)) {
        stream_close(c);
        c->window = FIRST_WINDOW;
    }
    in->position = offset;
    return 0;
}

static size_t clip(const struct input *in, uint64_t offset, size_t size)
{
    uint64_t left = offset < in->length ? in->length - offset : 0;
    return size < left ? size : (size_t)left;
}

int input_read(struct input *in, void *data, size_t size, size_t *ret, struct err *err)
{
    struct cursor *c = &in->cursor;
    size_t done = 0;
    TRY(look_for_more(in, in->position, err));
    size = clip(in, in->position, size);
    while (done < size) {
        bool fresh = !stream_is_open(c);
        if (fresh && c->window < size - done)
            c->window = size - done;
        size_t n;
        int rc = cursor_read(in, c, in->position, (uint8_t *)data + done, size - done, &n, err);
        if (rc != 0 && done == 0)
            return rc;
        if (rc != 0)
            break; /* what came before counts; the error comes again with the next read */
        done += n;
        in->position += n;
        if (stream_position(c) == stream_end(c)) {
            stream_close(c);
            if (c->window < UINT64_MAX / 2)
                c->window *= 2;
        }
    }
    *ret = done;
    return 0;
}

int input_pread(struct input *in, void *data, size_t size, uint64_t offset, size_t *ret,
                struct err *err)
{
    struct cursor c = {0};
    size_t done = 0;
    int rc = look_for_more(in, offset, err);
    size = clip(in, offset, size);
    while (done < size && rc == 0) {
        size_t n = 0;
        c.window = size - done;
        rc = cursor_read(in, &c, offset + done, (uint8_t *)data + done, size - done, &n, err);
        done += n;
    }
    cursor_leave(in, &c);
    if (rc == 0)
        *ret = done;
    return rc;
}

void input_close(struct input *in)
{
    if (in == NULL)
        return;
    cursor_leave(in, &in->cursor);
    rd_plan_fini(&in->plan);
    ec_coder_free(in->coder);
    pthread_mutex_destroy(&in->lock);
    free(in);
}
