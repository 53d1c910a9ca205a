#!/usr/bin/env bash
# Malformed bytes at every port of live servers: nobody dies, nobody's memory follows an announced length, work goes on.
. "$(dirname "$0")/lib.sh"
start_cluster 1
"${PYTHON:-python3}" - "$base" "$dir" <<'PY' || fail "garbage"
import random, socket, struct, sys, time
base, dir = int(sys.argv[1]), sys.argv[2]
rpc, data, ipc = base, base + 10, base + 12
pids = {"nn": rpc, "dn0": data}
rng = random.Random(1)

def rss(name):
    pid = open(f"{dir}/{name}.pid").read().strip()
    return int(next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS")).split()[1])

def shoot(port, payload, wait=0.2):
    s = socket.create_connection(("127.0.0.1", port), timeout=2)
    try:
        s.sendall(payload)
        s.settimeout(wait)
        s.recv(4096)
    except OSError:
        pass
    finally:
        s.close()

preamble = b"hrpc\x09\x00\x00"
context = bytes.fromhex("1a080210001805221066666666666666666666666666666666280112060a04726f6f74")
framed = preamble + struct.pack(">I", len(context)) + context
good_op = bytes([0, 28, 81])

def rpc_cases():
    yield b"GET / HTTP/1.1\r\n\r\n"
    yield b"hrpc\x04\x00\x00"
    yield b"hrpc\x09\x00\x55"
    yield preamble + struct.pack(">I", 0xffffffff)
    yield preamble + struct.pack(">I", 128 << 20)
    yield framed + struct.pack(">I", 100 << 20) + b"x" * 1000
    for _ in range(300):
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        yield rng.choice([b"", preamble, framed]) + struct.pack(">I", rng.choice([len(body), 0, 7])) + body

def data_cases():
    yield b"\x00\x1b\x51"
    yield b"\x00\x1c\xff"
    yield good_op + b"\xff\xff\xff\xff\x7f"
    for _ in range(300):
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        op = bytes([0, 28, rng.choice([80, 81, 83, 84, 85, 86, 87, rng.randrange(256)])])
        yield rng.choice([b"", op + bytes([len(body) & 127]), op]) + body

before = {name: rss(name) for name in pids}
for port, cases in ((rpc, rpc_cases), (ipc, rpc_cases), (data, data_cases)):
    for payload in cases():
        shoot(port, payload, 0.02)
# many connections that announce much and send little
held = []
for port, head in ((rpc, preamble + struct.pack(">I", 64 << 20)), (ipc, preamble + struct.pack(">I", 64 << 20)), (data, good_op + b"\xff\xff\xff\x07")):
    for _ in range(100):
        s = socket.create_connection(("127.0.0.1", port), timeout=2)
        try:
            s.sendall(head)
        except OSError:
            pass
        held.append(s)
time.sleep(0.5)
for name in pids:
    grown = rss(name) - before[name]
    if grown > 64 * 1024:
        sys.exit(f"{name} grew by {grown} KiB")
PY
head -c 100000 /dev/urandom >"$scratch/in"
"$dfs" -fs "$url" -put "$scratch/in" /after && "$dfs" -fs "$url" -cat /after | cmp - "$scratch/in" || fail "no work after the garbage"
