/* registry.c - which DataNodes there are, by uuid, address and machine. See nodes.h.
 * Thread: state. Owns the nodes' texts and the name tables.
 * Invariants: (1) a uuid names one node for ever; (2) an address names at most one node, never a
 * gone one; (3) a node is in the chain of its ip unless it is gone. */
#include <stdio.h>
#include <stdlib.h>

#include "namenode/nodes/internal.h"

void nodes_settings_defaults(struct nodes_settings *s)
{
    *s = (struct nodes_settings){
        .heartbeat_interval_ms = 3000,
        .recheck_interval_ms = 300000,
        .stale_interval_ms = 30000,
        .report_leases = 6,
        .report_lease_ms = 300000,
        .invalidate_limit = 1000,
        .max_streams = 2,
        .max_streams_hard = 4,
        .slow_valid_ms = 5400000,
        .slow_collect_ms = 1800000,
        .slow_collect_nodes = 5,
        .slow_peers_told = 5,
        .slow_disks_told = 5,
    };
}

int nodes_new(const struct nodes_settings *settings, struct nodes **ret_nodes)
{
    struct nodes *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return ERR_NO_MEMORY;
    n->settings = *settings;
    pool_init(&n->nodes, sizeof(struct node));
    pool_init(&n->storages, sizeof(struct node_storage));
    pool_init(&n->invalids, sizeof(struct invalid));
    *ret_nodes = n;
    return 0;
}

static void names_free(struct name_entry **names)
{
    struct name_entry *entry, *next;
    HASH_ITER(hh, *names, entry, next)
    {
        HASH_DEL(*names, entry);
        free(entry);
    }
}

static void node_fini(struct node *node)
{
    free(node->uuid);
    free(node->ip);
    free(node->hostname);
    free(node->software_version);
    free(node->rack);
    free(node->upgrade_domain);
    copies_free(node->copies);
    rebuilds_free(node->rebuilds);
    recoveries_free(node->recoveries);
    idmap_fini(&node->invalid_ids);
}

void nodes_free(struct nodes *n)
{
    if (n == NULL)
        return;
    names_free(&n->by_uuid);
    names_free(&n->by_address);
    names_free(&n->by_ip);
    for (uint32_t i = 1; i <= nodes_count(n); i++)
        node_fini(nodes_at_mut(n, i));
    for (uint32_t i = 1; i <= nodes_storage_count(n); i++)
        free(nodes_storage_mut(n, i)->uuid);
    for (uint32_t i = 0; i < n->rack_count; i++)
        free(n->racks[i].name);
    free(n->racks);
    free(n->lease_holders);
    copies_free(n->spent);
    slow_fini(n);
    pool_fini(&n->nodes);
    pool_fini(&n->storages);
    pool_fini(&n->invalids);
    free(n);
}

const struct nodes_settings *nodes_settings_get(const struct nodes *n)
{
    return &n->settings;
}

void nodes_configure(struct nodes *n, const struct nodes_settings *settings)
{
    n->settings = *settings;
}

uint32_t nodes_count(const struct nodes *n)
{
    return n->nodes.used;
}

struct node *nodes_at_mut(struct nodes *n, uint32_t node)
{
    CHECK(node != 0 && node <= n->nodes.used);
    return pool_at(&n->nodes, node);
}

const struct node *nodes_at(const struct nodes *n, uint32_t node)
{
    CHECK(node != 0 && node <= n->nodes.used);
    return pool_at(&n->nodes, node);
}

static struct name_entry *name_find(struct name_entry *names, const char *key)
{
    struct name_entry *entry = NULL;
    HASH_FIND_STR(names, key, entry);
    return entry;
}

static int name_set(struct name_entry **names, const char *key, uint32_t node)
{
    struct name_entry *entry = name_find(*names, key);
    if (entry != NULL) {
        entry->node = node;
        return 0;
    }
    size_t size = strlen(key);
    entry = calloc(1, sizeof(*entry) + size + 1);
    if (entry == NULL)
        return ERR_NO_MEMORY;
    entry->node = node;
    memcpy(entry->key, key, size + 1);
    HASH_ADD_KEYPTR(hh, *names, entry->key, size, entry);
    if (entry->hh.tbl == NULL) {
        free(entry);
        return ERR_NO_MEMORY;
    }
    return 0;
}

static void name_drop(struct name_entry **names, const char *key)
{
    struct name_entry *entry = name_find(*names, key);
    if (entry != NULL) {
        HASH_DEL(*names, entry);
        free(entry);
    }
}

enum { ADDRESS_SIZE = NODE_TEXT_MAX + 16 };

static void address_text(char *ret, const char *ip, uint32_t port)
{
    snprintf(ret, ADDRESS_SIZE, "%s:%u", ip, port);
}

uint32_t nodes_find(const struct nodes *n, const char *uuid)
{
    const struct name_entry *entry = name_find(n->by_uuid, uuid);
    return entry == NULL ? 0 : entry->node;
}

uint32_t nodes_find_address(const struct nodes *n, const char *ip, uint32_t xfer_port)
{
    if (strlen(ip) > NODE_TEXT_MAX)
        return 0;
    char key[ADDRESS_SIZE];
    address_text(key, ip, xfer_port);
    const struct name_entry *entry = name_find(n->by_address, key);
    return entry == NULL ? 0 : entry->node;
}

uint32_t nodes_find_ip(const struct nodes *n, const char *ip)
{
    const struct name_entry *entry = name_find(n->by_ip, ip);
    uint32_t first = entry == NULL ? 0 : entry->node;
    for (uint32_t i = first; i != 0; i = nodes_at(n, i)->next_same_ip)
        if (nodes_at(n, i)->alive)
            return i;
    return first;
}

uint32_t nodes_find_registered(const struct nodes *n, const char *uuid, const char *ip,
                               uint32_t xfer_port)
{
    uint32_t i = nodes_find(n, uuid);
    if (i == 0)
        return 0;
    const struct node *node = nodes_at(n, i);
    bool same = node->xfer_port == xfer_port && strcmp(node->ip, ip) == 0;
    return same && node->alive && !node->gone && !node->must_register ? i : 0;
}

uint32_t nodes_find_host(const struct nodes *n, const char *host_port)
{
    const char *colon = strrchr(host_port, ':');
    size_t size = colon == NULL ? strlen(host_port) : (size_t)(colon - host_port);
    char *end = NULL;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (colon != NULL && (end == colon + 1 || *end != '\0' || port > UINT16_MAX))
        return 0;
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        bool host = strlen(node->ip) == size && memcmp(node->ip, host_port, size) == 0;
        bool name = strlen(node->hostname) == size && memcmp(node->hostname, host_port, size) == 0;
        if (!node->gone && (host || name) && (colon == NULL || node->xfer_port == port))
            return i;
    }
    return 0;
}

/* Out of the address and ip tables; keeps (2) and (3). */
static void unlist(struct nodes *n, uint32_t i)
{
    struct node *node = nodes_at_mut(n, i);
    char key[ADDRESS_SIZE];
    address_text(key, node->ip, node->xfer_port);
    name_drop(&n->by_address, key);
    struct name_entry *head = name_find(n->by_ip, node->ip);
    CHECK(head != NULL);
    uint32_t *link = &head->node;
    while (*link != i)
        link = &nodes_at_mut(n, *link)->next_same_ip;
    *link = node->next_same_ip;
    node->next_same_ip = 0;
    if (head->node == 0)
        name_drop(&n->by_ip, node->ip);
}

static int list_ip(struct nodes *n, uint32_t i)
{
    struct node *node = nodes_at_mut(n, i);
    struct name_entry *head = name_find(n->by_ip, node->ip);
    uint32_t next = head == NULL ? 0 : head->node;
    TRY(name_set(&n->by_ip, node->ip, i));
    node->next_same_ip = next;
    return 0;
}

static void evict(struct nodes *n, uint32_t i)
{
    struct node *node = nodes_at_mut(n, i);
    unlist(n, i);
    node_set_alive(n, node, false);
    node->gone = true;
    n->losses++;
    nodes_end_report_lease(n, i);
}

static bool text_good(const char *text)
{
    size_t size = text == NULL ? 0 : strnlen(text, NODE_TEXT_MAX + 1);
    if (size == 0 || size > NODE_TEXT_MAX)
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

static int check_registration(const struct node_registration *r, const char *rack, struct err *err)
{
    if (!text_good(r->uuid) || !text_good(r->ip) || !text_good(r->hostname) ||
        !text_good(r->software_version))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "a DataNode registered with an empty or malformed uuid, address or version");
    if (!text_good(rack) || rack[0] != '/')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "rack of DataNode %s is not a path", r->uuid);
    if (r->xfer_port == 0 || r->xfer_port > UINT16_MAX || r->info_port > UINT16_MAX ||
        r->ipc_port > UINT16_MAX || r->info_secure_port > UINT16_MAX)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "DataNode %s registered with bad ports", r->uuid);
    return 0;
}

/* As in Hadoop all nodes are at the same depth of the tree of racks. */
static int check_depth(const struct nodes *n, const struct node_registration *r, const char *rack,
                       struct err *err)
{
    uint32_t own = nodes_find(n, r->uuid);
    uint32_t replaced = nodes_find_address(n, r->ip, r->xfer_port);
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        if (!node->alive || i == own || i == replaced)
            continue;
        if (rack_depth(node->rack) == rack_depth(rack))
            return 0;
        return fail(err, ERR_TOPOLOGY,
                    "Failed to add %s/%s:%u: You cannot have a rack and a non-rack node at the "
                    "same level of the network topology.",
                    rack, r->ip, r->xfer_port);
    }
    return 0;
}

/* Texts of a registration, copied before anything changes. */
struct texts {
    char *uuid, *ip, *hostname, *software_version, *rack;
};

static void texts_fini(struct texts *t)
{
    free(t->uuid);
    free(t->ip);
    free(t->hostname);
    free(t->software_version);
    free(t->rack);
}

static bool texts_copy(struct texts *t, const struct node_registration *r, const char *rack)
{
    *t = (struct texts){strdup(r->uuid), strdup(r->ip), strdup(r->hostname),
                        strdup(r->software_version), strdup(rack)};
    return t->uuid != NULL && t->ip != NULL && t->hostname != NULL && t->software_version != NULL &&
           t->rack != NULL;
}

#define SWAP(a, b)         \
    do {                   \
        char *swap_ = (a); \
        (a) = (b);         \
        (b) = swap_;       \
    } while (0)

static uint32_t node_add(struct nodes *n, const char *uuid)
{
    uint32_t i = nodes_count(n) >= NODES_MAX ? 0 : pool_take(&n->nodes);
    if (i == 0)
        return 0;
    struct node *node = nodes_at_mut(n, i);
    idmap_init(&node->invalid_ids, invalid_id_of, &n->invalids);
    node->gone = true; /* not listed anywhere yet */
    if (name_set(&n->by_uuid, uuid, i) != 0) {
        pool_give(&n->nodes, i);
        n->nodes.used--; /* it was the newest: indices stay dense */
        n->nodes.free_head = 0;
        return 0;
    }
    return i;
}

static int settle(struct nodes *n, uint32_t i, struct texts *t, const struct node_registration *r,
                  uint32_t rack_id)
{
    struct node *node = nodes_at_mut(n, i);
    if (!node->gone)
        unlist(n, i);
    node_set_alive(n, node, false); /* the rack may change */
    SWAP(node->uuid, t->uuid);
    SWAP(node->ip, t->ip);
    SWAP(node->hostname, t->hostname);
    SWAP(node->software_version, t->software_version);
    SWAP(node->rack, t->rack);
    node->xfer_port = r->xfer_port;
    node->info_port = r->info_port;
    node->ipc_port = r->ipc_port;
    node->info_secure_port = r->info_secure_port;
    n->topology_version += node->rack_id != 0 && node->rack_id != rack_id;
    node->rack_id = rack_id;
    node->gone = true;
    char key[ADDRESS_SIZE];
    address_text(key, node->ip, node->xfer_port);
    TRY(name_set(&n->by_address, key, i));
    int rc = list_ip(n, i);
    if (rc != 0) {
        name_drop(&n->by_address, key);
        return rc;
    }
    node->gone = false;
    node_set_alive(n, node, true);
    return 0;
}

static void begin_registration(struct nodes *n, uint32_t i, int64_t mono_ms, int64_t now_ms)
{
    struct node *node = nodes_at_mut(n, i);
    node->registration++;
    node->must_register = node->heard_since_registration = node->drained = false;
    node->heard_ms = mono_ms;
    node->heard_wall_ms = now_ms;
    if (node->scheduled_rolled_ms == 0)
        node->scheduled_rolled_ms = mono_ms;
    nodes_end_report_lease(n, i);
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(n, s)->next)
        nodes_storage_mut(n, s)->reported = false;
}

int nodes_register(struct nodes *n, const struct node_registration *r, int64_t mono_ms,
                   int64_t now_ms, uint32_t *ret_node, struct err *err)
{
    const char *rack = r->rack == NULL ? DEFAULT_RACK : r->rack;
    TRY(check_registration(r, rack, err));
    TRY(check_depth(n, r, rack, err));
    struct texts t;
    uint32_t rack_id = 0, i = 0;
    int rc = ERR_NO_MEMORY;
    if (!texts_copy(&t, r, rack) || (rack_id = rack_intern(n, rack)) == 0)
        goto out;
    i = nodes_find(n, r->uuid);
    if (i == 0 && (i = node_add(n, r->uuid)) == 0)
        goto out;
    uint32_t old = nodes_find_address(n, r->ip, r->xfer_port);
    if (old != 0 && old != i)
        evict(n, old);
    rc = settle(n, i, &t, r, rack_id);
    if (rc == 0) {
        begin_registration(n, i, mono_ms, now_ms);
        *ret_node = i;
    }
out:
    texts_fini(&t);
    return rc == 0 ? 0 : fail(err, rc, "no memory to register DataNode %s", r->uuid);
}

static bool is_listed(const struct node *node, enum node_filter filter)
{
    if (node->gone || node->disallowed)
        return false;
    switch (filter) {
    case NODES_LIVE:
        return node->alive;
    case NODES_DEAD:
        return !node->alive;
    case NODES_DECOMMISSIONING:
        return node->admin == ADMIN_DECOMMISSION_IN_PROGRESS;
    case NODES_ENTERING_MAINTENANCE:
        return node->admin == ADMIN_ENTERING_MAINTENANCE;
    case NODES_IN_MAINTENANCE:
        return node->admin == ADMIN_IN_MAINTENANCE;
    default:
        return true;
    }
}

uint32_t nodes_list(const struct nodes *n, enum node_filter filter, uint32_t *ret_nodes,
                    uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        if (!is_listed(node, filter))
            continue;
        if (count < max)
            ret_nodes[count] = i;
        count++;
    }
    return count;
}
