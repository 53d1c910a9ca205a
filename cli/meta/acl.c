/* acl.c - getfacl and setfacl.
 * The server tells what is not in the permission bits; owner, mask (or group) and other are made of
 * the bits here. Thread: the command's. */
#include "cli/meta/meta.h"
#include "common/base/base.h"

static const char *const types[] = {"user", "group", "mask", "other"};
static const char *const symbols[] = {"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"};

void acl_spec_free(struct acl_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        text_free(spec->items[i].name);
    text_free(spec->items);
    *spec = (struct acl_spec){0};
}

/* Parts between colons; empty ones at the end don't count. */
enum { PARTS_MAX = 8 };
struct parts {
    const char *at[PARTS_MAX];
    size_t size[PARTS_MAX], count;
};

static bool split(const char *text, size_t size, struct parts *ret)
{
    struct parts p = {0};
    size_t used = 0;
    for (size_t from = 0; from <= size;) {
        const char *colon = memchr(text + from, ':', size - from);
        size_t n = colon == NULL ? size - from : (size_t)(colon - (text + from));
        if (p.count == PARTS_MAX)
            return false;
        p.at[p.count] = text + from;
        p.size[p.count++] = n;
        if (n > 0)
            used = p.count;
        from += n + 1;
    }
    p.count = used;
    *ret = p;
    return true;
}

static bool part_is(const struct parts *p, size_t i, const char *word)
{
    return p->size[i] == strlen(word) && strncasecmp(p->at[i], word, p->size[i]) == 0;
}

static int invalid(const char *why, const char *text, size_t size, struct err *err)
{
    return fail(err, ERR_ILLEGAL_ARGUMENT, "%s%.*s", why, (int)size, text);
}

static int parse_type(const struct parts *p, size_t i, const char *text, size_t size,
                      enum dfs_acl_type *ret, struct err *err)
{
    for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
        if (part_is(p, i, types[t])) {
            *ret = (enum dfs_acl_type)t;
            return 0;
        }
    }
    return invalid("Invalid type of acl in <aclSpec> :", text, size, err);
}

static int parse_permission(const struct parts *p, size_t i, const char *text, size_t size,
                            uint8_t *ret, struct err *err)
{
    for (uint8_t bits = 0; bits < ARRAY_SIZE(symbols); bits++) {
        if (p->size[i] == 3 && memcmp(p->at[i], symbols[bits], 3) == 0) {
            *ret = bits;
            return 0;
        }
    }
    return invalid("Invalid permission in <aclSpec> : ", text, size, err);
}

static int parse_entry(const char *text, size_t size, bool permissions, struct dfs_acl_entry *ret,
                       struct err *err)
{
    static const char why[] = "Invalid <aclSpec> : ";
    struct parts p;
    struct dfs_acl_entry e = {0};
    size_t i = 0;
    if (!split(text, size, &p) || p.count == 0)
        return invalid(why, text, size, err);
    if (p.size[0] == 7 && memcmp(p.at[0], "default", 7) == 0) {
        e.is_default = true;
        i++;
    }
    if (i >= p.count)
        return invalid(why, text, size, err);
    TRY(parse_type(&p, i++, text, size, &e.type, err));
    size_t name = i++;
    if (permissions) {
        if (i >= p.count)
            return invalid(why, text, size, err);
        TRY(parse_permission(&p, i++, text, size, &e.permission, err));
    }
    if (p.count > i)
        return invalid(why, text, size, err);
    if (name < p.count && p.size[name] > 0)
        e.name = text_ndup(p.at[name], p.size[name]);
    *ret = e;
    return 0;
}

int acl_spec_parse(const char *text, bool permissions, struct acl_spec *ret, struct err *err)
{
    struct acl_spec spec = {0};
    for (text += strspn(text, ","); *text != '\0'; text += strspn(text, ",")) {
        size_t n = strcspn(text, ",");
        struct dfs_acl_entry entry;
        int rc = parse_entry(text, n, permissions, &entry, err);
        if (rc != 0) {
            acl_spec_free(&spec);
            return rc;
        }
        spec.items = text_grow(spec.items, (spec.count + 1) * sizeof(entry));
        spec.items[spec.count++] = entry;
        text += n;
    }
    *ret = spec;
    return 0;
}

struct acl_spec acl_full(uint32_t mode, const struct dfs_acl *acl)
{
    struct acl_spec full = {.items = text_alloc((acl->count + 3) * sizeof(*full.items))};
    size_t i = 0;
    full.items[full.count++] =
        (struct dfs_acl_entry){.type = DFS_ACL_USER, .permission = (mode >> 6) & 7};
    for (; i < acl->count && !acl->items[i].is_default; i++)
        full.items[full.count++] = acl->items[i];
    full.items[full.count++] = (struct dfs_acl_entry){.type = i > 0 ? DFS_ACL_MASK : DFS_ACL_GROUP,
                                                      .permission = (mode >> 3) & 7};
    full.items[full.count++] =
        (struct dfs_acl_entry){.type = DFS_ACL_OTHER, .permission = mode & 7};
    for (; i < acl->count; i++)
        full.items[full.count++] = acl->items[i];
    return full;
}

/* What the mask leaves of a named or group entry. */
static unsigned effective(const struct dfs_acl_entry *e, uint32_t mode, const struct dfs_acl *acl)
{
    if (e->name == NULL && e->type != DFS_ACL_GROUP)
        return e->permission;
    if (!e->is_default)
        return e->permission & (mode >> 3);
    /* the last but one of the default ACL: the mask, or the group itself */
    return acl->count < 3 ? e->permission : e->permission & acl->items[acl->count - 2].permission;
}

static void print_entry(const struct dfs_acl_entry *e, FILE *out)
{
    fprintf(out, "%s%s:%s:%s", e->is_default ? "default:" : "", types[e->type & 3],
            e->name == NULL ? "" : e->name, symbols[e->permission & 7]);
}

/* The entries of one scope. */
static void print_scope(const struct acl_spec *full, bool is_default, uint32_t mode,
                        const struct dfs_acl *acl, FILE *out)
{
    size_t count = 0;
    for (size_t i = 0; i < full->count; i++)
        count += full->items[i].is_default == is_default;
    for (size_t i = 0; i < full->count; i++) {
        const struct dfs_acl_entry *e = &full->items[i];
        if (e->is_default != is_default)
            continue;
        unsigned left = count == 3 ? e->permission : effective(e, mode, acl) & 7;
        print_entry(e, out);
        if (left != e->permission)
            fprintf(out, "\t#effective:%s", symbols[left]);
        fputc('\n', out);
    }
}

static int read_acl(const struct item *item, struct dfs_acl *ret, struct err *err)
{
    struct dfs_error e = {0};
    *ret = (struct dfs_acl){0};
    struct dfs *dfs = store_dfs(item->store);
    if (!item->stat.has_acl || dfs == NULL)
        return 0;
    return store_failed(err, dfs_get_acl(dfs, item->path, ret, &e), &e);
}

static int getfacl_path(struct walk *w, struct item *item, struct err *err)
{
    FILE *out = w->sh->out;
    const struct dfs_stat *st = &item->stat;
    struct dfs_acl acl;
    fprintf(out, "# file: %s\n# owner: %s\n# group: %s\n", item->text, st->owner, st->group);
    if ((st->mode & 01000) != 0)
        fprintf(out, "# flags: --%c\n", (st->mode & 1) != 0 ? 't' : 'T');
    TRY(read_acl(item, &acl, err));
    uint32_t mode = acl.has_mode ? acl.mode : st->mode;
    struct acl_spec full = acl_full(st->mode, &acl);
    print_scope(&full, false, mode, &acl, out);
    print_scope(&full, true, mode, &acl, out);
    fputc('\n', out);
    text_free(full.items); /* the names are acl's */
    dfs_acl_free(&acl);
    return 0;
}

/* What is left must be one path. */
static int check_one_path(const struct args *args, struct err *err)
{
    if (args->count == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "<path> is missing");
    return args->count == 1 ? 0 : fail(err, ERR_ILLEGAL_ARGUMENT, "Too many arguments");
}

int cmd_getfacl(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    TRY(check_one_path(args, err));
    struct walk w = {.sh = sh, .recursive = option_on(&o, "R"), .path = getfacl_path};
    return walk_args(&w, args, err);
}

struct setfacl {
    enum dfs_acl_change change;
    struct acl_spec spec, access; /* access: those of spec that files take in a recursive run */
    bool recursive;
};

static int setfacl_path(struct walk *w, struct item *item, struct err *err)
{
    const struct setfacl *s = w->data;
    const struct acl_spec *spec = s->recursive && !item_is_dir(item) ? &s->access : &s->spec;
    bool takes =
        s->change == DFS_ACL_MODIFY || s->change == DFS_ACL_REMOVE || s->change == DFS_ACL_SET;
    struct dfs_error e = {0};
    struct dfs *dfs = store_dfs(item->store);
    if (takes && spec->count == 0)
        return 0;
    if (dfs == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': a local file system keeps no ACLs", item->text);
    return store_failed(
        err, dfs_change_acl(dfs, item->path, s->change, spec->items, spec->count, &e), &e);
}

static int parse_change(const struct options *o, enum dfs_acl_change *ret, bool *ret_given,
                        struct err *err)
{
    bool b = option_on(o, "b"), k = option_on(o, "k"), m = option_on(o, "m"), x = option_on(o, "x");
    bool set = option_on(o, "-set");
    if ((b && k) || (m && x) || ((b || k) && (m || x)) || (set && (b || k || m || x)))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Specified flags contains both remove and modify flags");
    *ret = b   ? DFS_ACL_REMOVE_ALL
           : k ? DFS_ACL_REMOVE_DEFAULT
           : m ? DFS_ACL_MODIFY
           : x ? DFS_ACL_REMOVE
               : DFS_ACL_SET;
    *ret_given = b || k || m || x || set;
    return 0;
}

static int take_spec(struct args *args, struct setfacl *s, struct err *err)
{
    if (args->count == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Missing arguments: <acl_spec> <path>");
    if (args->count < 2)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Missing either <acl_spec> or <path>");
    TRY(acl_spec_parse(args_first(args), s->change != DFS_ACL_REMOVE, &s->spec, err));
    if (s->spec.count == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Missing <acl_spec> entry");
    s->access.items = text_alloc(s->spec.count * sizeof(*s->access.items));
    for (size_t i = 0; i < s->spec.count; i++)
        if (!s->spec.items[i].is_default)
            s->access.items[s->access.count++] = s->spec.items[i];
    return 0;
}

static int setfacl_run(struct shell *sh, struct args *args, struct setfacl *s, struct err *err)
{
    struct options o;
    bool given;
    TRY(options_parse(sh, args, &o, err));
    TRY(parse_change(&o, &s->change, &given, err));
    if (given && s->change != DFS_ACL_REMOVE_ALL && s->change != DFS_ACL_REMOVE_DEFAULT)
        TRY(take_spec(args, s, err));
    TRY(check_one_path(args, err));
    if (!given)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Expected one of -b, -k, -m, -x or --set options");
    s->recursive = option_on(&o, "R");
    struct walk w = {.sh = sh, .data = s, .recursive = s->recursive, .path = setfacl_path};
    return walk_args(&w, args, err);
}

int cmd_setfacl(struct shell *sh, struct args *args, struct err *err)
{
    struct setfacl s = {0};
    int rc = setfacl_run(sh, args, &s, err);
    text_free(s.access.items);
    acl_spec_free(&s.spec);
    return rc;
}
