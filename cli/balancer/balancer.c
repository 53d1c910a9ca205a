/* balancer.c - iterations until the cluster is balanced or nothing moves any more, and the table
 * about them that scripts read. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/balancer/internal.h"
#include "cli/shell/shell.h"
#include "common/io/io.h"
#include "common/obs/obs.h"

struct run {
    struct stores *stores;
    const struct conf *conf;
    const struct balancer_options *options;
    struct cluster cluster;
    struct rng rng;
    uint64_t bytes_moved, blocks_moved; /* in all */
    int64_t idle;                       /* iterations without a move, one after the other */
};

struct outcome {
    enum moves_exit code;
    int64_t left, being_moved; /* -1: not known */
};

bool balancer_interrupted(void)
{
    return shell_interrupted();
}

/* --- one iteration --- */

/* Those that may take part, shuffled, so that no node is always the first. */
static size_t choose_nodes(struct run *r, const struct move_nodes *nodes, size_t *order,
                           bool *is_source)
{
    const struct balancer_options *o = r->options;
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct move_node *n = &nodes->items[i];
        is_source[i] = o->sources.count == 0 || host_list_has(&o->sources, n);
        if (n->in_service && !host_list_has(&o->excluded, n) &&
            (o->included.count == 0 || host_list_has(&o->included, n)))
            order[count++] = i;
    }
    for (size_t i = count; i > 1; i--) {
        size_t k = rng_below(&r->rng, i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    return count;
}

static void make_plan(struct run *r, const struct move_nodes *nodes, struct plan *ret)
{
    struct plan_settings s = {.threshold = r->options->threshold,
                              .by_pool = r->options->by_pool,
                              .sort_top = r->options->sort_top,
                              .max_to_move = (uint64_t)conf_size(r->conf, CONF_balancer_max_size)};
    size_t *order = text_alloc((nodes->count + 1) * sizeof(*order));
    bool *is_source = text_alloc(nodes->count + 1);
    size_t count = choose_nodes(r, nodes, order, is_source);
    plan_make(&s, nodes, order, count, is_source, ret);
    text_free(order);
    text_free(is_source);
}

/* So many that each target gets its share of all threads. */
static unsigned moves_per_node(const struct run *r)
{
    int64_t most = conf_int(r->conf, CONF_dn_balance_moves);
    return most < 1 ? 1 : (unsigned)most;
}

static int move_blocks(struct run *r, const struct move_nodes *nodes, struct plan *p,
                       uint64_t *ret_moved, struct err *err)
{
    const struct conf *conf = r->conf;
    struct moves_options o = {.pool_id = r->cluster.pool_id,
                              .threads = (unsigned)conf_int(conf, CONF_balancer_threads),
                              .per_node = moves_per_node(r),
                              .use_hostname = conf_bool(conf, CONF_client_use_hostname),
                              .timeout_ms = conf_ms(conf, CONF_balancer_move_timeout)};
    struct dispatch_settings d = {
        .blocks_size = (uint64_t)conf_size(conf, CONF_balancer_blocks_size),
        .min_block = (uint64_t)conf_size(conf, CONF_balancer_min_block),
        .hot_ms = r->options->hot_ms != 0 ? (uint64_t)r->options->hot_ms
                                          : (uint64_t)conf_ms(conf, CONF_balancer_hot_interval),
        .calls_per_second = (unsigned)conf_int(conf, CONF_get_blocks_max_qps),
        .no_move_ms = conf_ms(conf, CONF_balancer_no_move_interval),
        .iteration_ms = conf_ms(conf, CONF_balancer_iteration_time)};
    struct moves *moves;
    TRY(moves_new(&o, nodes, &moves, err));
    int rc = dispatch(&r->cluster, &d, p, nodes, moves, err);
    struct moves_result result = moves_result(moves);
    moves_free(moves);
    r->bytes_moved += result.bytes;
    r->blocks_moved += result.blocks;
    *ret_moved = result.bytes;
    return rc;
}

/* Another one after an iteration that moved so much? */
static bool goes_on(struct run *r, uint64_t moved)
{
    int64_t most = r->options->idle_iterations;
    r->idle = moved > 0 ? 0 : r->idle + 1;
    if (most < 0 || r->idle < most)
        return true;
    printf("No block has been moved for %lld iterations. Exiting...\n", (long long)r->idle);
    return false;
}

static int follow_plan(struct run *r, const struct move_nodes *nodes, struct plan *p,
                       struct outcome *ret, struct err *err)
{
    bool upgrading = false;
    char text[TEXT_SIZE];
    uint64_t moved;
    ret->left = (int64_t)p->bytes_left;
    ret->being_moved = 0;
    if (p->bytes_left == 0) {
        ret->code = MOVES_SUCCESS;
        return 0;
    }
    log_info("need to move %s to make the cluster balanced", moves_bytes(ret->left, text));
    if (!r->options->during_upgrade)
        TRY(cluster_is_upgrading(&r->cluster, &upgrading, err));
    if (upgrading) {
        fputs("Balancer exiting as upgrade is not finalized, please finalize the HDFS upgrade "
              "before running the balancer.\n",
              stderr);
        *ret = (struct outcome){MOVES_UPGRADE, ret->left, -1};
        return 0;
    }
    ret->being_moved = (int64_t)plan_match(p, nodes);
    if (ret->being_moved == 0) {
        puts("No block can be moved. Exiting...");
        ret->code = MOVES_NO_BLOCK;
        return 0;
    }
    TRY(move_blocks(r, nodes, p, &moved, err));
    ret->code = goes_on(r, moved) ? MOVES_IN_PROGRESS : MOVES_NO_PROGRESS;
    return 0;
}

static struct outcome iterate(struct run *r)
{
    struct outcome o = {.left = -1, .being_moved = -1};
    struct move_nodes nodes = {0};
    struct plan plan = {0};
    struct err err = {0};
    int rc =
        cluster_nodes(&r->cluster, (uint64_t)conf_size(r->conf, CONF_block_size), &nodes, &err);
    if (rc == 0) {
        make_plan(r, &nodes, &plan);
        rc = follow_plan(r, &nodes, &plan, &o, &err);
    }
    if (rc != 0) {
        moves_print_failure(&err);
        o = (struct outcome){rc == ERR_INTERRUPTED ? MOVES_INTERRUPTED : MOVES_IO_EXCEPTION, -1,
                             -1};
    }
    plan_fini(&plan);
    move_nodes_free(&nodes);
    return o;
}

/* --- all of them --- */

static void print_row(const struct run *r, int iteration, const struct outcome *o)
{
    char date[TEXT_SIZE], moved[TEXT_SIZE], left[TEXT_SIZE], being[TEXT_SIZE];
    printf("%-24s %10d  %19s  %18s  %17s  %17llu  %s\n", moves_date(date), iteration,
           moves_bytes((int64_t)r->bytes_moved, moved), moves_bytes(o->left, left),
           moves_bytes(o->being_moved, being), (unsigned long long)r->blocks_moved, r->cluster.url);
    fflush(stdout);
}

static bool wait_ms(int64_t ms)
{
    for (int64_t end = clock_monotonic_ms() + ms; clock_monotonic_ms() < end;) {
        if (balancer_interrupted())
            return false;
        clock_sleep_ms(100);
    }
    return true;
}

static bool wants_pool(const struct run *r)
{
    const struct host_list *pools = &r->options->pools;
    for (size_t i = 0; i < pools->count; i++)
        if (strcmp(pools->items[i], r->cluster.pool_id) == 0)
            return true;
    return pools->count == 0;
}

static int balance(struct run *r)
{
    /* the NameNode has heard of all moves by then */
    int64_t pause_ms =
        2 * conf_ms(r->conf, CONF_heartbeat_interval) + conf_ms(r->conf, CONF_redundancy_interval);
    if (!wants_pool(r)) {
        puts("The cluster is balanced. Exiting...");
        return MOVES_SUCCESS;
    }
    for (int iteration = 0;; iteration++) {
        struct outcome o = iterate(r);
        print_row(r, iteration, &o);
        if (o.code == MOVES_SUCCESS)
            puts("The cluster is balanced. Exiting...");
        if (o.code != MOVES_IN_PROGRESS)
            return (int)o.code;
        if (!wait_ms(pause_ms))
            return MOVES_INTERRUPTED;
    }
}

static int run_once(struct run *r)
{
    struct err err = {0};
    puts("Time Stamp               Iteration#  Bytes Already Moved  Bytes Left To Move  "
         "Bytes Being Moved  NameNode");
    r->idle = 0;
    r->bytes_moved = r->blocks_moved = 0;
    int code = MOVES_IO_EXCEPTION;
    if (cluster_open(r->stores, "Balancer", "/system/balancer.id", &r->cluster, &err) == 0)
        code = balance(r);
    else
        moves_print_failure(&err);
    cluster_close(&r->cluster);
    return code;
}

static int run_service(struct run *r)
{
    int64_t interval_ms = conf_ms(r->conf, CONF_balancer_interval);
    int64_t tries = conf_int(r->conf, CONF_balancer_retries), failed = 0;
    for (;;) {
        int code = run_once(r);
        failed = code == MOVES_IO_EXCEPTION ? failed + 1 : 0;
        if (code == MOVES_INTERRUPTED || failed > tries)
            return code;
        log_info("finished one round code=%d, the next one is in %lld ms", code,
                 (long long)interval_ms);
        if (!wait_ms(interval_ms))
            return MOVES_INTERRUPTED;
    }
}

static void print_duration(int64_t ms)
{
    static const struct {
        int64_t below, divisor;
        const char *unit;
    } units[] = {{1000, 1, "milliseconds"},
                 {60000, 1000, "seconds"},
                 {3600000, 60000, "minutes"},
                 {INT64_MAX, 3600000, "hours"}};
    char date[TEXT_SIZE], number[TEXT_SIZE];
    size_t i = 0;
    while (ms >= units[i].below)
        i++;
    printf("%-24s Balancing took %s %s\n", moves_date(date),
           moves_double((double)ms / (double)units[i].divisor, number), units[i].unit);
}

int balancer_run(struct stores *stores, int argc, char **argv)
{
    struct balancer_options options;
    struct err err = {0};
    int64_t start_ms = clock_monotonic_ms();
    int code = MOVES_BAD_LINE;
    int rc = balancer_parse(argc, argv, &options, &err);
    if (rc == 0 && options.help) {
        balancer_usage(stdout);
        balancer_fini(&options);
        return 0;
    }
    if (rc != 0) {
        balancer_usage(stderr);
        fprintf(stderr, "Exiting balancer due an exception: %s: %s\n", err_class(&err), err.text);
    } else {
        struct run r = {.stores = stores,
                        .conf = stores_conf(stores),
                        .options = &options,
                        .rng = {random_u64()}};
        code = options.as_service ? run_service(&r) : run_once(&r);
    }
    print_duration(clock_monotonic_ms() - start_ms);
    balancer_fini(&options);
    return code;
}
