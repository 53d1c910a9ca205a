/* Whether the next node of a pipeline lives: a silent one, one that answers the question, one that
 * is gone. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datanode/pipeline/internal.h"

static const struct pipeline_config config = {
    .mirror_quiet_ms = 150, .mirror_probe_ms = 150, .read_timeout_ms = 60000};

static int listen_fd;
static struct mirror m;

static void set_up(void)
{
    struct addr addr = {"127.0.0.1", 0};
    struct err err = {0};
    uint16_t port;
    static Hdfs__DatanodeID id;
    static Hdfs__DatanodeInfo target;
    hdfs__datanode_id__init(&id);
    hdfs__datanode_info__init(&target);
    cr_assert_eq(sock_listen(&addr, &listen_fd, &port, &err), 0, "%s", err.text);
    id.ip_addr = id.host_name = (char *)"127.0.0.1";
    id.xfer_port = port;
    target.id = &id;
    mirror_init(&m, NULL);
    cr_assert_eq(mirror_connect(&m, &config, &target, 1, &err), 0, "%s", err.text);
    mirror_alive(&m);
}

static void tear_down(void)
{
    mirror_close(&m);
    close(listen_fd);
}

TestSuite(mirror, .init = set_up, .fini = tear_down, .timeout = 20);

static int wait_for(bool owes, int timeout_ms, int *ready)
{
    struct pollfd fd = {m.in.fd, POLLIN, 0};
    struct err err = {0};
    return mirror_poll(&m, &fd, 1, owes, timeout_ms, ready, &err);
}

Test(mirror, a_silent_one_is_given_up)
{
    int ready;
    int64_t start = clock_monotonic_ms();
    cr_assert_eq(wait_for(true, 60000, &ready), ERR_TIMEOUT);
    int64_t ms = clock_monotonic_ms() - start;
    cr_assert(ms >= 290 && ms < 5000, "%lld", (long long)ms);
}

Test(mirror, one_that_owes_nothing_may_be_silent)
{
    int ready;
    cr_assert_eq(wait_for(false, 600, &ready), 0);
    cr_assert_eq(ready, 0);
}

Test(mirror, one_that_takes_nothing_is_given_up)
{
    static uint8_t bytes[1 << 20];
    struct err err = {0};
    int rc = 0;
    for (int i = 0; i < 64 && rc == 0; i++) /* more than the buffers of a connection */
        rc = mirror_send(&m, bytes, sizeof(bytes), &err);
    cr_assert_eq(rc, ERR_TIMEOUT, "%s", err.text);
}

/* Closes whatever asks, as a node does that doesn't know the block pool. */
static void *answer(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listen_fd, NULL, NULL)) >= 0 || errno == EAGAIN;) {
        if (fd >= 0 && arg != NULL)
            close(fd);
        else if (fd >= 0)
            arg = &listen_fd; /* the first is the pipeline's own */
        else
            usleep(5000);
    }
    return NULL;
}

Test(mirror, a_slow_one_that_lives_stays)
{
    int ready;
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, answer, NULL), 0);
    cr_assert_eq(wait_for(true, 1500, &ready), 0);
    cr_assert_eq(ready, 0);
    shutdown(listen_fd, SHUT_RDWR);
    pthread_join(thread, NULL);
}

Test(mirror, one_that_is_gone_is_noticed_by_the_question)
{
    int ready;
    close(listen_fd);
    listen_fd = -1;
    int rc = wait_for(true, 60000, &ready);
    cr_assert(rc == ERR_CONNECT || (rc == 0 && ready == 1), "%d", rc); /* refused or reset */
}
