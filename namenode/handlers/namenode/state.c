/* state.c - NamenodeProtocol but getBlocks: what a balancer asks of the NameNode itself. */
#include "namenode.pb-c.h"
#include "namenode/handlers/call.h"

int np_getBlockKeys(struct call *c)
{
    RESPOND(c, Np__GetBlockKeysResponse, np__get_block_keys_response);
    TRY(call_check_superuser_for(c, "getBlockKeys"));
    NEW(c, Dp__ExportedBlockKeys, dp__exported_block_keys, keys);
    NEW(c, Dp__BlockKey, dp__block_key, none);
    keys->current_key = none; /* block tokens are off, and Hadoop's balancer wants to read that */
    res->keys = keys;
    return 0;
}

int np_getTransactionId(struct call *c)
{
    RESPOND(c, Np__GetTransactionIdResponse, np__get_transaction_id_response);
    TRY(call_check_superuser_for(c, "getTransactionID"));
    res->tx_id = nn_of(c)->last_txid;
    return 0;
}

int np_getMostRecentCheckpointTxId(struct call *c)
{
    RESPOND(c, Np__GetMostRecentCheckpointTxIdResponse,
            np__get_most_recent_checkpoint_tx_id_response);
    TRY(call_check_superuser_for(c, "getMostRecentCheckpointTxId"));
    res->tx_id = c->env->shell.image_txid(c->env->shell.ctx);
    return 0;
}

int np_versionRequest(struct call *c)
{
    return dn_versionRequest(c);
}

int np_isUpgradeFinalized(struct call *c)
{
    RESPOND(c, Np__IsUpgradeFinalizedResponse, np__is_upgrade_finalized_response);
    TRY(call_check_superuser_for(c, "isUpgradeFinalized"));
    res->is_upgrade_finalized = !c->env->shell.upgrade_is_open(c->env->shell.ctx);
    return 0;
}

int np_isRollingUpgrade(struct call *c)
{
    RESPOND(c, Np__IsRollingUpgradeResponse, np__is_rolling_upgrade_response);
    res->is_rolling_upgrade = false; /* there are none */
    return call_check_superuser_for(c, "isRollingUpgrade");
}

int np_getNextSPSPath(struct call *c)
{
    RESPOND(c, Np__GetNextSPSPathResponse, np__get_next_spspath_response);
    (void)res; /* no path waits for a satisfier outside */
    return call_check_superuser_for(c, "getNextSPSPath");
}
