/* xattr.c - extended attributes: name spaces, limits, flags. */
#include "namenode/handlers/call.h"

static const char *const space_names[] = {"user", "trusted", "security", "system", "raw"};

static bool is_unreadable(unsigned space, const char *name)
{
    return space == XATTR_SECURITY && strcmp(name, XATTR_UNREADABLE) == 0;
}

/* Whether the caller may see that attribute. */
static bool visible(const struct call *c, unsigned space, const char *name, bool raw)
{
    return space == XATTR_USER || (space == XATTR_TRUSTED && c->who.superuser) ||
           (space == XATTR_RAW && raw) || is_unreadable(space, name);
}

static bool is_raw_path(const char *path)
{
    return strncmp(path, "/.reserved/raw", 14) == 0;
}

/* Whether the caller may name that attribute in a call. */
static int check_space(struct call *c, const Hdfs__XAttr *x, bool raw)
{
    if (x == NULL || (unsigned)x->namespace_ >= ARRAY_SIZE(space_names))
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s names no extended attribute",
                    c->rpc->method->name);
    if (is_unreadable((unsigned)x->namespace_, x->name) && x->has_value && x->value.len > 0)
        return fail(&c->err, ERR_ACCESS,
                    "Attempt to set a value for 'security." XATTR_UNREADABLE
                    "'. Values are not allowed for this xattr.");
    if (!visible(c, (unsigned)x->namespace_, x->name, raw))
        return fail(&c->err, ERR_ACCESS, "User doesn't have permission for xattr: %s.%s",
                    space_names[x->namespace_], x->name);
    return 0;
}

static int add_xattr(struct call *c, unsigned space, const char *name, struct slice value,
                     Hdfs__XAttr **list, size_t *n)
{
    NEW(c, Hdfs__XAttr, hdfs__xattr, x);
    x->namespace_ = (Hdfs__XAttr__XAttrNamespace)space;
    x->name = (char *)name;
    x->has_value = value.size > 0;
    x->value = (ProtobufCBinaryData){value.size, (uint8_t *)value.data};
    list[(*n)++] = x;
    return 0;
}

/* All that the caller may see, with values. */
static int visible_xattrs(struct call *c, const struct resolved *r, bool raw, Hdfs__XAttr ***ret,
                          size_t *ret_count)
{
    struct xattr x;
    uint32_t cursor = 0;
    size_t count = 0;
    handle_t h = resolved_last(r);
    while (ns_xattr_next(ns_of(c), h, &cursor, &x))
        count++;
    *ret = arena_array(arena_of(c), Hdfs__XAttr *, count);
    if (*ret == NULL)
        return call_no_memory(c);
    for (cursor = 0, *ret_count = 0; ns_xattr_next(ns_of(c), h, &cursor, &x);) {
        const char *name = ns_interned(ns_of(c), NAME_XATTR, x.name);
        if (visible(c, x.space, name, raw))
            TRY(add_xattr(c, x.space, name, x.value, *ret, ret_count));
    }
    return 0;
}

int fs_getXAttrs(struct call *c)
{
    REQUEST(c, Cp__GetXAttrsRequest);
    RESPOND(c, Cp__GetXAttrsResponse, cp__get_xattrs_response);
    struct resolved r;
    bool raw = is_raw_path(req->src);
    for (size_t i = 0; i < req->n_xattrs; i++)
        TRY(check_space(c, req->xattrs[i], raw));
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    TRY(call_check_found(c, &r));
    if (req->n_xattrs == 0)
        return visible_xattrs(c, &r, raw, &res->xattrs, &res->n_xattrs);
    res->xattrs = arena_array(arena_of(c), Hdfs__XAttr *, req->n_xattrs);
    if (res->xattrs == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_xattrs; i++) {
        struct slice value;
        const Hdfs__XAttr *x = req->xattrs[i];
        if (!ns_xattr_get(ns_of(c), resolved_last(&r), (unsigned)x->namespace_, x->name, &value))
            return fail(&c->err, ERR_XATTR_NOT_FOUND,
                        "At least one of the attributes provided was not found.");
        TRY(add_xattr(c, (unsigned)x->namespace_, x->name, value, res->xattrs, &res->n_xattrs));
    }
    return 0;
}

int fs_listXAttrs(struct call *c)
{
    REQUEST(c, Cp__ListXAttrsRequest);
    RESPOND(c, Cp__ListXAttrsResponse, cp__list_xattrs_response);
    struct resolved r;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    TRY(call_check_found(c, &r));
    return visible_xattrs(c, &r, is_raw_path(req->src), &res->xattrs, &res->n_xattrs);
}

/* In the user's name space one needs to write, or, in a sticky directory, to own it. */
static int check_change(struct call *c, const struct resolved *r, const Hdfs__XAttr *x)
{
    handle_t h = resolved_last(r);
    if (x->namespace_ == HDFS__XATTR__XATTR_NAMESPACE__USER) {
        bool sticky = h != 0 && inode_is_dir(ns_inode(ns_of(c), h)) &&
                      (perm_mode(ns_inode(ns_of(c), h)->perm) & 01000) != 0;
        TRY(call_check_access(c, r,
                              sticky ? (struct ns_want){.owner = true}
                                     : (struct ns_want){.target = ACCESS_WRITE}));
    }
    return call_check_found(c, r);
}

static int resolve_for_xattr(struct call *c, const char *src, const Hdfs__XAttr *x,
                             struct resolved *r)
{
    TRY(check_space(c, x, is_raw_path(src)));
    TRY(call_resolve(c, src, PATH_WRITE, r));
    return check_change(c, r, x);
}

static int commit_xattr(struct call *c, uint8_t code, const struct resolved *r,
                        const Hdfs__XAttr *x)
{
    struct edit_xattr *one = arena_new(arena_of(c), struct edit_xattr);
    if (one == NULL)
        return call_no_memory(c);
    one->space = (uint8_t)x->namespace_;
    one->name = slice_of(x->name);
    if (x->has_value)
        one->value = (struct slice){x->value.data, x->value.len};
    struct edit e = {.code = code};
    struct edit_xattr_list list = {.src = slice_of(r->text), .at = one, .count = 1};
    if (code == OP_set_xattr) {
        e.set_xattr.xattrs = list;
        e.set_xattr.rpc = call_rpc_ids(c);
    } else {
        e.remove_xattr.xattrs = list;
        e.remove_xattr.rpc = call_rpc_ids(c);
    }
    return call_commit(c, &e);
}

static int check_set_flags(struct call *c, handle_t h, const Hdfs__XAttr *x, uint32_t flags)
{
    struct slice old;
    struct xattr each;
    uint32_t cursor = 0, count = 0;
    bool exists = ns_xattr_get(ns_of(c), h, (unsigned)x->namespace_, x->name, &old);
    if (flags == 0)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "A flag must be specified.");
    if (exists && (flags & HDFS__XATTR_SET_FLAG__XATTR_REPLACE) == 0)
        return fail(&c->err, ERR_IO,
                    "XAttr: %s already exists. The REPLACE flag must be specified.", x->name);
    if (!exists && (flags & HDFS__XATTR_SET_FLAG__XATTR_CREATE) == 0)
        return fail(&c->err, ERR_IO, "XAttr: %s does not exist. The CREATE flag must be specified.",
                    x->name);
    while (ns_xattr_next(ns_of(c), h, &cursor, &each))
        count += each.space == XATTR_USER || each.space == XATTR_TRUSTED;
    uint32_t most = c->env->settings->max_xattrs;
    bool counts = x->namespace_ == HDFS__XATTR__XATTR_NAMESPACE__USER ||
                  x->namespace_ == HDFS__XATTR__XATTR_NAMESPACE__TRUSTED;
    if (count + (counts && !exists) > most)
        return fail(&c->err, ERR_IO,
                    "Cannot add additional XAttr to inode, would exceed limit of %u", most);
    if (is_unreadable((unsigned)x->namespace_, x->name) && !inode_is_file(ns_inode(ns_of(c), h)))
        return fail(&c->err, ERR_IO, "Can only set 'security." XATTR_UNREADABLE "' on a file.");
    return 0;
}

int fs_setXAttr(struct call *c)
{
    REQUEST(c, Cp__SetXAttrRequest);
    RESPOND(c, Cp__SetXAttrResponse, cp__set_xattr_response);
    struct resolved r;
    uint32_t most = c->env->settings->max_xattr_size;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set XAttr on ", req->src));
    size_t size = req->xattr == NULL ? 0 : strlen(req->xattr->name) + req->xattr->value.len;
    if (size > most)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "The XAttr is too big. The maximum combined size of the name and value is %u, "
                    "but the total size is %zu",
                    most, size);
    TRY(resolve_for_xattr(c, req->src, req->xattr, &r));
    TRY(check_set_flags(c, resolved_last(&r), req->xattr, req->flag));
    return commit_xattr(c, OP_set_xattr, &r, req->xattr);
}

int fs_removeXAttr(struct call *c)
{
    REQUEST(c, Cp__RemoveXAttrRequest);
    RESPOND(c, Cp__RemoveXAttrResponse, cp__remove_xattr_response);
    struct resolved r;
    struct slice old;
    struct xattr any;
    uint32_t cursor = 0;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot remove XAttr entry on ", req->src));
    TRY(resolve_for_xattr(c, req->src, req->xattr, &r));
    if (is_unreadable((unsigned)req->xattr->namespace_, req->xattr->name) &&
        ns_xattr_next(ns_of(c), resolved_last(&r), &cursor, &any))
        return fail(&c->err, ERR_ACCESS,
                    "The xattr 'security." XATTR_UNREADABLE "' can not be deleted.");
    if (!ns_xattr_get(ns_of(c), resolved_last(&r), (unsigned)req->xattr->namespace_,
                      req->xattr->name, &old))
        return fail(&c->err, ERR_IO, "No matching attributes found for remove operation");
    return commit_xattr(c, OP_remove_xattr, &r, req->xattr);
}
