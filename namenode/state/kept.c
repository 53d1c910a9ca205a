/* kept.c - delegation tokens and their keys: only stored, never used. See state.h. There are few of
 * them, so plain arrays with linear search do. */
#include <stdlib.h>

#include "namenode/state/state.h"

int kept_new(struct kept **ret)
{
    struct kept *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NO_MEMORY;
    arena_init(&k->texts, 0);
    k->legacy_genstamp = 1000;
    k->next_cache_directive = 1;
    if (kept_add_built_in(k) != 0) {
        kept_free(k);
        return ERR_NO_MEMORY;
    }
    *ret = k;
    return 0;
}

void kept_free(struct kept *k)
{
    if (k == NULL)
        return;
    free(k->keys);
    free(k->tokens);
    free(k->cache_pools);
    free(k->directives);
    arena_fini(&k->texts);
    free(k);
}

/* The array with room for one more; it doubles at powers of two. NULL: no memory. */
static void *grown(void *array, uint32_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return array;
    return realloc(array, (count == 0 ? 1 : (size_t)count * 2) * size);
}

static const char *copy(struct kept *k, const char *text)
{
    return arena_strdup(&k->texts, text == NULL ? "" : text);
}

int kept_put_key(struct kept *k, uint32_t id, uint64_t expiry, const struct slice *key)
{
    struct kept_key new = {.id = id, .expiry = expiry, .has_key = key != NULL};
    if (key != NULL) {
        new.key = (struct slice){(const uint8_t *)arena_strndup(&k->texts, key->data, key->size),
                                 key->size};
        if (new.key.data == NULL)
            return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < k->key_count; i++)
        if (k->keys[i].id == id) {
            k->keys[i] = new;
            return 0;
        }
    struct kept_key *keys = grown(k->keys, k->key_count, sizeof(*keys));
    if (keys == NULL)
        return ERR_NO_MEMORY;
    k->keys = keys;
    k->keys[k->key_count++] = new;
    return 0;
}

int kept_put_token(struct kept *k, const struct kept_token *token)
{
    struct kept_token new = *token;
    new.owner = copy(k, token->owner);
    new.renewer = copy(k, token->renewer);
    new.real_user = copy(k, token->real_user);
    if (new.owner == NULL || new.renewer == NULL || new.real_user == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < k->token_count; i++)
        if (k->tokens[i].sequence == token->sequence) {
            k->tokens[i] = new;
            return 0;
        }
    struct kept_token *tokens = grown(k->tokens, k->token_count, sizeof(*tokens));
    if (tokens == NULL)
        return ERR_NO_MEMORY;
    k->tokens = tokens;
    k->tokens[k->token_count++] = new;
    return 0;
}

void kept_drop_token(struct kept *k, uint32_t sequence)
{
    for (uint32_t i = 0; i < k->token_count; i++)
        if (k->tokens[i].sequence == sequence) {
            k->token_count--;
            memmove(k->tokens + i, k->tokens + i + 1, (k->token_count - i) * sizeof(*k->tokens));
            /* `grown` counts on an array that was never smaller than the next power of two: it
             * still is */
            return;
        }
}
