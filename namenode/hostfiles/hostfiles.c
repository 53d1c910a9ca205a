/* hostfiles.c - from the configuration to lists of hosts. See hostfiles.h.
 * Thread: any. A name that can't be resolved stays in its list and matches nobody: a list of those
 * who may join doesn't become one of everybody because a name server is down. */
#include "namenode/hostfiles/hostfiles.h"

#include <netdb.h>

#include "common/conf/conf.h"
#include "common/io/io.h"
#include "common/obs/obs.h"
#include "namenode/hosts/hosts.h"

enum { MAX_FILE_BYTES = 64 << 20 };

static bool is_combined(const struct conf *conf)
{
    return strstr(conf_str(conf, CONF_hosts_provider), "CombinedHostFileManager") != NULL;
}

static int add_file(struct hosts *h, const char *path, bool json, bool exclude, struct err *err)
{
    struct buf b = {0};
    if (path[0] == '\0')
        return 0;
    int rc = file_read(path, MAX_FILE_BYTES, &b, err);
    struct slice text = {buf_head(&b), buf_size(&b)};
    if (rc == 0 && text.size > 0)
        rc =
            json ? hosts_add_json(h, text, path, err) : hosts_add_text(h, text, path, exclude, err);
    buf_fini(&b);
    return rc;
}

static int resolve(struct hosts *h, size_t entry, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    const char *name = hosts_name(h, entry);
    char address[64];
    int rc = getaddrinfo(name, NULL, &hints, &list);
    if (rc != 0) {
        log_warn("a host of the host files has no address, it matches no DataNode host=%s why=%s",
                 log_quote(name), gai_strerror(rc));
        return 0;
    }
    rc = 0;
    for (const struct addrinfo *a = list; a != NULL && rc == 0; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0,
                        NI_NUMERICHOST) == 0)
            rc = hosts_add_address(h, entry, address);
    freeaddrinfo(list);
    return rc == 0 ? 0 : fail(err, rc, "no memory for the addresses of %s", name);
}

static int load(const struct conf *conf, struct hosts *h, struct err *err)
{
    bool json = is_combined(conf);
    TRY(add_file(h, conf_str(conf, CONF_hosts), json, false, err));
    if (!json)
        TRY(add_file(h, conf_str(conf, CONF_hosts_exclude), false, true, err));
    for (size_t i = 0; i < hosts_count(h); i++)
        TRY(resolve(h, i, err));
    return hosts_seal(h) == 0 ? 0 : fail(err, ERR_NO_MEMORY, "no memory for the lists of hosts");
}

int hostfiles_load(const struct conf *conf, struct hosts **ret, struct err *err)
{
    struct hosts *h = hosts_new();
    if (h == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the lists of hosts");
    int rc = load(conf, h, err);
    if (rc != 0) {
        hosts_free(h);
        return rc;
    }
    *ret = h;
    return 0;
}
