/* internal.h - what the files of common/reconf share. */
#pragma once
#include <pthread.h>

#include "common/base/base.h"
#include "common/reconf/reconf.h"

struct reconf {
    struct reconf_options options;
    struct conf *current; /* in force; the run's thread, or nobody's */
    pthread_mutex_t lock; /* guards what follows */
    pthread_t thread;
    bool joinable, running, stopped;
    int64_t start_ms, end_ms;
    struct reconf_change *changes;
    size_t change_count, change_capacity;
};
