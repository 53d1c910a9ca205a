#!/usr/bin/env bash
# Two NameNodes of one cluster and one DataNode that keeps the blocks of both; a nameservice comes and goes while it runs, and its
# block pool is deleted.
. "$(dirname "$0")/lib.sh"
dir=$scratch/fed; base=$(free_base); clusters+=("$dir"); mkdir -p "$dir"
a=hdfs://127.0.0.1:$base b=hdfs://127.0.0.1:$((base + 20)) dn=127.0.0.1:$((base + 12)) conf=$dir/dn0.conf
at_end() { for p in na nb; do [ ! -f "$dir/$p.pid" ] || kill "$(cat "$dir/$p.pid")" 2>/dev/null; done; }
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
site() { # FILE k=v..
  local f=$1 kv; shift
  { echo '<configuration>'; for kv; do echo "<property><name>${kv%%=*}</name><value>${kv#*=}</value></property>"; done; echo '</configuration>'; } >"$f"
}
namenode() { # NAME PORT
  mkdir -p "$dir/$1.conf"
  site "$dir/$1.conf/core-site.xml" "fs.defaultFS=hdfs://127.0.0.1:$2" "hadoop.tmp.dir=$dir/$1.tmp"
  site "$dir/$1.conf/hdfs-site.xml" "dfs.namenode.name.dir=file://$dir/$1" "dfs.namenode.http-address=127.0.0.1:$(($2 + 1))" \
    dfs.namenode.safemode.extension=0 dfs.heartbeat.interval=1 dfs.replication=1 dfs.namenode.fs-limits.min-block-size=1
  HADOOP_CONF_DIR=$dir/$1.conf "$HADRON_BIN/dfs-namenode" -format -clusterid CID-fed -nonInteractive >>"$dir/$1.log" 2>&1 || fail "format $1"
  HADOOP_CONF_DIR=$dir/$1.conf setsid "$HADRON_BIN/dfs-namenode" >>"$dir/$1.log" 2>&1 </dev/null &
  echo $! >"$dir/$1.pid"
  wait_until 30 listening "$2" || fail "NameNode $1 does not start: $(tail -2 "$dir/$1.log")"
}
services() { # NAMES: what the DataNode's configuration says from now on
  site "$conf/hdfs-site.xml" "dfs.nameservices=$1" "dfs.namenode.rpc-address.a=127.0.0.1:$base" "dfs.namenode.rpc-address.b=127.0.0.1:$((base + 20))" \
    "dfs.datanode.data.dir=$dir/dn0.data" "dfs.datanode.address=127.0.0.1:$((base + 10))" "dfs.datanode.http.address=127.0.0.1:$((base + 11))" \
    "dfs.datanode.ipc.address=$dn" dfs.heartbeat.interval=1 dfs.blockreport.initialDelay=0 dfs.replication=1 ${2:-}
}
admin() { "$dfs" admin "$@" >"$scratch/out" 2>&1; }
put() { "$dfs" -fs "$1" -D dfs.replication=1 -D dfs.blocksize=1048576 -put "$scratch/$2" "/$2" 2>"$scratch/err" || fail "put $1/$2: $(cat "$scratch/err")"; }
same() { "$dfs" -cat "$1/$2" 2>"$scratch/err" | cmp -s - "$scratch/$2" || fail "$3: $1/$2 differs: $(cat "$scratch/err")"; }
live() { "$dfs" admin -fs "$1" -report -live 2>/dev/null | grep -q '^Live datanodes (1)'; }
pools() { ls "$dir/dn0.data/current" | grep -c '^BP-'; }

for f in one two; do head -c 3500000 /dev/urandom >"$scratch/$f"; done
namenode na "$base"
namenode nb $((base + 20))
mkdir -p "$conf" "$dir/dn0.data"; chmod 700 "$dir/dn0.data"
site "$conf/core-site.xml" "fs.defaultFS=$a"

# the configuration names a third nameservice that isn't internal
services a,b dfs.internal.nameservices=a
HADOOP_CONF_DIR=$conf setsid "$HADRON_BIN/dfs-datanode" >>"$dir/dn0.log" 2>&1 </dev/null &
echo $! >"$dir/dn0.pid"
wait_until 20 live "$a" || fail "the DataNode does not register: $(tail -2 "$dir/dn0.log")"
live "$b" && fail "it serves a nameservice that isn't internal"
put "$a" one

# the other one comes
services a,b
admin -refreshNamenodes "$dn" || fail "refreshNamenodes: $(cat "$scratch/out")"
wait_until 20 live "$b" || fail "the second nameservice is not served: $(tail -2 "$dir/dn0.log")"
put "$b" two; put "$b" one
same "$a" one "both served"; same "$b" two "both served"; same "$b" one "both served"
[ "$(pools)" = 2 ] || fail "$(pools) block pools on disk, not 2"

# a restart finds both
kill "$(cat "$dir/dn0.pid")"; wait "$(cat "$dir/dn0.pid")" 2>/dev/null
HADOOP_CONF_DIR=$conf setsid "$HADRON_BIN/dfs-datanode" >>"$dir/dn0.log" 2>&1 </dev/null &
echo $! >"$dir/dn0.pid"
readable() { "$dfs" -cat "$1/$2" 2>/dev/null | cmp -s - "$scratch/$2"; }
wait_until 30 readable "$a" one || fail "the first nameservice after a restart"
wait_until 30 readable "$b" two || fail "the second nameservice after a restart"

# a pool that is served stays
pool=$(sed -n 's/^blockpoolID=//p' "$dir/nb/current/VERSION")
admin -deleteBlockPool "$dn" "$pool" force && fail "a served block pool was deleted"
grep -q 'The block pool is still running. First do a refreshNamenodes to shutdown the block pool service' "$scratch/out" || fail "deleteBlockPool: $(cat "$scratch/out")"
services a
admin -refreshNamenodes "$dn" || fail "refreshNamenodes: $(cat "$scratch/out")"
beats() { "$dfs" admin -fs "$b" -report 2>/dev/null | grep "^Last contact: "; }
before=$(beats); sleep 2.5
[ "$(beats)" = "$before" ] || fail "heartbeats go on to a nameservice that was left"
same "$a" one "after the other one went"
admin -deleteBlockPool "$dn" "$pool" && fail "a block pool with blocks was deleted"
grep -q 'Cannot delete block pool, it contains some block files' "$scratch/out" || fail "deleteBlockPool: $(cat "$scratch/out")"
admin -deleteBlockPool "$dn" "$pool" force || fail "deleteBlockPool: $(cat "$scratch/out")"
[ "$(pools)" = 1 ] || fail "$(pools) block pools on disk, not 1"

# and it may come again, empty
services a,b
admin -refreshNamenodes "$dn" || fail "refreshNamenodes: $(cat "$scratch/out")"
again() { "$dfs" -fs "$b" -D dfs.replication=1 -put -f "$scratch/two" /again 2>/dev/null; }
wait_until 20 again || fail "the nameservice that came again can't be written: $(tail -3 "$dir/dn0.log")"
"$dfs" -cat "$b/again" | cmp -s - "$scratch/two" || fail "what was written again"
same "$a" one "at the end"
services x
admin -refreshNamenodes "$dn"
same "$a" one "after a configuration without NameNodes of its own"
echo "federation: two nameservices served, one came and went"
