/* dirs.c - the folders of dfs.namenode.name.dir and dfs.namenode.edits.dir: which they are, their
 * locks, VERSION and seen_txid. Thread: the one that starts; later any may drop a folder (one
 * atomic flag). Invariant: all folders in use belong to the same file system, or the start is
 * refused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/storage/internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "/path" or "file:///path" with %XX; *ret_path is malloced. */
static int path_of_uri(const char *uri, const char *key, char **ret_path, struct err *err)
{
    const char *p = uri;
    bool is_uri = strncmp(p, "file:", 5) == 0;
    if (is_uri) {
        p += 5;
        if (strncmp(p, "//", 2) == 0)
            p += 2 + strcspn(p + 2, "/"); /* an authority means nothing for a file */
    }
    if (p[0] != '/')
        return fail(err, ERR_CONFIG, "%s: \"%s\" is neither an absolute path nor a file: URI", key,
                    uri);
    char *path = malloc(strlen(p) + 1);
    if (path == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for %s", key);
    size_t n = 0;
    while (*p != '\0') {
        int high = is_uri && p[0] == '%' ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        path[n++] = (char)(low >= 0 ? high << 4 | low : *p);
        p += low >= 0 ? 3 : 1;
    }
    while (n > 1 && path[n - 1] == '/')
        n--;
    path[n] = '\0';
    *ret_path = path;
    return 0;
}

static int add_dir(struct storage *s, const char *uri, const char *key, bool image, struct err *err)
{
    char *path;
    TRY(path_of_uri(uri, key, &path, err));
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        if (strcmp(d->path, path) == 0) {
            d->for_image |= image;
            d->for_edits |= !image;
            free(path);
            return 0;
        }
    }
    if (s->dir_count == MAX_NAME_DIRS || strlen(path) > STORAGE_PATH - 128) {
        int rc = fail(err, ERR_CONFIG, "%s: more than %d folders, or a path that is too long", key,
                      MAX_NAME_DIRS);
        free(path);
        return rc;
    }
    struct name_dir *d = &s->dirs[s->dir_count];
    *d = (struct name_dir){.path = path, .lock_fd = -1, .for_image = image, .for_edits = !image};
    if (asprintf(&d->current, "%s/current", path) < 0) {
        d->current = NULL;
        free(path);
        return fail(err, ERR_NO_MEMORY, "no memory for %s", key);
    }
    s->dir_count++;
    return 0;
}

static int add_list(struct storage *s, const struct conf *conf, enum conf_key key, bool image,
                    struct err *err)
{
    char **items = NULL;
    size_t count = 0;
    int rc = conf_list(conf_str(conf, key), &items, &count);
    if (rc == 0 && count == 0)
        rc = fail(err, ERR_CONFIG, "%s names no folder", conf_name(key));
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_dir(s, items[i], conf_name(key), image, err);
    conf_list_free(items, count);
    return rc;
}

/* dfs.namenode.edits.dir.required names some of those above. */
static int mark_required(struct storage *s, const struct conf *conf, struct err *err)
{
    char **items = NULL;
    size_t count = 0;
    int rc = conf_list(conf_str(conf, CONF_edits_dir_required), &items, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char *path;
        bool found = false;
        rc = path_of_uri(items[i], conf_name(CONF_edits_dir_required), &path, err);
        if (rc != 0)
            break;
        for (size_t k = 0; k < s->dir_count; k++) {
            struct name_dir *d = &s->dirs[k];
            if (d->for_edits && strcmp(d->path, path) == 0)
                found = d->edits_required = true;
        }
        if (!found)
            rc = fail(err, ERR_CONFIG, "The required edits directory %s was not found in %s.", path,
                      conf_name(CONF_nn_edits_dir));
        free(path);
    }
    conf_list_free(items, count);
    return rc;
}

int storage_of_keys(const struct conf *conf, int image_key, int edits_key, struct storage **ret,
                    struct err *err)
{
    struct storage *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the name directories");
    s->images_retained = (uint64_t)conf_int(conf, CONF_checkpoints_retained);
    s->extra_edits_retained = (uint64_t)conf_int(conf, CONF_extra_edits_retained);
    s->extra_segments_retained = (uint64_t)conf_int(conf, CONF_extra_edits_segments);
    if (conf_bool(conf, CONF_image_parallel))
        s->image_options = (struct image_options){
            .sections = (uint32_t)conf_int(conf, CONF_image_parallel_sections),
            .threshold = (uint64_t)conf_int(conf, CONF_image_parallel_threshold)};
    s->layout = LAYOUT_VERSION;
    int rc = add_list(s, conf, (enum conf_key)image_key, true, err);
    if (rc == 0)
        rc = add_list(s, conf, (enum conf_key)edits_key, false, err);
    if (rc == 0 && edits_key == CONF_nn_edits_dir)
        rc = mark_required(s, conf, err);
    s->edits_dirs_minimum = (uint64_t)conf_int(conf, CONF_edits_dir_minimum);
    atomic_store(&s->restore, conf_bool(conf, CONF_name_dir_restore));
    if (rc != 0) {
        storage_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int storage_from_conf(const struct conf *conf, struct storage **ret, struct err *err)
{
    return storage_of_keys(conf, CONF_nn_name_dir, CONF_nn_edits_dir, ret, err);
}

void storage_close(struct storage *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->dir_count; i++) {
        if (s->dirs[i].lock_fd >= 0)
            close(s->dirs[i].lock_fd);
        free(s->dirs[i].path);
        free(s->dirs[i].current);
    }
    free(s);
}

void dir_drop(struct name_dir *d, const struct err *why)
{
    if (atomic_exchange(&d->state, DIR_FAILED) != DIR_FAILED)
        log_error("name directory is not used any more dir=%s why=%s", d->path,
                  log_quote(why->text));
}

void dir_file(const struct name_dir *d, const char *name, char out[STORAGE_PATH])
{
    snprintf(out, STORAGE_PATH, "%s/%s", d->current, name);
}

/* ---- VERSION, seen_txid ---- */

static int set_number(struct properties *p, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return properties_set(p, name, text);
}

int dir_write_version(const struct name_dir *d, const struct nn_identity *id, int layout,
                      struct err *err)
{
    char path[STORAGE_PATH], layout_text[16];
    dir_file(d, "VERSION", path);
    snprintf(layout_text, sizeof(layout_text), "%d", layout);
    struct properties p = {0};
    int rc = set_number(&p, "namespaceID", (uint64_t)id->namespace_id);
    if (rc == 0)
        rc = properties_set(&p, "clusterID", id->cluster_id);
    if (rc == 0)
        rc = set_number(&p, "cTime", id->ctime_ms);
    if (rc == 0)
        rc = properties_set(&p, "storageType", "NAME_NODE");
    if (rc == 0)
        rc = properties_set(&p, "blockpoolID", id->block_pool_id);
    if (rc == 0)
        rc = properties_set(&p, "layoutVersion", layout_text);
    if (rc != 0)
        rc = fail(err, rc, "no memory for %s", path);
    else
        rc = properties_write(path, &p, err);
    properties_fini(&p);
    return rc;
}

int dir_write_seen_txid(const struct name_dir *d, uint64_t txid, struct err *err)
{
    char path[STORAGE_PATH], text[32];
    dir_file(d, "seen_txid", path);
    int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", txid);
    return durable_write_file(path, text, (size_t)n, err);
}

static int parse_number(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || (*end != '\0' && *end != '\n' && *end != '\r'))
        return ERR_CORRUPT;
    *ret = value;
    return 0;
}

static int read_seen_txid(struct name_dir *d, struct err *err)
{
    char path[STORAGE_PATH];
    dir_file(d, "seen_txid", path);
    struct buf b = {0};
    int rc = file_read(path, 64, &b, err);
    int64_t value = 0;
    if (rc == 0)
        rc = buf_append(&b, "", 1);
    if (rc == 0 && (parse_number((const char *)buf_head(&b), &value) != 0 || value < 0))
        rc = fail(err, ERR_CORRUPT, "%s doesn't hold a transaction id", path);
    buf_fini(&b);
    d->seen_txid = (uint64_t)value;
    return rc;
}

static int wanted(const struct properties *p, const char *path, const char *name, const char **ret,
                  struct err *err)
{
    *ret = properties_get(p, name);
    return *ret != NULL ? 0 : fail(err, ERR_CORRUPT, "%s lacks %s", path, name);
}

static int wanted_number(const struct properties *p, const char *path, const char *name,
                         int64_t *ret, struct err *err)
{
    const char *text;
    TRY(wanted(p, path, name, &text, err));
    if (parse_number(text, ret) != 0)
        return fail(err, ERR_CORRUPT, "%s: %s=%s is no number", path, name, text);
    return 0;
}

static int wanted_text(const struct properties *p, const char *path, const char *name, char *out,
                       size_t size, struct err *err)
{
    const char *text;
    TRY(wanted(p, path, name, &text, err));
    if (strlen(text) >= size || text[0] == '\0')
        return fail(err, ERR_CORRUPT, "%s: %s has an impossible length", path, name);
    snprintf(out, size, "%s", text);
    return 0;
}

static int parse_version(const struct properties *p, const char *path, struct nn_identity *id,
                         int *ret_layout, struct err *err)
{
    int64_t layout, namespace_id, ctime_ms;
    const char *type;
    TRY(wanted_number(p, path, "layoutVersion", &layout, err));
    if (layout > OLDEST_LAYOUT_VERSION || layout < LAYOUT_VERSION)
        return fail(err, ERR_NODE_VERSION,
                    "%s: layout version %" PRId64
                    " is not between %d and %d; let Hadoop 3.4 upgrade "
                    "(or a newer Hadron read) this folder first",
                    path, layout, LAYOUT_VERSION, OLDEST_LAYOUT_VERSION);
    TRY(wanted(p, path, "storageType", &type, err));
    if (strcmp(type, "NAME_NODE") != 0)
        return fail(err, ERR_CORRUPT, "%s: storageType=%s, this is no NameNode's folder", path,
                    type);
    TRY(wanted_number(p, path, "namespaceID", &namespace_id, err));
    TRY(wanted_number(p, path, "cTime", &ctime_ms, err));
    TRY(wanted_text(p, path, "clusterID", id->cluster_id, sizeof(id->cluster_id), err));
    TRY(wanted_text(p, path, "blockpoolID", id->block_pool_id, sizeof(id->block_pool_id), err));
    id->namespace_id = (int32_t)namespace_id;
    id->ctime_ms = (uint64_t)ctime_ms;
    *ret_layout = (int)layout;
    return 0;
}

int version_read(const char *path, struct nn_identity *id, int *ret_layout, struct err *err)
{
    struct properties p = {0};
    TRY(properties_read(path, &p, err));
    int rc = parse_version(&p, path, id, ret_layout, err);
    properties_fini(&p);
    return rc;
}

static int read_version(const struct name_dir *d, struct nn_identity *id, int *ret_layout,
                        struct err *err)
{
    char path[STORAGE_PATH];
    dir_file(d, "VERSION", path);
    return version_read(path, id, ret_layout, err);
}

/* ---- opening ---- */

static bool identity_equal(const struct nn_identity *a, const struct nn_identity *b)
{
    return a->namespace_id == b->namespace_id && a->ctime_ms == b->ctime_ms &&
           strcmp(a->cluster_id, b->cluster_id) == 0 &&
           strcmp(a->block_pool_id, b->block_pool_id) == 0;
}

int storage_lock(struct storage *s, struct err *err)
{
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        struct stat st;
        if (stat(d->path, &st) != 0 || !S_ISDIR(st.st_mode))
            return fail(err, ERR_NOT_FOUND,
                        "Directory %s is in an inconsistent state: storage directory does not "
                        "exist or is not accessible",
                        d->path);
        TRY(lock_dir(d->path, &d->lock_fd, err));
    }
    return 0;
}

/* A folder without VERSION is fine while another has one: it is filled at the next checkpoint. */
static int open_dir(struct name_dir *d, struct nn_identity *id, int *layout, struct err *err)
{
    char path[STORAGE_PATH];
    dir_file(d, "VERSION", path);
    d->formatted = access(path, F_OK) == 0;
    if (!d->formatted)
        return 0;
    TRY(read_version(d, id, layout, err));
    return read_seen_txid(d, err);
}

static int check_same(const struct storage *s, const struct name_dir *first,
                      const struct name_dir *d, const struct nn_identity *id, struct err *err)
{
    if (identity_equal(&s->identity, id))
        return 0;
    if (s->identity.ctime_ms != id->ctime_ms && s->identity.namespace_id == id->namespace_id)
        return fail(err, ERR_CORRUPT,
                    "name directories %s (cTime %" PRIu64 ") and %s (cTime %" PRIu64
                    ") hold different states of one file system; repeat a -rollback that was cut "
                    "off",
                    first->path, s->identity.ctime_ms, d->path, id->ctime_ms);
    return fail(err, ERR_CORRUPT,
                "name directories %s (cluster %s, namespace %d) and %s (cluster %s, namespace "
                "%d) belong to different file systems",
                first->path, s->identity.cluster_id, s->identity.namespace_id, d->path,
                id->cluster_id, id->namespace_id);
}

static int check_layout(const struct storage *s, enum storage_mode mode, struct err *err)
{
    if (mode == STORAGE_UPGRADE || s->layout == LAYOUT_VERSION)
        return 0;
    return fail(err, ERR_NODE_VERSION,
                "\nFile system image contains an old layout version %d.\nAn upgrade to version %d "
                "is required.\nPlease restart NameNode with the \"-rollingUpgrade started\" option "
                "if a rolling upgrade is already started; or restart NameNode with the "
                "\"-upgrade\" option to start a new upgrade.",
                s->layout, LAYOUT_VERSION);
}

static int read_all(struct storage *s, struct err *err)
{
    const struct name_dir *first = NULL;
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        struct nn_identity id = {0};
        int layout = LAYOUT_VERSION;
        TRY(open_dir(d, &id, &layout, err));
        if (!d->formatted)
            continue;
        if (first != NULL)
            TRY(check_same(s, first, d, &id, err));
        if (layout > s->layout)
            s->layout = layout;
        if (first == NULL)
            first = d;
        s->identity = id;
    }
    return first != NULL ? 0
                         : fail(err, ERR_NOT_FOUND, "NameNode is not formatted: %s is empty",
                                s->dirs[0].path);
}

/* Makes an empty folder one of ours. */
static int adopt(struct storage *s, struct name_dir *d, struct err *err)
{
    log_info("empty name directory joins dir=%s", d->path);
    TRY(durable_mkdirs(d->current, 0700, err));
    TRY(dir_write_seen_txid(d, 0, err));
    return dir_write_version(d, &s->identity, s->layout, err);
}

int storage_open_dirs(struct storage *s, enum storage_mode mode, struct err *err)
{
    TRY(storage_lock(s, err));
    TRY(storage_recover(s, err));
    TRY(read_all(s, err));
    TRY(check_layout(s, mode, err));
    if (mode == STORAGE_UPGRADE && s->keeps_previous)
        return fail(err, ERR_EXISTS,
                    "Directory %s is in an inconsistent state: previous fs state should not exist "
                    "during upgrade. Finalize or rollback first.",
                    s->dirs[0].path);
    for (size_t i = 0; i < s->dir_count; i++) {
        if (!s->dirs[i].formatted)
            TRY(adopt(s, &s->dirs[i], err));
    }
    return 0;
}

int storage_open(const struct conf *conf, struct storage **ret, struct err *err)
{
    return storage_open_for(conf, STORAGE_REGULAR, ret, err);
}

int storage_open_for(const struct conf *conf, enum storage_mode mode, struct storage **ret,
                     struct err *err)
{
    struct storage *s;
    TRY(storage_from_conf(conf, &s, err));
    int rc = storage_open_dirs(s, mode, err);
    if (rc != 0) {
        storage_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* ---- folders that come back ---- */

/* The same file system's, or empty: then it becomes one of ours again. */
static int take_back(struct storage *s, struct name_dir *d, struct err *err)
{
    struct stat st;
    struct nn_identity id = {0};
    char path[STORAGE_PATH];
    if (stat(d->path, &st) != 0)
        return fail_errno(err, "%s", d->path);
    if (d->lock_fd >= 0)
        close(d->lock_fd); /* perhaps of what was mounted there before */
    d->lock_fd = -1;
    TRY(lock_dir(d->path, &d->lock_fd, err));
    TRY(durable_mkdirs(d->current, 0700, err));
    dir_file(d, "VERSION", path);
    if (access(path, F_OK) == 0) {
        int layout;
        TRY(read_version(d, &id, &layout, err));
        if (!identity_equal(&s->identity, &id))
            return fail(err, ERR_CORRUPT, "%s belongs to another file system", d->path);
    }
    TRY(dir_write_seen_txid(d, d->seen_txid, err));
    return dir_write_version(d, &s->identity, s->layout, err);
}

bool storage_restores(const struct storage *s)
{
    return atomic_load(&s->restore);
}

void storage_set_restores(struct storage *s, bool on)
{
    atomic_store(&s->restore, on);
}

void storage_try_failed(struct storage *s)
{
    if (!storage_restores(s))
        return;
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        struct err why = {0};
        if (dir_usable(d))
            continue;
        if (take_back(s, d, &why) != 0) {
            log_warn("name directory stays out dir=%s why=%s", d->path, log_quote(why.text));
            continue;
        }
        log_info("name directory is used again dir=%s", d->path);
        atomic_store(&d->state, DIR_RETURNING);
    }
}

const struct nn_identity *storage_identity(const struct storage *s)
{
    return &s->identity;
}

int storage_describe(const struct storage *s, struct buf *out)
{
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(buf_printf(out, "%s%s", i == 0 ? "" : ",", s->dirs[i].path));
    return buf_append(out, "", 1);
}
