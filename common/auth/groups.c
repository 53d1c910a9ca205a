/* groups.c - the groups of a user, from a static table of the configuration or from NSS, remembered
 * for a while. Thread: any. The lock guards the table of entries; NSS is asked without it, since
 * that may block on the network. Invariants: (1) an entry's strings never change, a newer answer
 * replaces the entry as a whole; (2) at most MAX_ENTRIES users are remembered, the one that was
 * asked for longest ago goes first. */
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM             1
#define HASH_FUNCTION(key, size, out) HASH_FNV(key, size, out) /* no switch that falls through */
#include <uthash.h>

#include "common/auth/auth.h"
#include "common/conf/conf.h"
#include "common/io/io.h"

enum { MAX_ENTRIES = 10000, MAX_GROUPS = 65536 };

struct entry {
    UT_hash_handle hh;
    char *user;
    char **names;
    size_t count;
    int64_t expires_ms; /* monotonic; INT64_MAX: of the static table */
};

struct groups {
    pthread_mutex_t lock; /* guards entries */
    struct entry *entries;
    int64_t cache_ms, negative_cache_ms;
};

static void entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->count; i++)
        free(e->names[i]);
    free(e->names);
    free(e->user);
    free(e);
}

static struct entry *entry_new(const char *user)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (e != NULL && (e->user = strdup(user)) == NULL) {
        free(e);
        return NULL;
    }
    return e;
}

static int entry_add(struct entry *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->names[i], name) == 0)
            return 0;
    }
    char **grown = realloc(e->names, (e->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    e->names = grown;
    if ((e->names[e->count] = strdup(name)) == NULL)
        return ERR_NO_MEMORY;
    e->count++;
    return 0;
}

/* Takes e; the lock is held. */
static void remember(struct groups *g, struct entry *e)
{
    struct entry *old;
    HASH_FIND_STR(g->entries, e->user, old);
    if (old == NULL && HASH_COUNT(g->entries) >= MAX_ENTRIES) {
        old = g->entries; /* the head is the oldest: uthash keeps the order of insertion */
        while (old != NULL && old->expires_ms == INT64_MAX)
            old = old->hh.next;
    }
    if (old != NULL) {
        HASH_DEL(g->entries, old);
        entry_free(old);
    }
    HASH_ADD_KEYPTR(hh, g->entries, e->user, strlen(e->user), e);
    if (e->hh.tbl == NULL) /* no memory: it is asked again */
        entry_free(e);
}

/* One "user=group,group" of the static table; "user=" has no groups. */
static int add_static(struct groups *g, char *item, struct err *err)
{
    char *equals = strchr(item, '=');
    if (equals == item)
        return fail(err, ERR_CONFIG, "%s: \"%s\" names no user",
                    conf_name(CONF_group_static_mapping), item);
    if (equals != NULL)
        *equals = '\0';
    struct entry *e = entry_new(item);
    if (e == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the static table of groups");
    e->expires_ms = INT64_MAX;
    char **names = NULL;
    size_t count = 0;
    int rc = equals == NULL ? 0 : conf_list(equals + 1, &names, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = entry_add(e, names[i]);
    conf_list_free(names, count);
    if (rc != 0) {
        entry_free(e);
        return fail(err, rc, "no memory for the static table of groups");
    }
    remember(g, e);
    return 0;
}

static int load_static(struct groups *g, const char *table, struct err *err)
{
    char *copy = strdup(table);
    if (copy == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the static table of groups");
    int rc = 0;
    char *rest = copy, *item;
    while (rc == 0 && (item = strsep(&rest, ";")) != NULL) {
        item += strspn(item, " \t\n");
        if (item[0] != '\0')
            rc = add_static(g, item, err);
    }
    free(copy);
    return rc;
}

int groups_new(const struct conf *conf, struct groups **ret, struct err *err)
{
    struct groups *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the table of groups");
    pthread_mutex_init(&g->lock, NULL);
    g->cache_ms = conf_ms(conf, CONF_groups_cache);
    g->negative_cache_ms = conf_ms(conf, CONF_groups_negative_cache);
    int rc = load_static(g, conf_str(conf, CONF_group_static_mapping), err);
    if (rc != 0) {
        groups_free(g);
        return rc;
    }
    *ret = g;
    return 0;
}

void groups_forget(struct groups *g)
{
    struct entry *e, *next;
    pthread_mutex_lock(&g->lock);
    HASH_ITER(hh, g->entries, e, next)
    {
        if (e->expires_ms == INT64_MAX)
            continue;
        HASH_DEL(g->entries, e);
        entry_free(e);
    }
    pthread_mutex_unlock(&g->lock);
}

void groups_free(struct groups *g)
{
    if (g == NULL)
        return;
    struct entry *e, *next;
    HASH_ITER(hh, g->entries, e, next)
    {
        HASH_DEL(g->entries, e);
        entry_free(e);
    }
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static int copy_out(const struct entry *e, struct arena *arena, struct group_list *ret)
{
    const char **names = arena_array(arena, const char *, e->count + 1);
    if (names == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < e->count; i++) {
        names[i] = arena_strdup(arena, e->names[i]);
        if (names[i] == NULL)
            return ERR_NO_MEMORY;
    }
    *ret = (struct group_list){names, e->count};
    return 0;
}

bool groups_cached(struct groups *g, const char *user, struct arena *arena, struct group_list *ret)
{
    pthread_mutex_lock(&g->lock);
    struct entry *e;
    HASH_FIND_STR(g->entries, user, e);
    bool good = e != NULL && (e->expires_ms == INT64_MAX || e->expires_ms > clock_monotonic_ms()) &&
                copy_out(e, arena, ret) == 0;
    pthread_mutex_unlock(&g->lock);
    return good;
}

static int add_by_gid(struct entry *e, gid_t gid, char *text, size_t size)
{
    struct group entry, *found = NULL;
    if (getgrgid_r(gid, &entry, text, size, &found) == 0 && found != NULL)
        return entry_add(e, found->gr_name);
    char number[16]; /* as Hadoop's native look-up: a group without name is its number */
    snprintf(number, sizeof(number), "%u", (unsigned)gid);
    return entry_add(e, number);
}

/* Asks NSS; an unknown user stays without groups. */
static int ask_system(struct entry *e)
{
    enum { TEXT_SIZE = 256 << 10 };
    char *text = malloc(TEXT_SIZE);
    gid_t *gids = NULL;
    int rc = text == NULL ? ERR_NO_MEMORY : 0;
    struct passwd entry, *found = NULL;
    if (rc == 0 && getpwnam_r(e->user, &entry, text, TEXT_SIZE, &found) == 0 && found != NULL) {
        gid_t primary = found->pw_gid;
        int count = MAX_GROUPS;
        gids = malloc(MAX_GROUPS * sizeof(*gids));
        if (gids == NULL)
            rc = ERR_NO_MEMORY;
        else if (getgrouplist(e->user, primary, gids, &count) < 0)
            count = 0;
        for (int i = 0; rc == 0 && i < count; i++)
            rc = add_by_gid(e, gids[i], text, TEXT_SIZE);
    }
    free(gids);
    free(text);
    return rc;
}

int groups_find(struct groups *g, const char *user, struct arena *arena, struct group_list *ret)
{
    if (groups_cached(g, user, arena, ret))
        return 0;
    struct entry *e = entry_new(user);
    if (e == NULL)
        return ERR_NO_MEMORY;
    int rc = ask_system(e);
    if (rc == 0)
        rc = copy_out(e, arena, ret);
    if (rc != 0) {
        entry_free(e);
        return rc;
    }
    int64_t keep_ms = e->count > 0 ? g->cache_ms : g->negative_cache_ms;
    e->expires_ms = clock_monotonic_ms() + keep_ms;
    pthread_mutex_lock(&g->lock);
    remember(g, e);
    pthread_mutex_unlock(&g->lock);
    return 0;
}
