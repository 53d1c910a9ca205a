/* status.c - the web server of the NameNode and the facts that it shows.
 * The state's thread brings new facts once a second and never waits: while a page is being made
 * from the old ones, the new ones are dropped. Thread: state brings, the web server's reads.
 * Lock: status->lock, a leaf; it guards `facts`. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "common/web/web.h"
#include "namenode/retry/retry.h"
#include "namenode/server/internal.h"
#include "namenode/web/web.h"

struct status {
    pthread_mutex_t lock;
    struct facts *facts; /* NULL: none yet */
    struct web *web;
    char rpc_address[300];
    int64_t started_ms;
};

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void status_tick(struct server *s, int64_t mono_ms)
{
    struct status *st = s->status;
    struct facts_shell shell = {.started_ms = st->started_ms,
                                .now_ms = clock_wall_ms(),
                                .image_txid = s->checkpoints.image_txid,
                                .resident_bytes = resident_bytes(),
                                .retry_entries = retry_count(s->nn->retry),
                                .version = HADRON_VERSION,
                                .rpc_version = s->env.software_version,
                                .upgrade_open = storage_keeps_previous(s->storage)};
    struct facts *fresh = facts_gather(s->nn, mono_ms, &shell);
    if (fresh == NULL)
        return;
    if (pthread_mutex_trylock(&st->lock) == 0) {
        struct facts *old = st->facts;
        st->facts = fresh;
        fresh = old;
        pthread_mutex_unlock(&st->lock);
    }
    facts_free(fresh);
}

/* ---- pages; thread: the web server's ---- */

static int page(void *ctx, const char *query, struct buf *out)
{
    struct status *st = ctx;
    (void)query;
    pthread_mutex_lock(&st->lock);
    int rc = st->facts == NULL ? ERR_BUSY : facts_page(st->facts, st->rpc_address, out);
    pthread_mutex_unlock(&st->lock);
    return rc;
}

static int jmx(void *ctx, const char *query, struct buf *out)
{
    struct status *st = ctx;
    pthread_mutex_lock(&st->lock);
    int rc = st->facts == NULL ? ERR_BUSY : facts_jmx(st->facts, query, out);
    pthread_mutex_unlock(&st->lock);
    return rc;
}

static int prom(void *ctx, const char *query, struct buf *out)
{
    struct status *st = ctx;
    (void)query;
    pthread_mutex_lock(&st->lock);
    int rc = st->facts == NULL ? ERR_BUSY : facts_prom(st->facts, out);
    pthread_mutex_unlock(&st->lock);
    return rc;
}

static const struct web_page pages[] = {
    {"/", "text/html; charset=utf-8", page},
    {"/index.html", "text/html; charset=utf-8", page},
    {"/dfshealth.html", "text/html; charset=utf-8", page},
    {"/jmx", "application/json; charset=utf-8", jmx},
    {"/prom", "text/plain; version=0.0.4; charset=utf-8", prom},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", prom},
};

/* ---- start and stop ---- */

int status_new(struct server *s, struct err *err)
{
    struct status *st = calloc(1, sizeof(*st));
    if (st == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the web server");
    pthread_mutex_init(&st->lock, NULL);
    st->started_ms = clock_wall_ms();
    s->status = st;
    return 0;
}

/* A default port that is taken is no reason not to start. */
int status_start(struct server *s, struct err *err)
{
    struct status *st = s->status;
    bool is_set = conf_is_set(s->conf, CONF_nn_http_address);
    struct web_options o = {.pages = pages, .page_count = ARRAY_SIZE(pages), .ctx = st};
    TRY(web_address(s->conf, conf_name(CONF_nn_http_address),
                    conf_str(s->conf, CONF_nn_http_address), is_set,
                    conf_str(s->conf, CONF_nn_http_bind_host), 9870, &o.listen, err));
    snprintf(st->rpc_address, sizeof(st->rpc_address), "%s", s->address);
    int rc = web_start(&o, &st->web, err);
    if (rc == 0)
        log_info("status page url=http://%s:%u/", o.listen.host, web_port(st->web));
    if (rc == 0 || is_set)
        return rc;
    log_warn("no status page why=%s", log_quote(err->text));
    *err = (struct err){0};
    return 0;
}

void status_stop(struct server *s)
{
    if (s->status != NULL)
        web_stop(s->status->web);
}

void status_free(struct server *s)
{
    struct status *st = s->status;
    if (st == NULL)
        return;
    facts_free(st->facts);
    pthread_mutex_destroy(&st->lock);
    free(st);
    s->status = NULL;
}
