/* fixture.h - a pretended cluster for libdfs/io and output: one NameNode that knows one file, three
 * DataNodes that do as told. Only the first node of a pipeline is really talked to; it answers for
 * the others. */
#pragma once
#include <criterion/criterion.h>

#include "libdfs/output/output.h"

enum { FAKE_NODES = 3, FAKE_BLOCK = 256 * 1024, FAKE_BLOCKS = 4 };

struct fake_fault {
    bool refuse_setup; /* answer a set-up with ERROR, blaming blame_position of the pipeline */
    unsigned blame_position;
    int cut_after_packets;   /* write: close the connection after so many packets of a block (-1:
                                never) */
    int error_after_packets; /* write: acknowledge the packet after so many with an error at
                                blame_position */
    int drop_read_after;     /* read: close after so many packets */
    bool flip_bit;           /* read: damage the data */
    bool close_after_read;   /* read: close the connection although it could be used again */
    unsigned times;          /* how often the fault strikes before the node is well again */
};

struct fake_node {
    struct fake_cluster *cluster;
    struct fake_fault fault;
    uint16_t port;
    int listener;
    pthread_t thread;
    unsigned accepted;
};

struct fake_cluster {
    pthread_mutex_t lock; /* guards all below */
    struct fake_node nodes[FAKE_NODES];
    uint8_t data[FAKE_BLOCKS][FAKE_BLOCK]; /* what the cluster holds, by block */
    uint64_t sizes[FAKE_BLOCKS], stamps[FAKE_BLOCKS];
    bool finalized[FAKE_BLOCKS];
    unsigned block_count;
    char log[2048];          /* calls of the NameNode and set-ups, in order */
    unsigned not_yet;        /* answer so many complete() with false */
    bool refuse_renewals;
    unsigned not_replicated; /* and so many addBlock with NotReplicatedYetException */
    struct rpc_server *namenode;
    struct conf *conf;
    struct io_env env;
};

struct fake_cluster *fake_start(void);
struct fake_cluster *fake_start_with(int64_t hard_limit_ms); /* of leases */
void fake_stop(struct fake_cluster *c);
/* Appends "word " to the log. */
void fake_log(struct fake_cluster *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How often the word is in the log. */
unsigned fake_count(struct fake_cluster *c, const char *word);
void *fake_node_main(void *node);
void fake_namenode_dispatch(void *cluster, struct rpc_call *call);
static inline uint8_t fake_byte(uint64_t offset)
{
    return (uint8_t)(offset * 37 + offset / 511);
}
