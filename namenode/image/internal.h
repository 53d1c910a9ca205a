/* internal.h - what the files of image/ share. */
#pragma once
#include "image.pb-c.h"
#include "namenode/blocks/blocks.h"
#include "namenode/image/image.h"
#include "namenode/namespace/namespace.h"
#include "namenode/state/state.h"

#define IMAGE_MAGIC "HDFSIMG1"
enum {
    IMAGE_MAGIC_SIZE = 8,
    IMAGE_ONDISK_VERSION = 1,
    IMAGE_LAYOUT_VERSION = -67,
    IMAGE_OLDEST_LAYOUT_VERSION = -63,
    IMAGE_STRING_KIND_BITS = 3
};

/* quotas by Java's ordinal <-> the image's StorageType */
extern const uint8_t image_storage_type[QUOTA_TYPES];

/* ---- loading ---- */
struct string_entry {
    uint32_t id, kind; /* kind 0: of any kind (images before layout version -65) */
    struct slice text;
    uint32_t ours[4]; /* interned ids by enum name_kind, 0 until asked */
};
struct image_loader {
    struct nn *nn;
    struct arena arena;           /* of one record */
    struct string_entry *strings; /* sorted by kind, id */
    size_t string_count;
    const char *section;  /* being read */
    const uint8_t *start; /* of its (uncompressed) bytes */
    struct reader in;
    uint64_t inode_count;
    bool has_root;
};
/* The next delimited record's bytes; ERR_CORRUPT naming section and offset when they aren't there.
 */
int image_record(struct image_loader *l, struct slice *ret, struct err *err);
int image_corrupt(const struct image_loader *l, struct err *err, const char *what);
/* load_inode.c */
int image_load_inodes(struct image_loader *l, struct err *err);
int image_load_directories(struct image_loader *l, struct err *err);
/* load_strings.c */
int image_load_strings(struct image_loader *l, struct err *err);
/* Gives all of them their numbers here; their text isn't needed any more then. */
int image_intern_strings(struct image_loader *l);
/* The interned id of a string of the image; 0 stands for "". */
int image_string(struct image_loader *l, enum name_kind kind, uint32_t id, uint32_t *ret,
                 struct err *err);
