/* scan.h - a DataNode looks after its replicas by itself. Door of datanode/scan.
 * The block scanner reads every replica and compares it with its checksums, slowly, in the order
 * and with the cursor file of Hadoop's, so that either carries on where the other stopped; replicas
 * that somebody had trouble with come first. The directory scanner compares the folders with the
 * records. Threads: one a volume with the least priority, one for the rounds over the folders with
 * its helpers. */
#pragma once
#include "common/conf/conf.h"
#include "datanode/store/store.h"

struct scanner;
struct scanner_options {
    const struct conf *conf;
    struct store *store;
    /* A replica is bad: every NameNode is to be told. From a thread of the scanner. */
    void (*bad)(void *ctx, const char *pool_id, const struct block *block);
    void *ctx;
};
must_use int scanner_start(const struct scanner_options *o, struct scanner **ret, struct err *err);
/* Saves the cursors. */
void scanner_stop(struct scanner *take_s);
/* Somebody had trouble with the replica: it is looked at before all others, unless that has been
 * done lately. Never waits. */
void scanner_suspect(struct scanner *s, const char *pool_id, const struct block *block);

struct scanner_counts {
    uint64_t verified, bytes; /* replicas whose checksums are right, their bytes */
    uint64_t bad;             /* told to the NameNodes, by either scanner */
    uint64_t rounds;          /* over all folders */
    uint64_t forgotten, added, litter, alone, twice; /* see enum reconciled */
};
void scanner_counts(struct scanner *s, struct scanner_counts *ret);
/* The text of Hadoop's page /blockScannerReport. */
must_use int scanner_report(struct scanner *s, struct buf *out);
