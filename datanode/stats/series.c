/* series.c - durations of one thing, as sums of windows of time. See stats.h.
 * A window is found by its number, the time divided by its length; an older one in its place is
 * overwritten. */
#include <pthread.h>
#include <stdlib.h>

#include "common/io/io.h"
#include "datanode/stats/internal.h"

struct window {
    int64_t number;
    uint64_t count;
    double total_ms;
};

struct series {
    char *name;
    unsigned percent;     /* of the occasions that are measured */
    pthread_mutex_t lock; /* guards the windows; a leaf */
    struct window windows[SERIES_WINDOWS];
};

struct series *series_new(const char *name, unsigned percent)
{
    struct series *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->name = strdup(name)) == NULL) {
        free(s);
        return NULL;
    }
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    s->percent = percent;
    return s;
}

void series_free(struct series *s)
{
    if (s == NULL)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s->name);
    free(s);
}

const char *series_name(const struct series *s)
{
    return s->name;
}

void series_add(struct series *s, int64_t duration_ns, int64_t now_ms)
{
    int64_t number = now_ms / SERIES_WINDOW_MS + 1; /* 0: never used */
    pthread_mutex_lock(&s->lock);
    struct window *w = &s->windows[number % SERIES_WINDOWS];
    if (w->number != number)
        *w = (struct window){.number = number};
    w->count++;
    w->total_ms += (double)duration_ns / 1e6;
    pthread_mutex_unlock(&s->lock);
}

uint64_t series_mean(struct series *s, unsigned windows, int64_t now_ms, double *ret_ms)
{
    int64_t number = now_ms / SERIES_WINDOW_MS + 1;
    uint64_t count = 0;
    double total_ms = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < SERIES_WINDOWS; i++) {
        const struct window *w = &s->windows[i];
        if (w->number > number - (int64_t)windows && w->number <= number) {
            count += w->count;
            total_ms += w->total_ms;
        }
    }
    pthread_mutex_unlock(&s->lock);
    *ret_ms = count == 0 ? 0 : total_ms / (double)count;
    return count;
}

int64_t series_begin(const struct series *s)
{
    if (s == NULL || (s->percent < 100 && random_u64() % 100 >= s->percent))
        return 0;
    return clock_monotonic_ns();
}

void series_end(struct series *s, int64_t began_ns)
{
    if (began_ns != 0)
        series_add(s, clock_monotonic_ns() - began_ns, clock_monotonic_ms());
}
