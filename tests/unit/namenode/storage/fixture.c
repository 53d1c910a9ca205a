#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"

void fixture_set(struct fixture *f, const char *name, const char *value)
{
    struct err err = {0};
    cr_assert_eq(conf_set(f->conf, name, value, &err), 0, "%s", err.text);
}

static void format(struct fixture *f)
{
    struct err err = {0};
    struct storage_format_options o = {.address = "127.0.0.1", .now_ms = 1700000000000};
    struct nn_identity identity;
    struct nn *nn;
    cr_assert_eq(storage_new_identity(&o, &identity, &err), 0, "%s", err.text);
    cr_assert_eq(nn_new(&identity, "root", "supergroup", &nn, &err), 0, "%s", err.text);
    cr_assert_eq(storage_format(f->conf, &o, nn, &err), 0, "%s", err.text);
    nn_free(nn);
}

void fixture_init(struct fixture *f, size_t dirs)
{
    char list[512] = "";
    log_set_level(getenv("HADRON_TEST_LOG") != NULL ? LOG_INFO : LOG_ERROR + 1);
    snprintf(f->root, sizeof(f->root), "/tmp/hadron-storage-XXXXXX");
    cr_assert_not_null(mkdtemp(f->root));
    f->conf = conf_new();
    f->dirs = dirs;
    for (size_t i = 0; i < dirs; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%sfile://%s/d%zu",
                 i > 0 ? "," : "", f->root, i);
    fixture_set(f, "dfs.namenode.name.dir", list);
    format(f);
}

void fixture_fini(struct fixture *f)
{
    char command[128];
    conf_free(f->conf);
    snprintf(command, sizeof(command), "rm -rf %s", f->root);
    cr_assert_eq(system(command), 0);
}

const char *fixture_file(const struct fixture *f, size_t dir, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, 256, "%s/d%zu/current/%s", f->root, dir, name);
    return path;
}

bool fixture_has(const struct fixture *f, size_t dir, const char *name)
{
    return access(fixture_file(f, dir, name), F_OK) == 0;
}

/* ---- a node ---- */

static void on_durable(void *ctx, uint64_t txid)
{
    ((struct node *)ctx)->durable = txid;
}

static void on_lost(void *ctx, const struct err *why)
{
    (void)why;
    ((struct node *)ctx)->lost = true;
}

void node_commit_code(struct node *n, int code)
{
    struct err err = {0};
    struct buf bytes = {0};
    struct edit e = {.txid = n->nn->last_txid + 1, .code = (uint8_t)code};
    if (code == OP_set_genstamp_v2)
        e.set_genstamp_v2.genstamp = 1000 + e.txid;
    cr_assert_eq(edit_encode(&bytes, &e, &err), 0, "%s", err.text);
    struct slice slice = {buf_head(&bytes), buf_size(&bytes)};
    cr_assert_eq(edit_log_append(n->log, e.txid, slice, &err), 0, "%s", err.text);
    cr_assert_eq(edit_apply(n->nn, &e, &err), 0, "%s", err.text);
    buf_fini(&bytes);
}

void node_commit(struct node *n)
{
    node_commit_code(n, OP_set_genstamp_v2);
}

int node_start(struct node *n, struct fixture *f, struct err *err)
{
    *n = (struct node){.f = f};
    TRY(storage_open(f->conf, &n->storage, err));
    int rc = storage_load(n->storage, &n->nn, &n->loaded, err);
    struct edit_log_events events = {n, on_durable, on_lost};
    if (rc == 0)
        rc = edit_log_local(n->storage, &events, &n->log, err);
    if (rc != 0) {
        storage_close(n->storage);
        return rc;
    }
    node_commit_code(n, OP_start_log_segment);
    return 0;
}

void node_must_start(struct node *n, struct fixture *f)
{
    struct err err = {0};
    cr_assert_eq(node_start(n, f, &err), 0, "%s", err.text);
}

void node_wait(struct node *n)
{
    edit_log_kick(n->log);
    for (int i = 0; n->durable < n->nn->last_txid && !n->lost && i < 240000; i++)
        usleep(500);
}

void node_roll(struct node *n)
{
    node_commit_code(n, OP_end_log_segment);
    edit_log_end_segment(n->log);
    node_commit_code(n, OP_start_log_segment);
}

void node_crash(struct node *n)
{
    edit_log_close(n->log);
    nn_free(n->nn);
    storage_close(n->storage);
}

void node_stop(struct node *n)
{
    node_commit_code(n, OP_end_log_segment);
    edit_log_end_segment(n->log);
    node_crash(n);
}

void expect_state(struct fixture *f, uint64_t txid)
{
    struct storage *s;
    struct nn *nn;
    struct storage_loaded loaded;
    struct err err = {0};
    cr_assert_eq(storage_open(f->conf, &s, &err), 0, "%s", err.text);
    cr_assert_eq(storage_load(s, &nn, &loaded, &err), 0, "%s", err.text);
    cr_assert_eq(nn->last_txid, txid, "state at %lu, not %lu", nn->last_txid, txid);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
    nn_free(nn);
    storage_close(s);
}

/* ---- files ---- */

void file_flip(const char *path, size_t offset, uint8_t mask)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= mask;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

size_t file_size(const char *path)
{
    struct stat st;
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    return (size_t)st.st_size;
}

size_t file_data_end(const char *path)
{
    struct buf b = {0};
    struct err err = {0};
    cr_assert_eq(file_read(path, SIZE_MAX, &b, &err), 0, "%s", err.text);
    size_t end = buf_size(&b);
    while (end > 0 && buf_head(&b)[end - 1] == 0xff)
        end--;
    buf_fini(&b);
    return end;
}

void file_copy(const char *from, const char *to)
{
    struct buf b = {0};
    struct err err = {0};
    cr_assert_eq(file_read(from, SIZE_MAX, &b, &err), 0, "%s", err.text);
    cr_assert_eq(durable_write_file(to, buf_head(&b), buf_size(&b), &err), 0, "%s", err.text);
    buf_fini(&b);
}
