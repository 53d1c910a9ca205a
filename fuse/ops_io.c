/* ops_io.c - open files. Thread: any of the session. The rules are in handles.c; here the kernel's
 * words are turned into them. Files opened for writing bypass the page cache: what was written is
 * what the server has. */
#include <fcntl.h>
#include <stdlib.h>

#include "fuse/internal.h"

static struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct fuse_entry_param entry = {0};
    struct handle *h = NULL;
    if (!utf8_valid(slice_of(name))) {
        fuse_reply_err(req, EILSEQ);
        return;
    }
    uint64_t node = nodes_use(&m->nodes, parent, name, false);
    int rc = node == 0 ? -ENOMEM : 0;
    if (rc == 0)
        rc = handle_create(m, node, mode & 01777, fi->flags, fuse_req_ctx(req)->pid, &h);
    if (rc == 0)
        rc = mount_make_entry(m, parent, name, &entry);
    if (node != 0)
        nodes_forget(&m->nodes, node, 1); /* the handle and the entry have their own uses */
    if (rc != 0) {
        if (h != NULL)
            handle_release(m, h);
        fuse_reply_err(req, -rc);
        return;
    }
    fi->fh = (uintptr_t)h;
    fi->direct_io = 1;
    if (fuse_reply_create(req, &entry, fi) != 0) {
        handle_release(m, h);
        nodes_forget(&m->nodes, entry.ino, 1);
    }
}

void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct handle *h = NULL;
    bool writes = (fi->flags & O_ACCMODE) != O_RDONLY;
    int rc = writes ? handle_open_writer(m, node, fi->flags, fuse_req_ctx(req)->pid, &h)
                    : handle_open_reader(m, node, &h);
    if (rc != 0) {
        fuse_reply_err(req, -rc);
        return;
    }
    fi->fh = (uintptr_t)h;
    fi->direct_io = writes;
    if (fuse_reply_open(req, fi) != 0)
        handle_release(m, h);
}

void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)node;
    if (size > MOUNT_IO_BYTES)
        size = MOUNT_IO_BYTES;
    char *data = malloc(size > 0 ? size : 1);
    if (data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    ssize_t n = handle_read(mount_of(req), handle_of(fi), data, size, (uint64_t)offset);
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_buf(req, data, (size_t)n);
    free(data);
}

void op_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t offset,
              struct fuse_file_info *fi)
{
    (void)node;
    ssize_t n = handle_write(mount_of(req), handle_of(fi), data, size, (uint64_t)offset);
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_write(req, (size_t)n);
}

void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    (void)node;
    fuse_reply_err(req, -handle_flush(mount_of(req), handle_of(fi), fuse_req_ctx(req)->pid));
}

void op_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi)
{
    (void)node, (void)data_only;
    fuse_reply_err(req, -handle_sync(mount_of(req), handle_of(fi)));
}

void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    (void)node;
    handle_release(mount_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}
