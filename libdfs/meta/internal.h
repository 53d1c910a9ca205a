/* internal.h - shared by the files of libdfs/meta only. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "libdfs/meta/meta.h"

struct meta {
    struct meta_addresses addresses;
    struct rpc_client *rpc;
    struct meta_retry retry;    /* how each call begins */
    _Atomic size_t active;      /* index of the NameNode that answered last */
    pthread_mutex_t probe_lock; /* guards all below */
    pthread_cond_t probes_done;
    struct rpc_client *probe_rpc; /* its time-outs are short */
    int probing;                  /* threads */
};

enum { PROBE_MS = 3000 };
void probes_init(struct meta *m);
void probes_fini(struct meta *m);
