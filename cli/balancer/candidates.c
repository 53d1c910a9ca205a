/* candidates.c - which block may go where. Pure. */
#include "cli/balancer/internal.h"

bool candidate_of(const Np__BlockWithLocations *b, const struct move_nodes *nodes,
                  struct candidate *ret)
{
    if (b->n_datanode_uuids > CANDIDATE_PLACES || b->n_storage_types != b->n_datanode_uuids)
        return false;
    *ret = (struct candidate){.id = b->block->block_id,
                              .generation_stamp = b->block->gen_stamp,
                              .length = b->block->num_bytes};
    bool striped = b->has_indices && b->data_block_num > 0 && b->cell_size > 0;
    if (striped && b->indices.len < b->n_datanode_uuids)
        return false;
    ret->data_blocks = striped ? b->data_block_num : 0;
    ret->cell_size = striped ? b->cell_size : 0;
    for (size_t i = 0; i < b->n_datanode_uuids; i++) {
        size_t node = move_nodes_find(nodes, b->datanode_uuids[i]);
        if (node == SIZE_MAX)
            continue; /* it isn't alive */
        ret->nodes[ret->count] = node;
        ret->types[ret->count] = (uint8_t)b->storage_types[i];
        ret->indices[ret->count++] = striped ? b->indices.data[i] : 0;
    }
    return true;
}

static size_t place_of(const struct candidate *c, const struct plan_group *g)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->nodes[i] == g->node && c->types[i] == g->type)
            return i;
    return SIZE_MAX;
}

bool candidate_fits(const struct candidate *c, const struct move_nodes *nodes,
                    const struct plan_group *source, const struct plan_group *target)
{
    size_t place = place_of(c, source);
    if (place == SIZE_MAX || source->type != target->type)
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (c->nodes[i] == target->node)
            return false;
    return moves_keep_racks(nodes, c->nodes, c->count, place, target->node);
}

/* Bytes of the index-th internal block of a group. */
static uint64_t internal_length(const struct candidate *c, uint32_t index)
{
    uint64_t stripe = (uint64_t)c->cell_size * c->data_blocks;
    uint64_t last = c->length % stripe;
    if (last == 0)
        return c->length / c->data_blocks;
    uint64_t full = c->length / stripe * c->cell_size;
    uint64_t before = index < c->data_blocks ? (uint64_t)index * c->cell_size : 0;
    uint64_t rest = last > before ? last - before : 0;
    return full + (rest < c->cell_size ? rest : c->cell_size);
}

bool candidate_block(const struct candidate *c, const struct plan_group *source,
                     struct move_order *ret)
{
    size_t place = place_of(c, source);
    if (place == SIZE_MAX)
        return false;
    *ret = (struct move_order){.id = c->id,
                               .generation_stamp = c->generation_stamp,
                               .length = c->length,
                               .source = source->node};
    if (c->data_blocks > 0) {
        ret->id = c->id + c->indices[place];
        ret->length = internal_length(c, c->indices[place]);
    }
    return true;
}
