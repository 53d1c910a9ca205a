/* status.c - the web server of the NameNode and the facts that it shows.
 * The state's thread brings new facts once a second and never waits: while a page is being made
 * from the old ones, the new ones are dropped. Thread: state brings, the web server's reads.
 * Checks (/fsck) run on the state's thread, turn by turn, as messages of its inbox.
 * Lock: status->lock, a leaf; it guards `facts`. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "common/web/web.h"
#include "namenode/fsck/serve/serve.h"
#include "namenode/retry/retry.h"
#include "namenode/server/internal.h"
#include "namenode/web/web.h"

struct status {
    pthread_mutex_t lock;
    struct facts *facts; /* NULL: none yet */
    struct web *web;
    char rpc_address[300], url[320];
    int64_t started_ms;
    struct fsck_server checks;
};
/* A check's place in the inbox. */
struct turn {
    struct message message;
    struct server *server;
    struct fsck_job *job;
};
enum { MAX_CHECK_WORKERS = 4 };

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

static void run_turn(struct server *s, struct message *m)
{
    (void)s;
    fsck_turn(((struct turn *)m)->job);
}

static void post_turn(void *turn)
{
    struct turn *t = turn;
    inbox_put(&t->server->inbox, &t->message.node);
}

static void end_turn(void *turn)
{
    free(turn);
}

static int check(void *ctx, const struct web_request *r, struct web_stream *stream, struct err *err)
{
    struct status *st = ctx;
    struct turn *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a check");
    *t = (struct turn){.message.run = run_turn, .server = st->checks.ctx};
    int rc = fsck_open(&st->checks, t, r, stream, err, &t->job);
    if (rc != 0)
        free(t);
    return rc;
}

static const struct web_page pages[] = {
    {.path = "/fsck", .type = "text/plain; charset=utf-8", .open = check},
    {"/", "text/html; charset=utf-8", page, NULL},
    {"/index.html", "text/html; charset=utf-8", page, NULL},
    {"/dfshealth.html", "text/html; charset=utf-8", page, NULL},
    {"/jmx", "application/json; charset=utf-8", jmx, NULL},
    {"/prom", "text/plain; version=0.0.4; charset=utf-8", prom, NULL},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", prom, NULL},
};

/* ---- start and stop ---- */

int status_new(struct server *s, struct err *err)
{
    struct status *st = calloc(1, sizeof(*st));
    if (st == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the web server");
    pthread_mutex_init(&st->lock, NULL);
    st->started_ms = clock_wall_ms();
    st->checks = (struct fsck_server){.ctx = s,
                                      .env = &s->env,
                                      .groups = s->groups,
                                      .audit = s->audit,
                                      .superuser = s->process_user,
                                      .url = st->url,
                                      .authorize = proxy_authorize,
                                      .post = post_turn,
                                      .done = end_turn};
    s->status = st;
    st->checks.workers = workers_new("nn-fsck", MAX_CHECK_WORKERS);
    return st->checks.workers == NULL ? fail(err, ERR_NO_MEMORY, "no memory for workers") : 0;
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
    snprintf(st->url, sizeof(st->url), "hdfs://%s", s->address);
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
    struct status *st = s->status;
    if (st == NULL)
        return;
    web_stop(st->web); /* what is copied by a worker ends soon then */
    if (st->checks.workers != NULL)
        workers_free(st->checks.workers);
    st->web = NULL;
    st->checks.workers = NULL;
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
