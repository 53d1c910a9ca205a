/* state.h - the NameNode's whole state as one thing: birth, end, fingerprint, self-check; and what
 * is kept of features that aren't there yet. Door of namenode/state. Thread: state (the owner
 * thread). Core: no clock, no I/O. */
#pragma once
#include "common/base/base.h"
#include "common/ec/ec.h"
#include "namenode/nn.h"

struct nodes_settings;
struct blocks_settings;
/* What nn_new and image loading give the rooms of DataNodes and blocks; once, before the first
 * state is made, by the main thread. Without it: Hadoop's defaults. */
void nn_configure(const struct nodes_settings *nodes, const struct blocks_settings *blocks);
/* The state of a fresh format: last_txid 0, root owned by owner:group. */
int nn_new(const struct nn_identity *identity, const char *owner, const char *group,
           struct nn **ret, struct err *err);
void nn_free(struct nn *nn);
/* Frees up to `budget` inodes of deleted trees and removes their blocks. True: more is waiting. */
bool nn_collect(struct nn *nn, uint32_t budget);
/* A fingerprint of everything that image and journal keep, independent of handles and of the order
 * of events: two states with the same digest answer the same. Lengths of blocks still being written
 * don't count, as they aren't kept. */
uint64_t nn_digest(const struct nn *nn);
/* Walks everything and checks it against itself. */
int nn_verify(const struct nn *nn, struct err *err);

/* ---- kept: tokens, keys, policies ----
 * What image and journal of a Hadoop NameNode hold for features that we don't have yet. It is kept
 * and written back, so that nothing is lost by running this NameNode for a while. Changed by
 * journal/ and image/ only. */
struct kept_token {
    const char *owner, *renewer, *real_user;
    uint64_t issue_date, max_date, expiry;
    uint32_t sequence, master_key;
};
struct kept_key {
    uint32_t id;
    uint64_t expiry;
    bool has_key;
    struct slice key;
};
enum { KEPT_EC_DISABLED = 1, KEPT_EC_ENABLED = 2, KEPT_EC_REMOVED = 3 }; /* Hadoop's numbers */
enum { KEPT_EC_FIRST_OWN = 64, KEPT_EC_IDS = 128 }; /* ids: 1..5 built in, 64..127 of users */
struct kept_ec_policy {
    uint8_t id;
    uint8_t state; /* as the image has it; what counts is kept_ec_state() */
    bool off;      /* disabled or removed since the start: not even on by default */
    const char *name, *codec;
    uint32_t data_units, parity_units, cell_size;
    const char **options; /* key, value, .. */
    uint32_t option_count;
};
/* A pool and a directive of the cache manager; pools are sorted by name, directives by id. */
struct kept_cache_pool {
    const char *name, *owner, *group;
    uint16_t mode, replication;
    uint64_t limit, max_expiry;
};
struct kept_directive {
    uint64_t id, expiry; /* in absolute milliseconds */
    const char *path, *pool;
    uint16_t replication;
};
/* The texts live in `texts`; what is replaced stays there until the end, which is fine for so
 * little. */
struct kept {
    struct arena texts;
    uint64_t legacy_genstamp, legacy_genstamp_limit;
    uint32_t snapshot_counter;
    uint32_t master_key_id, token_sequence;
    uint64_t next_cache_directive;
    struct kept_key *keys;
    uint32_t key_count;
    struct kept_token *tokens;
    uint32_t token_count;
    struct kept_ec_policy policies[KEPT_EC_IDS];
    uint32_t policy_count;
    struct ec_policy ec[KEPT_EC_IDS]; /* by id; id 0: none, codec EC_CODEC_NONE: not ours */
    const char *default_policy;       /* "": none */
    uint32_t max_cell_size;
    struct kept_cache_pool *cache_pools;
    uint32_t cache_pool_count;
    struct kept_directive *directives;
    uint32_t directive_count;
};

int kept_new(
    struct kept **ret); /* as after format: the built-in erasure coding policies, disabled */
void kept_free(struct kept *k);
/* The rest fail for lack of memory only. Put replaces what has the same id; texts are copied. */
int kept_put_key(struct kept *k, uint32_t id, uint64_t expiry,
                 const struct slice *key); /* NULL: without key */
int kept_put_token(struct kept *k, const struct kept_token *token);
void kept_drop_token(struct kept *k, uint32_t sequence);
/* kept_ec.c */
int kept_add_built_in(struct kept *k);
int kept_put_policy(struct kept *k, const struct kept_ec_policy *policy);
struct kept_ec_policy *kept_find_policy(const struct kept *k, const char *name); /* NULL: none */
struct kept_ec_policy *kept_find_policy_id(const struct kept *k, uint8_t id);
/* Units, cell and codec of a policy, NULL: unknown id. Valid as long as k. */
const struct ec_policy *kept_ec(const struct kept *k, uint8_t id);
/* False: the default policy must be "" or a built-in one; nothing else changes then. */
bool kept_ec_configure(struct kept *k, const char *default_policy, uint32_t max_cell_size);
bool kept_ec_usable(const struct kept *k, const struct kept_ec_policy *p); /* codec, size of cell */
uint8_t kept_ec_state(const struct kept *k, const struct kept_ec_policy *p); /* what counts */
bool kept_ec_enabled(const struct kept *k, const struct kept_ec_policy *p);
void kept_ec_set_state(struct kept_ec_policy *p, uint8_t state);
uint8_t kept_ec_next_id(const struct kept *k); /* for a policy of a user, 0: all are taken */
/* The policy with the name of p, or the same schema and cell; NULL: there is none yet. */
struct kept_ec_policy *kept_ec_same(const struct kept *k, const struct kept_ec_policy *p);
/* CODEC-data-parity-cellk; NULL: no memory. */
const char *kept_ec_name(const char *codec, uint32_t data_units, uint32_t parity_units,
                         uint32_t cell_size, struct arena *arena);
/* kept_cache.c */
int kept_put_cache_pool(struct kept *k, const struct kept_cache_pool *pool);
struct kept_cache_pool *kept_find_cache_pool(const struct kept *k, const char *name);
void kept_drop_cache_pool(struct kept *k, const char *name); /* its directives go, too */
int kept_put_directive(struct kept *k, const struct kept_directive *directive);
struct kept_directive *kept_find_directive(const struct kept *k, uint64_t id);
void kept_drop_directive(struct kept *k, uint64_t id);
