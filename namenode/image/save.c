/* save.c - the state as an fsimage, byte for byte in the form that Java's NameNode reads and its
 * tools understand.
 *
 * Layout: magic; sections of delimited protobuf records; a delimited FileSummary with name, offset
 * and length of each section; its length as u32. The state is only read. Memory: one output buffer
 * and the largest record (the list of children of the largest directory). */
#include <openssl/evp.h>
#include <stdlib.h>

#include "namenode/image/internal.h"

enum { FLUSH_AT = 256 * 1024, MAX_RANGES = 256, MAX_SECTIONS = 16 + 2 * (MAX_RANGES + 1) };

struct saver {
    const struct nn *nn;
    struct image_options options;
    image_write_fn write;
    void *ctx;
    struct err *err;
    struct buf out; /* not yet written */
    EVP_MD_CTX *md5;
    uint64_t offset; /* in the file, of what comes next */
    uint64_t section_start, range_start;
    uint64_t inodes_per_range; /* 0: no ranges */
    Image__FileSummary__Section sections[MAX_SECTIONS];
    Image__FileSummary__Section *section_pointers[MAX_SECTIONS];
    size_t section_count;
    struct arena arena; /* of one record */
};

static int no_memory(struct saver *s)
{
    return fail(s->err, ERR_NO_MEMORY, "no memory for writing the image");
}

/* ---- bytes ---- */

static int flush(struct saver *s)
{
    size_t size = buf_size(&s->out);
    if (size == 0)
        return 0;
    if (EVP_DigestUpdate(s->md5, buf_head(&s->out), size) != 1)
        return fail(s->err, ERR_IO, "the MD5 of the image can't be computed");
    TRY(s->write(s->ctx, buf_head(&s->out), size, s->err));
    buf_clear(&s->out);
    return 0;
}

static int put_bytes(struct saver *s, const void *data, size_t size)
{
    if (buf_append(&s->out, data, size) != 0)
        return no_memory(s);
    s->offset += size;
    return buf_size(&s->out) >= FLUSH_AT ? flush(s) : 0;
}

static int put_message(struct saver *s, const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *p = buf_reserve(&s->out, size + 10);
    if (p == NULL)
        return no_memory(s);
    uint8_t *body = put_varint(p, size);
    CHECK(protobuf_c_message_pack(m, body) == size);
    buf_commit(&s->out, (size_t)(body - p) + size);
    s->offset += (size_t)(body - p) + size;
    return buf_size(&s->out) >= FLUSH_AT ? flush(s) : 0;
}

static void begin_section(struct saver *s)
{
    s->section_start = s->range_start = s->offset;
}

static void add_section(struct saver *s, const char *name, uint64_t start)
{
    CHECK(s->section_count < MAX_SECTIONS);
    Image__FileSummary__Section *section = &s->sections[s->section_count];
    image__file_summary__section__init(section);
    section->name = (char *)(uintptr_t)name;
    section->has_offset = section->has_length = 1;
    section->offset = start;
    section->length = s->offset - start;
    s->section_pointers[s->section_count++] = section;
}

static void end_section(struct saver *s, const char *name)
{
    add_section(s, name, s->section_start);
}

/* A part of the open section that can be loaded by itself. */
static void end_range(struct saver *s, const char *name)
{
    if (s->inodes_per_range == 0 || s->offset == s->range_start)
        return;
    add_section(s, name, s->range_start);
    s->range_start = s->offset;
}

/* ---- small sections ---- */

static int save_ns_info(struct saver *s)
{
    const struct nn *nn = s->nn;
    Image__NameSystemSection m = IMAGE__NAME_SYSTEM_SECTION__INIT;
    m.has_namespace_id = m.has_genstamp_v1 = m.has_genstamp_v2 = m.has_genstamp_v1_limit = 1;
    m.has_last_allocated_block_id = m.has_transaction_id = m.has_last_allocated_striped_block_id =
        1;
    m.namespace_id = (uint32_t)nn->identity.namespace_id;
    m.genstamp_v1 = nn->kept->legacy_genstamp;
    m.genstamp_v1_limit = nn->kept->legacy_genstamp_limit;
    m.genstamp_v2 = nn->generation_stamp;
    m.last_allocated_block_id = nn->last_block_id;
    m.last_allocated_striped_block_id = nn->last_striped_block_id;
    m.transaction_id = nn->last_txid;
    return put_message(s, &m.base);
}

enum { LAST_BUILT_IN_POLICY = 5 };

/* A built-in policy is just its number and state. */
static int fill_policy(struct saver *s, const struct kept_ec_policy *p,
                       Hdfs__ErasureCodingPolicy *ret)
{
    hdfs__erasure_coding_policy__init(ret);
    ret->id = p->id;
    ret->has_state = 1;
    ret->state = (Hdfs__ErasureCodingPolicyState)p->state;
    if (p->id <= LAST_BUILT_IN_POLICY)
        return 0;
    Hdfs__ECSchema *schema = arena_new(&s->arena, Hdfs__ECSchema);
    size_t pairs = p->option_count / 2;
    Hdfs__ECSchemaOptionEntry *options =
        arena_array(&s->arena, Hdfs__ECSchemaOptionEntry, pairs + 1);
    Hdfs__ECSchemaOptionEntry **pointers =
        arena_array(&s->arena, Hdfs__ECSchemaOptionEntry *, pairs + 1);
    if (schema == NULL || options == NULL || pointers == NULL)
        return no_memory(s);
    for (size_t i = 0; i < pairs; i++) {
        hdfs__ecschema_option_entry__init(&options[i]);
        options[i].key = (char *)(uintptr_t)p->options[2 * i];
        options[i].value = (char *)(uintptr_t)p->options[2 * i + 1];
        pointers[i] = &options[i];
    }
    hdfs__ecschema__init(schema);
    schema->codec_name = (char *)(uintptr_t)p->codec;
    schema->data_units = p->data_units;
    schema->parity_units = p->parity_units;
    schema->n_options = pairs;
    schema->options = pointers;
    ret->name = (char *)(uintptr_t)p->name;
    ret->has_cell_size = 1;
    ret->cell_size = p->cell_size;
    ret->schema = schema;
    return 0;
}

static int save_erasure_coding(struct saver *s)
{
    const struct kept *k = s->nn->kept;
    Image__ErasureCodingSection m = IMAGE__ERASURE_CODING_SECTION__INIT;
    Hdfs__ErasureCodingPolicy *policies =
        arena_array(&s->arena, Hdfs__ErasureCodingPolicy, k->policy_count + 1);
    m.policies = arena_array(&s->arena, Hdfs__ErasureCodingPolicy *, k->policy_count + 1);
    if (policies == NULL || m.policies == NULL)
        return no_memory(s);
    for (uint32_t i = 0; i < k->policy_count; i++) {
        TRY(fill_policy(s, &k->policies[i], &policies[i]));
        m.policies[m.n_policies++] = &policies[i];
    }
    return put_message(s, &m.base);
}

static int save_snapshots(struct saver *s)
{
    Image__SnapshotSection m = IMAGE__SNAPSHOT_SECTION__INIT;
    m.has_snapshot_counter = m.has_num_snapshots = 1;
    m.snapshot_counter = s->nn->kept->snapshot_counter;
    return put_message(s, &m.base);
}

static int save_key(struct saver *s, const struct kept_key *key)
{
    Image__DelegationKey m = IMAGE__DELEGATION_KEY__INIT;
    m.has_id = m.has_expiry_date = 1;
    m.id = key->id;
    m.expiry_date = key->expiry;
    m.has_key = key->has_key;
    m.key.data = (uint8_t *)(uintptr_t)key->key.data;
    m.key.len = key->key.size;
    return put_message(s, &m.base);
}

static int save_token(struct saver *s, const struct kept_token *t)
{
    Image__PersistToken m = IMAGE__PERSIST_TOKEN__INIT;
    m.has_issue_date = m.has_max_date = m.has_sequence_number = m.has_master_key_id =
        m.has_expiry_date = 1;
    m.owner = (char *)(uintptr_t)t->owner;
    m.renewer = (char *)(uintptr_t)t->renewer;
    m.real_user = (char *)(uintptr_t)t->real_user;
    m.issue_date = t->issue_date;
    m.max_date = t->max_date;
    m.sequence_number = t->sequence;
    m.master_key_id = t->master_key;
    m.expiry_date = t->expiry;
    return put_message(s, &m.base);
}

static int save_secrets(struct saver *s)
{
    const struct kept *k = s->nn->kept;
    Image__SecretManagerSection m = IMAGE__SECRET_MANAGER_SECTION__INIT;
    m.has_current_id = m.has_token_sequence_number = m.has_num_keys = m.has_num_tokens = 1;
    m.current_id = k->master_key_id;
    m.token_sequence_number = k->token_sequence;
    m.num_keys = k->key_count;
    m.num_tokens = k->token_count;
    TRY(put_message(s, &m.base));
    for (uint32_t i = 0; i < k->key_count; i++)
        TRY(save_key(s, &k->keys[i]));
    for (uint32_t i = 0; i < k->token_count; i++)
        TRY(save_token(s, &k->tokens[i]));
    return 0;
}

static int save_cache_pool(struct saver *s, const struct kept_cache_pool *p)
{
    Hdfs__CachePoolInfo m = HDFS__CACHE_POOL_INFO__INIT;
    m.pool_name = (char *)(uintptr_t)p->name;
    m.owner_name = (char *)(uintptr_t)p->owner;
    m.group_name = (char *)(uintptr_t)p->group;
    m.has_mode = m.has_limit = m.has_max_relative_expiry = 1;
    m.mode = p->mode;
    m.limit = (int64_t)p->limit;
    m.max_relative_expiry = (int64_t)p->max_expiry;
    m.has_default_replication = p->replication != 1;
    m.default_replication = p->replication;
    return put_message(s, &m.base);
}

static int save_directive(struct saver *s, const struct kept_directive *d)
{
    Hdfs__CacheDirectiveInfo m = HDFS__CACHE_DIRECTIVE_INFO__INIT;
    Hdfs__CacheDirectiveInfoExpiration e = HDFS__CACHE_DIRECTIVE_INFO_EXPIRATION__INIT;
    m.has_id = m.has_replication = 1;
    m.id = (int64_t)d->id;
    m.path = (char *)(uintptr_t)d->path;
    m.pool = (char *)(uintptr_t)d->pool;
    m.replication = d->replication;
    e.millis = (int64_t)d->expiry;
    m.expiration = &e;
    return put_message(s, &m.base);
}

static int save_cache(struct saver *s)
{
    const struct kept *k = s->nn->kept;
    Image__CacheManagerSection m = IMAGE__CACHE_MANAGER_SECTION__INIT;
    m.next_directive_id = k->next_cache_directive;
    m.num_pools = k->cache_pool_count;
    m.num_directives = k->directive_count;
    TRY(put_message(s, &m.base));
    for (uint32_t i = 0; i < k->cache_pool_count; i++)
        TRY(save_cache_pool(s, &k->cache_pools[i]));
    for (uint32_t i = 0; i < k->directive_count; i++)
        TRY(save_directive(s, &k->directives[i]));
    return 0;
}

static int save_strings(struct saver *s)
{
    Image__StringTableSection m = IMAGE__STRING_TABLE_SECTION__INIT;
    const struct ns *ns = s->nn->ns;
    m.has_num_entry = m.has_mask_bits = 1;
    m.mask_bits = IMAGE_STRING_KIND_BITS;
    for (enum name_kind kind = NAME_USER; kind <= NAME_XATTR; kind++)
        m.num_entry += ns_interned_count(ns, kind);
    TRY(put_message(s, &m.base));
    for (enum name_kind kind = NAME_USER; kind <= NAME_XATTR; kind++) {
        for (uint32_t id = 1; id <= ns_interned_count(ns, kind); id++) {
            Image__StringTableEntry e = IMAGE__STRING_TABLE_ENTRY__INIT;
            e.has_id = 1;
            e.id = id | (uint32_t)kind << (32 - IMAGE_STRING_KIND_BITS);
            e.str = (char *)(uintptr_t)ns_interned(ns, kind, id);
            TRY(put_message(s, &e.base));
        }
    }
    return 0;
}

/* ---- inodes ---- */

static int fill_acl(struct saver *s, handle_t h, Image__AclFeature **ret)
{
    uint32_t count;
    const uint32_t *acl = ns_acl(s->nn->ns, h, &count);
    if (count == 0)
        return 0;
    Image__AclFeature *m = arena_new(&s->arena, Image__AclFeature);
    if (m == NULL)
        return no_memory(s);
    image__acl_feature__init(m);
    m->n_entries = count; /* our words are the image's */
    m->entries = (uint32_t *)(uintptr_t)acl;
    *ret = m;
    return 0;
}

static uint32_t pack_xattr_name(const struct xattr *x)
{
    return (uint32_t)(x->space & 3) << 30 | x->name << 6 | (uint32_t)(x->space >> 2 & 1) << 5;
}

static int fill_xattrs(struct saver *s, handle_t h, Image__XAttrFeature **ret)
{
    struct xattr x;
    uint32_t cursor = 0;
    size_t count = 0;
    while (ns_xattr_next(s->nn->ns, h, &cursor, &x))
        count++;
    if (count == 0)
        return 0;
    Image__XAttrFeature *m = arena_new(&s->arena, Image__XAttrFeature);
    Image__XAttrCompact *all = arena_array(&s->arena, Image__XAttrCompact, count);
    Image__XAttrCompact **pointers = arena_array(&s->arena, Image__XAttrCompact *, count);
    if (m == NULL || all == NULL || pointers == NULL)
        return no_memory(s);
    image__xattr_feature__init(m);
    m->xattrs = pointers;
    for (cursor = 0; ns_xattr_next(s->nn->ns, h, &cursor, &x);) {
        Image__XAttrCompact *c = &all[m->n_xattrs];
        image__xattr_compact__init(c);
        c->name = pack_xattr_name(&x);
        c->has_value = x.value.size > 0;
        c->value.data = (uint8_t *)(uintptr_t)x.value.data;
        c->value.len = x.value.size;
        pointers[m->n_xattrs++] = c;
    }
    *ret = m;
    return 0;
}

static int fill_blocks(struct saver *s, handle_t h, Image__INodeFile *m)
{
    uint32_t count = ns_inode(s->nn->ns, h)->file.block_count;
    Hdfs__Block *all = arena_array(&s->arena, Hdfs__Block, count + 1);
    m->blocks = arena_array(&s->arena, Hdfs__Block *, count + 1);
    if (all == NULL || m->blocks == NULL)
        return no_memory(s);
    const handle_t *blocks = ns_blocks(s->nn->ns, h);
    for (uint32_t i = 0; i < count; i++) {
        struct block_info b;
        blocks_get(s->nn->blocks, blocks[i], &b);
        hdfs__block__init(&all[i]);
        all[i].block_id = b.id;
        all[i].gen_stamp = b.generation_stamp;
        all[i].has_num_bytes = 1;
        all[i].num_bytes = b.length;
        m->blocks[i] = &all[i];
    }
    m->n_blocks = count;
    return 0;
}

static int fill_open(struct saver *s, handle_t h, Image__INodeFile *m)
{
    if (ns_uc(s->nn->ns, h) == NULL)
        return 0;
    struct slice machine = ns_uc_machine(s->nn->ns, h);
    Image__FileUnderConstructionFeature *uc =
        arena_new(&s->arena, Image__FileUnderConstructionFeature);
    if (uc == NULL)
        return no_memory(s);
    image__file_under_construction_feature__init(uc);
    uc->client_name = (char *)(uintptr_t)ns_uc_client(s->nn->ns, h);
    uc->client_machine = arena_strndup(&s->arena, machine.data, machine.size);
    uint32_t count = ns_inode(s->nn->ns, h)->file.block_count;
    uc->has_cut_length =
        count > 0 &&
        blocks_being_cut(s->nn->blocks, ns_blocks(s->nn->ns, h)[count - 1], &uc->cut_length);
    m->file_uc = uc;
    return uc->client_machine == NULL ? no_memory(s) : 0;
}

static int save_file(struct saver *s, handle_t h, Image__INode *inode)
{
    const struct inode *i = ns_inode(s->nn->ns, h);
    Image__INodeFile m = IMAGE__INODE_FILE__INIT;
    m.has_modification_time = m.has_access_time = m.has_preferred_block_size = m.has_permission = 1;
    m.has_storage_policy_id = m.has_block_type = 1;
    m.modification_time = i->mtime_ms;
    m.access_time = i->file.atime_ms;
    m.preferred_block_size = i->file.block_size;
    m.permission = i->perm;
    m.storage_policy_id = i->file.policy;
    m.block_type = i->file.ec != 0 ? HDFS__BLOCK_TYPE__STRIPED : HDFS__BLOCK_TYPE__CONTIGUOUS;
    m.has_replication = i->file.ec == 0;
    m.replication = i->file.replication;
    m.has_erasure_coding_policy_id = i->file.ec != 0;
    m.erasure_coding_policy_id = i->file.ec;
    TRY(fill_blocks(s, h, &m));
    TRY(fill_open(s, h, &m));
    TRY(fill_acl(s, h, &m.acl));
    TRY(fill_xattrs(s, h, &m.xattrs));
    inode->type = IMAGE__INODE__TYPE__FILE;
    inode->file = &m;
    return put_message(s, &inode->base);
}

static int fill_type_quotas(struct saver *s, const struct dir_quota *q, Image__INodeDirectory *m)
{
    Image__QuotaByStorageTypeFeature *f = arena_new(&s->arena, Image__QuotaByStorageTypeFeature);
    Image__QuotaByStorageTypeEntry *all =
        arena_array(&s->arena, Image__QuotaByStorageTypeEntry, QUOTA_TYPES);
    if (f == NULL || all == NULL)
        return no_memory(s);
    image__quota_by_storage_type_feature__init(f);
    f->quotas = arena_array(&s->arena, Image__QuotaByStorageTypeEntry *, QUOTA_TYPES);
    if (f->quotas == NULL)
        return no_memory(s);
    for (int i = 0; i < QUOTA_TYPES; i++) {
        if (q->type[i] == NS_NO_QUOTA)
            continue;
        image__quota_by_storage_type_entry__init(&all[i]);
        all[i].storage_type = (Hdfs__StorageType)image_storage_type[i];
        all[i].quota = q->type[i];
        f->quotas[f->n_quotas++] = &all[i];
    }
    if (f->n_quotas > 0)
        m->type_quotas = f;
    return 0;
}

static int save_dir(struct saver *s, handle_t h, Image__INode *inode)
{
    const struct inode *i = ns_inode(s->nn->ns, h);
    const struct dir_quota *q = ns_quota(s->nn->ns, h);
    Image__INodeDirectory m = IMAGE__INODE_DIRECTORY__INIT;
    m.has_modification_time = m.has_ns_quota = m.has_ds_quota = m.has_permission = 1;
    m.modification_time = i->mtime_ms;
    m.ns_quota = q == NULL ? NS_NO_QUOTA : q->ns;
    m.ds_quota = q == NULL ? NS_NO_QUOTA : q->ds;
    m.permission = i->perm;
    if (q != NULL)
        TRY(fill_type_quotas(s, q, &m));
    TRY(fill_acl(s, h, &m.acl));
    TRY(fill_xattrs(s, h, &m.xattrs));
    inode->type = IMAGE__INODE__TYPE__DIRECTORY;
    inode->directory = &m;
    return put_message(s, &inode->base);
}

static int save_symlink(struct saver *s, handle_t h, Image__INode *inode)
{
    const struct inode *i = ns_inode(s->nn->ns, h);
    struct slice target = ns_symlink_target(s->nn->ns, h);
    Image__INodeSymlink m = IMAGE__INODE_SYMLINK__INIT;
    m.has_permission = m.has_target = m.has_modification_time = m.has_access_time = 1;
    m.permission = i->perm;
    m.target = (ProtobufCBinaryData){target.size, (uint8_t *)(uintptr_t)target.data};
    m.modification_time = i->mtime_ms;
    m.access_time = i->link.atime_ms;
    inode->type = IMAGE__INODE__TYPE__SYMLINK;
    inode->symlink = &m;
    return put_message(s, &inode->base);
}

static int save_inode(struct saver *s, handle_t h)
{
    const struct inode *i = ns_inode(s->nn->ns, h);
    struct slice name = ns_name(s->nn->ns, h);
    Image__INode m = IMAGE__INODE__INIT;
    m.id = i->id;
    m.has_name = 1;
    m.name = (ProtobufCBinaryData){name.size, (uint8_t *)(uintptr_t)name.data};
    arena_reset(&s->arena);
    switch (i->type) {
    case INODE_FILE:
        return save_file(s, h, &m);
    case INODE_DIR:
        return save_dir(s, h, &m);
    default:
        return save_symlink(s, h, &m);
    }
}

/* The header tells the count before; deleted trees that wait to be freed aren't part of it. */
static int save_inodes(struct saver *s)
{
    const struct ns *ns = s->nn->ns;
    Image__INodeSection head = IMAGE__INODE_SECTION__INIT;
    struct ns_walk walk = ns_walk_from(ns, ns_root(ns));
    head.has_last_inode_id = head.has_num_inodes = 1;
    head.last_inode_id = ns_last_inode_id(ns);
    while (ns_walk_next(&walk) != 0)
        head.num_inodes++;
    TRY(put_message(s, &head.base));
    if (s->options.sections > 0 && head.num_inodes > s->options.threshold)
        s->inodes_per_range = (head.num_inodes + s->options.sections - 1) / s->options.sections;
    uint64_t count = 0;
    walk = ns_walk_from(ns, ns_root(ns));
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;) {
        TRY(save_inode(s, h));
        if (++count == s->inodes_per_range) {
            end_range(s, "INODE_SUB");
            count = 0;
        }
    }
    end_range(s, "INODE_SUB");
    return 0;
}

static int save_children(struct saver *s, handle_t dir)
{
    const struct ns *ns = s->nn->ns;
    const struct inode *d = ns_inode(ns, dir);
    uint64_t *ids = malloc(d->dir.child_count * sizeof(*ids));
    if (ids == NULL)
        return no_memory(s);
    Image__DirEntry m = IMAGE__DIR_ENTRY__INIT;
    m.has_parent = 1;
    m.parent = d->id;
    m.children = ids;
    uint32_t count;
    const handle_t *run;
    for (uint32_t k = 0; (run = ns_children(ns, dir, k, &count)) != NULL; k++)
        for (uint32_t i = 0; i < count; i++)
            ids[m.n_children++] = ns_inode(ns, run[i])->id;
    int rc = put_message(s, &m.base);
    free(ids);
    return rc;
}

static int save_directories(struct saver *s)
{
    const struct ns *ns = s->nn->ns;
    struct ns_walk walk = ns_walk_from(ns, ns_root(ns));
    uint64_t count = 0;
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;) {
        if (!inode_is_dir(ns_inode(ns, h)) || ns_inode(ns, h)->dir.child_count == 0)
            continue;
        TRY(save_children(s, h));
        count += ns_inode(ns, h)->dir.child_count;
        if (count >= s->inodes_per_range) {
            end_range(s, "INODE_DIR_SUB");
            count = 0;
        }
    }
    end_range(s, "INODE_DIR_SUB");
    return 0;
}

static int save_open_files(struct saver *s)
{
    const struct ns *ns = s->nn->ns;
    struct ns_walk walk = ns_walk_from(ns, ns_root(ns));
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;) {
        if (ns_uc(ns, h) == NULL)
            continue;
        Image__FileUnderConstructionEntry m = IMAGE__FILE_UNDER_CONSTRUCTION_ENTRY__INIT;
        arena_reset(&s->arena);
        m.has_inode_id = 1;
        m.inode_id = ns_inode(ns, h)->id;
        m.full_path = (char *)(uintptr_t)ns_path(ns, h, &s->arena);
        if (m.full_path == NULL)
            return no_memory(s);
        TRY(put_message(s, &m.base));
    }
    return 0;
}

/* References between inodes come with snapshots. */
static int save_nothing(struct saver *s)
{
    (void)s;
    return 0;
}

/* ---- the file ---- */

static const struct {
    const char *name;
    int (*save)(struct saver *s);
} sections[] = {
    {"NS_INFO", save_ns_info},
    {"ERASURE_CODING", save_erasure_coding},
    {"INODE", save_inodes},
    {"INODE_DIR", save_directories},
    {"FILES_UNDERCONSTRUCTION", save_open_files},
    {"SNAPSHOT", save_snapshots},
    {"INODE_REFERENCE", save_nothing},
    {"SECRET_MANAGER", save_secrets},
    {"CACHE_MANAGER", save_cache},
    {"STRING_TABLE", save_strings},
};

static int save_summary(struct saver *s)
{
    uint64_t start = s->offset;
    uint8_t length[4];
    Image__FileSummary m = IMAGE__FILE_SUMMARY__INIT;
    m.ondisk_version = IMAGE_ONDISK_VERSION;
    m.layout_version = (uint32_t)IMAGE_LAYOUT_VERSION;
    m.n_sections = s->section_count;
    m.sections = s->section_pointers;
    TRY(put_message(s, &m.base));
    put_u32(length, (uint32_t)(s->offset - start));
    return put_bytes(s, length, sizeof(length));
}

static int save_all(struct saver *s)
{
    TRY(put_bytes(s, IMAGE_MAGIC, IMAGE_MAGIC_SIZE));
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        begin_section(s);
        arena_reset(&s->arena);
        TRY(sections[i].save(s));
        end_section(s, sections[i].name);
    }
    TRY(save_summary(s));
    return flush(s);
}

int image_save(const struct nn *nn, image_write_fn write, void *ctx,
               uint8_t ret_md5[IMAGE_MD5_SIZE], struct err *err)
{
    return image_save_with(nn, &(struct image_options){0}, write, ctx, ret_md5, err);
}

int image_save_with(const struct nn *nn, const struct image_options *options, image_write_fn write,
                    void *ctx, uint8_t ret_md5[IMAGE_MD5_SIZE], struct err *err)
{
    struct saver *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for writing the image");
    s->nn = nn;
    s->options = *options;
    if (s->options.sections > MAX_RANGES)
        s->options.sections = MAX_RANGES;
    s->write = write;
    s->ctx = ctx;
    s->err = err;
    s->md5 = EVP_MD_CTX_new();
    arena_init(&s->arena, 0);
    int rc = s->md5 == NULL || EVP_DigestInit_ex(s->md5, EVP_md5(), NULL) != 1 ? no_memory(s)
                                                                               : save_all(s);
    if (rc == 0 && EVP_DigestFinal_ex(s->md5, ret_md5, NULL) != 1)
        rc = fail(err, ERR_IO, "the MD5 of the image can't be computed");
    EVP_MD_CTX_free(s->md5);
    buf_fini(&s->out);
    arena_fini(&s->arena);
    free(s);
    return rc;
}
