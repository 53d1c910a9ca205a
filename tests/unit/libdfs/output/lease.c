/* Files whose lease can't be renewed, or was taken away. */
#include <unistd.h>

#include "fixture.h"

enum { HARD_LIMIT_MS = 800, WAIT_MS = 10000 };

static struct output *open_file(struct fake_cluster *c, uint64_t id)
{
    struct output_options o = {.path = "/f",
                               .file_id = id,
                               .block_size = FAKE_BLOCK,
                               .kind = {CRC_CRC32C, 512},
                               .packet_size = 16384,
                               .replication = 3};
    struct output *out;
    struct err err = {0};
    cr_assert_eq(output_open(&c->env, &o, &out, &err), 0, "%s", err.text);
    return out;
}

Test(lease, one_renewal_serves_all_files)
{
    struct fake_cluster *c = fake_start_with(HARD_LIMIT_MS);
    struct output *a = open_file(c, 7), *b = open_file(c, 8);
    usleep(HARD_LIMIT_MS * 2000);
    /* due eight times in two limits; two renewers would ask sixteen times */
    unsigned n = fake_count(c, "renew");
    cr_assert(n >= 2 && n <= 9, "%u", n);
    cr_assert_eq(output_write(a, "x", 1, NULL), 0);
    output_abort(a);
    output_abort(b);
    fake_stop(c);
}

Test(lease, files_fail_when_it_cannot_be_renewed_for_the_hard_limit)
{
    struct fake_cluster *c = fake_start_with(HARD_LIMIT_MS);
    struct output *out = open_file(c, 7);
    struct err err = {0};
    pthread_mutex_lock(&c->lock);
    c->refuse_renewals = true;
    pthread_mutex_unlock(&c->lock);
    cr_assert_eq(output_write(out, "x", 1, &err), 0);
    int rc = 0, waited = 0;
    for (; rc == 0 && waited < WAIT_MS; waited += 20) {
        usleep(20000);
        rc = output_write(out, "x", 1, &err);
    }
    cr_assert_eq(rc, ERR_LEASE_EXPIRED, "%s", err.text);
    cr_assert(waited >= HARD_LIMIT_MS / 2, "after %d ms", waited);
    cr_assert_eq(output_flush(out, 0, &err), ERR_LEASE_EXPIRED);
    cr_assert_eq(output_close(out, &err), ERR_LEASE_EXPIRED);
    cr_assert_eq(fake_count(c, "complete"), 0);
    fake_stop(c);
}
