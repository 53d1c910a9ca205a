/* layout.c - names and places of replicas on a volume, as Hadoop lays them out (layout -57). Pure.
 * <volume>/current/<pool>/current/finalized/subdirA/subdirB/blk_<id> and blk_<id>_<stamp>.meta, A
 * and B taken from the id; open replicas in current/rbw, incoming copies in <pool>/tmp. Ids are
 * signed: striped ones are negative. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "datanode/volume/volume.h"

/* "-?[0-9]+" up to *end; whole numbers only, nothing beyond 64 bits. */
static bool parse_number(const char *text, const char **ret_end, uint64_t *ret)
{
    bool digits = *text >= '0' && *text <= '9';
    bool negative = *text == '-' && text[1] >= '0' && text[1] <= '9';
    if (!digits && !negative)
        return false;
    char *end;
    errno = 0;
    *ret = (uint64_t)strtoll(text, &end, 10);
    *ret_end = end;
    return errno == 0;
}

bool layout_block_name(const char *name, uint64_t *ret_id)
{
    const char *end;
    uint64_t id;
    if (strncmp(name, "blk_", 4) != 0 || !parse_number(name + 4, &end, &id) || *end != '\0')
        return false;
    *ret_id = id;
    return true;
}

bool layout_meta_name(const char *name, uint64_t *ret_id, uint64_t *ret_gen_stamp)
{
    const char *end;
    uint64_t id, gen_stamp;
    if (strncmp(name, "blk_", 4) != 0 || !parse_number(name + 4, &end, &id) || *end != '_' ||
        end[1] == '-' || !parse_number(end + 1, &end, &gen_stamp) || strcmp(end, ".meta") != 0)
        return false;
    *ret_id = id;
    *ret_gen_stamp = gen_stamp;
    return true;
}

/* It becomes the name of a folder. */
bool layout_pool_id_valid(const char *pool_id)
{
    size_t size = strlen(pool_id);
    return size > 0 && size <= POOL_ID_MAX && pool_id[0] != '.' && strchr(pool_id, '/') == NULL;
}

__attribute__((format(printf, 2, 3))) static void print(struct store_path *out, const char *fmt,
                                                        ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out->text, sizeof(out->text), fmt, ap);
    va_end(ap);
    CHECK(n > 0 && n < STORE_PATH_MAX); /* volume and pool id were measured when they came in */
}

void layout_pool_dir(struct store_path *out, const struct volume *v, const char *pool_id)
{
    print(out, "%s/current/%s", v->path, pool_id);
}

void layout_dir(struct store_path *out, const struct volume *v, const char *pool_id,
                enum place place, uint64_t id)
{
    switch (place) {
    case PLACE_FINALIZED:
        print(out, "%s/current/%s/current/finalized/subdir%u/subdir%u", v->path, pool_id,
              (unsigned)(id >> 16 & 31), (unsigned)(id >> 8 & 31));
        break;
    case PLACE_RBW:
        print(out, "%s/current/%s/current/rbw", v->path, pool_id);
        break;
    case PLACE_TMP:
        print(out, "%s/current/%s/tmp", v->path, pool_id);
        break;
    }
}

void layout_data(struct store_path *out, const struct volume *v, const char *pool_id,
                 enum place place, uint64_t id)
{
    struct store_path dir;
    layout_dir(&dir, v, pool_id, place, id);
    print(out, "%s/blk_%" PRId64, dir.text, (int64_t)id);
}

void layout_meta(struct store_path *out, const struct volume *v, const char *pool_id,
                 enum place place, uint64_t id, uint64_t gen_stamp)
{
    struct store_path dir;
    layout_dir(&dir, v, pool_id, place, id);
    print(out, "%s/blk_%" PRId64 "_%" PRIu64 ".meta", dir.text, (int64_t)id, gen_stamp);
}

void layout_tail(struct store_path *out, const struct volume *v, const char *pool_id, uint64_t id)
{
    struct store_path dir;
    layout_dir(&dir, v, pool_id, PLACE_RBW, id);
    print(out, "%s/blk_%" PRId64 ".tail", dir.text, (int64_t)id);
}

/* Hadoop's name for it: beside the folder, by a slip. */
void layout_restart(struct store_path *out, const struct volume *v, const char *pool_id,
                    uint64_t id)
{
    struct store_path dir;
    layout_dir(&dir, v, pool_id, PLACE_RBW, id);
    print(out, "%s:.blk_%" PRId64 ".restart", dir.text, (int64_t)id);
}

uint64_t layout_meta_size(struct crc_kind kind, uint64_t length)
{
    return META_HEADER_SIZE + crc_sums_size(kind, length);
}

int64_t layout_used(uint64_t length)
{
    /* the same estimate when it comes and when it goes; the usual chunk is good enough for an
     * account */
    struct crc_kind usual = {CRC_CRC32C, 512};
    return (int64_t)(length + layout_meta_size(usual, length));
}

void meta_header_encode(struct crc_kind kind, uint8_t out[META_HEADER_SIZE])
{
    crc_header_encode(kind, put_u16(out, 1));
}

int meta_header_decode(const uint8_t in[META_HEADER_SIZE], struct crc_kind *ret, struct err *err)
{
    struct reader r = reader_of(in, META_HEADER_SIZE);
    uint16_t version = read_u16(&r);
    if (version != 1)
        return fail(err, ERR_CORRUPT, "version %u of a checksum file is not known", version);
    return crc_header_decode(r.at, ret, err);
}

static const struct {
    const char *name;
    enum storage_type type;
} types[] = {{"DISK", STORAGE_DISK},
             {"SSD", STORAGE_SSD},
             {"ARCHIVE", STORAGE_ARCHIVE},
             {"RAM_DISK", STORAGE_RAM_DISK},
             {"NVDIMM", STORAGE_NVDIMM}};

int storage_type_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcasecmp(name, types[i].name) == 0)
            return (int)types[i].type;
    return 0;
}

const char *storage_type_name(enum storage_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return "?";
}
