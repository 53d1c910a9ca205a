/* walk.c - goes over a tree in slices. See fsck.h.
 * Thread: state. Between two steps directories may change, move or go: a frame knows its directory
 * by inode id, and what was visited last by its name, which is the tail of the path. Invariant: the
 * path always begins with the paths of all frames, outermost first. */
#include <stdlib.h>

#include "namenode/fsck/internal.h"

enum { BATCH = 8, PROGRESS = 1000 };

static int set_path(struct fsck *f, size_t size, struct slice name)
{
    f->path.end = f->path.start + size;
    bool separate = size > 0 && buf_head(&f->path)[size - 1] != '/';
    if ((separate && buf_append(&f->path, "/", 1) != 0) ||
        buf_append(&f->path, name.data, name.size) != 0)
        return fail(&f->err, ERR_NO_MEMORY, "no memory for a path");
    return 0;
}

/* Who may see what is in it. */
static int check_listing(struct fsck *f, handle_t dir)
{
    struct arena arena;
    struct resolved r;
    const struct ns_caller *who = fsck_who(f);
    if (who == NULL || who->superuser)
        return 0;
    arena_init(&arena, 0);
    int rc = ns_resolve_inode(f->nn->ns, dir, &arena, &r, &f->err);
    if (rc == 0)
        rc = ns_check_access(f->nn->ns, who, &r,
                             (struct ns_want){.target = ACCESS_READ | ACCESS_EXECUTE}, &f->err);
    arena_fini(&arena);
    return rc;
}

static int enter(struct fsck *f, handle_t dir)
{
    if (f->o.files)
        fsck_say(f, "%.*s <dir>\n", (int)buf_size(&f->path), (const char *)buf_head(&f->path));
    f->directories++;
    TRY(check_listing(f, dir));
    if (f->frame_count == f->frame_capacity) {
        size_t capacity = f->frame_capacity == 0 ? 32 : 2 * f->frame_capacity;
        struct fsck_frame *frames = realloc(f->frames, capacity * sizeof(*frames));
        if (frames == NULL)
            return fail(&f->err, ERR_NO_MEMORY, "no memory for a directory");
        f->frames = frames;
        f->frame_capacity = capacity;
    }
    f->frames[f->frame_count++] =
        (struct fsck_frame){ns_inode(f->nn->ns, dir)->id, buf_size(&f->path)};
    return 0;
}

static int visit(struct fsck *f, handle_t h, size_t *budget)
{
    const struct inode *inode = ns_inode(f->nn->ns, h);
    if ((f->directories + f->symlinks + f->replicated.files + f->striped.files) % PROGRESS == 0)
        fsck_say(f, "\n");
    if (inode_is_dir(inode))
        return enter(f, h);
    if (inode_is_file(inode))
        return fsck_file_begin(f, h, budget);
    if (f->o.files)
        fsck_say(f, "%.*s <symlink>\n", (int)buf_size(&f->path), (const char *)buf_head(&f->path));
    f->symlinks++;
    return 0;
}

int fsck_walk_from(struct fsck *f, handle_t top)
{
    size_t free_of_charge = 0;
    f->stage = FSCK_WALK;
    TRY(set_path(f, 0, slice_of(f->o.path)));
    return visit(f, top, &free_of_charge);
}

/* The name of the last child that was visited; empty: none yet. Good until the path changes. */
static struct slice last_child(struct fsck *f, const struct fsck_frame *frame)
{
    struct slice name = {buf_head(&f->path) + frame->path_size,
                         buf_size(&f->path) - frame->path_size};
    if (name.size > 0 && name.data[0] == '/')
        name = (struct slice){name.data + 1, name.size - 1};
    return name;
}

static void leave(struct fsck *f, size_t path_size)
{
    f->path.end = f->path.start + path_size; /* the directory is its parent's last child */
    f->frame_count--;
}

int fsck_walk(struct fsck *f, size_t *budget)
{
    handle_t batch[BATCH];
    if (f->file.id != 0) {
        fsck_file_blocks(f, budget);
        return 0;
    }
    if (f->frame_count == 0) {
        f->stage = FSCK_SUMS;
        return 0;
    }
    size_t depth = f->frame_count;
    struct fsck_frame frame = f->frames[depth - 1];
    handle_t dir = ns_find_id(f->nn->ns, frame.id);
    uint32_t max = *budget < BATCH ? (uint32_t)*budget + 1 : BATCH, n = 0;
    if (dir != 0)
        n = ns_list(f->nn->ns, dir, last_child(f, &frame), max, batch, NULL);
    if (n == 0)
        leave(f, frame.path_size);
    /* until one of them needs more than a look */
    for (uint32_t i = 0; i < n && f->frame_count == depth && f->file.id == 0; i++) {
        TRY(set_path(f, frame.path_size, ns_name(f->nn->ns, batch[i])));
        TRY(visit(f, batch[i], budget));
        *budget -= *budget > 0;
    }
    return 0;
}
