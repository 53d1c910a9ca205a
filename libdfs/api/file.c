/* file.c - open, read, create, write, close: the door in front of io/.
 * Thread: any; one file by one thread at a time but for dfs_pread. */
#include <limits.h>
#include <stdlib.h>

#include "libdfs/api/internal.h"

/* Linux moves at most so much in one read or write, too. */
enum { MAX_TRANSFER = 0x7ffff000 };

struct dfs_file *file_new(struct dfs *fs)
{
    struct dfs_file *f = calloc(1, sizeof(*f));
    if (f != NULL)
        f->fs = fs;
    return f;
}

static int do_open(struct op *op, const char *path, struct dfs_file *f)
{
    TRY(op_path(op, path, &path));
    return input_open(&op->fs->env, path, &f->in, &op->err);
}

int dfs_open(struct dfs *fs, const char *path, struct dfs_file **ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    struct dfs_file *f = file_new(fs);
    int rc = f != NULL ? do_open(&op, path, f) : fail(&op.err, ERR_NO_MEMORY, "no memory to open");
    if (rc == 0)
        *ret = f;
    else
        free(f);
    return op_end(&op, rc, error);
}

uint64_t dfs_length(const struct dfs_file *file)
{
    return file->in != NULL ? input_length(file->in) : output_length(file->out);
}

uint64_t dfs_tell(const struct dfs_file *file)
{
    return file->in != NULL ? input_tell(file->in) : output_length(file->out);
}

static int need_reader(struct op *op, const struct dfs_file *f)
{
    return f->in != NULL ? 0 : fail(&op->err, ERR_CLOSED, "the file is not open for reading");
}

static int need_writer(struct op *op, const struct dfs_file *f)
{
    return f->out != NULL ? 0 : fail(&op->err, ERR_CLOSED, "the file is not open for writing");
}

ssize_t dfs_read(struct dfs_file *file, void *data, size_t size, struct dfs_error *error)
{
    struct op op;
    size_t n = 0;
    op_begin(&op, file->fs);
    int rc = need_reader(&op, file);
    if (rc == 0)
        rc = input_read(file->in, data, size < MAX_TRANSFER ? size : MAX_TRANSFER, &n, &op.err);
    rc = op_end(&op, rc, error);
    return rc != 0 ? rc : (ssize_t)n;
}

ssize_t dfs_pread(struct dfs_file *file, void *data, size_t size, uint64_t offset,
                  struct dfs_error *error)
{
    struct op op;
    size_t n = 0;
    op_begin(&op, file->fs);
    int rc = need_reader(&op, file);
    if (rc == 0 && size > SSIZE_MAX)
        rc = fail(&op.err, ERR_ILLEGAL_ARGUMENT, "%zu bytes are too many for one read", size);
    if (rc == 0)
        rc = input_pread(file->in, data, size, offset, &n, &op.err);
    rc = op_end(&op, rc, error);
    return rc != 0 ? rc : (ssize_t)n;
}

int dfs_refresh(struct dfs_file *file, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, file->fs);
    int rc = need_reader(&op, file);
    if (rc == 0)
        rc = input_refresh(file->in, &op.err);
    return op_end(&op, rc, error);
}

int dfs_seek(struct dfs_file *file, uint64_t offset, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, file->fs);
    int rc = need_reader(&op, file);
    if (rc == 0)
        rc = input_seek(file->in, offset, &op.err);
    return op_end(&op, rc, error);
}

uint32_t packet_size(const struct op *op, const struct dfs_defaults *d)
{
    const struct conf *conf = op->fs->conf;
    return conf_is_set(conf, CONF_write_packet_size)
               ? (uint32_t)conf_size(conf, CONF_write_packet_size)
               : d->write_packet_size;
}

struct creation {
    struct dfs_create_options o;
    struct output_options out;
    Hdfs__HdfsFileStatus *status;
};

/* What the user leaves open comes from his configuration, else from the server. */
static int choose_options(struct op *op, const struct dfs_create_options *o, struct creation *c)
{
    const struct conf *conf = op->fs->conf;
    struct dfs_defaults d;
    TRY(server_defaults(op, &d, &c->out.kind));
    c->o = o != NULL ? *o : (struct dfs_create_options){0};
    if (c->o.mode == 0)
        c->o.mode = 0666;
    if (c->o.replication == 0)
        c->o.replication = conf_is_set(conf, CONF_replication)
                               ? (uint32_t)conf_int(conf, CONF_replication)
                               : d.replication;
    if (c->o.block_size == 0)
        c->o.block_size = conf_is_set(conf, CONF_block_size)
                              ? (uint64_t)conf_size(conf, CONF_block_size)
                              : d.block_size;
    c->out.packet_size = packet_size(op, &d);
    if (c->o.block_size % c->out.kind.bytes_per_chunk != 0)
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT,
                    "block size %llu is not a multiple of the checksum's %u bytes",
                    (unsigned long long)c->o.block_size, c->out.kind.bytes_per_chunk);
    return 0;
}

static int call_create(struct op *op, const char *path, struct creation *c)
{
    PERMISSION(masked, c->o.mode & 01777 & ~op->fs->umask);
    PERMISSION(unmasked, c->o.mode & 01777);
    Cp__CreateRequest request = CP__CREATE_REQUEST__INIT;
    Cp__CreateResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.masked = &masked;
    request.unmasked = &unmasked;
    request.client_name = op->fs->env.client_name;
    request.create_flag = HDFS__CREATE_FLAG__CREATE;
    if (c->o.overwrite)
        request.create_flag |= HDFS__CREATE_FLAG__OVERWRITE;
    if (c->o.replicate)
        request.create_flag |= HDFS__CREATE_FLAG__SHOULD_REPLICATE;
    if (c->o.ec_policy != NULL && c->o.ec_policy[0] != '\0')
        request.ec_policy_name = (char *)(uintptr_t)c->o.ec_policy;
    request.create_parent = c->o.create_parents;
    request.replication = c->o.replication;
    request.block_size = c->o.block_size;
    /* no crypto version is offered, so the server refuses zones that we couldn't write to */
    TRY(OP_CALL(op, create, &request, &response));
    if (response->fs == NULL)
        return fail(&op->err, ERR_PROTOCOL, "the NameNode did not describe the new file %s", path);
    c->status = response->fs;
    return 0;
}

/* The server made a file that we can't fill: takes it back. */
static int refuse(struct op *op, const char *path, const Hdfs__HdfsFileStatus *status)
{
    const char *kind = status->ec_policy != NULL ? "erasure coded" : "encrypted";
    Cp__DeleteRequest request = CP__DELETE_REQUEST__INIT;
    Cp__DeleteResponse *response;
    request.src = (char *)(uintptr_t)path;
    int rc = OP_CALL(op, delete, &request, &response);
    return fail(&op->err, ERR_UNSUPPORTED, "%s would be %s, which this client can't write%s", path,
                kind, rc == 0 ? "" : "; an empty file is left behind");
}

static int do_create(struct op *op, const char *path, const struct dfs_create_options *options,
                     struct dfs_file *f)
{
    struct creation c = {0};
    TRY(op_path(op, path, &path));
    TRY(choose_options(op, options, &c));
    TRY(call_create(op, path, &c));
    if (c.status->ec_policy != NULL || c.status->file_encryption_info != NULL)
        return refuse(op, path, c.status);
    c.out.path = path;
    c.out.file_id = c.status->file_id;
    c.out.block_size = c.status->has_blocksize ? c.status->blocksize : c.o.block_size;
    c.out.replication = c.o.replication;
    c.out.sync_blocks = c.o.sync_blocks;
    return output_open(&op->fs->env, &c.out, &f->out, &op->err);
}

int dfs_create(struct dfs *fs, const char *path, const struct dfs_create_options *options,
               struct dfs_file **ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    struct dfs_file *f = file_new(fs);
    int rc = f != NULL ? do_create(&op, path, options, f)
                       : fail(&op.err, ERR_NO_MEMORY, "no memory to create");
    if (rc == 0)
        *ret = f;
    else
        free(f);
    return op_end(&op, rc, error);
}

ssize_t dfs_write(struct dfs_file *file, const void *data, size_t size, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, file->fs);
    int rc = need_writer(&op, file);
    if (rc == 0 && size > SSIZE_MAX)
        rc = fail(&op.err, ERR_ILLEGAL_ARGUMENT, "%zu bytes are too many for one write", size);
    if (rc == 0)
        rc = output_write(file->out, data, size, &op.err);
    rc = op_end(&op, rc, error);
    return rc != 0 ? rc : (ssize_t)size;
}

int dfs_sync(struct dfs_file *file, unsigned flags, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, file->fs);
    int rc = need_writer(&op, file);
    if (rc == 0)
        rc = output_flush(file->out, flags, &op.err);
    return op_end(&op, rc, error);
}
_Static_assert((int)DFS_SYNC_DISK == (int)OUTPUT_SYNC &&
                   (int)DFS_SYNC_UPDATE_LENGTH == (int)OUTPUT_UPDATE_LENGTH &&
                   (int)DFS_SYNC_END_BLOCK == (int)OUTPUT_END_BLOCK,
               "the flags are passed as they are");

int dfs_hflush(struct dfs_file *file, struct dfs_error *error)
{
    return dfs_sync(file, 0, error);
}

int dfs_hsync(struct dfs_file *file, struct dfs_error *error)
{
    return dfs_sync(file, DFS_SYNC_DISK, error);
}

int dfs_pipeline(struct dfs_file *file, char *out, size_t size)
{
    if (size > 0)
        out[0] = '\0';
    return file->out != NULL ? (int)output_nodes(file->out, out, size) : 0;
}

int dfs_close(struct dfs_file *file, struct dfs_error *error)
{
    struct op op;
    if (file == NULL)
        return 0;
    op_begin(&op, file->fs);
    int rc = 0;
    input_close(file->in);
    if (file->out != NULL)
        rc = output_close(file->out, &op.err);
    free(file);
    return op_end(&op, rc, error);
}

void dfs_abort(struct dfs_file *file)
{
    if (file == NULL)
        return;
    input_close(file->in);
    if (file->out != NULL)
        output_abort(file->out);
    free(file);
}

int dfs_checksum(struct dfs *fs, const char *path, struct dfs_checksum *ret,
                 struct dfs_error *error)
{
    struct op op;
    struct file_checksum sum;
    op_begin(&op, fs);
    int rc = op_path(&op, path, &path);
    if (rc == 0)
        rc = file_checksum(&fs->env, path, &sum, &op.err);
    if (rc == 0) {
        *ret = (struct dfs_checksum){.size = sizeof(sum.bytes)};
        memcpy(ret->algorithm, sum.algorithm, sizeof(sum.algorithm));
        memcpy(ret->bytes, sum.bytes, sizeof(sum.bytes));
    }
    return op_end(&op, rc, error);
}
