/* fixture.h - name directories in a temporary folder, and a journal that writes real edits to them.
 */
#pragma once
#include <criterion/criterion.h>

#include "common/conf/conf.h"
#include "common/io/io.h"
#include "namenode/journal/journal.h"
#include "namenode/storage/internal.h"

struct fixture {
    char root[64];
    struct conf *conf;
    size_t dirs;
};

/* Formatted folders root/d0, root/d1 ... */
void fixture_init(struct fixture *f, size_t dirs);
void fixture_fini(struct fixture *f);
void fixture_set(struct fixture *f, const char *name, const char *value);
/* root/dI/current/<name>; one of 8 static buffers. */
const char *fixture_file(const struct fixture *f, size_t dir, const char *name);
bool fixture_has(const struct fixture *f, size_t dir, const char *name);

/* A NameNode's storage half. */
struct node {
    struct fixture *f;
    struct storage *storage;
    struct nn *nn;
    struct storage_loaded loaded;
    struct edit_log *log;
    _Atomic uint64_t durable;
    _Atomic bool lost;
};
/* Opens, loads, begins a segment. Not 0: err says why; nothing is left open. */
int node_start(struct node *n, struct fixture *f, struct err *err);
void node_must_start(struct node *n, struct fixture *f);
/* Commits one edit that changes the state visibly (the generation stamp is 1000 + its txid then).
 */
void node_commit(struct node *n);
void node_commit_code(struct node *n, int code);
void node_wait(struct node *n); /* till all is durable */
void node_roll(struct node *n);
/* Ends the segment and the thread. */
void node_stop(struct node *n);
/* As kill -9: whatever is durable stays, the segment is not ended. */
void node_crash(struct node *n);
/* Starts, and must see exactly the state at txid. */
void expect_state(struct fixture *f, uint64_t txid);

/* The calls that change files count in these tests (crash.c has them in place of the C library's):
 * at number `at` the process ends, or, with an errno, this call and all later ones fail. `below`:
 * only calls in this folder. */
struct faults {
    bool armed, late; /* late: once the folders are open */
    unsigned long at, count;
    int eno;
    const char *below;
};
extern struct faults faults;
int fault_of(const char *path); /* 0, or the errno that the call shall give */
int fault_of_fd(int fd);

void file_flip(const char *path, size_t offset, uint8_t mask);
size_t file_size(const char *path);
size_t file_data_end(const char *path); /* without padding */
void file_copy(const char *from, const char *to);
