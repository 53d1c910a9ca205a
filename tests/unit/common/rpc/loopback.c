/* loopback.c - server and client against each other, and raw bytes against the server. */
#include "loopback.h"

Test(loopback, one_call)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    uint64_t size = 0;
    cr_assert_eq(ask(&f, "/a", &size, &err), 0, "%s", err.text);
    cr_assert_eq(size, 2);
    teardown(&f);
}

Test(loopback, errors_carry_class_and_text)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    uint64_t size = 0;
    cr_assert_eq(ask(&f, "missing", &size, &err), ERR_NOT_FOUND);
    cr_assert_str_eq(err.remote_class, "java.io.FileNotFoundException");
    cr_assert_str_eq(err.text, "File does not exist: missing");
    cr_assert_eq(ask(&f, "unknown-class", &size, &err), ERR_REMOTE);
    cr_assert_str_eq(err.remote_class, "a.b.Strange");
    /* and the connection lives */
    cr_assert_eq(ask(&f, "/abc", &size, &err), 0, "%s", err.text);
    cr_assert_eq(size, 4);
    teardown(&f);
}

Test(loopback, unknown_method_protocol_and_version)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)"/";
    struct rpc_method odd = rpc_client_methods[CLIENT_getPreferredBlockSize];
    odd.name = "fooBar";
    struct rpc_target t = target_of(&f);
    cr_assert_eq(raw_call(&f, &t, &odd, &req.base, &err), ERR_NO_METHOD);
    cr_assert_str_eq(err.text, "Unknown method fooBar called on " RPC_CLIENT_PROTOCOL " protocol.");
    t.version = 7;
    const struct rpc_method *known = &rpc_client_methods[CLIENT_getPreferredBlockSize];
    cr_assert_eq(raw_call(&f, &t, known, &req.base, &err), ERR_VERSION);
    cr_assert_str_eq(err.text,
                     "Protocol " RPC_CLIENT_PROTOCOL " version mismatch. (client = 7, server = 1)");
    t.version = 1;
    t.protocol = "a.b.C";
    cr_assert_eq(raw_call(&f, &t, known, &req.base, &err), ERR_NO_PROTOCOL);
    cr_assert_str_eq(err.text, "Unknown protocol: a.b.C");
    teardown(&f);
}

Test(loopback, nothing_listens)
{
    struct fixture f;
    setup(&f, NULL);
    struct rpc_target t = target_of(&f);
    struct err err = {0};
    rpc_server_free(f.server);
    f.server = NULL;
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)"/";
    cr_assert_eq(
        raw_call(&f, &t, &rpc_client_methods[CLIENT_getPreferredBlockSize], &req.base, &err),
        ERR_CONNECT);
    char text[200];
    snprintf(text, sizeof(text),
             "call getPreferredBlockSize to 127.0.0.1:%u failed: connection refused", t.addr.port);
    cr_assert_str_eq(err.text, text);
    teardown(&f);
}
