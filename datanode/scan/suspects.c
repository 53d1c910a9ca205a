/* suspects.c - replicas that somebody had trouble with, and which were looked at lately. Both rings
 * are bounded: what finds no place is found by the usual round, or named again. */
#include <stdlib.h>

#include "datanode/scan/internal.h"

enum { LATELY_MS = 10 * 60 * 1000 };

int suspects_init(struct suspects *q)
{
    *q = (struct suspects){.waiting = calloc(MAX_SUSPECTS, sizeof(struct suspect)),
                           .recent = calloc(MAX_SUSPECTS, sizeof(struct suspect))};
    return q->waiting == NULL || q->recent == NULL ? ERR_NO_MEMORY : 0;
}

void suspects_fini(struct suspects *q)
{
    free(q->waiting);
    free(q->recent);
    *q = (struct suspects){0};
}

static bool same(const struct suspect *s, const struct block_pool *p, const struct block *b)
{
    return s->pool == p && s->id == b->id && s->gen_stamp == b->gen_stamp;
}

bool suspects_put(struct suspects *q, struct block_pool *p, const struct block *b, int64_t now_ms)
{
    if (q->count == MAX_SUSPECTS)
        return false;
    for (size_t i = 0; i < MAX_SUSPECTS; i++) /* those that wait are among them */
        if (same(&q->recent[i], p, b) && now_ms - q->recent[i].when_ms < LATELY_MS)
            return false;
    struct suspect s = {p, b->id, b->gen_stamp, now_ms};
    q->waiting[(q->first + q->count++) % MAX_SUSPECTS] = s;
    q->recent[q->recent_at] = s;
    q->recent_at = (q->recent_at + 1) % MAX_SUSPECTS;
    return true;
}

bool suspects_take(struct suspects *q, struct suspect *ret)
{
    if (q->count == 0)
        return false;
    *ret = q->waiting[q->first];
    q->first = (q->first + 1) % MAX_SUSPECTS;
    q->count--;
    return true;
}
