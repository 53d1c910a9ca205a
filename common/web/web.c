/* web.c - the server: which page, which answer. Thread: its own, made by libmicrohttpd. */
#include "common/web/internal.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"

enum {
    MAX_CONNECTIONS = 64,
    MAX_PER_ADDRESS = 32,
    TIMEOUT_S = 15,
    STREAM_TIMEOUT_S = 300,
    MEMORY = 16 << 10
};

struct web {
    struct MHD_Daemon *daemon;
    const struct web_page *pages;
    size_t page_count;
    void *ctx;
    uint16_t port;
    struct web_streams streams;
};

static void add_headers(struct MHD_Response *r, const char *type)
{
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "X-Frame-Options", "SAMEORIGIN");
    MHD_add_response_header(r, "Cache-Control", "no-cache");
}

static enum MHD_Result send_bytes(struct MHD_Connection *c, unsigned status, const char *type,
                                  const void *data, size_t size)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    add_headers(r, type);
    enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    return send_bytes(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* Long pages have a reader who may think for a while. */
static enum MHD_Result send_stream(struct web *w, struct MHD_Connection *c,
                                   const struct web_page *p)
{
    struct err err = {0};
    struct web_stream *stream = web_stream_new(&w->streams, c);
    struct MHD_Response *r = stream == NULL ? NULL : web_stream_response(stream);
    if (r == NULL)
        return MHD_NO;
    struct web_request request = {.connection = c};
    web_request_init(&request);
    if (p->open(w->ctx, &request, stream, &err) != 0) {
        web_stream_end(stream);
        MHD_destroy_response(r);
        return send_text(c, MHD_HTTP_FORBIDDEN, err.text);
    }
    add_headers(r, p->type);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)STREAM_TIMEOUT_S);
    enum MHD_Result rc = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result send_page(struct web *w, struct MHD_Connection *c, const struct web_page *p)
{
    struct buf out = {0};
    const char *query = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "qry");
    enum MHD_Result rc =
        p->render(w->ctx, query, &out) != 0
            ? send_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "The figures are not there yet.\n")
            : send_bytes(c, MHD_HTTP_OK, p->type, buf_head(&out), buf_size(&out));
    buf_fini(&out);
    return rc;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct web *w = ctx;
    (void)version;
    (void)upload;
    if (*upload_size > 0) { /* read and forgotten; the answer has been decided */
        *upload_size = 0;
        return MHD_YES;
    }
    if (*state == NULL) { /* the headers are there; the answer comes with the next call */
        *state = w;
        return MHD_YES;
    }
    metric_add(METRIC_web_requests, 1);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET is served here.\n");
    for (size_t i = 0; i < w->page_count; i++)
        if (strcmp(url, w->pages[i].path) == 0)
            return w->pages[i].open != NULL ? send_stream(w, c, &w->pages[i])
                                            : send_page(w, c, &w->pages[i]);
    return send_text(c, MHD_HTTP_NOT_FOUND, "There is no such page: / /jmx /prom are served.\n");
}

__attribute__((format(printf, 2, 0))) static void log_line(void *ctx, const char *fmt, va_list ap)
{
    char text[256];
    (void)ctx;
    vsnprintf(text, sizeof(text), fmt, ap);
    log_limited(LOG_DEBUG, "web why=%s", log_quote(text));
}

int web_start(const struct web_options *o, struct web **ret, struct err *err)
{
    struct web *w = calloc(1, sizeof(*w));
    int fd = -1;
    if (w == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the web server");
    *w = (struct web){.pages = o->pages, .page_count = o->page_count, .ctx = o->ctx};
    web_streams_init(&w->streams);
    int rc = sock_listen(&o->listen, &fd, &w->port, err);
    if (rc == 0) {
        w->daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
                MHD_ALLOW_SUSPEND_RESUME,
            0, NULL, NULL, answer, w, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MAX_PER_ADDRESS,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)MEMORY, MHD_OPTION_END);
        if (w->daemon == NULL) {
            close(fd);
            rc = fail(err, ERR_IO, "the web server does not start on %s:%u", o->listen.host,
                      w->port);
        }
    }
    if (rc != 0) {
        web_streams_fini(&w->streams);
        free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

uint16_t web_port(const struct web *w)
{
    return w->port;
}

void web_stop(struct web *w)
{
    if (w == NULL)
        return;
    web_streams_cut(&w->streams); /* a connection that sleeps can't be closed */
    MHD_stop_daemon(w->daemon);   /* closes the socket */
    web_streams_fini(&w->streams);
    free(w);
}

int web_address(const struct conf *conf, const char *key, const char *address, bool is_set,
                const char *bind_host, uint16_t default_port, struct addr *ret, struct err *err)
{
    TRY(addr_parse(address, default_port, key, ret, err));
    if (bind_host[0] != '\0')
        snprintf(ret->host, sizeof(ret->host), "%s", bind_host);
    if (conf_bool(conf, CONF_insecure_network) || addr_is_loopback(ret->host))
        return 0;
    if (is_set)
        return fail(err, ERR_CONFIG,
                    "%s=%s: set hadron.insecure.network=true to show the status of the cluster "
                    "beyond this machine",
                    key, address);
    snprintf(ret->host, sizeof(ret->host), "127.0.0.1");
    return 0;
}
