#!/usr/bin/env bash
# dfs ec -convert: files change from erasure coding to replication and back with the same bytes and attributes; files that are open, that
# change meanwhile or don't fit are refused; what is refused, interrupted or fails leaves the old file and nothing else.
. "$(dirname "$0")/lib.sh"
policy=RS-3-2-1024k cell=1048576
sh() { "$dfs" -fs "$url" "$@" || fail "dfs $*"; }
convert() { "$dfs" ec -fs "$url" -convert "$@" >"$scratch/out" 2>"$scratch/err"; }
no_temp() { [ -z "$("$dfs" -fs "$url" -ls -R -C / | grep '\.convert-')" ] || fail "$1 leaves something behind: $("$dfs" -fs "$url" -ls -R -C / | grep '\.convert-')"; }
refused() { # PATTERN ARGS: exit code 2, that text, nothing left
  local pattern=$1; shift
  convert "$@"; [ $? = 2 ] || fail "-convert $*: not refused: $(cat "$scratch/out" "$scratch/err")"
  grep -q "$pattern" "$scratch/err" || fail "-convert $*: no \"$pattern\" in $(cat "$scratch/err")"
}
form() { "$dfs" ec -fs "$url" -getPolicy -path "$1"; }
attributes() { # all that is to stay, by path
  "$dfs" -fs "$url" -stat '%n %A %u %g %b %y %o' "$1/[bf]*"
  "$dfs" -fs "$url" -getfacl -R "$1"; "$dfs" -fs "$url" -getfattr -R -d -e hex "$1" | grep -v '^# file'
  for f in "${kept[@]}"; do "$dfs" storagepolicies -fs "$url" -getStoragePolicy -path "$1/$f"; done
}
bytes() { # DIR WHAT
  local f
  for f in "${kept[@]}"; do "$dfs" -fs "$url" -cat "$1/$f" | cmp -s - "$scratch/in/$f" || fail "$2: $1/$f has other bytes"; done
}

start_cluster 5 dfs.namenode.ec.system.default.policy=$policy
mkdir "$scratch/in"
kept=()
for length in 0 1 $((cell + 1)) $((3 * cell)) $((7 * cell + 5)); do kept+=("f$length"); head -c "$length" /dev/urandom >"$scratch/in/f$length"; done
head -c $((80 * cell)) /dev/urandom >"$scratch/big"
sh -mkdir -p /ec/deep /plain /two
"$dfs" ec -fs "$url" -setPolicy -path /ec >/dev/null || fail "-setPolicy"
mkdir "$scratch/deep"; cp "$scratch/in/f1" "$scratch/deep/below"
"$peer" dfs "$url" -put "$scratch"/in/* "$scratch/deep" "$scratch/big" /ec/ 2>"$scratch/err" || fail "Hadoop's put: $(cat "$scratch/err")"
sh -put "$scratch"/in/* /plain/
one=/ec/f$((cell + 1))
sh -chmod 1640 "$one"; sh -chown alice:staff "$one"; sh -setfacl -m user:bob:rw-,group:dev:r-- "$one"
sh -setfattr -n user.colour -v blue "$one"; sh -setfattr -n trusted.t -v 0x00ff "$one"; sh -touch -t 20200102:030405 "$one"
"$dfs" storagepolicies -fs "$url" -setStoragePolicy -path "$one" -policy COLD >/dev/null || fail "-setStoragePolicy"
attributes /ec >"$scratch/before"

# --- what isn't possible ---
convert; [ $? = 1 ] || fail "-convert without a path"
convert -policy $policy -replicate /plain; [ $? = 1 ] || fail "-convert -policy and -replicate"
refused 'there is no policy none' -policy none /plain
refused 'the policy XOR-2-1-1024k is not enabled' -policy XOR-2-1-1024k /plain
refused '/nothing' -policy $policy /nothing
mkfifo "$scratch/pipe"; "$dfs" -fs "$url" -put - /plain/open <"$scratch/pipe" & writer=$!
exec 3>"$scratch/pipe"; echo begun >&3
wait_until 10 "$dfs" -fs "$url" -test -e /plain/open._COPYING_ || fail "no file is open"
refused 'is being written' -policy $policy /plain/open._COPYING_
exec 3>&-; wait $writer; sh -rm -skipTrash /plain/open >/dev/null

# --- cut off, stopped, changed ---
working() { "$dfs" -fs "$url" -ls -C "$1" | grep -q '\.convert-'; }
background() { "$dfs" ec -fs "$url" -convert -replicate "$1/big" >"$scratch/out" 2>"$scratch/err" & converter=$!; wait_until 20 working "$1" || fail "nothing is converted: $(cat "$scratch/err")"; }
background /ec; kill -INT $converter; wait $converter; [ $? = 2 ] || fail "interrupted, and no error: $(cat "$scratch/out" "$scratch/err")"
no_temp "an interrupted conversion"; [ "$(form /ec/big)" = $policy ] || fail "an interrupted conversion has converted"
background /ec; kill -STOP $converter; sh -chmod 600 /ec/big; kill -CONT $converter; wait $converter
grep -q '/ec/big: was changed meanwhile' "$scratch/err" || fail "changed meanwhile: $(cat "$scratch/out" "$scratch/err")"
no_temp "a file that was changed"; [ "$(form /ec/big)" = $policy ] || fail "a file that was changed has been converted"
sh -chmod 644 /ec/big
"$dfs" -fs "$url" -cat /ec/big | cmp -s - "$scratch/big" || fail "a file that was changed has other bytes"
"$dfs" admin -fs "$url" -setSpaceQuota 200m /ec || fail "-setSpaceQuota"
refused 'quota' -replicate /ec/big
no_temp "a conversion beyond the quota"
"$dfs" admin -fs "$url" -clrSpaceQuota /ec || fail "-clrSpaceQuota"

# what is left of a killed one goes when the next one comes, unless it still looks alive
"$dfs" ec -fs "$url" -setPolicy -path /two >/dev/null && "$peer" dfs "$url" -put "$scratch/big" /two/ 2>"$scratch/err" || fail "Hadoop's put: $(cat "$scratch/err")"
background /two; kill -9 $converter; wait $converter 2>/dev/null
if ! convert -replicate /two/big; then
  grep -q 'another conversion is at work, or was killed' "$scratch/err" || fail "after a kill: $(cat "$scratch/out" "$scratch/err")"
  sh -rm -skipTrash "$("$dfs" -fs "$url" -ls -C /two | grep '\.convert-')" >/dev/null
  convert -replicate /two/big || fail "after a kill: $(cat "$scratch/out" "$scratch/err")"
fi
no_temp "a killed conversion"; "$dfs" -fs "$url" -cat /two/big | cmp -s - "$scratch/big" || fail "after a kill: other bytes"
sh -rm -r -skipTrash /two >/dev/null

# --- to replication ---
convert -replicate /ec || fail "-convert -replicate: $(cat "$scratch/out" "$scratch/err")"
[ "$(tail -1 "$scratch/out")" = "7 files of $((91 * cell + 8)) bytes converted, 0 passed over, 0 failed" ] || fail "-convert says: $(cat "$scratch/out")"
bytes /ec "replicated"; no_temp "-convert -replicate"
"$dfs" -fs "$url" -cat /ec/big | cmp -s - "$scratch/big" || fail "replicated: other bytes"
attributes /ec >"$scratch/after"; diff "$scratch/before" "$scratch/after" >"$scratch/diff"
grep -q '^[<>]' "$scratch/diff" && fail "attributes: $(cat "$scratch/diff")"
for f in "$one" /ec/big /ec/deep/below; do [ "$(form "$f")" = "The erasure coding policy of $f is unspecified" ] || fail "$f is $(form "$f")"; done
[ "$(form /ec)" = $policy ] || fail "the folder's policy is gone"
convert -replicate /ec || fail "once more: $(cat "$scratch/err")"
[ "$(tail -1 "$scratch/out")" = "0 files of 0 bytes converted, 7 passed over, 0 failed" ] || fail "once more: $(cat "$scratch/out")"
"$cluster" restart-namenode "$dir" >/dev/null || fail "restart"
wait_until 30 eval "! '$dfs' -fs '$url' -cat /ec/big 2>&1 | cmp -s - /dev/null"; bytes /ec "after a restart"

# --- to erasure coding: by name, and as the folder says ---
convert -policy $policy /plain
if grep -q "which this client can't write" "$scratch/err"; then
  no_temp "a conversion that isn't possible"; bytes /plain "not converted"
  echo "to replication only: erasure coded files can't be written yet"; exit 0
fi
[ "$(tail -1 "$scratch/out")" = "5 files of $((11 * cell + 7)) bytes converted, 0 passed over, 0 failed" ] || fail "-convert -policy: $(cat "$scratch/out" "$scratch/err")"
bytes /plain "erasure coded"
convert /ec || fail "-convert: $(cat "$scratch/out" "$scratch/err")"
bytes /ec "as the folder says"; no_temp "-convert"
for f in "$one" /ec/big /ec/deep/below /plain/f1; do [ "$(form "$f")" = $policy ] || fail "$f is $(form "$f")"; done
attributes /ec >"$scratch/after"; diff "$scratch/before" "$scratch/after" >"$scratch/diff"
grep -q '^[<>]' "$scratch/diff" && fail "attributes after both ways: $(cat "$scratch/diff")"
mkdir "$scratch/back"; "$peer" dfs "$url" -get '/ec/f*' "$scratch/back/" 2>/dev/null || fail "Hadoop's get"
diff -r "$scratch/in" "$scratch/back" >/dev/null || fail "Hadoop reads other bytes"
echo "both ways"
