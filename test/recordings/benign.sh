# An hour of administration, played on made-up files: the near misses of the attack.
cd /root

# Look around.
id
uname -s
cat /etc/passwd /etc/hostname
ls -la /root /home /srv/site /opt
find /opt /srv /home -type f

# Accounts: the password file is looked at, but only programs that manage accounts open it.
ls -l /etc/shadow
stat -c %a /etc/shadow
grep -c root /etc/passwd
getent passwd alice
passwd -S alice
python3 -I -c '
for line in open("/etc/passwd"):
    print(line.split(":")[0])
'

# Put a program in its place and run it; /tmp holds data only.
mkdir -p /tmp/.cache
curl -s -o /tmp/.cache/agent http://127.0.0.1:8000/agent
install -m 755 /tmp/.cache/agent /opt/backup/bin/agent
/opt/backup/bin/agent -c 'id; ls /srv/site'
mkdir -p /opt/tmp
cp /opt/backup/bin/agent /opt/tmp/kworkerd
/opt/tmp/kworkerd -c 'true'
echo 'echo scripts are read, not run' >/tmp/.cache/note.sh
sh /tmp/.cache/note.sh
curl -s --data-binary @/etc/hostname http://127.0.0.1:8000/upload

# Permissions without the set-user-id bit.
cp /opt/backup/bin/agent /usr/local/bin/agent
chmod 755 /usr/local/bin/agent
chmod u-s,go-w /usr/local/bin/agent
chmod 2755 /opt/backup/bin
agent -c 'true'

# Anonymous memory that holds data, and a child that runs a program from a file.
python3 -I -c '
import os
fd = os.memfd_create("cache", 0)
os.write(fd, open("/etc/hostname", "rb").read())
os.execv("/bin/true", ["true"])
'

# A shell that asks a service and reads the answer, and a client with its socket beside the standard descriptors, which are files.
bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000; printf "GET / HTTP/1.0\r\n\r\n" >&3; cat <&3'
bash -c 'exec 2>/root/errors; ls /root/none'
python3 -I -c '
import os, socket
s = socket.socket()
s.connect(("127.0.0.1", 8000))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
os.dup2(s.fileno(), 7)
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
os.dup2(os.open("/root/status", os.O_WRONLY | os.O_CREAT, 0o600), 1)
os.execv("/bin/sh", ["sh", "-c", "echo done"])
'

# Jobs and keys are read and saved; a job is written by the program for it.
cat /etc/cron.d/* /root/.ssh/authorized_keys
cp /etc/cron.d/backup /etc/crontab.saved
cp /root/.ssh/authorized_keys /root/.ssh/authorized_keys.saved
crontab /etc/crontab.saved /etc/cron.d/report

# Logs are read and added to; only the programs for it empty, remove and rotate them.
grep -c 203.0.113.66 /var/log/auth.log
tail -n 2 /var/log/syslog
echo 'backup done' >>/var/log/backup.log
logrotate /var/log/messages /var/log/messages.1
rsyslogd -s 0 /var/log/lastlog
savelog -f /var/log/btmp
rm -f /var/log/none.log
cp /var/log/auth.log /root/auth.copy
sed -i '/203\.0\.113\.66/d' /root/auth.copy
: >/root/auth.copy
rm -f /root/auth.copy /root/status /root/errors

# The shell's history is kept; a copy of it is not.
cp /root/.bash_history /root/.bash_history.saved
rm -f /root/.bash_history.saved
rm -rf /tmp/.cache
