/* choose.c - which volume takes a new replica. Pure: the free space and the randomness are passed
 * in.
 * Round robin: the next one in turn that has room. Available space: while the volumes differ by no
 * more than the threshold, round robin among all; else they are two groups, those within the
 * threshold of the fullest and the others, and a share of the replicas goes to the emptier group
 * (the fraction, weighed by the groups' sizes), or all when the fuller one has no room. */
#include "datanode/volume/volume.h"

static int policy_of(const char *name, enum choosing_policy *ret, struct err *err)
{
    const char *last = strrchr(name, '.');
    last = last == NULL ? name : last + 1;
    if (*last == '\0' || strcmp(last, "RoundRobinVolumeChoosingPolicy") == 0)
        *ret = CHOOSE_ROUND_ROBIN;
    else if (strcmp(last, "AvailableSpaceVolumeChoosingPolicy") == 0)
        *ret = CHOOSE_AVAILABLE_SPACE;
    else
        return fail(err, ERR_CONFIG, "%s: %s is not known",
                    conf_name(CONF_dn_volume_choosing_policy), name);
    return 0;
}

int volume_chooser_init(struct volume_chooser *c, const struct conf *conf, uint64_t seed,
                        struct err *err)
{
    *c = (struct volume_chooser){
        .additional = (uint64_t)conf_size(conf, CONF_dn_round_robin_additional),
        .strict = conf_is_set(conf, CONF_dn_round_robin_additional),
        .threshold = (uint64_t)conf_size(conf, CONF_dn_balanced_threshold),
        .fraction = conf_double(conf, CONF_dn_balanced_fraction),
        .rng = {seed},
    };
    if (c->fraction > 1)
        return fail(err, ERR_CONFIG, "%s is %g, it should be between 0 and 1",
                    conf_name(CONF_dn_balanced_fraction), c->fraction);
    return policy_of(conf_str(conf, CONF_dn_volume_choosing_policy), &c->policy, err);
}

static int in_turn(size_t *turn, const struct volume_candidate *candidates, size_t count,
                   uint64_t need, uint64_t additional, size_t *ret_slot, struct err *err)
{
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = (*turn + i) % count;
        if (candidates[at].remaining >= need && candidates[at].remaining - need >= additional) {
            *ret_slot = candidates[at].slot;
            *turn = (at + 1) % count;
            return 0;
        }
        most = candidates[at].remaining > most ? candidates[at].remaining : most;
    }
    return fail(err, ERR_NO_SPACE,
                "Out of space: The volume with the most available space (=%llu B) is less than "
                "the block size (=%llu B).",
                (unsigned long long)most, (unsigned long long)need);
}

/* The default of the space to be left is a wish: a small volume takes blocks, too. */
static int round_robin(struct volume_chooser *c, enum storage_type type,
                       const struct volume_candidate *candidates, size_t count, uint64_t need,
                       size_t *ret_slot, struct err *err)
{
    size_t *turn = &c->turn[type].all;
    if (c->strict)
        return in_turn(turn, candidates, count, need, c->additional, ret_slot, err);
    if (in_turn(turn, candidates, count, need, c->additional, ret_slot, NULL) == 0)
        return 0;
    return in_turn(turn, candidates, count, need, 0, ret_slot, err);
}

static bool is_high(struct volume_chooser *c, double high, double low)
{
    double high_weight = high * c->fraction, low_weight = low * (1 - c->fraction);
    double sample = (double)(rng_next(&c->rng) >> 11) / (double)(1ULL << 53);
    return sample * (high_weight + low_weight) < high_weight;
}

static int by_space(struct volume_chooser *c, enum storage_type type,
                    const struct volume_candidate *candidates, size_t count, uint64_t need,
                    size_t *ret_slot, struct err *err)
{
    struct volume_candidate high[STORE_MAX_VOLUMES], low[STORE_MAX_VOLUMES];
    size_t high_count = 0, low_count = 0;
    uint64_t least = UINT64_MAX, low_most = 0;
    for (size_t i = 0; i < count; i++)
        least = candidates[i].remaining < least ? candidates[i].remaining : least;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].remaining - least > c->threshold) {
            high[high_count++] = candidates[i];
            continue;
        }
        low[low_count++] = candidates[i];
        low_most = candidates[i].remaining > low_most ? candidates[i].remaining : low_most;
    }
    if (high_count == 0)
        return in_turn(&c->turn[type].all, candidates, count, need, 0, ret_slot, err);
    if (low_most < need || is_high(c, (double)high_count, (double)low_count))
        return in_turn(&c->turn[type].high, high, high_count, need, 0, ret_slot, err);
    return in_turn(&c->turn[type].low, low, low_count, need, 0, ret_slot, err);
}

int volume_choose_among(struct volume_chooser *c, enum storage_type type,
                        const struct volume_candidate *candidates, size_t count, uint64_t need,
                        size_t *ret_slot, struct err *err)
{
    if (count == 0) /* also a type from outside that nobody knows */
        return fail(err, ERR_NO_SPACE, "no working volume of storage type %s",
                    storage_type_name(type));
    CHECK((int)type < STORAGE_TYPE_END && count <= STORE_MAX_VOLUMES);
    if (c->policy == CHOOSE_AVAILABLE_SPACE)
        return by_space(c, type, candidates, count, need, ret_slot, err);
    return round_robin(c, type, candidates, count, need, ret_slot, err);
}
