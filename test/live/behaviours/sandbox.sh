# Runs one behaviour: sandbox.sh COMMAND ARGUMENT..., as pid 1 of mount, pid, network, ipc and uts namespaces of its own, outside of the
# observed cgroup. The command gets a root of its own: a file system in memory with copies of WORLD and FILES, libraries bound
# read-only from below /usr/lib, and nothing else of the machine. PROCS is cgroup.procs of the cgroup that the command is to be in,
# ROOT an empty folder to mount on, PEERS what PEER listens on, RUN_UID and LOGINUID its users, CWD its folder,
# PID_LIMIT the highest pid of the namespace or empty.
set -eu

mount -t tmpfs -o mode=755,size=128m tmpfs "$ROOT"
cp -a "$WORLD/." "$ROOT/"
cp -a "$FILES/." "$ROOT/"
cd "$ROOT"
for name in $LIBRARIES; do
  mkdir "usr/lib/$name"
  mount -o bind,ro "/usr/lib/$name" "usr/lib/$name"
done
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/urandom c 1 9
ln -s /proc/self/fd dev/fd

# What of /proc tells the kernel what to run is a file of the sandbox's; the rest of /proc/sys can't be written.
mount -t proc proc proc
[ -z "$PID_LIMIT" ] || echo "$PID_LIMIT" >proc/sys/kernel/pid_max
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
for path in proc/sys/kernel/core_pattern proc/sys/kernel/modprobe proc/sysrq-trigger; do
  [ -e "$path" ] || continue
  touch "run/${path##*/}"
  mount --bind "run/${path##*/}" "$path"
done

if [ -n "$PEERS" ]; then
  ip link set lo up
  ip address add 10.0.2.15/32 dev lo
  ip route add local 203.0.113.0/24 dev lo src 10.0.2.15 table local
  # The first port that the simulation gives to a socket.
  echo 32768 32768 >/proc/sys/net/ipv4/ip_local_port_range
  "$PEER" $PEERS
fi

exec 8>"$PROCS"
pivot_root . .
umount -l .
cd "$CWD"
[ "$LOGINUID" = "$(cat /proc/self/loginuid)" ] || echo "$LOGINUID" >/proc/self/loginuid
ulimit -v 2000000
ulimit -n 256
(
  echo 0 >&8
  exec 8>&-
  if [ "$RUN_UID" != 0 ]; then
    exec setpriv --reuid "$RUN_UID" --regid "$RUN_UID" --clear-groups "$@"
  fi
  exec "$@"
) && status=0 || status=$?
exit $status
