/* internal.h - a check and its connection. */
#pragma once
#include "namenode/fsck/serve/serve.h"

struct fsck_job {
    struct fsck_server *server;
    void *turn;
    struct web_stream *stream;
    struct arena arena; /* texts of the request, groups */
    struct fsck_options options;
    struct fsck_caller caller;
    struct fsck *fsck; /* NULL: the first turn makes it */
    struct buf text;

    /* what a worker copies; its own until it posts the job */
    struct arena remains_arena;
    struct fsck_remains remains;
    bool copied, copied_ok;
};

/* salvage.c; thread: a worker's. True: everything that could be read lies in /lost+found. */
bool fsck_salvage(struct fsck_job *job);
/* actions.c: fsck_host's; ctx is the job. Thread: state */
int fsck_delete(void *ctx, const char *path);
int fsck_start_salvage(void *ctx, const struct fsck_remains *remains);
