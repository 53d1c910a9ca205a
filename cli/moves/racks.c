/* racks.c - may a replica move without all of its block's standing on fewer racks? Pure. */
#include "cli/moves/moves.h"

static size_t count_racks(const struct move_nodes *nodes, const size_t *places, size_t count,
                          size_t moved, size_t target)
{
    size_t racks = 0;
    for (size_t i = 0; i < count; i++) {
        const char *rack = nodes->items[i == moved ? target : places[i]].rack;
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(nodes->items[k == moved ? target : places[k]].rack, rack) == 0;
        racks += !seen;
    }
    return racks;
}

bool moves_keep_racks(const struct move_nodes *nodes, const size_t *places, size_t count,
                      size_t moved, size_t target)
{
    return count_racks(nodes, places, count, moved, target) >=
           count_racks(nodes, places, count, SIZE_MAX, target);
}
