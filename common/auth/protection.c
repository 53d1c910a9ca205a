/* protection.c - refuses settings that promise a protection which isn't there yet.
 * A server that ignored them would be open where its owner thinks it is closed. Thread: any; reads
 * the configuration only. */
#include <strings.h>

#include "common/auth/auth.h"
#include "common/conf/conf.h"

static int refuse(const struct conf *conf, enum conf_key key, const char *instead, struct err *err)
{
    return fail(err, ERR_CONFIG,
                "%s=%.100s: Kerberos, tokens and encryption are not available yet: unset %s%s",
                conf_name(key), conf_str(conf, key), conf_name(key), instead);
}

/* Whether the list has the item. An empty one asks for nothing, so it counts as unset. */
static bool permits(const char *list, const char *item)
{
    size_t name_size = strlen(item);
    bool empty = true;
    static const char between[] = ", \t\r\n";
    for (list += strspn(list, between); *list != '\0'; list += strspn(list, between)) {
        size_t size = strcspn(list, between);
        if (size == name_size && strncasecmp(list, item, size) == 0)
            return true;
        empty = false;
        list += size;
    }
    return empty;
}

int auth_check_protection(const struct conf *conf, struct err *err)
{
    if (strcasecmp(conf_str(conf, CONF_authentication), "simple") != 0)
        return refuse(conf, CONF_authentication, " or set it to simple", err);
    if (!permits(conf_str(conf, CONF_rpc_protection), "authentication"))
        return refuse(conf, CONF_rpc_protection, " or set it to authentication", err);
    if (conf_bool(conf, CONF_block_token_enable))
        return refuse(conf, CONF_block_token_enable, " or set it to false", err);
    if (conf_bool(conf, CONF_encrypt_data_transfer))
        return refuse(conf, CONF_encrypt_data_transfer, " or set it to false", err);
    if (conf_str(conf, CONF_data_transfer_protection)[0] != '\0')
        return refuse(conf, CONF_data_transfer_protection, "", err);
    return 0;
}
