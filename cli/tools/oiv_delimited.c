/* oiv_delimited.c - an image as a line of fields for each inode, in the order of the image, as
 * Hadoop's Delimited processor writes it. In memory: names of directories, and for each inode its
 * parent (16 bytes). Thread: main's. */
#include <stdlib.h>
#include <time.h>

#include "cli/tools/internal.h"
#include "image.pb-c.h"
#include "namenode/journal/journal.h"

enum { ROOT = 16385, MAX_DEPTH = 4096 };

struct dir {
    uint64_t id;
    const char *name;
};
struct link { /* a child and its parent */
    uint64_t child, parent;
};
struct delimited {
    const struct image_file *file;
    const struct oiv_options *o;
    FILE *out;
    struct arena names;
    struct dir *dirs;
    struct link *links;
    size_t dir_count, link_count;
    struct buf line, path;
    struct kept *policies; /* the built-in ones */
};

/* ---- the tree ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x, y; /* the first word of both kinds */
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x == y ? 0 : x < y ? -1 : 1;
}

static void *room(void *array, size_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return array;
    return realloc(array, (count == 0 ? 16 : count * 2) * size); /* doubles at powers of two */
}

static int no_memory(struct err *err)
{
    return fail(err, ERR_NO_MEMORY, "no memory for the directories of the image");
}

static int add_dir(struct delimited *d, const Image__INode *m, struct err *err)
{
    if (d->dir_count == 0 || d->dir_count >= 16) {
        struct dir *grown = room(d->dirs, d->dir_count, sizeof(*grown));
        if (grown == NULL)
            return no_memory(err);
        d->dirs = grown;
    }
    const char *name = arena_strndup(&d->names, m->name.data, m->name.len);
    if (name == NULL)
        return no_memory(err);
    d->dirs[d->dir_count++] = (struct dir){m->id, name};
    return 0;
}

static int add_link(struct delimited *d, uint64_t child, uint64_t parent, struct err *err)
{
    if (d->link_count == 0 || d->link_count >= 16) {
        struct link *grown = room(d->links, d->link_count, sizeof(*grown));
        if (grown == NULL)
            return no_memory(err);
        d->links = grown;
    }
    d->links[d->link_count++] = (struct link){child, parent};
    return 0;
}

typedef int (*inode_fn)(struct delimited *d, const Image__INode *m, struct err *err);

static int each_inode(struct delimited *d, struct records *r, inode_fn visit, struct err *err)
{
    struct slice bytes;
    bool one;
    TRY(records_next(r, &bytes, &one, err)); /* the header */
    for (;;) {
        TRY(records_next(r, &bytes, &one, err));
        if (!one)
            return 0;
        const Image__INode *m = image__inode__unpack(&r->arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return records_bad(r, err);
        TRY(visit(d, m, err));
    }
}

static int walk_inodes(struct delimited *d, inode_fn visit, struct err *err)
{
    const struct image_section *s = image_section(d->file, "INODE");
    struct records r;
    if (s == NULL)
        return fail(err, ERR_CORRUPT, "the image has no section INODE");
    TRY(records_open(&r, d->file, s, err));
    int rc = each_inode(d, &r, visit, err);
    records_close(&r);
    return rc;
}

static int note_dir(struct delimited *d, const Image__INode *m, struct err *err)
{
    return m->type == IMAGE__INODE__TYPE__DIRECTORY ? add_dir(d, m, err) : 0;
}

static int read_links(struct delimited *d, struct records *r, struct err *err)
{
    for (;;) {
        struct slice bytes;
        bool one;
        TRY(records_next(r, &bytes, &one, err));
        if (!one)
            return 0;
        const Image__DirEntry *m = image__dir_entry__unpack(&r->arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return records_bad(r, err);
        if (m->n_ref_children > 0)
            return fail(err, ERR_UNSUPPORTED,
                        "the image has inode references, which come with snapshots");
        for (size_t i = 0; i < m->n_children; i++)
            TRY(add_link(d, m->children[i], m->parent, err));
    }
}

static int load_tree(struct delimited *d, struct err *err)
{
    const struct image_section *s = image_section(d->file, "INODE_DIR");
    struct records r;
    TRY(walk_inodes(d, note_dir, err));
    if (s != NULL) {
        TRY(records_open(&r, d->file, s, err));
        int rc = read_links(d, &r, err);
        records_close(&r);
        TRY(rc);
    }
    if (d->dir_count > 0)
        qsort(d->dirs, d->dir_count, sizeof(*d->dirs), by_number);
    if (d->link_count > 0)
        qsort(d->links, d->link_count, sizeof(*d->links), by_number);
    return 0;
}

static const void *find(const void *array, size_t count, size_t size, uint64_t id)
{
    uint64_t key[2] = {id, 0};
    return count == 0 ? NULL : bsearch(key, array, count, size, by_number);
}

/* The directories from the root down to `id`; false: it doesn't hang there. */
static bool chain_of(const struct delimited *d, uint64_t id, const char *names[MAX_DEPTH],
                     size_t *ret_depth)
{
    size_t n = 0;
    while (id != ROOT) {
        const struct dir *dir = find(d->dirs, d->dir_count, sizeof(*d->dirs), id);
        const struct link *up = find(d->links, d->link_count, sizeof(*d->links), id);
        if (dir == NULL || up == NULL || n == MAX_DEPTH)
            return false;
        names[n++] = dir->name;
        id = up->parent;
    }
    *ret_depth = n;
    return true;
}

/* As a field of CSV when it has a comma, a quote or a line end; line ends as %x0A. */
static int put_text(struct delimited *d, struct slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++)
        quoted |= text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' ||
                  text.data[i] == '\r';
    if (!quoted)
        return buf_append(&d->line, text.data, text.size);
    TRY(buf_append(&d->line, "\"", 1));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool pair = c == '\r' && i + 1 < text.size && text.data[i + 1] == '\n';
        if (pair || c == '\n')
            TRY(buf_printf(&d->line, pair ? "%%x0D%%x0A" : "%%x0A"));
        else
            TRY(buf_append(&d->line, c == '"' ? "\"\"" : (const char *)&c, c == '"' ? 2 : 1));
        i += pair;
    }
    return buf_append(&d->line, "\"", 1);
}

static bool path_of(struct delimited *d, const Image__INode *m, struct buf *path)
{
    static const char *names[MAX_DEPTH]; /* of this thread alone */
    size_t depth = 0;
    if (m->id == ROOT)
        return buf_append(path, "/", 1) == 0;
    const struct link *up = find(d->links, d->link_count, sizeof(*d->links), m->id);
    if (up == NULL || !chain_of(d, up->parent, names, &depth))
        return false;
    int rc = 0;
    while (rc == 0 && depth-- > 0)
        rc = buf_printf(path, "/%s", names[depth]);
    if (rc == 0)
        rc = buf_append(path, "/", 1);
    return rc == 0 && buf_append(path, m->name.data, m->name.len) == 0;
}

static bool put_path(struct delimited *d, const Image__INode *m)
{
    buf_clear(&d->path);
    return path_of(d, m, &d->path) &&
           put_text(d, (struct slice){buf_head(&d->path), buf_size(&d->path)}) == 0;
}

/* ---- fields ---- */

struct fields {
    int32_t replication, blocks, storage_policy;
    uint64_t mtime, atime, block_size, size, ns, ds, permission;
    bool dir, acl;
    const char *ec;
};

/* The value of one of the system's own attributes. */
static struct slice system_xattr(const struct delimited *d, const Image__XAttrFeature *f,
                                 const char *name)
{
    for (size_t i = 0; f != NULL && i < f->n_xattrs; i++) {
        const Image__XAttrCompact *x = f->xattrs[i];
        bool is_system = (x->name >> 30 | (x->name >> 5 & 1) << 2) == 3;
        if (is_system &&
            strcmp(image_string_of(d->file, KIND_XATTR, x->name >> 6 & 0xffffff), name) == 0)
            return (struct slice){x->value.data, x->value.len};
    }
    return (struct slice){0};
}

static void fields_of_file(const struct delimited *d, const Image__INodeFile *m, struct fields *f)
{
    f->replication = (int32_t)m->replication;
    f->mtime = m->modification_time;
    f->atime = m->access_time;
    f->block_size = m->preferred_block_size;
    f->blocks = (int32_t)m->n_blocks;
    for (size_t i = 0; i < m->n_blocks; i++)
        f->size += m->blocks[i]->num_bytes;
    f->permission = m->permission;
    f->acl = m->acl != NULL && m->acl->n_entries > 0;
    f->storage_policy = (int32_t)m->storage_policy_id;
    const struct kept_ec_policy *p =
        m->has_erasure_coding_policy_id
            ? kept_find_policy_id(d->policies, (uint8_t)m->erasure_coding_policy_id)
            : NULL;
    if (p != NULL)
        f->ec = p->name;
}

static void fields_of_dir(const struct delimited *d, const Image__INodeDirectory *m,
                          struct fields *f, char ec[128])
{
    f->mtime = m->modification_time;
    f->ns = m->ns_quota;
    f->ds = m->ds_quota;
    f->permission = m->permission;
    f->dir = true;
    f->acl = m->acl != NULL && m->acl->n_entries > 0;
    struct slice policy = system_xattr(d, m->xattrs, "hsm.block.storage.policy.id");
    if (policy.size > 0)
        f->storage_policy = (int8_t)policy.data[0];
    struct slice name = system_xattr(d, m->xattrs, "hdfs.erasurecoding.policy");
    if (name.size > 4) { /* its length in front */
        (void)snprintf(ec, 128, "%.*s", (int)(name.size - 4 < 127 ? name.size - 4 : 127),
                       (const char *)name.data + 4);
        f->ec = ec;
    }
}

static void date_of(uint64_t ms, char out[64])
{
    time_t seconds = (time_t)((int64_t)ms / 1000);
    struct tm tm;
    if ((int64_t)ms % 1000 < 0)
        seconds--;
    if (localtime_r(&seconds, &tm) == NULL)
        tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    (void)snprintf(out, 64, "%04d-%02d-%02d %02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min);
}

static void mode_of(const struct fields *f, char out[16])
{
    static const char letters[] = "rwxrwxrwx";
    unsigned mode = (unsigned)(f->permission & 0xffff);
    size_t n = 0;
    out[n++] = f->dir ? 'd' : '-';
    for (int bit = 8; bit >= 0; bit--)
        out[n++] = (mode >> bit & 1) != 0 ? letters[8 - bit] : '-';
    if ((mode & 01000) != 0)
        out[n - 1] = (mode & 1) != 0 ? 't' : 'T';
    if (f->acl)
        out[n++] = '+';
    out[n] = '\0';
}

static int put_fields(struct delimited *d, const struct fields *f)
{
    char mtime[64], atime[64], mode[16];
    const char *t = d->o->delimiter;
    date_of(f->mtime, mtime);
    date_of(f->atime, atime);
    mode_of(f, mode);
    TRY(buf_printf(&d->line, "%s%d%s%s%s%s%s%" PRId64 "%s%d%s%" PRId64 "%s%" PRId64 "%s%" PRId64, t,
                   f->replication, t, mtime, t, atime, t, (int64_t)f->block_size, t, f->blocks, t,
                   (int64_t)f->size, t, (int64_t)f->ns, t, (int64_t)f->ds));
    const char *user = image_string_of(d->file, KIND_USER, (uint32_t)(f->permission >> 40));
    const char *group =
        image_string_of(d->file, KIND_GROUP, (uint32_t)(f->permission >> 16 & 0xffffff));
    TRY(buf_printf(&d->line, "%s%s%s", t, mode, t));
    TRY(put_text(d, slice_of(user)));
    TRY(buf_printf(&d->line, "%s", t));
    TRY(put_text(d, slice_of(group)));
    if (d->o->storage_policy)
        TRY(buf_printf(&d->line, "%s%d", t, f->storage_policy));
    if (d->o->ec_policy)
        TRY(buf_printf(&d->line, "%s%s", t, f->ec));
    return buf_append(&d->line, "\n", 1);
}

static int put_inode(struct delimited *d, const Image__INode *m, struct err *err)
{
    struct fields f = {.ec = "-"};
    char ec[128];
    /* Hadoop's tool cuts the first character of a line, which it takes for the delimiter */
    const char *lead = d->o->delimiter[0] == '\0' ? "" : d->o->delimiter + 1;
    buf_clear(&d->line);
    if (buf_append(&d->line, lead, strlen(lead)) != 0)
        return no_memory(err);
    if (m->file != NULL) {
        fields_of_file(d, m->file, &f);
    } else if (m->directory != NULL) {
        fields_of_dir(d, m->directory, &f, ec);
    } else if (m->symlink != NULL) {
        f.mtime = m->symlink->modification_time;
        f.atime = m->symlink->access_time;
        f.permission = m->symlink->permission;
    }
    if (!put_path(d, m))
        return 0; /* of a snapshot only; Hadoop leaves it out, too */
    if (put_fields(d, &f) != 0)
        return no_memory(err);
    return fwrite(buf_head(&d->line), 1, buf_size(&d->line), d->out) == buf_size(&d->line)
               ? 0
               : fail_errno(err, "output");
}

static void put_header(struct delimited *d)
{
    static const char *const heads[] = {
        "Replication", "ModificationTime", "AccessTime", "PreferredBlockSize",
        "BlocksCount", "FileSize",         "NSQUOTA",    "DSQUOTA",
        "Permission",  "UserName",         "GroupName",
    };
    (void)fputs("Path", d->out);
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
        (void)fprintf(d->out, "%s%s", d->o->delimiter, heads[i]);
    if (d->o->storage_policy)
        (void)fprintf(d->out, "%sStoragePolicyId", d->o->delimiter);
    if (d->o->ec_policy)
        (void)fprintf(d->out, "%sErasureCodingPolicy", d->o->delimiter);
    (void)fputc('\n', d->out);
}

int oiv_delimited(struct image_file *f, const struct oiv_options *o, FILE *out, struct err *err)
{
    struct delimited d = {.file = f, .o = o, .out = out};
    arena_init(&d.names, 0);
    int rc = kept_new(&d.policies) == 0 ? load_tree(&d, err) : no_memory(err);
    if (rc == 0) {
        put_header(&d);
        rc = walk_inodes(&d, put_inode, err);
    }
    kept_free(d.policies);
    free(d.dirs);
    free(d.links);
    buf_fini(&d.line);
    buf_fini(&d.path);
    arena_fini(&d.names);
    return rc;
}
