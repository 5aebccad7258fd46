#!/bin/bash
# Records one session with strace: record.sh attack | record.sh benign, as root; writes <session>.strace beside itself.
# The session runs in mount, pid, network, ipc and uts namespaces of its own. /etc, /home, /opt, /root, /srv, /tmp, /usr/lib/python3,
# /usr/local, /var/log and /var/tmp are private file systems with made-up contents, the network has the loopback interface only,
# and the environment is empty but for PATH, HOME, USER and LANG: nothing of the recording machine is changed by the session or
# told by the recording (hence also no sysinfo).
set -eu
session=$1
here=$(cd "$(dirname "$0")" && pwd)
exec 3>"$here/$session.strace.new" 4<"$here/$session.sh" 5<"$here/peer.py"
cd /
unshare --mount --pid --fork --mount-proc --net --ipc --uts /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /bin/bash --noprofile --norc -s "$session" <<'INSIDE'
set -eu
session=$1
hostname workstation
ip link set lo up
mount -t tmpfs -o mode=1777 tmpfs /dev/shm

mkdir /dev/shm/etc
cp -a /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/services /etc/protocols /dev/shm/etc/
mount -t tmpfs -o mode=755 tmpfs /mnt
cp -a /dev/shm/etc/. /mnt/
rm -r /dev/shm/etc
cat >/mnt/passwd <<'FILE'
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
alice:x:1000:1000:Alice Example:/home/alice:/bin/bash
FILE
cat >/mnt/shadow <<'FILE'
root:$y$j9T$madeUpForTheTest$0000000000000000000000000000000000000000000:19700:0:99999:7:::
daemon:*:19700:0:99999:7:::
www-data:*:19700:0:99999:7:::
nobody:*:19700:0:99999:7:::
alice:$y$j9T$alsoMadeUpForIt.$1111111111111111111111111111111111111111111:19700:0:99999:7:::
FILE
chmod 640 /mnt/shadow
printf 'root:x:0:\ndaemon:x:1:\nadm:x:4:alice\nwww-data:x:33:\nshadow:x:42:\nnogroup:x:65534:\nalice:x:1000:\n' >/mnt/group
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n' >/mnt/nsswitch.conf
printf '127.0.0.1 localhost workstation\n::1 localhost\n' >/mnt/hosts
printf 'workstation\n' >/mnt/hostname
mkdir -p /mnt/cron.d /mnt/sudoers.d /mnt/ssh /mnt/logrotate.d
printf 'root ALL=(ALL:ALL) ALL\nalice ALL=(ALL:ALL) ALL\n' >/mnt/sudoers
printf 'Port 22\nPermitRootLogin no\n' >/mnt/ssh/sshd_config
printf '30 2 * * * root /opt/backup/bin/agent\n' >/mnt/cron.d/backup
printf 'nodev\ttmpfs\nnodev\tproc\n\text4\n' >/mnt/filesystems
mount --move /mnt /etc
mount --bind /etc/filesystems /proc/filesystems

for folder in /home /opt /root /srv /usr/lib/python3 /usr/local /var/log /var/tmp; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /home/alice /usr/lib/python3/dist-packages /usr/local/bin /usr/local/sbin /usr/local/lib /opt/backup/bin /srv/site /root/.ssh
printf 'ssh-ed25519 AAAAMadeUpKeyOfNobody admin@example.org\n' >/root/.ssh/authorized_keys
printf 'ls\ncd /srv/site\nvi index.html\n' >/root/.bash_history
printf '<html><body>example</body></html>\n' >/srv/site/index.html
for day in 01 02 03 04 05 06 07 08 09; do
  printf 'Mar %s 10:00:00 workstation sshd[411]: Accepted publickey for alice from 192.0.2.10 port 50122\n' $day
  printf 'Mar %s 10:05:00 workstation sshd[511]: Accepted password for root from 203.0.113.66 port 40122\n' $day
done >/var/log/auth.log
sed s/sshd/systemd/ /var/log/auth.log >/var/log/syslog
printf 'made up\n' | tee /var/log/wtmp /var/log/btmp /var/log/lastlog /var/log/messages >/var/log/dpkg.log

# Small programs under the names of those that may write logs and cron jobs.
cp /bin/mv /usr/local/sbin/logrotate
cp /bin/truncate /usr/local/sbin/rsyslogd
cp /bin/rm /usr/local/sbin/savelog
cp /bin/cp /usr/local/bin/crontab

mkdir /dev/shm/far
cp /bin/dash /dev/shm/far/agent
cat <&5 >/dev/shm/far/peer.py
cat <&4 >"/root/$session.sh"
exec 4<&- 5<&-
# The far side of the session's connections; it is not part of the recording.
cd /dev/shm/far
/usr/bin/python3 -I peer.py 3<&- >/dev/null 2>&1 &
peer=$!
cd /root
for try in 1 2 3 4 5 6 7 8 9 10; do (: </dev/tcp/127.0.0.1/8000) 2>/dev/null && break; sleep 0.2; done
/usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C \
  strace -f -ttt -yy -s 256 -e 'trace=!sysinfo' -o /dev/shm/far/trace \
  /bin/bash "/root/$session.sh" 3<&- </dev/null 2>&1 | cat >&2
cat /dev/shm/far/trace >&3
kill $peer
rm -r /dev/shm/far
INSIDE
mv "$here/$session.strace.new" "$here/$session.strace"
