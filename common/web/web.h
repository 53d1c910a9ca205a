/* web.h - a small HTTP server for status pages. Door of common/web.
 * One thread of its own (libmicrohttpd parses and sends); pages are made on it by the callbacks.
 * GET and HEAD only; few connections, small requests, short time-outs: it is for a browser and for
 * monitoring tools, not for data. */
#pragma once
#include "common/base/base.h"
#include "common/io/io.h"

struct conf;

/* A page that somebody else makes bit by bit, on any thread; see stream.c. Two hold it: the
 * connection and its maker, who ends it. */
struct web_stream;
struct web_request; /* good while `open` runs */
/* The value of ?name=value, decoded; "" without '='. NULL: not given. */
const char *web_value(const struct web_request *r, const char *name);
const char *web_peer(const struct web_request *r); /* the caller's address, "" when unknown */

struct web_page {
    const char *path; /* "/jmx" */
    const char *type; /* of the content */
    /* Appends to out; query is the value of `qry`, or NULL. Not 0: 503. */
    int (*render)(void *ctx, const char *query, struct buf *out);
    /* Instead of render (then NULL): someone takes the stream over and puts the page into it by and
     * by. Not 0: 403 with the error's text, and the stream was not taken. */
    int (*open)(void *ctx, const struct web_request *r, struct web_stream *take_stream,
                struct err *err);
};
struct web_options {
    struct addr listen; /* port 0: any */
    const struct web_page *pages;
    size_t page_count;
    void *ctx;
};

struct web;
must_use int web_start(const struct web_options *o, struct web **ret, struct err *err);
uint16_t web_port(const struct web *w);
void web_stop(struct web *take_web); /* joins its thread; NULL is fine */

/* Where to listen: loopback unless hadron.insecure.network, whatever a default address says; an
 * address that is set and lies beyond is ERR_CONFIG. bind_host may be "". */
must_use int web_address(const struct conf *conf, const char *key, const char *address, bool is_set,
                         const char *bind_host, uint16_t default_port, struct addr *ret,
                         struct err *err);

/* stream.c. Any thread. */
/* ERR_CLOSED: nobody reads any more. The bytes are copied. */
must_use int web_stream_put(struct web_stream *s, const void *data, size_t size);
/* So much waits for a slow reader that the maker had better stop. Then, and only then, `wake` is
 * called once when there is room again or the reader has gone; on the web server's thread. */
bool web_stream_full(struct web_stream *s, void (*wake)(void *ctx), void *ctx);
void web_stream_end(struct web_stream *take_s);

/* text.c: pieces of pages */
must_use int web_put_html(struct buf *out, const char *text); /* escaped */
must_use int web_put_json(struct buf *out, const char *text); /* quoted and escaped */
must_use int web_put_bytes(struct buf *out, uint64_t bytes);  /* 1.5 GB */
/* The counters of metrics.def in Prometheus' text format. */
must_use int web_put_counters(struct buf *out);
/* One figure in the same format; type: "gauge" or "counter". */
must_use int web_put_figure(struct buf *out, const char *name, const char *help, double value);
/* Whether a bean of that name is asked for: NULL all, else a name with '*' as wildcard. */
bool web_wants(const char *query, const char *bean);
/* The head of a page up to <body>, with its style. */
must_use int web_put_head(struct buf *out, const char *title);
