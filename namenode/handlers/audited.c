/* audited.c - the line that a call leaves in the audit log, by its row in proto/methods.def. */
#include "namenode/audit/audit.h"
#include "namenode/handlers/call.h"

#define ROW(...)    \
    {               \
        __VA_ARGS__ \
    }
#define M(name, stem, repeat, audit) [CLIENT_##name] = ROW audit,
static const struct audit_rule rules[CLIENT_METHOD_COUNT] = {CLIENT_METHODS(M)};
#undef M

static void *field_of(const ProtobufCMessage *m, const char *name, ProtobufCType type)
{
    const ProtobufCFieldDescriptor *f =
        name == NULL ? NULL : protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    return f != NULL && f->type == type ? (void *)((uintptr_t)m + f->offset) : NULL;
}

static const char *text_of(const struct call *c, const char *name)
{
    char **field = field_of(c->rpc->request, name, PROTOBUF_C_TYPE_STRING);
    return field == NULL ? NULL : *field;
}

static bool answered_true(const struct call *c)
{
    protobuf_c_boolean *field =
        c->response == NULL ? NULL : field_of(c->response, "result", PROTOBUF_C_TYPE_BOOL);
    return field != NULL && *field;
}

/* Names that depend on the arguments; and what else is not as the table says. */
static const char *quota_command(const Cp__SetQuotaRequest *req)
{
    const uint64_t reset = UINT64_MAX, keep = INT64_MAX;
    if (req->namespace_quota == reset && req->storagespace_quota == keep)
        return "clearQuota";
    if (req->namespace_quota == keep && req->storagespace_quota == reset)
        return "clearSpaceQuota";
    return req->storagespace_quota == keep ? "setQuota" : "setSpaceQuota";
}

static const char *safe_mode_command(const Cp__SetSafeModeRequest *req)
{
    switch (req->action) {
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_LEAVE:
        return "safemode_leave";
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_ENTER:
        return "safemode_enter";
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_GET:
        return "safemode_get";
    default:
        return "safemode_force_exit";
    }
}

static const char *rename_command(const Cp__Rename2Request *req)
{
    bool to_trash = req->has_move_to_trash && req->move_to_trash;
    if (req->overwrite_dest)
        return to_trash ? "rename (options=[OVERWRITE, TO_TRASH])" : "rename (options=[OVERWRITE])";
    return to_trash ? "rename (options=[TO_TRASH])" : "rename (options=[NONE])";
}

static const char *storage_command(const Cp__RestoreFailedStorageRequest *req)
{
    if (strcmp(req->arg, "check") == 0)
        return "checkRestoreFailedStorage";
    return strcmp(req->arg, "true") == 0 ? "enableRestoreFailedStorage"
                                         : "disableRestoreFailedStorage";
}

static const char *command_of(const struct call *c, const struct audit_rule *rule)
{
    const void *req = c->rpc->request;
    switch (c->rpc->method->tag) {
    case CLIENT_getLocatedFileInfo: {
        const Cp__GetLocatedFileInfoRequest *info = req;
        return info->has_need_block_token && info->need_block_token ? "open" : rule->cmd;
    }
    case CLIENT_setQuota:
        return quota_command(req);
    case CLIENT_setSafeMode:
        return safe_mode_command(req);
    case CLIENT_rename2:
        return rename_command(req);
    case CLIENT_restoreFailedStorage:
        return storage_command(req);
    default:
        return rule->cmd;
    }
}

/* "[/a, /b]" */
static const char *concat_sources(struct call *c)
{
    REQUEST(c, Cp__ConcatRequest);
    size_t size = 3; /* brackets and the end */
    for (size_t i = 0; i < req->n_srcs; i++)
        size += strlen(req->srcs[i]) + 2;
    char *text = arena_alloc(arena_of(c), size), *at = text;
    if (text == NULL)
        return NULL;
    *at++ = '[';
    for (size_t i = 0; i < req->n_srcs; i++) {
        if (i > 0)
            at = mempcpy(at, ", ", 2);
        at = mempcpy(at, req->srcs[i], strlen(req->srcs[i]));
    }
    memcpy(at, "]", 2);
    return text;
}

/* The old rename moves into a folder that is there. */
static const char *renamed_to(struct call *c, const struct audit_event *e)
{
    struct resolved r;
    struct err ignored = {0};
    const char *name = strrchr(e->src, '/');
    char *inside = name == NULL ? NULL : arena_printf(arena_of(c), "%s%s", e->dst, name);
    if (inside == NULL || c->rpc->method->tag != CLIENT_rename ||
        ns_resolve(ns_of(c), NULL, inside, PATH_READ_LINK, arena_of(c), &r, &ignored) != 0 ||
        resolved_last(&r) == 0)
        return e->dst;
    return inside;
}

static void add_perm(struct call *c, const char *path, struct audit_event *e)
{
    struct resolved r;
    struct err ignored = {0}; /* gone again: perm=null */
    if (path == NULL ||
        ns_resolve(ns_of(c), NULL, path, PATH_READ_LINK, arena_of(c), &r, &ignored) != 0 ||
        resolved_last(&r) == 0)
        return;
    handle_t h = resolved_last(&r);
    e->owner = ns_user(ns_of(c), h);
    e->group = ns_group(ns_of(c), h);
    e->mode = perm_mode(ns_inode(ns_of(c), h)->perm);
}

static bool is_logged(const struct call *c, const struct audit_rule *rule, int rc, bool denied)
{
    if (rc < 0)
        return denied || (rule->how & AUDIT_EACH_FAILURE) != 0;
    if ((rule->how & AUDIT_DENIAL_ONLY) != 0)
        return false;
    return (rule->how & AUDIT_IF_TRUE) == 0 || answered_true(c);
}

static void write_event(struct call *c, struct audit_event *e)
{
    const struct audit_settings *s = c->env->audit;
    if (!audit_is_quiet(s, e->cmd))
        c->audit = audit_line(s, e, arena_of(c));
}

void call_audit(struct call *c, int rc)
{
    const struct audit_rule *rule = &rules[c->rpc->method->tag];
    bool denied = rc < 0 && c->err.code == ERR_ACCESS;
    if (c->env->audit == NULL || rule->cmd == NULL || rc == CALL_AGAIN || c->unaudited ||
        !is_logged(c, rule, rc, denied))
        return;
    struct audit_event e = {.allowed = rc >= 0,
                            .user = c->rpc->user,
                            .real_user = c->rpc->real_user,
                            .address = c->rpc->peer_host,
                            .cmd = command_of(c, rule),
                            .src = text_of(c, rule->src),
                            .dst = text_of(c, rule->dst),
                            .context = c->rpc->caller_context,
                            .signature = c->rpc->caller_signature,
                            .port = c->rpc->peer_port};
    if ((rule->how & AUDIT_RESULT) != 0)
        e.allowed = rc == 0 && answered_true(c);
    if ((rule->how & AUDIT_SRC_IF_DENIED) != 0 && !denied)
        e.src = NULL;
    if ((rule->how & AUDIT_SRC_IF_ALLOWED) != 0 && denied)
        e.src = NULL;
    if (c->rpc->method->tag == CLIENT_concat)
        e.src = concat_sources(c);
    if (c->audit_src != NULL)
        e.src = c->audit_src;
    if (rc >= 0 && (rule->how & AUDIT_PERM) != 0)
        add_perm(c, e.src, &e);
    if (rc >= 0 && (rule->how & AUDIT_PERM_DST) != 0)
        add_perm(c, e.src == NULL ? e.dst : renamed_to(c, &e), &e);
    write_event(c, &e);
}
