/* internal.h - what the files of cli/mover share. */
#pragma once
#include "cli/mover/mover.h"
#include "cli/moves/moves.h"

/* wishes.c: pure */
enum { WISH_REPLICAS = 64 };
struct type_list {
    int items[WISH_REPLICAS];
    size_t count;
};
/* What the policy wants for so many replicas; nothing in memory. */
void wish_types(const struct dfs_storage_policy *p, uint32_t replication, struct type_list *ret);
/* Takes out of both what they share, and what can't be moved. True: nothing is to be done. */
bool wish_differs_not(struct type_list *expected, struct type_list *existing);
struct wish_block {
    size_t nodes[WISH_REPLICAS]; /* that are alive */
    int types[WISH_REPLICAS];
    size_t count;
    uint64_t length;
};
/* A replica from place to a volume of that type there, on the same rack, or elsewhere. */
enum wish_near { WISH_SAME_NODE, WISH_SAME_RACK, WISH_ELSEWHERE };
bool wish_target_fits(const struct wish_block *b, const struct move_nodes *nodes, size_t place,
                      size_t target, int type, enum wish_near near);

/* options.c */
struct mover_options {
    char **paths; /* NULL-terminated */
    size_t count;
    bool help;
};
must_use int mover_options(int argc, char **argv, struct mover_options *ret, struct err *err);
void mover_options_fini(struct mover_options *o);
void mover_usage(FILE *out);
