/* lease_keeper.c - keeps open files alive: leases at the NameNode, pipelines at the DataNodes.
 * Thread: its own, which starts with the first file and ends with the client.
 * Ownership: entries belong to the open files; the list to `lock`.
 * Invariants: (1) ticks run with the lock held, so keeper_remove waits for a running one; (2) the
 * RPC runs without the lock; (3) one renewal serves all files, since a lease belongs to the client
 * name. Lock order: keeper.lock, then a file's own lock (by trylock only). */
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
    RENEW_MS = 30000,        /* half of the soft limit */
    HARD_LIMIT_MS = 1200000, /* after that the NameNode takes the files away */
    RETRY_MS = 2000          /* after a failed renewal */
};

struct keeper {
    struct meta *meta;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stopping;
    struct keeper_entry *entries;
    int64_t renewed_ms, next_renewal_ms;
    char client_name[];
};

int keeper_new(struct meta *m, const char *client_name, struct keeper **ret)
{
    size_t size = strlen(client_name) + 1;
    struct keeper *k = calloc(1, sizeof(*k) + size);
    if (k == NULL)
        return ERR_NO_MEMORY;
    memcpy(k->client_name, client_name, size);
    k->meta = m;
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
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (started)
        pthread_join(k->thread, NULL);
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

static void renew_if_due(struct keeper *k, int64_t now)
{
    if (now < k->next_renewal_ms)
        return;
    pthread_mutex_unlock(&k->lock);
    struct err err = {0};
    int rc = renew(k, &err);
    if (rc != 0)
        log_warn("lease not renewed client=%s error=%s", k->client_name, log_quote(err.text));
    int64_t done = clock_monotonic_ms();
    pthread_mutex_lock(&k->lock);
    if (rc == 0)
        k->renewed_ms = now;
    k->next_renewal_ms = rc == 0 ? now + RENEW_MS : done + RETRY_MS;
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

static void *run(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        if (k->entries == NULL) {
            pthread_cond_wait(&k->wake, &k->lock);
            continue;
        }
        wait_ms(k, TICK_MS);
        if (k->stopping || k->entries == NULL)
            continue;
        int64_t now = clock_monotonic_ms();
        renew_if_due(k, now);
        struct keeper_entry *entry;
        DL_FOREACH(k->entries, entry)
        entry->tick(entry, now, now - k->renewed_ms > HARD_LIMIT_MS);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int keeper_add(struct keeper *k, struct keeper_entry *entry, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&k->lock);
    if (!k->started) {
        int eno = pthread_create(&k->thread, NULL, run, k);
        k->started = eno == 0;
        if (eno != 0) {
            errno = eno;
            rc = fail_errno(err, "thread that renews leases");
        }
    }
    if (rc == 0) {
        if (k->entries == NULL) { /* creating the file has just made the lease fresh */
            k->renewed_ms = clock_monotonic_ms();
            k->next_renewal_ms = k->renewed_ms + RENEW_MS;
        }
        DL_APPEND(k->entries, entry);
        pthread_cond_signal(&k->wake);
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
