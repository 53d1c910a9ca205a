/* io.h - the real environment: clocks, files that must survive, sockets, threads. Door of
 * common/io. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/base/base.h"

/* clock.c */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
int64_t clock_wall_ms(void);
void clock_sleep_ms(int64_t ms); /* a signal doesn't end it early */
uint64_t random_u64(void);
/* 36 characters and NUL, random version 4. */
void random_uuid(char out[37]);

/* durable.c: nothing is visible under its name before it is on disk. */
must_use int durable_write_file(const char *path, const void *data, size_t size, struct err *err);
must_use int durable_sync_dir(const char *dir, struct err *err);
must_use int durable_rename(const char *from, const char *to, struct err *err); /* syncs to's dir */
/* mkdir -p; new folders get `mode`. */
must_use int durable_mkdirs(const char *dir, unsigned mode, struct err *err);
/* Whole file into b, at most max_size (ERR_CORRUPT beyond). */
must_use int file_read(const char *path, size_t max_size, struct buf *b, struct err *err);
must_use int file_write_full(int fd, const void *data, size_t size, const char *what,
                             struct err *err);
/* All of size; ERR_CORRUPT when the file ends before. */
must_use int file_read_at(int fd, void *data, size_t size, uint64_t offset, const char *what,
                          struct err *err);
/* Takes <dir>/in_use.lock (fcntl, text pid@host); ERR_LOCKED names who holds it. Close the fd to
 * release. */
must_use int lock_dir(const char *dir, int *ret_fd, struct err *err);

/* properties.c: Java properties files (VERSION). */
struct property {
    char *name, *value;
};
struct properties {
    struct property *items;
    size_t count;
};
must_use int properties_read(const char *path, struct properties *ret, struct err *err);
void properties_fini(struct properties *p);
const char *properties_get(const struct properties *p, const char *name); /* NULL if absent */
must_use int properties_set(struct properties *p, const char *name, const char *value);
must_use int properties_write(const char *path, const struct properties *p, struct err *err);

/* sock.c: blocking TCP with time-outs. */
struct addr {
    char host[256];
    uint16_t port;
};
/* "host:port", "host", "[v6]:port"; what: the key or argument for the error text. */
must_use int addr_parse(const char *text, uint16_t default_port, const char *what, struct addr *ret,
                        struct err *err);
bool addr_is_loopback(const char *host); /* resolves */
must_use int sock_listen(const struct addr *a, int *ret_fd, uint16_t *ret_port, struct err *err);
must_use int sock_connect(const struct addr *a, int timeout_ms, int *ret_fd, struct err *err);
/* The same in two steps, for who waits with poll(2) for POLLOUT. The first address of the host is
 * taken; the socket stays non-blocking until it is connected. */
must_use int sock_connect_start(const struct addr *a, int *ret_fd, struct err *err);
/* *ret_connected false: not yet. */
must_use int sock_connect_check(int fd, bool *ret_connected, struct err *err);
must_use int sock_set_timeouts(int fd, int read_ms, int write_ms, struct err *err);
/* ip:port texts of the two ends. */
void sock_peer(int fd, char *out, size_t size);
void sock_local(int fd, char *out, size_t size);
must_use int sock_read_full(int fd, void *data, size_t size, struct err *err); /* ERR_EOF */
must_use int sock_write_full(int fd, const void *data, size_t size, struct err *err);
must_use int sock_writev_full(int fd, struct iovec *iov, int count, struct err *err);

/* inbox.c: many senders, one receiver; messages embed a node. */
struct inbox_node {
    struct inbox_node *next;
};
struct inbox {
    pthread_mutex_t lock; /* guards the list */
    pthread_cond_t ready;
    struct inbox_node *head, **tail;
    size_t count;
    bool closed;
};
void inbox_init(struct inbox *in);
void inbox_fini(struct inbox *in);
void inbox_put(struct inbox *in, struct inbox_node *n);
/* Takes all that is there, in order; waits at most timeout_ms (-1: for ever). NULL: time is up or
 * closed. */
struct inbox_node *inbox_take_all(struct inbox *in, int64_t timeout_ms);
void inbox_close(struct inbox *in);

/* worker.c: bounded pool of threads. Threads start when needed and end after 30 s without work. */
struct workers;
struct workers *workers_new(const char *name, unsigned max_threads);
/* ERR_BUSY when all threads are taken and queue_limit tasks wait (0: run only if a thread is free).
 */
must_use int workers_submit(struct workers *w, void (*run)(void *arg), void *arg,
                            unsigned queue_limit);
unsigned workers_busy(const struct workers *w);
/* Waits for the running ones; waiting tasks are still run. */
void workers_free(struct workers *w);
