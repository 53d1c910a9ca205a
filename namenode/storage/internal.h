/* internal.h - what the files of namenode/storage share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/io/io.h"
#include "namenode/image/image.h"
#include "namenode/storage/storage.h"

enum {
    LAYOUT_VERSION = -67,
    OLDEST_LAYOUT_VERSION = -63,
    SEGMENT_STEP = 1 << 20, /* preallocation, as Hadoop */
    MAX_NAME_DIRS = 16,
    STORAGE_PATH = 4096,
};

/* A folder that failed isn't written any more until it is asked to come back: then images may go
 * there at once, edits from the next segment on, as the journal's thread alone decides. */
enum dir_state { DIR_IN_USE, DIR_FAILED, DIR_RETURNING };

/* One folder of dfs.namenode.name.dir or dfs.namenode.edits.dir. */
struct name_dir {
    char *path; /* holds in_use.lock and current/ */
    char *current;
    bool for_image, for_edits;
    bool formatted; /* had a VERSION when it was opened */
    int lock_fd;    /* -1: not locked */
    uint64_t seen_txid;
    bool edits_required; /* the NameNode ends without it */
    _Atomic int state;   /* enum dir_state */
};

struct storage {
    struct name_dir dirs[MAX_NAME_DIRS];
    size_t dir_count;
    struct nn_identity identity;
    int layout; /* the oldest of the folders; LAYOUT_VERSION but during an upgrade */
    struct image_options image_options;
    bool keeps_previous; /* an upgrade is open; the state's thread alone, after the start */
    uint64_t edits_dirs_minimum;
    _Atomic bool restore; /* failed folders are tried again */
    uint64_t images_retained, extra_edits_retained, extra_segments_retained;
};

/* dirs.c */
/* Parses the configuration; touches nothing. */
must_use int storage_from_conf(const struct conf *conf, struct storage **ret, struct err *err);
/* The same for other folders: enum conf_key. */
must_use int storage_of_keys(const struct conf *conf, int image_key, int edits_key,
                             struct storage **ret, struct err *err);
/* All folders must be there; takes their locks. */
must_use int storage_lock(struct storage *s, struct err *err);
must_use int storage_open_dirs(struct storage *s, enum storage_mode mode, struct err *err);
/* Logs why, once, and leaves the folder out from now on. */
void dir_drop(struct name_dir *d, const struct err *why);
static inline bool dir_usable(const struct name_dir *d)
{
    return atomic_load(&d->state) != DIR_FAILED;
}
/* Whether the open segment is written there. */
static inline bool dir_has_segment(const struct name_dir *d)
{
    return d->for_edits && atomic_load(&d->state) == DIR_IN_USE;
}
must_use int dir_write_version(const struct name_dir *d, const struct nn_identity *id, int layout,
                               struct err *err);
/* Of the file VERSION at path. */
must_use int version_read(const char *path, struct nn_identity *id, int *ret_layout,
                          struct err *err);
must_use int dir_write_seen_txid(const struct name_dir *d, uint64_t txid, struct err *err);
/* <current>/<name> */
void dir_file(const struct name_dir *d, const char *name, char out[STORAGE_PATH]);

/* upgrade.c: ends or undoes what a process that died had begun; the folders are locked. */
must_use int storage_recover(struct storage *s, struct err *err);

/* segment.c */
enum segment_state { SEGMENT_CLEAN, SEGMENT_TORN, SEGMENT_CORRUPT };

struct segment_scan {
    enum segment_state state;
    uint64_t first_txid, last_txid; /* 0: no edit at all */
    size_t valid_size;              /* end of the last good edit */
    struct err why;                 /* with file, offset and id, when it isn't clean */
};
/* The file into memory, and what it is worth. Fails only when it can't be read. */
must_use int segment_read(const char *path, struct buf *ret_file, struct segment_scan *ret,
                          struct err *err);

/* segment_write.c */
struct segment_writer {
    int fd; /* -1: closed */
    char path[STORAGE_PATH];
    uint64_t end, allocated;
};
must_use int segment_create(struct segment_writer *w, const struct name_dir *d, uint64_t first_txid,
                            struct err *err);
must_use int segment_write(struct segment_writer *w, struct slice bytes, struct err *err);
void segment_start_sync(struct segment_writer *w);
must_use int segment_sync(struct segment_writer *w, struct err *err);
void segment_abandon(struct segment_writer *w);
/* Cuts the file to its edits, syncs and renames it to its final name. Closes in any case. */
must_use int segment_finalize(struct segment_writer *w, const struct name_dir *d,
                              uint64_t first_txid, uint64_t last_txid, struct err *err);
/* The same for a file that a former process left behind. */
must_use int segment_recover(const struct name_dir *d, const char *name, uint64_t first_txid,
                             const struct segment_scan *scan, struct err *err);

/* images.c */
struct image_written {
    uint32_t dirs; /* bit i: dirs[i] holds a whole, synced fsimage.ckpt_<txid> */
    uint8_t md5[16];
};
/* To every usable folder at once. Neither logs nor drops: a forked child may run it. `progress`
 * (may be NULL) is called now and then. Fails when no folder holds it; a failed folder's reason is
 * in *err also on success. */
must_use int image_write(const struct storage *s, const struct nn *nn, void (*progress)(void *ctx),
                         void *ctx, struct image_written *ret, struct err *err);
/* Digest beside it, then its name; folders that fail are dropped. Fails when none is left. */
must_use int image_publish(struct storage *s, uint64_t txid, const struct image_written *w,
                           struct err *err);

/* files.c: what lies in current/. */
enum file_kind { FILE_IMAGE, FILE_EDITS, FILE_IN_PROGRESS };
struct storage_file {
    struct name_dir *dir;
    enum file_kind kind;
    uint64_t first, last; /* image: both its txid; in progress: last is 0 */
    char name[96];
};
struct file_list {
    struct storage_file *items;
    size_t count, capacity;
};
/* Of all usable folders; a folder that can't be read is dropped. */
must_use int files_list(struct storage *s, struct file_list *ret, struct err *err);
void files_fini(struct file_list *l);
void image_name(uint64_t txid, char out[96]);
void segment_name(uint64_t first, uint64_t last, char out[96]);
void in_progress_name(uint64_t first, char out[96]);
must_use int md5_write(const char *image_path, const char *image_base, const uint8_t digest[16],
                       struct err *err);
/* 0: the content is what the .md5 beside it says; ERR_NOT_FOUND: there is none; ERR_CORRUPT. */
must_use int md5_check(const char *image_path, struct err *err);
must_use int md5_of_file(const char *path, uint8_t digest[16], struct err *err);
/* Deletes what nobody needs any more; failures are logged. */
void storage_purge(struct storage *s);
/* Empties current/. */
must_use int dir_clear(struct name_dir *d, struct err *err);
/* Half-written images of a process that died. */
void storage_remove_leftovers(struct storage *s);
