/* oiv_xml.c - an image as the XML of Hadoop's offline image viewer, byte for byte, snapshots
 * included. Record by record; nothing of the tree is kept. Thread: main's. */
#include <time.h>

#include "cli/tools/internal.h"
#include "image.pb-c.h"
#include "namenode/journal/journal.h"

struct view {
    const struct image_file *file;
    FILE *out;
    struct records r;
};

/* ---- elements ---- */

static void put_char(FILE *out, uint32_t cp)
{
    static const struct {
        char c;
        const char *name;
    } entities[] = {
        {'&', "&amp;"}, {'"', "&quot;"}, {'\'', "&apos;"}, {'<', "&lt;"}, {'>', "&gt;"}};
    if (text_is_mangled(cp)) {
        (void)fprintf(out, "\\%04x;", cp);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
        if (cp == (uint32_t)entities[i].c) {
            (void)fputs(entities[i].name, out);
            return;
        }
    text_put_utf8(out, cp);
}

static void el_slice(struct view *v, const char *tag, struct slice text)
{
    (void)fprintf(v->out, "<%s>", tag);
    for (size_t at = 0; at < text.size;)
        put_char(v->out, text_next(text, &at));
    (void)fprintf(v->out, "</%s>", tag);
}

static void el(struct view *v, const char *tag, const char *text)
{
    el_slice(v, tag, slice_of(text == NULL ? "" : text));
}

static void el_bytes(struct view *v, const char *tag, ProtobufCBinaryData b)
{
    el_slice(v, tag, (struct slice){b.data, b.len});
}

static void el_long(struct view *v, const char *tag, uint64_t value)
{
    (void)fprintf(v->out, "<%s>%" PRId64 "</%s>", tag, (int64_t)value, tag);
}

static void el_int(struct view *v, const char *tag, uint32_t value)
{
    (void)fprintf(v->out, "<%s>%d</%s>", tag, (int32_t)value, tag);
}

static void el_hex(struct view *v, const char *tag, ProtobufCBinaryData b)
{
    (void)fprintf(v->out, "<%s>", tag);
    for (size_t i = 0; i < b.len; i++)
        (void)fprintf(v->out, "%02x", b.data[i]);
    (void)fprintf(v->out, "</%s>", tag);
}

static void el_date(struct view *v, const char *tag, uint64_t ms)
{
    time_t seconds = (time_t)((int64_t)ms / 1000);
    int rest = (int)((int64_t)ms % 1000);
    struct tm tm;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    if (gmtime_r(&seconds, &tm) == NULL) /* beyond what a year can be */
        tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    (void)fprintf(v->out, "<%s>%04d-%02d-%02dT%02d:%02d:%02d.%03d</%s>", tag, tm.tm_year + 1900,
                  tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, rest, tag);
}

static void raw(struct view *v, const char *text)
{
    (void)fputs(text, v->out);
}

/* ---- records ---- */

/* The next record of the section as a message; *ret NULL at the end. */
static int next(struct view *v, const ProtobufCMessageDescriptor *type, void *ret, struct err *err)
{
    struct slice bytes;
    bool one;
    ProtobufCMessage *m = NULL;
    TRY(records_next(&v->r, &bytes, &one, err));
    if (one) {
        m = protobuf_c_message_unpack(type, &v->r.arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return records_bad(&v->r, err);
    }
    memcpy(ret, &m, sizeof(m));
    return 0;
}

static int must_next(struct view *v, const ProtobufCMessageDescriptor *type, void *ret,
                     struct err *err)
{
    ProtobufCMessage *m;
    TRY(next(v, type, &m, err));
    memcpy(ret, &m, sizeof(m));
    return m != NULL ? 0 : records_bad(&v->r, err);
}

/* ---- small sections ---- */

static int name_section(struct view *v, struct err *err)
{
    Image__NameSystemSection *m;
    TRY(must_next(v, &image__name_system_section__descriptor, &m, err));
    raw(v, "<NameSection>");
    el_int(v, "namespaceId", m->namespace_id);
    el_long(v, "genstampV1", m->genstamp_v1);
    el_long(v, "genstampV2", m->genstamp_v2);
    el_long(v, "genstampV1Limit", m->genstamp_v1_limit);
    el_long(v, "lastAllocatedBlockId", m->last_allocated_block_id);
    el_long(v, "txid", m->transaction_id);
    raw(v, "</NameSection>\n");
    return 0;
}

static void put_policy(struct view *v, const struct kept_ec_policy *p, int state)
{
    static const char *const states[] = {"", "DISABLED", "ENABLED", "REMOVED"};
    raw(v, "<erasureCodingPolicy>\n");
    el_int(v, "policyId", p->id);
    el(v, "policyName", p->name);
    el_int(v, "cellSize", p->cell_size);
    el(v, "policyState", states[state & 3]);
    raw(v, "<ecSchema>\n");
    el(v, "codecName", p->codec);
    el_int(v, "dataUnits", p->data_units);
    el_int(v, "parityUnits", p->parity_units);
    if (p->option_count > 0) {
        raw(v, "<extraOptions>\n");
        for (uint32_t i = 0; i + 1 < p->option_count; i += 2) {
            raw(v, "<option>\n");
            el(v, "key", p->options[i]);
            el(v, "value", p->options[i + 1]);
            raw(v, "</option>\n");
        }
        raw(v, "</extraOptions>\n");
    }
    raw(v, "</ecSchema>\n</erasureCodingPolicy>\n\n");
}

/* A built-in policy is just its number in the image. */
static int one_policy(struct view *v, const struct kept *built_in,
                      const Hdfs__ErasureCodingPolicy *m, struct err *err)
{
    const struct kept_ec_policy *known = kept_find_policy_id(built_in, (uint8_t)m->id);
    int state = m->has_state ? (int)m->state : 2;
    if (m->schema == NULL) {
        if (known == NULL)
            return records_bad(&v->r, err);
        put_policy(v, known, state);
        return 0;
    }
    struct kept_ec_policy p = {.id = (uint8_t)m->id,
                               .name = m->name,
                               .codec = m->schema->codec_name,
                               .data_units = m->schema->data_units,
                               .parity_units = m->schema->parity_units,
                               .cell_size = m->cell_size};
    p.options = arena_array(&v->r.arena, const char *, 2 * m->schema->n_options + 1);
    if (p.options == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    for (size_t i = 0; i < m->schema->n_options; i++) {
        p.options[p.option_count++] = m->schema->options[i]->key;
        p.options[p.option_count++] = m->schema->options[i]->value;
    }
    put_policy(v, &p, state);
    return 0;
}

static int erasure_coding_section(struct view *v, struct err *err)
{
    Image__ErasureCodingSection *m;
    struct kept *built_in;
    TRY(must_next(v, &image__erasure_coding_section__descriptor, &m, err));
    if (m->n_policies == 0)
        return 0;
    if (kept_new(&built_in) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    raw(v, "<ErasureCodingSection>\n");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->n_policies; i++)
        rc = one_policy(v, built_in, m->policies[i], err);
    raw(v, "</ErasureCodingSection>\n\n");
    kept_free(built_in);
    return rc;
}

/* ---- inodes ---- */

static void put_permission(struct view *v, uint64_t permission)
{
    char text[16];
    (void)snprintf(text, sizeof(text), ":%04o", (unsigned)(permission & 0xffff));
    const char *user = image_string_of(v->file, KIND_USER, (uint32_t)(permission >> 40));
    const char *group =
        image_string_of(v->file, KIND_GROUP, (uint32_t)(permission >> 16 & 0xffffff));
    struct buf all = {0};
    if (buf_printf(&all, "%s:%s%s", user, group, text) == 0)
        el_slice(v, "permission", (struct slice){buf_head(&all), buf_size(&all)});
    buf_fini(&all);
}

/* NUL is a character, too. */
static bool is_text(struct slice s)
{
    for (size_t at = 0; at < s.size;) {
        size_t from = at;
        if (text_next(s, &at) == 0xfffd && at == from + 1)
            return false;
    }
    return true;
}

static void put_xattrs(struct view *v, const Image__XAttrFeature *f)
{
    static const char *const spaces[] = {"USER", "TRUSTED", "SECURITY", "SYSTEM", "RAW"};
    if (f == NULL)
        return;
    raw(v, "<xattrs>");
    for (size_t i = 0; i < f->n_xattrs; i++) {
        const Image__XAttrCompact *x = f->xattrs[i];
        uint32_t space = x->name >> 30 | (x->name >> 5 & 1) << 2;
        struct slice value = {x->value.data, x->value.len};
        raw(v, "<xattr>");
        el(v, "ns", space < ARRAY_SIZE(spaces) ? spaces[space] : "null");
        el(v, "name", image_string_of(v->file, KIND_XATTR, x->name >> 6 & 0xffffff));
        if (is_text(value))
            el_slice(v, "val", value);
        else
            el_hex(v, "valHex", x->value);
        raw(v, "</xattr>");
    }
    raw(v, "</xattrs>");
}

static void put_acl_entry(struct view *v, uint32_t e)
{
    static const char *const types[] = {"user", "group", "mask", "other"};
    uint32_t type = e >> 3 & 3, id = e >> 6 & 0xffffff;
    const char *name =
        id == 0 ? "" : image_string_of(v->file, type == 0 ? KIND_USER : KIND_GROUP, id);
    struct buf all = {0};
    if (buf_printf(&all, "%s%s:%s:%c%c%c", (e >> 5 & 1) != 0 ? "default:" : "", types[type], name,
                   (e & 4) != 0 ? 'r' : '-', (e & 2) != 0 ? 'w' : '-',
                   (e & 1) != 0 ? 'x' : '-') == 0)
        el_slice(v, "acl", (struct slice){buf_head(&all), buf_size(&all)});
    buf_fini(&all);
}

static void put_acl(struct view *v, const Image__AclFeature *f)
{
    if (f == NULL || f->n_entries == 0)
        return;
    raw(v, "<acls>");
    for (size_t i = 0; i < f->n_entries; i++)
        put_acl_entry(v, f->entries[i]);
    raw(v, "</acls>");
}

static void put_blocks(struct view *v, Hdfs__Block **blocks, size_t count)
{
    if (count == 0)
        return;
    raw(v, "<blocks>");
    for (size_t i = 0; i < count; i++) {
        raw(v, "<block>");
        el_long(v, "id", blocks[i]->block_id);
        el_long(v, "genstamp", blocks[i]->gen_stamp);
        el_long(v, "numBytes", blocks[i]->num_bytes);
        raw(v, "</block>\n");
    }
    raw(v, "</blocks>\n");
}

static void put_file(struct view *v, const Image__INodeFile *f)
{
    el_int(v, "replication", f->has_erasure_coding_policy_id ? 1 : f->replication);
    el_long(v, "mtime", f->modification_time);
    el_long(v, "atime", f->access_time);
    el_long(v, "preferredBlockSize", f->preferred_block_size);
    put_permission(v, f->permission);
    put_xattrs(v, f->xattrs);
    put_acl(v, f->acl);
    put_blocks(v, f->blocks, f->n_blocks);
    if (f->has_storage_policy_id)
        el_int(v, "storagePolicyId", f->storage_policy_id);
    if (f->has_erasure_coding_policy_id) {
        el(v, "blockType", f->block_type == HDFS__BLOCK_TYPE__STRIPED ? "STRIPED" : "CONTIGUOUS");
        el_int(v, "erasureCodingPolicyId", f->erasure_coding_policy_id);
    }
    if (f->file_uc != NULL) {
        raw(v, "<file-under-construction>");
        el(v, "clientName", f->file_uc->client_name);
        el(v, "clientMachine", f->file_uc->client_machine);
        raw(v, "</file-under-construction>\n");
    }
}

static void put_dir(struct view *v, const Image__INodeDirectory *d)
{
    el_long(v, "mtime", d->modification_time);
    put_permission(v, d->permission);
    put_xattrs(v, d->xattrs);
    put_acl(v, d->acl);
    if (d->has_ds_quota && d->has_ns_quota) {
        el_long(v, "nsquota", d->ns_quota);
        el_long(v, "dsquota", d->ds_quota);
    }
    for (size_t i = 0; d->type_quotas != NULL && i < d->type_quotas->n_quotas; i++) {
        const Image__QuotaByStorageTypeEntry *q = d->type_quotas->quotas[i];
        const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(
            &hdfs__storage_type__descriptor, (int)q->storage_type);
        raw(v, "<typeQuota>");
        el(v, "type", type == NULL ? "" : type->name);
        el_long(v, "quota", q->quota);
        raw(v, "</typeQuota>");
    }
}

static void put_inode(struct view *v, const Image__INode *p)
{
    static const char *const types[] = {"", "FILE", "DIRECTORY", "SYMLINK"};
    el_long(v, "id", p->id);
    el(v, "type", types[p->type & 3]);
    el_bytes(v, "name", p->name);
    if (p->file != NULL) {
        put_file(v, p->file);
    } else if (p->directory != NULL) {
        put_dir(v, p->directory);
    } else if (p->symlink != NULL) {
        put_permission(v, p->symlink->permission);
        el_bytes(v, "target", p->symlink->target);
        el_long(v, "mtime", p->symlink->modification_time);
        el_long(v, "atime", p->symlink->access_time);
    }
}

static int inode_section(struct view *v, struct err *err)
{
    Image__INodeSection *head;
    TRY(must_next(v, &image__inode_section__descriptor, &head, err));
    uint64_t count = head->num_inodes;
    raw(v, "<INodeSection>");
    el_long(v, "lastInodeId", head->last_inode_id);
    el_long(v, "numInodes", count);
    for (uint64_t i = 0; i < count; i++) {
        Image__INode *p;
        TRY(must_next(v, &image__inode__descriptor, &p, err));
        raw(v, "<inode>");
        put_inode(v, p);
        raw(v, "</inode>\n");
    }
    raw(v, "</INodeSection>\n");
    return 0;
}

static int reference_section(struct view *v, struct err *err)
{
    Image__INodeReference *m;
    raw(v, "<INodeReferenceSection>");
    for (;;) {
        TRY(next(v, &image__inode_reference__descriptor, &m, err));
        if (m == NULL)
            break;
        raw(v, "<ref>");
        el_long(v, "referredId", m->referred_id);
        el_bytes(v, "name", m->name);
        el_int(v, "dstSnapshotId", m->dst_snapshot_id);
        el_int(v, "lastSnapshotId", m->last_snapshot_id);
        raw(v, "</ref>\n");
    }
    raw(v, "</INodeReferenceSection>");
    return 0;
}

static int directory_section(struct view *v, struct err *err)
{
    Image__DirEntry *m;
    raw(v, "<INodeDirectorySection>");
    for (;;) {
        TRY(next(v, &image__dir_entry__descriptor, &m, err));
        if (m == NULL)
            break;
        raw(v, "<directory>");
        el_long(v, "parent", m->parent);
        for (size_t i = 0; i < m->n_children; i++)
            el_long(v, "child", m->children[i]);
        for (size_t i = 0; i < m->n_ref_children; i++)
            el_int(v, "refChild", m->ref_children[i]);
        raw(v, "</directory>\n");
    }
    raw(v, "</INodeDirectorySection>\n");
    return 0;
}

static int open_section(struct view *v, struct err *err)
{
    Image__FileUnderConstructionEntry *m;
    raw(v, "<FileUnderConstructionSection>");
    for (;;) {
        TRY(next(v, &image__file_under_construction_entry__descriptor, &m, err));
        if (m == NULL)
            break;
        raw(v, "<inode>");
        el_long(v, "id", m->inode_id);
        el(v, "path", m->full_path);
        raw(v, "</inode>\n");
    }
    raw(v, "</FileUnderConstructionSection>\n");
    return 0;
}

/* ---- snapshots ---- */

static int snapshot_section(struct view *v, struct err *err)
{
    Image__SnapshotSection *head;
    TRY(must_next(v, &image__snapshot_section__descriptor, &head, err));
    uint32_t count = head->num_snapshots;
    raw(v, "<SnapshotSection>");
    el_int(v, "snapshotCounter", head->snapshot_counter);
    el_int(v, "numSnapshots", count);
    if (head->n_snapshottable_dir > 0) {
        raw(v, "<snapshottableDir>");
        for (size_t i = 0; i < head->n_snapshottable_dir; i++)
            el_long(v, "dir", head->snapshottable_dir[i]);
        raw(v, "</snapshottableDir>\n");
    }
    for (uint32_t i = 0; i < count; i++) {
        Image__Snapshot *m;
        TRY(must_next(v, &image__snapshot__descriptor, &m, err));
        raw(v, "<snapshot>");
        el_int(v, "id", m->snapshot_id);
        raw(v, "<root>");
        if (m->root != NULL)
            put_inode(v, m->root);
        raw(v, "</root></snapshot>");
    }
    raw(v, "</SnapshotSection>\n");
    return 0;
}

static int file_diff(struct view *v, struct err *err)
{
    static const Image__INodeFile none = IMAGE__INODE_FILE__INIT;
    Image__FileDiff *m;
    TRY(must_next(v, &image__file_diff__descriptor, &m, err));
    raw(v, "<fileDiff>");
    el_int(v, "snapshotId", m->snapshot_id);
    el_long(v, "size", m->file_size);
    el_bytes(v, "name", m->name);
    raw(v, "<snapshotCopy>"); /* Hadoop's tool shows an empty one, too */
    put_file(v, m->snapshot_copy != NULL ? m->snapshot_copy : &none);
    raw(v, "</snapshotCopy>\n");
    put_blocks(v, m->blocks, m->n_blocks);
    raw(v, "</fileDiff>\n");
    return 0;
}

static int dir_diff(struct view *v, struct err *err)
{
    Image__DirectoryDiff *m;
    TRY(must_next(v, &image__directory_diff__descriptor, &m, err));
    uint32_t created = m->created_list_size;
    raw(v, "<dirDiff>");
    el_int(v, "snapshotId", m->snapshot_id);
    el_int(v, "childrenSize", m->children_size);
    if (m->is_snapshot_root)
        raw(v, "<isSnapshotRoot/>");
    el_bytes(v, "name", m->name);
    if (m->snapshot_copy != NULL) {
        raw(v, "<snapshotCopy>");
        put_dir(v, m->snapshot_copy);
        raw(v, "</snapshotCopy>\n");
    }
    el_int(v, "createdListSize", created);
    for (size_t i = 0; i < m->n_deleted_inode; i++)
        el_long(v, "deletedInode", m->deleted_inode[i]);
    for (size_t i = 0; i < m->n_deleted_inode_ref; i++)
        el_int(v, "deletedInoderef", m->deleted_inode_ref[i]);
    for (uint32_t i = 0; i < created; i++) {
        Image__CreatedListEntry *c;
        TRY(must_next(v, &image__created_list_entry__descriptor, &c, err));
        raw(v, "<created>");
        el_bytes(v, "name", c->name);
        raw(v, "</created>\n");
    }
    raw(v, "</dirDiff>\n");
    return 0;
}

static int diff_section(struct view *v, struct err *err)
{
    Image__DiffEntry *m;
    raw(v, "<SnapshotDiffSection>");
    for (;;) {
        TRY(next(v, &image__diff_entry__descriptor, &m, err));
        if (m == NULL)
            break;
        bool file = m->type == IMAGE__DIFF_ENTRY__TYPE__FILEDIFF;
        uint32_t count = m->num_of_diff;
        raw(v, file ? "<fileDiffEntry>" : "<dirDiffEntry>");
        el_long(v, "inodeId", m->inode_id);
        el_int(v, "count", count);
        for (uint32_t i = 0; i < count; i++)
            TRY(file ? file_diff(v, err) : dir_diff(v, err));
        raw(v, file ? "</fileDiffEntry>" : "</dirDiffEntry>");
    }
    raw(v, "</SnapshotDiffSection>\n");
    return 0;
}

/* ---- tokens, caches ---- */

static int one_key(struct view *v, struct err *err)
{
    Image__DelegationKey *m;
    TRY(must_next(v, &image__delegation_key__descriptor, &m, err));
    raw(v, "<delegationKey>");
    el_int(v, "id", m->id);
    el_hex(v, "key", m->key);
    if (m->has_expiry_date)
        el_date(v, "expiry", m->expiry_date);
    raw(v, "</delegationKey>");
    return 0;
}

static int one_token(struct view *v, struct err *err)
{
    Image__PersistToken *m;
    TRY(must_next(v, &image__persist_token__descriptor, &m, err));
    raw(v, "<token>");
    if (m->has_version)
        el_int(v, "version", m->version);
    if (m->owner != NULL)
        el(v, "owner", m->owner);
    if (m->renewer != NULL)
        el(v, "renewer", m->renewer);
    if (m->real_user != NULL)
        el(v, "realUser", m->real_user);
    if (m->has_issue_date)
        el_date(v, "issueDate", m->issue_date);
    if (m->has_max_date)
        el_date(v, "maxDate", m->max_date);
    if (m->has_sequence_number)
        el_int(v, "sequenceNumber", m->sequence_number);
    if (m->has_master_key_id)
        el_int(v, "masterKeyId", m->master_key_id);
    if (m->has_expiry_date)
        el_date(v, "expiryDate", m->expiry_date);
    raw(v, "</token>");
    return 0;
}

static int secret_section(struct view *v, struct err *err)
{
    Image__SecretManagerSection *m;
    TRY(must_next(v, &image__secret_manager_section__descriptor, &m, err));
    uint32_t keys = m->num_keys, tokens = m->num_tokens;
    raw(v, "<SecretManagerSection>");
    el_int(v, "currentId", m->current_id);
    el_int(v, "tokenSequenceNumber", m->token_sequence_number);
    el_int(v, "numDelegationKeys", keys);
    el_int(v, "numTokens", tokens);
    for (uint32_t i = 0; i < keys; i++)
        TRY(one_key(v, err));
    for (uint32_t i = 0; i < tokens; i++)
        TRY(one_token(v, err));
    raw(v, "</SecretManagerSection>");
    return 0;
}

static int one_pool(struct view *v, struct err *err)
{
    Hdfs__CachePoolInfo *p;
    TRY(must_next(v, &hdfs__cache_pool_info__descriptor, &p, err));
    raw(v, "<pool>");
    el(v, "poolName", p->pool_name);
    el(v, "ownerName", p->owner_name);
    el(v, "groupName", p->group_name);
    el_int(v, "mode", (uint32_t)p->mode);
    el_long(v, "limit", (uint64_t)p->limit);
    el_long(v, "maxRelativeExpiry", (uint64_t)p->max_relative_expiry);
    raw(v, "</pool>\n");
    return 0;
}

static int one_directive(struct view *v, struct err *err)
{
    Hdfs__CacheDirectiveInfo *p;
    TRY(must_next(v, &hdfs__cache_directive_info__descriptor, &p, err));
    raw(v, "<directive>");
    el_long(v, "id", (uint64_t)p->id);
    el(v, "path", p->path);
    el_int(v, "replication", p->replication);
    el(v, "pool", p->pool);
    raw(v, "<expiration>");
    el_long(v, "millis", p->expiration == NULL ? 0 : (uint64_t)p->expiration->millis);
    if (p->expiration != NULL && p->expiration->is_relative)
        raw(v, "<relative/>");
    raw(v, "</expiration>\n</directive>\n");
    return 0;
}

static int cache_section(struct view *v, struct err *err)
{
    Image__CacheManagerSection *m;
    TRY(must_next(v, &image__cache_manager_section__descriptor, &m, err));
    uint32_t pools = m->num_pools, directives = m->num_directives;
    raw(v, "<CacheManagerSection>");
    el_long(v, "nextDirectiveId", m->next_directive_id);
    el_int(v, "numDirectives", directives);
    el_int(v, "numPools", pools);
    for (uint32_t i = 0; i < pools; i++)
        TRY(one_pool(v, err));
    for (uint32_t i = 0; i < directives; i++)
        TRY(one_directive(v, err));
    raw(v, "</CacheManagerSection>\n");
    return 0;
}

/* ---- the file ---- */

static const struct {
    const char *name;
    int (*show)(struct view *v, struct err *err);
} shown[] = {
    {"NS_INFO", name_section},
    {"ERASURE_CODING", erasure_coding_section},
    {"INODE", inode_section},
    {"INODE_REFERENCE", reference_section},
    {"SNAPSHOT", snapshot_section},
    {"INODE_DIR", directory_section},
    {"FILES_UNDERCONSTRUCTION", open_section},
    {"SNAPSHOT_DIFF", diff_section},
    {"SECRET_MANAGER", secret_section},
    {"CACHE_MANAGER", cache_section},
};

static int show_section(struct view *v, const struct image_section *s, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        if (strcmp(shown[i].name, s->name) != 0)
            continue;
        TRY(records_open(&v->r, v->file, s, err));
        int rc = shown[i].show(v, err);
        records_close(&v->r);
        return rc;
    }
    return 0;
}

int oiv_xml(struct image_file *f, const struct oiv_options *o, FILE *out, struct err *err)
{
    struct view v = {.file = f, .out = out};
    (void)o;
    raw(&v, "<?xml version=\"1.0\"?>\n<fsimage><version>");
    el_int(&v, "layoutVersion", (uint32_t)f->layout_version);
    el_int(&v, "onDiskVersion", f->ondisk_version);
    el(&v, "oivRevision", "hadron-" HADRON_VERSION);
    raw(&v, "</version>\n");
    for (size_t i = 0; i < f->section_count; i++)
        TRY(show_section(&v, &f->sections[i], err));
    raw(&v, "</fsimage>\n");
    return 0;
}
