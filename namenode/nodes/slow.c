/* slow.c - which DataNodes and disks others call slow. See nodes.h.
 * Thread: state. Time comes in. DataNodes tell with their heartbeats which peers are slow for them
 * and which of their own disks are; that holds for a while. Those called slow by most are marked
 * from time to time, for placement and for the node itself.
 * Invariants: (1) names and paths have no character that JSON escapes; (2) the tables are bounded;
 * (3) reports of a peer are in the order of their reporters' names. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "namenode/nodes/internal.h"

enum { SLOW_PEERS_MAX = 4096, SLOW_REPORTS_MAX = 1024, SLOW_DISKS_MAX = 16384 };

struct slow_report {
    struct slow_report *next;
    struct slow_latency latency;
    int64_t heard_ms;
    char reporter[];
};

struct slow_peer {
    UT_hash_handle hh;
    struct slow_report *reports;
    uint32_t count;
    char name[];
};

struct slow_disk {
    UT_hash_handle hh;
    struct slow_disk_latency latency;
    int64_t heard_ms;
    char name[]; /* ip:port:path */
};

/* Keeps (1). */
static bool plain_text(const char *text)
{
    size_t size = text == NULL ? 0 : strnlen(text, NODE_TEXT_MAX + 1);
    if (size == 0 || size > NODE_TEXT_MAX)
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
            return false;
    return true;
}

/* "ip:port" of the RPC server, as Hadoop names those who report. */
static bool reporter_text(const struct nodes *n, uint32_t node, char *ret, size_t size)
{
    const struct node *r = nodes_at(n, node);
    int length = snprintf(ret, size, "%s:%u", r->ip, r->ipc_port);
    return length > 0 && (size_t)length < size && plain_text(ret);
}

/* ---- peers ---- */

static void reports_free(struct slow_report *list)
{
    for (struct slow_report *r = list, *next; r != NULL; r = next) {
        next = r->next;
        free(r);
    }
}

static struct slow_peer *peer_need(struct nodes *n, const char *name)
{
    struct slow_peer *p = NULL;
    size_t size = strlen(name);
    HASH_FIND_STR(n->slow_peers, name, p);
    if (p != NULL || HASH_COUNT(n->slow_peers) >= SLOW_PEERS_MAX)
        return p;
    p = calloc(1, sizeof(*p) + size + 1);
    if (p == NULL)
        return NULL;
    memcpy(p->name, name, size + 1);
    HASH_ADD_KEYPTR(hh, n->slow_peers, p->name, size, p);
    if (p->hh.tbl != NULL)
        return p;
    free(p);
    return NULL;
}

/* Keeps (3). NULL: no memory, or there are too many. */
static struct slow_report *report_need(struct slow_peer *p, const char *reporter)
{
    struct slow_report **link = &p->reports;
    while (*link != NULL && strcmp((*link)->reporter, reporter) < 0)
        link = &(*link)->next;
    if (*link != NULL && strcmp((*link)->reporter, reporter) == 0)
        return *link;
    size_t size = strlen(reporter);
    struct slow_report *r = p->count >= SLOW_REPORTS_MAX ? NULL : calloc(1, sizeof(*r) + size + 1);
    if (r == NULL)
        return NULL;
    memcpy(r->reporter, reporter, size + 1);
    r->next = *link;
    *link = r;
    p->count++;
    return r;
}

void nodes_slow_peer(struct nodes *n, uint32_t reporter, const char *peer,
                     const struct slow_latency *latency, int64_t mono_ms)
{
    char from[NODE_TEXT_MAX + 1];
    if (!n->settings.slow_peers || !plain_text(peer) || !isfinite(latency->reported) ||
        !isfinite(latency->median) || !isfinite(latency->mad) || !isfinite(latency->upper_limit) ||
        !reporter_text(n, reporter, from, sizeof(from)))
        return;
    struct slow_peer *p = peer_need(n, peer);
    struct slow_report *r = p == NULL ? NULL : report_need(p, from);
    if (r == NULL)
        return;
    r->latency = *latency;
    r->heard_ms = mono_ms;
}

static bool is_valid(const struct nodes *n, int64_t heard_ms, int64_t mono_ms)
{
    return mono_ms - heard_ms < n->settings.slow_valid_ms;
}

static uint32_t valid_reports(const struct nodes *n, const struct slow_peer *p, int64_t mono_ms)
{
    uint32_t count = 0;
    for (const struct slow_report *r = p->reports; r != NULL; r = r->next)
        count += is_valid(n, r->heard_ms, mono_ms);
    return count;
}

struct ranked {
    const struct slow_peer *peer;
    uint32_t reports;
};

static int by_reports(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->reports != y->reports)
        return x->reports < y->reports ? 1 : -1;
    return strcmp(x->peer->name, y->peer->name);
}

/* Those that most call slow, first. NULL: none (or no memory). */
static struct ranked *rank_peers(const struct nodes *n, int64_t mono_ms, uint32_t *ret_count)
{
    uint32_t count = 0;
    struct ranked *list = calloc(HASH_COUNT(n->slow_peers) + 1, sizeof(*list));
    *ret_count = 0;
    if (list == NULL)
        return NULL;
    for (const struct slow_peer *p = n->slow_peers; p != NULL; p = p->hh.next) {
        list[count] = (struct ranked){p, valid_reports(n, p, mono_ms)};
        count += list[count].reports > 0;
    }
    qsort(list, count, sizeof(*list), by_reports);
    *ret_count = count;
    return list;
}

/* Named by its address and the port of any of its servers; without such a node, by the address. */
static uint32_t node_named(const struct nodes *n, const char *name)
{
    const char *colon = strrchr(name, ':');
    if (colon == NULL)
        return 0;
    size_t size = (size_t)(colon - name);
    unsigned long port = strtoul(colon + 1, NULL, 10);
    uint32_t found = 0;
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        if (node->gone || strlen(node->ip) != size || memcmp(node->ip, name, size) != 0)
            continue;
        if (port == node->info_port || port == node->info_secure_port || port == node->ipc_port ||
            port == node->xfer_port)
            return i;
        found = found == 0 ? i : found;
    }
    return found;
}

uint32_t nodes_slow_list(const struct nodes *n, int64_t mono_ms, uint32_t *ret, uint32_t max)
{
    uint32_t ranked, count = 0;
    struct ranked *list = rank_peers(n, mono_ms, &ranked);
    for (uint32_t i = 0; i < ranked && count < max; i++) {
        uint32_t node = node_named(n, list[i].peer->name);
        bool twice = node == 0;
        for (uint32_t k = 0; k < count && !twice; k++)
            twice = ret[k] == node;
        if (!twice)
            ret[count++] = node;
    }
    free(list);
    return count;
}

/* ---- disks ---- */

void nodes_slow_disk(struct nodes *n, uint32_t reporter, const char *path,
                     const struct slow_disk_latency *latency, int64_t mono_ms)
{
    char from[NODE_TEXT_MAX + 1], name[2 * NODE_TEXT_MAX + 2];
    if (!n->settings.slow_disks || !plain_text(path) || !isfinite(latency->metadata) ||
        !isfinite(latency->read) || !isfinite(latency->write) ||
        !reporter_text(n, reporter, from, sizeof(from)))
        return;
    size_t size = (size_t)snprintf(name, sizeof(name), "%s:%s", from, path);
    struct slow_disk *d = NULL;
    HASH_FIND_STR(n->slow_disks_told, name, d);
    if (d == NULL) {
        d = HASH_COUNT(n->slow_disks_told) >= SLOW_DISKS_MAX ? NULL
                                                             : calloc(1, sizeof(*d) + size + 1);
        if (d == NULL)
            return;
        memcpy(d->name, name, size + 1);
        HASH_ADD_KEYPTR(hh, n->slow_disks_told, d->name, size, d);
        if (d->hh.tbl == NULL) {
            free(d);
            return;
        }
    }
    d->latency = *latency;
    d->heard_ms = mono_ms;
}

static double worst(const struct slow_disk *d)
{
    double w = d->latency.metadata > d->latency.read ? d->latency.metadata : d->latency.read;
    return w > d->latency.write ? w : d->latency.write;
}

static int by_latency(const void *a, const void *b)
{
    const struct slow_disk *const *x = a, *const *y = b;
    double wx = worst(*x), wy = worst(*y);
    if (wx != wy)
        return wx < wy ? 1 : -1;
    return strcmp((*x)->name, (*y)->name);
}

/* ---- told to the outside ---- */

static int report_json(const struct slow_report *r, bool first, struct buf *out)
{
    return buf_printf(out,
                      "%s{\"ReportingNode\":\"%s\",\"ReportedLatency\":%.17g,\"MedianLatency\":"
                      "%.17g,\"MadLatency\":%.17g,\"UpperLimitLatency\":%.17g}",
                      first ? "" : ",", r->reporter, r->latency.reported, r->latency.median,
                      r->latency.mad, r->latency.upper_limit);
}

static int peer_json(const struct nodes *n, const struct slow_peer *p, int64_t mono_ms,
                     struct buf *out)
{
    bool first = true;
    TRY(buf_printf(out, "{\"SlowNode\":\"%s\",\"SlowPeerLatencyWithReportingNodes\":[", p->name));
    for (const struct slow_report *r = p->reports; r != NULL; r = r->next) {
        if (!is_valid(n, r->heard_ms, mono_ms))
            continue;
        TRY(report_json(r, first, out));
        first = false;
    }
    return buf_printf(out, "]}");
}

int nodes_slow_peers_json(const struct nodes *n, int64_t mono_ms, struct buf *out)
{
    uint32_t count;
    struct ranked *list = rank_peers(n, mono_ms, &count);
    if (list == NULL)
        return ERR_NO_MEMORY;
    int rc = buf_printf(out, "[");
    for (uint32_t i = 0; i < count && i < n->settings.slow_peers_told && rc == 0; i++) {
        if (i > 0)
            rc = buf_printf(out, ",");
        if (rc == 0)
            rc = peer_json(n, list[i].peer, mono_ms, out);
    }
    free(list);
    return rc == 0 ? buf_printf(out, "]") : rc;
}

/* An operation that wasn't told isn't named. */
static int disk_json(const struct slow_disk *d, struct buf *out)
{
    const double values[] = {d->latency.metadata, d->latency.read, d->latency.write};
    static const char *const names[] = {"METADATA", "READ", "WRITE"};
    bool first = true;
    TRY(buf_printf(out, "{\"SlowDiskID\":\"%s\",\"Latencies\":{", d->name));
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (values[i] < 0)
            continue;
        TRY(buf_printf(out, "%s\"%s\":%.17g", first ? "" : ",", names[i], values[i]));
        first = false;
    }
    return buf_printf(out, "}}");
}

int nodes_slow_disks_json(const struct nodes *n, int64_t mono_ms, struct buf *out)
{
    uint32_t count = 0;
    const struct slow_disk **list = calloc(HASH_COUNT(n->slow_disks_told) + 1, sizeof(void *));
    if (list == NULL)
        return ERR_NO_MEMORY;
    for (const struct slow_disk *d = n->slow_disks_told; d != NULL; d = d->hh.next)
        if (is_valid(n, d->heard_ms, mono_ms))
            list[count++] = d;
    qsort(list, count, sizeof(*list), by_latency);
    int rc = count == 0 ? 0 : buf_printf(out, "[");
    for (uint32_t i = 0; i < count && i < n->settings.slow_disks_told && rc == 0; i++) {
        if (i > 0)
            rc = buf_printf(out, ",");
        if (rc == 0)
            rc = disk_json(list[i], out);
    }
    free(list);
    return rc == 0 && count > 0 ? buf_printf(out, "]") : rc;
}

/* ---- time ---- */

static void forget_old(struct nodes *n, int64_t mono_ms)
{
    struct slow_peer *p, *next_peer;
    struct slow_disk *d, *next_disk;
    HASH_ITER(hh, n->slow_peers, p, next_peer)
    {
        for (struct slow_report **link = &p->reports; *link != NULL;) {
            struct slow_report *r = *link;
            if (is_valid(n, r->heard_ms, mono_ms)) {
                link = &r->next;
                continue;
            }
            *link = r->next;
            p->count--;
            free(r);
        }
        if (p->reports == NULL) {
            HASH_DEL(n->slow_peers, p);
            free(p);
        }
    }
    HASH_ITER(hh, n->slow_disks_told, d, next_disk)
    {
        if (is_valid(n, d->heard_ms, mono_ms))
            continue;
        HASH_DEL(n->slow_disks_told, d);
        free(d);
    }
}

void slow_check(struct nodes *n, int64_t mono_ms)
{
    if ((!n->settings.slow_peers && !n->settings.slow_disks) || mono_ms < n->slow_next_ms)
        return;
    n->slow_next_ms = mono_ms + n->settings.slow_collect_ms;
    forget_old(n, mono_ms);
    uint32_t max = n->settings.slow_collect_nodes;
    uint32_t *list = calloc((size_t)max + 1, sizeof(*list));
    if (list == NULL)
        return; /* the marks stay as they are until the next time */
    uint32_t count = nodes_slow_list(n, mono_ms, list, max);
    for (uint32_t i = 1; i <= nodes_count(n); i++)
        nodes_at_mut(n, i)->slow = false;
    for (uint32_t i = 0; i < count; i++)
        nodes_at_mut(n, list[i])->slow = true;
    free(list);
}

void slow_fini(struct nodes *n)
{
    struct slow_peer *p, *next_peer;
    struct slow_disk *d, *next_disk;
    HASH_ITER(hh, n->slow_peers, p, next_peer)
    {
        HASH_DEL(n->slow_peers, p);
        reports_free(p->reports);
        free(p);
    }
    HASH_ITER(hh, n->slow_disks_told, d, next_disk)
    {
        HASH_DEL(n->slow_disks_told, d);
        free(d);
    }
}
