/* inbox.c - how other threads tell an owner thread what happened.
 * Thread: any may put, one takes. The lock is a leaf: nothing else is locked under it. */
#include <time.h>

#include "common/io/io.h"

void inbox_init(struct inbox *in)
{
    pthread_condattr_t attr;
    CHECK(pthread_mutex_init(&in->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&in->ready, &attr) == 0);
    pthread_condattr_destroy(&attr);
    in->head = NULL;
    in->tail = &in->head;
    in->count = 0;
    in->closed = false;
}

void inbox_fini(struct inbox *in)
{
    pthread_cond_destroy(&in->ready);
    pthread_mutex_destroy(&in->lock);
}

void inbox_put(struct inbox *in, struct inbox_node *n)
{
    n->next = NULL;
    pthread_mutex_lock(&in->lock);
    bool was_empty = in->head == NULL;
    *in->tail = n;
    in->tail = &n->next;
    in->count++;
    if (was_empty) /* the one taker sleeps only when there is nothing */
        pthread_cond_signal(&in->ready);
    pthread_mutex_unlock(&in->lock);
}

static void wait_ready(struct inbox *in, int64_t timeout_ms)
{
    int64_t end_ns = clock_monotonic_ns() + timeout_ms * 1000000;
    struct timespec end = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    while (in->head == NULL && !in->closed) {
        if (timeout_ms < 0)
            pthread_cond_wait(&in->ready, &in->lock);
        else if (pthread_cond_timedwait(&in->ready, &in->lock, &end) == ETIMEDOUT)
            return;
    }
}

struct inbox_node *inbox_take_all(struct inbox *in, int64_t timeout_ms)
{
    pthread_mutex_lock(&in->lock);
    if (timeout_ms != 0)
        wait_ready(in, timeout_ms);
    struct inbox_node *all = in->head;
    in->head = NULL;
    in->tail = &in->head;
    in->count = 0;
    pthread_mutex_unlock(&in->lock);
    return all;
}

void inbox_close(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    pthread_cond_signal(&in->ready);
    pthread_mutex_unlock(&in->lock);
}
