/* lease_keeper.c - keeps open files alive: leases at the NameNode, pipelines at the DataNodes.
 * Threads: its own two, which start with the first file and end with the client: one renews, one
 * ticks, since a NameNode that hangs must not silence the pipelines.
 * Ownership: entries belong to the open files; the list to `lock`.
 * Invariants: (1) ticks run with the lock held, so keeper_remove waits for a running one; (2) the
 * RPC runs without the lock; (3) one renewal serves all files, since a lease belongs to the client
 * name; (4) the lease counts as renewed when the request left, not when the answer came.
 * Lock order: keeper.lock, then a file's own lock (by trylock only). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "common/io/io.h"
#include "common/obs/obs.h"
#include "libdfs/meta/internal.h"

enum {
    TICK_MS = 5000,
    RENEW_MS = 30000, /* half of the soft limit */
    RETRY_MS = 2000   /* after a failed renewal */
};

struct keeper {
    struct meta *meta;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    pthread_t ticker, renewer;
    bool started, stopping;
    struct keeper_entry *entries;
    int64_t renewed_ms, next_renewal_ms;
    int64_t hard_limit_ms; /* after that the NameNode takes the files away */
    int64_t tick_ms, renew_ms;
    char client_name[];
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int keeper_new(struct meta *m, const char *client_name, int64_t hard_limit_ms, struct keeper **ret)
{
    size_t size = strlen(client_name) + 1;
    struct keeper *k = calloc(1, sizeof(*k) + size);
    if (k == NULL)
        return ERR_NO_MEMORY;
    memcpy(k->client_name, client_name, size);
    k->meta = m;
    k->hard_limit_ms = hard_limit_ms;
    k->tick_ms = at_most(TICK_MS, hard_limit_ms / 4);
    k->renew_ms = at_most(RENEW_MS, hard_limit_ms / 4);
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    *ret = k;
    return 0;
}

void keeper_free(struct keeper *k)
{
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    CHECK(k->entries == NULL);
    k->stopping = true;
    bool started = k->started;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (started) {
        pthread_join(k->ticker, NULL);
        pthread_join(k->renewer, NULL);
    }
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static int renew(struct keeper *k, struct err *err)
{
    Cp__RenewLeaseRequest request = CP__RENEW_LEASE_REQUEST__INIT;
    request.client_name = k->client_name;
    Cp__RenewLeaseResponse *response;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    int rc = META_CALL(k->meta, renewLease, &request, &arena, &response, err);
    arena_fini(&arena);
    return rc;
}

static void wait_ms(struct keeper *k, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = (int64_t)until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&k->wake, &k->lock, &until); /* early wake-ups do no harm */
}

/* With the lock, which it gives back for the call. */
static void renew_now(struct keeper *k)
{
    int64_t start = clock_monotonic_ms();
    struct err err = {0};
    pthread_mutex_unlock(&k->lock);
    int rc = renew(k, &err);
    if (rc != 0)
        log_warn("lease not renewed client=%s error=%s", k->client_name, log_quote(err.text));
    int64_t end = clock_monotonic_ms();
    pthread_mutex_lock(&k->lock);
    if (rc == 0)
        k->renewed_ms = start; /* keeps (4) */
    k->next_renewal_ms = rc == 0 ? start + k->renew_ms : end + at_most(RETRY_MS, k->renew_ms);
}

static void *run_renewer(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        int64_t left = k->next_renewal_ms - clock_monotonic_ms();
        if (k->entries == NULL)
            pthread_cond_wait(&k->wake, &k->lock);
        else if (left > 0)
            wait_ms(k, left);
        else
            renew_now(k);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void tick_all(struct keeper *k)
{
    struct keeper_entry *entry;
    int64_t now = clock_monotonic_ms();
    DL_FOREACH(k->entries, entry)
    entry->tick(entry, now, now - k->renewed_ms > k->hard_limit_ms);
}

static void *run_ticker(void *arg)
{
    struct keeper *k = arg;
    int64_t next_ms = 0;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        int64_t now = clock_monotonic_ms();
        if (k->entries == NULL) {
            pthread_cond_wait(&k->wake, &k->lock);
        } else if (now < next_ms) {
            wait_ms(k, next_ms - now);
        } else {
            tick_all(k);
            next_ms = now + k->tick_ms;
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* With the lock. The keeper may have one thread less than it wants only if it has none. */
static int start(struct keeper *k, struct err *err)
{
    int eno = pthread_create(&k->ticker, NULL, run_ticker, k);
    if (eno == 0 && (eno = pthread_create(&k->renewer, NULL, run_renewer, k)) != 0) {
        k->stopping = true;
        pthread_mutex_unlock(&k->lock);
        pthread_join(k->ticker, NULL);
        pthread_mutex_lock(&k->lock);
        k->stopping = false;
    }
    k->started = eno == 0;
    errno = eno;
    return eno == 0 ? 0 : fail_errno(err, "thread that renews leases");
}

int keeper_add(struct keeper *k, struct keeper_entry *entry, struct err *err)
{
    pthread_mutex_lock(&k->lock);
    int rc = k->started ? 0 : start(k, err);
    if (rc == 0) {
        if (k->entries == NULL) { /* creating the file has just made the lease fresh */
            k->renewed_ms = clock_monotonic_ms();
            k->next_renewal_ms = k->renewed_ms + k->renew_ms;
        }
        DL_APPEND(k->entries, entry);
        pthread_cond_broadcast(&k->wake);
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

void keeper_remove(struct keeper *k, struct keeper_entry *entry)
{
    pthread_mutex_lock(&k->lock);
    DL_DELETE(k->entries, entry);
    pthread_mutex_unlock(&k->lock);
}
