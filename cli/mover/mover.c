/* mover.c - rounds through the given paths until every block lies where its policy wants it. */
#include <stdio.h>

#include "cli/mover/internal.h"
#include "cli/shell/shell.h"
#include "common/io/io.h"
#include "common/obs/obs.h"

enum { PAGE_MEMORY = 512 << 20, WAIT_MS = 1000, DEFAULT_POLICY = 7, POLICY_IDS = 16 };

struct pinned_block {
    uint64_t id;
    char node[64]; /* uuid */
};

struct round {
    struct stores *stores;
    const struct conf *conf;
    struct cluster cluster;
    struct dfs_storage_policy policies[POLICY_IDS]; /* by id; without a name: there is none */
    struct rng rng;
    struct pinned_block *pinned; /* they stay; from all rounds */
    size_t pinned_count;
    int64_t retries;
    /* of one round */
    struct move_nodes nodes;
    struct moves *moves;
    bool remaining, moved;
};

/* --- one block --- */

static bool is_pinned(const struct round *w, uint64_t id, size_t node)
{
    for (size_t i = 0; i < w->pinned_count; i++)
        if (w->pinned[i].id == id && strcmp(w->pinned[i].node, w->nodes.items[node].uuid) == 0)
            return true;
    return false;
}

/* Waits while both are busy; false: one of them pauses after a failure. */
static bool wait_for(const struct round *w, size_t a, size_t b)
{
    while (!moves_may(w->moves, a) || !moves_may(w->moves, b)) {
        if (shell_interrupted() || moves_paused(w->moves, a) || moves_paused(w->moves, b))
            return false;
        (void)moves_wait(w->moves, WAIT_MS);
    }
    return true;
}

static bool start(struct round *w, const struct wish_block *b, const Hdfs__ExtendedBlock *id,
                  size_t place, size_t target, int type)
{
    struct move_order o = {.id = id->block_id,
                           .generation_stamp = id->generation_stamp,
                           .length = b->length,
                           .target = target,
                           .proxy = b->nodes[place],
                           .source = b->nodes[place],
                           .type = type};
    if (!wait_for(w, o.target, o.proxy))
        return false;
    w->nodes.items[target].types[type].most_remaining -= b->length;
    moves_start(w->moves, &o);
    return true;
}

static bool start_near(struct round *w, const struct wish_block *b, const Hdfs__ExtendedBlock *id,
                       size_t place, const struct type_list *wanted, enum wish_near near)
{
    size_t count = w->nodes.count;
    for (size_t t = 0; t < wanted->count; t++) {
        int type = wanted->items[t];
        size_t first = rng_below(&w->rng, count);
        for (size_t i = 0; i < count; i++) {
            size_t target = (first + i) % count;
            if (wish_target_fits(b, &w->nodes, place, target, type, near) &&
                start(w, b, id, place, target, type))
                return true;
        }
    }
    return false;
}

static bool move_replica(struct round *w, const struct wish_block *b, const Hdfs__ExtendedBlock *id,
                         size_t place, const struct type_list *wanted)
{
    if (start_near(w, b, id, place, wanted, WISH_SAME_NODE))
        return true;
    if (is_pinned(w, id->block_id, b->nodes[place]))
        return false;
    return start_near(w, b, id, place, wanted, WISH_SAME_RACK) ||
           start_near(w, b, id, place, wanted, WISH_ELSEWHERE);
}

static bool move_one(struct round *w, const struct wish_block *b, const Hdfs__ExtendedBlock *id,
                     const struct type_list *surplus, const struct type_list *wanted)
{
    for (size_t s = 0; s < surplus->count; s++)
        for (size_t place = 0; place < b->count; place++)
            if (b->types[place] == surplus->items[s] &&
                w->nodes.items[b->nodes[place]].in_service && move_replica(w, b, id, place, wanted))
                return true;
    return false;
}

static void look_at_block(struct round *w, const Hdfs__LocatedBlock *lb, struct type_list wanted)
{
    struct wish_block b = {.length = lb->b->num_bytes};
    struct type_list existing = {0};
    if (lb->n_storage_types != lb->n_locs || lb->n_locs > WISH_REPLICAS)
        return;
    for (size_t i = 0; i < lb->n_locs; i++) {
        size_t node = move_nodes_find(&w->nodes, lb->locs[i]->id->datanode_uuid);
        existing.items[existing.count++] = (int)lb->storage_types[i];
        if (node == SIZE_MAX)
            continue;
        b.nodes[b.count] = node;
        b.types[b.count++] = (int)lb->storage_types[i];
    }
    if (wish_differs_not(&wanted, &existing))
        return;
    if (move_one(w, &b, lb->b, &existing, &wanted)) {
        w->moved = true;
        w->remaining |= existing.count > 1 && wanted.count > 1;
    } else {
        w->remaining = true;
    }
}

/* --- files and folders --- */

static void look_at_file(struct round *w, const char *path, const Hdfs__HdfsFileStatus *s)
{
    const Hdfs__LocatedBlocks *blocks = s->locations;
    uint32_t id = s->storage_policy != 0 ? s->storage_policy : DEFAULT_POLICY;
    struct type_list wanted;
    if (blocks == NULL || s->ec_policy != NULL)
        return;
    if (id >= POLICY_IDS || w->policies[id].name[0] == '\0') {
        log_warn("no such storage policy path=%s id=%u", log_quote(path), id);
        return;
    }
    wish_types(&w->policies[id], s->block_replication, &wanted);
    for (size_t i = 0; i < blocks->n_blocks && !shell_interrupted(); i++)
        if (i + 1 < blocks->n_blocks || blocks->is_last_block_complete)
            look_at_block(w, blocks->blocks[i], wanted);
}

static void look_at_path(struct round *w, const char *path);

static void look_at_entry(struct round *w, const char *folder, const Hdfs__HdfsFileStatus *s)
{
    const char *slash = folder[strlen(folder) - 1] == '/' || s->path.len == 0 ? "" : "/";
    auto_text path =
        text_printf("%s%s%.*s", folder, slash, (int)s->path.len, (const char *)s->path.data);
    if (s->file_type == HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR)
        look_at_path(w, path);
    else if (s->file_type == HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE)
        look_at_file(w, path, s);
}

/* One page; *ret_last is the arena's, size 0: the end. */
static int look_at_page(struct round *w, const char *path, struct slice after, struct arena *arena,
                        struct slice *ret_last, struct err *err)
{
    const Hdfs__DirectoryListing *l;
    *ret_last = (struct slice){0};
    TRY(cluster_listing(&w->cluster, path, after, arena, &l, err));
    for (size_t i = 0; l != NULL && i < l->n_partial_listing && !shell_interrupted(); i++)
        look_at_entry(w, path, l->partial_listing[i]);
    if (l != NULL && l->remaining_entries > 0 && l->n_partial_listing > 0) {
        const Hdfs__HdfsFileStatus *last = l->partial_listing[l->n_partial_listing - 1];
        *ret_last = (struct slice){last->path.data, last->path.len};
    }
    return 0;
}

static void look_at_path(struct round *w, const char *path)
{
    struct arena arenas[2];
    struct slice after = {0};
    int at = 0;
    arena_init(&arenas[0], PAGE_MEMORY);
    arena_init(&arenas[1], PAGE_MEMORY);
    do {
        struct err err = {0};
        if (look_at_page(w, path, after, &arenas[at], &after, &err) != 0) {
            log_warn("a folder can't be listed path=%s cause=%s", log_quote(path),
                     log_quote(err.text));
            break;
        }
        at = 1 - at; /* the last name lives in the page before */
        arena_fini(&arenas[at]);
        arena_init(&arenas[at], PAGE_MEMORY);
    } while (after.size > 0 && !shell_interrupted());
    arena_fini(&arenas[0]);
    arena_fini(&arenas[1]);
}

/* --- rounds --- */

static int load_policies(struct round *w, struct err *err)
{
    struct dfs_storage_policy list[DFS_POLICIES_MAX];
    struct dfs_error e = {0};
    size_t count;
    int rc = dfs_storage_policies(w->cluster.dfs, list, &count, &e);
    if (rc != 0)
        return store_failed(err, rc, &e);
    for (size_t i = 0; i < count; i++)
        if (list[i].id < POLICY_IDS)
            w->policies[list[i].id] = list[i];
    return 0;
}

static void note_pinned(struct round *w)
{
    uint64_t id;
    size_t node;
    for (size_t i = 0; moves_pinned(w->moves, i, &id, &node); i++) {
        w->pinned = text_grow(w->pinned, (w->pinned_count + 1) * sizeof(*w->pinned));
        struct pinned_block *p = &w->pinned[w->pinned_count++];
        p->id = id;
        snprintf(p->node, sizeof(p->node), "%s", w->nodes.items[node].uuid);
    }
}

static enum moves_exit judge(struct round *w, int64_t most_retries)
{
    struct moves_result r = moves_result(w->moves);
    if (r.failed > 0 && r.blocks == 0) {
        if (w->retries == most_retries)
            return MOVES_NO_PROGRESS;
        w->retries++;
    } else {
        w->retries = 0;
    }
    w->remaining |= r.failed > 0;
    return !w->remaining ? MOVES_SUCCESS : w->moved ? MOVES_IN_PROGRESS : MOVES_NO_BLOCK;
}

static int run_round(struct round *w, const struct mover_options *o, enum moves_exit *ret,
                     struct err *err)
{
    struct moves_options m = {.pool_id = w->cluster.pool_id,
                              .threads = (unsigned)conf_int(w->conf, CONF_mover_threads),
                              .per_node = (unsigned)conf_int(w->conf, CONF_dn_balance_moves),
                              .use_hostname = conf_bool(w->conf, CONF_client_use_hostname)};
    TRY(load_policies(w, err));
    TRY(cluster_nodes(&w->cluster, 0, &w->nodes, err));
    m.per_node = m.per_node == 0 ? 1 : m.per_node;
    TRY(moves_new(&m, &w->nodes, &w->moves, err));
    w->remaining = w->moved = false;
    for (size_t i = 0; i < o->count; i++)
        look_at_path(w, o->paths[i]);
    if (o->count == 0)
        look_at_path(w, "/");
    moves_finish(w->moves);
    note_pinned(w);
    *ret = judge(w, conf_int(w->conf, CONF_mover_retries));
    return 0;
}

static enum moves_exit round_of(struct round *w, const struct mover_options *o)
{
    enum moves_exit code = MOVES_IO_EXCEPTION;
    struct err err = {0};
    if (run_round(w, o, &code, &err) != 0)
        moves_print_failure(&err);
    moves_free(w->moves);
    w->moves = NULL;
    move_nodes_free(&w->nodes);
    return code;
}

static void tell(enum moves_exit code, int64_t retries)
{
    if (code == MOVES_SUCCESS)
        puts("Mover Successful: all blocks satisfy the specified storage policy. Exiting...");
    else if (code == MOVES_NO_PROGRESS)
        fprintf(stderr, "Failed to move some blocks after %lld retries. Exiting...\n",
                (long long)retries);
    else if (code == MOVES_NO_BLOCK)
        fputs("Some blocks can't be moved. Exiting...\n", stderr);
    else
        fprintf(stderr, "Mover failed. Exiting with status %s... \n",
                code == MOVES_INTERRUPTED ? "INTERRUPTED" : "IO_EXCEPTION");
}

static int walk_all(struct round *w, const struct mover_options *o)
{
    int64_t pause_ms =
        2 * conf_ms(w->conf, CONF_heartbeat_interval) + conf_ms(w->conf, CONF_redundancy_interval);
    for (;;) {
        enum moves_exit code = round_of(w, o);
        if (shell_interrupted())
            code = MOVES_INTERRUPTED;
        if (code != MOVES_IN_PROGRESS) {
            tell(code, conf_int(w->conf, CONF_mover_retries));
            return (int)code;
        }
        for (int64_t end = clock_monotonic_ms() + pause_ms;
             clock_monotonic_ms() < end && !shell_interrupted();)
            clock_sleep_ms(100);
    }
}

static int run(struct stores *stores, const struct mover_options *o)
{
    struct round w = {.stores = stores, .conf = stores_conf(stores), .rng = {random_u64()}};
    struct err err = {0};
    int code = MOVES_IO_EXCEPTION;
    if (cluster_open(stores, "Mover", "/system/mover.id", &w.cluster, &err) == 0)
        code = walk_all(&w, o);
    else
        moves_print_failure(&err);
    cluster_close(&w.cluster);
    text_free(w.pinned);
    return code;
}

static void print_duration(int64_t ms)
{
    char date[TEXT_SIZE];
    long long s = ms / 1000;
    printf("%-24s Mover took ", moves_date(date));
    if (s >= 3600)
        printf("%lldhrs, ", s / 3600);
    if (s >= 60)
        printf("%lldmins, ", s / 60 % 60);
    printf("%lldsec\n", s % 60);
}

int mover_run(struct stores *stores, int argc, char **argv)
{
    struct mover_options o;
    struct err err = {0};
    int64_t start_ms = clock_monotonic_ms();
    int code = MOVES_ILLEGAL_ARGUMENTS;
    int rc = mover_options(argc, argv, &o, &err);
    if (rc == 0 && o.help) {
        mover_usage(stdout);
        return 0;
    }
    if (rc != 0)
        moves_print_failure(&err);
    else
        code = run(stores, &o);
    print_duration(clock_monotonic_ms() - start_ms);
    mover_options_fini(&o);
    return code;
}
