/* finish.c - how long to ask again when the NameNode says "not yet".
 * Pure. Hadoop's schedule: first wait 400 ms, each wait twice the one before, 5 retries. A
 * DataNode's report is mostly only milliseconds behind its acknowledgement, so some short waits
 * come first. */
#include "libdfs/write/write.h"

bool wr_patience_more(struct wr_patience *p, int64_t *ret_ms)
{
    if (p->soon_ms > 0 && p->soon_ms < p->delay_ms) {
        *ret_ms = p->soon_ms;
        p->soon_ms *= 4;
        return true;
    }
    p->soon_ms = 0;
    if (p->retries == 0)
        return false;
    p->retries--;
    *ret_ms = p->delay_ms;
    p->delay_ms *= 2;
    if (p->delay_ms > p->max_delay_ms)
        p->delay_ms = p->max_delay_ms;
    return true;
}
