/* load.c - an fsimage as the state. The bytes may be anything: every offset and length is checked
 * against what is there, and what we would have to drop is refused by name. */
#include <stdlib.h>
#include <zlib.h>

#include "namenode/image/internal.h"

int image_corrupt(const struct image_loader *l, struct err *err, const char *what)
{
    return fail(err, ERR_CORRUPT, "the image's section %s has %s at offset %zu", l->section, what,
                (size_t)(l->in.at - l->start));
}

int image_record(struct image_loader *l, struct slice *ret, struct err *err)
{
    arena_reset(&l->arena);
    uint64_t size = read_varint(&l->in);
    if (l->in.bad || size > reader_left(&l->in))
        return image_corrupt(l, err, "a record that isn't all there");
    *ret = read_bytes(&l->in, (size_t)size);
    return 0;
}

/* ---- small sections ---- */

static int load_ns_info(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__NameSystemSection *m =
        image__name_system_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed record");
    struct nn *nn = l->nn;
    if (m->rolling_upgrade_start_time != 0)
        return fail(err, ERR_UNSUPPORTED, "the image is of a rolling upgrade; finalize it first");
    if (nn->identity.namespace_id != 0 && (int32_t)m->namespace_id != nn->identity.namespace_id)
        return fail(err, ERR_CORRUPT, "the image is of namespace %d, not of %d",
                    (int32_t)m->namespace_id, nn->identity.namespace_id);
    nn->identity.namespace_id = (int32_t)m->namespace_id;
    nn->kept->legacy_genstamp = m->genstamp_v1;
    nn->kept->legacy_genstamp_limit = m->genstamp_v1_limit;
    nn->generation_stamp = m->genstamp_v2;
    nn->last_block_id = m->last_allocated_block_id;
    if (m->has_last_allocated_striped_block_id)
        nn->last_striped_block_id = m->last_allocated_striped_block_id;
    nn->last_txid = m->transaction_id;
    if (nn->last_txid >= INT64_MAX)
        return image_corrupt(l, err, "an impossible transaction id");
    return 0;
}

static int load_policy(struct image_loader *l, const Hdfs__ErasureCodingPolicy *m, struct err *err)
{
    if (m->id == 0 || m->id > 127)
        return image_corrupt(l, err, "an impossible erasure coding policy");
    struct kept_ec_policy p = {.id = (uint8_t)m->id, .state = m->has_state ? (uint8_t)m->state : 2};
    const struct kept_ec_policy *known = kept_find_policy_id(l->nn->kept, p.id);
    if (m->name == NULL || m->schema == NULL) {
        if (known == NULL)
            return image_corrupt(l, err, "an erasure coding policy without a name");
        uint8_t state = p.state;
        p = *known;
        p.state = state;
        return kept_put_policy(l->nn->kept, &p);
    }
    p.name = m->name;
    p.cell_size = m->cell_size;
    p.codec = m->schema->codec_name;
    p.data_units = m->schema->data_units;
    p.parity_units = m->schema->parity_units;
    p.options = arena_array(&l->arena, const char *, 2 * m->schema->n_options + 1);
    if (p.options == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    for (size_t i = 0; i < m->schema->n_options; i++) {
        p.options[p.option_count++] = m->schema->options[i]->key;
        p.options[p.option_count++] = m->schema->options[i]->value;
    }
    return kept_put_policy(l->nn->kept, &p);
}

static int load_erasure_coding(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__ErasureCodingSection *m =
        image__erasure_coding_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed record");
    for (size_t i = 0; i < m->n_policies; i++)
        TRY(load_policy(l, m->policies[i], err));
    return 0;
}

static int load_open_files(struct image_loader *l, struct err *err)
{
    while (reader_left(&l->in) > 0) {
        struct slice bytes;
        TRY(image_record(l, &bytes, err));
        Image__FileUnderConstructionEntry *m =
            image__file_under_construction_entry__unpack(&l->arena.pb, bytes.size, bytes.data);
        handle_t h = m == NULL ? 0 : ns_find_any(l->nn->ns, m->inode_id);
        if (h == 0 || ns_uc(l->nn->ns, h) == NULL)
            return image_corrupt(l, err, "an open file that isn't there or isn't open");
    }
    return 0;
}

static int load_snapshots(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__SnapshotSection *m =
        image__snapshot_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed header");
    if (m->num_snapshots > 0 || m->n_snapshottable_dir > 0)
        return fail(err, ERR_UNSUPPORTED,
                    "the image has %u snapshots and %zu snapshottable directories, which aren't "
                    "there yet",
                    m->num_snapshots, m->n_snapshottable_dir);
    l->nn->kept->snapshot_counter = m->snapshot_counter;
    return 0;
}

static int refuse_content(struct image_loader *l, struct err *err)
{
    if (reader_left(&l->in) == 0)
        return 0;
    return fail(err, ERR_UNSUPPORTED,
                "the image's section %s isn't empty; it belongs to snapshots, which aren't there "
                "yet",
                l->section);
}

static int load_key(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__DelegationKey *m = image__delegation_key__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed key");
    struct slice key = {m->key.data, m->key.len};
    return kept_put_key(l->nn->kept, m->id, m->expiry_date, m->has_key ? &key : NULL);
}

static int load_token(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__PersistToken *m = image__persist_token__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed token");
    struct kept_token t = {.owner = m->owner,
                           .renewer = m->renewer,
                           .real_user = m->real_user,
                           .issue_date = m->issue_date,
                           .max_date = m->max_date,
                           .expiry = m->expiry_date,
                           .sequence = m->sequence_number,
                           .master_key = m->master_key_id};
    return kept_put_token(l->nn->kept, &t);
}

static int load_secrets(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__SecretManagerSection *m =
        image__secret_manager_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed header");
    uint32_t keys = m->num_keys, tokens = m->num_tokens;
    l->nn->kept->master_key_id = m->current_id;
    l->nn->kept->token_sequence = m->token_sequence_number;
    for (uint32_t i = 0; i < keys; i++)
        TRY(load_key(l, err));
    for (uint32_t i = 0; i < tokens; i++)
        TRY(load_token(l, err));
    return 0;
}

static int load_cache_pool(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Hdfs__CachePoolInfo *m = hdfs__cache_pool_info__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL || m->pool_name == NULL || m->mode < 0 || m->mode > UINT16_MAX ||
        m->default_replication > UINT16_MAX)
        return image_corrupt(l, err, "a malformed cache pool");
    struct kept_cache_pool p = {.name = m->pool_name,
                                .owner = m->owner_name,
                                .group = m->group_name,
                                .mode = (uint16_t)m->mode,
                                .replication = (uint16_t)m->default_replication,
                                .limit = (uint64_t)m->limit,
                                .max_expiry = (uint64_t)m->max_relative_expiry};
    return kept_put_cache_pool(l->nn->kept, &p);
}

static int load_directive(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Hdfs__CacheDirectiveInfo *m =
        hdfs__cache_directive_info__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL || m->path == NULL || m->pool == NULL || m->expiration == NULL ||
        m->replication > UINT16_MAX || kept_find_cache_pool(l->nn->kept, m->pool) == NULL)
        return image_corrupt(l, err, "a malformed cache directive");
    struct kept_directive d = {.id = (uint64_t)m->id,
                               .path = m->path,
                               .pool = m->pool,
                               .replication = (uint16_t)m->replication,
                               .expiry = (uint64_t)m->expiration->millis};
    return kept_put_directive(l->nn->kept, &d);
}

static int load_cache(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__CacheManagerSection *m =
        image__cache_manager_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (m == NULL)
        return image_corrupt(l, err, "a malformed header");
    uint32_t pools = m->num_pools, directives = m->num_directives;
    l->nn->kept->next_cache_directive = m->next_directive_id;
    for (uint32_t i = 0; i < pools; i++)
        TRY(load_cache_pool(l, err));
    for (uint32_t i = 0; i < directives; i++)
        TRY(load_directive(l, err));
    return 0;
}

/* ---- the file ---- */

/* In the order of loading. Those without a function are ranges of others, for loading in parallel.
 */
static const struct {
    const char *name;
    int (*load)(struct image_loader *l, struct err *err);
    bool must_be_there;
} sections[] = {
    {"NS_INFO", load_ns_info, true},
    {"STRING_TABLE", image_load_strings, true},
    {"ERASURE_CODING", load_erasure_coding, false},
    {"INODE", image_load_inodes, true},
    {"INODE_REFERENCE", refuse_content, false},
    {"SNAPSHOT", load_snapshots, false},
    {"SNAPSHOT_DIFF", refuse_content, false},
    {"INODE_DIR", image_load_directories, true},
    {"FILES_UNDERCONSTRUCTION", load_open_files, true},
    {"SECRET_MANAGER", load_secrets, false},
    {"CACHE_MANAGER", load_cache, false},
    {"INODE_SUB", NULL, false},
    {"INODE_DIR_SUB", NULL, false},
    {"INODE_REFERENCE_SUB", NULL, false},
    {"SNAPSHOT_DIFF_SUB", NULL, false},
};

static int inflate_all(struct slice in, struct buf *out, struct err *err)
{
    enum { STEP = 1 << 16, AUTO_HEADER = 32 }; /* zlib's or gzip's */
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.data};
    size_t left = in.size;
    if (inflateInit2(&z, MAX_WBITS + AUTO_HEADER) != Z_OK)
        return fail(err, ERR_NO_MEMORY, "no memory for inflating the image");
    int rc = Z_OK;
    while (rc == Z_OK) {
        uint8_t *p = buf_reserve(out, STEP);
        if (p == NULL)
            break;
        if (z.avail_in == 0) {
            z.avail_in = left < STEP ? (uInt)left : STEP;
            left -= z.avail_in;
        }
        z.next_out = p;
        z.avail_out = STEP;
        rc = inflate(&z, Z_NO_FLUSH);
        buf_commit(out, STEP - z.avail_out);
    }
    inflateEnd(&z);
    if (rc == Z_OK)
        return fail(err, ERR_NO_MEMORY, "no memory for inflating the image");
    return rc == Z_STREAM_END
               ? 0
               : fail(err, ERR_CORRUPT, "a compressed section of the image is damaged");
}

#define DEFAULT_CODEC "org.apache.hadoop.io.compress.DefaultCodec"
#define GZIP_CODEC    "org.apache.hadoop.io.compress.GzipCodec"

static int load_section(struct image_loader *l, size_t index, struct slice raw, const char *codec,
                        struct err *err)
{
    struct buf inflated = {0};
    bool compressed = codec != NULL && codec[0] != '\0';
    int rc = compressed ? inflate_all(raw, &inflated, err) : 0;
    if (rc == 0) {
        if (compressed)
            raw = (struct slice){buf_head(&inflated), buf_size(&inflated)};
        l->section = sections[index].name;
        l->start = raw.data;
        l->in = reader_of(raw.data, raw.size);
        rc = sections[index].load(l, err);
        if (rc == ERR_NO_MEMORY)
            rc = fail(err, rc, "no memory for the image's section %s", l->section);
        else if (rc == 0 && reader_left(&l->in) > 0)
            rc = image_corrupt(l, err, "something after its end");
    }
    if (rc == 0 && compressed && sections[index].load == image_load_strings)
        rc = image_intern_strings(l); /* their bytes are about to go */
    buf_fini(&inflated);
    return rc;
}

/* The summary lies at the end, in front of its own length. */
static int read_summary(const uint8_t *data, size_t size, struct arena *arena,
                        Image__FileSummary **ret, struct err *err)
{
    if (size < IMAGE_MAGIC_SIZE + 4 || memcmp(data, IMAGE_MAGIC, IMAGE_MAGIC_SIZE) != 0)
        return fail(err, ERR_CORRUPT, "this isn't an image: it doesn't begin with " IMAGE_MAGIC);
    struct reader tail = reader_of(data + size - 4, 4);
    uint32_t length = read_u32(&tail);
    if (length > size - 4 - IMAGE_MAGIC_SIZE)
        return fail(err, ERR_CORRUPT, "the image's summary is longer than the image");
    struct reader in = reader_of(data + size - 4 - length, length);
    uint64_t body = read_varint(&in);
    Image__FileSummary *m = in.bad || body != reader_left(&in)
                                ? NULL
                                : image__file_summary__unpack(&arena->pb, (size_t)body, in.at);
    if (m == NULL)
        return fail(err, ERR_CORRUPT, "the image's summary is malformed");
    int32_t version = (int32_t)m->layout_version;
    if (m->ondisk_version != IMAGE_ONDISK_VERSION || version < IMAGE_LAYOUT_VERSION ||
        version > IMAGE_OLDEST_LAYOUT_VERSION)
        return fail(err, ERR_VERSION,
                    "the image has version %u and layout version %d; %d to %d are understood",
                    m->ondisk_version, version, IMAGE_OLDEST_LAYOUT_VERSION, IMAGE_LAYOUT_VERSION);
    if (m->codec != NULL && m->codec[0] != '\0' && strcmp(m->codec, DEFAULT_CODEC) != 0 &&
        strcmp(m->codec, GZIP_CODEC) != 0)
        return fail(err, ERR_UNSUPPORTED,
                    "the image is compressed by %s; save it uncompressed or by " DEFAULT_CODEC,
                    m->codec);
    *ret = m;
    return 0;
}

static bool known_section(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(sections); i++)
        if (strcmp(sections[i].name, name) == 0)
            return true;
    return false;
}

static int check_sections(const Image__FileSummary *m, size_t size, struct err *err)
{
    for (size_t i = 0; i < m->n_sections; i++) {
        const Image__FileSummary__Section *s = m->sections[i];
        if (!known_section(s->name))
            return fail(err, ERR_UNSUPPORTED, "the image has a section %s that isn't understood",
                        s->name == NULL ? "(without a name)" : s->name);
        if (s->offset > size || s->length > size - s->offset)
            return fail(err, ERR_CORRUPT, "the image's section %s lies outside of the file",
                        s->name);
    }
    return 0;
}

static int load_named(struct image_loader *l, const Image__FileSummary *m, const uint8_t *data,
                      size_t index, struct err *err)
{
    const Image__FileSummary__Section *found = NULL;
    for (size_t i = 0; i < m->n_sections; i++) {
        if (strcmp(m->sections[i]->name, sections[index].name) != 0)
            continue;
        if (found != NULL)
            return fail(err, ERR_CORRUPT, "the image has two sections %s", found->name);
        found = m->sections[i];
    }
    if (found != NULL)
        return load_section(l, index, (struct slice){data + found->offset, (size_t)found->length},
                            m->codec, err);
    if (sections[index].must_be_there)
        return fail(err, ERR_CORRUPT, "the image has no section %s", sections[index].name);
    return 0;
}

static int load_all(struct image_loader *l, const uint8_t *data, size_t size, struct arena *arena,
                    struct err *err)
{
    Image__FileSummary *m;
    TRY(read_summary(data, size, arena, &m, err));
    TRY(check_sections(m, size, err));
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (sections[i].load != NULL)
            TRY(load_named(l, m, data, i, err));
    return 0;
}

int image_load(const void *data, size_t size, const struct nn_identity *identity, struct nn **ret,
               struct err *err)
{
    struct image_loader l = {0};
    struct arena arena;
    arena_init(&arena, 0);
    arena_init(&l.arena, 0);
    int rc = nn_new(identity, "", "", &l.nn, err);
    if (rc == 0) {
        ns_sums_off(l.nn->ns);
        rc = load_all(&l, data, size, &arena, err);
    }
    if (rc == 0 && ns_sums_on(l.nn->ns) != 0)
        rc = fail(err, ERR_NO_MEMORY, "no memory for counting the directories");
    if (rc == 0)
        *ret = l.nn;
    else
        nn_free(l.nn);
    free(l.strings);
    arena_fini(&l.arena);
    arena_fini(&arena);
    return rc;
}
