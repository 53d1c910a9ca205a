/* acl.c - see acl.h. While an ACL is put together masks are kept apart, one for each scope, since
 * what becomes of a mask depends on what else has changed in its scope. */
#include "namenode/acl/acl.h"

enum { SCOPES = 2 };

static const uint8_t base_types[] = {ACL_USER, ACL_GROUP, ACL_OTHER};

struct scope {
    bool changed;      /* the call touches it */
    bool mask_changed; /* the call sets or removes its mask */
    bool has_mask;
    struct edit_acl_entry mask;
};

struct change {
    struct edit_acl_list list; /* the new ACL without masks, until finish() */
    struct scope scope[SCOPES];
};

/* ---- lists ---- */

static int compare_names(struct slice a, struct slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare(const struct edit_acl_entry *a, const struct edit_acl_entry *b)
{
    if (a->scope != b->scope)
        return a->scope - b->scope;
    return a->type != b->type ? a->type - b->type : compare_names(a->name, b->name);
}

/* Stable; the lists are short. */
static void sort(struct edit_acl_list *list)
{
    for (uint32_t i = 1; i < list->count; i++) {
        struct edit_acl_entry e = list->at[i];
        uint32_t to = i;
        for (; to > 0 && compare(&list->at[to - 1], &e) > 0; to--)
            list->at[to] = list->at[to - 1];
        list->at[to] = e;
    }
}

/* By bisection as Java does it: with duplicates in the list that decides which of them counts. */
static const struct edit_acl_entry *find(const struct edit_acl_list *sorted,
                                         const struct edit_acl_entry *key)
{
    uint32_t low = 0, high = sorted->count;
    while (low < high) {
        uint32_t middle = (low + high - 1) / 2;
        int order = compare(&sorted->at[middle], key);
        if (order == 0)
            return &sorted->at[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct edit_acl_entry *find_base(const struct edit_acl_list *list, unsigned scope,
                                              unsigned type)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].scope == scope && list->at[i].type == type && list->at[i].name.size == 0)
            return &list->at[i];
    return NULL;
}

static uint32_t count_of(const struct edit_acl_list *list, unsigned scope)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->count; i++)
        n += list->at[i].scope == scope;
    return n;
}

static int check_counts(const struct edit_acl_list *list, struct err *err)
{
    for (unsigned scope = 0; scope < SCOPES; scope++)
        if (count_of(list, scope) > ACL_MAX_ENTRIES)
            return fail(err, ERR_ACL,
                        "Invalid ACL: ACL has %u %s entries, which exceeds maximum of %d.",
                        count_of(list, scope), scope == 0 ? "access" : "default", ACL_MAX_ENTRIES);
    return 0;
}

/* ---- putting it together ---- */

/* Checks and sorts spec, and makes room: each base entry may be copied to the defaults, each scope
 * may get a mask. */
static int begin(struct change *ch, const struct edit_acl_list *old, struct edit_acl_list *spec,
                 struct arena *arena, struct err *err)
{
    *ch = (struct change){0};
    TRY(check_counts(spec, err));
    sort(spec);
    ch->list.at = arena_array(arena, struct edit_acl_entry,
                              old->count + spec->count + ARRAY_SIZE(base_types) + SCOPES);
    return ch->list.at == NULL ? ERR_NO_MEMORY : 0;
}

static void append(struct change *ch, const struct edit_acl_entry *e)
{
    ch->list.at[ch->list.count++] = *e;
}

static void keep(struct change *ch, const struct edit_acl_entry *e)
{
    struct scope *s = &ch->scope[e->scope];
    if (e->type != ACL_MASK) {
        append(ch, e);
        return;
    }
    s->has_mask = true;
    s->mask = *e;
}

static void note(struct change *ch, const struct edit_acl_entry *e)
{
    ch->scope[e->scope].changed = true;
    ch->scope[e->scope].mask_changed |= e->type == ACL_MASK;
}

static void set(struct change *ch, const struct edit_acl_entry *e)
{
    note(ch, e);
    keep(ch, e);
}

/* ---- finishing it ---- */

/* Base entries that the defaults lack are those of the access scope. */
static void copy_to_defaults(struct change *ch)
{
    if (count_of(&ch->list, 1) == 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(base_types); i++) {
        const struct edit_acl_entry *access = find_base(&ch->list, 0, base_types[i]);
        if (access == NULL || find_base(&ch->list, 1, base_types[i]) != NULL)
            continue;
        struct edit_acl_entry copy = *access;
        copy.scope = 1;
        append(ch, &copy);
    }
}

/* A mask that the call gives, or of a scope that it leaves alone, stays; else the mask is what the
 * entries under it allow together. Names need one. */
static int add_mask(struct change *ch, unsigned scope, struct err *err)
{
    const struct scope *s = &ch->scope[scope];
    struct edit_acl_entry mask = {.scope = (uint8_t)scope, .type = ACL_MASK};
    bool needed = false;
    for (uint32_t i = 0; i < ch->list.count; i++) {
        const struct edit_acl_entry *e = &ch->list.at[i];
        if (e->scope != scope)
            continue;
        needed |= e->name.size > 0;
        if (e->type == ACL_GROUP || e->name.size > 0)
            mask.access |= e->access;
    }
    if (needed && !s->has_mask && s->mask_changed)
        return fail(err, ERR_ACL, "Invalid ACL: mask is required and cannot be deleted.");
    if (s->has_mask && (!s->changed || s->mask_changed))
        append(ch, &s->mask);
    else if (needed || s->has_mask)
        append(ch, &mask);
    return 0;
}

static int check_entry(const struct edit_acl_entry *e, struct err *err)
{
    char access[10]; /* as of an owner: the first three letters */
    if (e->name.size == 0 || e->type == ACL_USER || e->type == ACL_GROUP)
        return 0;
    mode_text((uint16_t)(e->access << 6), access);
    return fail(err, ERR_ACL, "Invalid ACL: this entry type must not have a name: %s%s:%.*s:%.3s.",
                e->scope == 0 ? "" : "default:", e->type == ACL_MASK ? "mask" : "other",
                (int)e->name.size, (const char *)e->name.data, access);
}

static int check(const struct edit_acl_list *list, struct err *err)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (i > 0 && compare(&list->at[i - 1], &list->at[i]) == 0)
            return fail(err, ERR_ACL,
                        "Invalid ACL: multiple entries with same scope, type and name.");
        TRY(check_entry(&list->at[i], err));
    }
    TRY(check_counts(list, err));
    bool defaults = count_of(list, 1) > 0;
    for (size_t i = 0; i < ARRAY_SIZE(base_types); i++) {
        if (find_base(list, 0, base_types[i]) == NULL)
            return fail(err, ERR_ACL,
                        "Invalid ACL: the user, group and other entries are required.");
        if (defaults && find_base(list, 1, base_types[i]) == NULL)
            return fail(err, ERR_ACL,
                        "Invalid default ACL: the user, group and other entries are required.");
    }
    return 0;
}

static int finish(struct change *ch, struct edit_acl_list *ret, struct err *err)
{
    copy_to_defaults(ch);
    for (unsigned scope = 0; scope < SCOPES; scope++)
        if (count_of(&ch->list, scope) > 0) /* a mask alone is no ACL */
            TRY(add_mask(ch, scope, err));
    sort(&ch->list);
    *ret = ch->list;
    return check(ret, err);
}

/* ---- the changes ---- */

int acl_merge(const struct edit_acl_list *old, struct edit_acl_list *spec, struct arena *arena,
              struct edit_acl_list *ret, struct err *err)
{
    struct change ch;
    TRY(begin(&ch, old, spec, arena, err));
    for (uint32_t i = 0; i < old->count; i++) {
        const struct edit_acl_entry *instead = find(spec, &old->at[i]);
        if (instead != NULL)
            set(&ch, instead);
        else
            keep(&ch, &old->at[i]);
    }
    for (uint32_t i = 0; i < spec->count; i++)
        if (find(old, &spec->at[i]) == NULL)
            set(&ch, &spec->at[i]);
    return finish(&ch, ret, err);
}

int acl_remove(const struct edit_acl_list *old, struct edit_acl_list *spec, struct arena *arena,
               struct edit_acl_list *ret, struct err *err)
{
    struct change ch;
    TRY(begin(&ch, old, spec, arena, err));
    for (uint32_t i = 0; i < old->count; i++) {
        if (find(spec, &old->at[i]) != NULL)
            note(&ch, &old->at[i]);
        else
            keep(&ch, &old->at[i]);
    }
    return finish(&ch, ret, err);
}

int acl_replace(const struct edit_acl_list *old, struct edit_acl_list *spec, struct arena *arena,
                struct edit_acl_list *ret, struct err *err)
{
    struct change ch;
    TRY(begin(&ch, old, spec, arena, err));
    for (uint32_t i = 0; i < spec->count; i++)
        set(&ch, &spec->at[i]);
    for (uint32_t i = 0; i < old->count; i++)
        if (!ch.scope[old->at[i].scope].changed)
            keep(&ch, &old->at[i]);
    return finish(&ch, ret, err);
}

int acl_remove_defaults(const struct edit_acl_list *old, struct edit_acl_list *spec,
                        struct arena *arena, struct edit_acl_list *ret, struct err *err)
{
    (void)spec;
    (void)arena;
    *ret = (struct edit_acl_list){.at = old->at, .count = count_of(old, 0)};
    return check(ret, err);
}
