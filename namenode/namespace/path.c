/* path.c - from the text of a path to the inodes on its way.
 * Thread: state. Pure: results live in the call's arena. Hadoop collapses "//" and drops a trailing
 * "/" where a path is only looked up, and refuses "//" inside where it names something to be
 * created. */
#include "namenode/namespace/internal.h"

static bool name_is(struct slice name, const char *text)
{
    return slice_equal(name, slice_of(text));
}

static bool valid_component(struct slice c, bool dot_dot_allowed)
{
    if (c.size == 0 || name_is(c, ".") || memchr(c.data, ':', c.size) != NULL)
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
    const char *stop = text + strlen(text);
    while (stop > text && stop[-1] == '/')
        stop--;
    for (const char *at = text + 1, *end; at < stop; at = end + 1) {
        end = memchr(at, '/', (size_t)(stop - at));
        end = end == NULL ? stop : end;
        if (!valid_component((struct slice){(const uint8_t *)at, (size_t)(end - at)}, dot_dot))
            return false;
    }
    return true;
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

/* What Java's Path refuses to be made of: nothing, and a scheme without an absolute path. */
static int check_path_text(const char *text, struct err *err)
{
    if (text[0] == '\0')
        return fail(err, ERR_CONFIG, "Can not create a Path from an empty string");
    const char *colon = strchr(text, ':');
    if (colon == NULL || memchr(text, '/', (size_t)(colon - text)) != NULL || colon[1] == '/')
        return 0;
    if (colon == text)
        return fail(err, ERR_CONFIG,
                    "java.net.URISyntaxException: Expected scheme name at index 0: %s", text);
    return fail(err, ERR_CONFIG, "java.net.URISyntaxException: Relative path in absolute URI: %s",
                text);
}

int path_check_length(const char *text, const char *what, struct err *err)
{
    TRY(check_path_text(text, err));
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

static int expand_inode_path(const struct ns *ns, struct arena *arena, struct resolved *r,
                             struct err *err)
{
    uint64_t id = 0;
    bool number = parse_id(r->names[3], &id);
    handle_t h = number ? ns_find_id(ns, id) : 0;
    if (h == 0) {
        const char *text = resolved_prefix(r, r->depth, arena);
        return text == NULL ? ERR_NO_MEMORY
                            : fail(err, ERR_NOT_FOUND,
                                   number ? "File for given inode path does not exist: %s"
                                          : "Invalid inode path: %s",
                                   text);
    }
    if (r->depth > 3 &&
        name_is(r->names[4], "..")) { /* for NFS: just the parent, whatever follows */
        handle_t parent = at_inode(ns, h)->parent;
        return prepend(ns, parent == 0 ? ns->root : parent, NULL, 0, arena, r);
    }
    return prepend(ns, h, r->names + 4, r->depth - 3, arena, r);
}

static int expand_reserved(const struct ns *ns, struct arena *arena, struct resolved *r,
                           struct err *err)
{
    if (r->depth < 2 || !name_is(r->names[1], ".reserved"))
        return 0;
    if (name_is(r->names[2], ".inodes"))
        return r->depth == 2 ? 0 : expand_inode_path(ns, arena, r, err);
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

/* Appends the components of `path` to out, resolving "." and "..", as Java's Path does. */
static char *append_normal(const char *top, char *out, const uint8_t *path, size_t size)
{
    const uint8_t *end = path + size;
    while (path < end) {
        const uint8_t *stop = memchr(path, '/', (size_t)(end - path));
        stop = stop == NULL ? end : stop;
        struct slice name = {path, (size_t)(stop - path)};
        path = stop + 1;
        if (name.size == 0 || name_is(name, "."))
            continue;
        const char *slash = memrchr(top, '/', (size_t)(out - top));
        if (name_is(name, "..") && slash != NULL &&
            strncmp(slash, "/..", (size_t)(out - slash)) != 0) {
            out = (char *)slash;
            continue;
        }
        *out++ = '/';
        memcpy(out, name.data, name.size);
        out += name.size;
    }
    return out;
}

/* Of an absolute path Java's Path leaves a slash where a "." or ".." at the end was resolved. */
static char *append_trace_of_dots(const char *top, char *out, struct slice path)
{
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    const uint8_t *slash = path.size == 0 ? NULL : memrchr(path.data, '/', path.size);
    size_t start = slash == NULL ? 0 : (size_t)(slash + 1 - path.data);
    struct slice last = {path.data + start, path.size - start};
    bool left =
        out - top >= 3 && memcmp(out - 3, "/..", 3) == 0; /* there was nothing to go up to */
    bool absolute = path.size > 0 && path.data[0] == '/';
    if (absolute && out > top && !left && (name_is(last, ".") || name_is(last, "..")))
        *out++ = '/';
    return out;
}

/* Length of the "scheme:" or "scheme://host" that a target begins with; 0: none. */
static size_t target_root(struct slice target)
{
    const uint8_t *end = target.data + target.size;
    const uint8_t *colon = target.size == 0 ? NULL : memchr(target.data, ':', target.size);
    if (colon == NULL || memchr(target.data, '/', (size_t)(colon - target.data)) != NULL)
        return 0;
    const uint8_t *at = colon + 1;
    if (end - at < 2 || at[0] != '/' || at[1] != '/')
        return (size_t)(at - target.data);
    const uint8_t *slash = memchr(at + 2, '/', (size_t)(end - at - 2));
    return (size_t)((slash == NULL ? end : slash) - target.data);
}

/* What precedes the link at r->names[i], its target, and what follows it, as one path. */
static const char *join_link(const struct ns *ns, const struct resolved *r, uint32_t i,
                             struct arena *arena)
{
    struct slice target = ns_symlink_target(ns, r->inodes[i]);
    size_t root = target_root(target), size = strlen(r->text) + target.size + 3;
    char *text = arena_alloc(arena, size), *top = text, *out;
    if (text == NULL)
        return NULL;
    if (root > 0) {
        size_t shown = root >= 3 && target.data[root - 1] == '/' ? root - 2 : root; /* file:// */
        memcpy(text, target.data, shown);
        top += shown;
    }
    out = top;
    if (root == 0 && (target.size == 0 || target.data[0] != '/'))
        for (uint32_t k = 1; k < i; k++)
            out = append_normal(top, out, r->names[k].data, r->names[k].size);
    out = append_normal(top, out, target.data + root, target.size - root);
    if (i == r->depth)
        out =
            append_trace_of_dots(top, out, (struct slice){target.data + root, target.size - root});
    for (uint32_t k = i + 1; k <= r->depth; k++)
        out = append_normal(top, out, r->names[k].data, r->names[k].size);
    if (out == top)
        *out++ = '/';
    *out = '\0';
    return text;
}

static int fail_link(const struct ns *ns, const struct resolved *r, uint32_t i, struct arena *arena,
                     struct err *err)
{
    const char *path = join_link(ns, r, i, arena);
    return path == NULL ? ERR_NO_MEMORY : fail(err, ERR_UNRESOLVED_LINK, "%s", path);
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
        return fail(err, ERR_ASSERTION, "Absolute path required, but got '%s'", text);
    *ret = (struct resolved){0};
    ret->names = arena_array(arena, struct slice, count_components(text) + 1);
    if (ret->names == NULL)
        return ERR_NO_MEMORY;
    ret->depth = split(text, ret->names);
    TRY(expand_reserved(ns, arena, ret, err));
    if (ret->raw && op != PATH_READ && op != PATH_READ_LINK)
        TRY(ns_check_superuser(who, err));
    TRY(make_chain(ret, arena));
    TRY(set_text(ret, arena));
    ns_resolve_more(ns, ret);
    TRY(check_traverse(ns, who, ret, op, arena, err));
    /* of all directories only the root may have snapshots, though it has none */
    if (op != PATH_READ && op != PATH_READ_LINK && ret->depth > 0 &&
        name_is(ret->names[1], ".snapshot"))
        return fail(err, ERR_SNAPSHOT_READ_ONLY,
                    "Modification on a read-only snapshot is disallowed");
    return 0;
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
