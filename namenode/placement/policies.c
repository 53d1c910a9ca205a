/* policies.c - storage policies: which types of storage the replicas of a block want. See
 * placement.h.
 * Thread: any; pure. The ids and lists are Hadoop's. */
#include "namenode/placement/internal.h"

#define T(type) STORAGE_##type
static const struct storage_policy policies[] = {
    {1, "PROVIDED", {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}},
    {2, "COLD", {T(ARCHIVE)}, {0}, {0}},
    {5, "WARM", {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}},
    {7, "HOT", {T(DISK)}, {0}, {T(ARCHIVE)}},
    {10, "ONE_SSD", {T(SSD), T(DISK)}, {T(SSD), T(DISK)}, {T(SSD), T(DISK)}},
    {12, "ALL_SSD", {T(SSD)}, {T(DISK)}, {T(DISK)}},
    {14, "ALL_NVDIMM", {T(NVDIMM)}, {T(DISK)}, {T(DISK)}},
    {15, "LAZY_PERSIST", {T(RAM_DISK), T(DISK)}, {T(DISK)}, {T(DISK)}},
};
#undef T

const struct storage_policy *storage_policy_list(size_t i)
{
    return i < ARRAY_SIZE(policies) ? &policies[i] : NULL;
}

const struct storage_policy *storage_policy_at(uint8_t id)
{
    uint8_t wanted = id == 0 ? STORAGE_POLICY_HOT : id;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (policies[i].id == wanted)
            return &policies[i];
    return NULL;
}

void storage_policy_types(const struct storage_policy *p, uint32_t replication,
                          uint32_t ret[STORAGE_TYPES])
{
    memset(ret, 0, sizeof(*ret) * STORAGE_TYPES);
    uint32_t given = 0;
    uint8_t last = 0;
    for (size_t i = 0; i < ARRAY_SIZE(p->types) && p->types[i] != 0; i++) {
        last = p->types[i];
        if (last == STORAGE_RAM_DISK || given == replication)
            continue;
        ret[last]++;
        given++;
    }
    if (last != STORAGE_RAM_DISK)
        ret[last] += replication - given;
}

/* Takes `chosen` off `types`; what finds no match is left in *ret_excess. */
static void subtract(uint32_t types[STORAGE_TYPES], const uint32_t chosen[STORAGE_TYPES],
                     uint32_t ret_excess[STORAGE_TYPES])
{
    for (size_t t = 0; t < STORAGE_TYPES; t++) {
        uint32_t both = types[t] < chosen[t] ? types[t] : chosen[t];
        ret_excess[t] = chosen[t] - both;
        types[t] -= both;
    }
}

/* 0: none is left. */
static uint8_t fallback(const uint8_t list[3], uint32_t unavailable)
{
    for (size_t i = 0; i < 3 && list[i] != 0; i++)
        if ((unavailable & (1u << list[i])) == 0)
            return list[i];
    return 0;
}

void storage_policy_missing(const struct storage_policy *p, uint32_t replication,
                            const uint32_t chosen[STORAGE_TYPES], uint32_t unavailable, bool is_new,
                            uint32_t ret[STORAGE_TYPES])
{
    uint32_t excess[STORAGE_TYPES], rest[STORAGE_TYPES];
    storage_policy_types(p, replication, ret);
    subtract(ret, chosen, excess);
    uint8_t other =
        fallback(is_new ? p->creation_fallbacks : p->replication_fallbacks, unavailable);
    for (uint32_t t = 1; t < STORAGE_TYPES; t++) {
        if ((unavailable & (1u << t)) == 0)
            continue;
        if (other != 0)
            ret[other] += ret[t];
        ret[t] = 0;
    }
    subtract(ret, excess, rest); /* a replica on a fallback counts as one of them */
}

void storage_policy_excess(const struct storage_policy *p, uint32_t replication,
                           const uint32_t have[STORAGE_TYPES], uint32_t ret[STORAGE_TYPES])
{
    uint32_t types[STORAGE_TYPES];
    storage_policy_types(p, replication, types);
    subtract(types, have, ret);
}
