/* files.c - users of the file system: they make, append, cut, rename and delete files, and change
 * their replication. See sim.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

void files_init(struct sim *s)
{
    s->files = calloc(s->o.files, sizeof(*s->files));
    CHECK(s->files != NULL);
}

void file_new(struct sim *s)
{
    struct file *f = &s->files[rng_below(&s->rng, s->o.files)];
    if (f->used)
        return;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    uint32_t life = f->life;
    *f = (struct file){.replication = (uint32_t)rng_below(&s->rng, 4) + 1, .life = life + 1};
    if (chance(s, 20))
        f->replication = (uint32_t)between(s, 5, 9);
    s->names++;
    snprintf(f->path, sizeof(f->path), "/f%u", s->names);
    snprintf(f->holder, sizeof(f->holder), "writer-%u", s->names);
    mode.perm = 0644;
    req.src = f->path;
    req.masked = &mode;
    req.client_name = f->holder;
    req.create_flag = 1;
    req.replication = f->replication;
    req.block_size = 1 << 20;
    if (name_client(s, CLIENT_create, &req.base) != 0)
        return;
    f->used = true;
    s->counts.files++;
    writer_start(s, f, false);
}

/* Its blocks belong to nobody any more. */
void file_forget(struct sim *s, struct file *f)
{
    if (f->open && !f->dead_writer)
        file_kill_writer(s, f);
    for (uint32_t i = 0; i < f->count; i++)
        truth_need(s, f->ids[i])->file = 0;
    free(f->ids);
    uint32_t life = f->life;
    *f = (struct file){.life = life + 1};
}

bool file_is_closed(struct sim *s, const struct file *f)
{
    Cp__IsFileClosedRequest req = CP__IS_FILE_CLOSED_REQUEST__INIT;
    req.src = (char *)f->path;
    int rc = name_client(s, CLIENT_isFileClosed, &req.base);
    return rc == 0 && ((const Cp__IsFileClosedResponse *)(const void *)s->call.response)->result;
}

static void delete_file(struct sim *s, struct file *f)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    req.src = f->path;
    if (name_client(s, CLIENT_delete, &req.base) == 0)
        file_forget(s, f);
}

static void rename_file(struct sim *s, struct file *f)
{
    char to[SIM_PATH];
    Cp__RenameRequest req = CP__RENAME_REQUEST__INIT;
    snprintf(to, sizeof(to), "/f%u", ++s->names);
    req.src = f->path;
    req.dst = to;
    if (name_client(s, CLIENT_rename, &req.base) == 0)
        memcpy(f->path, to, sizeof(to));
}

static void change_replication(struct sim *s, struct file *f)
{
    Cp__SetReplicationRequest req = CP__SET_REPLICATION_REQUEST__INIT;
    req.src = f->path;
    req.replication = (uint32_t)rng_below(&s->rng, 5) + 1;
    if (name_client(s, CLIENT_setReplication, &req.base) != 0)
        return;
    f->replication = req.replication;
    for (uint32_t i = 0; i < f->count; i++) {
        struct truth *t = truth_need(s, f->ids[i]);
        if (t->made > f->replication)
            t->made = f->replication;
        sim_trace(s, "replication is", UINT32_MAX, t->id, f->replication, 0);
    }
}

static void recover_lease(struct sim *s, struct file *f)
{
    Cp__RecoverLeaseRequest req = CP__RECOVER_LEASE_REQUEST__INIT;
    req.src = f->path;
    req.client_name = (char *)"somebody";
    if (f->open && name_client(s, CLIENT_recoverLease, &req.base) == 0)
        file_kill_writer(s, f);
}

static bool is_closed(struct sim *s, struct file *f)
{
    if (f->open && f->dead_writer && file_is_closed(s, f))
        f->open = false;
    return !f->open && f->count > 0;
}

/* A recovery may have dropped the last block. */
static bool last_block_is_there(struct sim *s, const struct file *f)
{
    return blocks_find(blocks_in(s), f->ids[f->count - 1]) != 0;
}

static void append(struct sim *s, struct file *f)
{
    Cp__AppendRequest req = CP__APPEND_REQUEST__INIT;
    if (!is_closed(s, f) || !last_block_is_there(s, f))
        return;
    snprintf(f->holder, sizeof(f->holder), "writer-%u", ++s->names);
    req.src = f->path;
    req.client_name = f->holder;
    if (name_client(s, CLIENT_append, &req.base) != 0)
        return;
    s->counts.appends++;
    writer_start(s, f, true);
}

/* Somewhere in the last block; a recovery has to do it. */
static void cut(struct sim *s, struct file *f)
{
    Cp__TruncateRequest req = CP__TRUNCATE_REQUEST__INIT;
    Cp__GetFileInfoRequest get = CP__GET_FILE_INFO_REQUEST__INIT;
    if (!is_closed(s, f) || !last_block_is_there(s, f))
        return;
    uint64_t last = blocks_length(blocks_in(s), blocks_find(blocks_in(s), f->ids[f->count - 1]));
    get.src = f->path;
    if (last < 2 || name_client(s, CLIENT_getFileInfo, &get.base) != 0)
        return;
    uint64_t whole = ((const Cp__GetFileInfoResponse *)(const void *)s->call.response)->fs->length;
    req.src = f->path;
    req.client_name = (char *)"cutter";
    req.new_length = whole - 1 - rng_below(&s->rng, last - 1);
    if (name_client(s, CLIENT_truncate, &req.base) != 0)
        return;
    s->counts.truncates++;
    sim_trace(s, "truncate", UINT32_MAX, f->ids[f->count - 1], req.new_length, whole);
    f->open = f->dead_writer = true; /* until its recovery is done */
    truth_need(s, f->ids[f->count - 1])->made = 0;
}

void file_operate(struct sim *s)
{
    struct file *f = &s->files[rng_below(&s->rng, s->o.files)];
    if (!f->used) {
        file_new(s);
        return;
    }
    switch (rng_below(&s->rng, 12)) {
    case 0:
        delete_file(s, f);
        break;
    case 1:
        rename_file(s, f);
        break;
    case 2:
    case 3:
        change_replication(s, f);
        break;
    case 4:
        recover_lease(s, f);
        break;
    case 5:
        cut(s, f);
        break;
    case 6:
    case 7:
    case 8:
        append(s, f);
        break;
    default:
        break;
    }
}

/* No file is open but those whose last block is lost with all its replicas. */
bool files_settled(struct sim *s, uint64_t *ret_block)
{
    for (uint32_t i = 0; i < s->o.files; i++) {
        struct file *f = &s->files[i];
        if (!f->used || !f->open)
            continue;
        if (file_is_closed(s, f)) {
            f->open = false;
            continue;
        }
        *ret_block = f->count == 0 ? 0 : f->ids[f->count - 1];
        if (!f->dead_writer)
            return false;
        bool reachable = f->count == 0;
        for (uint32_t b = 0; b < f->count; b++) {
            struct truth *t = truth_need(s, f->ids[b]);
            struct block_info info;
            bool any = false, known = truth_info(s, t, &info, NULL);
            for (uint32_t k = 0; known && k < t->count; k++)
                any |= !t->at[k].gone && !t->at[k].rotten && s->peers[t->at[k].peer].up &&
                       t->at[k].stamp >= info.generation_stamp && t->at[k].length > 0;
            reachable |= any || !known;
            if (known && info.state != BLOCK_COMPLETE && any)
                *ret_block = t->id;
            if (known && info.state != BLOCK_COMPLETE && !any) {
                reachable = false; /* nobody has it: the file stays open */
                break;
            }
        }
        if (reachable)
            return false;
    }
    *ret_block = 0;
    return true;
}
