/* convert.c - `dfs ec -convert`: files from replication to erasure coding, back, or from one policy
 * to another.
 *
 * A file is written anew, in the other form, into a file beside it; that is read back and compared;
 * then it gets the attributes of the old one and takes its place, by one rename. So whoever opens
 * the path finds either the old file or the whole new one.
 * Invariants: (1) the old file goes only when the bytes of the new one have been read back equal;
 * (2) from the last look at the old file until it goes, nobody can open it for writing: its lease
 * is held; (3) what fails or is interrupted leaves the old file and nothing else (after a kill -9:
 * a file .convert-ID, which the next conversion removes). Thread: main's. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "cli/ec/internal.h"
#include "cli/meta/meta.h"
#include "common/crc/crc.h"

enum { BUFFER = 8 << 20, HELD_MAX_S = 30, SHOWN_EVERY = 64 << 20 };

const char ec_convert_help[] =
    "Write files anew with another redundancy: those named, and all below the folders named.\n"
    "-policy     With this erasure coding policy.\n"
    "-replicate  Replicated.\n"
    "With neither, each gets what its folder says for new files. The new bytes are read back and\n"
    "compared before they replace the old ones. Owner, permissions, ACL, attributes, times and\n"
    "storage policy stay; the id of the file changes. Files that are being written are refused,\n"
    "files that are in the wanted form already are passed over.";

struct convert {
    struct dfs *dfs;
    struct ec_call *call;
    bool by_folder;     /* what the folder says */
    const char *policy; /* NULL: replicated; with by_folder, of the folder at hand */
    uint32_t id;        /* of that policy, 0: replicated */
    struct dfs_ec_policies policies;
    struct dfs_storage_policy storage[DFS_POLICIES_MAX];
    size_t storage_count;
    uint8_t *buffer;
    bool on_terminal;
    uint64_t converted, bytes, skipped, failed;
};

/* One file on its way. */
struct one {
    const char *path, *temp, *parent;
    struct dfs_stat stat; /* as it was before anything was read */
    uint32_t crc;
    bool temp_exists, held;
};

/* ---- what is said ---- */

static void clear_line(const struct convert *v)
{
    if (v->on_terminal)
        fputs("\r\033[K", stderr);
}

static void show(const struct convert *v, const struct one *o, const char *doing, uint64_t done)
{
    if (v->on_terminal && o->stat.length > 0)
        fprintf(stderr, "\r\033[K%s: %s %u%%", o->path, doing,
                (unsigned)((double)done * 100 / (double)o->stat.length));
}

__attribute__((format(printf, 2, 3))) static int told(struct convert *v, const char *fmt, ...)
{
    va_list args;
    clear_line(v);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    v->failed++;
    return -1;
}

static int told_error(struct convert *v, const char *path, const struct dfs_error *e)
{
    return told(v, "%s: %.*s", path, (int)strcspn(e->text, "\n"), e->text);
}

static const char *policy_name(const struct convert *v, uint32_t id)
{
    for (size_t i = 0; i < v->policies.count; i++)
        if (id != 0 && (uint32_t)v->policies.items[i].id == id)
            return v->policies.items[i].name;
    return id == 0 ? "replicated" : "?";
}

/* ---- bytes ---- */

static int interrupted(struct convert *v, const struct one *o)
{
    return shell_interrupted() ? told(v, "%s: interrupted", o->path) : 0;
}

/* Fills as much of the buffer as there is; 0: the end. */
static ssize_t fill(struct dfs_file *in, uint8_t *buffer, struct dfs_error *e)
{
    size_t size = 0;
    while (size < BUFFER) {
        ssize_t n = dfs_read(in, buffer + size, BUFFER - size, e);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)size;
        size += (size_t)n;
    }
    return (ssize_t)size;
}

/* Reads all of a file; what is read goes to `out` unless that is NULL, its CRC to *ret_crc. */
static int pass(struct convert *v, const struct one *o, const char *path, const char *doing,
                struct dfs_file *out, uint32_t *ret_crc)
{
    struct dfs_file *in;
    struct dfs_error e = {0};
    uint64_t done = 0, next = SHOWN_EVERY;
    uint32_t crc = 0;
    ssize_t n = 0;
    int rc = 0;
    if (dfs_open(v->dfs, path, &in, &e) != 0)
        return told_error(v, path, &e);
    while (rc == 0 && (n = fill(in, v->buffer, &e)) > 0) {
        crc = crc32c(crc, v->buffer, (size_t)n);
        if (out != NULL && dfs_write(out, v->buffer, (size_t)n, &e) < 0)
            rc = told_error(v, o->temp, &e);
        done += (uint64_t)n;
        if (done >= next)
            show(v, o, doing, done);
        next = done >= next ? done + SHOWN_EVERY : next;
        rc = rc == 0 ? interrupted(v, o) : rc;
    }
    if (n < 0)
        rc = told_error(v, path, &e);
    (void)dfs_close(in, NULL); /* nothing was written */
    if (rc == 0 && done != o->stat.length)
        rc = told(v, "%s: has %llu bytes, not %llu", path, (unsigned long long)done,
                  (unsigned long long)o->stat.length);
    if (rc == 0)
        *ret_crc = crc;
    return rc;
}

static uint64_t block_size(const struct convert *v, const struct one *o)
{
    uint64_t size = o->stat.block_size;
    for (size_t i = 0; i < v->policies.count; i++) {
        const struct dfs_ec_policy *p = &v->policies.items[i];
        if ((uint32_t)p->id == v->id && size < p->cell_size)
            size = p->cell_size;
    }
    return size;
}

static int copy(struct convert *v, struct one *o)
{
    struct dfs_create_options how = {.mode = 0600,
                                     .block_size = block_size(v, o),
                                     .replication =
                                         o->stat.ec_policy != 0 ? 0 : o->stat.replication,
                                     .ec_policy = v->policy,
                                     .replicate = v->policy == NULL};
    struct dfs_file *out;
    struct dfs_error e = {0};
    if (dfs_create(v->dfs, o->temp, &how, &out, &e) != 0)
        return told_error(v, o->temp, &e);
    o->temp_exists = true;
    int rc = pass(v, o, o->path, "writing", out, &o->crc);
    if (rc != 0) {
        dfs_abort(out);
        return rc;
    }
    return dfs_close(out, &e) == 0 ? 0 : told_error(v, o->temp, &e);
}

/* Keeps (1). */
static int compare(struct convert *v, struct one *o)
{
    struct dfs_stat made;
    struct dfs_error e = {0};
    uint32_t crc = 0;
    if (dfs_stat(v->dfs, o->temp, &made, &e) != 0)
        return told_error(v, o->temp, &e);
    bool right = made.ec_policy == v->id;
    dfs_stat_free(&made);
    if (!right)
        return told(v, "%s: the server didn't make it %s", o->temp, policy_name(v, v->id));
    if (pass(v, o, o->temp, "comparing", NULL, &crc) != 0)
        return -1;
    return crc == o->crc ? 0 : told(v, "%s: was read back with other bytes", o->temp);
}

/* ---- attributes ---- */

static int carry_acl(struct convert *v, struct one *o)
{
    struct dfs_acl acl;
    struct dfs_error e = {0};
    if (!o->stat.has_acl)
        return 0;
    if (dfs_get_acl(v->dfs, o->path, &acl, &e) != 0)
        return told_error(v, o->path, &e);
    struct acl_spec full = acl_full(o->stat.mode, &acl);
    int rc = dfs_change_acl(v->dfs, o->temp, DFS_ACL_SET, full.items, full.count, &e);
    text_free(full.items); /* the names are acl's */
    dfs_acl_free(&acl);
    return rc == 0 ? 0 : told_error(v, o->temp, &e);
}

static int carry_xattrs(struct convert *v, struct one *o)
{
    struct dfs_xattrs x;
    struct dfs_error e = {0};
    int rc = 0;
    if (dfs_get_xattrs(v->dfs, o->path, NULL, &x, &e) != 0)
        return told_error(v, o->path, &e);
    for (size_t i = 0; i < x.count && rc == 0; i++)
        rc = dfs_set_xattr(v->dfs, o->temp, x.items[i].name, x.items[i].value, x.items[i].size,
                           DFS_XATTR_CREATE | DFS_XATTR_REPLACE, &e);
    dfs_xattrs_free(&x);
    return rc == 0 ? 0 : told_error(v, o->temp, &e);
}

/* Only a policy of its own: one that comes from the folder comes to the new file as well. */
static int carry_storage_policy(struct convert *v, struct one *o)
{
    struct dfs_stat parent, made;
    struct dfs_error e = {0};
    if (dfs_stat(v->dfs, o->parent, &parent, &e) != 0)
        return told_error(v, o->parent, &e);
    uint32_t inherited = parent.storage_policy;
    dfs_stat_free(&parent);
    if (dfs_stat(v->dfs, o->temp, &made, &e) != 0)
        return told_error(v, o->temp, &e);
    bool right = made.storage_policy == o->stat.storage_policy;
    dfs_stat_free(&made);
    if (right || o->stat.storage_policy == 0 || o->stat.storage_policy == inherited)
        return 0;
    for (size_t i = 0; i < v->storage_count; i++)
        if (v->storage[i].id == o->stat.storage_policy &&
            dfs_set_storage_policy(v->dfs, o->temp, v->storage[i].name, &e) != 0)
            return told_error(v, o->temp, &e);
    return 0;
}

static int carry(struct convert *v, struct one *o)
{
    struct dfs_stat made;
    struct dfs_error e = {0};
    if (dfs_stat(v->dfs, o->temp, &made, &e) != 0)
        return told_error(v, o->temp, &e);
    const char *owner = strcmp(made.owner, o->stat.owner) != 0 ? o->stat.owner : NULL;
    const char *group = strcmp(made.group, o->stat.group) != 0 ? o->stat.group : NULL;
    int rc = owner == NULL && group == NULL ? 0 : dfs_chown(v->dfs, o->temp, owner, group, &e);
    bool given = made.has_acl && !o->stat.has_acl;
    dfs_stat_free(&made);
    if (rc == 0 && given) /* what the folder's default ACL gave goes, too */
        rc = dfs_change_acl(v->dfs, o->temp, DFS_ACL_REMOVE_ALL, NULL, 0, &e);
    if (rc == 0)
        rc = dfs_chmod(v->dfs, o->temp, o->stat.mode, &e);
    if (rc != 0)
        return told_error(v, o->temp, &e);
    TRY(carry_acl(v, o));
    TRY(carry_xattrs(v, o));
    TRY(carry_storage_policy(v, o));
    if (dfs_utimes(v->dfs, o->temp, o->stat.modified_ms, o->stat.accessed_ms, &e) != 0)
        return told_error(v, o->temp, &e);
    return 0;
}

/* ---- taking the place ---- */

static bool same(const struct dfs_stat *a, const struct dfs_stat *b)
{
    return a->file_id == b->file_id && a->length == b->length && a->modified_ms == b->modified_ms &&
           a->mode == b->mode && a->has_acl == b->has_acl && a->ec_policy == b->ec_policy &&
           a->replication == b->replication && strcmp(a->owner, b->owner) == 0 &&
           strcmp(a->group, b->group) == 0;
}

/* Keeps (2). */
static int replace(struct convert *v, struct one *o)
{
    struct dfs_stat now;
    struct dfs_error e = {0};
    time_t since = time(NULL);
    if (dfs_hold(v->dfs, o->path, &e) != 0)
        return told_error(v, o->path, &e);
    o->held = true;
    if (dfs_stat(v->dfs, o->path, &now, &e) != 0)
        return told_error(v, o->path, &e);
    bool unchanged = same(&now, &o->stat);
    dfs_stat_free(&now);
    if (!unchanged)
        return told(v, "%s: was changed meanwhile", o->path);
    TRY(carry(v, o));
    if (time(NULL) - since > HELD_MAX_S)
        return told(v, "%s: the server is too slow to keep writers away", o->path);
    TRY(interrupted(v, o));
    if (dfs_rename(v->dfs, o->temp, o->path, DFS_RENAME_OVERWRITE, &e) != 0)
        return told_error(v, o->path, &e);
    o->temp_exists = o->held = false;
    return 0;
}

/* Keeps (3). Giving the lease back is a change of the file's time, so that is put back. */
static void tidy_up(struct convert *v, struct one *o)
{
    struct dfs_error e = {0};
    if (o->held && (dfs_release(v->dfs, o->path, o->stat.file_id, &e) != 0 ||
                    dfs_utimes(v->dfs, o->path, o->stat.modified_ms, -1, &e) != 0))
        (void)told_error(v, o->path, &e);
    if (o->temp_exists && dfs_delete(v->dfs, o->temp, false, &e) != 0)
        (void)told_error(v, o->temp, &e);
}

/* ---- one file ---- */

/* What an earlier conversion left goes, unless it is still at work. */
static int clear_temp(struct convert *v, const struct one *o)
{
    struct dfs_error e = {0};
    bool closed = false;
    int rc = dfs_is_closed(v->dfs, o->temp, &closed, &e);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return told_error(v, o->temp, &e);
    if (!closed)
        return told(v,
                    "%s: %s is being written: another conversion is at work, or was killed; delete "
                    "it if none is",
                    o->path, o->temp);
    return dfs_delete(v->dfs, o->temp, false, &e) == 0 ? 0 : told_error(v, o->temp, &e);
}

static int check_file(struct convert *v, const struct one *o)
{
    struct dfs_error e = {0};
    bool closed = false;
    if (o->stat.encrypted)
        return told(v, "%s: is encrypted", o->path);
    if (dfs_is_closed(v->dfs, o->path, &closed, &e) != 0)
        return told_error(v, o->path, &e);
    return closed ? 0 : told(v, "%s: is being written", o->path);
}

static int do_file(struct convert *v, struct one *o)
{
    TRY(check_file(v, o));
    TRY(clear_temp(v, o));
    TRY(copy(v, o));
    TRY(compare(v, o));
    return replace(v, o);
}

/* Takes *take_stat. */
static void convert_file(struct convert *v, const char *path, struct dfs_stat *take_stat)
{
    auto_text parent = path_parent(path);
    auto_text temp = text_printf("%s%s.convert-%llu", parent, strcmp(parent, "/") == 0 ? "" : "/",
                                 (unsigned long long)take_stat->file_id);
    struct one o = {.path = path, .temp = temp, .parent = parent, .stat = *take_stat};
    bool leftover = strncmp(o.stat.name, ".convert-", 9) == 0;
    if (o.stat.ec_policy == v->id) {
        v->skipped += !leftover;
    } else if (do_file(v, &o) == 0) {
        v->converted++;
        v->bytes += o.stat.length;
        clear_line(v);
        printf("%s: %s, was %s\n", path, policy_name(v, v->id), policy_name(v, o.stat.ec_policy));
    } else {
        tidy_up(v, &o);
    }
    dfs_stat_free(&o.stat);
}

/* ---- the walk ---- */

/* What new files in a folder get. */
static int ask_folder(struct convert *v, const char *dir)
{
    struct dfs_stat stat;
    struct dfs_error e = {0};
    if (!v->by_folder)
        return 0;
    if (dfs_stat(v->dfs, dir, &stat, &e) != 0)
        return told_error(v, dir, &e);
    v->id = stat.ec_policy;
    v->policy = v->id == 0 ? NULL : policy_name(v, v->id);
    dfs_stat_free(&stat);
    return 0;
}

/* The children first, so that what is made here isn't found again. */
static int list(struct convert *v, const char *path, struct dfs_stat **ret, size_t *ret_count)
{
    struct dfs_dir *dir;
    struct dfs_error e = {0};
    struct dfs_stat stat, *all = NULL;
    size_t count = 0, capacity = 0;
    int rc = dfs_opendir(v->dfs, path, &dir, &e);
    if (rc != 0)
        return told_error(v, path, &e);
    while ((rc = dfs_readdir(dir, &stat, &e)) == 1) {
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            all = text_grow(all, capacity * sizeof(*all));
        }
        all[count++] = stat;
    }
    dfs_closedir(dir);
    *ret = all;
    *ret_count = count;
    return rc == 0 ? 0 : told_error(v, path, &e);
}

static void convert_dir(struct convert *v, const char *path)
{
    struct dfs_stat *all = NULL;
    size_t count = 0;
    int rc = list(v, path, &all, &count);
    for (size_t i = 0; i < count; i++) {
        auto_text child =
            text_printf("%s%s%s", path, strcmp(path, "/") == 0 ? "" : "/", all[i].name);
        if (rc == 0 && !shell_interrupted() && all[i].type == DFS_DIRECTORY)
            convert_dir(v, child);
        if (rc == 0 && !shell_interrupted() && all[i].type == DFS_FILE && ask_folder(v, path) == 0)
            convert_file(v, child, &all[i]);
        else
            dfs_stat_free(&all[i]);
    }
    text_free(all);
}

static void convert_argument(struct convert *v, const char *text)
{
    struct item item = {0};
    struct err err = {0};
    struct dfs_stat stat;
    struct dfs_error e = {0};
    if (item_plain(v->call->stores, text, &item, &err) != 0) {
        (void)told(v, "%s", err.text);
    } else if ((v->dfs = store_dfs(item.store)) == NULL) {
        (void)told(v, "%s: is not in HDFS", text);
    } else if (dfs_stat(v->dfs, item.path, &stat, &e) != 0) {
        (void)told_error(v, text, &e);
    } else if (stat.type == DFS_DIRECTORY) {
        dfs_stat_free(&stat);
        convert_dir(v, item.path);
    } else {
        auto_text parent = path_parent(item.path);
        if (ask_folder(v, parent) == 0)
            convert_file(v, item.path, &stat);
        else
            dfs_stat_free(&stat);
    }
    item_fini(&item);
}

/* ---- the command ---- */

/* The policy must be enabled: better told before anything is written. */
static int choose(struct convert *v, const char *policy, bool replicate)
{
    v->by_folder = policy == NULL && !replicate;
    if (policy == NULL || strcasecmp(policy, "replication") == 0)
        return 0;
    for (size_t i = 0; i < v->policies.count; i++) {
        const struct dfs_ec_policy *p = &v->policies.items[i];
        if (strcmp(p->name, policy) != 0)
            continue;
        v->policy = p->name;
        v->id = (uint32_t)p->id;
        if (p->state == DFS_EC_ENABLED)
            return 0;
        fprintf(stderr, "%s: the policy %s is not enabled\n", v->call->command->name, policy);
        return EXIT_FAILED;
    }
    fprintf(stderr, "%s: there is no policy %s\n", v->call->command->name, policy);
    return EXIT_FAILED;
}

static int prepare(struct convert *v)
{
    struct dfs_error e = {0};
    v->buffer = malloc(BUFFER);
    if (v->buffer != NULL && dfs_ec_policies(v->dfs, &v->policies, &e) == 0 &&
        dfs_storage_policies(v->dfs, v->storage, &v->storage_count, &e) == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", v->call->command->name, v->buffer == NULL ? "no memory" : e.text);
    return EXIT_FAILED;
}

static void sum_up(const struct convert *v)
{
    clear_line(v);
    printf("%llu files of %llu bytes converted, %llu passed over, %llu failed\n",
           (unsigned long long)v->converted, (unsigned long long)v->bytes,
           (unsigned long long)v->skipped, (unsigned long long)v->failed);
}

int ec_convert(struct ec_call *c)
{
    const char *policy = NULL;
    struct err err = {0};
    struct convert v = {.dfs = c->dfs, .call = c, .on_terminal = isatty(STDERR_FILENO) == 1};
    if (args_pop_value(&c->args, "-policy", &policy, &err) != 0) {
        fprintf(stderr, "IllegalArgumentException: %s\n", err.text);
        return EXIT_ARGUMENT;
    }
    bool replicate = args_pop(&c->args, "-replicate");
    if (c->args.count == 0 || (replicate && policy != NULL)) {
        fprintf(stderr, "Usage: [%s%s]\n", c->command->name, c->command->operands);
        return EXIT_USAGE;
    }
    int code = prepare(&v);
    if (code == 0)
        code = choose(&v, policy, replicate);
    if (code == 0) {
        for (size_t i = 0; i < c->args.count && !shell_interrupted(); i++)
            convert_argument(&v, c->args.at[i]);
        sum_up(&v);
        code = v.failed > 0 || shell_interrupted() ? EXIT_FAILED : 0;
    }
    dfs_ec_policies_free(&v.policies);
    free(v.buffer);
    return code;
}
