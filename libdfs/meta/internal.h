/* internal.h - shared by the files of libdfs/meta only. */
#pragma once
#include <stdatomic.h>
#include <stdio.h>

#include "libdfs/meta/meta.h"

struct meta {
    struct meta_addresses addresses;
    struct rpc_client *rpc;
    struct meta_retry retry; /* how each call begins */
    _Atomic size_t active;   /* index of the NameNode that answered last */
};
