/* internal.h - what the files of the small cluster share. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "cli/mini/mini.h"
#include "common/base/base.h"
#include "common/conf/conf.h"

enum { MINI_DATANODES_MAX = 64, MINI_SETTINGS_MAX = 256 };

struct mini_options {
    unsigned datanodes, port; /* port 0: any */
    const char *dir, *conf_out;
    bool format, help;
    const char *settings[MINI_SETTINGS_MAX];
    size_t setting_count;
    char **command; /* of --run, NULL-terminated; NULL: none */
};

/* False: wrong, a message is out. */
bool mini_parse(int argc, char **argv, struct mini_options *ret);

/* Where things are: base holds name/, dn0/ ... and conf/ (unless conf is elsewhere). Absolute. */
struct mini_place {
    char base[4096], conf[4096 + 8];
    bool temporary;
};
must_use int mini_place_make(const struct mini_options *o, struct mini_place *ret, struct err *err);
/* Removes what is temporary. */
void mini_place_remove(const struct mini_place *place);
/* Takes the data of an earlier file system away. */
must_use int mini_place_clear(const struct mini_place *place, struct err *err);

/* The settings of the NameNode, and of DataNode `index` of a NameNode on `port`. */
must_use int mini_conf_namenode(const struct mini_options *o, const struct mini_place *place,
                                struct conf **ret, struct err *err);
must_use int mini_conf_datanode(const struct mini_options *o, const struct mini_place *place,
                                unsigned index, unsigned port, struct conf **ret, struct err *err);
/* core-site.xml for clients. */
must_use int mini_conf_write(const struct mini_options *o, const struct mini_place *place,
                             unsigned port, struct err *err);

/* Blocks the signals that end the cluster; call before any thread is made. */
void mini_signals_block(void);
/* Until a signal comes, or the command has ended: the exit code of the process. */
int mini_wait(char **command);
