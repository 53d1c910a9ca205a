/* group.c - recovery of a block group whose writer went away: all internal blocks that stay are cut
 * to one length of the group and get one stamp, then the NameNode is told. Thread: a recoverer's.
 *
 * Rules: (1) the length is what the data surely hold (ec_safe_length): the full stripes that k
 * units have, and of the next stripe what is there, when all data units have the full ones; (2) no
 * parity stays that may not be that of the data: a length inside a stripe lets only the data units
 * stay, and the NameNode has the parity made anew from them; (3) unless nothing is cut: all data
 * units were finalized and have just their parts of their sum. Then the writer had closed them all,
 * and finalized parity of the right length was made from these bytes; (4) fewer answers than data
 * units: nothing is decided, since nodes that are away may come back; the same when nothing could
 * be kept and a node that was asked is silent. Nodes without the unit answer, too: there is none.
 * (5) A node that fails when it is cut is left out, if the others are still enough. */
#include "common/obs/obs.h"
#include "datanode/upkeep/internal.h"

struct units {
    uint64_t lengths[EC_MAX_UNITS];
    struct recovery_vote *votes[EC_MAX_UNITS]; /* the longest of each index */
    uint32_t answered, present;
    bool silence;
};

static int gather(struct units *u, struct recovery_vote *votes, const uint8_t *indices,
                  size_t count, const struct ec_policy *p, struct err *err)
{
    *u = (struct units){0};
    for (size_t i = 0; i < count; i++) {
        struct recovery_vote *v = &votes[i];
        unsigned index = indices[i];
        v->chosen = false;
        if (index >= ec_units(p))
            return fail(err, ERR_PROTOCOL, "a recovery of a group names the index %u", index);
        u->silence |= !v->answered;
        if (v->answered)
            u->answered |= 1u << index;
        if (!recovery_takes_part(v) || v->block.length <= u->lengths[index])
            continue;
        u->present |= 1u << index;
        u->lengths[index] = v->block.length;
        u->votes[index] = v;
    }
    return 0;
}

static bool finalized_at(const struct units *u, unsigned index, uint64_t length)
{
    return u->votes[index] != NULL && u->votes[index]->state == REPLICA_FINALIZED &&
           u->lengths[index] == length;
}

/* (3) */
static bool was_closed(const struct units *u, const struct ec_policy *p, uint64_t length)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->data_units; i++) {
        uint64_t part = ec_internal_length(p, length, i);
        sum += u->lengths[i];
        if ((u->answered >> i & 1) == 0 || (part > 0 && !finalized_at(u, i, part)))
            return false;
    }
    return sum == length;
}

static uint32_t kept(const struct units *u, const struct ec_policy *p, uint64_t length)
{
    uint32_t units = ec_safe_units(p, u->lengths, u->present, length);
    if (!was_closed(u, p, length))
        return units;
    for (unsigned i = p->data_units; i < ec_units(p); i++)
        if (finalized_at(u, i, ec_internal_length(p, length, i)))
            units |= 1u << i;
    return units;
}

int recovery_plan_group(struct recovery_vote *votes, const uint8_t *indices, size_t count,
                        const struct ec_policy *p, uint64_t *ret_length, struct err *err)
{
    struct units u;
    TRY(gather(&u, votes, indices, count, p, err));
    unsigned answered = (unsigned)__builtin_popcount(u.answered);
    if (answered < p->data_units)
        return fail(err, ERR_BLOCK_MISSING, "%u of the internal blocks' nodes answer, of %u",
                    answered, p->data_units);
    uint64_t length = ec_safe_length(p, u.lengths, u.present);
    if (length == 0 && u.silence)
        return fail(err, ERR_BLOCK_MISSING, "nothing can be kept, and not all nodes answer");
    uint32_t units = length == 0 ? 0 : kept(&u, p, length);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if ((units >> i & 1) != 0)
            u.votes[i]->chosen = true;
    *ret_length = length;
    return 0;
}

struct outcome { /* aligned with the indices, as the NameNode wants them */
    Hdfs__DatanodeID *nodes[EC_MAX_UNITS];
    char *storages[EC_MAX_UNITS];
    uint32_t updated;
};

static void update_all(const struct recovery *x, const struct ec_policy *p, uint64_t length,
                       struct outcome *o)
{
    for (size_t i = 0; i < x->count; i++) {
        struct err err = {0};
        const char *storage;
        unsigned index = x->indices[i];
        if (!x->votes[i].chosen)
            continue;
        if (recovery_update(x, i, ec_internal_length(p, length, index), &storage, &err) != 0) {
            log_warn("a node drops out of a recovery block=%lld node=%s:%u cause=%s",
                     (long long)recovery_block_id(x, i), x->nodes[i]->id->ip_addr,
                     x->nodes[i]->id->ipc_port, log_quote(err.text));
            continue;
        }
        o->nodes[index] = x->nodes[i]->id;
        o->storages[index] = (char *)(uintptr_t)storage;
        o->updated |= 1u << index;
    }
}

/* Are they enough, with the units that have no bytes? */
static bool enough(const struct ec_policy *p, uint64_t length, uint32_t units)
{
    unsigned count = (unsigned)__builtin_popcount(units);
    for (unsigned i = 0; i < p->data_units; i++)
        count += ec_internal_length(p, length, i) == 0;
    return count >= p->data_units;
}

int group_recover(struct recovery *x, const Hdfs__ErasureCodingPolicy *policy, struct err *err)
{
    Hdfs__DatanodeID nobody = HDFS__DATANODE_ID__INIT; /* as Hadoop spells it */
    struct outcome o = {.updated = 0};
    struct ec_policy p;
    size_t usable;
    uint64_t length;
    TRY(ec_policy_take(policy, &p, err));
    nobody.ip_addr = nobody.host_name = nobody.datanode_uuid = (char *)(uintptr_t) "null";
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        o.nodes[i] = &nobody;
        o.storages[i] = (char *)(uintptr_t) "";
    }
    TRY(recovery_ask_all(x, &usable, err));
    TRY(recovery_plan_group(x->votes, x->indices, x->count, &p, &length, err));
    if (length == 0)
        return recovery_commit(x, 0, NULL, NULL, 0, err);
    update_all(x, &p, length, &o);
    if (!enough(&p, length, o.updated))
        return fail(err, ERR_REMOTE, "too few internal blocks of blk_%lld could be cut",
                    (long long)x->block->block_id);
    TRY(recovery_commit(x, length, o.nodes, o.storages, ec_units(&p), err));
    log_info("group recovered block=%lld stamp=%llu length=%llu units=%d",
             (long long)x->block->block_id, (unsigned long long)x->id, (unsigned long long)length,
             __builtin_popcount(o.updated));
    return 0;
}
