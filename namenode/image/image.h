/* image.h - the state as Hadoop's fsimage file, and back. Door of namenode/image.
 * Core: bytes go out through a callback and come in from memory (a mapped file). Names of files,
 * the .md5 beside them and making them durable are storage/'s. */
#pragma once
#include "common/base/base.h"
#include "namenode/nn.h"

enum { IMAGE_MD5_SIZE = 16 };

/* Takes the next bytes of the file; 0 or an error, which ends the saving. */
typedef int (*image_write_fn)(void *ctx, const void *data, size_t size, struct err *err);

/* dfs.image.parallel.*: from `threshold` inodes on the index names about `sections` ranges of the
 * inodes, which a NameNode may load side by side; 0 sections: none. */
struct image_options {
    uint32_t sections;
    uint64_t threshold;
};

/* Writes nn as it stands at nn->last_txid, uncompressed, in the order that Java writes. *ret_md5 is
 * that of all bytes. nn isn't changed: a forked child may run this while its parent goes on. */
int image_save(const struct nn *nn, image_write_fn write, void *ctx,
               uint8_t ret_md5[IMAGE_MD5_SIZE], struct err *err);
int image_save_with(const struct nn *nn, const struct image_options *options, image_write_fn write,
                    void *ctx, uint8_t ret_md5[IMAGE_MD5_SIZE], struct err *err);

/* Builds a state from the bytes of an image (plain, or compressed with DefaultCodec or gzip as a
 * whole section). Robust against any bytes: ERR_CORRUPT names section and offset; ERR_UNSUPPORTED
 * names what we would have to drop (snapshots, references, encryption zones, other codecs);
 * ERR_VERSION a layout version that isn't -63..-67. `identity` gives what VERSION holds; its
 * namespace id must be the image's unless it is 0. */
int image_load(const void *data, size_t size, const struct nn_identity *identity, struct nn **ret,
               struct err *err);

/* MD5 of bytes in memory, for comparing with the .md5 file. */
void image_md5(const void *data, size_t size, uint8_t ret_md5[IMAGE_MD5_SIZE]);
