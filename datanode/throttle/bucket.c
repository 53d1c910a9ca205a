/* bucket.c - the rule of a throttle. Pure.
 * Invariants: (1) allowed <= reserved + the burst; (2) allowed grows by the rate, never otherwise;
 * (3) places are given in the order of the calls. */
#include "datanode/throttle/throttle.h"

static const int64_t second_ns = 1000000000;

/* bytes of `ns` at the rate, without overflow */
static uint64_t earned(uint64_t rate, int64_t ns)
{
    unsigned __int128 n = (unsigned __int128)rate * (uint64_t)ns / (uint64_t)second_ns;
    return n > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)n;
}

static void settle(struct bucket *b, int64_t now_ns)
{
    if (now_ns <= b->at_ns)
        return;
    uint64_t more = earned(b->rate, now_ns - b->at_ns);
    if (more == 0)
        return; /* less than a byte: it is not lost, the time stays */
    uint64_t top = b->reserved + earned(b->rate, BUCKET_BURST_MS * 1000000LL);
    uint64_t room = top > b->allowed ? top - b->allowed : 0;
    b->allowed += more < room ? more : room;
    b->at_ns = now_ns;
}

void bucket_init(struct bucket *b, uint64_t rate, int64_t now_ns)
{
    *b = (struct bucket){.rate = rate, .at_ns = now_ns};
}

void bucket_set(struct bucket *b, uint64_t rate, int64_t now_ns)
{
    settle(b, now_ns);
    if (b->rate == 0)
        b->allowed = b->reserved; /* nothing was limited: nobody is to wait for it now */
    b->at_ns = now_ns;
    b->rate = rate;
}

uint64_t bucket_reserve(struct bucket *b, uint64_t bytes, int64_t now_ns)
{
    settle(b, now_ns);
    b->reserved += bytes;
    return b->reserved;
}

int64_t bucket_wait_ns(struct bucket *b, uint64_t place, int64_t now_ns)
{
    settle(b, now_ns);
    if (b->rate == 0 || place <= b->allowed)
        return 0;
    unsigned __int128 ns = (unsigned __int128)(place - b->allowed) * (uint64_t)second_ns / b->rate;
    return ns >= INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)ns + 1;
}
