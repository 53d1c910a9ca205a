/* dn_conn.c - a connection to a DataNode's data port.
 * Thread: the owner's; blocking with the socket's time-outs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libdfs/io/internal.h"

void node_address(const Hdfs__DatanodeID *node, bool use_hostname, char *out, size_t size)
{
    snprintf(out, size, "%s:%u", use_hostname ? node->host_name : node->ip_addr, node->xfer_port);
}

static int dnc_new(const Hdfs__DatanodeID *node, bool use_hostname, struct addr *ret_addr,
                   struct dnc **ret, struct err *err)
{
    if (node->xfer_port == 0 || node->xfer_port > UINT16_MAX)
        return fail(err, ERR_PROTOCOL, "DataNode %s has port %u", node->ip_addr, node->xfer_port);
    struct dnc *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a connection");
    node_address(node, use_hostname, c->name, sizeof(c->name));
    *ret_addr = (struct addr){.port = (uint16_t)node->xfer_port};
    snprintf(ret_addr->host, sizeof(ret_addr->host), "%s",
             use_hostname ? node->host_name : node->ip_addr);
    c->fd = -1;
    *ret = c;
    return 0;
}

int dnc_connect(const Hdfs__DatanodeID *node, bool use_hostname, const struct io_timeouts *timeouts,
                unsigned nodes_behind, struct dnc **ret, struct err *err)
{
    struct addr a;
    struct dnc *c;
    TRY(dnc_new(node, use_hostname, &a, &c, err));
    int extra = timeouts->per_node_ms * (int)nodes_behind;
    int rc = sock_connect(&a, timeouts->connect_ms, &c->fd, err);
    if (rc == 0)
        rc = sock_set_timeouts(c->fd, timeouts->read_ms + extra, timeouts->write_ms + extra, err);
    xfer_in_init(&c->in, c->fd);
    if (rc != 0) {
        dnc_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

int dnc_connect_start(const Hdfs__DatanodeID *node, bool use_hostname, struct dnc **ret,
                      struct err *err)
{
    struct addr a;
    struct dnc *c;
    TRY(dnc_new(node, use_hostname, &a, &c, err));
    int rc = sock_connect_start(&a, &c->fd, err);
    if (rc != 0) {
        dnc_free(c);
        return rc;
    }
    xfer_in_init(&c->in, c->fd);
    *ret = c;
    return 0;
}

int dnc_connect_check(struct dnc *c, const struct io_timeouts *timeouts, bool *ret_connected,
                      struct err *err)
{
    TRY(sock_connect_check(c->fd, ret_connected, err));
    return *ret_connected ? sock_set_timeouts(c->fd, timeouts->read_ms, timeouts->write_ms, err)
                          : 0;
}

void dnc_free(struct dnc *c)
{
    if (c == NULL)
        return;
    xfer_in_fini(&c->in);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

static int status_code(const Xfer__BlockOpResponse *r)
{
    if (r->status == XFER__STATUS__ERROR_ACCESS_TOKEN)
        return ERR_ACCESS;
    if (r->status == XFER__STATUS__ERROR_CHECKSUM)
        return ERR_CHECKSUM;
    if (r->status == XFER__STATUS__ERROR_UNSUPPORTED)
        return ERR_UNSUPPORTED;
    if (r->message != NULL && strstr(r->message, "ReplicaNotFoundException") != NULL)
        return ERR_NO_REPLICA;
    return ERR_IO;
}

int dnc_request(struct dnc *c, enum xfer_opcode op, const ProtobufCMessage *message,
                struct arena *arena, Xfer__BlockOpResponse **ret, const char **ret_first_bad_link,
                struct err *err)
{
    TRY(xfer_send_op(c->fd, op, message, err));
    return dnc_answer(c, arena, ret, ret_first_bad_link, err);
}

int dnc_status(const Xfer__BlockOpResponse *r, struct err *err)
{
    if (r->status == XFER__STATUS__SUCCESS)
        return 0;
    const ProtobufCEnumValue *name =
        protobuf_c_enum_descriptor_get_value(&xfer__status__descriptor, (int)r->status);
    const char *text = r->message != NULL ? r->message : "";
    return fail(err, status_code(r), "%s%s%.*s", name != NULL ? name->name : "unknown status",
                text[0] != '\0' ? ": " : "", (int)strcspn(text, "\n"), text);
}

int dnc_answer(struct dnc *c, struct arena *arena, Xfer__BlockOpResponse **ret,
               const char **ret_first_bad_link, struct err *err)
{
    ProtobufCMessage *answer;
    TRY(xfer_recv_message(&c->in, &xfer__block_op_response__descriptor, arena, &answer, err));
    Xfer__BlockOpResponse *r = (Xfer__BlockOpResponse *)(void *)answer;
    *ret = r;
    if (r->status != XFER__STATUS__SUCCESS && ret_first_bad_link != NULL)
        *ret_first_bad_link = r->first_bad_link;
    return dnc_status(r, err);
}
