/* sample.c - random well-formed records for tests, by the table of ops.def. Bytes come from the
 * generator given and memory from the arena, so a seed repeats them. */
#include "namenode/journal/internal.h"

struct sampler {
    struct rng *rng;
    struct arena *arena;
};

static void *take(struct sampler *s, size_t size)
{
    void *p = arena_zalloc(s->arena, size + 1);
    CHECK(p != NULL);
    return p;
}

static struct slice any_bytes(struct sampler *s, size_t max)
{
    size_t size = rng_below(s->rng, max + 1);
    uint8_t *p = take(s, size);
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)rng_next(s->rng);
    return (struct slice){p, size};
}

/* Letters of one to four bytes. */
static struct slice any_text(struct sampler *s, size_t max)
{
    static const char *const letters[] = {
        "a", "Z", "/", ".", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t count = rng_below(s->rng, max + 1), size = 0;
    uint8_t *p = take(s, count * 4);
    for (size_t i = 0; i < count; i++) {
        const char *letter = letters[rng_below(s->rng, ARRAY_SIZE(letters))];
        memcpy(p + size, letter, strlen(letter));
        size += strlen(letter);
    }
    return (struct slice){p, size};
}

/* Small and huge numbers alike. */
static uint64_t any_number(struct sampler *s)
{
    return rng_next(s->rng) >> rng_below(s->rng, 64);
}

static void any_u64(struct sampler *s, edit_u64 *ret)
{
    *ret = any_number(s);
}
static void any_snapshot_time(struct sampler *s, edit_snapshot_time *ret)
{
    *ret = any_number(s);
}
static void any_u32(struct sampler *s, edit_u32 *ret)
{
    *ret = (uint32_t)any_number(s);
}
static void any_u16(struct sampler *s, edit_u16 *ret)
{
    *ret = (uint16_t)any_number(s);
}
static void any_u8(struct sampler *s, edit_u8 *ret)
{
    *ret = (uint8_t)any_number(s);
}
static void any_ec_policy(struct sampler *s, edit_ec_policy *ret)
{
    *ret = (uint8_t)rng_below(s->rng, 6);
}
static void any_bool(struct sampler *s, edit_bool *ret)
{
    *ret = rng_below(s->rng, 2) != 0;
}
static void any_str(struct sampler *s, edit_str *ret)
{
    *ret = any_text(s, 40);
}
static void any_options(struct sampler *s, edit_options *ret)
{
    *ret = any_bytes(s, 2);
}

static void any_strs(struct sampler *s, edit_strs *ret)
{
    ret->count = (uint32_t)rng_below(s->rng, 4);
    ret->at = take(s, ret->count * sizeof(*ret->at));
    for (uint32_t i = 0; i < ret->count; i++)
        ret->at[i] = any_text(s, 20);
}

static void any_blocks(struct sampler *s, edit_blocks *ret)
{
    ret->count = (uint32_t)rng_below(s->rng, 5);
    ret->at = take(s, ret->count * sizeof(*ret->at));
    for (uint32_t i = 0; i < ret->count; i++)
        ret->at[i] = (struct edit_block){any_number(s), any_number(s), any_number(s)};
}
static void any_wide_blocks(struct sampler *s, edit_wide_blocks *ret)
{
    any_blocks(s, ret);
}

static void any_perm(struct sampler *s, edit_perm *ret)
{
    ret->user = any_text(s, 150); /* over the one-byte form of Java's integers */
    ret->group = any_text(s, 8);
    ret->mode = (uint16_t)rng_below(s->rng, 01000);
}

static void any_acl(struct sampler *s, edit_acl *ret)
{
    ret->count = (uint32_t)rng_below(s->rng, 5);
    ret->at = take(s, ret->count * sizeof(*ret->at));
    for (uint32_t i = 0; i < ret->count; i++)
        ret->at[i] = (struct edit_acl_entry){.scope = (uint8_t)rng_below(s->rng, 2),
                                             .type = (uint8_t)rng_below(s->rng, 4),
                                             .access = (uint8_t)rng_below(s->rng, 8),
                                             .name = any_text(s, 6)};
}
static void any_acl_log(struct sampler *s, edit_acl_log *ret)
{
    ret->src = any_text(s, 20);
    any_acl(s, &ret->entries);
}

static void any_xattrs(struct sampler *s, edit_xattrs *ret)
{
    ret->src = any_text(s, 20);
    ret->count = (uint32_t)rng_below(s->rng, 3);
    ret->at = take(s, ret->count * sizeof(*ret->at));
    for (uint32_t i = 0; i < ret->count; i++) {
        ret->at[i] =
            (struct edit_xattr){.space = (uint8_t)rng_below(s->rng, 5), .name = slice_of("name")};
        if (rng_below(s->rng, 3) != 0)
            ret->at[i].value = any_bytes(s, 200);
    }
}

static void any_rpc(struct sampler *s, edit_rpc *ret)
{
    uint8_t *id = take(s, 16);
    for (int i = 0; i < 16; i++)
        id[i] = (uint8_t)rng_next(s->rng);
    ret->client_id = (struct slice){id, rng_below(s->rng, 4) == 0 ? 0 : 16};
    ret->call_id = (int32_t)any_number(s);
}

static void any_token(struct sampler *s, edit_token *ret)
{
    *ret = (edit_token){.owner = any_text(s, 10),
                        .renewer = any_text(s, 10),
                        .real_user = any_text(s, 10),
                        .issue_date = any_number(s),
                        .max_date = any_number(s),
                        .sequence = (uint32_t)any_number(s),
                        .master_key = (uint32_t)any_number(s)};
}

static void any_master_key(struct sampler *s, edit_master_key *ret)
{
    *ret = (edit_master_key){.id = (uint32_t)any_number(s), .expiry = any_number(s)};
    ret->has_key = rng_below(s->rng, 4) != 0;
    if (ret->has_key)
        ret->key = any_bytes(s, 40);
}

static void any_directive(struct sampler *s, edit_directive *ret)
{
    *ret = (edit_directive){.id = any_number(s), .flags = (uint32_t)rng_below(s->rng, 16)};
    if ((ret->flags & 1) != 0)
        ret->path = any_text(s, 20);
    if ((ret->flags & 2) != 0)
        ret->replication = (uint16_t)any_number(s);
    if ((ret->flags & 4) != 0)
        ret->pool = any_text(s, 8);
    if ((ret->flags & 8) != 0)
        ret->expiry = any_number(s);
}

static void any_cache_pool(struct sampler *s, edit_cache_pool *ret)
{
    *ret = (edit_cache_pool){.name = any_text(s, 8), .flags = (uint32_t)rng_below(s->rng, 64)};
    if ((ret->flags & 1) != 0)
        ret->owner = any_text(s, 8);
    if ((ret->flags & 2) != 0)
        ret->group = any_text(s, 8);
    if ((ret->flags & 4) != 0)
        ret->mode = (uint16_t)rng_below(s->rng, 01000);
    if ((ret->flags & 8) != 0)
        ret->limit = any_number(s);
    if ((ret->flags & 16) != 0)
        ret->max_expiry = any_number(s);
    if ((ret->flags & 32) != 0)
        ret->replication = (uint16_t)any_number(s);
}

static void any_ec_schema(struct sampler *s, edit_ec_schema *ret)
{
    *ret = (edit_ec_schema){.codec = any_text(s, 5),
                            .data_units = (uint32_t)rng_below(s->rng, 10),
                            .parity_units = (uint32_t)rng_below(s->rng, 10),
                            .cell_size = (uint32_t)any_number(s)};
    any_strs(s, &ret->options);
    ret->options.count &= ~1u; /* pairs */
}

#define F(type, name) any_##type(&s, &body->name);
#define OP(number, name, fields)                                        \
    static void sample_##name(struct sampler s, struct op_##name *body) \
    {                                                                   \
        (void)s;                                                        \
        (void)body;                                                     \
        fields                                                          \
    }
EDIT_OPS(OP)
#undef OP
#undef F

void edit_random(struct rng *rng, struct arena *arena, struct edit *ret)
{
    static const uint8_t codes[] = {
#define OP(number, name, fields) number,
        EDIT_OPS(OP)
#undef OP
    };
    struct sampler s = {rng, arena};
    memset(ret, 0, sizeof(*ret));
    ret->txid = any_number(&s) + 1;
    ret->code = codes[rng_below(rng, ARRAY_SIZE(codes))];
    switch (ret->code) {
#define OP(number, name, fields)      \
    case number:                      \
        sample_##name(s, &ret->name); \
        break;
        EDIT_OPS(OP)
#undef OP
    default:
        break;
    }
}
