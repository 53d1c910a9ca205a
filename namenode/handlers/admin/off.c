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
    RESPOND(c, Cp__GetEZForPathResponse, cp__get_ezfor_path_response);
    (void)res;
    return 0;
}

int fs_listEncryptionZones(struct call *c)
{
    RESPOND(c, Cp__ListEncryptionZonesResponse, cp__list_encryption_zones_response);
    (void)res;
    return call_check_superuser(c);
}

int fs_getErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__GetErasureCodingPolicyRequest);
    RESPOND(c, Cp__GetErasureCodingPolicyResponse, cp__get_erasure_coding_policy_response);
    struct resolved r;
    (void)res;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", req->src);
    return 0;
}

int fs_getErasureCodingPolicies(struct call *c)
{
    RESPOND(c, Cp__GetErasureCodingPoliciesResponse, cp__get_erasure_coding_policies_response);
    (void)res;
    return 0;
}

/* DataNodes are asked for no outliers, so none is known. */
int fs_getSlowDatanodeReport(struct call *c)
{
    RESPOND(c, Cp__GetSlowDatanodeReportResponse, cp__get_slow_datanode_report_response);
    (void)res;
    return call_check_superuser(c);
}
