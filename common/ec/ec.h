/* ec.h - erasure coding: policies, how a block group lies on its internal blocks, and the codecs.
 * Door of common/ec. Pure, no state but immutable tables: any thread.
 *
 * A group of k data and m parity units is k + m internal blocks, with the indices 0..k-1 (data) and
 * k..k+m-1 (parity). The bytes of the group go in cells of cell_size to the data blocks in turn: k
 * cells, with the m parity cells computed from them, are a stripe. In the last stripe cells may be
 * short or absent; parity is as long as the first data cell, the others count as filled up with
 * zeros. Facts: Hadoop's striped layout, RawErasureCoder, StripedBlockUtil. */
#pragma once
#include <stdint.h>

#include "common/base/base.h"
#include "hdfs.pb-c.h"

enum ec_codec { EC_CODEC_NONE, EC_RS, EC_RS_LEGACY, EC_XOR };
enum {
    EC_MAX_UNITS = 16, /* k + m: an internal block's index has four bits */
    EC_DEFAULT_CELL = 1024 * 1024,
};

struct ec_policy {
    uint8_t id; /* 1..5 built in, 64..127 of users */
    uint8_t data_units, parity_units;
    enum ec_codec codec;
    uint32_t cell_size;
};

static inline unsigned ec_units(const struct ec_policy *p)
{
    return (unsigned)p->data_units + p->parity_units;
}

/* "rs", "rs-legacy", "xor" in any case; EC_CODEC_NONE: none of them. */
enum ec_codec ec_codec_named(const char *name);
const char *ec_codec_name(enum ec_codec codec);
/* 0, or ERR_ILLEGAL_ARGUMENT naming what can't be: no units, too many, a codec that can't do them,
 * a cell that is 0 or no multiple of 1024. */
must_use int ec_policy_check(const struct ec_policy *p, struct err *err);
/* Policies 1..5, which every cluster has; NULL for other ids. */
const struct ec_policy *ec_policy_builtin(uint32_t id);
/* Of a peer's message (of a built-in policy only the id counts); ERR_UNSUPPORTED for a codec that
 * isn't ours, ERR_PROTOCOL for impossible numbers. */
must_use int ec_policy_take(const Hdfs__ErasureCodingPolicy *message, struct ec_policy *ret,
                            struct err *err);

/* ---- layout.c: where bytes are ---- */

/* Ids of groups are negative as signed numbers, with the lowest four bits 0. */
static inline bool ec_is_striped_id(uint64_t id)
{
    return (int64_t)id < 0;
}
static inline uint64_t ec_group_id(uint64_t internal_id)
{
    return internal_id & ~(uint64_t)15;
}
static inline unsigned ec_index_of(uint64_t internal_id)
{
    return (unsigned)(internal_id & 15);
}

/* Bytes of the internal block `index` (data or parity) of a group with group_length data bytes. */
uint64_t ec_internal_length(const struct ec_policy *p, uint64_t group_length, unsigned index);
/* Bytes that a group takes on disks, parity included. */
uint64_t ec_group_space(const struct ec_policy *p, uint64_t group_length);

struct ec_place {
    unsigned index;  /* the data block */
    uint64_t offset; /* in it */
    uint64_t left;   /* bytes from there to the end of the cell */
};
/* Where byte `offset` of the group's data is. */
struct ec_place ec_locate(const struct ec_policy *p, uint64_t offset);
/* The reverse: which byte of the group the byte `offset` of data block `index` is. */
uint64_t ec_group_offset(const struct ec_policy *p, unsigned index, uint64_t offset);
/* What a group can be trusted to hold when its writer is gone: lengths[i] of internal block i,
 * present: bits of those that exist. The longest prefix of the data of which every byte was surely
 * written, and survives or can be decoded when all blocks are cut to it. That is the full stripes
 * that k blocks have, and of the next stripe what is there of the data itself (if all data blocks
 * have the full stripes; parity that may be there is of unknown content: it may have been made
 * for more data than what arrived). layout.c has the reasons. */
uint64_t ec_safe_length(const struct ec_policy *p, const uint64_t lengths[EC_MAX_UNITS],
                        uint32_t present);
/* Bits of the blocks that may stay, each cut to its ec_internal_length, when the group is cut to
 * `length` = ec_safe_length. Within a stripe no parity block may: drop it, so that it is made
 * anew, or compare its last cell with what the data gives. */
uint32_t ec_safe_units(const struct ec_policy *p, const uint64_t lengths[EC_MAX_UNITS],
                       uint32_t present, uint64_t length);

/* ---- coder.c: parity, and what was lost ---- */

struct ec_coder; /* the tables of one policy; immutable */

/* ERR_NO_MEMORY or what ec_policy_check says. */
must_use int ec_coder_new(const struct ec_policy *p, struct ec_coder **ret, struct err *err);
void ec_coder_free(struct ec_coder *c);

/* Sizes: any, at any alignment; from 4 KiB on a call costs what ISA-L alone costs. The kernels take
 * each unit once, so slices matter only for what comes before and after them: code 32 to 64 KiB of
 * each unit at a time and the k + m slices stay in an L2 of 1 MiB while they are received, summed,
 * coded and sent. */

/* parity[i] of `size` bytes each from k data buffers of `size` bytes. A data pointer may be NULL:
 * zeros. */
void ec_encode(const struct ec_coder *c, size_t size, const uint8_t *const data[],
               uint8_t *const parity[]);

/* How to compute some units from others; depends on the pattern only, so make it once for many
 * buffers. */
struct ec_decoder;
/* have, want: bits of indices; they don't overlap. Uses the k lowest of `have`, data first.
 * ERR_BLOCK_MISSING names the units that are missing when `have` can't do it. (XOR, any k of
 * k + 1; RS any k.) */
must_use int ec_decoder_new(const struct ec_coder *c, uint32_t have, uint32_t want,
                            struct ec_decoder **ret, struct err *err);
void ec_decoder_free(struct ec_decoder *d);
/* Bits of the units that it reads. */
uint32_t ec_decoder_inputs(const struct ec_decoder *d);
/* units[i] of `size` bytes for each input (NULL: zeros) and each wanted one (written). */
void ec_decode(const struct ec_decoder *d, size_t size, uint8_t *const units[EC_MAX_UNITS]);
