#!/usr/bin/env bash
# dfs text beside Hadoop's -text, on sequence files that Hadoop wrote, and on packed files: the same text.
. "$(dirname "$0")/lib.sh"
files=$scratch/files; mkdir -p "$files" "$scratch/classes" "$scratch/theirs"
javac -cp "$("$peer" classpath)" -d "$scratch/classes" "$here/SequenceFiles.java" "$here/ShellLines.java" || fail "javac"
HADOOP_PEER_CP=$scratch/classes "$peer" class SequenceFiles "$files" "${TEXT_RECORDS:-1000}" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "no sequence files"; }
rm -f "$files"/.*.crc

cd "$files" || exit 1
python3 - <<'PY' || fail "no packed files"
import bz2, gzip, random, struct, zlib
random.seed(3)
words = ('word%d ' % random.randrange(10 ** 6) for _ in range(40000))
data = ''.join(words).encode()
put = lambda name, body: open(name, 'wb').write(body)
put('one.gz', gzip.compress(data))
put('gz_by_its_bytes', gzip.compress(data))
put('members.gz', gzip.compress(data) + gzip.compress(b'') + gzip.compress(b'more\n'))
put('garbage.gz', gzip.compress(b'a line\n') + b'no member\n')
put('cut.gz', gzip.compress(data)[:-30])
put('text.gz', b'not packed at all\n')
put('one.bz2', bz2.compress(data))
put('members.bz2', bz2.compress(data) + bz2.compress(b'more\n'))
put('cut.bz2', bz2.compress(data)[:-300])
put('text.bz2', b'not packed at all\n')
put('one.deflate', zlib.compress(data))
put('cut.deflate', zlib.compress(data)[:-30])
put('text.deflate', b'not packed at all\n')
put('nothing', b'')
put('nothing.bz2', b'')
put('byte.gz', b'a')
put('SEQ', b'SEQUENCE')
# gzip in a sequence file, which Hadoop writes with its native library only
vint = lambda n: struct.pack('b', n) if n < 128 else bytes([0x8f, n]) if n < 256 else bytes([0x8e, n >> 8, n & 255])
string = lambda s: vint(len(s)) + s
sync = bytes(range(16))
def head(blocks):
    return (b'SEQ\6' + string(b'org.apache.hadoop.io.Text') + string(b'org.apache.hadoop.io.Text') + bytes([1, blocks]) +
            string(b'org.apache.hadoop.io.compress.GzipCodec') + struct.pack('>i', 0) + sync)
body = head(0)
for i in range(50):
    k, v = string(b'key %d' % i), gzip.compress(string(b'value ' * i))
    body += struct.pack('>ii', len(k) + len(v), len(k)) + k + v
put('record.gzip', body)
body, parts = head(1), [b'', b'', b'', b'']
for i in range(300):
    k, v = string(b'key %d' % i), string(b'value ' * (i % 40))
    for at, piece in enumerate((vint(len(k)), k, vint(len(v)), v)):
        parts[at] += piece
packed = [gzip.compress(p) for p in parts]
put('block.gzip', body + b'\xff\xff\xff\xff' + sync + vint(300) + b''.join(bytes([0x8d]) + struct.pack('>I', len(p))[1:] + p for p in packed))
put('damaged.sync', open('plain', 'rb').read()[:100] + b'\xff\xff\xff\xff' + bytes(16))
put('cut.sequence', open('plain', 'rb').read()[:5000])
PY
ls >"$scratch/names"
while read -r f; do printf '\t\t-text\t%s\n' "$files/$f"; done <"$scratch/names" >"$scratch/lines"
HADOOP_PEER_CP=$scratch/classes "$peer" class ShellLines file:/// "$scratch/lines" "$scratch/theirs" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "Hadoop's shell"; }
n=0 bad=0
while read -r f; do
  n=$((n + 1))
  "$dfs" -fs file:/// -text "$files/$f" >"$scratch/ours.out" 2>"$scratch/ours.err"; rc=$?
  theirs=$(cat "$scratch/theirs/$n.rc")
  # what is damaged: an error on both sides (a Java runtime exception ends Hadoop's shell with 255), texts our own
  [ "$theirs" = 0 ] || theirs=1
  case $f in unknown | text.bz2) theirs=1 ;; esac # a class that ours hasn't got; Hadoop shows nothing for what is no bzip2
  case $f in cut.* | damaged.* | unknown | text.*) # how much comes before the error may differ
    [ "$theirs" = "$rc" ] || { bad=$((bad + 1)); echo "== $f: exit $rc, Hadoop $theirs"; cat "$scratch/ours.err"; head -n 3 "$scratch/theirs/$n.err"; }
    grep -q "^text: \`.*/$f': " "$scratch/ours.err" || [ $rc = 0 ] || { bad=$((bad + 1)); echo "== $f: $(cat "$scratch/ours.err")"; }
    continue ;;
  esac
  cmp -s "$scratch/ours.out" "$scratch/theirs/$n.out" && [ "$rc" = "$theirs" ] && continue
  bad=$((bad + 1))
  echo "== $f: exit $rc, Hadoop $theirs"; cat "$scratch/ours.err"; head -n 3 "$scratch/theirs/$n.err"
  diff -a "$scratch/theirs/$n.out" "$scratch/ours.out" | head -n 6 | cut -c 1-200
done <"$scratch/names"
echo "text: $n files, $bad differ"
[ $bad = 0 ] && [ $n -gt 30 ]
