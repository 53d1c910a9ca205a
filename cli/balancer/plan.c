/* plan.c - who gives how much to whom in one iteration. Pure: the order of nodes comes in.
 * Volumes of one type of a node are a group; its utilization is compared with that of all volumes
 * of the type. Outside of the threshold: over- or underutilized, inside: above or below the
 * average. Pairs: over gives to under, then over to below, then above to under, first on the same
 * rack. As in Hadoop's balancer, so that the same cluster leads to the same moves. */
#include <stdlib.h>

#include "cli/balancer/internal.h"

struct sums {
    uint64_t capacity[MOVE_TYPES], used[MOVE_TYPES];
};

static uint64_t used_of(const struct plan_settings *s, const struct move_space *space)
{
    return s->by_pool ? space->pool_used : space->used;
}

static double percent(uint64_t part, uint64_t whole)
{
    return (double)part * 100.0 / (double)whole;
}

static uint64_t bytes_of(double percentage, uint64_t capacity)
{
    double bytes = percentage * (double)capacity / 100.0;
    return bytes <= 0 ? 0 : (uint64_t)bytes;
}

static struct sums sum_up(const struct plan_settings *s, const struct move_nodes *nodes,
                          const size_t *order, size_t count)
{
    struct sums sums = {0};
    for (size_t i = 0; i < count; i++)
        for (int t = 1; t < MOVE_TYPES; t++) {
            const struct move_space *space = &nodes->items[order[i]].types[t];
            sums.capacity[t] += space->capacity;
            sums.used[t] += used_of(s, space);
        }
    return sums;
}

static enum plan_class class_of(double difference, double threshold)
{
    if (difference > 0)
        return difference - threshold > 0 ? PLAN_OVER : PLAN_ABOVE;
    return -difference - threshold > 0 ? PLAN_UNDER : PLAN_BELOW;
}

static struct plan_group group_of(const struct plan_settings *s, const struct move_space *space,
                                  size_t node, int type, double average)
{
    struct plan_group g = {.node = node, .type = type, .capacity = space->capacity};
    g.utilization = percent(used_of(s, space), space->capacity);
    double difference = g.utilization - average;
    g.class = class_of(difference, s->threshold);
    g.max = bytes_of(difference < 0 ? -difference : difference, space->capacity);
    if (difference < 0 && space->remaining < g.max)
        g.max = space->remaining;
    if (s->max_to_move < g.max)
        g.max = s->max_to_move;
    return g;
}

static int by_utilization(const void *a, const void *b)
{
    double x = ((const struct plan_group *)a)->utilization;
    double y = ((const struct plan_group *)b)->utilization;
    return x < y ? 1 : x > y ? -1 : 0;
}

void plan_make(const struct plan_settings *s, const struct move_nodes *nodes, const size_t *order,
               size_t count, const bool *is_source, struct plan *ret)
{
    struct sums sums = sum_up(s, nodes, order, count);
    uint64_t over = 0, under = 0;
    *ret = (struct plan){.groups = text_alloc((count * MOVE_TYPES + 1) * sizeof(*ret->groups))};
    for (size_t i = 0; i < count; i++) {
        for (int t = 1; t < MOVE_TYPES; t++) {
            const struct move_space *space = &nodes->items[order[i]].types[t];
            if (!move_type_is_movable(t) || space->capacity == 0)
                continue;
            double average = percent(sums.used[t], sums.capacity[t]);
            struct plan_group g = group_of(s, space, order[i], t, average);
            if (g.utilization >= average && !is_source[order[i]])
                continue;
            double beyond = g.utilization - average;
            beyond = (beyond < 0 ? -beyond : beyond) - s->threshold;
            if (g.class == PLAN_OVER)
                over += bytes_of(beyond, space->capacity);
            if (g.class == PLAN_UNDER)
                under += bytes_of(beyond, space->capacity);
            ret->groups[ret->group_count++] = g;
        }
    }
    if (s->sort_top && ret->group_count > 0)
        qsort(ret->groups, ret->group_count, sizeof(*ret->groups), by_utilization);
    ret->bytes_left = over > under ? over : under;
}

void plan_fini(struct plan *p)
{
    text_free(p->groups);
    text_free(p->tasks);
    *p = (struct plan){0};
}

size_t plan_find(const struct plan *p, size_t node, int type)
{
    for (size_t i = 0; i < p->group_count; i++)
        if (p->groups[i].node == node && p->groups[i].type == type)
            return i;
    return SIZE_MAX;
}

/* --- pairs --- */

static uint64_t room(const struct plan_group *g)
{
    return g->max - g->scheduled;
}

static void pair(struct plan *p, size_t source, size_t target)
{
    struct plan_group *s = &p->groups[source], *t = &p->groups[target];
    uint64_t size = room(s) < room(t) ? room(s) : room(t);
    if (p->task_count == p->task_room) {
        p->task_room = p->task_room == 0 ? 16 : p->task_room * 2;
        p->tasks = text_grow(p->tasks, p->task_room * sizeof(*p->tasks));
    }
    p->tasks[p->task_count++] = (struct plan_task){source, target, size};
    s->scheduled += size;
    t->scheduled += size;
}

static bool match(const struct plan_group *a, const struct plan_group *b,
                  const struct move_nodes *nodes, bool same_rack)
{
    bool together = strcmp(nodes->items[a->node].rack, nodes->items[b->node].rack) == 0;
    return a->type == b->type && together == same_rack;
}

/* Each group of the class `from` with those of the class `to`, in order, until it has enough. */
static void match_all(struct plan *p, const struct move_nodes *nodes, enum plan_class from,
                      enum plan_class to, bool same_rack)
{
    for (size_t i = 0; i < p->group_count; i++) {
        if (p->groups[i].class != from)
            continue;
        for (size_t k = 0; k < p->group_count && room(&p->groups[i]) > 0; k++) {
            if (p->groups[k].class != to || room(&p->groups[k]) == 0 ||
                !match(&p->groups[i], &p->groups[k], nodes, same_rack))
                continue;
            if (from == PLAN_UNDER)
                pair(p, k, i);
            else
                pair(p, i, k);
        }
    }
}

uint64_t plan_match(struct plan *p, const struct move_nodes *nodes)
{
    uint64_t bytes = 0;
    for (int turn = 0; turn < 2; turn++) {
        match_all(p, nodes, PLAN_OVER, PLAN_UNDER, turn == 0);
        match_all(p, nodes, PLAN_OVER, PLAN_BELOW, turn == 0);
        match_all(p, nodes, PLAN_UNDER, PLAN_ABOVE, turn == 0);
    }
    for (size_t i = 0; i < p->task_count; i++)
        bytes += p->tasks[i].size;
    return bytes;
}
