/* internal.h - what the files of handlers/datanode share. Thread: state. */
#pragma once
#include "namenode/handlers/call.h"

/* register.c */
/* The node if it is registered and alive, else 0. */
uint32_t registered(const struct call *c, const Dp__DatanodeRegistration *reg);
int need_registered(struct call *c, const Dp__DatanodeRegistration *reg, uint32_t *ret_node);
/* recovery.c: what the node shall lead; *ret NULL: nothing */
int recovery_orders(struct call *c, uint32_t node, Dp__DatanodeCommand **ret);
/* rebuild.c: at most `max`; *ret NULL: none */
int rebuild_orders(struct call *c, uint32_t node, uint32_t max, Dp__DatanodeCommand **ret);
/* heartbeat.c: the order to register again */
int register_command(struct call *c, Dp__DatanodeCommand **ret);
/* With the answer to a report: whatever the DataNode keeps of a former state may go. None while an
 * upgrade is open. */
int finalize_command(struct call *c, Dp__DatanodeCommand **ret);
