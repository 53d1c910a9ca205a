/* stream.c - a page that is made while it is read.
 *
 * The maker puts bytes in, on whatever thread; the server's thread takes them out as the reader's
 * socket has room. When there are none its connection sleeps until the maker puts more; when there
 * are too many the maker is told to wait, and woken. Invariants: (1) a stream lives until its maker
 * has ended it and its response is destroyed; (2) `asleep` is true only between the server's
 * MHD_suspend_connection and the one MHD_resume_connection that ends it; (3) a stream that has
 * lost its reader takes nothing.
 * Locks: web_streams' before the stream's; `wake` is called without any. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "common/web/internal.h"

enum {
    HIGH = 256 << 10, /* bytes that wait: the maker had better stop */
    LOW = 64 << 10,   /* and may go on */
    PIECE = 16 << 10,
};

struct web_stream {
    struct web_streams *all;
    struct web_stream *prev, *next; /* among them, while there is a reader */
    struct MHD_Connection *connection;
    pthread_mutex_t lock; /* guards all below */
    struct buf bytes;
    unsigned holders;
    bool asleep, ended, gone; /* ended: by its maker; gone: the reader */
    void (*wake)(void *ctx);
    void *wake_ctx;
};

void web_streams_init(struct web_streams *all)
{
    *all = (struct web_streams){0};
    pthread_mutex_init(&all->lock, NULL);
}

void web_streams_fini(struct web_streams *all)
{
    CHECK(all->first == NULL);
    pthread_mutex_destroy(&all->lock);
}

static void link_stream(struct web_stream *s)
{
    struct web_streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    s->next = all->first;
    if (s->next != NULL)
        s->next->prev = s;
    all->first = s;
    s->gone = all->cut;
    pthread_mutex_unlock(&all->lock);
}

static void unlink_stream(struct web_stream *s)
{
    struct web_streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    *(s->prev != NULL ? &s->prev->next : &all->first) = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    pthread_mutex_unlock(&all->lock);
}

struct web_stream *web_stream_new(struct web_streams *all, struct MHD_Connection *c)
{
    struct web_stream *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    *s = (struct web_stream){.all = all, .connection = c, .holders = 2};
    pthread_mutex_init(&s->lock, NULL);
    link_stream(s);
    return s;
}

/* With the lock held, which it gives up. */
static void let_go(struct web_stream *s)
{
    CHECK(s->holders > 0);
    bool last = --s->holders == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&s->lock);
    buf_fini(&s->bytes);
    free(s);
}

static void rouse(struct web_stream *s)
{
    if (s->asleep)
        MHD_resume_connection(s->connection);
    s->asleep = false;
}

/* With the lock held, which it gives up; then tells a maker that waits. */
static void unlock_and_wake(struct web_stream *s)
{
    void (*wake)(void *ctx) = s->wake;
    void *ctx = s->wake_ctx;
    s->wake = NULL;
    pthread_mutex_unlock(&s->lock);
    if (wake != NULL)
        wake(ctx);
}

void web_streams_cut(struct web_streams *all)
{
    pthread_mutex_lock(&all->lock);
    all->cut = true;
    for (struct web_stream *s = all->first; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->lock);
        s->gone = true;
        rouse(s);
        unlock_and_wake(s);
    }
    pthread_mutex_unlock(&all->lock);
}

/* ---- the maker's side ---- */

int web_stream_put(struct web_stream *s, const void *data, size_t size)
{
    pthread_mutex_lock(&s->lock);
    int rc = s->gone ? ERR_CLOSED : buf_append(&s->bytes, data, size);
    if (rc == 0 && size > 0)
        rouse(s);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

bool web_stream_full(struct web_stream *s, void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    bool full = !s->gone && buf_size(&s->bytes) >= HIGH;
    s->wake = full ? wake : NULL;
    s->wake_ctx = ctx;
    pthread_mutex_unlock(&s->lock);
    return full;
}

void web_stream_end(struct web_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    s->wake = NULL;
    rouse(s);
    let_go(s);
}

/* ---- the reader's side; thread: the server's ---- */

static ssize_t take(void *ctx, uint64_t at, char *out, size_t max)
{
    struct web_stream *s = ctx;
    (void)at;
    pthread_mutex_lock(&s->lock);
    size_t size = buf_size(&s->bytes) < max ? buf_size(&s->bytes) : max;
    ssize_t rc = (ssize_t)size;
    if (s->gone) {
        rc = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (size > 0) {
        memcpy(out, buf_head(&s->bytes), size);
        buf_consume(&s->bytes, size);
    } else if (s->ended) {
        rc = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        s->asleep = true;
        MHD_suspend_connection(s->connection);
    }
    if (buf_size(&s->bytes) <= LOW)
        unlock_and_wake(s);
    else
        pthread_mutex_unlock(&s->lock);
    return rc;
}

static void reader_left_it(void *ctx)
{
    struct web_stream *s = ctx;
    unlink_stream(s);
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    void (*wake)(void *ctx) = s->wake;
    void *wake_ctx = s->wake_ctx;
    s->wake = NULL;
    let_go(s);
    if (wake != NULL) /* it still holds the stream, or has no wish to be woken */
        wake(wake_ctx);
}

struct MHD_Response *web_stream_response(struct web_stream *s)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, take, s, reader_left_it);
    if (r != NULL)
        return r;
    reader_left_it(s);
    web_stream_end(s);
    return NULL;
}

/* ---- the request ---- */

void web_request_init(struct web_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info == NULL ? NULL : info->client_addr;
    r->peer[0] = '\0';
    if (sa != NULL && sa->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, r->peer,
                        sizeof(r->peer));
    else if (sa != NULL && sa->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
                        r->peer, sizeof(r->peer));
}

const char *web_value(const struct web_request *r, const char *name)
{
    const char *value = NULL;
    size_t size = 0;
    if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                                      &value, &size) != MHD_YES)
        return NULL;
    return value != NULL ? value : "";
}

const char *web_peer(const struct web_request *r)
{
    return r->peer;
}
