/* fixture.c - see fixture.h. */
#include "fixture.h"

#include <stdio.h>

static int commit(void *ctx, struct edit *e, struct err *err)
{
    struct fixture *f = ctx;
    e->txid = f->nn->last_txid + 1;
    TRY(edit_encode(&f->journal, e, err));
    f->edits++;
    return edit_apply(f->nn, e, err);
}

void fixture_init(struct fixture *f)
{
    struct nn_identity id = {.namespace_id = 7, .ctime_ms = 1};
    struct err err = {0};
    snprintf(id.cluster_id, sizeof(id.cluster_id), "CID-test");
    snprintf(id.block_pool_id, sizeof(id.block_pool_id), "BP-1-127.0.0.1-1");
    buf_fini(&f->journal);
    *f = (struct fixture){.user = "root", .now_ms = 1700000000000, .mono_ms = 1000, .rng = {1}};
    cr_assert_eq(nn_new(&id, "root", "supergroup", &f->nn, &err), 0, "%s", err.text);
    cr_assert_eq(edit_encode_header(&f->journal), 0);
    f->settings = (struct nn_settings){.block_size = 1 << 20,
                                       .min_block_size = 1024,
                                       .max_blocks_per_file = 3,
                                       .max_component_length = 255,
                                       .max_dir_items = 1000,
                                       .replication = 3,
                                       .replication_min = 1,
                                       .replication_max = 512,
                                       .list_limit = 2,
                                       .batched_list_limit = 100,
                                       .open_files_page = 1000,
                                       .corrupt_files_page = 100,
                                       .permissions_enabled = true,
                                       .quota_by_type_enabled = true,
                                       .lease_hard_limit_ms = 1200000,
                                       .heartbeat_interval_ms = 3000,
                                       .max_xattrs = 32,
                                       .max_xattr_size = 16384,
                                       .ec_user_policies = true,
                                       .supergroup = "supergroup"};
    f->env = (struct handler_env){.nn = f->nn,
                                  .settings = &f->settings,
                                  .shell = {.ctx = f, .commit = commit},
                                  .rng = &f->rng,
                                  .software_version = "3.4.3"};
    blocks_start(f->nn->blocks, f->nn->generation_stamp, f->mono_ms);
    (void)blocks_leave_safe_mode(f->nn->blocks, true, f->mono_ms);
    arena_init(&f->rpc.arena, 0);
    cr_assert_eq(do_mkdirs(f, "/tmp"), 0);
}

/* The journal alone leads to the same state. */
static void replay(struct fixture *f)
{
    struct nn *nn;
    struct arena arena;
    struct edit e;
    struct edit_reader reader;
    struct err err = {0};
    int rc;
    arena_init(&arena, 0);
    cr_assert_eq(nn_new(&f->nn->identity, "root", "supergroup", &nn, &err), 0);
    cr_assert_eq(edit_reader_init(&reader, buf_head(&f->journal), buf_size(&f->journal), 1, &err),
                 0);
    while ((rc = edit_read(&reader, &arena, &e, &err)) == EDIT_READ_ONE) {
        cr_assert_eq(edit_apply(nn, &e, &err), 0, "%s", err.text);
        arena_reset(&arena);
    }
    cr_assert_eq(rc, EDIT_READ_END, "%s", err.text);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
    cr_assert_eq(nn_digest(nn), nn_digest(f->nn), "the journal leads elsewhere");
    nn_free(nn);
    arena_fini(&arena);
}

void fixture_fini(struct fixture *f)
{
    struct err err = {0};
    cr_assert_eq(nn_verify(f->nn, &err), 0, "%s", err.text);
    blocks_verify(f->nn->blocks);
    replay(f);
    buf_fini(&f->journal);
    arena_fini(&f->rpc.arena);
    nn_free(f->nn);
}

static void prepare(struct fixture *f, const struct rpc_method *method, ProtobufCMessage *request)
{
    arena_reset(&f->rpc.arena);
    f->rpc.method = method;
    f->rpc.protocol = &f->protocol;
    f->protocol.name = "test";
    f->rpc.request = request;
    snprintf(f->rpc.peer_host, sizeof(f->rpc.peer_host), "127.0.0.1");
    f->call = (struct call){.env = &f->env,
                            .rpc = &f->rpc,
                            .who = {.user = f->user, .superuser = strcmp(f->user, "root") == 0},
                            .now_ms = ++f->now_ms,
                            .mono_ms = ++f->mono_ms};
    ns_set_now(f->nn->ns, f->mono_ms);
}

int client_call(struct fixture *f, enum client_method method, ProtobufCMessage *request)
{
    prepare(f, &rpc_client_methods[method], request);
    return handle_client_call(&f->call);
}

int datanode_call(struct fixture *f, enum datanode_method method, ProtobufCMessage *request)
{
    prepare(f, &rpc_datanode_methods[method], request);
    return handle_datanode_call(&f->call);
}

int namenode_call(struct fixture *f, enum namenode_method method, ProtobufCMessage *request)
{
    prepare(f, &rpc_namenode_methods[method], request);
    return handle_namenode_call(&f->call);
}

struct registration {
    char uuid[16];
    Hdfs__DatanodeID id;
    Dp__StorageInfo info;
    Dp__BlockKey key;
    Dp__ExportedBlockKeys keys;
    Dp__DatanodeRegistration message;
};

static void make_registration(const struct fixture *f, int i, struct registration *r)
{
    hdfs__datanode_id__init(&r->id);
    dp__storage_info__init(&r->info);
    dp__block_key__init(&r->key);
    dp__exported_block_keys__init(&r->keys);
    dp__datanode_registration__init(&r->message);
    snprintf(r->uuid, sizeof(r->uuid), "dn%d", i);
    r->id.ip_addr = r->id.host_name = (char *)"127.0.0.1";
    r->id.datanode_uuid = r->uuid;
    r->id.xfer_port = (uint32_t)(1000 + i);
    r->info.cluster_id = (char *)f->nn->identity.cluster_id;
    r->info.namespace_id = (uint32_t)f->nn->identity.namespace_id;
    r->info.c_time = f->nn->identity.ctime_ms;
    r->keys.current_key = &r->key;
    r->message.datanode_id = &r->id;
    r->message.storage_info = &r->info;
    r->message.keys = &r->keys;
    r->message.software_version = (char *)"3.4.3";
}

static void make_storage(char name[16], int i, Hdfs__DatanodeStorage *s)
{
    hdfs__datanode_storage__init(s);
    snprintf(name, 16, "ds%d", i);
    s->storage_uuid = name;
}

const Dp__SendHeartbeatResponse *heartbeat(struct fixture *f, int i)
{
    struct registration r;
    char name[16];
    Hdfs__DatanodeStorage storage;
    make_registration(f, i, &r);
    make_storage(name, i, &storage);
    Hdfs__StorageReport report = HDFS__STORAGE_REPORT__INIT, *reports[] = {&report};
    report.storage_uuid = name;
    report.storage = &storage;
    report.has_capacity = report.has_remaining = true;
    report.capacity = report.remaining = (uint64_t)1 << 40;
    Dp__SendHeartbeatRequest beat = DP__SEND_HEARTBEAT_REQUEST__INIT;
    beat.registration = &r.message;
    beat.reports = reports;
    beat.n_reports = 1;
    cr_assert_eq(datanode_call(f, DATANODE_sendHeartbeat, &beat.base), 0, "%s", f->call.err.text);
    return (const Dp__SendHeartbeatResponse *)f->call.response;
}

void add_datanode(struct fixture *f, int i)
{
    struct registration r;
    char name[16];
    Hdfs__DatanodeStorage storage;
    make_registration(f, i, &r);
    make_storage(name, i, &storage);
    Dp__RegisterDatanodeRequest reg = DP__REGISTER_DATANODE_REQUEST__INIT;
    reg.registration = &r.message;
    cr_assert_eq(datanode_call(f, DATANODE_registerDatanode, &reg.base), 0, "%s", f->call.err.text);

    cr_assert_eq(heartbeat(f, i)->n_cmds, 0);
    Dp__StorageBlockReport blocks = DP__STORAGE_BLOCK_REPORT__INIT, *all[] = {&blocks};
    blocks.storage = &storage;
    blocks.has_number_of_blocks = true;
    Dp__BlockReportRequest full = DP__BLOCK_REPORT_REQUEST__INIT;
    full.registration = &r.message;
    full.block_pool_id = f->nn->identity.block_pool_id;
    full.reports = all;
    full.n_reports = 1;
    cr_assert_eq(datanode_call(f, DATANODE_blockReport, &full.base), 0, "%s", f->call.err.text);
}

void report_received(struct fixture *f, int i, const Hdfs__ExtendedBlock *block, uint64_t length)
{
    report(f, i, block, length, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED);
}

void report(struct fixture *f, int i, const Hdfs__ExtendedBlock *block, uint64_t length,
            Dp__ReceivedDeletedBlockInfo__BlockStatus status)
{
    struct registration r;
    char name[16];
    Hdfs__DatanodeStorage storage;
    make_registration(f, i, &r);
    make_storage(name, i, &storage);
    Hdfs__Block b = HDFS__BLOCK__INIT;
    b.block_id = block->block_id;
    b.gen_stamp = block->generation_stamp;
    b.has_num_bytes = true;
    b.num_bytes = length;
    Dp__ReceivedDeletedBlockInfo info = DP__RECEIVED_DELETED_BLOCK_INFO__INIT, *infos[] = {&info};
    info.block = &b;
    info.status = status;
    Dp__StorageReceivedDeletedBlocks list = DP__STORAGE_RECEIVED_DELETED_BLOCKS__INIT,
                                     *lists[] = {&list};
    list.storage_uuid = name;
    list.storage = &storage;
    list.blocks = infos;
    list.n_blocks = 1;
    Dp__BlockReceivedAndDeletedRequest req = DP__BLOCK_RECEIVED_AND_DELETED_REQUEST__INIT;
    req.registration = &r.message;
    req.block_pool_id = f->nn->identity.block_pool_id;
    req.blocks = lists;
    req.n_blocks = 1;
    cr_assert_eq(datanode_call(f, DATANODE_blockReceivedAndDeleted, &req.base), 0, "%s",
                 f->call.err.text);
}

int do_mkdirs(struct fixture *f, const char *path)
{
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0755;
    Cp__MkdirsRequest req = CP__MKDIRS_REQUEST__INIT;
    req.src = (char *)path;
    req.masked = &mode;
    req.create_parent = true;
    return client_call(f, CLIENT_mkdirs, &req.base);
}

int do_create(struct fixture *f, const char *path, const char *client, uint32_t flag)
{
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0644;
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    req.src = (char *)path;
    req.masked = &mode;
    req.client_name = (char *)client;
    req.create_flag = flag;
    req.create_parent = true;
    req.replication = 3;
    req.block_size = 1 << 20;
    return client_call(f, CLIENT_create, &req.base);
}

int do_complete(struct fixture *f, const char *path, const char *client,
                const Hdfs__ExtendedBlock *last, bool *ret_done)
{
    Cp__CompleteRequest req = CP__COMPLETE_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)client;
    req.last = (Hdfs__ExtendedBlock *)last;
    TRY(client_call(f, CLIENT_complete, &req.base));
    *ret_done = ((const Cp__CompleteResponse *)f->call.response)->result;
    return 0;
}

int do_add_block(struct fixture *f, const char *path, const char *client,
                 Hdfs__ExtendedBlock *previous, Hdfs__ExtendedBlock *ret)
{
    Cp__AddBlockRequest req = CP__ADD_BLOCK_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)client;
    req.previous = previous;
    TRY(client_call(f, CLIENT_addBlock, &req.base));
    const Hdfs__LocatedBlock *block = ((const Cp__AddBlockResponse *)f->call.response)->block;
    *ret = *block->b;
    ret->pool_id = f->nn->identity.block_pool_id; /* the answer goes with the next call */
    return 0;
}
