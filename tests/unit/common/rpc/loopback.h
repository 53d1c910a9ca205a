/* loopback.h - a server on a free port whose getPreferredBlockSize answers the length of the file
 * name, with some names that make it misbehave, and a client of it. */
#pragma once
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.pb-c.h"
#include "common/obs/obs.h"
#include "common/rpc/internal.h"

struct fixture {
    struct rpc_server *server;
    struct rpc_client *client;
    struct rpc_protocol protocols[2];
    struct inbox held; /* calls named "hold..." */
    _Atomic unsigned held_count;
    bool hold_big; /* getLinkTarget waits too */
};

void setup(struct fixture *f, const struct rpc_server_options *o);
void setup_client(struct fixture *f, const struct rpc_client_options *o);
void teardown(struct fixture *f);
struct rpc_target target_of(const struct fixture *f);
int raw_call(struct fixture *f, const struct rpc_target *t, const struct rpc_method *m,
             const ProtobufCMessage *request, struct err *err);
int ask(struct fixture *f, const char *name, uint64_t *ret, struct err *err);
/* Answers a held call by the length of its name. */
void answer(struct rpc_call *take_call);
struct rpc_call *held_call(struct inbox_node *n);
/* Waits till so many calls have been held since setup, and takes those that wait. */
struct inbox_node *take_held(struct fixture *f, unsigned count);
/* A connected socket with time-outs. */
int dial(const struct fixture *f);
/* Frames as bytes, and what comes back. */
void put_hello(struct buf *b, const char *user, const char *real_user);
void put_ask(struct buf *b, int32_t call_id, const char *name);
void put_ask_big(struct buf *b, int32_t call_id, size_t size);
void send_all(int fd, const struct buf *b);
/* One response; its body stays in *frame. False: the connection has ended. */
bool read_reply(int fd, struct buf *frame, struct rpc_reply_event *r);
bool at_end(int fd); /* waits for the end of the connection, whatever comes before it */
void pause_ms(long ms);
/* Waits till the metric is at least so much above what it was. */
bool metric_reaches(enum metric m, uint64_t value);
