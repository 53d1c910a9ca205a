/* sums.c - the last pages: what was counted, with Java's way of writing fractions. See fsck.h.
 * Thread: state. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "namenode/fsck/internal.h"

enum { FLOAT_DIGITS = 9 };

/* The fewest digits that name this float and no other, in Java's notation: 33.333332, 1.0E-4. */
const char *fsck_float(float value, char out[FSCK_FLOAT_SIZE])
{
    char text[FSCK_FLOAT_SIZE], digits[FSCK_FLOAT_SIZE];
    if (value == 0)
        return memcpy(out, "0.0", 4);
    for (int n = 0; n < FLOAT_DIGITS; n++) { /* d.ddde+xx */
        snprintf(text, sizeof(text), "%.*e", n, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    size_t mantissa = strcspn(text, "e"), count = 0;
    long exponent = strtol(text + mantissa + 1, NULL, 10);
    for (size_t i = 0; i < mantissa; i++)
        if (text[i] != '.')
            digits[count++] = text[i];
    digits[count] = '\0';
    if (exponent < -3 || exponent > 6) {
        snprintf(out, FSCK_FLOAT_SIZE, "%c.%.9sE%ld", digits[0], count > 1 ? digits + 1 : "0",
                 exponent);
        return out;
    }
    long decimals = (long)count - 1 - exponent;
    snprintf(out, FSCK_FLOAT_SIZE, "%.*f", (int)(decimals > 1 ? decimals : 1), strtod(text, NULL));
    return out;
}

static void say_percent(struct fsck *f, uint64_t part, uint64_t whole)
{
    char text[FSCK_FLOAT_SIZE];
    fsck_say(f, " (%s %%)", fsck_float((float)(part * 100) / (float)whole, text));
}

static void say_share(struct fsck *f, const char *label, uint64_t part, const struct fsck_sums *s)
{
    fsck_say(f, "\n %s\t%" PRIu64, label, part);
    if (s->blocks > 0)
        say_percent(f, part, s->blocks);
}

static void say_if(struct fsck *f, const char *label, uint64_t count)
{
    if (count > 0)
        fsck_say(f, "\n %s\t%" PRIu64, label, count);
}

static void say_totals(struct fsck *f, const struct fsck_sums *s, const char *block,
                       const char *blocks)
{
    fsck_say(f, " Total size:\t%" PRIu64 " B", s->size);
    if (s->open_size != 0)
        fsck_say(f, " (Total open files size: %" PRIu64 " B)", s->open_size);
    fsck_say(f, "\n Total files:\t%" PRIu64, s->files);
    if (s->open_files != 0)
        fsck_say(f, " (Files currently being written: %" PRIu64 ")", s->open_files);
    fsck_say(f, "\n Total %s (validated):\t%" PRIu64, blocks, s->blocks);
    if (s->blocks > 0)
        fsck_say(f, " (avg. %s size %" PRIu64 " B)", block, s->size / s->blocks);
    if (s->open_blocks != 0)
        fsck_say(f, " (Total open file %s (not validated): %" PRIu64 ")", blocks, s->open_blocks);
}

static void say_corrupt(struct fsck *f, const struct fsck_sums *s, const char *blocks)
{
    if (s->corrupt_files == 0)
        return;
    fsck_say(f, "\n  CORRUPT FILES:\t%" PRIu64, s->corrupt_files);
    if (s->missing_size > 0)
        fsck_say(f, "\n  MISSING %s:\t%" PRIu64 "\n  MISSING SIZE:\t\t%" PRIu64 " B", blocks,
                 s->missing, s->missing_size);
    if (s->corrupt > 0)
        fsck_say(f, "\n  CORRUPT %s: \t%" PRIu64 "\n  CORRUPT SIZE:\t\t%" PRIu64 " B", blocks,
                 s->corrupt, s->corrupt_size);
}

static void say_alarm(struct fsck *f, const struct fsck_sums *s, bool striped)
{
    static const char stars[] = "\n  ********************************";
    if (s->corrupt_files == 0 && s->under_min == 0)
        return;
    fsck_say(f, "%s", stars);
    if (s->under_min > 0) {
        fsck_say(f, "\n  %s:\t%" PRIu64,
                 striped ? "UNRECOVERABLE BLOCK GROUPS" : "UNDER MIN REPL'D BLOCKS", s->under_min);
        if (s->blocks > 0)
            say_percent(f, s->under_min, s->blocks);
        if (!striped)
            fsck_say(f, "\n  MINIMAL BLOCK REPLICATION:\t%u", f->host.replication_min);
    }
    say_corrupt(f, s, striped ? "BLOCK GROUPS" : "BLOCKS");
    fsck_say(f, "%s", stars);
}

static void say_missing_replicas(struct fsck *f, const struct fsck_sums *s, const char *label)
{
    fsck_say(f, "\n %s\t%" PRIu64, label, s->missing_replicas);
    if (s->replicas > 0)
        say_percent(f, s->missing_replicas, s->expected);
}

static void say_rest(struct fsck *f, const struct fsck_sums *s)
{
    say_if(f, "EnteringMaintenanceReplicas:", s->entering);
    say_if(f, "InMaintenanceReplicas:", s->maintenance);
    fsck_say(f, "\n Blocks queued for replication:\t%" PRIu64 "\n", s->queued);
}

/* Replicas a block. */
static const char *average(const struct fsck_sums *s, char out[FSCK_FLOAT_SIZE])
{
    return fsck_float(s->blocks == 0 ? 0 : (float)s->replicas / (float)s->blocks, out);
}

void fsck_say_replicated(struct fsck *f)
{
    const struct fsck_sums *s = &f->replicated;
    char text[FSCK_FLOAT_SIZE];
    fsck_say(f, "\nReplicated Blocks:\n");
    say_totals(f, s, "block", "blocks");
    say_alarm(f, s, false);
    say_share(f, "Minimally replicated blocks:", s->min, s);
    say_share(f, "Over-replicated blocks:", s->over, s);
    say_share(f, "Under-replicated blocks:", s->under, s);
    say_share(f, "Mis-replicated blocks:\t", s->misplaced, s);
    fsck_say(f,
             "\n Default replication factor:\t%u\n Average block replication:\t%s"
             "\n Missing blocks:\t\t%" PRIu64 "\n Corrupt blocks:\t\t%" PRIu64,
             f->host.replication, average(s, text), s->missing, s->corrupt);
    say_missing_replicas(f, s, "Missing replicas:\t");
    say_if(f, "DecommissionedReplicas:", s->decommissioned);
    say_if(f, "DecommissioningReplicas:", s->decommissioning);
    say_rest(f, s);
}

void fsck_say_striped(struct fsck *f)
{
    const struct fsck_sums *s = &f->striped;
    char text[FSCK_FLOAT_SIZE];
    fsck_say(f, "\nErasure Coded Block Groups:\n");
    say_totals(f, s, "block group", "block groups");
    say_alarm(f, s, true);
    say_share(f, "Minimally erasure-coded block groups:", s->min, s);
    say_share(f, "Over-erasure-coded block groups:", s->over, s);
    say_share(f, "Under-erasure-coded block groups:", s->under, s);
    say_share(f, "Unsatisfactory placement block groups:", s->misplaced, s);
    fsck_say(f,
             "\n Average block group size:\t%s\n Missing block groups:\t\t%" PRIu64
             "\n Corrupt block groups:\t\t%" PRIu64,
             average(s, text), s->missing, s->corrupt);
    say_missing_replicas(f, s, "Missing internal blocks:");
    say_if(f, "Decommissioned internal blocks:", s->decommissioned);
    say_if(f, "Decommissioning internal blocks:", s->decommissioning);
    say_rest(f, s);
}
