/* internal.h - the parts of a DataNode whose settings can change while it runs. */
#pragma once
#include "common/reconf/reconf.h"
#include "datanode/control/control.h"
#include "datanode/pipeline/pipeline.h"
#include "datanode/store/store.h"

struct node_parts {
    struct store *store;
    struct control *control;
    const struct pipeline_config *pipeline;
};
/* settings.c: a function's ctx is a struct node_parts. */
extern const struct reconf_key node_keys[];
extern const size_t node_key_count;
