/* internal.h - what the files of common/web share. */
#pragma once
#include <microhttpd.h>
#include <pthread.h>

#include "common/web/web.h"

struct web_request {
    struct MHD_Connection *connection;
    char peer[64];
};
void web_request_init(struct web_request *r);

/* All open streams of a server. Lock order: this one before that of a stream. */
struct web_streams {
    pthread_mutex_t lock; /* guards the list */
    struct web_stream *first;
    bool cut; /* the server stops */
};
void web_streams_init(struct web_streams *all);
void web_streams_fini(struct web_streams *all);
/* Ends all for their readers and wakes their connections. */
void web_streams_cut(struct web_streams *all);

struct web_stream *web_stream_new(struct web_streams *all, struct MHD_Connection *c);
/* The reader's half: destroyed with the response. NULL: no memory, and the stream is gone. */
struct MHD_Response *web_stream_response(struct web_stream *s);
