/* say.c - what a model DataNode says to the NameNode, and what the NameNode makes of it. See sim.h.
 * A message is built when it is sent, so what it tells may be old when it arrives. Its answer is
 * taken apart at once: the NameNode that gave it may be gone when the answer arrives. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { PORT = 9866, ENTRY_MAX = 40, ALL_DISKS = (1 << SIM_DISKS) - 1 };

#define NEW(m, type, stem, var)                             \
    type *var = arena_alloc(&(m)->rpc.arena, sizeof(type)); \
    CHECK(var != NULL);                                     \
    stem##__init(var)

char *peer_uuid(struct arena *a, const struct peer *p)
{
    return arena_printf(a, "dn%u", p->id);
}

char *disk_uuid(struct arena *a, const struct peer *p, uint32_t disk)
{
    return arena_printf(a, "DS-%u-%u-%u", disk, p->id, p->disk_number[disk]);
}

uint32_t peer_named(const char *uuid)
{
    return (uint32_t)strtoul(uuid + 2, NULL, 10);
}

uint8_t disk_named(const char *uuid)
{
    return (uint8_t)strtoul(uuid + 3, NULL, 10);
}

void told_push(struct told_list *l, const struct told *t)
{
    l->at = sim_grow(l->at, l->count, &l->capacity, sizeof(*l->at));
    l->at[l->count++] = *t;
}

void say_unref(struct message *m)
{
    if (--m->refs > 0)
        return;
    arena_fini(&m->rpc.arena);
    free(m->sent.at);
    free(m);
}

static Dp__DatanodeRegistration *registration(struct sim *s, struct message *m)
{
    NEW(m, Hdfs__DatanodeID, hdfs__datanode_id, id);
    NEW(m, Dp__StorageInfo, dp__storage_info, info);
    NEW(m, Dp__BlockKey, dp__block_key, key);
    NEW(m, Dp__ExportedBlockKeys, dp__exported_block_keys, keys);
    NEW(m, Dp__DatanodeRegistration, dp__datanode_registration, r);
    struct arena *a = &m->rpc.arena;
    id->ip_addr = m->rpc.peer_host;
    id->host_name = arena_printf(a, "host%u", m->from->id);
    id->datanode_uuid = peer_uuid(a, m->from);
    id->xfer_port = PORT;
    info->cluster_id = arena_strdup(a, s->nn->identity.cluster_id);
    info->namespace_id = (uint32_t)s->nn->identity.namespace_id;
    info->c_time = s->nn->identity.ctime_ms;
    keys->current_key = key;
    r->datanode_id = id;
    r->storage_info = info;
    r->keys = keys;
    r->software_version = (char *)"3.4.3";
    return r;
}

static Hdfs__DatanodeStorage *storage_message(struct message *m, uint32_t disk)
{
    NEW(m, Hdfs__DatanodeStorage, hdfs__datanode_storage, storage);
    storage->storage_uuid = disk_uuid(&m->rpc.arena, m->from, disk);
    return storage;
}

static char *pool_name(struct sim *s, struct message *m)
{
    return arena_strdup(&m->rpc.arena, s->nn->identity.block_pool_id);
}

static ProtobufCMessage *make_register(struct sim *s, struct message *m)
{
    NEW(m, Dp__RegisterDatanodeRequest, dp__register_datanode_request, req);
    req->registration = registration(s, m);
    return &req->base;
}

static Hdfs__StorageReport *volume(struct sim *s, struct message *m, uint32_t disk)
{
    NEW(m, Hdfs__StorageReport, hdfs__storage_report, r);
    r->storage = storage_message(m, disk);
    r->storage_uuid = r->storage->storage_uuid;
    r->has_capacity = r->has_remaining = true;
    r->capacity = (uint64_t)1 << 40;
    r->remaining = ((uint64_t)1 << 39) + rng_below(&s->rng, (uint64_t)1 << 38);
    return r;
}

static ProtobufCMessage *make_beat(struct sim *s, struct message *m)
{
    struct peer *p = m->from;
    NEW(m, Dp__SendHeartbeatRequest, dp__send_heartbeat_request, req);
    req->registration = registration(s, m);
    req->reports = arena_array(&m->rpc.arena, Hdfs__StorageReport *, SIM_DISKS);
    for (uint32_t d = 0; d < SIM_DISKS; d++)
        if (!p->disk_bad[d])
            req->reports[req->n_reports++] = volume(s, m, d);
    req->has_xmits_in_progress = req->has_xceiver_count = req->has_failed_volumes = true;
    req->xmits_in_progress = p->copies;
    req->xceiver_count = p->copies + (uint32_t)rng_below(&s->rng, 3);
    req->failed_volumes = p->failed_volumes;
    req->has_request_full_block_report_lease = true;
    req->request_full_block_report_lease = p->lease == 0 && p->report_due <= s->now;
    return &req->base;
}

static Dp__ReceivedDeletedBlockInfo *change(struct message *m, const struct told *t)
{
    NEW(m, Hdfs__Block, hdfs__block, block);
    NEW(m, Dp__ReceivedDeletedBlockInfo, dp__received_deleted_block_info, info);
    block->block_id = t->id;
    block->gen_stamp = t->stamp;
    block->has_num_bytes = true;
    block->num_bytes = t->length;
    info->block = block;
    info->status = (Dp__ReceivedDeletedBlockInfo__BlockStatus)t->status;
    return info;
}

static ProtobufCMessage *make_changes(struct sim *s, struct message *m)
{
    NEW(m, Dp__BlockReceivedAndDeletedRequest, dp__block_received_and_deleted_request, req);
    struct arena *a = &m->rpc.arena;
    m->sent = m->from->changes;
    m->from->changes = (struct told_list){0};
    req->registration = registration(s, m);
    req->block_pool_id = pool_name(s, m);
    req->blocks = arena_array(a, Dp__StorageReceivedDeletedBlocks *, SIM_DISKS);
    for (uint32_t d = 0; d < SIM_DISKS; d++) {
        NEW(m, Dp__StorageReceivedDeletedBlocks, dp__storage_received_deleted_blocks, list);
        list->storage = storage_message(m, d);
        list->storage_uuid = list->storage->storage_uuid;
        list->blocks = arena_array(a, Dp__ReceivedDeletedBlockInfo *, m->sent.count);
        for (uint32_t i = 0; i < m->sent.count; i++)
            if (m->sent.at[i].disk == d)
                list->blocks[list->n_blocks++] = change(m, &m->sent.at[i]);
        if (list->n_blocks > 0)
            req->blocks[req->n_blocks++] = list;
    }
    return &req->base;
}

static Dp__StorageBlockReport *storage_report(struct sim *s, struct message *m, uint32_t disk)
{
    NEW(m, Dp__StorageBlockReport, dp__storage_block_report, list);
    uint8_t *bytes = arena_alloc(&m->rpc.arena, s->truth_count * ENTRY_MAX + 1), *end = bytes;
    CHECK(bytes != NULL);
    list->storage = storage_message(m, disk);
    list->has_number_of_blocks = true;
    for (size_t i = 0; i < s->truth_count; i++) {
        const struct held *h = s->truths[i] == NULL ? NULL : held_here(s->truths[i], m->from->id);
        if (h == NULL || h->disk != disk)
            continue;
        end = put_varint(end, s->truths[i]->id << 1);
        end = put_varint(end, h->length);
        end = put_varint(end, h->stamp);
        end = put_varint(end, h->state);
        list->number_of_blocks++;
    }
    size_t size = (size_t)(end - bytes), cut = rng_below(&s->rng, size + 1);
    list->blocks_buffers = arena_array(&m->rpc.arena, ProtobufCBinaryData, 2);
    list->blocks_buffers[0] = (ProtobufCBinaryData){cut, bytes};
    list->blocks_buffers[1] = (ProtobufCBinaryData){size - cut, bytes + cut};
    list->n_blocks_buffers = 2;
    return list;
}

static ProtobufCMessage *make_report(struct sim *s, struct message *m)
{
    NEW(m, Dp__BlockReportRequest, dp__block_report_request, req);
    NEW(m, Dp__BlockReportContext, dp__block_report_context, context);
    context->total_rpcs = 1;
    context->id = (int64_t)s->counts.events;
    context->has_lease_id = true;
    context->lease_id = m->from->lease;
    req->registration = registration(s, m);
    req->block_pool_id = pool_name(s, m);
    req->context = context;
    req->reports = arena_array(&m->rpc.arena, Dp__StorageBlockReport *, SIM_DISKS);
    for (uint32_t d = 0; d < SIM_DISKS; d++)
        if (!m->from->disk_bad[d])
            req->reports[req->n_reports++] = storage_report(s, m, d);
    return &req->base;
}

struct message *say_new(struct sim *s, struct peer *p, enum message_kind kind)
{
    static const enum datanode_method methods[] = {
        DATANODE_registerDatanode, DATANODE_sendHeartbeat, DATANODE_blockReceivedAndDeleted,
        DATANODE_blockReport};
    struct message *m = calloc(1, sizeof(*m));
    CHECK(m != NULL);
    arena_init(&m->rpc.arena, 0);
    m->refs = 1;
    m->kind = kind;
    m->from = p;
    m->incarnation = p->incarnation;
    m->epoch = s->epoch;
    m->snapshot = s->counts.events;
    for (uint32_t d = 0; d < SIM_DISKS; d++)
        m->disks |= (uint32_t)!p->disk_bad[d] << d;
    snprintf(m->rpc.peer_host, sizeof(m->rpc.peer_host), "10.%u.%u.%u", p->id >> 16,
             (p->id >> 8) & 255, p->id & 255);
    ProtobufCMessage *request = kind == SAY_REGISTER  ? make_register(s, m)
                                : kind == SAY_BEAT    ? make_beat(s, m)
                                : kind == SAY_CHANGES ? make_changes(s, m)
                                                      : make_report(s, m);
    m->rpc.method = &rpc_datanode_methods[methods[kind]];
    m->rpc.request = request;
    return m;
}

/* ---- the NameNode's end ---- */

static void take_block(struct message *m, const Dp__BlockCommand *c, size_t i)
{
    struct order *o = &m->orders[m->order_count++];
    const Hdfs__Block *b = c->blocks[i];
    *o = (struct order){.kind = c->action == DP__BLOCK_COMMAND__ACTION__TRANSFER ? ORDER_COPY
                                                                                 : ORDER_DELETE,
                        .id = b->block_id,
                        .stamp = b->gen_stamp,
                        .length = b->num_bytes};
    const Hdfs__DatanodeInfos *targets = c->targets[i];
    for (size_t k = 0; k < targets->n_datanodes && k < SIM_TARGETS; k++)
        o->targets[o->target_count++] = peer_named(targets->datanodes[k]->id->datanode_uuid);
}

static void take_recovery(struct message *m, const Dp__RecoveringBlock *r)
{
    struct order *o = &m->orders[m->order_count++];
    *o = (struct order){.kind = ORDER_RECOVER,
                        .id = r->block->b->block_id,
                        .stamp = r->block->b->generation_stamp,
                        .length = r->block->b->num_bytes,
                        .new_stamp = r->new_gen_stamp,
                        .cut = r->truncate_block != NULL,
                        .cut_length = r->truncate_block == NULL ? 0 : r->truncate_block->num_bytes};
    for (size_t k = 0; k < r->block->n_locs && k < SIM_TARGETS; k++)
        o->targets[o->target_count++] = peer_named(r->block->locs[k]->id->datanode_uuid);
}

static void take_commands(struct message *m, Dp__DatanodeCommand **cmds, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += cmds[i]->blk_cmd != NULL        ? cmds[i]->blk_cmd->n_blocks
                 : cmds[i]->recovery_cmd != NULL ? cmds[i]->recovery_cmd->n_blocks
                                                 : 0;
    m->orders = arena_array(&m->rpc.arena, struct order, total);
    for (size_t i = 0; i < count; i++) {
        const Dp__DatanodeCommand *c = cmds[i];
        m->must_register |= c->cmd_type == DP__DATANODE_COMMAND__TYPE__RegisterCommand;
        for (size_t k = 0; c->blk_cmd != NULL && k < c->blk_cmd->n_blocks; k++)
            take_block(m, c->blk_cmd, k);
        for (size_t k = 0; c->recovery_cmd != NULL && k < c->recovery_cmd->n_blocks; k++)
            take_recovery(m, c->recovery_cmd->blocks[k]);
    }
}

/* From now on the NameNode has no excuse for believing otherwise. */
static void mark_told(struct sim *s, const struct message *m)
{
    for (uint32_t i = 0; i < m->sent.count; i++) {
        struct truth *t = truth_of(s, m->sent.at[i].id);
        struct held *h = t == NULL ? NULL : held_find(t, m->from->id);
        if (h != NULL && h->gone && m->sent.at[i].status == BLOCK_DELETED &&
            m->sent.at[i].stamp == h->stamp)
            h->told = true;
    }
    bool report = m->kind == SAY_REPORT;
    if (!report && (m->kind != SAY_BEAT || m->disks == ALL_DISKS))
        return;
    /* a report tells of the disks in it, a heartbeat of those that aren't */
    for (size_t i = 0; i < s->truth_count; i++) {
        struct held *h = s->truths[i] == NULL ? NULL : held_find(s->truths[i], m->from->id);
        bool named = h != NULL && (m->disks >> h->disk & 1) != 0;
        if (h != NULL && named == report && (h->gone || h->hurt) && h->changed < m->snapshot)
            h->told = true;
    }
}

static void take_answer(struct sim *s, struct message *m)
{
    if (m->rc != 0) {
        sim_trace(s, "NameNode refuses", m->from->id, 0, (uint64_t)m->kind, (uint64_t)-m->rc);
        return;
    }
    if (m->kind == SAY_BEAT) {
        const Dp__SendHeartbeatResponse *res = (const void *)m->call.response;
        take_commands(m, res->cmds, res->n_cmds);
        m->lease = res->has_full_block_report_lease_id ? res->full_block_report_lease_id : 0;
        check_orders(s, m->from, m);
    } else if (m->kind == SAY_REPORT) {
        const Dp__BlockReportResponse *res = (const void *)m->call.response;
        m->must_register =
            res->cmd != NULL && res->cmd->cmd_type == DP__DATANODE_COMMAND__TYPE__RegisterCommand;
    }
    if (!m->must_register)
        mark_told(s, m);
}

bool say_arrive(struct sim *s, struct message *m)
{
    struct rpc_call *rpc = &m->rpc;
    if (m->call.env == NULL) {
        name_prepare(s, rpc, &m->call, rpc->method, rpc->request);
        m->call.rack = arena_printf(&rpc->arena, "/r%u", m->from->rack);
    }
    m->call.mono_ms = s->now;
    ns_set_now(s->nn->ns, s->now);
    m->rc = handle_datanode_call(&m->call);
    s->counts.report_turns += m->kind == SAY_REPORT;
    if (m->rc == CALL_AGAIN)
        return false;
    take_answer(s, m);
    return true;
}
