#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/io.h"

struct message {
    struct inbox_node node;
    int sender, number;
};

struct sender {
    struct inbox *in;
    int id;
};

enum { SENDERS = 4, MESSAGES = 2000 };

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = malloc(sizeof(*m));
        *m = (struct message){.sender = s->id, .number = i};
        inbox_put(s->in, &m->node);
    }
    return NULL;
}

Test(inbox, keeps_each_senders_order)
{
    struct inbox in;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int next[SENDERS] = {0}, total = 0;
    inbox_init(&in);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&in, i};
        cr_assert_eq(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    while (total < SENDERS * MESSAGES) {
        struct inbox_node *n = inbox_take_all(&in, 10000);
        cr_assert_not_null(n);
        while (n != NULL) {
            struct message *m = (struct message *)n;
            n = n->next;
            cr_assert_eq(m->number, next[m->sender]++);
            total++;
            free(m);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_null(inbox_take_all(&in, 0));
    cr_assert_eq(in.count, 0);
    inbox_fini(&in);
}

Test(inbox, time_out_and_close)
{
    struct inbox in;
    struct message m = {0};
    inbox_init(&in);
    int64_t start = clock_monotonic_ms();
    cr_assert_null(inbox_take_all(&in, 30));
    cr_assert_geq(clock_monotonic_ms() - start, 29);
    inbox_put(&in, &m.node);
    inbox_close(&in);
    cr_assert_eq(inbox_take_all(&in, -1), &m.node); /* what came before is not lost */
    cr_assert_null(inbox_take_all(&in, -1));
    inbox_fini(&in);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int running, done;
};

static void wait_at_gate(void *arg)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->running++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->done++;
    pthread_mutex_unlock(&g->lock);
}

Test(workers, are_bounded_and_run_what_waits)
{
    struct gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0};
    struct workers *w = workers_new("test", 2);
    cr_assert_not_null(w);
    cr_assert_eq(workers_submit(w, wait_at_gate, &g, 0), 0);
    cr_assert_eq(workers_submit(w, wait_at_gate, &g, 0), 0);
    cr_assert_eq(workers_submit(w, wait_at_gate, &g, 0), ERR_BUSY);
    cr_assert_eq(workers_submit(w, wait_at_gate, &g, 1), 0);
    cr_assert_eq(workers_submit(w, wait_at_gate, &g, 1), ERR_BUSY);
    pthread_mutex_lock(&g.lock);
    while (g.running < 2)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    cr_assert_eq(workers_busy(w), 2);
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    workers_free(w);
    cr_assert_eq(g.done, 3);
}

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

Test(workers, run_many_tasks)
{
    atomic_int count = 0;
    struct workers *w = workers_new("a name longer than the kernel takes", 3);
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(workers_submit(w, count_up, &count, 5000), 0);
    workers_free(w);
    cr_assert_eq(count, 5000);
    workers_free(NULL);
}
