/* safemode.c - no changes until enough of the blocks have been seen. See blocks.h.
 * Thread: state. Time comes in.
 * Startup: PENDING until the thresholds are met, EXTENSION for a while, then OFF and the queues are
 * filled. The manual kind and the one of low resources lie over it and end only by hand. */
#include <stdarg.h>
#include <stdio.h>

#include "namenode/blocks/internal.h"

static uint64_t threshold(const struct blocks *b)
{
    return (uint64_t)((double)b->complete_count * b->settings.safemode_threshold);
}

static bool thresholds_met(const struct blocks *b)
{
    return b->safe_count >= threshold(b) &&
           nodes_live_count(b->nodes) >= b->settings.safemode_min_nodes;
}

static void end_startup(struct blocks *b)
{
    b->safemode.startup = SAFEMODE_OFF;
    b->populating = true;
    b->scan_cursor = 1;
    b->topology_seen = topology_now(b);
}

void safemode_check(struct blocks *b, int64_t mono_ms)
{
    struct safemode_state *s = &b->safemode;
    if (s->startup == SAFEMODE_OFF || b->last_generation_stamp == 0 || !thresholds_met(b))
        return;
    if (s->startup == SAFEMODE_PENDING && b->complete_count > 0 &&
        b->settings.safemode_extension_ms > 0) {
        s->startup = SAFEMODE_EXTENSION;
        s->reached_ms = mono_ms;
        return;
    }
    bool waited = s->startup == SAFEMODE_PENDING ||
                  mono_ms - s->reached_ms >= b->settings.safemode_extension_ms;
    if (waited && b->future_bytes == 0)
        end_startup(b);
}

void blocks_start(struct blocks *b, uint64_t last_generation_stamp, int64_t mono_ms)
{
    CHECK(last_generation_stamp != 0);
    b->last_generation_stamp = last_generation_stamp;
    b->started_ms = mono_ms;
    safemode_check(b, mono_ms);
}

bool blocks_heard_all(const struct blocks *b, int64_t mono_ms)
{
    enum { PATIENCE_MS = 60 * 1000 };
    if (mono_ms - b->started_ms < PATIENCE_MS)
        return false;
    for (uint32_t s = 1; s <= nodes_storage_count(b->nodes); s++) {
        const struct node_storage *storage = nodes_storage(b->nodes, s);
        if (nodes_at(b->nodes, storage->node)->alive && !storage->failed && !storage->reported_once)
            return false;
    }
    return true;
}

bool blocks_in_startup_safe_mode(const struct blocks *b)
{
    return b->safemode.startup != SAFEMODE_OFF;
}

bool blocks_in_safe_mode(const struct blocks *b)
{
    return blocks_safe_mode(b) != SAFEMODE_OFF;
}

enum safemode blocks_safe_mode(const struct blocks *b)
{
    if (b->safemode.low_resources)
        return SAFEMODE_LOW_RESOURCES;
    return b->safemode.manual ? SAFEMODE_MANUAL : b->safemode.startup;
}

void blocks_enter_safe_mode(struct blocks *b, bool low_resources)
{
    if (low_resources)
        b->safemode.low_resources = true;
    else
        b->safemode.manual = true;
}

bool blocks_leave_safe_mode(struct blocks *b, bool force, int64_t mono_ms)
{
    (void)mono_ms;
    if (b->future_bytes > 0 && !force)
        return false;
    b->future_bytes = b->future_group_bytes = 0;
    b->safemode.manual = b->safemode.low_resources = false;
    if (b->safemode.startup != SAFEMODE_OFF)
        end_startup(b);
    return true;
}

uint64_t blocks_bytes_in_future(const struct blocks *b)
{
    return b->future_bytes;
}

/* ---- the text that shells show and scripts parse ---- */

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size, const char *fmt, ...)
{
    size_t used = strnlen(text, size);
    va_list ap;
    va_start(ap, fmt);
    if (used < size)
        vsnprintf(text + used, size - used, fmt, ap);
    va_end(ap);
}

static void add_blocks(const struct blocks *b, char *text, size_t size)
{
    unsigned long long safe = b->safe_count, total = b->complete_count, need = threshold(b);
    double part = b->settings.safemode_threshold;
    if (safe < need)
        add(text, size,
            "The reported blocks %llu needs additional %llu blocks to reach the threshold %.4f of "
            "total blocks %llu.\n",
            safe, need - safe, part, total);
    else
        add(text, size,
            "The reported blocks %llu has reached the threshold %.4f of total blocks %llu. ", safe,
            part, total);
}

static void add_nodes(const struct blocks *b, char *text, size_t size)
{
    uint32_t live = nodes_live_count(b->nodes), need = b->settings.safemode_min_nodes;
    if (need == 0)
        add(text, size, "The minimum number of live datanodes is not required. ");
    else if (b->safe_count < threshold(b))
        add(text, size,
            "The number of live datanodes is not calculated since reported blocks hasn't reached "
            "the threshold. ");
    else if (live < need)
        add(text, size,
            "The number of live datanodes %u needs an additional %u live datanodes to reach the "
            "minimum number %u.\n",
            live, need - live, need);
    else
        add(text, size, "The number of live datanodes %u has reached the minimum number %u. ", live,
            need);
}

static void add_end(const struct blocks *b, int64_t mono_ms, char *text, size_t size)
{
    int64_t left = b->safemode.reached_ms + b->settings.safemode_extension_ms - mono_ms;
    if (b->complete_count == 0 || left < 0)
        left = 0;
    if (b->future_bytes > 0)
        add(text, size,
            "Name node detected blocks with generation stamps in future. This means that Name node "
            "metadata is inconsistent. This can happen if Name node metadata files have been "
            "manually replaced. Exiting safe mode will cause loss of %llu byte(s). Please restart "
            "name node with right metadata or use \"hdfs dfsadmin -safemode forceExit\" if you are "
            "certain that the NameNode was started with the correct FsImage and edit logs. If you "
            "encountered this during a rollback, it is safe to exit with -safemode forceExit.",
            (unsigned long long)b->future_bytes);
    else if (b->safemode.startup == SAFEMODE_EXTENSION)
        add(text, size,
            "In safe mode extension. Safe mode will be turned off automatically in %lld seconds.",
            (long long)(left / 1000));
    else
        add(text, size, "Safe mode will be turned off automatically %s",
            b->safemode.startup == SAFEMODE_PENDING ? "once the thresholds have been reached."
                                                    : "soon.");
}

void blocks_safe_mode_tip(const struct blocks *b, int64_t mono_ms, char *ret_text, size_t size)
{
    CHECK(size > 0);
    static const char off[] = "Use \"hdfs dfsadmin -safemode leave\" to turn safe mode off.";
    ret_text[0] = '\0';
    if (b->safemode.low_resources) {
        add(ret_text, size,
            "Resources are low on NN. Please add or free up more resources then turn off safe mode "
            "manually. NOTE:  If you turn off safe mode before adding resources, the NN will "
            "immediately return to safe mode. %s",
            off);
    } else if (b->safemode.manual) {
        add(ret_text, size, "It was turned on manually. %s", off);
    } else {
        add_blocks(b, ret_text, size);
        add_nodes(b, ret_text, size);
        add_end(b, mono_ms, ret_text, size);
    }
}
