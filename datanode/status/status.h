/* status.h - the DataNode's status page and the bean that monitoring tools read. Door of
 * datanode/status. Thread: the web server's own; figures are asked from the store when a page is
 * made. */
#pragma once
#include "common/base/base.h"

struct conf;
struct store;
struct scanner;
struct status_page;
struct status_page_options {
    const struct conf *conf;
    struct store *store;
    struct scanner *scanner;
    unsigned (*transfers)(void *ctx); /* active ones */
    void *transfers_ctx;
    const char *host_name; /* with the port a part of a bean's name; lives as long as the page */
    uint16_t data_port;
};
must_use int status_page_start(const struct status_page_options *o, struct status_page **ret,
                               struct err *err);
uint16_t status_page_port(const struct status_page *p); /* 0: none */
void status_page_stop(struct status_page *take_page);   /* NULL is fine */
