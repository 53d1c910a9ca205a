/* figures.c - what the report says of a volume, in Hadoop's words and columns, since people and
 * scripts read them. */
#include <inttypes.h>
#include <string.h>

#include "datanode/scan/internal.h"

static void expire(struct volume_figures *f, int64_t now_ms)
{
    int64_t minute = now_ms / 60000;
    if (minute - f->minute >= MINUTES)
        memset(f->minute_bytes, 0, sizeof(f->minute_bytes));
    else
        for (int64_t m = f->minute + 1; m <= minute; m++)
            f->minute_bytes[m % MINUTES] = 0;
    if (minute > f->minute)
        f->minute = minute;
}

void figures_bytes(struct volume_figures *f, uint64_t bytes, int64_t now_ms)
{
    expire(f, now_ms);
    f->minute_bytes[f->minute % MINUTES] += bytes;
}

uint64_t figures_last_hour(struct volume_figures *f, int64_t now_ms)
{
    uint64_t sum = 0;
    expire(f, now_ms);
    for (int i = 0; i < MINUTES; i++)
        sum += f->minute_bytes[i];
    return sum;
}

static double hours(int64_t ms)
{
    return ms <= 0 ? 0 : (double)(ms / 3600000);
}

int figures_print(struct volume_figures *f, const char *storage_id, const char *path,
                  int64_t now_ms, int64_t wall_ms, struct buf *out)
{
    TRY(buf_printf(out, "Block scanner information for volume %s with base path %s\n", storage_id,
                   path));
    TRY(buf_printf(out, "Bytes verified in last hour       : %57" PRIu64 "\n",
                   figures_last_hour(f, now_ms)));
    TRY(buf_printf(out, "Blocks scanned in current period  : %57" PRIu64 "\n",
                   f->scanned_in_period));
    TRY(buf_printf(out, "Blocks scanned since restart      : %57" PRIu64 "\n", f->scanned));
    TRY(buf_printf(out, "Block pool scans since restart    : %57" PRIu64 "\n", f->scans));
    TRY(buf_printf(out, "Block scan errors since restart   : %57" PRIu64 "\n", f->errors));
    if (f->next_start_ms > 0)
        TRY(buf_printf(out, "Hours until next block pool scan  : %57.3f\n",
                       hours(f->next_start_ms - now_ms)));
    if (f->period_end_ms > 0)
        TRY(buf_printf(out, "Hours until possible pool rescan  : %57.3f\n",
                       hours(f->period_end_ms - wall_ms)));
    TRY(buf_printf(out, "Last block scanned                : %57s\n",
                   f->last[0] == '\0' ? "none" : f->last));
    return buf_printf(out, "More blocks to scan in period     : %57s\n\n",
                      f->at_end ? "false" : "true");
}
