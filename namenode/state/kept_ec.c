/* kept_ec.c - erasure coding policies: the built-in ones, those of users, and which may be used.
 *
 * The state of a policy is what image and journal have. The default policy of the configuration is
 * on from the start whatever they say, until somebody disables or removes it: as Hadoop, which
 * keeps the two apart, so that the image doesn't depend on the configuration. Thread: state.
 * Invariants: (1) ids and names are unique; (2) ec[id] describes the policy of that id, and doesn't
 * move; a policy that can't be computed here has EC_CODEC_NONE there. */
#include "namenode/state/state.h"

enum { CELL = 1024 * 1024 };

static const struct kept_ec_policy built_in[] = {
    {.id = 1,
     .state = 1,
     .name = "RS-6-3-1024k",
     .codec = "rs",
     .data_units = 6,
     .parity_units = 3},
    {.id = 2,
     .state = 1,
     .name = "RS-3-2-1024k",
     .codec = "rs",
     .data_units = 3,
     .parity_units = 2},
    {.id = 3,
     .state = 1,
     .name = "RS-LEGACY-6-3-1024k",
     .codec = "rs-legacy",
     .data_units = 6,
     .parity_units = 3},
    {.id = 4,
     .state = 1,
     .name = "XOR-2-1-1024k",
     .codec = "xor",
     .data_units = 2,
     .parity_units = 1},
    {.id = 5,
     .state = 1,
     .name = "RS-10-4-1024k",
     .codec = "rs",
     .data_units = 10,
     .parity_units = 4},
};

static const char *copy(struct kept *k, const char *text)
{
    return arena_strdup(&k->texts, text == NULL ? "" : text);
}

int kept_add_built_in(struct kept *k)
{
    k->default_policy = built_in[0].name;
    k->max_cell_size = UINT32_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(built_in); i++) {
        struct kept_ec_policy p = built_in[i];
        p.cell_size = CELL;
        TRY(kept_put_policy(k, &p));
    }
    return 0;
}

bool kept_ec_configure(struct kept *k, const char *default_policy, uint32_t max_cell_size)
{
    k->max_cell_size = max_cell_size;
    if (default_policy[0] == '\0') {
        k->default_policy = "";
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
        if (strcmp(built_in[i].name, default_policy) == 0) {
            k->default_policy = built_in[i].name;
            return true;
        }
    return false;
}

struct kept_ec_policy *kept_find_policy_id(const struct kept *k, uint8_t id)
{
    for (uint32_t i = 0; i < k->policy_count; i++)
        if (k->policies[i].id == id)
            return (struct kept_ec_policy *)&k->policies[i];
    return NULL;
}

struct kept_ec_policy *kept_find_policy(const struct kept *k, const char *name)
{
    for (uint32_t i = 0; i < k->policy_count; i++)
        if (strcmp(k->policies[i].name, name) == 0)
            return (struct kept_ec_policy *)&k->policies[i];
    return NULL;
}

const struct ec_policy *kept_ec(const struct kept *k, uint8_t id)
{
    return id < KEPT_EC_IDS && k->ec[id].id != 0 ? &k->ec[id] : NULL;
}

/* What the coders need to know of it. */
static struct ec_policy described(const struct kept_ec_policy *p)
{
    struct ec_policy ec = {.id = p->id, .cell_size = p->cell_size};
    struct err ignored = {0};
    if (p->data_units == 0 || p->parity_units == 0 || p->data_units > EC_MAX_UNITS ||
        p->parity_units > EC_MAX_UNITS)
        return ec;
    ec.data_units = (uint8_t)p->data_units;
    ec.parity_units = (uint8_t)p->parity_units;
    ec.codec = ec_codec_named(p->codec);
    if (ec_policy_check(&ec, &ignored) != 0)
        ec.codec = EC_CODEC_NONE;
    return ec;
}

bool kept_ec_usable(const struct kept *k, const struct kept_ec_policy *p)
{
    return k->ec[p->id].codec != EC_CODEC_NONE && p->cell_size <= k->max_cell_size;
}

uint8_t kept_ec_state(const struct kept *k, const struct kept_ec_policy *p)
{
    if (p->state != KEPT_EC_REMOVED && !kept_ec_usable(k, p))
        return KEPT_EC_DISABLED;
    bool by_default = !p->off && strcmp(p->name, k->default_policy) == 0;
    return by_default ? KEPT_EC_ENABLED : p->state;
}

bool kept_ec_enabled(const struct kept *k, const struct kept_ec_policy *p)
{
    return kept_ec_state(k, p) == KEPT_EC_ENABLED;
}

void kept_ec_set_state(struct kept_ec_policy *p, uint8_t state)
{
    p->state = state;
    p->off = state != KEPT_EC_ENABLED;
}

uint8_t kept_ec_next_id(const struct kept *k)
{
    uint8_t last = KEPT_EC_FIRST_OWN - 1;
    for (uint32_t i = 0; i < k->policy_count; i++)
        if (k->policies[i].id > last)
            last = k->policies[i].id;
    return last + 1 < KEPT_EC_IDS ? (uint8_t)(last + 1) : 0;
}

static bool same_options(const struct kept_ec_policy *a, const struct kept_ec_policy *b)
{
    if (a->option_count != b->option_count)
        return false;
    for (uint32_t i = 0; i < a->option_count; i += 2) {
        uint32_t n = 0;
        while (n < b->option_count && (strcmp(a->options[i], b->options[n]) != 0 ||
                                       strcmp(a->options[i + 1], b->options[n + 1]) != 0))
            n += 2;
        if (n == b->option_count)
            return false;
    }
    return true;
}

struct kept_ec_policy *kept_ec_same(const struct kept *k, const struct kept_ec_policy *p)
{
    for (uint32_t i = 0; i < k->policy_count; i++) {
        const struct kept_ec_policy *q = &k->policies[i];
        if (strcmp(p->name, q->name) == 0 ||
            (strcmp(p->codec, q->codec) == 0 && p->data_units == q->data_units &&
             p->parity_units == q->parity_units && p->cell_size == q->cell_size &&
             same_options(p, q)))
            return (struct kept_ec_policy *)q;
    }
    return NULL;
}

const char *kept_ec_name(const char *codec, uint32_t data_units, uint32_t parity_units,
                         uint32_t cell_size, struct arena *arena)
{
    char *name =
        arena_printf(arena, "%s-%u-%u-%uk", codec, data_units, parity_units, cell_size / 1024);
    for (size_t i = 0; name != NULL && codec[i] != '\0'; i++)
        if (name[i] >= 'a' && name[i] <= 'z')
            name[i] = (char)(name[i] - 'a' + 'A');
    return name;
}

int kept_put_policy(struct kept *k, const struct kept_ec_policy *policy)
{
    CHECK(policy->id > 0 && policy->id < KEPT_EC_IDS);
    struct kept_ec_policy new = *policy;
    new.name = copy(k, policy->name);
    new.codec = copy(k, policy->codec);
    new.options = arena_array(&k->texts, const char *, policy->option_count + 1);
    if (new.name == NULL || new.codec == NULL || new.options == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < policy->option_count; i++)
        if ((new.options[i] = copy(k, policy->options[i])) == NULL)
            return ERR_NO_MEMORY;
    struct kept_ec_policy *at = kept_find_policy_id(k, policy->id);
    if (at == NULL)
        at = &k->policies[k->policy_count++];
    *at = new;
    k->ec[new.id] = described(&new);
    return 0;
}
