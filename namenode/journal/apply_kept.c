/* apply_kept.c - records of features that aren't there yet. What is mere data is kept for the image
 * (state/state.h); what would change how files look or live is refused by name, and the start or
 * the call ends there. */
#include "namenode/journal/internal.h"

static const char *text_of(struct arena *a, struct slice s)
{
    return arena_strndup(a, s.data, s.size);
}

static int put_token(struct nn *nn, const edit_token *token, uint64_t expiry)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    struct kept_token t = {.owner = text_of(&scratch, token->owner),
                           .renewer = text_of(&scratch, token->renewer),
                           .real_user = text_of(&scratch, token->real_user),
                           .issue_date = token->issue_date,
                           .max_date = token->max_date,
                           .expiry = expiry,
                           .sequence = token->sequence,
                           .master_key = token->master_key};
    int rc = t.owner == NULL || t.renewer == NULL || t.real_user == NULL
                 ? ERR_NO_MEMORY
                 : kept_put_token(nn->kept, &t);
    arena_fini(&scratch);
    if ((int32_t)token->sequence > (int32_t)nn->kept->token_sequence)
        nn->kept->token_sequence = token->sequence;
    return rc;
}

int apply_get_delegation_token(struct nn *nn, const struct op_get_delegation_token *op,
                               const struct edit *e, struct err *err)
{
    (void)e;
    (void)err;
    return put_token(nn, &op->token, op->expiry);
}

int apply_renew_delegation_token(struct nn *nn, const struct op_renew_delegation_token *op,
                                 const struct edit *e, struct err *err)
{
    (void)e;
    (void)err;
    return put_token(nn, &op->token, op->expiry);
}

int apply_cancel_delegation_token(struct nn *nn, const struct op_cancel_delegation_token *op,
                                  const struct edit *e, struct err *err)
{
    (void)e;
    (void)err;
    kept_drop_token(nn->kept, op->token.sequence);
    return 0;
}

int apply_update_master_key(struct nn *nn, const struct op_update_master_key *op,
                            const struct edit *e, struct err *err)
{
    (void)e;
    (void)err;
    if ((int32_t)op->key.id > (int32_t)nn->kept->master_key_id)
        nn->kept->master_key_id = op->key.id;
    return kept_put_key(nn->kept, op->key.id, op->key.expiry,
                        op->key.has_key ? &op->key.key : NULL);
}

/* ---- erasure coding policies ---- */

/* Hadoop's name of a policy: codec-data-parity-cell size in KiB. */
static int fill_policy(const edit_ec_schema *s, struct arena *arena, struct kept_ec_policy *ret)
{
    ret->state = KEPT_EC_DISABLED;
    ret->data_units = s->data_units;
    ret->parity_units = s->parity_units;
    ret->cell_size = s->cell_size;
    ret->codec = text_of(arena, s->codec);
    ret->options = arena_array(arena, const char *, s->options.count + 1);
    if (ret->codec == NULL || ret->options == NULL)
        return ERR_NO_MEMORY;
    ret->name = kept_ec_name(ret->codec, s->data_units, s->parity_units, s->cell_size, arena);
    for (uint32_t i = 0; i < s->options.count; i++)
        if ((ret->options[i] = text_of(arena, s->options.at[i])) == NULL)
            return ERR_NO_MEMORY;
    ret->option_count = s->options.count;
    return ret->name == NULL ? ERR_NO_MEMORY : 0;
}

/* Adding what is there changes nothing; a handler journals it all the same, as Hadoop does. */
int apply_add_ec_policy(struct nn *nn, const struct op_add_ec_policy *op, const struct edit *e,
                        struct err *err)
{
    (void)e;
    struct arena scratch;
    arena_init(&scratch, 0);
    struct kept_ec_policy p = {0};
    int rc = op->policy.options.count % 2 != 0
                 ? fail(err, ERR_CORRUPT, "an option of an erasure coding policy has no value")
                 : fill_policy(&op->policy, &scratch, &p);
    if (rc == 0 && kept_ec_same(nn->kept, &p) == NULL) {
        p.id = kept_ec_next_id(nn->kept);
        rc = p.id == 0 ? fail(err, ERR_CORRUPT, "there are too many erasure coding policies")
                       : kept_put_policy(nn->kept, &p);
    }
    arena_fini(&scratch);
    return rc;
}

static int set_policy_state(struct nn *nn, struct slice name, uint8_t state, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *text = text_of(&scratch, name);
    struct kept_ec_policy *p = text == NULL ? NULL : kept_find_policy(nn->kept, text);
    int rc = p != NULL ? 0
                       : fail(err, ERR_CORRUPT, "there is no erasure coding policy %s",
                              text == NULL ? "" : text);
    if (p != NULL)
        kept_ec_set_state(p, state);
    arena_fini(&scratch);
    return rc;
}

int apply_enable_ec_policy(struct nn *nn, const struct op_enable_ec_policy *op,
                           const struct edit *e, struct err *err)
{
    (void)e;
    return set_policy_state(nn, op->name, KEPT_EC_ENABLED, err);
}

int apply_disable_ec_policy(struct nn *nn, const struct op_disable_ec_policy *op,
                            const struct edit *e, struct err *err)
{
    (void)e;
    return set_policy_state(nn, op->name, KEPT_EC_DISABLED, err);
}

int apply_remove_ec_policy(struct nn *nn, const struct op_remove_ec_policy *op,
                           const struct edit *e, struct err *err)
{
    (void)e;
    return set_policy_state(nn, op->name, KEPT_EC_REMOVED, err);
}

/* ---- cache pools and directives ---- */

enum { DEFAULT_POOL_MODE = 0755 };

/* A flag of the record says that a value is there; else the pool keeps its own. */
static int fill_pool(const edit_cache_pool *v, struct arena *arena, struct kept_cache_pool *p)
{
    p->name = text_of(arena, v->name);
    p->owner = (v->flags & 1) != 0 ? text_of(arena, v->owner) : p->owner;
    p->group = (v->flags & 2) != 0 ? text_of(arena, v->group) : p->group;
    p->mode = (v->flags & 4) != 0 ? v->mode : p->mode;
    p->limit = (v->flags & 8) != 0 ? v->limit : p->limit;
    p->max_expiry = (v->flags & 16) != 0 ? v->max_expiry : p->max_expiry;
    p->replication = (v->flags & 32) != 0 ? v->replication : p->replication;
    return p->name == NULL || p->owner == NULL || p->group == NULL ? ERR_NO_MEMORY : 0;
}

static int put_pool(struct nn *nn, const edit_cache_pool *v, bool must_exist, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *name = text_of(&scratch, v->name);
    const struct kept_cache_pool *old = name == NULL ? NULL : kept_find_cache_pool(nn->kept, name);
    struct kept_cache_pool p = {.owner = "",
                                .group = "",
                                .mode = DEFAULT_POOL_MODE,
                                .replication = 1,
                                .limit = INT64_MAX,
                                .max_expiry = INT64_MAX};
    int rc = name == NULL ? ERR_NO_MEMORY : 0;
    if (rc == 0 && must_exist != (old != NULL))
        rc = fail(err, ERR_CORRUPT, "the cache pool %.200s %s", name,
                  must_exist ? "doesn't exist" : "exists already");
    if (old != NULL)
        p = *old;
    if (rc == 0)
        rc = fill_pool(v, &scratch, &p);
    if (rc == 0)
        rc = kept_put_cache_pool(nn->kept, &p);
    arena_fini(&scratch);
    return rc;
}

int apply_add_cache_pool(struct nn *nn, const struct op_add_cache_pool *op, const struct edit *e,
                         struct err *err)
{
    (void)e;
    return put_pool(nn, &op->pool, false, err);
}

int apply_modify_cache_pool(struct nn *nn, const struct op_modify_cache_pool *op,
                            const struct edit *e, struct err *err)
{
    (void)e;
    return put_pool(nn, &op->pool, true, err);
}

int apply_remove_cache_pool(struct nn *nn, const struct op_remove_cache_pool *op,
                            const struct edit *e, struct err *err)
{
    (void)e;
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *name = text_of(&scratch, op->name);
    int rc = name == NULL ? ERR_NO_MEMORY : 0;
    if (rc == 0 && kept_find_cache_pool(nn->kept, name) == NULL)
        rc = fail(err, ERR_CORRUPT, "the cache pool %.200s doesn't exist", name);
    if (rc == 0)
        kept_drop_cache_pool(nn->kept, name);
    arena_fini(&scratch);
    return rc;
}

static int put_directive(struct nn *nn, const edit_directive *v, const struct kept_directive *old,
                         struct err *err)
{
    struct kept_directive d = {.path = "", .pool = ""};
    struct arena scratch;
    arena_init(&scratch, 0);
    if (old != NULL)
        d = *old;
    d.id = v->id;
    d.path = (v->flags & 1) != 0 ? text_of(&scratch, v->path) : d.path;
    d.replication = (v->flags & 2) != 0 ? v->replication : d.replication;
    d.pool = (v->flags & 4) != 0 ? text_of(&scratch, v->pool) : d.pool;
    d.expiry = (v->flags & 8) != 0 ? v->expiry : d.expiry;
    int rc = d.path == NULL || d.pool == NULL ? ERR_NO_MEMORY : 0;
    if (rc == 0 && kept_find_cache_pool(nn->kept, d.pool) == NULL)
        rc = fail(err, ERR_CORRUPT, "the cache pool %.200s doesn't exist", d.pool);
    if (rc == 0)
        rc = kept_put_directive(nn->kept, &d);
    arena_fini(&scratch);
    return rc;
}

int apply_add_cache_directive(struct nn *nn, const struct op_add_cache_directive *op,
                              const struct edit *e, struct err *err)
{
    (void)e;
    if (op->directive.id >= INT64_MAX)
        return fail(err, ERR_CORRUPT, "an impossible cache directive");
    TRY(put_directive(nn, &op->directive, NULL, err));
    if (nn->kept->next_cache_directive <= op->directive.id)
        nn->kept->next_cache_directive = op->directive.id + 1;
    return 0;
}

static int find_directive(struct nn *nn, uint64_t id, const struct kept_directive **ret,
                          struct err *err)
{
    *ret = kept_find_directive(nn->kept, id);
    return *ret != NULL
               ? 0
               : fail(err, ERR_CORRUPT, "there is no cache directive %llu", (unsigned long long)id);
}

int apply_modify_cache_directive(struct nn *nn, const struct op_modify_cache_directive *op,
                                 const struct edit *e, struct err *err)
{
    (void)e;
    const struct kept_directive *old;
    TRY(find_directive(nn, op->directive.id, &old, err));
    return put_directive(nn, &op->directive, old, err);
}

int apply_remove_cache_directive(struct nn *nn, const struct op_remove_cache_directive *op,
                                 const struct edit *e, struct err *err)
{
    (void)e;
    const struct kept_directive *old;
    TRY(find_directive(nn, op->id, &old, err));
    kept_drop_directive(nn->kept, op->id);
    return 0;
}

/* ---- refused ---- */

#define REFUSED(name, what)                                                           \
    int apply_##name(struct nn *nn, const struct op_##name *op, const struct edit *e, \
                     struct err *err)                                                 \
    {                                                                                 \
        (void)nn;                                                                     \
        (void)op;                                                                     \
        (void)e;                                                                      \
        return fail(err, ERR_UNSUPPORTED, what " aren't there yet");                  \
    }
REFUSED(create_snapshot, "snapshots")
REFUSED(delete_snapshot, "snapshots")
REFUSED(rename_snapshot, "snapshots")
REFUSED(allow_snapshot, "snapshots")
REFUSED(disallow_snapshot, "snapshots")
REFUSED(rolling_upgrade_start, "rolling upgrades")
REFUSED(rolling_upgrade_finalize, "rolling upgrades")
#undef REFUSED
