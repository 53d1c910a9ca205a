/* xattr.c - extended attributes; names have their name space in front ("user.color").
 * Thread: any. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "libdfs/api/internal.h"

static const char *const spaces[] = {"user", "trusted", "security", "system", "raw"};

void dfs_xattrs_free(struct dfs_xattrs *xattrs)
{
    for (size_t i = 0; i < xattrs->count; i++) {
        free(xattrs->items[i].name);
        free(xattrs->items[i].value);
    }
    free(xattrs->items);
    *xattrs = (struct dfs_xattrs){0};
}

/* "user.color" -> its message; the name stays the caller's. */
static int name_fill(struct op *op, const char *name, Hdfs__XAttr *ret)
{
    const char *dot = strchr(name, '.');
    size_t n = dot == NULL ? 0 : (size_t)(dot - name), space = 0;
    while (space < ARRAY_SIZE(spaces) &&
           !(strlen(spaces[space]) == n && strncasecmp(name, spaces[space], n) == 0))
        space++;
    if (n >= 3 && dot[1] == '\0')
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT, "XAttr name cannot be empty.");
    if (space == ARRAY_SIZE(spaces))
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT,
                    "An XAttr name must be prefixed with user/trusted/security/system/raw, "
                    "followed by a '.'");
    hdfs__xattr__init(ret);
    ret->namespace_ = (Hdfs__XAttr__XAttrNamespace)space;
    ret->name = (char *)(uintptr_t)(dot + 1);
    return 0;
}

static bool fill_one(const Hdfs__XAttr *from, struct dfs_xattr *x)
{
    size_t space = (size_t)from->namespace_;
    *x = (struct dfs_xattr){.size = from->has_value ? from->value.len : 0};
    if (space >= ARRAY_SIZE(spaces) || asprintf(&x->name, "%s.%s", spaces[space], from->name) < 0)
        x->name = NULL;
    x->value = malloc(x->size + 1);
    if (x->value == NULL)
        return false;
    if (x->size > 0)
        memcpy(x->value, from->value.data, x->size);
    x->value[x->size] = '\0';
    return x->name != NULL;
}

static int fill_all(struct op *op, Hdfs__XAttr *const *from, size_t count, struct dfs_xattrs *ret)
{
    struct dfs_xattrs x = {.items = calloc(count + 1, sizeof(*x.items))};
    bool filled = x.items != NULL;
    for (size_t i = 0; i < count && filled; i++) {
        x.count = i + 1;
        filled = fill_one(from[i], &x.items[i]);
    }
    if (!filled) {
        dfs_xattrs_free(&x);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for extended attributes");
    }
    *ret = x;
    return 0;
}

static int do_get(struct op *op, const char *path, const char *const *names, struct dfs_xattrs *ret)
{
    size_t count = 0;
    TRY(op_path(op, path, &path));
    while (names != NULL && names[count] != NULL)
        count++;
    Hdfs__XAttr *messages = arena_alloc(&op->arena, (count + 1) * sizeof(*messages));
    Hdfs__XAttr **list = arena_alloc(&op->arena, (count + 1) * sizeof(Hdfs__XAttr *));
    if (messages == NULL || list == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for extended attributes");
    for (size_t i = 0; i < count; i++) {
        TRY(name_fill(op, names[i], &messages[i]));
        list[i] = &messages[i];
    }
    Cp__GetXAttrsRequest request = CP__GET_XATTRS_REQUEST__INIT;
    Cp__GetXAttrsResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.n_xattrs = count;
    request.xattrs = list;
    TRY(OP_CALL(op, getXAttrs, &request, &response));
    return fill_all(op, response->xattrs, response->n_xattrs, ret);
}

int dfs_get_xattrs(struct dfs *fs, const char *path, const char *const *names,
                   struct dfs_xattrs *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_get(&op, path, names, ret), error);
}

static int do_set(struct op *op, const char *path, const char *name, const void *value, size_t size,
                  unsigned flags)
{
    Hdfs__XAttr xattr;
    TRY(op_path(op, path, &path));
    TRY(name_fill(op, name, &xattr));
    xattr.has_value = value != NULL;
    xattr.value = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)value};
    Cp__SetXAttrRequest request = CP__SET_XATTR_REQUEST__INIT;
    Cp__SetXAttrResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.xattr = &xattr;
    request.has_flag = true;
    request.flag = flags;
    return OP_CALL(op, setXAttr, &request, &response);
}

int dfs_set_xattr(struct dfs *fs, const char *path, const char *name, const void *value,
                  size_t size, unsigned flags, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set(&op, path, name, value, size, flags), error);
}

static int do_remove(struct op *op, const char *path, const char *name)
{
    Hdfs__XAttr xattr;
    TRY(op_path(op, path, &path));
    TRY(name_fill(op, name, &xattr));
    Cp__RemoveXAttrRequest request = CP__REMOVE_XATTR_REQUEST__INIT;
    Cp__RemoveXAttrResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.xattr = &xattr;
    return OP_CALL(op, removeXAttr, &request, &response);
}

int dfs_remove_xattr(struct dfs *fs, const char *path, const char *name, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_remove(&op, path, name), error);
}
