/* text.c - numbers and times in the words of Hadoop's balancer and mover. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/moves/moves.h"

const char *moves_bytes(int64_t n, char out[TEXT_SIZE])
{
    if (n < 1024) {
        snprintf(out, TEXT_SIZE, "%lld B", (long long)n);
        return out;
    }
    return text_prefixed(n, "B", 2, out);
}

const char *moves_date(char out[TEXT_SIZE])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return text_time((int64_t)now.tv_sec * 1000, "%b %-d, %Y, %-I:%M:%S %p", false, out);
}

const char *moves_double(double d, char out[TEXT_SIZE])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, TEXT_SIZE, "%.*g", digits, d);
        if (strtod(out, NULL) == d && strchr(out, 'e') == NULL)
            break;
    }
    size_t n = strlen(out);
    if (strpbrk(out, ".en") == NULL && n + 2 < TEXT_SIZE)
        memcpy(out + n, ".0", 3);
    return out;
}

void moves_print_failure(const struct err *err)
{
    printf("%s: %s.  Exiting ...\n", err_class(err), err->text);
}

bool move_type_is_movable(int type)
{
    return type != DFS_RAM_DISK;
}

const char *move_type_name(int type)
{
    static const char *const names[MOVE_TYPES] = {
        [DFS_DISK] = "DISK",         [DFS_SSD] = "SSD",           [DFS_ARCHIVE] = "ARCHIVE",
        [DFS_RAM_DISK] = "RAM_DISK", [DFS_PROVIDED] = "PROVIDED", [DFS_NVDIMM] = "NVDIMM"};
    return type > 0 && type < MOVE_TYPES ? names[type] : "?";
}
