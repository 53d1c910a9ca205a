/* features.c - ACLs and extended attributes: rare, so an inode has one handle to them.
 * Thread: state. ACL entries are the image's 32-bit words. Attributes are kept one after another in
 * one piece of heap, each {u32 name id | namespace << 24, u32 size, value}. Invariant: an inode
 * without ACL and attributes has no record. */
#include "namenode/namespace/internal.h"

#define POLICY_XATTR "hsm.block.storage.policy.id"
#define EC_XATTR     "hdfs.erasurecoding.policy"

enum { XATTR_HEADER = 8 };

static struct features *of(const struct ns *ns, handle_t h)
{
    handle_t f = at_inode(ns, h)->features;
    return f == 0 ? NULL : pool_at(&ns->features, f);
}

static struct features *make(struct ns *ns, struct inode *i)
{
    if (i->features == 0)
        i->features = pool_take(&ns->features);
    return i->features == 0 ? NULL : pool_at(&ns->features, i->features);
}

static void drop_if_empty(struct ns *ns, struct inode *i)
{
    const struct features *f = pool_at(&ns->features, i->features);
    if (f->acl_count > 0 || f->xattrs_size > 0)
        return;
    pool_give(&ns->features, i->features);
    i->features = 0;
}

void features_free(struct ns *ns, struct inode *i)
{
    if (i->features == 0)
        return;
    struct features *f = pool_at(&ns->features, i->features);
    heap_give(&ns->heap, f->acl, f->acl_count * sizeof(uint32_t));
    heap_give(&ns->heap, f->xattrs, f->xattrs_size);
    pool_give(&ns->features, i->features);
    i->features = 0;
}

/* ---- ACL ---- */

const uint32_t *ns_acl(const struct ns *ns, handle_t h, uint32_t *ret_count)
{
    const struct features *f = of(ns, h);
    *ret_count = f == NULL ? 0 : f->acl_count;
    return *ret_count == 0 ? NULL : heap_at(&ns->heap, f->acl, f->acl_count * sizeof(uint32_t));
}

int ns_set_acl(struct ns *ns, handle_t h, const uint32_t *entries, uint32_t count)
{
    struct inode *i = at_inode(ns, h);
    if (count == 0 && i->features == 0)
        return 0;
    struct features *f = make(ns, i);
    handle_t acl = heap_put(&ns->heap, entries, count * sizeof(*entries));
    if (f == NULL || (acl == 0 && count > 0))
        return ERR_NO_MEMORY;
    heap_give(&ns->heap, f->acl, f->acl_count * sizeof(uint32_t));
    f->acl = acl;
    f->acl_count = count;
    drop_if_empty(ns, i);
    return 0;
}

/* ---- attributes ---- */

static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

bool ns_xattr_next(const struct ns *ns, handle_t h, uint32_t *cursor, struct xattr *ret)
{
    const struct features *f = of(ns, h);
    if (f == NULL || *cursor >= f->xattrs_size)
        return false;
    const uint8_t *p = (const uint8_t *)heap_at(&ns->heap, f->xattrs, f->xattrs_size) + *cursor;
    uint32_t head = word_at(p), size = word_at(p + 4);
    *ret = (struct xattr){
        .space = (uint8_t)(head >> 24), .name = head & 0xffffff, .value = {p + XATTR_HEADER, size}};
    *cursor += XATTR_HEADER + size;
    return true;
}

static bool find(const struct ns *ns, handle_t h, unsigned space, uint32_t name,
                 uint32_t *ret_start, struct xattr *ret)
{
    uint32_t cursor = 0, start = 0;
    for (; ns_xattr_next(ns, h, &cursor, ret); start = cursor)
        if (ret->space == space && ret->name == name) {
            *ret_start = start;
            return true;
        }
    return false;
}

bool ns_xattr_get(const struct ns *ns, handle_t h, unsigned space, const char *name,
                  struct slice *ret)
{
    uint32_t start, id = ns_name_id(ns, NAME_XATTR, name);
    struct xattr x;
    if (id == 0 || !find(ns, h, space, id, &start, &x))
        return false;
    *ret = x.value;
    return true;
}

static void remove_xattr(struct ns *ns, handle_t h, unsigned space, uint32_t name)
{
    uint32_t start;
    struct xattr x;
    if (!find(ns, h, space, name, &start, &x))
        return;
    struct features *f = of(ns, h);
    uint32_t end = start + XATTR_HEADER + (uint32_t)x.value.size, size = f->xattrs_size;
    uint8_t *all = heap_at(&ns->heap, f->xattrs, size);
    uint32_t left = size - (end - start);
    memmove(all + start, all + end, size - end);
    if (left == 0) {
        heap_give(&ns->heap, f->xattrs, size);
        f->xattrs = 0;
    } else {
        handle_t moved = heap_resize(&ns->heap, f->xattrs, size, left);
        CHECK(moved != 0);
        f->xattrs = moved;
    }
    f->xattrs_size = left;
    drop_if_empty(ns, at_inode(ns, h));
}

/* A new or replaced attribute comes first, as in Hadoop's list. */
static int set_xattr(struct ns *ns, handle_t h, const struct xattr *x)
{
    remove_xattr(ns, h, x->space, x->name);
    struct features *f = make(ns, at_inode(ns, h));
    if (f == NULL)
        return ERR_NO_MEMORY;
    uint32_t old_size = f->xattrs_size, value_size = (uint32_t)x->value.size;
    uint32_t size = old_size + XATTR_HEADER + value_size, head = x->name | (uint32_t)x->space << 24;
    handle_t piece = heap_resize(&ns->heap, f->xattrs, old_size, size);
    if (piece == 0)
        return ERR_NO_MEMORY;
    uint8_t *to = heap_at(&ns->heap, piece, size);
    memmove(to + XATTR_HEADER + value_size, to, old_size);
    memcpy(to, &head, sizeof(head));
    memcpy(to + 4, &value_size, sizeof(value_size));
    if (value_size > 0)
        memcpy(to + XATTR_HEADER, x->value.data, value_size);
    f->xattrs = piece;
    f->xattrs_size = size;
    return 0;
}

/* Of a directory: decides how everything below it is counted. */
static bool is_policy(const struct ns *ns, handle_t h, unsigned space, uint32_t name)
{
    return space == XATTR_SYSTEM && at_inode(ns, h)->type == INODE_DIR &&
           strcmp(ns_interned(ns, NAME_XATTR, name), POLICY_XATTR) == 0;
}

int ns_set_xattr(struct ns *ns, handle_t h, const struct xattr *x)
{
    if (!is_policy(ns, h, x->space, x->name))
        return set_xattr(ns, h, x);
    struct sums before = sums_before(ns, h);
    TRY(set_xattr(ns, h, x));
    sums_after(ns, h, &before);
    return 0;
}

void ns_remove_xattr(struct ns *ns, handle_t h, unsigned space, uint32_t name)
{
    if (!is_policy(ns, h, space, name)) {
        remove_xattr(ns, h, space, name);
        return;
    }
    struct sums before = sums_before(ns, h);
    remove_xattr(ns, h, space, name);
    sums_after(ns, h, &before);
}

/* ---- policies, which directories keep as attributes ---- */

uint8_t ns_local_policy(const struct ns *ns, handle_t h)
{
    const struct inode *i = at_inode(ns, h);
    struct slice value;
    if (i->type == INODE_FILE)
        return i->file.policy;
    bool set = ns_xattr_get(ns, h, XATTR_SYSTEM, POLICY_XATTR, &value);
    return set && value.size == 1 ? value.data[0] : 0;
}

/* Of the storage policies, striped files follow those that put all replicas on one type. */
static bool suits_striped(uint8_t policy)
{
    enum { COLD = 2, HOT = 7, ALL_SSD = 12 };
    return policy == HOT || policy == COLD || policy == ALL_SSD;
}

uint8_t ns_effective_policy(const struct ns *ns, handle_t h)
{
    uint8_t policy = 0;
    const struct inode *i = h == 0 ? NULL : at_inode(ns, h);
    bool striped = i != NULL && i->type == INODE_FILE && i->file.ec != 0;
    for (; h != 0 && (policy = ns_local_policy(ns, h)) == 0; h = at_inode(ns, h)->parent)
        ;
    return striped && !suits_striped(policy) ? 0 : policy;
}

struct slice ns_ec_policy_name(const struct ns *ns, handle_t dir)
{
    for (; dir != 0; dir = at_inode(ns, dir)->parent) {
        struct slice value;
        if (!ns_xattr_get(ns, dir, XATTR_SYSTEM, EC_XATTR, &value))
            continue;
        struct reader r = reader_of(value.data, value.size);
        struct slice name = read_bytes(&r, read_u32(&r));
        /* a directory can say "replication" to end what its ancestors say */
        return r.bad || slice_equal(name, slice_of("replication")) ? (struct slice){0} : name;
    }
    return (struct slice){0};
}
