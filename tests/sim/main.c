/* main.c - runs seeds, each in a process of its own, and counts those that fail.
 *   dfs-sim [--first N] [--seeds N] [--jobs N] [--twice N] [--verbose]
 *   dfs-sim --scale ...   (scale.c; see bench/README.md)
 * Every `twice`-th seed runs twice and must do the same. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "tests/sim/sim.h"

struct arguments {
    uint64_t first, seeds, jobs, twice;
    bool verbose;
};

static void show(uint64_t seed, const struct sim_options *o, const struct sim_counts *c)
{
    printf("seed %llu: %.1f s CPU, %u nodes, %llu files, %llu copies, %llu deletions, %llu "
           "recoveries, %llu "
           "appends, %llu truncates, %llu crashes, %llu NameNode starts, %llu late, %llu lost, "
           "quiet after %lld s, %llu events, %llu checks\n",
           (unsigned long long)seed, (double)clock() / CLOCKS_PER_SEC, o->peers,
           (unsigned long long)c->files, (unsigned long long)c->copied,
           (unsigned long long)c->deletions, (unsigned long long)c->recoveries,
           (unsigned long long)c->appends, (unsigned long long)c->truncates,
           (unsigned long long)c->crashes, (unsigned long long)c->restarts,
           (unsigned long long)c->stale_reports, (unsigned long long)c->lost_blocks,
           (long long)(c->settled_ms / SECOND), (unsigned long long)c->events,
           (unsigned long long)c->checks);
}

static int run_seed(const struct arguments *a, uint64_t seed)
{
    struct sim_options o;
    struct sim_counts counts, again;
    sim_options_of(seed, &o);
    uint64_t print = sim_run(&o, &counts);
    if (a->verbose)
        show(seed, &o, &counts);
    if (a->twice != 0 && seed % a->twice == 0 && sim_run(&o, &again) != print) {
        fprintf(stderr, "seed %llu runs differently the second time\n", (unsigned long long)seed);
        return 1;
    }
    return 0;
}

static double cpu_seconds(void)
{
    struct rusage u;
    CHECK(getrusage(RUSAGE_CHILDREN, &u) == 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A line now and then, so that one sees that a long run goes on. */
static void show_progress(const struct arguments *a, uint64_t done, uint64_t failed)
{
    enum { STEP = 100 };
    if (done % STEP != 0 || done == a->seeds)
        return;
    printf("%llu of %llu seeds done, %llu failed, %.0f s CPU\n", (unsigned long long)done,
           (unsigned long long)a->seeds, (unsigned long long)failed, cpu_seconds());
    fflush(stdout);
}

static uint64_t run_all(const struct arguments *a)
{
    uint64_t running = 0, failed = 0, next = a->first, end = a->first + a->seeds;
    struct {
        pid_t pid;
        uint64_t seed;
    } *jobs = calloc(a->jobs, sizeof(*jobs));
    CHECK(jobs != NULL);
    while (next < end || running > 0) {
        for (uint64_t i = 0; i < a->jobs && next < end; i++) {
            if (jobs[i].pid != 0)
                continue;
            fflush(stdout);
            jobs[i].seed = next++;
            jobs[i].pid = fork();
            CHECK(jobs[i].pid >= 0);
            if (jobs[i].pid == 0) {
                int rc = run_seed(a, jobs[i].seed);
                fflush(stdout);
                _exit(rc);
            }
            running++;
        }
        int status;
        pid_t pid = wait(&status);
        for (uint64_t i = 0; i < a->jobs; i++) {
            if (jobs[i].pid != pid)
                continue;
            if (status != 0) {
                failed++;
                fprintf(stderr, "seed %llu failed\n", (unsigned long long)jobs[i].seed);
            }
            jobs[i].pid = 0;
            running--;
            show_progress(a, next - a->first - running, failed);
        }
    }
    free(jobs);
    return failed;
}

static uint64_t number(const char *name, const char *text)
{
    char *end;
    uint64_t v = text == NULL ? 0 : strtoull(text, &end, 10);
    if (text == NULL || *text == '\0' || *end != '\0') {
        fprintf(stderr, "%s needs a number\n", name);
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    struct arguments a = {.first = 1, .seeds = 60, .jobs = 1, .twice = 20};
    log_set_level(LOG_ERROR);
    /* Each message has an arena: giving its pages back each time would cost more than all else. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 26);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    if (argc > 1 && strcmp(argv[1], "--scale") == 0)
        return scale_main(argc - 1, argv + 1);
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--verbose") == 0) {
            a.verbose = true;
            continue;
        }
        uint64_t v = number(name, argv[++i]);
        if (strcmp(name, "--first") == 0)
            a.first = v;
        else if (strcmp(name, "--seeds") == 0)
            a.seeds = v;
        else if (strcmp(name, "--jobs") == 0)
            a.jobs = v == 0 ? 1 : v;
        else if (strcmp(name, "--twice") == 0)
            a.twice = v;
        else
            return fprintf(stderr, "unknown argument %s\n", name), 2;
    }
    uint64_t failed = run_all(&a);
    printf("%llu passed, %llu failed: seeds %llu to %llu, %.0f s CPU\n",
           (unsigned long long)(a.seeds - failed), (unsigned long long)failed,
           (unsigned long long)a.first, (unsigned long long)(a.first + a.seeds - 1), cpu_seconds());
    return failed == 0 ? 0 : 1;
}
