/* Reads and writes while DataNodes fail: whatever they do, the bytes are right or the error says
 * who did what. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

static uint8_t *pattern(size_t size)
{
    uint8_t *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = fake_byte(i);
    return data;
}

static int write_file(struct fake_cluster *c, size_t size, struct err *err)
{
    struct output_options o = {.path = "/f",
                               .file_id = 7,
                               .block_size = FAKE_BLOCK,
                               .kind = {CRC_CRC32C, 512},
                               .packet_size = 16384,
                               .replication = 3};
    struct output *out;
    uint8_t *data = pattern(size);
    cr_assert_eq(output_open(&c->env, &o, &out, err), 0);
    int rc = 0;
    for (size_t done = 0; done < size && rc == 0; done += 5000)
        rc = output_write(out, data + done, size - done < 5000 ? size - done : 5000, err);
    int closed = output_close(out, rc == 0 ? err : NULL);
    free(data);
    return rc != 0 ? rc : closed;
}

static void check_content(struct fake_cluster *c, uint64_t size)
{
    uint64_t offset = 0;
    for (unsigned b = 0; b < c->block_count; b++) {
        cr_assert(c->finalized[b]);
        for (uint64_t i = 0; i < c->sizes[b]; i++, offset++)
            cr_assert_eq(c->data[b][i], fake_byte(offset), "byte %llu", (unsigned long long)offset);
    }
    cr_assert_eq(offset, size);
}

static void write_ok(struct fake_cluster *c, size_t size)
{
    struct err err = {0};
    cr_assert_eq(write_file(c, size, &err), 0, "%s", err.text);
    check_content(c, size);
}

Test(write, healthy)
{
    struct fake_cluster *c = fake_start();
    c->not_yet = 2;
    c->not_replicated = 2;
    write_ok(c, 2 * FAKE_BLOCK + 100);
    cr_assert_str_eq(c->log, "addBlock-0 addBlock-0 addBlock-0 setup6-3 addBlock-0 setup6-3 "
                             "addBlock-0 setup6-3 complete complete complete ");
    fake_stop(c);
}

Test(write, empty_file_has_no_block)
{
    struct fake_cluster *c = fake_start();
    write_ok(c, 0);
    cr_assert_str_eq(c->log, "complete ");
    fake_stop(c);
}

Test(write, refused_set_up_leads_to_other_nodes)
{
    for (unsigned blamed = 0; blamed < 3; blamed++) {
        struct fake_cluster *c = fake_start();
        c->nodes[0].fault.refuse_setup = true;
        c->nodes[0].fault.blame_position = blamed;
        c->nodes[0].fault.times = 1;
        write_ok(c, 1000);
        cr_assert_str_eq(c->log, "addBlock-0 setup6-3 abandon addBlock-1 setup6-2 complete ");
        fake_stop(c);
    }
}

Test(write, set_up_refused_everywhere_names_all)
{
    struct fake_cluster *c = fake_start();
    struct err err = {0};
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        c->nodes[i].fault.refuse_setup = true;
        c->nodes[i].fault.times = 9;
    }
    cr_assert_neq(write_file(c, 1000, &err), 0);
    /* after three refusals the NameNode has no node left to give */
    cr_assert_eq(fake_count(c, "abandon"), 3, "%s", c->log);
    cr_assert_eq(fake_count(c, "complete"), 0);
    fake_stop(c);
}

Test(write, first_node_dies_at_any_packet)
{
    for (int at = 0; at <= 5; at++) {
        struct fake_cluster *c = fake_start();
        c->nodes[0].fault.cut_after_packets = at;
        c->nodes[0].fault.times = 1;
        write_ok(c, 60000); /* four packets, then the last one */
        bool died = at < 5;
        cr_assert_eq(fake_count(c, "stamp pipeline-2") +
                         fake_count(c, "stamp setup3-2 pipeline-2") +
                         fake_count(c, "stamp setup5-2 pipeline-2"),
                     died, "at %d: %s", at, c->log);
        cr_assert_eq(fake_count(c, "setup5"), at == 4, "at %d: %s", at, c->log);
        fake_stop(c);
    }
}

Test(write, another_node_is_blamed_by_an_acknowledgement)
{
    for (unsigned blamed = 0; blamed < 3; blamed++)
        for (int at = 0; at <= 4; at++) {
            struct fake_cluster *c = fake_start();
            c->nodes[0].fault.error_after_packets = at;
            c->nodes[0].fault.blame_position = blamed;
            c->nodes[0].fault.times = 1;
            write_ok(c, 60000);
            cr_assert_eq(fake_count(c, "pipeline-2"), 1, "%u at %d: %s", blamed, at, c->log);
            fake_stop(c);
        }
}

Test(write, all_nodes_die_one_after_the_other)
{
    struct fake_cluster *c = fake_start();
    struct err err = {0};
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        c->nodes[i].fault.cut_after_packets = 1;
        c->nodes[i].fault.times = 1;
    }
    cr_assert_neq(write_file(c, 200000, &err), 0);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "127.0.0.1:%u: ", c->nodes[i].port);
        cr_assert_not_null(strstr(err.text, name), "%s", err.text);
    }
    cr_assert_eq(fake_count(c, "complete"), 0, "a broken file is not reported complete");
    fake_stop(c);
}

static void read_all(struct fake_cluster *c, size_t size)
{
    struct input *in;
    struct err err = {0};
    uint8_t *data = malloc(size);
    size_t done = 0, n = 0;
    cr_assert_eq(input_open(&c->env, "/f", &in, &err), 0, "%s", err.text);
    cr_assert_eq(input_length(in), size);
    do {
        cr_assert_eq(input_read(in, data + done, 7001 < size - done ? 7001 : size - done, &n, &err),
                     0, "%s", err.text);
        done += n;
    } while (n > 0);
    cr_assert_eq(done, size);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(data[i], fake_byte(i), "byte %zu", i);
    input_close(in);
    free(data);
}

static struct fake_cluster *with_file(size_t size)
{
    struct fake_cluster *c = fake_start();
    write_ok(c, size);
    c->log[0] = '\0';
    return c;
}

Test(read, goes_on_elsewhere_at_the_exact_byte)
{
    for (int at = 0; at <= 3; at++) {
        struct fake_cluster *c = with_file(FAKE_BLOCK + 5000);
        c->nodes[0].fault.drop_read_after = at;
        c->nodes[0].fault.times = 1;
        read_all(c, FAKE_BLOCK + 5000);
        cr_assert_str_eq(c->log, "locations read0 read1 read1 ", "%s", c->log);
        fake_stop(c);
    }
}

Test(read, corrupt_replica_is_reported_and_left)
{
    struct fake_cluster *c = with_file(100000);
    c->nodes[0].fault.flip_bit = true;
    c->nodes[0].fault.times = 1;
    read_all(c, 100000);
    cr_assert_str_eq(c->log, "locations read0 bad read1 ", "%s", c->log);
    fake_stop(c);
}

Test(read, nobody_delivers)
{
    struct fake_cluster *c = with_file(3000);
    struct input *in;
    struct err err = {0};
    uint8_t data[10];
    size_t n;
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        c->nodes[i].fault.drop_read_after = 0;
        c->nodes[i].fault.times = 99;
    }
    c->env.max_acquire_failures = 0;
    cr_assert_eq(input_open(&c->env, "/f", &in, NULL), 0);
    cr_assert_eq(input_read(in, data, 10, &n, &err), ERR_BLOCK_MISSING);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "127.0.0.1:%u: ", c->nodes[i].port);
        cr_assert_not_null(strstr(err.text, name), "%s", err.text);
    }
    cr_assert_not_null(strstr(err.text, "BP-1:blk_0_1000 file=/f"), "%s", err.text);
    input_close(in);
    fake_stop(c);
}

Test(read, connections_are_used_again)
{
    struct fake_cluster *c = with_file(50000);
    struct input *in;
    uint8_t data[100];
    size_t n;
    unsigned before = c->nodes[0].accepted;
    cr_assert_eq(input_open(&c->env, "/f", &in, NULL), 0);
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert_eq(input_pread(in, data, sizeof(data), i * 2311, &n, NULL), 0);
        cr_assert_eq(n, sizeof(data));
        for (size_t j = 0; j < n; j++)
            cr_assert_eq(data[j], fake_byte(i * 2311 + j));
    }
    cr_assert_eq(__atomic_load_n(&c->nodes[0].accepted, __ATOMIC_RELAXED) - before, 1);
    /* one that the node closed meanwhile costs a new connection, not the node's good name */
    c->nodes[0].fault.close_after_read = true;
    c->nodes[0].fault.times = 1;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert_eq(input_pread(in, data, sizeof(data), i * 1000, &n, NULL), 0);
    cr_assert_eq(fake_count(c, "read1"), 0, "%s", c->log);
    input_close(in);
    fake_stop(c);
}
