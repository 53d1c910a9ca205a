/* What records do, beyond the model: ACLs that are inherited, cuts inside a block, kept things, and
 * records that don't fit. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/blocks/blocks.h"
#include "namenode/journal/journal.h"

static struct nn *nn;
static struct arena arena;
static const struct nn_identity identity;

static void setup(void)
{
    struct err err = {0};
    arena_init(&arena, 0);
    cr_assert_eq(nn_new(&identity, "root", "supergroup", &nn, &err), 0);
}

static void teardown(void)
{
    nn_free(nn);
    arena_fini(&arena);
}

TestSuite(apply, .init = setup, .fini = teardown);

static struct err err;

static int apply(struct edit *e)
{
    e->txid = nn->last_txid + 1;
    return edit_apply(nn, e, &err);
}

static struct resolved at(const char *path)
{
    struct resolved r;
    cr_assert_eq(ns_resolve(nn->ns, NULL, path, PATH_WRITE_LINK, &arena, &r, &err), 0, "%s",
                 err.text);
    return r;
}

static handle_t mkdir(const char *path, uint16_t mode, int unmasked)
{
    struct resolved r = at(path);
    struct edit e;
    cr_assert_eq(edit_for_mkdir(nn, &r, r.depth, slice_of("u"), mode, unmasked, 5, &arena, &e), 0);
    cr_assert_eq(apply(&e), 0, "%s", err.text);
    r = at(path);
    return resolved_last(&r);
}

static handle_t create(const char *path, uint16_t mode, int unmasked)
{
    struct resolved r = at(path);
    struct edit_new_file f = {.now_ms = 5,
                              .block_size = 1000,
                              .replication = 2,
                              .mode = mode,
                              .unmasked = unmasked,
                              .user = slice_of("u"),
                              .client = slice_of("c"),
                              .machine = slice_of("m")};
    struct edit e;
    cr_assert_eq(edit_for_add(nn, &r, &f, &arena, &e), 0);
    cr_assert_eq(apply(&e), 0, "%s", err.text);
    r = at(path);
    return resolved_last(&r);
}

static void add_block(const char *path, uint64_t id, uint64_t previous_length)
{
    struct resolved r = at(path);
    uint32_t count = ns_inode(nn->ns, resolved_last(&r))->file.block_count;
    struct edit_block fresh = {id, 0, 1000 + id}, last = {id - 1, previous_length, 999 + id};
    struct edit e;
    cr_assert_eq(edit_for_add_block(nn, path, count == 0 ? NULL : &last, &fresh,
                                    (struct edit_rpc_ids){0}, &arena, &e),
                 0);
    cr_assert_eq(apply(&e), 0, "%s", err.text);
}

static void close_file(const char *path, uint64_t id, uint64_t length)
{
    struct resolved r = at(path);
    struct edit_block last = {id, length, 1000 + id};
    struct edit e;
    cr_assert_eq(edit_for_close(nn, path, resolved_last(&r), &last, 9, &arena, &e), 0);
    cr_assert_eq(apply(&e), 0, "%s", err.text);
}

static void set_acl(const char *path, struct edit_acl_entry *entries, uint32_t count)
{
    struct edit e = {.code = OP_set_acl};
    e.set_acl.acl = (struct edit_acl_record){slice_of(path), {entries, count}};
    cr_assert_eq(apply(&e), 0, "%s", err.text);
}

static const struct slice none = {0};

Test(apply, default_entries_become_the_acl_of_children)
{
    handle_t d = mkdir("/d", 0755, -1);
    struct edit_acl_entry acl[] = {{0, ACL_USER, 7, none},
                                   {0, ACL_GROUP, 5, none},
                                   {0, ACL_OTHER, 5, none},
                                   {1, ACL_USER, 7, none},
                                   {1, ACL_USER, 5, slice_of("carl")},
                                   {1, ACL_GROUP, 5, none},
                                   {1, ACL_MASK, 5, none},
                                   {1, ACL_OTHER, 4, none}};
    uint32_t count;
    set_acl("/d", acl, ARRAY_SIZE(acl));
    const uint32_t *stored = ns_acl(nn->ns, d, &count);
    cr_assert(count == 5 && acl_scope(stored[0]) == 1); /* the access part fits the mode */
    cr_assert_eq(perm_mode(ns_inode(nn->ns, d)->perm), 0755);
    handle_t sub = mkdir("/d/sub", 0700, 0777); /* the mode before the umask counts */
    cr_assert_eq(perm_mode(ns_inode(nn->ns, sub)->perm), 0754);
    stored = ns_acl(nn->ns, sub, &count);
    cr_assert_eq(count, 2 + 5);
    cr_assert(acl_type(stored[0]) == ACL_USER && acl_access(stored[0]) == 5);
    cr_assert_str_eq(ns_interned(nn->ns, NAME_USER, acl_name(stored[0])), "carl");
    handle_t file = create("/d/file", 0600, 0666);
    cr_assert_eq(perm_mode(ns_inode(nn->ns, file)->perm), 0644); /* mask 5 & 6 */
    stored = ns_acl(nn->ns, file, &count);
    cr_assert_eq(count, 2);
    struct edit_acl_list whole;
    cr_assert_eq(edit_from_acl(nn->ns, file, &arena, &whole), 0);
    cr_assert_eq(whole.count, 5);
    cr_assert(whole.at[3].type == ACL_MASK && whole.at[3].access == 4);
    set_acl("/d/file", NULL, 0);
    cr_assert_eq(perm_mode(ns_inode(nn->ns, file)->perm), 0654); /* the group's own entry is back */
    handle_t plain = mkdir("/plain", 0700, 0777);
    cr_assert_eq(perm_mode(ns_inode(nn->ns, plain)->perm), 0700);
}

Test(apply, a_cut_inside_a_block_opens_the_file_again)
{
    handle_t f = create("/f", 0644, -1);
    add_block("/f", 1, 0);
    add_block("/f", 2, 1000);
    close_file("/f", 2, 700);
    cr_assert_eq(ns_file_length(nn->ns, f), 1700);
    struct edit_block cut = {2, 700, 2000}; /* the stamp is the recovery's */
    struct edit e = {.code = OP_truncate};
    e.truncate = (struct op_truncate){.path = slice_of("/f"),
                                      .client = slice_of("t"),
                                      .machine = slice_of("m"),
                                      .length = 1300,
                                      .time = 20,
                                      .blocks = {&cut, 1}};
    cr_assert_eq(apply(&e), 0, "%s", err.text);
    uint64_t length;
    cr_assert_eq(ns_file_length(nn->ns, f), 1700, "until the DataNodes have done it");
    cr_assert(blocks_being_cut(nn->blocks, ns_blocks(nn->ns, f)[1], &length) && length == 300);
    cr_assert_str_eq(ns_uc_client(nn->ns, f), "t");
    cr_assert_eq(blocks_state(nn->blocks, ns_blocks(nn->ns, f)[1]), BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(nn->generation_stamp, 2000);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
}

Test(apply, tokens_keys_and_policies_are_kept)
{
    struct edit e = {.code = OP_update_master_key};
    e.update_master_key.key =
        (edit_master_key){.id = 4, .expiry = 100, .has_key = true, .key = slice_of("k")};
    cr_assert_eq(apply(&e), 0);
    e = (struct edit){.code = OP_get_delegation_token};
    e.get_delegation_token.token =
        (edit_token){.owner = slice_of("o"), .renewer = slice_of("r"), .sequence = 9};
    e.get_delegation_token.expiry = 50;
    cr_assert_eq(apply(&e), 0);
    cr_assert(nn->kept->master_key_id == 4 && nn->kept->token_sequence == 9 &&
              nn->kept->token_count == 1);
    e.code = OP_renew_delegation_token;
    e.renew_delegation_token.expiry = 60;
    cr_assert_eq(apply(&e), 0);
    cr_assert(nn->kept->token_count == 1 && nn->kept->tokens[0].expiry == 60);
    e.code = OP_cancel_delegation_token;
    cr_assert_eq(apply(&e), 0);
    cr_assert_eq(nn->kept->token_count, 0);
    e = (struct edit){.code = OP_add_ec_policy};
    e.add_ec_policy.policy = (edit_ec_schema){
        .codec = slice_of("rs"), .data_units = 4, .parity_units = 2, .cell_size = 65536};
    cr_assert_eq(apply(&e), 0);
    struct kept_ec_policy *p = kept_find_policy(nn->kept, "RS-4-2-64k");
    cr_assert(p != NULL && p->id == 64 && p->state == 1);
    e = (struct edit){.code = OP_enable_ec_policy};
    e.enable_ec_policy.name = slice_of("RS-4-2-64k");
    cr_assert_eq(apply(&e), 0);
    cr_assert_eq(kept_find_policy(nn->kept, "RS-4-2-64k")->state, 2);
}

static void expect(struct edit *e, int code, const char *word)
{
    uint64_t digest = nn_digest(nn);
    char number[40];
    cr_assert_eq(apply(e), code, "%s", err.text);
    snprintf(number, sizeof(number), "transaction %llu (%s)", (unsigned long long)nn->last_txid + 1,
             edit_op_name(e->code));
    cr_assert_not_null(strstr(err.text, number), "%s", err.text);
    cr_assert_not_null(strstr(err.text, word), "%s", err.text);
    cr_assert_eq(nn_digest(nn), digest); /* nothing has changed */
}

Test(apply, cache_pools_and_directives_are_kept)
{
    struct edit e = {.code = OP_add_cache_directive};
    e.add_cache_directive.directive = (struct edit_directive){
        .id = 7, .flags = 15, .path = slice_of("/x"), .pool = slice_of("p"), .replication = 2};
    expect(&e, ERR_CORRUPT, "cache pool p");
    struct edit pool = {.code = OP_add_cache_pool};
    pool.add_cache_pool.pool =
        (struct edit_pool){.name = slice_of("p"), .flags = 9, .owner = slice_of("o"), .limit = 5};
    cr_assert_eq(apply(&pool), 0, "%s", err.text);
    expect(&pool, ERR_CORRUPT, "exists already");
    cr_assert_eq(apply(&e), 0, "%s", err.text);
    cr_assert_eq(nn->kept->next_cache_directive, 8);
    struct edit change = {.code = OP_modify_cache_directive};
    change.modify_cache_directive.directive =
        (struct edit_directive){.id = 7, .flags = 2, .replication = 9};
    cr_assert_eq(apply(&change), 0, "%s", err.text);
    cr_assert_eq(nn->kept->directives[0].replication, 9);
    cr_assert_str_eq(nn->kept->directives[0].path, "/x");
    change = (struct edit){.code = OP_modify_cache_pool};
    change.modify_cache_pool.pool =
        (struct edit_pool){.name = slice_of("p"), .flags = 4, .mode = 0700};
    cr_assert_eq(apply(&change), 0, "%s", err.text);
    cr_assert(nn->kept->cache_pools[0].limit == 5 && nn->kept->cache_pools[0].mode == 0700);
    change = (struct edit){.code = OP_remove_cache_directive};
    change.remove_cache_directive.id = 8;
    expect(&change, ERR_CORRUPT, "directive 8");
    change = (struct edit){.code = OP_remove_cache_pool};
    change.remove_cache_pool.name = slice_of("p");
    cr_assert_eq(apply(&change), 0, "%s", err.text);
    cr_assert_eq(nn->kept->directive_count + nn->kept->cache_pool_count, 0);
}

Test(apply, features_that_are_not_there_are_refused_by_name)
{
    struct edit e = {.code = OP_create_snapshot};
    expect(&e, ERR_UNSUPPORTED, "snapshots");
    e = (struct edit){.code = OP_rolling_upgrade_start};
    expect(&e, ERR_UNSUPPORTED, "rolling upgrades");
    struct edit_xattr zone = {XATTR_RAW, slice_of("hdfs.crypto.encryption.zone"), slice_of("z")};
    e = (struct edit){.code = OP_set_xattr};
    e.set_xattr.xattrs = (struct edit_xattr_list){slice_of("/"), &zone, 1};
    expect(&e, ERR_UNSUPPORTED, "encryption zones");
}

Test(apply, records_that_do_not_fit_change_nothing)
{
    mkdir("/d", 0755, -1);
    create("/f", 0644, -1);
    add_block("/f", 1, 0);
    struct edit e = {.code = OP_mkdir};
    e.mkdir = (struct op_mkdir){.inode_id = 20000, .path = slice_of("/d")};
    expect(&e, ERR_EXISTS, "/d");
    e.mkdir.path = slice_of("/none/x");
    expect(&e, ERR_NOT_FOUND, "/none/x");
    e.mkdir.path = slice_of("/x");
    e.mkdir.inode_id = ROOT_INODE_ID + 1;
    expect(&e, ERR_CORRUPT, "inode id");
    e = (struct edit){.code = OP_delete};
    e.delete.path = slice_of("/");
    expect(&e, ERR_CORRUPT, "root");
    e.delete.path = slice_of("/none");
    expect(&e, ERR_NOT_FOUND, "/none");
    e = (struct edit){.code = OP_rename};
    e.rename = (struct op_rename){.src = slice_of("/d"), .dst = slice_of("/d/x")};
    expect(&e, ERR_IO, "under source");
    e = (struct edit){.code = OP_rename_old};
    e.rename_old = (struct op_rename_old){.src = slice_of("/f"), .dst = slice_of("/f"), .time = 9};
    uint64_t mtime = ns_inode(nn->ns, ns_root(nn->ns))->mtime_ms;
    cr_assert_eq(apply(&e), 0, "%s", err.text); /* Java's log has such */
    cr_assert_eq(ns_inode(nn->ns, ns_root(nn->ns))->mtime_ms, mtime);
    e = (struct edit){.code = OP_close};
    e.close.path = slice_of("/f"); /* without its block */
    struct edit_block wrong[] = {{7, 1, 1}, {8, 1, 1}};
    e.close.blocks = (struct edit_block_list){wrong, 1};
    expect(&e, ERR_CORRUPT, "block 0 is 1_1001");
    e = (struct edit){.code = OP_add_block};
    e.add_block = (struct op_add_block){.path = slice_of("/f"), .blocks = {wrong, 2}};
    expect(&e, ERR_CORRUPT, "the last block is");
    e.add_block.blocks.count = 1;
    expect(&e, ERR_CORRUPT, "1 blocks");
    e = (struct edit){.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = 1;
    cr_assert_eq(apply(&e), 0, "%s", err.text);
    cr_assert_gt(nn->generation_stamp, 1); /* Java's log may go back */
    e = (struct edit){.code = OP_reassign_lease};
    e.reassign_lease.path = slice_of("/d");
    expect(&e, ERR_NOT_FOUND, "not a file");
    e = (struct edit){.code = OP_set_quota_by_storage_type};
    e.set_quota_by_storage_type.path = slice_of("/d");
    e.set_quota_by_storage_type.type = 6;
    expect(&e, ERR_CORRUPT, "storage type 6");
    e = (struct edit){.code = OP_end_log_segment, .txid = nn->last_txid + 2};
    cr_assert_eq(edit_apply(nn, &e, &err), ERR_CORRUPT);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
}
