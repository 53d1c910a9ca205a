/* swap.c - volumes that come and go while the node runs.
 * Thread: whoever reconfigures; swap_lock lets them in one at a time. A volume that comes is opened
 * and scanned while it is joining: its replicas can be read already, but heartbeats and reports
 * don't name it and nothing is written to it. One that goes first stops taking part, then loses its
 * replicas (their writers end), then its threads end and its lock is given back. Its memory and its
 * slot stay, since readers may hold it; the slot is used again only when there is no other. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

int volumes_add(struct store *s, struct volume *v, struct err *err)
{
    size_t count = s->volume_count, slot = count;
    for (size_t i = 0; i < count && count == STORE_MAX_VOLUMES && slot == count; i++)
        if (atomic_load(&store_volume(s, i)->state) == VOLUME_REMOVED)
            slot = i;
    if (slot == STORE_MAX_VOLUMES) {
        volume_free(v);
        return fail(err, ERR_BUSY, "there are %d volumes already", STORE_MAX_VOLUMES);
    }
    v->index = slot;
    if (slot < count) {
        store_volume(s, slot)->next_retired = s->retired;
        s->retired = store_volume(s, slot);
    }
    atomic_store(&s->volumes[slot], v);
    if (slot == count)
        atomic_fetch_add(&s->volume_count, 1);
    return 0;
}

/* --- one that comes --- */

static int check_clusters(const struct store *s, const struct volume *v, struct err *err)
{
    for (size_t i = 0; i < s->pool_count; i++)
        if (v->cluster_id[0] != '\0' && strcmp(v->cluster_id, s->pools[i]->cluster_id) != 0)
            return fail(err, ERR_CORRUPT, "%s is of cluster %s, not of %s", v->path, v->cluster_id,
                        s->pools[i]->cluster_id);
    return 0;
}

static int join_pool(struct store *s, struct volume *v, struct block_pool *p, struct err *err)
{
    struct pool_identity id = {p->id, p->cluster_id, p->namespace_id, p->ctime};
    TRY(volume_attach(v, &id, s->uuid, err));
    return pool_scan_volume(p, v, err);
}

/* Pools may come meanwhile: the volume works from the moment when it has all of them. */
static int join_pools(struct store *s, struct volume *v, struct err *err)
{
    for (size_t joined = 0;;) {
        for (; joined < s->pool_count; joined++)
            TRY(join_pool(s, v, s->pools[joined], err));
        pthread_mutex_lock(&s->lock);
        int joining = VOLUME_JOINING;
        bool all = joined == s->pool_count;
        bool works = all && atomic_compare_exchange_strong(&v->state, &joining, VOLUME_WORKS);
        pthread_mutex_unlock(&s->lock);
        if (all)
            return works ? 0 : fail(err, ERR_DISK, "%s has failed while it joined", v->path);
    }
}

static int open_and_join(struct store *s, struct volume *v, struct err *err)
{
    TRY(volume_open(v, err));
    TRY(check_clusters(s, v, err));
    TRY(store_check_uuid(s, v, err));
    return join_pools(s, v, err);
}

/* Its replicas leave memory, its threads end. */
static void leave(struct store *s, struct volume *v)
{
    atomic_store(&v->state, VOLUME_REMOVED);
    for (size_t i = 0; i < s->pool_count; i++)
        pool_drop_volume(s->pools[i], v, true);
    (void)volume_close(v); /* one that hangs keeps its thread and its memory */
}

static int add(struct store *s, const struct volume_location *l, struct err *err)
{
    struct volume *v;
    TRY(volume_new(&s->rules, l, s->conf, &v, err));
    TRY(volumes_add(s, v, err));
    int rc = open_and_join(s, v, err);
    if (rc != 0) {
        leave(s, v);
        return rc;
    }
    log_info("a volume was added path=%s storage=%s replicas=%llu", v->path, v->storage_id,
             (unsigned long long)atomic_load(&v->replicas));
    return 0;
}

/* --- one that goes --- */

static void remove_volume(struct store *s, struct volume *v)
{
    leave(s, v);
    failures_forget(s, v);
    log_info("a volume was removed path=%s storage=%s", v->path, v->storage_id);
}

/* --- the difference --- */

struct change {
    struct volume_location locations[STORE_MAX_VOLUMES];
    size_t count;
    bool known[STORE_MAX_VOLUMES]; /* works already */
    bool goes[STORE_MAX_VOLUMES];  /* by slot */
    char text[700];                /* what did not work */
};

static struct volume_location *find(struct change *c, const struct volume *v)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->locations[i].path, v->path) == 0)
            return &c->locations[i];
    return NULL;
}

static int compare(struct store *s, struct change *c, struct err *err)
{
    size_t left = 0;
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = store_volume(s, i);
        int state = atomic_load(&v->state);
        struct volume_location *l = find(c, v);
        if (state == VOLUME_REMOVED)
            continue;
        if (l != NULL && l->type != v->type && state == VOLUME_WORKS)
            return fail(err, ERR_CONFIG, "Changing storage type is not allowed.");
        c->goes[i] = l == NULL || state != VOLUME_WORKS; /* a failed one is opened anew */
        if (l != NULL && state == VOLUME_WORKS)
            c->known[l - c->locations] = true;
        left += !c->goes[i];
    }
    for (size_t i = 0; i < c->count; i++)
        left += !c->known[i];
    return left > 0 ? 0 : fail(err, ERR_CONFIG, "Attempt to remove all volumes.");
}

/* A failed folder that is wanted again must be let go before it can be locked. */
static void forget_failed(struct store *s, struct change *c)
{
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = store_volume(s, i);
        if (!c->goes[i] || find(c, v) == NULL)
            continue;
        c->goes[i] = false;
        remove_volume(s, v);
    }
}

static void add_all(struct store *s, struct change *c, struct store_changes *ret)
{
    for (size_t i = 0; i < c->count; i++) {
        struct err err = {0};
        if (c->known[i]) {
            ret->unchanged++;
        } else if (add(s, &c->locations[i], &err) == 0) {
            ret->added++;
        } else {
            size_t used = strlen(c->text);
            log_error("a volume could not be added path=%s cause=%s", c->locations[i].path,
                      log_quote(err.text));
            snprintf(c->text + used, sizeof(c->text) - used, "FAILED TO ADD: %s: %s\n",
                     c->locations[i].text, err.text);
            ret->failed++;
        }
    }
}

static int change_volumes(struct store *s, struct change *c, struct store_changes *ret,
                          struct err *err)
{
    TRY(compare(s, c, err));
    forget_failed(s, c);
    size_t slots = s->volume_count; /* what is added now stays */
    add_all(s, c, ret);
    for (size_t i = 0; i < slots; i++)
        if (c->goes[i]) {
            remove_volume(s, store_volume(s, i));
            ret->removed++;
        }
    if (ret->added + ret->removed > 0)
        store_notify(s, STORE_VOLUMES_CHANGED, "");
    return ret->failed == 0 ? 0 : fail(err, ERR_IO, "%s", c->text);
}

int store_reconfigure(struct store *s, const char *new_value, struct store_changes *ret,
                      struct err *err)
{
    struct change *c = calloc(1, sizeof(*c));
    *ret = (struct store_changes){0};
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to change volumes");
    pthread_mutex_lock(&s->swap_lock);
    int rc = volume_locations(new_value, c->locations, &c->count, err);
    if (rc == 0)
        rc = change_volumes(s, c, ret, err);
    pthread_mutex_unlock(&s->swap_lock);
    free(c);
    return rc;
}

int store_data_dirs(struct store *s, struct buf *out, struct err *err)
{
    bool first = true;
    int rc = 0;
    uint8_t end = 0;
    for (size_t i = 0; i < s->volume_count && rc == 0; i++) {
        const struct volume *v = store_volume(s, i);
        if (!volume_works(v))
            continue;
        rc = buf_printf(out, "%s%s", first ? "" : ",", v->location.text);
        first = false;
    }
    if (rc == 0)
        rc = buf_append(out, &end, 1);
    return rc == 0 ? 0 : fail(err, rc, "no memory for the list of volumes");
}
