/* path.c - from the text of a path to the inodes on its way.
 * Thread: state. Pure: results live in the call's arena. Hadoop collapses "//" and drops a trailing
 * "/" where a path is only looked up, and refuses "//" inside where it names something to be
 * created. */
#include "namenode/namespace/internal.h"

static bool name_is(struct slice name, const char *text)
{
    return slice_equal(name, slice_of(text));
}

/* Like Java's split: "/a/" has components "", "a", "". */
static bool valid_component(struct slice c, bool first_or_last, bool dot_dot_allowed)
{
    if (c.size == 0)
        return first_or_last;
    if (name_is(c, ".") || memchr(c.data, ':', c.size) != NULL)
        return false;
    return dot_dot_allowed || !name_is(c, "..");
}

static bool below_inodes(const char *text)
{
    static const char prefix[] = "/.reserved/.inodes/";
    if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
        return false;
    return strchr(text + sizeof(prefix) - 1, '/') != NULL;
}

bool path_valid_name(const char *text)
{
    if (text[0] != '/' || !utf8_valid(slice_of(text)))
        return false;
    bool dot_dot = below_inodes(text);
    for (const char *at = text + 1, *end;; at = end + 1) {
        end = strchrnul(at, '/');
        struct slice c = {(const uint8_t *)at, (size_t)(end - at)};
        if (!valid_component(c, *end == '\0', dot_dot))
            return false;
        if (*end == '\0')
            return true;
    }
}

bool path_is_reserved(const char *text)
{
    return strcmp(text, "/.reserved") == 0;
}

/* Java counts UTF-16 units. */
static size_t utf16_length(const char *text)
{
    size_t n = 0;
    for (const uint8_t *p = (const uint8_t *)text; *p != 0; p++)
        n += (*p & 0xc0) != 0x80 ? *p >= 0xf0 ? 2 : 1 : 0;
    return n;
}

static uint32_t count_components(const char *text)
{
    uint32_t n = 0;
    for (; *text != '\0'; text++)
        n += text[0] == '/' && text[1] != '/' && text[1] != '\0';
    return n;
}

int path_check_length(const char *text, const char *what, struct err *err)
{
    if (utf16_length(text) > NS_MAX_PATH_CHARS || count_components(text) > NS_MAX_PATH_DEPTH)
        return fail(err, ERR_IO, "%s: Pathname too long.  Limit %d characters, %d levels.", what,
                    NS_MAX_PATH_CHARS, NS_MAX_PATH_DEPTH);
    return 0;
}

/* names[0] is the root's; returns the number of components below it. */
static uint32_t split(const char *text, struct slice *names)
{
    uint32_t n = 0;
    names[0] = (struct slice){0};
    while (*text != '\0') {
        const char *end = strchrnul(text, '/');
        if (end > text)
            names[++n] = (struct slice){(const uint8_t *)text, (size_t)(end - text)};
        text = *end == '\0' ? end : end + 1;
    }
    return n;
}

const char *resolved_prefix(const struct resolved *r, uint32_t n, struct arena *arena)
{
    if (n == 0)
        return arena_strdup(arena, "/");
    size_t size = 0;
    for (uint32_t i = 1; i <= n; i++)
        size += 1 + r->names[i].size;
    char *text = arena_alloc(arena, size + 1), *p = text;
    if (text == NULL)
        return NULL;
    for (uint32_t i = 1; i <= n; i++) {
        *p++ = '/';
        memcpy(p, r->names[i].data, r->names[i].size);
        p += r->names[i].size;
    }
    *p = '\0';
    return text;
}

static int set_text(struct resolved *r, struct arena *arena)
{
    r->text = resolved_prefix(r, r->depth, arena);
    return r->text == NULL ? ERR_NO_MEMORY : 0;
}

static int make_chain(struct resolved *r, struct arena *arena)
{
    r->inodes = arena_array(arena, handle_t, r->depth + 1);
    return r->inodes == NULL ? ERR_NO_MEMORY : 0;
}

void ns_resolve_more(const struct ns *ns, struct resolved *r)
{
    if (r->found == 0)
        r->inodes[r->found++] = ns->root;
    while (r->found <= r->depth) {
        handle_t dir = r->inodes[r->found - 1];
        handle_t child =
            at_inode(ns, dir)->type == INODE_DIR ? ns_child(ns, dir, r->names[r->found]) : 0;
        if (child == 0)
            break;
        r->inodes[r->found++] = child;
    }
}

/* ---- /.reserved ---- */

static bool parse_id(struct slice text, uint64_t *ret)
{
    uint64_t id = 0;
    if (text.size == 0 || text.size > 19)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        id = id * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret = id;
    return true;
}

static uint32_t depth_of(const struct ns *ns, handle_t h)
{
    uint32_t depth = 0;
    for (; h != ns->root; h = at_inode(ns, h)->parent)
        depth++;
    return depth;
}

/* Puts the names from the root to h in front of the `rest_count` names in rest. */
static int prepend(const struct ns *ns, handle_t h, const struct slice *rest, uint32_t rest_count,
                   struct arena *arena, struct resolved *r)
{
    uint32_t depth = depth_of(ns, h);
    struct slice *names = arena_array(arena, struct slice, depth + rest_count + 1);
    if (names == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = depth; i > 0; i--, h = at_inode(ns, h)->parent)
        names[i] = ns_name(ns, h);
    if (rest_count > 0)
        memcpy(names + depth + 1, rest, rest_count * sizeof(*names));
    r->names = names;
    r->depth = depth + rest_count;
    return 0;
}

static int expand_inode_path(const struct ns *ns, const char *text, struct arena *arena,
                             struct resolved *r, struct err *err)
{
    uint64_t id;
    if (!parse_id(r->names[3], &id))
        return fail(err, ERR_NOT_FOUND, "Invalid inode path: %s", text);
    handle_t h = ns_find_id(ns, id);
    if (h == 0)
        return fail(err, ERR_NOT_FOUND, "File for given inode path does not exist: %s", text);
    if (r->depth > 3 &&
        name_is(r->names[4], "..")) { /* for NFS: just the parent, whatever follows */
        handle_t parent = at_inode(ns, h)->parent;
        return prepend(ns, parent == 0 ? ns->root : parent, NULL, 0, arena, r);
    }
    return prepend(ns, h, r->names + 4, r->depth - 3, arena, r);
}

static int expand_reserved(const struct ns *ns, const char *text, struct arena *arena,
                           struct resolved *r, struct err *err)
{
    if (r->depth < 2 || !name_is(r->names[1], ".reserved"))
        return 0;
    if (name_is(r->names[2], ".inodes"))
        return r->depth == 2 ? 0 : expand_inode_path(ns, text, arena, r, err);
    if (!name_is(r->names[2], "raw"))
        return 0;
    r->raw = true;
    if (r->depth == 3 && name_is(r->names[3], ".reserved"))
        return 0;
    memmove(r->names + 1, r->names + 3, (r->depth - 2) * sizeof(*r->names));
    r->depth -= 2;
    return 0;
}

/* ---- symlinks in the way ---- */

static bool has_scheme(struct slice target)
{
    for (size_t i = 0; i + 2 < target.size; i++) {
        if (target.data[i] == '/')
            return false;
        if (target.data[i] == ':')
            return i > 0 && target.data[i + 1] == '/' && target.data[i + 2] == '/';
    }
    return false;
}

/* What precedes the link at r->names[i], its target, and what follows it, as one path. */
static const char *join_link(const struct ns *ns, const struct resolved *r, uint32_t i,
                             struct arena *arena)
{
    struct slice target = ns_symlink_target(ns, r->inodes[i]);
    const char *before = resolved_prefix(r, i - 1, arena);
    struct resolved rest = {.names = r->names + i, .depth = r->depth - i};
    const char *after = rest.depth == 0 ? "" : resolved_prefix(&rest, rest.depth, arena);
    if (before == NULL || after == NULL)
        return NULL;
    if (has_scheme(target) || (target.size > 0 && target.data[0] == '/'))
        return arena_printf(arena, "%.*s%s", (int)target.size, target.data, after);
    return arena_printf(arena, "%s%s%.*s%s", before, i == 1 ? "" : "/", (int)target.size,
                        target.data, after);
}

static int fail_link(const struct ns *ns, const struct resolved *r, uint32_t i, struct arena *arena,
                     struct err *err)
{
    const char *path = join_link(ns, r, i, arena);
    return path == NULL ? ERR_NO_MEMORY : fail(err, ERR_UNRESOLVED_LINK, "%s", path);
}

const char *ns_link_target(const struct ns *ns, const char *text, struct arena *arena)
{
    struct resolved r;
    struct err ignored = {0}; /* a link in the way is what we look for */
    if (ns_resolve(ns, NULL, text, PATH_READ_LINK, arena, &r, &ignored) != 0 &&
        ignored.code != ERR_UNRESOLVED_LINK)
        return NULL;
    for (uint32_t i = 1; i < r.found; i++)
        if (at_inode(ns, r.inodes[i])->type == INODE_SYMLINK)
            return join_link(ns, &r, i, arena);
    return NULL;
}

/* ---- resolving ---- */

static bool is_create(enum path_op op)
{
    return op == PATH_CREATE || op == PATH_CREATE_LINK;
}

static bool stops_at_link(enum path_op op)
{
    return op == PATH_READ || op == PATH_WRITE || op == PATH_CREATE;
}

/* Each ancestor must be a directory that the caller may pass. */
static int check_traverse(const struct ns *ns, const struct ns_caller *who,
                          const struct resolved *r, enum path_op op, struct arena *arena,
                          struct err *err)
{
    for (uint32_t i = 0; i < r->found && i < r->depth; i++) {
        const struct inode *at = at_inode(ns, r->inodes[i]);
        if (at->type == INODE_SYMLINK)
            return fail_link(ns, r, i, arena, err);
        if (at->type != INODE_DIR) {
            const char *path = resolved_prefix(r, i, arena);
            return path == NULL ? ERR_NO_MEMORY
                                : fail(err, is_create(op) ? ERR_PARENT_NOT_DIR : ERR_ACCESS,
                                       "%s (is not a directory)", path);
        }
        if (!ns_may(ns, who, r->inodes[i], ACCESS_EXECUTE))
            return deny(ns, who, r, i, ACCESS_EXECUTE, err);
    }
    handle_t last = resolved_last(r);
    if (stops_at_link(op) && last != 0 && at_inode(ns, last)->type == INODE_SYMLINK)
        return fail_link(ns, r, r->depth, arena, err);
    return 0;
}

int ns_resolve(const struct ns *ns, const struct ns_caller *who, const char *text, enum path_op op,
               struct arena *arena, struct resolved *ret, struct err *err)
{
    if (is_create(op) && !path_valid_name(text))
        return fail(err, ERR_INVALID_PATH, "Invalid path name Invalid file name: %s", text);
    if (text[0] != '/')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Absolute path required, but got '%s'", text);
    *ret = (struct resolved){0};
    ret->names = arena_array(arena, struct slice, count_components(text) + 1);
    if (ret->names == NULL)
        return ERR_NO_MEMORY;
    ret->depth = split(text, ret->names);
    TRY(expand_reserved(ns, text, arena, ret, err));
    if (ret->raw && op != PATH_READ && op != PATH_READ_LINK)
        TRY(ns_check_superuser(who, err));
    TRY(make_chain(ret, arena));
    TRY(set_text(ret, arena));
    ns_resolve_more(ns, ret);
    return check_traverse(ns, who, ret, op, arena, err);
}

int ns_resolve_inode(const struct ns *ns, handle_t h, struct arena *arena, struct resolved *ret,
                     struct err *err)
{
    (void)err;
    CHECK(ns_attached(ns, h));
    *ret = (struct resolved){0};
    TRY(prepend(ns, h, NULL, 0, arena, ret));
    TRY(make_chain(ret, arena));
    TRY(set_text(ret, arena));
    ret->found = ret->depth + 1;
    for (uint32_t i = ret->depth + 1; i-- > 0; h = at_inode(ns, h)->parent)
        ret->inodes[i] = h;
    return 0;
}

int ns_resolve_child(const struct ns *ns, const struct resolved *r, struct slice name,
                     struct arena *arena, struct resolved *ret, struct err *err)
{
    (void)err;
    CHECK(at_inode(ns, resolved_last(r))->type == INODE_DIR);
    struct resolved child = {.depth = r->depth + 1, .found = r->found, .raw = r->raw};
    child.names = arena_array(arena, struct slice, child.depth + 1);
    if (child.names == NULL)
        return ERR_NO_MEMORY;
    memcpy(child.names, r->names, (r->depth + 1) * sizeof(*child.names));
    child.names[child.depth] = name;
    TRY(make_chain(&child, arena));
    memcpy(child.inodes, r->inodes, (r->depth + 1) * sizeof(*child.inodes));
    TRY(set_text(&child, arena));
    ns_resolve_more(ns, &child);
    *ret = child;
    return 0;
}
