/* report.c - the full block report: every replica of every volume.
 * The map is read in slices, not as a snapshot. What changes meanwhile is in the queue of single
 * events, which is sent after this report, so the NameNode ends with the truth. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { SLICE = 2048, BUFFER = 64 * 1024 };

/* One storage: the buffer form, or the numbers of the older form. */
struct storage_list {
    struct buf bytes;
    uint64_t count;
    uint64_t *finalized, *open; /* three and four numbers each */
    size_t finalized_count, finalized_capacity, open_count, open_capacity;
};

struct full_report {
    struct actor *actor;
    struct volume_info volumes[STORE_MAX_VOLUMES];
    size_t volume_count;
    struct storage_list lists[STORE_MAX_VOLUMES];
    uint64_t total;
};

static int add_bytes(struct storage_list *l, const struct replica_info *r)
{
    uint8_t *start = buf_reserve(&l->bytes, 40), *p = start;
    if (p == NULL)
        return ERR_NO_MEMORY;
    p = put_varint(p, r->block.id << 1 ^ (uint64_t)((int64_t)r->block.id >> 63)); /* zigzag */
    p = put_varint(p, r->block.length);
    p = put_varint(p, r->block.gen_stamp);
    p = put_varint(p, (uint64_t)r->state);
    buf_commit(&l->bytes, (size_t)(p - start));
    return 0;
}

static int add_number(uint64_t **numbers, size_t *count, size_t *capacity, uint64_t n)
{
    if (*count == *capacity) {
        size_t more = *capacity == 0 ? 256 : *capacity * 2;
        uint64_t *grown = realloc(*numbers, more * sizeof(**numbers));
        if (grown == NULL)
            return ERR_NO_MEMORY;
        *numbers = grown;
        *capacity = more;
    }
    (*numbers)[(*count)++] = n;
    return 0;
}

static int add_numbers(struct storage_list *l, const struct replica_info *r)
{
    const uint64_t values[] = {r->block.id, r->block.length, r->block.gen_stamp,
                               (uint64_t)r->state};
    bool finalized = r->state == REPLICA_FINALIZED;
    for (size_t i = 0; i < (finalized ? 3u : 4u); i++)
        TRY(finalized
                ? add_number(&l->finalized, &l->finalized_count, &l->finalized_capacity, values[i])
                : add_number(&l->open, &l->open_count, &l->open_capacity, values[i]));
    return 0;
}

static int collect(struct full_report *f, struct err *err)
{
    struct replica_info slice[SLICE];
    uint32_t cursor = 0;
    size_t n;
    while ((n = pool_list(f->actor->pool, &cursor, slice, SLICE)) > 0)
        for (size_t i = 0; i < n; i++) {
            if (slice[i].state == REPLICA_TEMPORARY)
                continue;
            struct storage_list *l = &f->lists[slice[i].volume];
            int rc = f->actor->buffers ? add_bytes(l, &slice[i]) : add_numbers(l, &slice[i]);
            if (rc != 0)
                return fail(err, rc, "no memory for a block report");
            l->count++;
            f->total++;
        }
    return 0;
}

/* The bytes in pieces, as readers expect them. */
static int set_buffers(Dp__StorageBlockReport *s, struct storage_list *l, struct arena *arena)
{
    size_t size = buf_size(&l->bytes), pieces = (size + BUFFER - 1) / BUFFER;
    s->has_number_of_blocks = true;
    s->number_of_blocks = l->count;
    s->blocks_buffers = arena_array(arena, ProtobufCBinaryData, pieces + 1);
    if (s->blocks_buffers == NULL)
        return ERR_NO_MEMORY;
    for (size_t at = 0; at < size; at += BUFFER)
        s->blocks_buffers[s->n_blocks_buffers++] = (ProtobufCBinaryData){
            size - at < BUFFER ? size - at : BUFFER, buf_head(&l->bytes) + at};
    return 0;
}

/* counts, finalized ones, three times -1, open ones */
static int set_numbers(Dp__StorageBlockReport *s, const struct storage_list *l, struct arena *arena)
{
    size_t n = 2 + l->finalized_count + 3 + l->open_count;
    uint64_t *all = arena_array(arena, uint64_t, n), *at = all;
    if (all == NULL)
        return ERR_NO_MEMORY;
    *at++ = l->finalized_count / 3;
    *at++ = l->open_count / 4;
    for (size_t i = 0; i < l->finalized_count; i++)
        *at++ = l->finalized[i];
    for (int i = 0; i < 3; i++)
        *at++ = UINT64_MAX;
    for (size_t i = 0; i < l->open_count; i++)
        *at++ = l->open[i];
    s->blocks = all;
    s->n_blocks = n;
    return 0;
}

static Dp__StorageBlockReport *storage_message_of(struct full_report *f, size_t volume,
                                                  struct arena *arena)
{
    static const Dp__StorageBlockReport init = DP__STORAGE_BLOCK_REPORT__INIT;
    const struct volume_info *v = &f->volumes[volume];
    struct storage_list *l = &f->lists[volume];
    Dp__StorageBlockReport *s = arena_new(arena, Dp__StorageBlockReport);
    if (s == NULL)
        return NULL;
    *s = init;
    s->storage = storage_message(arena, v->storage_id, v->type);
    int rc = f->actor->buffers ? set_buffers(s, l, arena) : set_numbers(s, l, arena);
    return s->storage == NULL || rc != 0 ? NULL : s;
}

static int send_part(struct full_report *f, Dp__StorageBlockReport **reports, size_t count,
                     Dp__BlockReportContext *context, struct arena *arena, struct err *err)
{
    struct actor *a = f->actor;
    Dp__BlockReportRequest request = DP__BLOCK_REPORT_REQUEST__INIT;
    ProtobufCMessage *m;
    request.registration = actor_registration(a, arena);
    if (request.registration == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a block report");
    request.block_pool_id = (char *)(uintptr_t)pool_id(a->pool);
    request.reports = reports;
    request.n_reports = count;
    request.context = context;
    TRY(actor_call(a, DATANODE_blockReport, &request.base, arena, &m, err));
    Dp__BlockReportResponse *response = (Dp__BlockReportResponse *)m;
    if (response->cmd != NULL)
        commands_run(a, &response->cmd, 1);
    return 0;
}

static int send_all(struct full_report *f, struct arena *arena, struct err *err)
{
    struct actor *a = f->actor;
    Dp__BlockReportContext context = DP__BLOCK_REPORT_CONTEXT__INIT;
    Dp__StorageBlockReport *reports[STORE_MAX_VOLUMES];
    size_t count = 0;
    for (size_t i = 0; i < f->volume_count; i++) {
        if (f->volumes[i].failed)
            continue;
        reports[count] = storage_message_of(f, i, arena);
        if (reports[count++] == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a block report");
    }
    int64_t split = atomic_load(&a->control->report_split);
    size_t step = f->total > (uint64_t)split ? 1 : count;
    context.total_rpcs = step == count ? 1 : (int32_t)count;
    context.id = (int64_t)random_u64();
    context.has_lease_id = true;
    context.lease_id = a->lease_id;
    for (size_t i = 0; i < count; i += step, context.cur_rpc++)
        TRY(send_part(f, reports + i, step, &context, arena, err));
    return 0;
}

int full_report_send(struct actor *a, struct err *err)
{
    int64_t start_ms = clock_monotonic_ms();
    struct full_report *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a block report");
    struct arena arena;
    arena_init(&arena, CALL_MEMORY);
    f->actor = a;
    pthread_mutex_lock(&a->lock);
    a->queue.overflown =
        false; /* events from here on are queued again; older ones are in the map */
    pthread_mutex_unlock(&a->lock);
    f->volume_count = store_volumes(a->control->options.store, a->pool, f->volumes);
    int rc = collect(f, err);
    if (rc == 0)
        rc = send_all(f, &arena, err);
    metric_add(METRIC_full_reports_sent, rc == 0);
    if (rc == 0)
        log_info("full block report sent namenode=%s pool=%s replicas=%llu storages=%zu ms=%lld",
                 a->name, pool_id(a->pool), (unsigned long long)f->total, f->volume_count,
                 (long long)(clock_monotonic_ms() - start_ms));
    if (rc == ERR_REPORT_LEASE)
        a->lease_id = 0; /* the next heartbeat asks for another */
    for (size_t i = 0; i < STORE_MAX_VOLUMES; i++) {
        buf_fini(&f->lists[i].bytes);
        free(f->lists[i].finalized);
        free(f->lists[i].open);
    }
    arena_fini(&arena);
    free(f);
    return rc;
}

/* --- bad replicas --- */

static int tell_bad(struct actor *a, const struct block *block, struct arena *arena,
                    struct err *err)
{
    Dp__ReportBadBlocksRequest request = DP__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Hdfs__LocatedBlock located = HDFS__LOCATED_BLOCK__INIT, *blocks[] = {&located};
    Hdfs__ExtendedBlock b = HDFS__EXTENDED_BLOCK__INIT;
    Hdfs__DatanodeInfo info = HDFS__DATANODE_INFO__INIT, *infos[] = {&info};
    Rpc__Token token = RPC__TOKEN__INIT;
    ProtobufCMessage *m;
    Dp__DatanodeRegistration *registration = actor_registration(a, arena);
    if (registration == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a report");
    token.kind = token.service = (char *)(uintptr_t) "";
    b.pool_id = (char *)(uintptr_t)pool_id(a->pool);
    b.block_id = block->id;
    b.generation_stamp = block->gen_stamp;
    b.has_num_bytes = true;
    b.num_bytes = block->length;
    info.id = registration->datanode_id;
    located.b = &b;
    located.locs = infos;
    located.n_locs = 1;
    located.block_token = &token;
    request.blocks = blocks;
    request.n_blocks = 1;
    return actor_call(a, DATANODE_reportBadBlocks, &request.base, arena, &m, err);
}

static bool first_bad(struct actor *a, struct block *ret)
{
    pthread_mutex_lock(&a->lock);
    bool any = a->bad_count > 0;
    *ret = a->bad[0];
    pthread_mutex_unlock(&a->lock);
    return any;
}

/* Others only append. */
static void drop_first_bad(struct actor *a)
{
    pthread_mutex_lock(&a->lock);
    a->bad_count--;
    memmove(a->bad, a->bad + 1, a->bad_count * sizeof(a->bad[0]));
    pthread_mutex_unlock(&a->lock);
}

/* The call may not have come there. */
static bool may_try_again(int code)
{
    return code == ERR_CONNECT || code == ERR_TIMEOUT || code == ERR_EOF || code == ERR_CLOSED;
}

int bad_blocks_send(struct actor *a, struct err *err)
{
    struct block bad;
    while (first_bad(a, &bad)) {
        struct arena arena;
        arena_init(&arena, CALL_MEMORY);
        int rc = tell_bad(a, &bad, &arena, err);
        arena_fini(&arena);
        if (may_try_again(rc))
            return rc; /* the rest waits until the NameNode answers */
        if (rc != 0)   /* it doesn't want to know: heartbeats and reports must go on */
            log_limited(LOG_WARN, "a report of a bad replica is refused block=%lld cause=%s",
                        (long long)bad.id, log_quote(err->text));
        *err = (struct err){0};
        drop_first_bad(a);
    }
    return 0;
}

/* --- disks --- */

int error_send(struct actor *a, bool fatal_only, struct err *err)
{
    Dp__ErrorReportRequest request = DP__ERROR_REPORT_REQUEST__INIT;
    char text[sizeof(a->error_text)];
    struct arena arena;
    ProtobufCMessage *m;
    pthread_mutex_lock(&a->lock);
    bool fatal = a->error == FATAL_ERROR, wanted = fatal || (a->error != NO_ERROR && !fatal_only);
    memcpy(text, a->error_text, sizeof(text));
    if (wanted)
        a->error = NO_ERROR;
    pthread_mutex_unlock(&a->lock);
    if (!wanted)
        return 0;
    arena_init(&arena, CALL_MEMORY);
    request.registration = actor_registration(a, &arena);
    request.error_code = fatal ? DP__ERROR_REPORT_REQUEST__ERROR_CODE__FATAL_DISK_ERROR
                               : DP__ERROR_REPORT_REQUEST__ERROR_CODE__DISK_ERROR;
    request.msg = text;
    int rc = request.registration == NULL
                 ? fail(err, ERR_NO_MEMORY, "no memory for a report")
                 : actor_call(a, DATANODE_errorReport, &request.base, &arena, &m, err);
    arena_fini(&arena);
    return rc;
}
