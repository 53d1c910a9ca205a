/* fixture.h - a block group in memory, behind pretended DataNodes: one for each internal block, on
 * a port of its own, with faults as told. Many connections at a time. */
#pragma once
#include <criterion/criterion.h>
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/io/internal.h"

enum { FAKE_UNITS = EC_MAX_UNITS, FAKE_CONNECTIONS = 4096 };

struct fake_fault {
    bool refuse;       /* nobody listens */
    bool error;        /* every request is answered with an error status */
    bool hang;         /* connections are accepted, and nothing else happens */
    int cut_after;     /* close every connection after so many bytes of data (-1: never) */
    int stall_after;   /* the same, but say nothing any more */
    int flip_at;       /* byte of the internal block that is sent with a bit flipped (-1: none) */
    unsigned delay_ms; /* before each answer */
    unsigned times;    /* connections that the fault strikes; 0: all */
};

struct fake_unit {
    struct fake_group *of;
    struct fake_fault fault;
    uint8_t *data;
    uint64_t size;
    int listener;
    uint16_t port, closed_port;
    pthread_t thread;
    unsigned struck, requests; /* guarded by the group's lock */
    uint64_t sent;
};

struct fake_group {
    pthread_mutex_t lock; /* guards what is below */
    bool ending;
    pthread_t connections[FAKE_CONNECTIONS];
    unsigned connection_count;
    int fds[FAKE_CONNECTIONS];
    char log[4096]; /* what the reader's owner was told */
    uint32_t dead;  /* bits of units whose nodes he remembers */
    struct ec_policy policy;
    struct ec_coder *coder;
    uint8_t *data; /* of the group */
    uint64_t length;
    struct fake_unit units[FAKE_UNITS];
    uint32_t absent; /* units that the NameNode has no location for */
    struct rd_group layout;
    Hdfs__LocatedBlock block;
    Hdfs__ExtendedBlock id;
    Rpc__Token token;
    Hdfs__DatanodeInfo infos[FAKE_UNITS], *locs[FAKE_UNITS];
    Hdfs__DatanodeID ids[FAKE_UNITS];
    char uuids[FAKE_UNITS][16];
    uint8_t indices[FAKE_UNITS];
    struct io_env env;
    struct group_owner owner;
};

struct fake_group *fake_group_start(enum ec_codec codec, uint8_t k, uint8_t m, uint32_t cell,
                                    uint64_t length);
void fake_group_stop(struct fake_group *f);
/* Forgets dead nodes and the log, takes away all faults and locations that were taken. */
void fake_group_heal(struct fake_group *f);
/* The located block as the NameNode tells it now: without `absent`, dead ports for `refuse`. */
struct group_in *fake_open(struct fake_group *f, uint64_t position, uint64_t end);
/* Reads [position, end) in calls of `step` bytes and compares; 0 or the error. */
int fake_read(struct fake_group *f, uint64_t position, uint64_t end, size_t step, struct err *err);
