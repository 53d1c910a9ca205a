/* wishes.c - what a block's replicas lack, and where they may go. Pure. */
#include "cli/mover/internal.h"

static void add(struct type_list *l, int type)
{
    if (l->count < WISH_REPLICAS)
        l->items[l->count++] = type;
}

static void take_out(struct type_list *l, size_t i)
{
    memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(l->items[0]));
    l->count--;
}

void wish_types(const struct dfs_storage_policy *p, uint32_t replication, struct type_list *ret)
{
    int last = 0;
    ret->count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(p->types) && p->types[i] != 0; i++) {
        last = (int)p->types[i];
        if (ret->count < replication && move_type_is_movable(last))
            add(ret, last);
    }
    while (last != 0 && move_type_is_movable(last) && ret->count < replication &&
           ret->count < WISH_REPLICAS)
        add(ret, last);
}

static void take_out_unmovable(struct type_list *l)
{
    for (size_t i = l->count; i > 0; i--)
        if (!move_type_is_movable(l->items[i - 1]))
            take_out(l, i - 1);
}

bool wish_differs_not(struct type_list *expected, struct type_list *existing)
{
    for (size_t i = 0; i < existing->count;) {
        size_t k = 0;
        while (k < expected->count && expected->items[k] != existing->items[i])
            k++;
        if (k == expected->count) {
            i++;
            continue;
        }
        take_out(expected, k);
        take_out(existing, i);
    }
    take_out_unmovable(expected);
    take_out_unmovable(existing);
    return expected->count == 0 || existing->count == 0;
}

bool wish_target_fits(const struct wish_block *b, const struct move_nodes *nodes, size_t place,
                      size_t target, int type, enum wish_near near)
{
    const struct move_node *from = &nodes->items[b->nodes[place]], *to = &nodes->items[target];
    const struct move_space *space = &to->types[type];
    if (!to->in_service || !space->there || space->most_remaining < b->length ||
        space->most_remaining == 0)
        return false;
    if (near == WISH_SAME_NODE)
        return from == to;
    if ((strcmp(from->rack, to->rack) == 0) != (near == WISH_SAME_RACK))
        return false;
    for (size_t i = 0; i < b->count; i++)
        if (b->nodes[i] == target)
            return false;
    return moves_keep_racks(nodes, b->nodes, b->count, place, target);
}
