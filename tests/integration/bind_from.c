/* bind_from.c - preloaded into a server of a test: its connections start at the address in
 * BIND_FROM, so that several of them on one machine come from different hosts. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    int (*next)(int, const struct sockaddr *, socklen_t);
    void *symbol = dlsym(RTLD_NEXT, "connect");
    const char *from = getenv("BIND_FROM");
    memcpy(&next, &symbol, sizeof(next));
    if (from != NULL && to->sa_family == AF_INET) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        if (inet_pton(AF_INET, from, &own.sin_addr) == 1)
            (void)bind(fd, (const struct sockaddr *)&own,
                       sizeof(own)); /* bound already: so be it */
    }
    return next(fd, to, size);
}
