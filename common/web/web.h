/* web.h - a small HTTP server for status pages. Door of common/web.
 * One thread of its own (libmicrohttpd parses and sends); pages are made on it by the callbacks.
 * GET and HEAD only; few connections, small requests, short time-outs: it is for a browser and for
 * monitoring tools, not for data. */
#pragma once
#include "common/base/base.h"
#include "common/io/io.h"

struct conf;

struct web_page {
    const char *path; /* "/jmx" */
    const char *type; /* of the content */
    /* Appends to out; query is the value of `qry`, or NULL. Not 0: 503. */
    int (*render)(void *ctx, const char *query, struct buf *out);
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
