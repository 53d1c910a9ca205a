/* sim.c - a small model of DataNodes that crash, vanish, lose disks and rot, run against blocks and
 * nodes for many seeds. The model knows what is really on the disks. Checked: (1) the room's
 * counters equal a recount, all the time; (2) no node is told to delete a good replica while that
 * leaves fewer than were ever wanted, apart from those that faults destroyed; (3) when the faults
 * stop, every block with a good replica left gets back to its replication, nothing else is left on
 * the disks, and all figures are quiet, within a bound. A failure prints the seed; add it to
 * `found` to keep it. */
#include "tests/unit/namenode/blocks/fixture.h"

enum { NODES = 7, DISKS = 2, BLOCKS = 120, STEPS = 900, IBRS = 4096, COPIES = 64, SECOND = 1000 };

struct disk_replica {
    bool there, rotten, told_rotten;
    uint8_t disk;
    enum replica_state state;
    uint64_t gs, len;
};

struct ibr {
    uint8_t disk;
    struct received_block block;
};

struct model_copy {
    bool busy;
    uint32_t block, target_node, ready_in;
};

struct model_node {
    bool up, cut_off, must_register; /* cut_off: lives, but nobody hears it */
    uint32_t index;
    uint32_t beat_in, report_in;
    struct disk_replica replicas[BLOCKS];
    struct ibr ibrs[IBRS];
    uint32_t ibr_count;
    struct model_copy copies[COPIES];
    struct block_report *report; /* under way */
    uint8_t *report_bytes;
    struct slice report_slice;
    uint8_t report_disk;
};

struct model_block {
    bool used, doomed; /* doomed: removed from the namespace */
    handle_t h;
    uint64_t id, gs, len;
    uint32_t min_replication, damage; /* good replicas that faults destroyed */
    bool open;
    uint32_t close_in;
};

struct sim {
    struct cluster c;
    struct rng rng;
    uint64_t seed, next_id, next_gs;
    struct model_node nodes[NODES];
    struct model_block blocks[BLOCKS];
    bool faults;
};

#define SIM_CHECK(s, x) cr_assert((x), "seed %llu: %s", (unsigned long long)(s)->seed, #x)

static bool chance(struct sim *s, uint64_t one_in)
{
    return rng_below(&s->rng, one_in) == 0;
}

static uint32_t storage_of(struct sim *s, const struct model_node *n, uint8_t disk)
{
    char uuid[32];
    snprintf(uuid, sizeof(uuid), "DS-%u-%u", (unsigned)(n - s->nodes), disk);
    uint32_t storage = 0;
    cr_assert_eq(nodes_add_storage(s->c.nodes, n->index, uuid, STORAGE_DISK, false, &storage, NULL),
                 0);
    return storage;
}

static struct model_node *node_of(struct sim *s, uint32_t storage)
{
    uint32_t index = nodes_storage(s->c.nodes, storage)->node;
    int i = 0;
    while (i < NODES && s->nodes[i].index != index)
        i++;
    SIM_CHECK(s, i < NODES);
    return &s->nodes[i];
}

static uint8_t disk_of(struct sim *s, uint32_t storage)
{
    const char *uuid = nodes_storage(s->c.nodes, storage)->uuid;
    return (uint8_t)(uuid[strlen(uuid) - 1] - '0');
}

static struct model_block *block_by_id(struct sim *s, uint64_t id)
{
    for (int i = 0; i < BLOCKS; i++)
        if (s->blocks[i].used && s->blocks[i].id == id)
            return &s->blocks[i];
    return NULL;
}

static bool is_good(const struct model_block *b, const struct disk_replica *r)
{
    return r->there && !r->rotten && r->state == REPLICA_FINALIZED && r->gs == b->gs &&
           r->len == b->len;
}

static uint32_t good_on_disks(struct sim *s, uint32_t i)
{
    uint32_t count = 0;
    for (int n = 0; n < NODES; n++)
        count += is_good(&s->blocks[i], &s->nodes[n].replicas[i]);
    return count;
}

static void damage(struct sim *s, struct model_node *n, uint32_t i)
{
    struct model_block *b = &s->blocks[i];
    if (b->used && is_good(b, &n->replicas[i]))
        b->damage++;
}

/* ---- what nodes do ---- */

static void queue_ibr(struct sim *s, struct model_node *n, uint32_t i, enum received_status status)
{
    struct disk_replica *r = &n->replicas[i];
    SIM_CHECK(s, n->ibr_count < IBRS);
    n->ibrs[n->ibr_count++] =
        (struct ibr){r->disk, {.block = {s->blocks[i].id, r->gs, r->len}, .status = status}};
}

static void drop_report(struct model_node *n)
{
    blocks_report_free(n->report);
    free(n->report_bytes);
    n->report = NULL;
    n->report_bytes = NULL;
}

static void node_register(struct sim *s, struct model_node *n)
{
    drop_report(n);
    n->index = cluster_add_node(&s->c, (uint32_t)(n - s->nodes), 3);
    n->must_register = false;
    n->beat_in = 0;
    n->report_in = (uint32_t)rng_below(&s->rng, 10);
    n->ibr_count = 0; /* its full report will tell */
    n->report_disk = 0;
}

static void delete_replica(struct sim *s, struct model_node *n, const struct node_block *order)
{
    struct model_block *b = block_by_id(s, order->id);
    if (b == NULL)
        return;
    uint32_t i = (uint32_t)(b - s->blocks);
    struct disk_replica *r = &n->replicas[i];
    if (!r->there || r->gs != order->generation_stamp)
        return; /* a node deletes only what is meant */
    bool good = is_good(b, r);
    r->there = false;
    if (!b->doomed && !b->open && good)
        SIM_CHECK(s, good_on_disks(s, i) + b->damage >= b->min_replication); /* (2) */
    queue_ibr(s, n, i, BLOCK_DELETED);
}

static void start_copy(struct sim *s, struct model_node *n, const struct node_copy_order *order)
{
    struct model_block *b = block_by_id(s, order->block.id);
    for (uint32_t t = 0; b != NULL && t < order->target_count; t++)
        for (int k = 0; k < COPIES; k++)
            if (!n->copies[k].busy) {
                n->copies[k] =
                    (struct model_copy){true, (uint32_t)(b - s->blocks),
                                        (uint32_t)(node_of(s, order->targets[t]) - s->nodes),
                                        (uint32_t)rng_below(&s->rng, 20) + 1};
                break;
            }
}

static void run_copies(struct sim *s, struct model_node *n)
{
    for (int k = 0; k < COPIES; k++) {
        struct model_copy *copy = &n->copies[k];
        if (!copy->busy || --copy->ready_in > 0)
            continue;
        copy->busy = false;
        struct model_node *to = &s->nodes[copy->target_node];
        const struct disk_replica *from = &n->replicas[copy->block];
        struct disk_replica *r = &to->replicas[copy->block];
        const struct model_block *b = &s->blocks[copy->block];
        if (!to->up || r->there || !from->there || from->rotten || b->doomed ||
            from->state != REPLICA_FINALIZED || (s->faults && chance(s, 10)))
            continue;
        *r = *from;
        r->told_rotten = false;
        r->disk = (uint8_t)rng_below(&s->rng, DISKS);
        queue_ibr(s, to, copy->block, BLOCK_RECEIVED);
    }
}

static void heartbeat(struct sim *s, struct model_node *n)
{
    struct node_storage_report disks[DISKS];
    char uuids[DISKS][32];
    for (uint8_t d = 0; d < DISKS; d++) {
        snprintf(uuids[d], sizeof(uuids[d]), "DS-%u-%u", (unsigned)(n - s->nodes), d);
        disks[d] =
            (struct node_storage_report){.uuid = uuids[d],
                                         .type = STORAGE_DISK,
                                         .capacity = 1000ULL * MIB,
                                         .remaining = rng_below(&s->rng, 900ULL * MIB) + MIB};
    }
    uint32_t xmits = 0;
    for (int k = 0; k < COPIES; k++)
        xmits += n->copies[k].busy;
    struct node_heartbeat h = {.storages = disks, .storage_count = DISKS, .xmits = xmits};
    cr_assert_eq(nodes_heartbeat(s->c.nodes, n->index, &h, s->c.now, s->c.now, NULL), 0);
    if (blocks_in_safe_mode(s->c.blocks))
        return;
    struct node_copy_order copies[8];
    uint32_t count = nodes_take_copies(s->c.nodes, n->index, copies, 8);
    for (uint32_t i = 0; i < count; i++)
        start_copy(s, n, &copies[i]);
    struct node_block deletions[50];
    count = nodes_take_invalidates(s->c.nodes, n->index, deletions, 50);
    for (uint32_t i = 0; i < count; i++)
        if (!s->faults || !chance(s, 10)) /* else it crashed before it came to that */
            delete_replica(s, n, &deletions[i]);
}

static uint8_t *put_replica(uint8_t *p, uint64_t id, const struct disk_replica *r)
{
    p = put_varint(p, id << 1);
    p = put_varint(p, r->len);
    p = put_varint(p, r->gs);
    return put_varint(p, (uint64_t)r->state);
}

static void start_report(struct sim *s, struct model_node *n)
{
    n->report_bytes = malloc(BLOCKS * 40 + 1);
    uint8_t *end = n->report_bytes;
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (n->replicas[i].there && n->replicas[i].disk == n->report_disk)
            end = put_replica(end, s->blocks[i].id, &n->replicas[i]);
    n->report_slice = (struct slice){n->report_bytes, (size_t)(end - n->report_bytes)};
    struct report_source source = {.buffers = &n->report_slice, .buffer_count = 1};
    cr_assert_eq(
        blocks_report_start(s->c.blocks, storage_of(s, n, n->report_disk), &source, &n->report), 0);
}

static void step_report(struct sim *s, struct model_node *n)
{
    int rc = blocks_report_step(n->report, rng_below(&s->rng, 40) + 1, s->c.now, s->c.now, NULL);
    if (rc == REPORT_MORE)
        return;
    drop_report(n);
    n->report_disk++;
    if (rc < 0) {
        SIM_CHECK(s, rc == ERR_RETRIABLE);
        n->report_disk = 0;
        n->report_in = 5;
    } else if (n->report_disk == DISKS) {
        n->report_disk = 0;
        n->report_in = 600;
    } else {
        n->report_in = 0;
    }
}

static void send_ibrs(struct sim *s, struct model_node *n)
{
    for (uint32_t i = 0; i < n->ibr_count; i++)
        cr_assert_eq(blocks_received(s->c.blocks, storage_of(s, n, n->ibrs[i].disk),
                                     &n->ibrs[i].block, 1, s->c.now, NULL),
                     0);
    n->ibr_count = 0;
}

/* A node talks one thing at a time, as Hadoop's do: reports in their order, heartbeats beside. */
static void node_step(struct sim *s, struct model_node *n)
{
    if (!n->up)
        return;
    run_copies(s, n);
    if (n->cut_off)
        return;
    const struct node *node = n->index == 0 ? NULL : nodes_at(s->c.nodes, n->index);
    if (n->must_register || node == NULL || !node->alive)
        node_register(s, n);
    if (n->beat_in-- == 0) {
        heartbeat(s, n);
        n->beat_in = 2;
    }
    if (n->report != NULL) {
        step_report(s, n);
    } else if (n->report_in == 0) {
        send_ibrs(s, n);
        start_report(s, n);
    } else {
        n->report_in--;
        if (!chance(s, 3))
            send_ibrs(s, n);
    }
}

/* ---- what writers do ---- */

static void create_block(struct sim *s)
{
    uint32_t i = (uint32_t)rng_below(&s->rng, BLOCKS);
    struct model_block *b = &s->blocks[i];
    if (b->used || blocks_in_safe_mode(s->c.blocks))
        return;
    for (int n = 0; n < NODES; n++)
        if (s->nodes[n].replicas[i].there)
            return; /* the number is used again only when the disks are clean */
    uint32_t replication = (uint32_t)rng_below(&s->rng, 4) + 1;
    *b = (struct model_block){.used = true,
                              .open = true,
                              .id = ++s->next_id,
                              .gs = ++s->next_gs,
                              .min_replication = replication,
                              .close_in = (uint32_t)rng_below(&s->rng, 30)};
    struct block_info info = {.id = b->id,
                              .generation_stamp = b->gs,
                              .replication = replication,
                              .state = BLOCK_UNDER_CONSTRUCTION};
    cr_assert_eq(blocks_add(s->c.blocks, &info, &b->h), 0);
    struct place_request req = {.wanted = replication, .block_size = MIB};
    uint32_t targets[8];
    size_t count = blocks_place(s->c.blocks, &req, s->c.now, &s->rng, targets);
    cr_assert_eq(blocks_set_expected(s->c.blocks, b->h, targets, count), 0);
    for (size_t k = 0; k < count; k++) {
        struct model_node *n = node_of(s, targets[k]);
        if (!n->up)
            continue;
        n->replicas[i] = (struct disk_replica){
            .there = true, .disk = disk_of(s, targets[k]), .state = REPLICA_RBW, .gs = b->gs};
        queue_ibr(s, n, i, BLOCK_RECEIVING);
    }
}

/* A member failed: the rest goes on under a new stamp. */
static void recover_pipeline(struct sim *s, uint32_t i)
{
    struct model_block *b = &s->blocks[i];
    struct expected_replica e[16];
    size_t count = blocks_expected(s->c.blocks, b->h, e, 16), kept = 0;
    uint32_t storages[16];
    uint64_t gs = ++s->next_gs;
    for (size_t k = 0; k < count && k < 16; k++) {
        struct model_node *n = node_of(s, e[k].storage);
        struct disk_replica *r = &n->replicas[i];
        if (!n->up || !r->there || r->state != REPLICA_RBW || (kept > 0 && chance(s, 3)))
            continue;
        r->gs = gs;
        storages[kept++] = e[k].storage;
    }
    if (kept == 0)
        return;
    b->gs = gs;
    blocks_set_generation_stamp(s->c.blocks, b->h, gs);
    cr_assert_eq(blocks_set_expected(s->c.blocks, b->h, storages, kept), 0);
}

static void delete_block(struct sim *s, uint32_t i)
{
    struct model_block *b = &s->blocks[i];
    if (chance(s, 2))
        blocks_remove(s->c.blocks, b->h);
    else
        blocks_remove_list(s->c.blocks, &b->h, 1);
    b->doomed = true;
    b->open = false;
}

static void close_block(struct sim *s, uint32_t i)
{
    struct model_block *b = &s->blocks[i];
    b->open = false;
    b->len = rng_below(&s->rng, MIB) + 1;
    uint32_t finalized = 0;
    for (int n = 0; n < NODES; n++) {
        struct disk_replica *r = &s->nodes[n].replicas[i];
        if (!r->there || r->state != REPLICA_RBW || r->gs != b->gs || !s->nodes[n].up)
            continue;
        r->state = REPLICA_FINALIZED;
        r->len = b->len;
        finalized++;
        queue_ibr(s, &s->nodes[n], i, BLOCK_RECEIVED);
    }
    if (finalized == 0) {
        delete_block(s, i); /* the writer gave up */
        return;
    }
    if (finalized < b->min_replication)
        b->damage += b->min_replication - finalized;
    cr_assert_eq(blocks_commit(s->c.blocks, b->h, b->gs, b->len, NULL), 0);
}

static void block_step(struct sim *s, uint32_t i)
{
    struct model_block *b = &s->blocks[i];
    if (!b->used)
        return;
    if (b->doomed) {
        bool clean = true;
        for (int n = 0; n < NODES; n++)
            clean &= !s->nodes[n].replicas[i].there;
        if (clean)
            b->used = false;
        return;
    }
    if (b->open && b->close_in-- == 0)
        close_block(s, i);
    else if (b->open && s->faults && chance(s, 40))
        recover_pipeline(s, i);
    if (b->doomed || b->open || !s->faults)
        return;
    if (chance(s, 1500))
        delete_block(s, i);
    else if (chance(s, 500)) {
        uint32_t replication = (uint32_t)rng_below(&s->rng, 4) + 1;
        b->min_replication = replication < b->min_replication ? replication : b->min_replication;
        blocks_set_replication(s->c.blocks, b->h, replication);
    }
}

/* ---- faults ---- */

static void crash(struct model_node *n)
{
    drop_report(n);
    n->up = n->cut_off = false;
    n->ibr_count = 0;
    memset(n->copies, 0, sizeof(n->copies));
}

static void restart(struct sim *s, struct model_node *n)
{
    n->up = true;
    n->must_register = true;
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (n->replicas[i].state == REPLICA_RBW)
            n->replicas[i].state = REPLICA_RWR;
    (void)s;
}

static void wipe_disk(struct sim *s, struct model_node *n)
{
    uint8_t disk = (uint8_t)rng_below(&s->rng, DISKS);
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (n->replicas[i].there && n->replicas[i].disk == disk) {
            damage(s, n, i);
            n->replicas[i].there = false;
        }
}

static void rot(struct sim *s, struct model_node *n)
{
    uint32_t i = (uint32_t)rng_below(&s->rng, BLOCKS);
    if (n->replicas[i].there && n->replicas[i].state == REPLICA_FINALIZED) {
        damage(s, n, i);
        n->replicas[i].rotten = true;
    }
}

/* Readers and scanners find rot sooner or later. */
static void find_rot(struct sim *s, struct model_node *n, uint64_t one_in)
{
    for (uint32_t i = 0; i < BLOCKS && n->up && !n->cut_off && n->index != 0; i++) {
        struct disk_replica *r = &n->replicas[i];
        if (!r->there || !r->rotten || !chance(s, one_in))
            continue;
        blocks_mark_corrupt(s->c.blocks, s->blocks[i].id, r->gs, n->index, 0, CORRUPT_REPORTED);
    }
}

static void fault_step(struct sim *s)
{
    struct model_node *n = &s->nodes[rng_below(&s->rng, NODES)];
    uint32_t up = 0;
    for (int i = 0; i < NODES; i++)
        up += s->nodes[i].up && !s->nodes[i].cut_off;
    if (!n->up) {
        if (chance(s, 30))
            restart(s, n);
    } else if (n->cut_off) {
        n->cut_off = !chance(s, 100);
    } else if (up > NODES / 2) {
        if (chance(s, 100))
            crash(n);
        else if (chance(s, 150))
            n->cut_off = true;
        else if (n->index != 0 && chance(s, 300))
            nodes_declare_dead(s->c.nodes, n->index);
    }
    if (!n->up && chance(s, 400))
        wipe_disk(s, n); /* a machine comes back with a new disk */
    if (chance(s, 60))
        rot(s, n);
    if (n->index != 0 && chance(s, 80)) /* an operator who can't make up his mind */
        blocks_set_admin(s->c.blocks, n->index,
                         chance(s, 2) ? ADMIN_NORMAL : (enum admin_state)rng_below(&s->rng, 5));
}

/* ---- the run ---- */

static void sim_step(struct sim *s)
{
    s->c.now += SECOND;
    if (s->faults) {
        create_block(s);
        fault_step(s);
    }
    for (int i = 0; i < NODES; i++) {
        node_step(s, &s->nodes[i]);
        find_rot(s, &s->nodes[i], s->faults ? 200 : 10);
    }
    for (uint32_t i = 0; i < BLOCKS; i++)
        block_step(s, i);
    blocks_tick(s->c.blocks, s->c.now, &s->rng, rng_below(&s->rng, 60) + 1);
    while (blocks_take_completed(s->c.blocks) != 0)
        ;
    if (chance(s, 8)) {
        blocks_verify(s->c.blocks); /* (1) */
        nodes_verify(s->c.nodes);
    }
}

static bool block_settled(struct sim *s, uint32_t i)
{
    const struct model_block *b = &s->blocks[i];
    uint32_t good = good_on_disks(s, i), there = 0;
    for (int n = 0; n < NODES; n++)
        there += s->nodes[n].replicas[i].there;
    if (!b->used)
        return there == 0;
    if (b->doomed || b->open || !blocks_is_complete(s->c.blocks, b->h))
        return good == 0 && !b->doomed && !b->open; /* COMMITTED for ever: nothing left to see */
    struct replica_counts c;
    blocks_count(s->c.blocks, b->h, &c);
    struct block_info info;
    blocks_get(s->c.blocks, b->h, &info);
    if (good == 0)
        return c.live == 0 && c.pending == 0;
    return good == info.replication && c.live == good && there == good && c.corrupt == 0 &&
           c.excess == 0 && c.pending == 0;
}

static uint32_t unsettled(struct sim *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < BLOCKS; i++)
        count += !block_settled(s, i);
    return count;
}

static void expect_quiet(struct sim *s)
{
    struct blocks_stats stats;
    blocks_stats(s->c.blocks, &stats);
    SIM_CHECK(s, stats.low_redundancy == stats.missing);
    SIM_CHECK(s, stats.excess == 0 && stats.pending == 0 && stats.pending_deletion == 0);
    for (uint32_t i = 0; i < BLOCKS; i++) { /* what is lost was destroyed, not forgotten */
        const struct model_block *b = &s->blocks[i];
        if (b->used && good_on_disks(s, i) == 0)
            SIM_CHECK(s, b->damage >= b->min_replication);
    }
}

static void sim_run(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    *s = (struct sim){.c = cluster_new((struct cluster_opts){0}), .rng = {seed}, .seed = seed};
    s->next_gs = 1000;
    s->faults = true;
    for (int i = 0; i < NODES; i++)
        s->nodes[i].up = true;
    for (int i = 0; i < STEPS; i++)
        sim_step(s);
    s->faults = false;
    for (int i = 0; i < NODES; i++) {
        s->nodes[i].cut_off = false;
        if (!s->nodes[i].up)
            restart(s, &s->nodes[i]);
        if (s->nodes[i].index != 0)
            blocks_set_admin(s->c.blocks, s->nodes[i].index, ADMIN_NORMAL);
    }
    int bound = 4000; /* seconds: some full reports and a few time-outs of copies */
    for (; bound > 0 && (bound % 20 != 0 || unsettled(s) > 0); bound--)
        sim_step(s);
    for (uint32_t i = 0; i < BLOCKS && bound == 0; i++)
        cr_expect(block_settled(s, i), "seed %llu: block %u isn't settled",
                  (unsigned long long)seed, i);
    for (int i = 0; i < 15; i++)
        sim_step(s);
    expect_quiet(s); /* (3) */
    for (int i = 0; i < NODES; i++)
        drop_report(&s->nodes[i]);
    cluster_free(&s->c);
    free(s);
}

static void sim_range(uint64_t from, uint64_t to)
{
    for (uint64_t seed = from; seed < to; seed++)
        sim_run(seed);
}

Test(sim, seeds_1)
{
    sim_range(1, 80);
}

Test(sim, seeds_2)
{
    sim_range(80, 160);
}
