/* relay.c - passes connections on: relay PORT TO_PORT, both on loopback. A process of its own, so
 * that a test can stop it: the connections stay, and nothing comes through any more. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PAIRS = 64, CHUNK = 65536 };

static struct sockaddr_in on_loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_on(const char *port)
{
    struct sockaddr_in at = on_loopback(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, MAX_PAIRS) != 0) {
        perror("relay");
        exit(EXIT_FAILURE);
    }
    return fd;
}

/* False: the connection ends. */
static bool pass(int from, int to)
{
    static char bytes[CHUNK];
    ssize_t n = read(from, bytes, sizeof(bytes));
    for (ssize_t sent = 0; sent < n;) {
        ssize_t now = send(to, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += now;
    }
    return n > 0;
}

static void take_on(struct pollfd *pair, int listener, const char *port)
{
    struct sockaddr_in to = on_loopback(port);
    int in = accept(listener, NULL, NULL), out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (in >= 0 && out >= 0 && connect(out, (struct sockaddr *)&to, sizeof(to)) == 0) {
        pair[0] = (struct pollfd){.fd = in, .events = POLLIN};
        pair[1] = (struct pollfd){.fd = out, .events = POLLIN};
        return;
    }
    close(in);
    close(out);
}

static void pass_pair(struct pollfd *pair)
{
    if (pair[0].fd < 0 || ((pair[0].revents == 0 || pass(pair[0].fd, pair[1].fd)) &&
                           (pair[1].revents == 0 || pass(pair[1].fd, pair[0].fd))))
        return;
    close(pair[0].fd);
    close(pair[1].fd);
    pair[0].fd = pair[1].fd = -1;
}

int main(int argc, char **argv)
{
    struct pollfd fds[1 + 2 * MAX_PAIRS];
    if (argc != 3)
        return EXIT_FAILURE;
    for (int i = 0; i < 1 + 2 * MAX_PAIRS; i++)
        fds[i] = (struct pollfd){.fd = -1};
    fds[0] = (struct pollfd){.fd = listen_on(argv[1]), .events = POLLIN};
    while (poll(fds, 1 + 2 * MAX_PAIRS, -1) > 0) {
        int free_pair = 0;
        for (int i = 1; i < 1 + 2 * MAX_PAIRS; i += 2) {
            pass_pair(&fds[i]);
            if (fds[i].fd < 0)
                free_pair = i;
        }
        if (fds[0].revents != 0 && free_pair != 0)
            take_on(&fds[free_pair], fds[0].fd, argv[2]);
    }
    return EXIT_FAILURE;
}
