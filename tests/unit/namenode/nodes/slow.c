/* Slow peers and disks: kept while they are fresh, ranked, marked, told as JSON. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "namenode/nodes/nodes.h"

static struct nodes *nodes_of_three(bool enabled)
{
    struct nodes_settings s;
    struct nodes *n;
    nodes_settings_defaults(&s);
    s.slow_peers = s.slow_disks = enabled;
    s.slow_valid_ms = 3000;
    s.slow_collect_ms = 1000;
    s.slow_collect_nodes = 1;
    cr_assert_eq(nodes_new(&s, &n), 0);
    for (uint32_t i = 1; i <= 3; i++) {
        char uuid[16], ip[16];
        snprintf(uuid, sizeof(uuid), "dn%u", i);
        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        struct node_registration r = {.uuid = uuid,
                                      .ip = ip,
                                      .hostname = ip,
                                      .software_version = "3.4.3",
                                      .xfer_port = 9866,
                                      .info_port = 9864,
                                      .ipc_port = 9867};
        uint32_t node = 0;
        cr_assert_eq(nodes_register(n, &r, 1000, 1000, &node, NULL), 0);
    }
    return n;
}

static const struct slow_latency slow = {40.5, 10, 2, 16};

static void assert_json(int (*make)(const struct nodes *n, int64_t mono_ms, struct buf *out),
                        struct nodes *n, int64_t mono_ms, const char *text)
{
    struct buf b = {0};
    cr_assert_eq(make(n, mono_ms, &b), 0);
    cr_assert_eq(buf_append(&b, "", 1), 0);
    cr_assert_str_eq((const char *)buf_head(&b), text);
    buf_fini(&b);
}

Test(slow, ranked_marked_and_forgotten)
{
    struct nodes *n = nodes_of_three(true);
    uint32_t list[3];
    assert_json(nodes_slow_peers_json, n, 1000, "[]");
    nodes_slow_peer(n, 3, "10.0.0.1:9864", &slow, 1000);
    nodes_slow_peer(n, 3, "10.0.0.2:9864", &slow, 1000);
    nodes_slow_peer(n, 1, "10.0.0.2:9864", &slow, 2000);
    nodes_slow_peer(n, 1, "10.0.0.2:9864", &slow, 2000);
    cr_assert_eq(nodes_slow_list(n, 2000, list, 3), 2);
    cr_assert(list[0] == 2 && list[1] == 1);
    (void)nodes_check(n, 2000);
    cr_assert(nodes_at(n, 2)->slow && !nodes_at(n, 1)->slow, "at most one is marked");
    assert_json(nodes_slow_peers_json, n, 4500,
                "[{\"SlowNode\":\"10.0.0.2:9864\",\"SlowPeerLatencyWithReportingNodes\":[{"
                "\"ReportingNode\":\"10.0.0.1:9867\",\"ReportedLatency\":40.5,\"MedianLatency\":10,"
                "\"MadLatency\":2,\"UpperLimitLatency\":16}]}]");
    (void)nodes_check(n, 6000);
    cr_assert_not(nodes_at(n, 2)->slow);
    cr_assert_eq(nodes_slow_list(n, 6000, list, 3), 0);
    nodes_free(n);
}

Test(slow, nonsense_is_passed_over)
{
    struct nodes *n = nodes_of_three(true);
    uint32_t list[3];
    struct slow_latency bad = {NAN, 1, 1, 1};
    nodes_slow_peer(n, 1, "10.0.0.2:9864", &bad, 1000);
    nodes_slow_peer(n, 1, "10.0.0.2:\"9864", &slow, 1000);
    nodes_slow_peer(n, 1, "", &slow, 1000);
    nodes_slow_peer(n, 1, NULL, &slow, 1000);
    nodes_slow_peer(n, 1, "10.0.0.9:9864", &slow, 1000); /* nobody knows it */
    nodes_slow_peer(n, 1, "nonsense", &slow, 1000);
    cr_assert_eq(nodes_slow_list(n, 1000, list, 3), 0);
    nodes_free(n);
    n = nodes_of_three(false);
    nodes_slow_peer(n, 1, "10.0.0.2:9864", &slow, 1000);
    cr_assert_eq(nodes_slow_list(n, 1000, list, 3), 0, "switched off");
    nodes_free(n);
}

Test(slow, disks)
{
    struct nodes *n = nodes_of_three(true);
    struct slow_disk_latency read = {-1, 80, -1}, both = {5, -1, 90};
    assert_json(nodes_slow_disks_json, n, 1000, "");
    nodes_slow_disk(n, 1, "/data 1", &read, 1000);
    nodes_slow_disk(n, 2, "/data", &both, 1500);
    nodes_slow_disk(n, 2, "/da\"ta", &both, 1500);
    assert_json(nodes_slow_disks_json, n, 2000,
                "[{\"SlowDiskID\":\"10.0.0.2:9867:/data\",\"Latencies\":{\"METADATA\":5,"
                "\"WRITE\":90}},{\"SlowDiskID\":\"10.0.0.1:9867:/data 1\",\"Latencies\":{"
                "\"READ\":80}}]");
    assert_json(nodes_slow_disks_json, n, 9000, "");
    nodes_free(n);
}

Test(racks_at_one_depth, others_are_refused)
{
    struct nodes *n = nodes_of_three(false);
    struct err err = {0};
    struct node_registration r = {.uuid = "deep",
                                  .ip = "10.0.0.4",
                                  .hostname = "h",
                                  .software_version = "3.4.3",
                                  .xfer_port = 9866,
                                  .rack = "/dc/rack"};
    uint32_t node = 0;
    cr_assert_eq(nodes_register(n, &r, 1000, 1000, &node, &err), ERR_TOPOLOGY);
    cr_assert_str_eq(err.text,
                     "Failed to add /dc/rack/10.0.0.4:9866: You cannot have a rack and a non-rack "
                     "node at the same level of the network topology.");
    cr_assert_eq(nodes_find(n, "deep"), 0);
    r.rack = "/other";
    cr_assert_eq(nodes_register(n, &r, 1000, 1000, &node, &err), 0);
    for (uint32_t i = 1; i <= 3; i++)
        nodes_declare_dead(n, i);
    r.rack = "/dc/rack";
    cr_assert_eq(nodes_register(n, &r, 1000, 1000, &node, &err), 0, "it is the only one");
    nodes_verify(n);
    nodes_free(n);
}
