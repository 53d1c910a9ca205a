#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/io.h"

static struct err err;

Test(addr, parses)
{
    static const struct {
        const char *text, *host;
        uint16_t fallback, port;
    } cases[] = {
        {"localhost:8020", "localhost", 0, 8020},
        {"localhost", "localhost", 8020, 8020},
        {"10.0.0.1:0", "10.0.0.1", 8020, 0},
        {"[::1]:9", "::1", 0, 9},
        {"[fe80::1]", "fe80::1", 7, 7},
        {"::1", "::1", 7, 7},
        {"h:65535", "h", 0, 65535},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct addr a;
        cr_assert_eq(addr_parse(cases[i].text, cases[i].fallback, "k", &a, &err), 0, "%s",
                     err.text);
        cr_assert_str_eq(a.host, cases[i].host);
        cr_assert_eq(a.port, cases[i].port);
    }
}

Test(addr, refuses)
{
    static const char *const bad[] = {"",     ":1",    "h:",    "h:65536",  "h:1x",
                                      "h:-1", "h: 1",  "a:b:c", "[::1",     "[::1]x",
                                      "[]:1", "h h:1", "h/x:1", "h:000001", "no.port"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct addr a = {.host = "old", .port = 5};
        cr_assert_eq(addr_parse(bad[i], 0, "dfs.some.address", &a, &err), ERR_CONFIG, "%s", bad[i]);
        cr_assert(strstr(err.text, "dfs.some.address") != NULL);
        cr_assert_str_eq(a.host, "old");
        cr_assert_eq(a.port, 5);
    }
}

Test(addr, loopback)
{
    cr_assert(addr_is_loopback("127.0.0.1"));
    cr_assert(addr_is_loopback("127.9.9.9"));
    cr_assert(addr_is_loopback("localhost"));
    cr_assert(addr_is_loopback("::1"));
    cr_assert(addr_is_loopback("::ffff:127.0.0.1"));
    cr_assert(!addr_is_loopback("0.0.0.0"));
    cr_assert(!addr_is_loopback("::"));
    cr_assert(!addr_is_loopback("192.0.2.1"));
    cr_assert(!addr_is_loopback("not a name"));
}

struct pair {
    int listener, client, server;
    uint16_t port;
};

static struct pair make_pair(void)
{
    struct pair p;
    struct addr a = {.host = "127.0.0.1"};
    cr_assert_eq(sock_listen(&a, &p.listener, &p.port, &err), 0, "%s", err.text);
    cr_assert_neq(p.port, 0);
    a.port = p.port;
    cr_assert_eq(sock_connect(&a, 1000, &p.client, &err), 0, "%s", err.text);
    p.server = accept(p.listener, NULL, NULL);
    cr_assert_geq(p.server, 0);
    return p;
}

static void close_pair(struct pair *p)
{
    close(p->listener);
    close(p->client);
    close(p->server);
}

static void *write_slowly(void *arg)
{
    int fd = *(int *)arg;
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(sock_write_full(fd, "0123456789", 10, NULL), 0);
        usleep(1000);
    }
    return NULL;
}

Test(sock, full_reads_gather_parts)
{
    struct pair p = make_pair();
    char got[100], peer[64], local[64];
    pthread_t thread;
    pthread_create(&thread, NULL, write_slowly, &p.client);
    cr_assert_eq(sock_read_full(p.server, got, sizeof(got), &err), 0, "%s", err.text);
    pthread_join(thread, NULL);
    cr_assert(memcmp(got + 90, "0123456789", 10) == 0);
    sock_peer(p.client, peer, sizeof(peer));
    sock_local(p.server, local, sizeof(local));
    cr_assert_str_eq(peer, local);
    cr_assert(strncmp(peer, "127.0.0.1:", 10) == 0, "%s", peer);
    close_pair(&p);
}

Test(sock, end_and_time_out_are_told_apart)
{
    struct pair p = make_pair();
    char got[8];
    cr_assert_eq(sock_set_timeouts(p.server, 20, 20, &err), 0);
    cr_assert_eq(sock_read_full(p.server, got, 1, &err), ERR_TIMEOUT);
    cr_assert_eq(sock_write_full(p.client, "abc", 3, &err), 0);
    shutdown(p.client, SHUT_WR);
    cr_assert_eq(sock_read_full(p.server, got, 5, &err), ERR_EOF);
    cr_assert(strstr(err.text, "3 of 5") != NULL, "%s", err.text);
    close_pair(&p);
}

Test(sock, a_write_to_a_gone_peer_is_an_error_not_a_signal)
{
    struct pair p = make_pair();
    static char data[1 << 20];
    close(p.server);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = sock_write_full(p.client, data, sizeof(data), &err);
    cr_assert_eq(rc, ERR_EOF, "%s", err.text);
    close(p.client);
    close(p.listener);
}

static void *read_all(void *arg)
{
    static char got[3 << 20];
    cr_assert_eq(sock_read_full(*(int *)arg, got, sizeof(got), NULL), 0);
    for (size_t i = 0; i < sizeof(got); i++)
        cr_assert_eq(got[i], (char)('a' + i / (1 << 20)));
    return NULL;
}

Test(sock, writev_goes_on_where_the_kernel_stopped)
{
    static char a[1 << 20], b[1 << 20], c[1 << 20];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    memset(c, 'c', sizeof(c));
    struct iovec iov[] = {{a, sizeof(a)}, {a, 0}, {b, sizeof(b)}, {c, sizeof(c)}, {c, 0}};
    struct pair p = make_pair();
    pthread_t thread;
    pthread_create(&thread, NULL, read_all, &p.server);
    cr_assert_eq(sock_writev_full(p.client, iov, 5, &err), 0, "%s", err.text);
    pthread_join(thread, NULL);
    close_pair(&p);
}

Test(sock, refused_and_unknown)
{
    struct pair p = make_pair();
    struct addr a = {.host = "127.0.0.1", .port = p.port};
    int fd;
    close_pair(&p);
    cr_assert_eq(sock_connect(&a, 1000, &fd, &err), ERR_CONNECT);
    char want[64];
    snprintf(want, sizeof(want), "127.0.0.1:%u", a.port);
    cr_assert(strstr(err.text, want) != NULL, "%s", err.text);
    struct addr bad = {.host = "host.invalid", .port = 1};
    cr_assert_neq(sock_connect(&bad, 1000, &fd, &err), 0);
    cr_assert(strstr(err.text, "host.invalid") != NULL);
}

Test(sock, two_listeners_conflict)
{
    struct addr a = {.host = "127.0.0.1"};
    int first, second;
    uint16_t port;
    cr_assert_eq(sock_listen(&a, &first, &a.port, &err), 0);
    cr_assert_neq(sock_listen(&a, &second, &port, &err), 0);
    cr_assert(strstr(err.text, "listen on 127.0.0.1") != NULL, "%s", err.text);
    close(first);
}

Test(clock, uuids_are_version_4_and_differ)
{
    char a[37], b[37];
    random_uuid(a);
    random_uuid(b);
    cr_assert_eq(strlen(a), 36);
    cr_assert_eq(a[14], '4');
    cr_assert(strchr("89ab", a[19]) != NULL, "%s", a);
    cr_assert_str_neq(a, b);
}
