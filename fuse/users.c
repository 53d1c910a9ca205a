/* users.c - HDFS knows names, the kernel numbers. Thread: any.
 * Answers of NSS are remembered for a minute, unknown names too; beyond MAX_NAMES the table is
 * emptied, so that names invented by a server can't fill our memory. */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuse/internal.h"

enum { REMEMBER_MS = 60000, MAX_NAMES = 10000, NOBODY = 65534, NSS_BYTES = 16384 };

struct name_id {
    char *name;
    uint32_t id;
    int64_t until_ms;
    UT_hash_handle hh;
};

static int64_t now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void users_init(struct users *u)
{
    *u = (struct users){0};
    CHECK(pthread_mutex_init(&u->lock, NULL) == 0);
}

static void empty(struct name_id **table)
{
    struct name_id *entry, *next;
    HASH_ITER(hh, *table, entry, next)
    {
        HASH_DEL(*table, entry);
        free(entry->name);
        free(entry);
    }
}

void users_fini(struct users *u)
{
    empty(&u->users);
    empty(&u->groups);
    pthread_mutex_destroy(&u->lock);
}

static uint32_t ask_uid(const char *name)
{
    struct passwd entry, *found = NULL;
    char text[NSS_BYTES];
    if (getpwnam_r(name, &entry, text, sizeof(text), &found) == 0 && found != NULL)
        return found->pw_uid;
    return NOBODY;
}

static uint32_t ask_gid(const char *name)
{
    struct group entry, *found = NULL;
    char text[NSS_BYTES];
    if (getgrnam_r(name, &entry, text, sizeof(text), &found) == 0 && found != NULL)
        return found->gr_gid;
    return NOBODY;
}

/* With the lock. No memory: the answer just isn't remembered. */
static void remember(struct name_id **table, const char *name, uint32_t id)
{
    struct name_id *entry;
    HASH_FIND_STR(*table, name, entry);
    if (entry == NULL) {
        if (HASH_COUNT(*table) >= MAX_NAMES)
            empty(table);
        entry = calloc(1, sizeof(*entry));
        char *copy = strdup(name);
        if (entry == NULL || copy == NULL) {
            free(entry);
            free(copy);
            return;
        }
        entry->name = copy;
        HASH_ADD_KEYPTR(hh, *table, entry->name, strlen(entry->name), entry);
        if (entry->hh.tbl == NULL) {
            free(copy);
            free(entry);
            return;
        }
    }
    entry->id = id;
    entry->until_ms = now_ms() + REMEMBER_MS;
}

static uint32_t find_id(struct users *u, struct name_id **table, const char *name,
                        uint32_t (*ask)(const char *name))
{
    struct name_id *entry;
    pthread_mutex_lock(&u->lock);
    HASH_FIND_STR(*table, name, entry);
    bool known = entry != NULL && entry->until_ms > now_ms();
    uint32_t id = known ? entry->id : 0;
    pthread_mutex_unlock(&u->lock);
    if (known)
        return id;
    id = ask(name); /* may go over a network: not under the lock */
    pthread_mutex_lock(&u->lock);
    remember(table, name, id);
    pthread_mutex_unlock(&u->lock);
    return id;
}

uid_t users_uid(struct users *u, const char *name)
{
    return find_id(u, &u->users, name, ask_uid);
}

gid_t users_gid(struct users *u, const char *name)
{
    return find_id(u, &u->groups, name, ask_gid);
}

int users_name(uid_t uid, char **ret_name)
{
    struct passwd entry, *found = NULL;
    char text[NSS_BYTES];
    if (getpwuid_r(uid, &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return -EINVAL;
    *ret_name = strdup(found->pw_name);
    return *ret_name != NULL ? 0 : -ENOMEM;
}

int users_group(gid_t gid, char **ret_name)
{
    struct group entry, *found = NULL;
    char text[NSS_BYTES];
    if (getgrgid_r(gid, &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return -EINVAL;
    *ret_name = strdup(found->gr_name);
    return *ret_name != NULL ? 0 : -ENOMEM;
}
