/* metrics.c - the counters of metrics.def. Thread: any; each counter is atomic, sets of them
 * aren't. */
#include <stdatomic.h>

#include "common/obs/obs.h"

static _Atomic uint64_t counters[METRIC_COUNT];
static const char *const names[METRIC_COUNT] = {
#define M(name, help) [METRIC_##name] = #name,
    METRICS(M)
#undef M
};

void metric_add(enum metric metric, uint64_t n)
{
    atomic_fetch_add_explicit(&counters[metric], n, memory_order_relaxed);
}

uint64_t metric_get(enum metric metric)
{
    return atomic_load_explicit(&counters[metric], memory_order_relaxed);
}

const char *metric_name(enum metric metric)
{
    return names[metric];
}
