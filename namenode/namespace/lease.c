/* lease.c - who holds which files open, and since when without a sign of life.
 * Thread: state. Times are monotonic and come from outside. Invariants: (1) a lease has at least
 * one file; (2) an open file has exactly one struct inode_uc, in the list of exactly one lease; (3)
 * the list of leases rises by renewed_ms; (4) ns->open has all open files, rising by inode id. New
 * files come last, so that keeping it in order is nearly free. */
#include <stdio.h>
#include <stdlib.h>

#include "namenode/namespace/internal.h"

static void list_remove(struct ns *ns, struct lease *l)
{
    *(l->prev == 0 ? &ns->lease_oldest : &at_lease(ns, l->prev)->next) = l->next;
    *(l->next == 0 ? &ns->lease_newest : &at_lease(ns, l->next)->prev) = l->prev;
}

static void list_append(struct ns *ns, struct lease *l, int64_t mono_ms)
{
    l->prev = ns->lease_newest;
    l->next = 0;
    *(l->prev == 0 ? &ns->lease_oldest : &at_lease(ns, l->prev)->next) = l->self;
    ns->lease_newest = l->self;
    /* time never runs backwards in the list, whatever the caller says */
    l->renewed_ms = l->prev != 0 && at_lease(ns, l->prev)->renewed_ms > mono_ms
                        ? at_lease(ns, l->prev)->renewed_ms
                        : mono_ms;
}

/* Opening a file is a sign of life, too. */
static void renew(struct ns *ns, struct lease *l, int64_t mono_ms)
{
    list_remove(ns, l);
    list_append(ns, l, mono_ms);
}

static struct lease *find(const struct ns *ns, struct slice holder)
{
    struct lease *l = NULL;
    HASH_FIND(hh, ns->lease_by_holder, holder.data, holder.size, l);
    return l;
}

static struct lease *make(struct ns *ns, struct slice holder)
{
    char *text = calloc(1, holder.size + 1);
    handle_t h = text == NULL ? 0 : pool_take(&ns->leases);
    if (h == 0) {
        free(text);
        return NULL;
    }
    if (holder.size > 0)
        memcpy(text, holder.data, holder.size);
    struct lease *l = at_lease(ns, h);
    l->holder = text;
    l->self = h;
    HASH_ADD_KEYPTR(hh, ns->lease_by_holder, l->holder, holder.size, l);
    list_append(ns, l, ns->now_ms);
    return l;
}

static void drop(struct ns *ns, struct lease *l)
{
    HASH_DEL(ns->lease_by_holder, l);
    list_remove(ns, l);
    free(l->holder);
    pool_give(&ns->leases, l->self);
}

static void attach(struct ns *ns, struct lease *l, handle_t uc)
{
    struct inode_uc *u = at_uc(ns, uc);
    u->lease = l->self;
    u->prev = 0;
    u->next = l->files;
    if (u->next != 0)
        at_uc(ns, u->next)->prev = uc;
    l->files = uc;
    l->file_count++;
}

static void detach(struct ns *ns, handle_t uc)
{
    struct inode_uc *u = at_uc(ns, uc);
    struct lease *l = at_lease(ns, u->lease);
    *(u->prev == 0 ? &l->files : &at_uc(ns, u->prev)->next) = u->next;
    if (u->next != 0)
        at_uc(ns, u->next)->prev = u->prev;
    if (--l->file_count == 0)
        drop(ns, l);
}

/* Where the first open file with at least that id is in ns->open. */
static uint32_t open_place(const struct ns *ns, uint64_t id)
{
    uint32_t low = 0, high = ns->open_count;
    if (high > 0 && at_inode(ns, ns->open[high - 1])->id < id)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at_inode(ns, ns->open[middle])->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int open_reserve(struct ns *ns)
{
    if (ns->open_count < ns->open_room)
        return 0;
    uint32_t room = ns->open_room == 0 ? 64 : 2 * ns->open_room;
    handle_t *open = realloc(ns->open, room * sizeof(*open));
    if (open == NULL)
        return ERR_NO_MEMORY;
    ns->open = open;
    ns->open_room = room;
    return 0;
}

static void open_insert(struct ns *ns, handle_t file)
{
    uint32_t at = open_place(ns, at_inode(ns, file)->id);
    CHECK(ns->open_count < ns->open_room);
    memmove(ns->open + at + 1, ns->open + at, (ns->open_count - at) * sizeof(*ns->open));
    ns->open[at] = file;
    ns->open_count++;
}

static void open_remove(struct ns *ns, handle_t file)
{
    uint32_t at = open_place(ns, at_inode(ns, file)->id);
    CHECK(at < ns->open_count && ns->open[at] == file);
    ns->open_count--;
    memmove(ns->open + at, ns->open + at + 1, (ns->open_count - at) * sizeof(*ns->open));
}

handle_t ns_open_after(const struct ns *ns, uint64_t id)
{
    uint32_t at = id == UINT64_MAX ? ns->open_count : open_place(ns, id + 1);
    while (at < ns->open_count && !ns_attached(ns, ns->open[at]))
        at++;
    return at < ns->open_count ? ns->open[at] : 0;
}

int ns_open_file(struct ns *ns, handle_t file, struct slice holder, struct slice machine)
{
    struct inode *i = at_inode(ns, file);
    CHECK(i->type == INODE_FILE && i->file.uc == 0);
    holder = until_zero(holder);
    TRY(open_reserve(ns));
    handle_t uc = pool_take(&ns->uc);
    if (uc == 0)
        return ERR_NO_MEMORY;
    struct inode_uc *u = at_uc(ns, uc);
    u->machine_size = (uint32_t)machine.size;
    u->machine = heap_put(&ns->heap, machine.data, machine.size);
    struct lease *l = find(ns, holder);
    if (l == NULL)
        l = make(ns, holder);
    else
        renew(ns, l, ns->now_ms);
    if (l == NULL || (u->machine == 0 && machine.size > 0)) {
        heap_give(&ns->heap, u->machine, u->machine == 0 ? 0 : machine.size);
        pool_give(&ns->uc, uc);
        if (l != NULL && l->file_count == 0)
            drop(ns, l);
        return ERR_NO_MEMORY;
    }
    u->inode = file;
    attach(ns, l, uc);
    i->file.uc = uc;
    open_insert(ns, file);
    return 0;
}

void ns_close_file(struct ns *ns, handle_t file)
{
    struct inode *i = at_inode(ns, file);
    CHECK(i->type == INODE_FILE);
    if (i->file.uc == 0)
        return;
    struct inode_uc *u = at_uc(ns, i->file.uc);
    open_remove(ns, file);
    detach(ns, i->file.uc);
    heap_give(&ns->heap, u->machine, u->machine_size);
    pool_give(&ns->uc, i->file.uc);
    i->file.uc = 0;
}

int ns_reassign_lease(struct ns *ns, handle_t file, struct slice new_holder)
{
    handle_t uc = at_inode(ns, file)->file.uc;
    CHECK(uc != 0);
    new_holder = until_zero(new_holder);
    struct lease *to = find(ns, new_holder);
    if (to == NULL)
        to = make(ns, new_holder);
    else
        renew(ns, to, ns->now_ms);
    if (to == NULL)
        return ERR_NO_MEMORY;
    if (to->self == at_uc(ns, uc)->lease)
        return 0;
    detach(ns, uc);
    attach(ns, to, uc);
    return 0;
}

/* ---- questions ---- */

handle_t ns_lease_find(const struct ns *ns, const char *holder)
{
    const struct lease *l = find(ns, slice_of(holder));
    return l == NULL ? 0 : l->self;
}

const char *ns_lease_holder(const struct ns *ns, handle_t lease)
{
    return at_lease(ns, lease)->holder;
}

int64_t ns_lease_renewed_ms(const struct ns *ns, handle_t lease)
{
    return at_lease(ns, lease)->renewed_ms;
}

uint32_t ns_lease_file_count(const struct ns *ns, handle_t lease)
{
    return at_lease(ns, lease)->file_count;
}

handle_t ns_lease_next_file(const struct ns *ns, handle_t lease, handle_t file)
{
    handle_t uc =
        file == 0 ? at_lease(ns, lease)->files : at_uc(ns, at_inode(ns, file)->file.uc)->next;
    while (uc != 0 && !ns_attached(ns, at_uc(ns, uc)->inode))
        uc = at_uc(ns, uc)->next;
    return uc == 0 ? 0 : at_uc(ns, uc)->inode;
}

const struct inode_uc *ns_uc(const struct ns *ns, handle_t file)
{
    const struct inode *i = at_inode(ns, file);
    return i->type == INODE_FILE && i->file.uc != 0 ? at_uc(ns, i->file.uc) : NULL;
}

const char *ns_uc_client(const struct ns *ns, handle_t file)
{
    const struct inode_uc *u = ns_uc(ns, file);
    return u == NULL ? "" : at_lease(ns, u->lease)->holder;
}

struct slice ns_uc_machine(const struct ns *ns, handle_t file)
{
    const struct inode_uc *u = ns_uc(ns, file);
    if (u == NULL || u->machine_size == 0)
        return (struct slice){0};
    return (struct slice){heap_at(&ns->heap, u->machine, u->machine_size), u->machine_size};
}

bool ns_lease_renew(struct ns *ns, const char *holder, int64_t mono_ms)
{
    struct lease *l = find(ns, slice_of(holder));
    if (l == NULL)
        return false;
    renew(ns, l, mono_ms);
    return true;
}

handle_t ns_lease_next_expired(const struct ns *ns, handle_t lease, int64_t mono_ms,
                               int64_t limit_ms)
{
    handle_t next = lease == 0 ? ns->lease_oldest : at_lease(ns, lease)->next;
    return next != 0 && mono_ms - at_lease(ns, next)->renewed_ms > limit_ms ? next : 0;
}

void ns_lease_renew_all(struct ns *ns, int64_t mono_ms)
{
    for (handle_t h = ns->lease_oldest; h != 0; h = at_lease(ns, h)->next)
        at_lease(ns, h)->renewed_ms = mono_ms;
}

/* "1970-01-01 00:00:00,000+0000" */
static void date_text(int64_t now_ms, char *out, size_t size)
{
    uint64_t ms = now_ms < 0 ? 0 : (uint64_t)now_ms, day_ms = ms % 86400000;
    uint64_t days = ms / 86400000 + 719468; /* since 0000-03-01: the leap day is a year's last */
    uint64_t era = days / 146097, of_era = days % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100),
             month = (5 * of_year + 2) / 153;
    unsigned day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    unsigned shown = (unsigned)(month < 10 ? month + 3 : month - 9);
    snprintf(out, size, "%04u-%02u-%02u %02u:%02u:%02u,%03u+0000",
             (unsigned)(era * 400 + year + (shown <= 2)), shown, day, (unsigned)(day_ms / 3600000),
             (unsigned)(day_ms / 60000 % 60), (unsigned)(day_ms / 1000 % 60),
             (unsigned)(day_ms % 1000));
}

const char *ns_own_holder(struct ns *ns, int64_t now_ms, int64_t mono_ms, int64_t keep_ms)
{
    if (ns->own_holder[0] == '\0' || mono_ms - ns->own_holder_ms > keep_ms) {
        char date[96];
        date_text(now_ms, date, sizeof(date));
        snprintf(ns->own_holder, sizeof(ns->own_holder), "HDFS_NameNode-%s", date);
        ns->own_holder_ms = mono_ms;
    }
    return ns->own_holder;
}

void ns_set_now(struct ns *ns, int64_t mono_ms)
{
    ns->now_ms = mono_ms;
}
