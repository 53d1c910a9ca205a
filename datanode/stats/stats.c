/* stats.c - the series of a DataNode by name, and the slow ones among them. See stats.h.
 * The lists only grow, up to their limits; the lock guards them, not the series. */
#include <pthread.h>
#include <stdlib.h>

#include "datanode/stats/internal.h"

enum { PEER_WINDOWS = SERIES_WINDOWS, DISK_WINDOWS = 6 }; /* three hours, half an hour */

struct list {
    struct series **items;
    size_t count, limit;
};

struct stats {
    struct outlier_rule peer_rule, disk_rule;
    uint64_t peer_samples; /* a peer with no more of them isn't judged */
    unsigned disk_percent;
    bool peers_on;
    int64_t interval_ms;
    pthread_mutex_t lock; /* guards the lists; a leaf */
    struct list peers, disks[DISK_OPS];
};

int stats_new(const struct conf *conf, struct stats **ret, struct err *err)
{
    struct stats *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for statistics");
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    s->peer_rule = (struct outlier_rule){(size_t)conf_int(conf, CONF_dn_outlier_nodes),
                                         (double)conf_ms(conf, CONF_dn_slow_peer_low)};
    s->disk_rule = (struct outlier_rule){(size_t)conf_int(conf, CONF_dn_outlier_disks),
                                         (double)conf_ms(conf, CONF_dn_slow_disk_low)};
    s->peer_samples = (uint64_t)conf_int(conf, CONF_dn_outlier_samples);
    s->disk_percent = (unsigned)conf_int(conf, CONF_dn_fileio_sampling);
    s->peers_on = conf_bool(conf, CONF_dn_peer_stats);
    s->interval_ms = conf_ms(conf, CONF_dn_outliers_interval);
    s->peers.limit = STATS_MAX_PEERS;
    for (size_t i = 0; i < DISK_OPS; i++)
        s->disks[i].limit = STATS_MAX_DISKS;
    *ret = s;
    return 0;
}

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        series_free(l->items[i]);
    free(l->items);
}

void stats_free(struct stats *s)
{
    if (s == NULL)
        return;
    list_free(&s->peers);
    for (size_t i = 0; i < DISK_OPS; i++)
        list_free(&s->disks[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int64_t stats_interval_ms(const struct stats *s)
{
    return s->interval_ms;
}

/* --- by name --- */

static struct series *add(struct list *l, const char *name, unsigned percent)
{
    if (l->count == l->limit)
        return NULL;
    struct series **items = reallocarray(l->items, l->count + 1, sizeof(*items));
    if (items == NULL)
        return NULL;
    l->items = items;
    struct series *s = series_new(name, percent);
    if (s != NULL)
        items[l->count++] = s;
    return s;
}

static struct series *find(struct stats *s, struct list *l, const char *name, unsigned percent)
{
    struct series *found = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < l->count && found == NULL; i++)
        if (strcmp(series_name(l->items[i]), name) == 0)
            found = l->items[i];
    if (found == NULL)
        found = add(l, name, percent);
    pthread_mutex_unlock(&s->lock);
    return found;
}

struct series *stats_peer(struct stats *s, const char *name)
{
    return s == NULL || !s->peers_on ? NULL : find(s, &s->peers, name, 100);
}

struct series *stats_disk(struct stats *s, const char *path, enum disk_op op)
{
    return s == NULL || s->disk_percent == 0 ? NULL : find(s, &s->disks[op], path, s->disk_percent);
}

/* --- the slow ones --- */

struct mean {
    struct series *series;
    double ms;
};

/* Means of those with more than `samples`, on the heap; NULL without any. */
static struct mean *means_of(struct stats *s, const struct list *l, unsigned windows,
                             uint64_t samples, int64_t now_ms, size_t *ret_count)
{
    size_t count = 0;
    pthread_mutex_lock(&s->lock);
    struct mean *means = l->count == 0 ? NULL : calloc(l->count, sizeof(*means));
    for (size_t i = 0; means != NULL && i < l->count; i++) {
        struct mean *m = &means[count];
        m->series = l->items[i];
        count += series_mean(m->series, windows, now_ms, &m->ms) > samples;
    }
    pthread_mutex_unlock(&s->lock);
    *ret_count = count;
    return means;
}

static bool judge(const struct mean *means, size_t count, struct outlier_rule rule,
                  struct outlier_facts *ret)
{
    double *values = count == 0 ? NULL : calloc(count, sizeof(*values));
    if (values == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] = means[i].ms;
    bool found = outlier_find(values, count, rule, ret);
    free(values);
    return found;
}

size_t stats_slow_peers(struct stats *s, int64_t now_ms, struct slow_peer *ret, size_t max)
{
    size_t count, slow = 0;
    struct outlier_facts facts;
    struct mean *means = means_of(s, &s->peers, PEER_WINDOWS, s->peer_samples, now_ms, &count);
    if (judge(means, count, s->peer_rule, &facts))
        for (size_t i = 0; i < count && slow < max; i++)
            if (means[i].ms > facts.limit)
                ret[slow++] = (struct slow_peer){series_name(means[i].series), means[i].ms, facts};
    free(means);
    return slow;
}

static size_t add_disk(struct slow_disk *list, size_t count, size_t max, const struct mean *m,
                       enum disk_op op)
{
    size_t i = 0;
    while (i < count && strcmp(list[i].path, series_name(m->series)) != 0)
        i++;
    if (i == max)
        return count;
    if (i == count)
        list[count++] = (struct slow_disk){.path = series_name(m->series)};
    list[i].mean_ms[op] = m->ms;
    return count;
}

size_t stats_slow_disks(struct stats *s, int64_t now_ms, struct slow_disk *ret, size_t max)
{
    size_t slow = 0;
    for (size_t op = 0; op < DISK_OPS; op++) {
        size_t count;
        struct outlier_facts facts;
        struct mean *means = means_of(s, &s->disks[op], DISK_WINDOWS, 0, now_ms, &count);
        if (judge(means, count, s->disk_rule, &facts))
            for (size_t i = 0; i < count; i++)
                if (means[i].ms > facts.limit)
                    slow = add_disk(ret, slow, max, &means[i], (enum disk_op)op);
        free(means);
    }
    return slow;
}
