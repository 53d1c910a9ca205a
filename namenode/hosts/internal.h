/* internal.h - what the files of this room share. */
#pragma once
#include "namenode/hosts/hosts.h"

enum { SHOWN_MAX = 80 };

struct entry {
    char *name, *upgrade_domain;
    uint32_t port;
    bool includes; /* from a list of those that may join */
    uint8_t wish;  /* enum admin_state */
    int64_t maintenance_until_ms;
    char **addresses;
    size_t address_count;
};

/* An address and who has it; sorted by address, then by entry. */
struct named {
    const char *address;
    size_t entry;
};

struct hosts {
    struct entry *entries;
    size_t count, capacity;
    struct named *index;
    size_t index_count;
    bool restricts; /* some host is named as one in service: others may not join */
};

/* Takes over the texts of *take_entry. */
must_use int entry_add(struct hosts *h, struct entry *take_entry);
/* A value as it may be shown in an error: printable, cut. */
const char *shown(char out[SHOWN_MAX + 1], struct slice value);
must_use int host_check(struct slice host);
