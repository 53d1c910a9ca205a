/* stats.h - how long other nodes and the disks of this one take, and which of them stand out. Door
 * of datanode/stats. All functions of `struct stats` and of series are thread-safe. */
#pragma once
#include "common/base/base.h"
#include "common/conf/conf.h"

/* --- who stands out: pure --- */
struct outlier_rule {
    size_t least;  /* fewer values: nobody is looked at */
    double low_ms; /* up to that nobody is slow */
};
struct outlier_facts {
    double median, mad, limit; /* whoever is above the limit is slow */
};
/* Sorts the values. False: too few. */
bool outlier_find(double *values, size_t count, struct outlier_rule rule,
                  struct outlier_facts *ret);

/* --- durations of something: time is passed in --- */
enum { SERIES_WINDOWS = 36, SERIES_WINDOW_MS = 300000 };
struct series;
must_use struct series *series_new(const char *name, unsigned percent); /* NULL: no memory */
void series_free(struct series *s);
void series_add(struct series *s, int64_t duration_ns, int64_t now_ms);
/* The mean in ms over the last windows, the current one among them; returns how many there were. */
uint64_t series_mean(struct series *s, unsigned windows, int64_t now_ms, double *ret_ms);
/* Around what is measured; the series may be NULL. 0: not this time. */
int64_t series_begin(const struct series *s);
void series_end(struct series *s, int64_t began_ns);

/* --- those of a DataNode --- */
enum { STATS_MAX_PEERS = 4096, STATS_MAX_DISKS = 256 };
enum disk_op { DISK_METADATA, DISK_READ, DISK_WRITE, DISK_OPS };
struct stats;
must_use int stats_new(const struct conf *conf, struct stats **ret, struct err *err);
void stats_free(struct stats *s); /* nobody may use a series of it any more */
/* NULL: it isn't measured (switched off, stats is NULL, too many). The name is a node's web address
 * as the NameNode knows it, or the folder of a volume. */
struct series *stats_peer(struct stats *s, const char *name);
struct series *stats_disk(struct stats *s, const char *path, enum disk_op op);

struct slow_peer {
    const char *name; /* lives as long as stats */
    double mean_ms;
    struct outlier_facts facts;
};
struct slow_disk {
    const char *path;
    double mean_ms[DISK_OPS]; /* 0: not slow in that */
};
size_t stats_slow_peers(struct stats *s, int64_t now_ms, struct slow_peer *ret, size_t max);
size_t stats_slow_disks(struct stats *s, int64_t now_ms, struct slow_disk *ret, size_t max);
int64_t stats_interval_ms(const struct stats *s); /* between two reports of them */
