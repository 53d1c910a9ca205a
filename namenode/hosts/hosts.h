/* hosts.h - which DataNodes may join and what the operator wants of them: the lists of dfs.hosts
 * and dfs.hosts.exclude. Door of namenode/hosts. Core: texts come in, names are resolved by the
 * caller. Built by one thread, then immutable. */
#pragma once
#include "common/base/base.h"
#include "namenode/nodes/nodes.h"

struct hosts;

enum {
    HOSTS_MAX = 1 << 20,      /* entries, and */
    HOSTS_ADDRESSES_MAX = 64, /* addresses of one */
};

/* Nobody is named, so everybody may join. NULL: no memory. */
struct hosts *hosts_new(void);
void hosts_free(struct hosts *take_hosts);

/* Words separated by white space: host, host:port, [address]:port; # begins a comment. ERR_CONFIG
 * names file, line and value; what was read before stays, so throw the lists away then. */
must_use int hosts_add_text(struct hosts *h, struct slice text, const char *file, bool exclude,
                            struct err *err);
/* Objects in an array, or one after the other as files of Hadoop 3.0 had them. */
must_use int hosts_add_json(struct hosts *h, struct slice text, const char *file, struct err *err);

size_t hosts_count(const struct hosts *h);
const char *hosts_name(const struct hosts *h, size_t entry); /* to be resolved */
/* An address of the entry, as text of numbers. One without any matches nobody. */
must_use int hosts_add_address(struct hosts *h, size_t entry, const char *address);
/* After the last address, before the first question. */
must_use int hosts_seal(struct hosts *h);

struct host_wish {
    bool included, excluded;
    int64_t maintenance_until_ms; /* wall; 0: none wanted */
    const char *upgrade_domain;   /* NULL: none; good as long as the lists */
};
/* h NULL: as empty lists. */
struct host_wish hosts_wish(const struct hosts *h, const char *address, uint32_t port);

/* What an entry says, for lists of nodes that were never heard of. */
struct host_entry {
    const char *name, *address; /* address NULL: not resolved */
    uint32_t port;              /* 0: any */
    bool included;
};
struct host_entry hosts_entry(const struct hosts *h, size_t entry);
