/* disk.c - what is really on the disks of the model DataNodes. See sim.h.
 * A replica that goes stays in its list as `gone`, with the reason whether the NameNode was told:
 * what the NameNode believes of it until then is no mistake. */
#include <stdlib.h>

#include "tests/sim/sim.h"

struct truth *truth_of(struct sim *s, uint64_t id)
{
    uint64_t i = id - FIRST_BLOCK_ID;
    return i < s->truth_count ? s->truths[i] : NULL;
}

struct truth *truth_need(struct sim *s, uint64_t id)
{
    size_t i = (size_t)(id - FIRST_BLOCK_ID);
    CHECK(i < 1 << 24);
    if (i >= s->truth_capacity) {
        size_t capacity = s->truth_capacity == 0 ? 256 : s->truth_capacity;
        while (capacity <= i)
            capacity *= 2;
        s->truths = realloc(s->truths, capacity * sizeof(struct truth *));
        CHECK(s->truths != NULL);
        memset(s->truths + s->truth_capacity, 0,
               (capacity - s->truth_capacity) * sizeof(struct truth *));
        s->truth_capacity = capacity;
    }
    if (i >= s->truth_count)
        s->truth_count = i + 1;
    if (s->truths[i] == NULL) {
        s->truths[i] = calloc(1, sizeof(struct truth));
        CHECK(s->truths[i] != NULL);
        s->truths[i]->id = id;
    }
    return s->truths[i];
}

struct held *held_find(struct truth *t, uint32_t peer)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->at[i].peer == peer)
            return &t->at[i];
    return NULL;
}

struct held *held_here(struct truth *t, uint32_t peer)
{
    struct held *h = held_find(t, peer);
    return h == NULL || h->gone ? NULL : h;
}

struct held *held_put(struct sim *s, struct truth *t, uint32_t peer, uint8_t disk, uint8_t state,
                      uint64_t stamp, uint64_t length)
{
    struct held *h = held_find(t, peer);
    if (h == NULL) {
        t->at = sim_grow(t->at, t->count, &t->capacity, sizeof(*t->at));
        h = &t->at[t->count++];
    }
    *h = (struct held){.peer = peer,
                       .disk = disk,
                       .state = state,
                       .stamp = stamp,
                       .length = length,
                       .changed = s->counts.events};
    return h;
}

void held_drop(struct sim *s, struct held *h)
{
    h->gone = true;
    h->told = false;
    h->changed = s->counts.events;
}

bool held_good(const struct held *h, const struct block_info *info)
{
    return !h->gone && !h->rotten && !h->hurt && h->state == REPLICA_FINALIZED &&
           h->stamp == info->generation_stamp && h->length == info->length;
}

bool truth_info(struct sim *s, const struct truth *t, struct block_info *ret, handle_t *ret_block)
{
    handle_t h = blocks_find(blocks_in(s), t->id);
    if (ret_block != NULL)
        *ret_block = h;
    if (h == 0)
        return false;
    blocks_get(blocks_in(s), h, ret);
    return true;
}

/* On any disk, also of a node that is down; but not those on peer `but`. */
uint32_t truth_good(struct sim *s, const struct truth *t, const struct block_info *info,
                    uint32_t but)
{
    uint32_t count = 0;
    (void)s;
    for (uint32_t i = 0; i < t->count; i++)
        count += t->at[i].peer != but && held_good(&t->at[i], info);
    return count;
}

/* A writer or a recovery is done with it: so many replicas there are from now on. */
void truth_finished(struct sim *s, uint64_t id)
{
    struct truth *t = truth_of(s, id);
    t->made = t->destroyed = 0;
    uint64_t stamp = 0;
    for (uint32_t i = 0; i < t->count; i++)
        if (!t->at[i].gone && t->at[i].stamp > stamp)
            stamp = t->at[i].stamp;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct held *h = &t->at[i];
        bool finished = !h->gone && h->state == REPLICA_FINALIZED && h->stamp == stamp;
        t->made += finished;
        t->destroyed += finished && h->rotten; /* nobody knows that yet */
    }
    struct block_info info;
    if (truth_info(s, t, &info, NULL) && t->made > info.replication)
        t->made = info.replication;
}

/* A fault is about to take or spoil it. */
void truth_damage(struct sim *s, struct truth *t, struct held *h)
{
    (void)s;
    if (!h->gone && !h->rotten && !h->hurt && h->state == REPLICA_FINALIZED)
        t->destroyed++;
}
