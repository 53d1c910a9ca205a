/* names.c - users, groups and attribute names as small ids, so that an inode needs 24 bits for
 * each. Thread: state. A name once given an id keeps it; there are few of them, so none is ever
 * dropped. */
#include <stdlib.h>

#include "namenode/namespace/internal.h"

enum { MAX_NAMES = (1 << 24) - 1 };

struct interned {
    uint32_t id;
    UT_hash_handle hh;
    char text[];
};

void names_fini(struct name_table *t)
{
    struct interned *e, *next;
    HASH_ITER(hh, t->by_name, e, next)
    {
        HASH_DEL(t->by_name, e);
        free(e);
    }
    free(t->by_id);
    *t = (struct name_table){0};
}

static bool grow(struct name_table *t)
{
    if (t->count + 1 < t->capacity)
        return true;
    uint32_t capacity = t->capacity == 0 ? 16 : t->capacity * 2;
    struct interned **by_id = realloc(t->by_id, capacity * sizeof(struct interned *));
    if (by_id == NULL)
        return false;
    t->by_id = by_id;
    t->capacity = capacity;
    return true;
}

int ns_intern(struct ns *ns, enum name_kind kind, struct slice name, uint32_t *ret_id)
{
    struct name_table *t = &ns->names[kind];
    struct interned *e = NULL;
    name = until_zero(name);
    if (name.size == 0) {
        *ret_id = 0;
        return 0;
    }
    HASH_FIND(hh, t->by_name, name.data, name.size, e);
    if (e != NULL) {
        *ret_id = e->id;
        return 0;
    }
    if (t->count == MAX_NAMES || !grow(t))
        return ERR_NO_MEMORY;
    e = calloc(1, sizeof(*e) + name.size + 1);
    if (e == NULL)
        return ERR_NO_MEMORY;
    memcpy(e->text, name.data, name.size);
    e->id = ++t->count;
    t->by_id[e->id] = e;
    HASH_ADD(hh, t->by_name, text[0], name.size, e);
    *ret_id = e->id;
    return 0;
}

uint32_t ns_name_id(const struct ns *ns, enum name_kind kind, const char *name)
{
    struct interned *e = NULL;
    HASH_FIND(hh, ns->names[kind].by_name, name, strlen(name), e);
    return e == NULL ? 0 : e->id;
}

const char *ns_interned(const struct ns *ns, enum name_kind kind, uint32_t id)
{
    const struct name_table *t = &ns->names[kind];
    return id == 0 || id > t->count ? "" : t->by_id[id]->text;
}

uint32_t ns_interned_count(const struct ns *ns, enum name_kind kind)
{
    return ns->names[kind].count;
}
