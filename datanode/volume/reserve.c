/* reserve.c - what of a file system is not for replicas. Pure.
 * Capacity is what is not reserved. What others use counts against the reserve first: only what
 * exceeds it is non-DFS use, and only what they haven't used of it is kept free. */
#include <stdio.h>
#include <stdlib.h>

#include "datanode/volume/volume.h"

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Hadoop's order: folder and type, folder, type. */
static int special(const struct conf *conf, const char *key, const struct volume_location *l,
                   uint64_t *ret, struct err *err)
{
    char type[16], name[VOLUME_PATH_MAX + 96];
    snprintf(type, sizeof(type), "%s", storage_type_name(l->type));
    for (char *c = type; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s.%s%s%s", key, i < 2 ? l->path : "", i == 0 ? "." : "",
                 i != 1 ? type : "");
        const char *value = conf_raw(conf, name);
        if (value == NULL || value[0] == '\0')
            continue;
        char *end;
        errno = 0;
        unsigned long long n = strtoull(value, &end, 10);
        if (errno != 0 || end == value || *end != '\0' || value[0] == '-')
            return fail(err, ERR_CONFIG, "%s: %s is not a number", name, value);
        *ret = n;
        return 0;
    }
    return 0;
}

static int rule_of(const char *name, enum reserve_rule *ret, struct err *err)
{
    static const struct {
        const char *name;
        enum reserve_rule rule;
    } rules[] = {{"ReservedSpaceCalculatorAbsolute", RESERVE_ABSOLUTE},
                 {"ReservedSpaceCalculatorPercentage", RESERVE_PERCENT},
                 {"ReservedSpaceCalculatorConservative", RESERVE_MORE},
                 {"ReservedSpaceCalculatorAggressive", RESERVE_LESS}};
    const char *last = name + strlen(name);
    while (last > name && last[-1] != '$' && last[-1] != '.')
        last--;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (strcmp(last, rules[i].name) == 0) {
            *ret = rules[i].rule;
            return 0;
        }
    return fail(err, ERR_CONFIG, "%s: %s is not known", conf_name(CONF_dn_du_reserved_calculator),
                name);
}

int volume_reserve_of(const struct conf *conf, const struct volume_location *l,
                      struct volume_reserve *ret, struct err *err)
{
    struct volume_reserve r = {.bytes = (uint64_t)conf_size(conf, CONF_dn_du_reserved)};
    uint64_t percent = (uint64_t)conf_int(conf, CONF_dn_du_reserved_pct);
    TRY(rule_of(conf_str(conf, CONF_dn_du_reserved_calculator), &r.rule, err));
    TRY(special(conf, conf_name(CONF_dn_du_reserved), l, &r.bytes, err));
    TRY(special(conf, conf_name(CONF_dn_du_reserved_pct), l, &percent, err));
    if (percent > 100)
        return fail(err, ERR_CONFIG, "%s of %s is %llu, more than all",
                    conf_name(CONF_dn_du_reserved_pct), l->path, (unsigned long long)percent);
    r.percent = (unsigned)percent;
    *ret = r;
    return 0;
}

uint64_t volume_reserve_bytes(const struct volume_reserve *r, uint64_t total)
{
    uint64_t part = (uint64_t)((unsigned __int128)total * r->percent / 100);
    switch (r->rule) {
    case RESERVE_PERCENT:
        return part;
    case RESERVE_MORE:
        return part > r->bytes ? part : r->bytes;
    case RESERVE_LESS:
        return part < r->bytes ? part : r->bytes;
    case RESERVE_ABSOLUTE:
    default:
        return r->bytes;
    }
}

struct volume_space volume_space_of(const struct volume_reserve *r, uint64_t total,
                                    uint64_t available, uint64_t used, uint64_t open)
{
    uint64_t reserved = volume_reserve_bytes(r, total), capacity = minus(total, reserved);
    uint64_t others = minus(minus(total, available), used);
    uint64_t remaining = minus(available, minus(reserved, others));
    if (remaining > minus(capacity, used))
        remaining = minus(capacity, used);
    return (struct volume_space){.capacity = capacity,
                                 .used = used,
                                 .remaining = minus(remaining, open),
                                 .non_dfs_used = minus(others, reserved),
                                 .reserved = reserved};
}
