/* Checks of a model name space: what is found, in slices of any size, while the tree changes. Node
 * i of the cluster has storage i; all files have one block of LEN bytes unless told otherwise. */
#include "../blocks/fixture.h"

#include "common/base/bytes.h"
#include "namenode/fsck/fsck.h"
#include "namenode/namespace/namespace.h"

enum { NODES = 4 };

static struct cluster c;
static struct nn nn;
static struct buf out;
static uint64_t next_id;
static unsigned deletions;

static uint64_t length_of(const void *ctx, handle_t block)
{
    return blocks_length(ctx, block);
}

static bool is_complete(const void *ctx, handle_t block)
{
    return blocks_is_complete(ctx, block);
}

static void start_with(uint32_t racks)
{
    next_id = 20000;
    deletions = 0;
    c = cluster_new((struct cluster_opts){.nodes = NODES, .racks = racks});
    nn = (struct nn){.blocks = c.blocks, .nodes = c.nodes, .identity.block_pool_id = "BP-1"};
    cr_assert_eq(ns_new("root", "supergroup", &nn.ns), 0);
    ns_set_block_length(nn.ns, length_of, c.blocks);
    ns_set_block_complete(nn.ns, is_complete);
}

static void setup(void)
{
    start_with(0);
}

static void teardown(void)
{
    buf_fini(&out);
    ns_free(nn.ns);
    cluster_free(&c);
}

TestSuite(fsck, .init = setup, .fini = teardown);

static handle_t add(handle_t parent, enum inode_type type, const char *name, uint32_t replication)
{
    handle_t h = 0;
    struct ns_new_inode n = {.id = next_id++,
                             .parent = parent,
                             .name = slice_of(name),
                             .block_size = MIB,
                             .replication = (uint16_t)replication};
    cr_assert_eq(ns_add(nn.ns, type, &n, false, &h), 0);
    return h;
}

static handle_t add_dir(handle_t parent, const char *name)
{
    return add(parent, INODE_DIR, name, 0);
}

/* One more block for the file, with that many replicas. */
static void push(handle_t file, uint32_t replicas)
{
    struct block_info info = {.id = next_id++,
                              .generation_stamp = GS,
                              .length = LEN,
                              .owner = file,
                              .replication = ns_inode(nn.ns, file)->file.replication,
                              .state = BLOCK_COMPLETE};
    handle_t h = 0;
    cr_assert_eq(blocks_add(c.blocks, &info, &h), 0);
    cr_assert_eq(ns_push_block(nn.ns, file, h), 0);
    for (uint32_t s = 1; s <= replicas; s++)
        tell(&c, s, info.id, GS, LEN, BLOCK_RECEIVED);
}

static handle_t add_file(handle_t parent, const char *name, uint32_t replication, uint32_t replicas)
{
    handle_t h = add(parent, INODE_FILE, name, replication);
    push(h, replicas);
    return h;
}

static int count_deletion(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    deletions++;
    return 0;
}

static struct fsck *begin(struct fsck_options o)
{
    struct fsck_caller who = {.user = "root", .address = "10.0.0.1", .superuser = true};
    struct fsck_host host = {
        .permissions = true, .replication = 3, .replication_min = 1, .delete = count_deletion};
    struct fsck *f = fsck_new(&nn, &o, &who, &host);
    cr_assert_not_null(f);
    return f;
}

static int step(struct fsck *f, size_t budget)
{
    return fsck_step(f, (struct fsck_time){c.now, c.now}, budget, &out);
}

/* The rest of it, as text; steps in *ret_steps unless NULL. */
static const char *finish(struct fsck *f, size_t budget, unsigned *ret_steps)
{
    unsigned steps = 1;
    int rc;
    while ((rc = step(f, budget)) == FSCK_MORE)
        steps++;
    cr_assert_eq(rc, FSCK_DONE);
    cr_assert_eq(buf_append(&out, "", 1), 0);
    fsck_free(f);
    if (ret_steps != NULL)
        *ret_steps = steps;
    return (const char *)buf_head(&out);
}

static const char *check(struct fsck_options o)
{
    buf_clear(&out);
    return finish(begin(o), 100, NULL);
}

static void has(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "\"%s\" is not in: %s", part, text);
}

static void has_not(const char *text, const char *part)
{
    cr_assert_null(strstr(text, part), "\"%s\" is in: %s", part, text);
}

Test(fsck, healthy)
{
    add_file(add_dir(ns_root(nn.ns), "d"), "f", 3, 3);
    const char *text = check((struct fsck_options){.files = true, .blocks = true});
    has(text, "/d <dir>\n/d/f 1000 bytes, replicated: replication=3, 1 block(s):  OK\n");
    has(text, " len=1000 Live_repl=3\n");
    has(text, "Status: HEALTHY\n Number of data-nodes:\t4\n");
    has(text, " Total dirs:\t\t\t2\n");
    has(text, "\n\nThe filesystem under path '/' is HEALTHY");
}

Test(fsck, missing)
{
    add_file(ns_root(nn.ns), "gone", 3, 0);
    add_file(ns_root(nn.ns), "here", 3, 3);
    const char *text = check((struct fsck_options){.delete = true});
    has(text, "\n/gone: MISSING 1 blocks of total size 1000 B.");
    has_not(text, "/here");
    has(text, "Status: CORRUPT\n");
    has(text, "\n\nThe filesystem under path '/' is CORRUPT");
    cr_assert_eq(deletions, 1);
}

Test(fsck, under_replicated)
{
    add_file(ns_root(nn.ns), "few", 3, 1);
    const char *text = check((struct fsck_options){0});
    has(text, "\n/few:  Under replicated BP-1:blk_");
    has(text, ". Target Replicas is 3 but found 1 live replica(s), 0 decommissioned replica(s), 0 "
              "decommissioning replica(s).\n");
    has(text, "The filesystem under path '/' is HEALTHY"); /* it can be read */
}

TestSuite(fsck_racks, .fini = teardown);

Test(fsck_racks, two)
{
    start_with(2); /* nodes 1 and 3 are on one rack, 2 and 4 on the other */
    handle_t h = add(ns_root(nn.ns), INODE_FILE, "near", 2);
    push(h, 0);
    for (uint32_t s = 1; s <= 3; s += 2)
        tell(&c, s, next_id - 1, GS, LEN, BLOCK_RECEIVED);
    add_file(ns_root(nn.ns), "far", 2, 2);
    add_file(ns_root(nn.ns), "single", 1, 1);
    const char *text = check((struct fsck_options){0});
    has(text, "/near:  Replica placement policy is violated for BP-1:blk_");
    has(text,
        "additionally replicated on 1 more rack(s). Total number of racks in the cluster: 2\n");
    has_not(text, "/far");
    has_not(text, "/single");
    add_file(ns_root(nn.ns), "gone", 1, 0); /* on no rack at all */
    has(check((struct fsck_options){0}), "/gone:  Replica placement policy is violated");
}

Test(fsck, storage_policies)
{
    add_file(ns_root(nn.ns), "f", 3, 3);
    const char *text = check((struct fsck_options){.policies = true});
    has(text, "DISK:3(HOT)                        1             100.0000%\n");
    has(text, "\nAll blocks satisfy specified storage policy.\n");
}

/* A slice's size changes how often it stops, not what it says. */
Test(fsck, slices_say_the_same)
{
    enum { FILES = 40, BLOCKS = 20 };
    char name[16];
    handle_t dir = ns_root(nn.ns);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        push(add_file(dir, name, 3, i % 4), 3);
        if (i % 10 == 9)
            dir = add_dir(dir, "sub");
    }
    handle_t large = add_file(dir, "large", 3, 3);
    for (unsigned i = 1; i < BLOCKS; i++)
        push(large, 3);
    struct fsck_options o = {.files = true, .blocks = true, .locations = true};
    char *whole = strdup(check(o));
    has(whole, "/sub/sub/sub/sub/large 20000 bytes, replicated: replication=3, 20 block(s):  OK\n");
    for (size_t budget = 1; budget < 50; budget += 7) {
        unsigned steps;
        buf_clear(&out);
        cr_assert_str_eq(finish(begin(o), budget, &steps), whole, "slices of %zu", budget);
        /* an inode costs one at least, a block three */
        cr_assert_geq(steps, (FILES + 2 * 3 * FILES) / (budget + 3), "slices of %zu", budget);
    }
    free(whole);
}

static void stop_at(struct fsck *f, const char *line)
{
    do {
        cr_assert_eq(step(f, 1), FSCK_MORE, "it ended before %s", line);
        cr_assert_eq(buf_append(&out, "", 1), 0);
        out.end--;
    } while (strstr((const char *)buf_head(&out), line) == NULL);
}

Test(fsck, tree_that_changes)
{
    handle_t root = ns_root(nn.ns), a = add_dir(root, "a"), b = add_dir(a, "b"), z;
    add_file(b, "1", 3, 3);
    add_file(b, "2", 3, 3);
    add_file(a, "c", 3, 3);
    z = add_dir(root, "z");
    add_file(z, "last", 3, 3);
    struct fsck *f = begin((struct fsck_options){.files = true});
    stop_at(f, "/a/b/1 ");
    ns_remove(nn.ns, b, 0); /* it stands in it */
    add_file(a, "d", 3, 3);
    add_file(root, "0", 3, 3); /* it is past that */
    const char *text = finish(f, 1, NULL);
    has_not(text, "/a/b/2");
    has(text, "/a/c 1000 bytes");
    has(text, "/a/d 1000 bytes");
    has_not(text, "/0 ");
    has(text, "/z/last 1000 bytes");
    has(text, "The filesystem under path '/' is HEALTHY");
}

Test(fsck, file_deleted_under_it)
{
    enum { BLOCKS = 10 };
    handle_t large = add_file(ns_root(nn.ns), "large", 3, 3);
    for (unsigned i = 1; i < BLOCKS; i++)
        push(large, 3);
    add_file(ns_root(nn.ns), "next", 3, 3);
    struct fsck *f = begin((struct fsck_options){.files = true});
    stop_at(f, "/large 10000 bytes");
    cr_assert_eq(step(f, 4), FSCK_MORE);
    ns_remove(nn.ns, large, 0);
    has(finish(f, 1, NULL), "/next 1000 bytes, replicated: replication=3, 1 block(s):  OK\n");
}

Test(fsck, no_such_path)
{
    has(check((struct fsck_options){.path = "/nothing"}), "\n\nPath '/nothing' does not exist");
}
