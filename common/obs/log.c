/* log.c - one event, one line, one write(2).
 * Thread: any. Lines are built on the stack, so nothing is shared but the level and the component's
 * name. Control characters in a line become '?': what outsiders send can't forge a line of ours. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"

enum { LINE_MAX_BYTES = 4096, QUOTE_BUFFERS = 8, QUOTE_BYTES = 512 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static _Atomic int threshold = LOG_INFO;
static const char *component_name = "hadron";

void log_init(const char *component)
{
    component_name = component;
    const char *wanted = getenv("HADRON_LOG");
    for (int i = LOG_DEBUG; wanted != NULL && i <= LOG_ERROR; i++)
        if (strcmp(wanted, level_names[i]) == 0)
            threshold = i;
}

void log_set_level(enum log_level level)
{
    threshold = (int)level;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= threshold;
}

/* "handlers/read.c" of a long path: enough to find the file, and the same wherever it was built. */
static const char *short_path(const char *file)
{
    const char *at = file + strlen(file);
    for (int slashes = 0; at > file; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return at;
}

static size_t put_time(char *out, size_t size)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return n + (size_t)snprintf(out + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* What snprintf has really written when it was given `room`. */
static size_t fitted(int n, size_t room)
{
    if (n < 0)
        return 0;
    return (size_t)n < room ? (size_t)n : room - 1;
}

void log_write(enum log_level level, const char *file, int line, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    size_t room = sizeof(text) - 1; /* the line feed */
    size_t n = put_time(text, room);
    n += fitted(snprintf(text + n, room - n, " %s %s %s:%d ", level_names[level], component_name,
                         short_path(file), line),
                room - n);
    va_list ap;
    va_start(ap, fmt);
    int wanted = vsnprintf(text + n, room - n, fmt, ap);
    va_end(ap);
    size_t body = fitted(wanted, room - n);
    if (wanted > 0 && (size_t)wanted > body && body >= 3)
        memcpy(text + n + body - 3, "...", 3);
    n += body;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
    text[n++] = '\n';
    /* nobody to tell when standard error is gone */
    ssize_t ignored = write(STDERR_FILENO, text, n);
    (void)ignored;
}

/* Escapes one byte; returns the bytes written, at most 4. */
static size_t quote_byte(char *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= ' ' && c != 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[c >> 4];
    out[3] = digits[c & 15];
    return 4;
}

const char *log_quote(const char *text)
{
    static _Thread_local char buffers[QUOTE_BUFFERS][QUOTE_BYTES];
    static _Thread_local unsigned next;
    char *out = buffers[next++ % QUOTE_BUFFERS];
    size_t n = 0;
    out[n++] = '"';
    for (; text != NULL && *text != '\0'; text++) {
        if (n > QUOTE_BYTES - 4 - 5) { /* an escape, "...", quote, NUL */
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        n += quote_byte(out + n, (unsigned char)*text);
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

bool log_allowed(struct log_limit *limit, uint64_t *ret_skipped)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    int64_t next = limit->next_ms;
    if (now_ms < next || !atomic_compare_exchange_strong(&limit->next_ms, &next, now_ms + 1000)) {
        limit->skipped++;
        return false;
    }
    *ret_skipped = atomic_exchange(&limit->skipped, 0);
    return true;
}
