/* order.c - a NameNode's order of a reconstruction, checked. Pure.
 * Which internal block a target gets: our NameNode says it; a Java one means those that are neither
 * live nor excluded nor empty, ascending. */
#include "datanode/ec/internal.h"

static int take_sources(const Hdfs__BlockECReconstructionInfo *m, struct order *o,
                        uint32_t *ret_live, struct err *err)
{
    const Hdfs__DatanodeInfos *nodes = m->source_dn_infos;
    size_t count = nodes->n_datanodes;
    if (count != m->live_block_indices.len || count > MAX_SOURCES)
        return fail(err, ERR_PROTOCOL, "%zu sources come with %zu indices", count,
                    m->live_block_indices.len);
    for (size_t i = 0; i < count; i++) {
        unsigned index = m->live_block_indices.data[i];
        if (index >= ec_units(&o->policy))
            return fail(err, ERR_PROTOCOL, "a source has the index %u", index);
        *ret_live |= 1u << index;
        if (order_length(o, index) > 0)
            o->sources[o->source_count++] = (struct order_source){index, nodes->datanodes[i]};
    }
    return 0;
}

static void add_target(const Hdfs__BlockECReconstructionInfo *m, struct order *o, size_t at,
                       unsigned index)
{
    struct order_target *t = &o->targets[o->target_count++];
    *t = (struct order_target){.index = index, .node = m->target_dn_infos->datanodes[at]};
    t->has_type = m->target_storage_types->n_storage_types > at;
    if (t->has_type)
        t->type = m->target_storage_types->storage_types[at];
    if (m->target_storage_uuids->n_storage_uuids > at)
        t->storage_id = m->target_storage_uuids->storage_uuids[at];
}

static int take_named(const Hdfs__BlockECReconstructionInfo *m, struct order *o, uint32_t live,
                      struct err *err)
{
    uint32_t wanted = 0;
    if (m->n_target_indices != m->target_dn_infos->n_datanodes)
        return fail(err, ERR_PROTOCOL, "%zu targets come with %zu indices",
                    m->target_dn_infos->n_datanodes, m->n_target_indices);
    for (size_t i = 0; i < m->n_target_indices; i++) {
        unsigned index = m->target_indices[i];
        if (index >= ec_units(&o->policy) || ((live | wanted) >> index & 1) != 0 ||
            order_length(o, index) == 0)
            return fail(err, ERR_PROTOCOL, "a target has the index %u", index);
        wanted |= 1u << index;
        add_target(m, o, i, index);
    }
    return 0;
}

static void take_derived(const Hdfs__BlockECReconstructionInfo *m, struct order *o, uint32_t live)
{
    uint32_t known = live;
    for (size_t i = 0;
         m->has_exclude_reconstructed_indices && i < m->exclude_reconstructed_indices.len; i++)
        if (m->exclude_reconstructed_indices.data[i] < EC_MAX_UNITS)
            known |= 1u << m->exclude_reconstructed_indices.data[i];
    for (unsigned i = 0; i < ec_units(&o->policy); i++)
        if ((known >> i & 1) == 0 && order_length(o, i) > 0 &&
            o->target_count < m->target_dn_infos->n_datanodes)
            add_target(m, o, o->target_count, i);
}

static unsigned distinct_sources(const struct order *o)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < o->source_count; i++)
        bits |= 1u << o->sources[i].index;
    return (unsigned)__builtin_popcount(bits);
}

int order_take(const Hdfs__BlockECReconstructionInfo *m, struct order *ret, struct err *err)
{
    const Hdfs__ExtendedBlock *b = m->block;
    struct order o = {.pool_id = b->pool_id,
                      .group = {b->block_id, b->generation_stamp, b->num_bytes}};
    uint32_t live = 0;
    TRY(ec_policy_take(m->ec_policy, &o.policy, err));
    if (!ec_is_striped_id(b->block_id) || ec_index_of(b->block_id) != 0)
        return fail(err, ERR_PROTOCOL, "%lld is no group of blocks", (long long)b->block_id);
    for (unsigned i = 0; i < o.policy.data_units; i++)
        o.empty |= order_length(&o, i) == 0 ? 1u << i : 0;
    TRY(take_sources(m, &o, &live, err));
    if (m->n_target_indices > 0)
        TRY(take_named(m, &o, live, err));
    else
        take_derived(m, &o, live);
    if (o.target_count == 0)
        return fail(err, ERR_PROTOCOL, "no internal block is missing");
    if (o.target_count > o.policy.parity_units)
        return fail(err, ERR_PROTOCOL, "%zu internal blocks are missing, more than %u",
                    o.target_count, o.policy.parity_units);
    if (distinct_sources(&o) < order_inputs(&o))
        return fail(err, ERR_BLOCK_MISSING, "%u internal blocks are live, %u are needed",
                    distinct_sources(&o), order_inputs(&o));
    *ret = o;
    return 0;
}
