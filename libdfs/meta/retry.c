/* retry.c - when a NameNode call is worth another try, and where.
 * Pure: the caller waits and calls. Rules are those of Hadoop's client
 * (FailoverOnNetworkException):
 * - standby, refused, cut or silent: the next NameNode, if there is one; after a whole failed round
 * the waits grow exponentially with jitter (0.5 to 1.5), since in the seconds of a failover
 * everybody says "standby";
 * - "still starting" and other RetriableException: the same one again, later;
 * - a single NameNode that cut the connection: a few quick repeats (an idle connection may have
 * been closed at the very moment of the call). A refused connection was repeated by the RPC client
 * already. Asking again is always safe: libdfs only uses calls that are idempotent or covered by
 * the retry cache. */
#include "libdfs/meta/meta.h"

enum { REPEAT_BASE_MS = 500, QUICK_REPEATS = 3 };

/* base * 2^n, at most max, times 0.5 to 1.5. */
static int64_t backoff_ms(int64_t base, int64_t max, unsigned n, uint64_t random)
{
    int64_t wait = base;
    for (unsigned i = 0; i < n && wait < max; i++)
        wait *= 2;
    if (wait > max)
        wait = max;
    return wait / 2 + (wait > 0 ? (int64_t)(random % (uint64_t)wait) : 0);
}

static bool fail_over(struct meta_retry *r, uint64_t random, int64_t *ret_wait_ms)
{
    if (r->failovers >= r->max_failovers)
        return false;
    *ret_wait_ms =
        r->failovers == 0 ? 0 : backoff_ms(r->base_ms, r->max_ms, r->failovers - 1, random);
    r->failovers++;
    r->failed_over = true;
    return true;
}

bool meta_retry_again(struct meta_retry *r, int code, uint64_t random, int64_t *ret_wait_ms)
{
    r->failed_over = false;
    switch (code) {
    case ERR_STANDBY:
    case ERR_CONNECT:
    case ERR_TIMEOUT:
        return r->many && fail_over(r, random, ret_wait_ms);
    case ERR_EOF:
        if (r->many)
            return fail_over(r, random, ret_wait_ms);
        if (r->repeats >= QUICK_REPEATS)
            return false;
        *ret_wait_ms = r->repeats++ == 0 ? 0 : REPEAT_BASE_MS;
        return true;
    case ERR_RETRIABLE:
    case ERR_BUSY:
        if (r->repeats >= r->max_repeats)
            return false;
        *ret_wait_ms = backoff_ms(REPEAT_BASE_MS, r->max_ms, r->repeats, random);
        r->repeats++;
        return true;
    default:
        return false;
    }
}
