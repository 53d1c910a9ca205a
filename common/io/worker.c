/* worker.c - a bounded pool of threads for work that blocks.
 * Thread: any may submit. The lock guards all fields and is never held while a task runs.
 * Invariants: (1) idle + busy <= threads <= max; a starting thread counts as idle; (2) a task waits
 * only while all threads are spoken for; (3) threads end after IDLE_SECONDS without work or when
 * the pool closes and is empty. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/io/io.h"

enum { IDLE_SECONDS = 30 };

struct task {
    struct task *next;
    void (*run)(void *arg);
    void *arg;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a task is there, or the pool closes */
    pthread_cond_t ended; /* a thread has ended */
    struct task *head, **tail;
    unsigned queued, idle, busy, threads, max;
    bool closing;
    char name[16]; /* of the threads, as the kernel limits it */
};

struct workers *workers_new(const char *name, unsigned max_threads)
{
    struct workers *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
    CHECK(pthread_cond_init(&w->work, &attr) == 0);
    CHECK(pthread_cond_init(&w->ended, NULL) == 0);
    pthread_condattr_destroy(&attr);
    w->tail = &w->head;
    w->max = max_threads > 0 ? max_threads : 1;
    snprintf(w->name, sizeof(w->name), "%s", name);
    return w;
}

/* With the lock: the next task, or NULL when this thread should end. */
static struct task *wait_task(struct workers *w)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += IDLE_SECONDS;
    while (w->head == NULL && !w->closing)
        if (pthread_cond_timedwait(&w->work, &w->lock, &end) == ETIMEDOUT)
            break;
    struct task *task = w->head;
    if (task == NULL)
        return NULL;
    w->head = task->next;
    if (w->head == NULL)
        w->tail = &w->head;
    w->queued--;
    return task;
}

static void *thread_main(void *arg)
{
    struct workers *w = arg;
    struct task *task;
    pthread_mutex_lock(&w->lock);
    while ((task = wait_task(w)) != NULL) {
        w->idle--;
        w->busy++;
        pthread_mutex_unlock(&w->lock);
        task->run(task->arg);
        free(task);
        pthread_mutex_lock(&w->lock);
        w->busy--;
        w->idle++;
    }
    w->idle--;
    w->threads--;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* With the lock. Signals are left to the threads that wait for them. */
static bool start_thread(struct workers *w)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, thread_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        return false;
    pthread_setname_np(thread, w->name);
    pthread_detach(thread);
    w->threads++;
    w->idle++;
    return true;
}

/* With the lock: may one more task come? Starts a thread for it if that is needed. */
static bool admit(struct workers *w, unsigned queue_limit)
{
    if (w->queued < w->idle)
        return true;
    if (w->threads < w->max && start_thread(w))
        return true;
    return w->threads > 0 && w->queued - w->idle < queue_limit;
}

int workers_submit(struct workers *w, void (*run)(void *arg), void *arg, unsigned queue_limit)
{
    struct task *task = malloc(sizeof(*task));
    if (task == NULL)
        return ERR_NO_MEMORY;
    *task = (struct task){.run = run, .arg = arg};
    pthread_mutex_lock(&w->lock);
    CHECK(!w->closing);
    bool admitted = admit(w, queue_limit);
    if (admitted) {
        *w->tail = task;
        w->tail = &task->next;
        w->queued++;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (!admitted)
        free(task);
    return admitted ? 0 : ERR_BUSY;
}

unsigned workers_busy(const struct workers *w)
{
    struct workers *locked = (struct workers *)(uintptr_t)w;
    pthread_mutex_lock(&locked->lock);
    unsigned busy = w->busy;
    pthread_mutex_unlock(&locked->lock);
    return busy;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->work);
    while (w->threads > 0)
        pthread_cond_wait(&w->ended, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->ended);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
