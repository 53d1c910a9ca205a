/* sock.c - blocking TCP with time-outs, for plain code that reads like the protocol.
 * Thread: any that may block. SIGPIPE is never raised (MSG_NOSIGNAL); a time-out is ERR_TIMEOUT, a
 * peer that is gone ERR_EOF. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/io.h"

static int parse_port(const char *text, const char *whole, const char *what, uint16_t *ret,
                      struct err *err)
{
    unsigned value = 0;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 5 || text[n] != '\0')
        return fail(err, ERR_CONFIG, "%s: \"%s\" has no port between 0 and 65535", what, whole);
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > 65535)
        return fail(err, ERR_CONFIG, "%s: \"%s\" has no port between 0 and 65535", what, whole);
    *ret = (uint16_t)value;
    return 0;
}

/* Finds the end of the host and the text of the port (NULL: none). */
static int split_addr(const char *text, const char *what, struct slice *ret_host,
                      const char **ret_port, struct err *err)
{
    const char *colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return fail(err, ERR_CONFIG, "%s: \"%s\" is not [address]:port", what, text);
        *ret_host = (struct slice){(const uint8_t *)text + 1, (size_t)(end - text - 1)};
        *ret_port = end[1] == ':' ? end + 2 : NULL;
        return 0;
    }
    if (colon != NULL && strchr(text, ':') != colon) {
        struct in6_addr v6;
        if (inet_pton(AF_INET6, text, &v6) != 1)
            return fail(err, ERR_CONFIG, "%s: \"%s\" is not host:port", what, text);
        colon = NULL; /* a bare IPv6 address */
    }
    size_t size = colon != NULL ? (size_t)(colon - text) : strlen(text);
    *ret_host = (struct slice){(const uint8_t *)text, size};
    *ret_port = colon != NULL ? colon + 1 : NULL;
    return 0;
}

static bool host_valid(struct slice host)
{
    if (host.size == 0 || host.size >= sizeof(((struct addr *)NULL)->host))
        return false;
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] <= ' ' || host.data[i] == '/' || host.data[i] == 0x7f)
            return false;
    return true;
}

int addr_parse(const char *text, uint16_t default_port, const char *what, struct addr *ret,
               struct err *err)
{
    struct slice host = {0};
    const char *port_text = NULL;
    uint16_t port = default_port;
    TRY(split_addr(text, what, &host, &port_text, err));
    if (!host_valid(host))
        return fail(err, ERR_CONFIG, "%s: \"%s\" is not host:port", what, text);
    if (port_text != NULL)
        TRY(parse_port(port_text, text, what, &port, err));
    else if (default_port == 0)
        return fail(err, ERR_CONFIG, "%s: \"%s\" has no port", what, text);
    memcpy(ret->host, host.data, host.size);
    ret->host[host.size] = '\0';
    ret->port = port;
    return 0;
}

static int resolve(const char *host, uint16_t port, int flags, struct addrinfo **ret,
                   struct err *err)
{
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(host, service, &hints, ret);
    if (rc == EAI_SYSTEM)
        return fail_errno(err, "resolve %s", host);
    if (rc != 0)
        return fail(err, ERR_CONNECT, "resolve %s: %s", host, gai_strerror(rc));
    return 0;
}

static bool sockaddr_is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sa, sizeof(v4));
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sa, sizeof(v6));
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

bool addr_is_loopback(const char *host)
{
    struct addrinfo *list;
    if (resolve(host, 0, 0, &list, NULL) != 0)
        return false;
    bool all = true;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        all = all && sockaddr_is_loopback(a->ai_addr);
    freeaddrinfo(list);
    return all;
}

static uint16_t sockaddr_port(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, ss, sizeof(v4));
        return ntohs(v4.sin_port);
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, ss, sizeof(v6));
    return ntohs(v6.sin6_port);
}

static int listen_on(const struct addrinfo *a, const struct addr *addr, int *ret_fd,
                     uint16_t *ret_port, struct err *err)
{
    int on = 1;
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return fail_errno(err, "socket for %s:%u", addr->host, addr->port);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        int rc = fail_errno(err, "listen on %s:%u", addr->host, addr->port);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_port = sockaddr_port(&bound);
    return 0;
}

int sock_listen(const struct addr *a, int *ret_fd, uint16_t *ret_port, struct err *err)
{
    struct addrinfo *list;
    TRY(resolve(a->host, a->port, AI_PASSIVE, &list, err));
    int rc = listen_on(list, a, ret_fd, ret_port, err);
    freeaddrinfo(list);
    return rc;
}

/* 0 or an errno. deadline_ms < 0: none. */
static int wait_connected(int fd, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
        if (deadline_ms >= 0 && left <= 0)
            return ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int n = poll(&p, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0)
            break;
    }
    int eno = 0;
    socklen_t size = sizeof(eno);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &eno, &size) == 0 ? eno : errno;
}

/* 0 and *ret_fd, or an errno. */
static int connect_one(const struct addrinfo *a, int64_t deadline_ms, int *ret_fd)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return errno;
    int eno = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (eno == EINPROGRESS || eno == EINTR)
        eno = wait_connected(fd, deadline_ms);
    int flags = fcntl(fd, F_GETFL);
    if (eno == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0))
        eno = errno;
    if (eno != 0) {
        close(fd);
        return eno;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, not wrong */
    *ret_fd = fd;
    return 0;
}

int sock_connect(const struct addr *a, int timeout_ms, int *ret_fd, struct err *err)
{
    int64_t deadline_ms = timeout_ms > 0 ? clock_monotonic_ms() + timeout_ms : -1;
    struct addrinfo *list;
    TRY(resolve(a->host, a->port, 0, &list, err));
    int eno = ECONNREFUSED;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        eno = connect_one(at, deadline_ms, ret_fd);
        if (eno == 0 || eno == ETIMEDOUT)
            break;
    }
    freeaddrinfo(list);
    errno = eno;
    return eno == 0 ? 0 : fail_errno(err, "connect to %s:%u", a->host, a->port);
}

int sock_connect_start(const struct addr *a, int *ret_fd, struct err *err)
{
    struct addrinfo *list;
    TRY(resolve(a->host, a->port, 0, &list, err));
    int on = 1, eno = 0;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) != 0)
        eno = errno;
    freeaddrinfo(list);
    if (eno != 0 && eno != EINPROGRESS && eno != EINTR) {
        if (fd >= 0)
            close(fd);
        errno = eno;
        return fail_errno(err, "connect to %s:%u", a->host, a->port);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, not wrong */
    *ret_fd = fd;
    return 0;
}

int sock_connect_check(int fd, bool *ret_connected, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int eno = 0;
    socklen_t size = sizeof(eno);
    *ret_connected = false;
    if (poll(&p, 1, 0) <= 0)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &eno, &size) == 0)
        errno = eno;
    else
        eno = errno;
    int flags = eno == 0 ? fcntl(fd, F_GETFL) : -1;
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return fail_errno(err, "connect");
    *ret_connected = true;
    return 0;
}

int sock_set_timeouts(int fd, int read_ms, int write_ms, struct err *err)
{
    struct timeval r = {read_ms / 1000, read_ms % 1000 * 1000};
    struct timeval w = {write_ms / 1000, write_ms % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &r, sizeof(r)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &w, sizeof(w)) != 0)
        return fail_errno(err, "set time-outs of a socket");
    return 0;
}

static void name_end(int fd, int (*ask)(int, struct sockaddr *, socklen_t *), char *out,
                     size_t size)
{
    struct sockaddr_storage ss = {0};
    socklen_t length = sizeof(ss);
    char host[INET6_ADDRSTRLEN] = "";
    if (ask(fd, (struct sockaddr *)&ss, &length) != 0 ||
        (ss.ss_family != AF_INET && ss.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&ss, length, host, sizeof(host), NULL, 0, NI_NUMERICHOST) !=
            0) {
        snprintf(out, size, "unknown");
        return;
    }
    const char *mapped = strncmp(host, "::ffff:", 7) == 0 && strchr(host, '.') ? host + 7 : NULL;
    bool v6 = ss.ss_family == AF_INET6 && mapped == NULL;
    snprintf(out, size, v6 ? "[%s]:%u" : "%s:%u", mapped != NULL ? mapped : host,
             sockaddr_port(&ss));
}

void sock_peer(int fd, char *out, size_t size)
{
    name_end(fd, getpeername, out, size);
}

void sock_local(int fd, char *out, size_t size)
{
    name_end(fd, getsockname, out, size);
}

int sock_read_full(int fd, void *data, size_t size, struct err *err)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = recv(fd, (uint8_t *)data + got, size - got, 0);
        if (n == 0)
            return fail(err, ERR_EOF, "peer closed the connection after %zu of %zu bytes", got,
                        size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "read from a socket");
        got += (size_t)n;
    }
    return 0;
}

int sock_write_full(int fd, const void *data, size_t size, struct err *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return sock_writev_full(fd, &iov, 1, err);
}

int sock_writev_full(int fd, struct iovec *iov, int count, struct err *err)
{
    while (count > 0) {
        if (iov->iov_len == 0) {
            iov++;
            count--;
            continue;
        }
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fail_errno(err, "write to a socket");
        for (size_t n = (size_t)sent; n > 0;) {
            size_t part = n < iov->iov_len ? n : iov->iov_len;
            iov->iov_base = (uint8_t *)iov->iov_base + part;
            iov->iov_len -= part;
            n -= part;
            if (iov->iov_len == 0) {
                iov++;
                count--;
            }
        }
    }
    return 0;
}
