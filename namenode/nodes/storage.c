/* storage.c - the storages (volumes) of the nodes. See nodes.h.
 * Thread: state. A storage belongs to one node for ever; the same uuid on another node is another
 * storage. */
#include <stdlib.h>

#include "namenode/nodes/internal.h"

uint32_t nodes_storage_count(const struct nodes *n)
{
    return n->storages.used;
}

struct node_storage *nodes_storage_mut(struct nodes *n, uint32_t storage)
{
    CHECK(storage != 0 && storage <= n->storages.used);
    return pool_at(&n->storages, storage);
}

const struct node_storage *nodes_storage(const struct nodes *n, uint32_t storage)
{
    CHECK(storage != 0 && storage <= n->storages.used);
    return pool_at(&n->storages, storage);
}

uint32_t nodes_find_storage(const struct nodes *n, uint32_t node, const char *storage_uuid)
{
    uint32_t s = nodes_at(n, node)->storages;
    while (s != 0 && strcmp(nodes_storage(n, s)->uuid, storage_uuid) != 0)
        s = nodes_storage(n, s)->next;
    return s;
}

static bool uuid_good(const char *uuid)
{
    size_t size = uuid == NULL ? 0 : strnlen(uuid, NODE_TEXT_MAX + 1);
    return size > 0 && size <= NODE_TEXT_MAX;
}

static int storage_add(struct nodes *n, uint32_t i, const char *uuid, uint32_t *ret_storage,
                       struct err *err)
{
    struct node *node = nodes_at_mut(n, i);
    uint32_t *link = &node->storages, count = 0;
    while (*link != 0) {
        link = &nodes_storage_mut(n, *link)->next;
        count++;
    }
    if (count >= NODE_STORAGES_MAX)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "DataNode %s named more than %d storages",
                    node->uuid, NODE_STORAGES_MAX);
    char *copy = strdup(uuid);
    uint32_t s = copy == NULL ? 0 : pool_take(&n->storages);
    if (s == 0) {
        free(copy);
        return fail(err, ERR_NO_MEMORY, "no memory for storage %s", uuid);
    }
    *nodes_storage_mut(n, s) =
        (struct node_storage){.uuid = copy, .node = i, .heartbeat = node->heartbeats};
    *link = s; /* at the end: storages stay in the order in which they were told */
    *ret_storage = s;
    return 0;
}

int nodes_add_storage(struct nodes *n, uint32_t node, const char *uuid, int type, bool read_only,
                      uint32_t *ret_storage, struct err *err)
{
    if (!uuid_good(uuid))
        return fail(err, ERR_ILLEGAL_ARGUMENT, "DataNode %s sent a bad storage uuid",
                    nodes_at(n, node)->uuid);
    if (type < STORAGE_DISK || type > STORAGE_NVDIMM)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "storage %s is of unknown type %d", uuid, type);
    uint32_t s = nodes_find_storage(n, node, uuid);
    if (s == 0)
        TRY(storage_add(n, node, uuid, &s, err));
    struct node_storage *storage = nodes_storage_mut(n, s);
    storage->type = (uint8_t)type;
    storage->read_only = read_only;
    *ret_storage = s;
    return 0;
}

/* ---- promised replicas ---- */

uint32_t node_storage_scheduled(const struct node_storage *s)
{
    return s->scheduled[0] + s->scheduled[1];
}

void nodes_schedule(struct nodes *n, uint32_t storage)
{
    nodes_storage_mut(n, storage)->scheduled[0]++;
}

void nodes_unschedule(struct nodes *n, uint32_t storage)
{
    struct node_storage *s = nodes_storage_mut(n, storage);
    if (s->scheduled[1] > 0)
        s->scheduled[1]--;
    else if (s->scheduled[0] > 0)
        s->scheduled[0]--;
}

enum { SCHEDULED_ROLL_MS = 10 * 60 * 1000 };

/* A promise that was never kept is forgotten after 10 to 20 minutes. */
void roll_scheduled(struct nodes *n, struct node *node, int64_t mono_ms)
{
    if (mono_ms - node->scheduled_rolled_ms < SCHEDULED_ROLL_MS)
        return;
    node->scheduled_rolled_ms = mono_ms;
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(n, s)->next) {
        struct node_storage *storage = nodes_storage_mut(n, s);
        storage->scheduled[1] = storage->scheduled[0];
        storage->scheduled[0] = 0;
    }
}
