#!/usr/bin/env bash
# Our dfs and Hadoop's shell on the same cluster: the same command lines must give the same standard output, the same
# errors and the same exit codes.
#   shell_compare.sh DFS HADOOP URL [OTHER]
# DFS: path of our program. HADOOP: script with the verbs `class` and `classpath` for a Hadoop client. URL: a cluster
# with at least one DataNode, replication 3, no trash, and this user as superuser. OTHER: a second cluster where
# Hadoop's shell does its part (a real one: then the servers are compared as well). Prints the differences and the
# counts.
# In the command lines @ stands for the side's letter: each side has its own folder, with names of the same length.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 3 ] || [ $# = 4 ] || { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
dfs=$(readlink -f "$1") hadoop=$(readlink -f "$2") url=$3 other=${4:-$3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Lines: [user=NAME] [in=FILE] words as bash reads them. Lines that begin with # are headings.
lines() { cat <<'LINES'
# folders
-mkdir /s@
-chmod 777 /s@
-mkdir /s@
-mkdir -p /s@
-mkdir /s@/x/y
-mkdir -p /s@/x/y /s@/dir
-mkdir /s@/dir/a /s@/dir/b /nope/b@
-mkdir
-mkdir -z /s@
-mkdir /
-mkdir ''
# put
-put f1 /s@/f1
-put f1 /s@/f1
-put -f f2 /s@/f1
-put f1 /s@/nope/f1
-put f1 rel@/f1
-put f1 rel@/
-put nofile /s@
-put nofile1 nofile2 /s@
-put f1 f2 /s@/f1
-put f1 f2 /s@/none
-put f1 f2 empty big /s@/dir
-put tree /s@
-put tree /s@
-put -f tree /s@
-put -p f2 /s@/preserved
in=f1 -put - /s@/stdin
in=f1 -put - /s@/stdin
in=f1 -put -f - /s@/dir
-put -d f1 /s@/direct
-put -t 4 tree /s@/tree4
-put -t x f1 /s@/tx
-put
-put f1 ''
-put -Z f1 /s@
-copyFromLocal f1 /s@/cfl
-put -l f1 /s@/lazy
-put f1 f2 '/s@/d*'
-put f1 '/s@/*'
-moveFromLocal move1 /s@/moved1
-moveFromLocal move1 /s@/moved1
-moveFromLocal movetree /s@/movetree
-moveFromLocal -t 2 f1 /s@
-touchz /s@/empty
-touchz /s@/empty
-touchz /s@/f1
-touchz /s@/dir
-touchz /s@/no/no
-touchz
-put f1 '/s@/un usual'
-put f1 /s@/ünï
# ls
-ls /s@
-ls -R /s@
-ls -h /s@ /s@/dir
-ls -C /s@
-ls -d /s@ /s@/dir
-ls -S /s@/dir
-ls -S -r /s@/dir
-ls -r /s@
-ls -t /s@/tree
-ls -u /s@/dir
-ls -R -C /s@/tree
-ls -q /s@
-ls /s@/none
-ls /s@/none /s@/f1
-ls '/s@/f*'
-ls '/s@/{f1,dir}'
-ls '/s@/[a-e]*'
-ls '/s@/[^a-e]*'
-ls '/s@/d?r'
-ls '/s@/*/a'
-ls '/s@/zz*'
-ls '/s@/{dir/f1,tree/sub}'
-ls '/s@/f\*'
-ls '/s@/a['
-ls '/s@/a{'
-ls '/s@/tree/*' '/s@/dir/b*'
-ls /s@/
-ls /s@//dir/
-ls /s@/./dir/../f1
-ls -Z /s@
-ls a:b
-ls URL/s@/dir
-ls hdfs:///s@/f1
-ls file:///no/such/place
-ls rel@
-lsr /s@/tree
-ls /s@/f1/below
# reading
-cat /s@/f1
-cat /s@/f1 /s@/stdin
-cat '/s@/dir/f*'
-cat /s@/dir
-cat /s@/none
-cat -ignoreCrc /s@/f1
-cat
-head /s@/dir/big
-head /s@/dir
-head /s@/none
-tail /s@/dir/big
-tail /s@/f1
-tail /s@/dir
-tail /s@/none
-tail
-tail -f
-text /s@/f1
-text /s@/dir
-checksum /s@/f1
-checksum /s@/dir/big /s@/empty
-checksum -v /s@/f1
-checksum /s@/dir
# get
-get /s@/f1 got1
-get /s@/f1 got1
-get -f /s@/dir/f2 got1
-get /s@/tree gottree
-get /s@/tree gottree
-get -p /s@/preserved gotp
-get /s@/none got
-get /s@/f1 /no/such/dir/f
-get /s@/f1 /s@/dir/f2 got1
-get /s@/f1 /s@/dir/f2 into
-get '/s@/dir/*' into2
-get -t 3 /s@/tree got3
-copyToLocal /s@/f1 ctl
-getmerge /s@/dir merged
-getmerge -nl /s@/tree merged2
-getmerge -nl -skip-empty-file /s@/dir merged3
-getmerge /s@/none merged4
-getmerge /s@/dir into
-get
# stat and test
-stat /s@
-stat '%A %a %b %F %g %n %o %r %u' /s@ /s@/f1
-stat '%x %X %y %Y' /s@/f1
-stat '%q %% 100%' /s@/f1
-stat %n /s@/none
-stat %n
-stat -R %n /s@/tree
-test -e /s@
-test -e /s@/none
-test -d /s@
-test -d /s@/f1
-test -f /s@/f1
-test -s /s@/empty
-test -z /s@/empty
-test -z /s@/f1
-test -r /s@/f1
-test -w /s@/f1
-test /s@
-test -d -e /s@
-test -e
-test -e a b
# attributes
-chmod 700 /s@/f1
-chmod -R u=rwX,go=rX /s@/tree
-chmod +t /s@/dir
-chmod 1777 /s@/x
-chmod a-x,u+x /s@/x
-chmod -w /s@/f1
-chmod 888 /s@/f1
-chmod u+q /s@/f1
-chmod 755
-chmod 755 /s@/none
-chown nobody /s@/f1
-chown :staff /s@/f1
-chown nobody:staff /s@/dir/f1
-chown -R joe:joe /s@/tree
-chown : /s@/f1
-chown 'a b' /s@/f1
-chgrp games /s@/f1
-chgrp a:b /s@/f1
-chgrp -R games /s@/tree /s@/none
user=bob -ls /s@/x
user=bob -ls /s@/direct/below
user=bob -stat %n /s@/direct/below
user=bob -mkdir -p /s@/direct/below
-mkdir -p /s@/direct/below
-touchz /s@/direct/below
user=bob -cat /s@/direct
user=bob -chmod 777 /s@/f1
user=bob -chown bob /s@/f1
user=bob -rm /s@/tree/a.txt
user=bob -put f1 /s@/tree/bob
user=bob -test -w /s@/f1
user=bob -test -r /s@/lazy
-ls -R /s@
-setrep 2 /s@/f1
-setrep -R 1 /s@/tree
-setrep -w 1 /s@/lazy
-setrep 0 /s@/f1
-setrep x /s@/f1
-setrep 99999 /s@/f1
-setrep 2 /s@/none
-setrep 2
-touch /s@/touched
-touch -t 20200102:030405 /s@/touched
-stat '%x %X %y %Y' /s@/touched
-touch -m -t 20210102:030405 /s@/touched
-touch -a -t 20220102:030405 /s@/touched
-stat '%x %X %y %Y' /s@/touched
-touch -c /s@/untouched
-touch -t 2020 /s@/touched
-touch -t
-touch /s@/no/no
# space
-du /s@
-du -s /s@ /s@/f1
-du -h /s@
-du -s -h -v /s@
-du -x /s@/dir
-du /s@/none
-dus /s@/dir
-count /s@ /s@/f1
-count -h /s@
-count -v /s@
-count -q /s@
-count -q -h -v /s@
-count -u -v /s@
-count -q -x /s@
-count /s@/none
-count
-df /s@/none
# find
-find /s@
-find /s@ -name 'f*'
-find /s@ -iname 'F1'
-find /s@ -name f1 -print
-find /s@ -name 'f*' -a -name '*1'
-find /s@/tree /s@/dir -name '*.txt'
-find /s@ -print0
-find /s@ -bogus
-find /s@/none
-find '/s@/d*' -name f1
# moving and copying
-mv /s@/f1 /s@/f1moved
-mv /s@/f1moved /s@/f1
-mv /s@/none /s@/y
-mv /s@/f1 /s@/empty
-mv /s@/dir /s@/dir/a
-mv /s@/dir /s@/dir
-mv /s@/f1 /s@/direct /s@/none
-mv /s@/f1 /s@/direct /s@/dir/b
-mv /s@/dir/b/f1 /s@
-mv /s@/f1 /s@/no/where
-mv /s@/f1
-cp /s@/f1 /s@/cp1
-cp /s@/f1 /s@/cp1
-cp -f /s@/empty /s@/cp1
-cp /s@/tree /s@/cptree
-cp /s@/tree /s@/tree/sub
-cp /s@/tree /s@/tree
-cp -p /s@/f1 /s@/cpp
-cp -pt /s@/f1 /s@/cpt
-cp /s@/f1 /s@/tree /s@/dir/a
-cp /s@/none /s@/z
-cp -t 2 /s@/tree /s@/cptree2
-cp -d /s@/f1 /s@/cpd
-cp /s@/f1
-cp /s@/f1 file:///no/dir/x
-ls -R /s@
# removing
-rm /s@/cp1
-rm /s@/cp1
-rm -f /s@/cp1
-rm -f '/s@/zz*'
-rm '/s@/zz*'
-rm /s@/dir
-rm
-rm -r /s@/cptree /s@/none
-rm -R -skipTrash /s@/cptree2
-rm -r -f /s@/none /s@/movetree
-rmr /s@/x
-rmdir /s@/dir
-rmdir /s@/f1
-rmdir --ignore-fail-on-non-empty /s@/dir
-rmdir /s@/none
-mkdir /s@/leer
-rmdir /s@/leer
-rm '/s@/f*'
-expunge
-rm -r /s@/dir /s@/tree /s@/tree4
-ls /s@
# usage
-nonsense
-nonsense /s@
-help nonsense
-usage ls nonsense
-usage mkdir rm
-moveToLocal /s@/a b
-rm -r -skipTrash /s@
LINES
}

# What may differ: the lists of commands and of generic options, logging, options that one side has not got, times.
normalise() {
    sed -E -e '/^\t\[-/d' -e '/^(-conf|--conf|-D|-fs|-jt|-files|-libjars|-archives) </d' \
        -e '/^[0-9-]{10} [0-9:,]+ (WARN|INFO|ERROR)/d' -e '/^\tat /d' -e '/^Moved: /d' \
        -e "s#$url|$other#hdfs://CLUSTER#g" -e 's/\.+ done$/... done/' \
        -e "s/s[cj]\\b/s@/g; s/rel[cj]\\b/rel@/g" \
        -e 's/ \[-e\]//; s/ \[-s\] <path>/ <path>/; s/ \[-t \[<storage type>\]\]//' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(:[0-9]{2})?/DATE/g' \
        -e 's/\b1[0-9]{12}\b/MILLIS/g' "$1"
}

prepare() { # SIDE
    mkdir -p "$work/$1/local" && cd "$work/$1/local" || exit 1
    echo 'one line' >f1
    printf 'two\nlines of text\n' >f2
    : >empty
    seq 1 700 >big
    mkdir -p tree/sub/deeper tree/void into into2
    echo a >tree/a.txt; echo b >tree/sub/b.txt; seq 1 99 >tree/sub/deeper/c.txt
    cp -r tree movetree; cp f1 move1
    touch -d '2020-02-02 02:02:02 UTC' f2
}

parse() { # SIDE LINE: sets user, input, words
    local letter=c cluster=$url
    [ "$1" = theirs ] && letter=j cluster=$other
    local text=${2//@/$letter}
    eval "words=(${text//URL/$cluster})"
    user="" input=""
    while [ ${#words[@]} -gt 0 ]; do
        case ${words[0]} in
        user=*) user=${words[0]#user=} ;;
        in=*) input=${words[0]#in=} ;;
        *) break ;;
        esac
        words=("${words[@]:1}")
    done
}

ours() {
    local n=0 line
    prepare ours
    while IFS= read -r line; do
        n=$((n + 1))
        parse ours "$line"
        (   [ -z "$user" ] || export HADOOP_USER_NAME=$user
            exec "$dfs" -fs "$url" "${words[@]}" <"${input:-/dev/null}" ) >"$work/ours/$n.out" 2>"$work/ours/$n.err"
        echo $? >"$work/ours/$n.rc"
    done <"$work/lines"
}

theirs() {
    local line
    prepare theirs
    while IFS= read -r line; do
        parse theirs "$line"
        printf '%s\t%s' "$user" "$input"
        printf '\t%s' "${words[@]}"
        printf '\n'
    done <"$work/lines" >"$work/theirs/lines"
    javac -cp "$("$hadoop" classpath)" -d "$work" "$here/ShellLines.java" || exit 1
    HADOOP_PEER_CP=$work "$hadoop" class ShellLines "$other" "$work/theirs/lines" "$work/theirs" >"$work/theirs/log" 2>&1 ||
        { cat "$work/theirs/log"; exit 1; }
}

lines | grep -v '^#' >"$work/lines"
for cluster in "$url" "$other"; do
    "$dfs" -fs "$cluster" -rm -r -f -skipTrash /sc /sj >/dev/null
done
( ours )
( theirs )
total=0 bad=0
while IFS= read -r line; do
    total=$((total + 1)) good=1
    for part in rc out err; do
        normalise "$work/theirs/$total.$part" >"$work/want"
        normalise "$work/ours/$total.$part" >"$work/have"
        cmp -s "$work/want" "$work/have" && continue
        [ $good = 1 ] && echo "== $line"
        good=0
        diff -a --label "hadoop $part" --label "dfs $part" -U1 "$work/want" "$work/have" | head -n "${SHELL_COMPARE_LINES:-12}"
    done
    [ $good = 1 ] || bad=$((bad + 1))
done <"$work/lines"
# one JVM for all: Hadoop's local file system keeps the -crc of the command before
if ! diff -r -x '.*.crc' "$work/ours/local" "$work/theirs/local"; then
    echo "== the local folders differ"
    bad=$((bad + 1))
fi
echo "shell_compare: $total command lines, $bad differ"
[ $bad = 0 ]
