/* failpoint.c - faults on purpose, for tests.
 * A server whose configuration names a file (hadron.testing.failpoints) looks into it wherever a
 * fault may be wanted. A line is "<place> <fault> [from]": place as the caller names it, fault an
 * errno by name (EIO, ENOSPC) or stall:<ms>, from: only when the caller's position is beyond it.
 * A file that isn't there means no faults. Thread: any; no state. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"

static int fault(const char *name)
{
    if (strcmp(name, "EIO") == 0)
        return EIO;
    if (strcmp(name, "ENOSPC") == 0)
        return ENOSPC;
    if (strncmp(name, "stall:", 6) == 0) {
        long ms = strtol(name + 6, NULL, 10);
        struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
    return 0;
}

int failpoint(const char *file, const char *place, uint64_t position)
{
    char text[1024], *lines = text, *words;
    if (file == NULL || file[0] == '\0')
        return 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size < 0 ? 0 : size] = '\0';
    for (char *line; (line = strsep(&lines, "\n")) != NULL;) {
        words = line;
        const char *where = strsep(&words, " "), *what = strsep(&words, " ");
        if (where == NULL || what == NULL || strcmp(where, place) != 0)
            continue;
        if (words != NULL && position <= strtoull(words, NULL, 10))
            continue;
        int eno = fault(what);
        if (eno != 0)
            return eno;
    }
    return 0;
}
