/* obs.h - what a program tells about itself. Door of common/obs.
 * Log lines go to standard error, one event a line: time level component file:line text key=value
 * ... Thread-safe; a line is written with one write(2). Values with blanks or quotes are quoted by
 * the caller with %s only where they can't contain them; use LOG_Q for text from outside (quotes,
 * escapes control characters). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* component: "namenode", "datanode", ...; level from HADRON_LOG (debug info warn error), default
 * info. */
void log_init(const char *component);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Text from outside as one quoted word; the result lives in one of 8 per-thread buffers of 512
 * bytes. */
const char *log_quote(const char *text);

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_at(level, ...)                                     \
    do {                                                       \
        if (log_enabled(level))                                \
            log_write(level, __FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

/* At most one line a second per place; says how many were left out. For events that outsiders can
 * cause. */
struct log_limit {
    _Atomic int64_t next_ms;
    _Atomic uint64_t skipped;
};
bool log_allowed(struct log_limit *limit, uint64_t *ret_skipped);
#define log_limited(level, fmt, ...)                                               \
    do {                                                                           \
        static struct log_limit limit_;                                            \
        uint64_t skipped_;                                                         \
        if (log_enabled(level) && log_allowed(&limit_, &skipped_))                 \
            log_write(level, __FILE__, __LINE__, fmt " skipped=%llu", __VA_ARGS__, \
                      (unsigned long long)skipped_);                               \
    } while (0)

/* Counters: one line each in metrics.def; atomic, process-wide. */
#include "common/obs/metrics.def"
enum metric {
#define M(name, help) METRIC_##name,
    METRICS(M)
#undef M
        METRIC_COUNT
};
void metric_add(enum metric metric, uint64_t n);
uint64_t metric_get(enum metric metric);
const char *metric_name(enum metric metric);

/* 0, or the errno that `file` wants at this place; may sleep. NULL or an empty name: 0. */
int failpoint(const char *file, const char *place, uint64_t position);
