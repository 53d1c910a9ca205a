/* commands.c - what a NameNode tells this node to do. Nothing here waits: copies and removals have
 * their own threads. */
#include "common/obs/obs.h"
#include "datanode/control/internal.h"

#define COMMAND(name) DP__DATANODE_COMMAND__TYPE__##name

static const uint64_t no_ack_length = 0x7fffffffffffffff; /* "don't report this removal" */

static void transfer(struct actor *a, const Dp__BlockCommand *command)
{
    for (size_t i = 0; i < command->n_blocks; i++) {
        struct err err = {0};
        if (copier_submit(a->control->options.copier, command, i, &err) != 0)
            log_limited(LOG_WARN, "a copy is not started block=%lld cause=%s",
                        (long long)command->blocks[i]->block_id, log_quote(err.text));
    }
}

static void invalidate(struct actor *a, const Dp__BlockCommand *command)
{
    for (size_t i = 0; i < command->n_blocks; i++) {
        const Hdfs__Block *b = command->blocks[i];
        struct err err = {0};
        bool quiet = b->num_bytes == no_ack_length;
        if (replica_remove(a->pool, b->block_id, b->gen_stamp, quiet, &err) != 0)
            log_debug("nothing to remove cause=%s", log_quote(err.text));
    }
}

static void block_command(struct actor *a, const Dp__BlockCommand *command)
{
    if (command == NULL || strcmp(command->block_pool_id, pool_id(a->pool)) != 0) {
        log_limited(LOG_WARN, "a command for an unknown block pool namenode=%s", a->name);
        return;
    }
    switch (command->action) {
    case DP__BLOCK_COMMAND__ACTION__TRANSFER:
        transfer(a, command);
        break;
    case DP__BLOCK_COMMAND__ACTION__INVALIDATE:
        invalidate(a, command);
        break;
    default:
        log_warn("a command is refused namenode=%s action=%d", a->name, (int)command->action);
    }
}

static void recover(const struct actor *a, const Dp__BlockRecoveryCommand *command)
{
    for (size_t i = 0; command != NULL && i < command->n_blocks; i++) {
        struct err err = {0};
        if (recoverer_submit(a->control->options.recoverer, command->blocks[i], &a->addr, &err) !=
            0)
            log_limited(LOG_WARN, "a recovery is not started block=%lld cause=%s",
                        (long long)command->blocks[i]->block->b->block_id, log_quote(err.text));
    }
}

static void reconstruct(const struct actor *a, const Dp__BlockECReconstructionCommand *command)
{
    for (size_t i = 0; command != NULL && i < command->n_block_ec_reconstruction_info; i++) {
        const Hdfs__BlockECReconstructionInfo *order = command->block_ec_reconstruction_info[i];
        struct err err = {0};
        int rc = strcmp(order->block->pool_id, pool_id(a->pool)) == 0
                     ? rebuilder_submit(a->control->options.rebuilder, order, &a->addr, &err)
                     : fail(&err, ERR_PROTOCOL, "an unknown block pool");
        if (rc != 0)
            log_limited(LOG_WARN, "a reconstruction is not started group=%lld cause=%s",
                        (long long)order->block->block_id, log_quote(err.text));
    }
}

static void finalize(const struct actor *a, const Dp__FinalizeCommand *command)
{
    if (command != NULL && strcmp(command->block_pool_id, pool_id(a->pool)) == 0)
        store_finalize_upgrade(a->pool);
}

static bool obeyed(const struct actor *a, int type)
{
    return a->active || type == COMMAND(RegisterCommand) || type == COMMAND(KeyUpdateCommand);
}

static void run(struct actor *a, const Dp__DatanodeCommand *command)
{
    int type = (int)command->cmd_type;
    if (!obeyed(a, type)) {
        log_limited(LOG_WARN, "a command of a NameNode that is not active namenode=%s type=%d",
                    a->name, type);
        return;
    }
    switch (type) {
    case COMMAND(BlockCommand):
        block_command(a, command->blk_cmd);
        break;
    case COMMAND(RegisterCommand):
        log_info("the NameNode asks for a registration namenode=%s", a->name);
        a->register_again = true;
        break;
    case COMMAND(BlockRecoveryCommand):
        recover(a, command->recovery_cmd);
        break;
    case COMMAND(BlockECReconstructionCommand):
        reconstruct(a, command->blk_ec_reconstruction_cmd);
        break;
    case COMMAND(BalancerBandwidthCommand):
        if (command->balancer_cmd != NULL && command->balancer_cmd->bandwidth > 0)
            throttle_set(a->control->options.balance, command->balancer_cmd->bandwidth);
        break;
    case COMMAND(FinalizeCommand):
        finalize(a, command->finalize_cmd);
        break;
    case COMMAND(KeyUpdateCommand): /* tokens are not checked while authentication is simple */
    case COMMAND(NullDatanodeCommand):
        break;
    default:
        log_limited(LOG_WARN, "a command is not supported by this version namenode=%s type=%d",
                    a->name, type);
    }
}

void commands_run(struct actor *a, Dp__DatanodeCommand **commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run(a, commands[i]);
}
