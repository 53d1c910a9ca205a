/* probe.c - asks several DataNodes at once whether they are at work, without waiting for them.
 * Thread: one short-lived thread a node; the asker looks at the signs when he likes. A thread that
 * waits for a stopped process ends with the RPC time-out; struct meta counts them, so that it is
 * not freed under them. Lock order: probe.lock is a leaf. */
#include <pthread.h>
#include <stdlib.h>

#include "common/io/io.h"
#include "dnipc.pb-c.h"
#include "libdfs/meta/internal.h"

struct asker {
    struct probe *probe;
    unsigned index;
    struct rpc_target target;
};
struct probe {
    struct meta *meta;
    pthread_mutex_t lock; /* guards all below */
    unsigned refs;
    int64_t start_ms;
    struct probe_sign signs[PROBE_MAX_NODES];
    struct asker askers[PROBE_MAX_NODES];
    Hdfs__ExtendedBlock block;
    char pool_id[128];
};

static int get_client(struct meta *m, struct rpc_client **ret)
{
    int rc = 0;
    pthread_mutex_lock(&m->probe_lock);
    if (m->probe_rpc == NULL) {
        struct rpc_client_options o = {.user = rpc_client_user(m->rpc),
                                       .connect_timeout_ms = PROBE_MS,
                                       .call_timeout_ms = PROBE_MS,
                                       .ping_interval_ms = PROBE_MS};
        rc = rpc_client_new(&o, &m->probe_rpc, NULL);
    }
    *ret = m->probe_rpc;
    pthread_mutex_unlock(&m->probe_lock);
    return rc;
}

static void count(struct meta *m, int change)
{
    pthread_mutex_lock(&m->probe_lock);
    m->probing += change;
    pthread_cond_broadcast(&m->probes_done);
    pthread_mutex_unlock(&m->probe_lock);
}

static void ask(struct asker *a, struct rpc_client *rpc)
{
    struct probe *p = a->probe;
    Di__GetReplicaVisibleLengthRequest request = DI__GET_REPLICA_VISIBLE_LENGTH_REQUEST__INIT;
    request.block = &p->block;
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, 64 * 1024);
    ProtobufCMessage *response = NULL;
    int rc =
        rpc_call(rpc, &a->target, &rpc_datanode_ipc_methods[DATANODE_IPC_getReplicaVisibleLength],
                 &request.base, &arena, &response, &err);
    struct probe_sign sign = {
        .done = true,
        .answered = rc == 0 || err.remote_class[0] != '\0', /* an exception is a sign of life */
        .has_length = rc == 0,
        .length = rc == 0 ? ((Di__GetReplicaVisibleLengthResponse *)(void *)response)->length : 0,
        .took_ms = clock_monotonic_ms() - p->start_ms,
    };
    arena_fini(&arena);
    pthread_mutex_lock(&p->lock);
    p->signs[a->index] = sign;
    pthread_mutex_unlock(&p->lock);
}

static void *run(void *arg)
{
    struct asker *a = arg;
    struct meta *m = a->probe->meta;
    struct rpc_client *rpc;
    if (get_client(m, &rpc) == 0)
        ask(a, rpc);
    probe_unref(a->probe);
    count(m, -1);
    return NULL;
}

/* No thread, no sign: the node then looks silent, so everybody's lot is shared by not starting. */
static bool start_asker(struct probe *p, unsigned i, const Hdfs__DatanodeID *node,
                        bool use_hostname)
{
    struct asker *a = &p->askers[i];
    pthread_t thread;
    *a = (struct asker){p, i, {.protocol = RPC_DATANODE_IPC_PROTOCOL, .version = 1}};
    snprintf(a->target.addr.host, sizeof(a->target.addr.host), "%s",
             use_hostname ? node->host_name : node->ip_addr);
    a->target.addr.port = (uint16_t)node->ipc_port;
    pthread_mutex_lock(&p->lock);
    p->refs++;
    pthread_mutex_unlock(&p->lock);
    count(p->meta, 1);
    if (pthread_create(&thread, NULL, run, a) != 0) {
        probe_unref(p);
        count(p->meta, -1);
        return false;
    }
    pthread_detach(thread);
    return true;
}

int probe_start(struct meta *m, const Hdfs__DatanodeID *const *nodes, unsigned node_count,
                bool use_hostname, const Hdfs__ExtendedBlock *block, struct probe **ret)
{
    struct probe *p = node_count <= PROBE_MAX_NODES ? calloc(1, sizeof(*p)) : NULL;
    if (p == NULL)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&p->lock, NULL);
    p->meta = m;
    p->refs = 1;
    p->start_ms = clock_monotonic_ms();
    p->block = *block;
    snprintf(p->pool_id, sizeof(p->pool_id), "%s", block->pool_id);
    p->block.pool_id = p->pool_id;
    for (unsigned i = 0; i < node_count; i++)
        if (nodes[i]->ipc_port == 0 || nodes[i]->ipc_port > UINT16_MAX ||
            !start_asker(p, i, nodes[i], use_hostname)) {
            probe_unref(p);
            return ERR_NO_MEMORY;
        }
    *ret = p;
    return 0;
}

struct probe_sign probe_sign(struct probe *p, unsigned index)
{
    pthread_mutex_lock(&p->lock);
    struct probe_sign sign = p->signs[index];
    pthread_mutex_unlock(&p->lock);
    return sign;
}

void probe_unref(struct probe *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    unsigned left = --p->refs;
    pthread_mutex_unlock(&p->lock);
    if (left > 0)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void probes_init(struct meta *m)
{
    pthread_mutex_init(&m->probe_lock, NULL);
    pthread_cond_init(&m->probes_done, NULL);
}

void probes_fini(struct meta *m)
{
    pthread_mutex_lock(&m->probe_lock);
    while (m->probing > 0)
        pthread_cond_wait(&m->probes_done, &m->probe_lock);
    pthread_mutex_unlock(&m->probe_lock);
    if (m->probe_rpc != NULL)
        rpc_client_free(m->probe_rpc);
    pthread_cond_destroy(&m->probes_done);
    pthread_mutex_destroy(&m->probe_lock);
}
