/* node.c - a NameNode from its configuration: format, start, stop.
 * Thread: the caller's. Owns a copy of the configuration, the storage, the state and the server, in
 * this order. */
#include "namenode/node.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auth/auth.h"
#include "common/conf/conf.h"
#include "common/io/io.h"
#include "common/obs/obs.h"
#include "namenode/blocks/blocks.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"
#include "namenode/server/server.h"
#include "namenode/storage/storage.h"

struct namenode {
    struct conf *conf;
    struct storage *storage;
    struct nn *nn;
    struct server *server;
};

/* ---- format ---- */

/* A numeric address of this machine, for the block pool's name only. */
static void own_address(char out[64])
{
    char name[256] = "";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    snprintf(out, 64, "127.0.0.1");
    if (gethostname(name, sizeof(name) - 1) != 0 || getaddrinfo(name, NULL, &hints, &list) != 0)
        return;
    if (getnameinfo(list->ai_addr, list->ai_addrlen, out, 64, NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(out, 64, "127.0.0.1");
    freeaddrinfo(list);
}

int namenode_format(const struct conf *conf, const struct namenode_format_options *options,
                    struct err *err)
{
    char address[64], user[256];
    TRY(auth_check_protection(conf, err));
    own_address(address);
    TRY(auth_process_user(user, sizeof(user), err));
    struct storage_format_options o = {.force = options->force,
                                       .non_interactive = options->non_interactive,
                                       .cluster_id = options->cluster_id,
                                       .address = address,
                                       .now_ms = (uint64_t)clock_wall_ms()};
    struct nn_identity identity;
    struct nn *nn = NULL;
    TRY(storage_new_identity(&o, &identity, err));
    TRY(nn_new(&identity, user, conf_str(conf, CONF_superusergroup), &nn, err));
    int rc = storage_format(conf, &o, nn, err);
    nn_free(nn);
    return rc;
}

int namenode_is_formatted(const struct conf *conf, bool *ret, struct err *err)
{
    return storage_is_formatted(conf, ret, err);
}

/* ---- start ---- */

static void log_loaded(const struct namenode *n, const struct storage_loaded *l, int64_t start_ms)
{
    struct buf dirs = {0};
    struct ns_stats ns;
    struct blocks_stats blocks;
    ns_stats(n->nn->ns, &ns);
    blocks_stats(n->nn->blocks, &blocks);
    if (storage_describe(n->storage, &dirs) == 0)
        log_info("namespace loaded dirs=%s cluster=%s image_txid=%" PRIu64 " edits=%" PRIu64
                 " txid=%" PRIu64 " inodes=%" PRIu64 " blocks=%" PRIu64 " ms=%" PRId64,
                 (const char *)buf_head(&dirs), n->nn->identity.cluster_id, l->image_txid, l->edits,
                 l->last_txid, ns.inodes, blocks.blocks, clock_monotonic_ms() - start_ms);
    buf_fini(&dirs);
}

static int open_state(struct namenode *n, enum namenode_start_mode mode,
                      struct storage_loaded *loaded, struct err *err)
{
    if (mode == NAMENODE_IMPORT)
        return storage_import(n->conf, &n->storage, &n->nn, loaded, err);
    TRY(storage_open_for(n->conf, mode == NAMENODE_UPGRADE ? STORAGE_UPGRADE : STORAGE_REGULAR,
                         &n->storage, err));
    TRY(storage_load(n->storage, &n->nn, loaded, err));
    if (mode == NAMENODE_REGULAR)
        return 0;
    TRY(storage_upgrade(n->storage, n->nn, (uint64_t)clock_wall_ms(), err));
    *loaded =
        (struct storage_loaded){.image_txid = n->nn->last_txid, .last_txid = n->nn->last_txid};
    return 0;
}

static int start(struct namenode *n, enum namenode_start_mode mode, struct err *err)
{
    int64_t start_ms = clock_monotonic_ms();
    struct storage_loaded loaded;
    struct addr listen;
    char user[256];
    TRY(auth_check_protection(n->conf, err));
    TRY(auth_process_user(user, sizeof(user), err));
    TRY(server_address_from_conf(n->conf, &listen, err)); /* before the long work */
    TRY(open_state(n, mode, &loaded, err));
    TRY(server_configure(n->conf, n->nn, err));
    log_loaded(n, &loaded, start_ms);
    struct server_options o = {n->conf, n->storage, n->nn, &loaded, user};
    TRY(server_start(&o, &n->server, err));
    log_info("namenode is up address=%s superuser=%s ms=%" PRId64, server_listens_on(n->server),
             user, clock_monotonic_ms() - start_ms);
    return 0;
}

int namenode_rollback(const struct conf *conf, struct err *err)
{
    return storage_rollback(conf, err);
}

int namenode_layout(const struct conf *conf, int *ret_dirs, int *ret_program, struct err *err)
{
    *ret_program = STORAGE_LAYOUT;
    return storage_layout(conf, ret_dirs, err);
}

int namenode_start(const struct conf *conf, struct namenode **ret, struct err *err)
{
    return namenode_start_as(conf, NAMENODE_REGULAR, ret, err);
}

int namenode_start_as(const struct conf *conf, enum namenode_start_mode mode, struct namenode **ret,
                      struct err *err)
{
    struct namenode *n = calloc(1, sizeof(*n));
    if (n == NULL || (n->conf = conf_copy(conf)) == NULL) {
        free(n);
        return fail(err, ERR_NO_MEMORY, "no memory for a NameNode");
    }
    int rc = start(n, mode, err);
    if (rc != 0) {
        namenode_stop(n);
        return rc;
    }
    *ret = n;
    return 0;
}

uint16_t namenode_port(const struct namenode *n)
{
    return server_port(n->server);
}

const char *namenode_address(const struct namenode *n)
{
    return server_listens_on(n->server);
}

void namenode_stop(struct namenode *n)
{
    if (n == NULL)
        return;
    server_stop(n->server);
    nn_free(n->nn);
    storage_close(n->storage);
    conf_free(n->conf);
    free(n);
}
