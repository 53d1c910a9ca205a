/* retry.c - a ring of entries in order of time, found by a hash of client id and call id.
 * Thread: state. Invariants: (1) an id stands at most once in the table; (2) along the ring from
 * `oldest` the time of noting never falls; (3) slots and heads grow together, up to max_entries. */
#include "namenode/retry/retry.h"

#include <stdlib.h>

enum { FIRST_SIZE = 1024, NONE = 0, EXPIRE_AT_ONCE = 4096 };

struct entry {
    uint8_t client_id[RETRY_CLIENT_ID_SIZE];
    int32_t call_id;
    uint32_t next; /* in its chain: slot + 1 */
    uint64_t inode_id;
    int64_t noted_ms;
    uint8_t op;
};
_Static_assert(sizeof(struct entry) <= 48, "a quarter of a million of them are 12 MiB");

struct retry {
    struct retry_settings settings;
    int64_t now_ms;
    struct entry *ring;
    uint32_t *heads;              /* slot + 1 */
    uint32_t size, count, oldest; /* size is a power of two, or 0 */
};

void retry_settings_defaults(struct retry_settings *s)
{
    *s = (struct retry_settings){.max_entries = 65536, .expiry_ms = 600000};
}

/* Hadoop's table has eight bytes an entry, and the power of two that is nearest in exponent. */
uint32_t retry_entries_for(double percent, uint64_t heap_bytes)
{
    enum { LEAST = 16, MOST = 1 << 24 };
    double wanted = percent / 100 * (double)heap_bytes / 8;
    uint32_t n = LEAST;
    while (n < MOST && (double)n * 1.41421356 < wanted)
        n *= 2;
    return n;
}

struct retry *retry_new(void)
{
    struct retry *r = calloc(1, sizeof(*r));
    if (r != NULL)
        retry_settings_defaults(&r->settings);
    return r;
}

void retry_free(struct retry *r)
{
    if (r == NULL)
        return;
    free(r->ring);
    free(r->heads);
    free(r);
}

static uint32_t *chain_of(const struct retry *r, const uint8_t *client_id, int32_t call_id)
{
    uint64_t a, b;
    memcpy(&a, client_id, sizeof(a));
    memcpy(&b, client_id + sizeof(a), sizeof(b));
    uint64_t hash = (a ^ b ^ (uint32_t)call_id) * 0x9e3779b97f4a7c15ULL;
    return &r->heads[(hash >> 32) & (r->size - 1)];
}

static struct entry *find(const struct retry *r, const uint8_t *client_id, int32_t call_id)
{
    if (r->count == 0)
        return NULL;
    for (uint32_t i = *chain_of(r, client_id, call_id); i != NONE; i = r->ring[i - 1].next) {
        struct entry *e = &r->ring[i - 1];
        if (e->call_id == call_id && memcmp(e->client_id, client_id, RETRY_CLIENT_ID_SIZE) == 0)
            return e;
    }
    return NULL;
}

static void link_in(struct retry *r, uint32_t slot)
{
    struct entry *e = &r->ring[slot];
    uint32_t *head = chain_of(r, e->client_id, e->call_id);
    e->next = *head;
    *head = slot + 1;
}

static void drop_oldest(struct retry *r)
{
    CHECK(r->count > 0);
    struct entry *e = &r->ring[r->oldest];
    uint32_t *at = chain_of(r, e->client_id, e->call_id);
    while (*at != r->oldest + 1) {
        CHECK(*at != NONE);
        at = &r->ring[*at - 1].next;
    }
    *at = e->next;
    r->oldest = (r->oldest + 1) & (r->size - 1);
    r->count--;
}

static bool expired(const struct retry *r, const struct entry *e)
{
    return r->now_ms - e->noted_ms > r->settings.expiry_ms;
}

/* A slice: all that a restart has noted expires in one moment. Nobody finds what is left. */
static void drop_expired(struct retry *r)
{
    for (int i = 0; i < EXPIRE_AT_ONCE && r->count > 0 && expired(r, &r->ring[r->oldest]); i++)
        drop_oldest(r);
}

/* False: no memory, all stays as it is. */
static bool grow(struct retry *r)
{
    uint32_t size = r->size == 0 ? FIRST_SIZE : r->size * 2;
    struct entry *ring = malloc(size * sizeof(*ring));
    uint32_t *heads = calloc(size, sizeof(*heads));
    if (ring == NULL || heads == NULL) {
        free(ring);
        free(heads);
        return false;
    }
    for (uint32_t i = 0; i < r->count; i++)
        ring[i] = r->ring[(r->oldest + i) & (r->size - 1)];
    free(r->ring);
    free(r->heads);
    r->ring = ring;
    r->heads = heads;
    r->size = size;
    r->oldest = 0;
    for (uint32_t i = 0; i < r->count; i++)
        link_in(r, i);
    return true;
}

void retry_configure(struct retry *r, const struct retry_settings *s)
{
    r->settings = *s;
    while (r->count > r->settings.max_entries)
        drop_oldest(r);
}

void retry_set_now(struct retry *r, int64_t mono_ms)
{
    if (mono_ms > r->now_ms)
        r->now_ms = mono_ms;
    drop_expired(r);
}

void retry_restart(struct retry *r, int64_t mono_ms)
{
    r->now_ms = mono_ms;
    for (uint32_t i = 0; i < r->count; i++)
        r->ring[(r->oldest + i) & (r->size - 1)].noted_ms = mono_ms;
}

void retry_note(struct retry *r, struct slice client_id, int32_t call_id, uint8_t op,
                uint64_t inode_id)
{
    if (client_id.size != RETRY_CLIENT_ID_SIZE || call_id < 0 || r->settings.max_entries == 0)
        return;
    struct entry *known = find(r, client_id.data, call_id);
    while (known != NULL && expired(r, known)) { /* a new call; the old one isn't dropped yet */
        drop_oldest(r);
        known = find(r, client_id.data, call_id);
    }
    if (known != NULL) { /* several edits of one call: the last one speaks for it */
        known->op = op;
        known->inode_id = inode_id;
        return;
    }
    if (r->count >= r->settings.max_entries)
        drop_oldest(r);
    if (r->count == r->size && !grow(r)) {
        if (r->count == 0)
            return;
        drop_oldest(r);
    }
    uint32_t slot = (r->oldest + r->count) & (r->size - 1);
    struct entry *e = &r->ring[slot];
    *e = (struct entry){.call_id = call_id, .inode_id = inode_id, .noted_ms = r->now_ms, .op = op};
    memcpy(e->client_id, client_id.data, RETRY_CLIENT_ID_SIZE);
    link_in(r, slot);
    r->count++;
}

bool retry_find(const struct retry *r, struct slice client_id, int32_t call_id,
                struct retry_answer *ret)
{
    if (client_id.size != RETRY_CLIENT_ID_SIZE || call_id < 0)
        return false;
    const struct entry *e = find(r, client_id.data, call_id);
    if (e == NULL || expired(r, e))
        return false;
    *ret = (struct retry_answer){e->op, e->inode_id};
    return true;
}

uint32_t retry_count(const struct retry *r)
{
    return r->count;
}
