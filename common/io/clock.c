/* clock.c - time and randomness of the real world. Thread: any.
 * Monotonic for time-outs, leases and tokens; wall time only for what is shown or stored. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "common/io/io.h"

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_monotonic_ms(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0)
        CHECK(errno == EINTR);
}

uint64_t random_u64(void)
{
    uint64_t value;
    /* requests of up to 256 bytes aren't cut short once the pool is ready; before that it may be
     * interrupted */
    while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
        CHECK(errno == EINTR);
    return value;
}

void random_uuid(char out[37])
{
    uint64_t high = random_u64(), low = random_u64();
    high = (high & ~0xf000ULL) | 0x4000;        /* version 4 */
    low = (low & ~(3ULL << 62)) | (2ULL << 62); /* the variant of RFC 4122 */
    snprintf(out, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffffULL));
}
