/* off.c - features that are off: the answer that says so. */
#include "namenode/handlers/call.h"

int fs_getDelegationToken(struct call *c)
{
    RESPOND(c, Cp__GetDelegationTokenResponse, cp__get_delegation_token_response);
    (void)res; /* none without Kerberos */
    return 0;
}

int fs_getDataEncryptionKey(struct call *c)
{
    RESPOND(c, Cp__GetDataEncryptionKeyResponse, cp__get_data_encryption_key_response);
    (void)res;
    return 0;
}

int fs_getEZForPath(struct call *c)
{
    REQUEST(c, Cp__GetEZForPathRequest);
    RESPOND(c, Cp__GetEZForPathResponse, cp__get_ezfor_path_response);
    struct resolved r;
    (void)res;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    return call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ});
}

int fs_listEncryptionZones(struct call *c)
{
    RESPOND(c, Cp__ListEncryptionZonesResponse, cp__list_encryption_zones_response);
    (void)res;
    return call_check_superuser(c);
}

int fs_rollingUpgrade(struct call *c)
{
    REQUEST(c, Cp__RollingUpgradeRequest);
    RESPOND(c, Cp__RollingUpgradeResponse, cp__rolling_upgrade_response);
    TRY(call_check_superuser_for(c, "queryRollingUpgrade"));
    (void)res; /* none is going on */
    if (req->action == HDFS__ROLLING_UPGRADE_ACTION__QUERY)
        return 0;
    return fail(&c->err, ERR_UNSUPPORTED, "rolling upgrades are not supported by this version");
}
